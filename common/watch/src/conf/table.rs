//! Tables, read key by key.

use super::File;
use super::tree::{Entries, Entry, Node, What};
use crate::expr::Expr;
use crate::near;
use crate::threshold::Threshold;
use std::ops::Deref;
use std::time::Duration;

/// Something read, and the byte of the file where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Spot<T> {
    /// What was read.
    pub value: T,
    /// Where.
    pub at: usize,
}

impl<T> Deref for Spot<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A table of a file. Its getters give `None` for a key that is not there and for one of the wrong kind, which they note as a mistake.
#[derive(Clone)]
pub struct Table<'a> {
    file: &'a File,
    entries: &'a Entries,
    name: String,
}

impl<'a> Table<'a> {
    pub(super) fn new(file: &'a File, entries: &'a Entries, name: String) -> Table<'a> {
        Table { file, entries, name }
    }

    /// The file that it stands in.
    pub fn file(&self) -> &'a File {
        self.file
    }

    /// Where it begins.
    pub fn at(&self) -> usize {
        self.entries.at
    }

    /// Its name, dotted: `probe.metrics`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its keys, in order, without asking for them.
    pub fn keys(&self) -> Vec<Spot<&'a str>> {
        self.entries.entries.iter().map(|entry| Spot { value: entry.key.as_str(), at: entry.at }).collect()
    }

    /// Whether the key is there, of whatever kind.
    pub fn has(&self, key: &str) -> bool {
        self.entries.get(key).is_some()
    }

    /// Takes the key for known, whatever is in it: it is somebody else's.
    pub fn leave(&self, key: &str) {
        if let Some(Entry { node: Node { what, .. }, .. }) = self.entries.get(key) {
            match what {
                What::Table(entries) => *entries.open.borrow_mut() = true,
                What::List(nodes) => nodes.iter().for_each(|node| {
                    if let What::Table(entries) = &node.what {
                        *entries.open.borrow_mut() = true;
                    }
                }),
                _ => {}
            }
        }
    }

    /// Notes a missing key.
    pub fn required<T>(&self, key: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(key) {
            let of = if self.name.is_empty() { "the file".to_owned() } else { self.name.clone() };
            let hint = if key.starts_with('[') { format!("add {key}, on a line of its own") } else { format!("add {key} = ...") };
            self.file.mistake(self.at(), format!("{of} has no {key}"), hint);
        }
        value
    }

    fn wrong(&self, entry: &Entry, wanted: &str) {
        self.file.mistake(
            entry.node.at,
            format!("{} is {}, and not {wanted}", entry.key, entry.node.what.kind()),
            format!("give {wanted}"),
        );
    }

    fn get<T>(&self, key: &str, wanted: &str, read: impl Fn(&'a What) -> Option<T>) -> Option<Spot<T>> {
        let entry = self.entries.get(key)?;
        let value = read(&entry.node.what);
        if value.is_none() {
            self.wrong(entry, wanted);
        }
        Some(Spot { value: value?, at: entry.node.at })
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<Spot<String>> {
        let text = self.get(key, "a text in quotes", |what| match what {
            What::Text(text) => Some(text),
            _ => None,
        })?;
        Some(Spot { value: self.file.filled(text.at, text.value)?, at: text.at })
    }

    /// A number.
    pub fn number(&self, key: &str) -> Option<Spot<f64>> {
        self.get(key, "a number", |what| match what {
            What::Number(number) if number.is_finite() => Some(*number),
            _ => None,
        })
    }

    /// A whole number from 0 on.
    pub fn count(&self, key: &str) -> Option<Spot<u64>> {
        let number = self.number(key)?;
        if number.value < 0.0 || number.fract() != 0.0 || number.value > 9e15 {
            self.file.mistake(number.at, format!("{key} is {}, and not a whole number from 0 on", number.value), "give a whole number");
            return None;
        }
        Some(Spot { value: number.value as u64, at: number.at })
    }

    /// True or false.
    pub fn switch(&self, key: &str) -> Option<Spot<bool>> {
        self.get(key, "true or false", |what| match what {
            What::Switch(truth) => Some(*truth),
            _ => None,
        })
    }

    /// A time such as `15s`, `24h`, `30d`.
    pub fn duration(&self, key: &str) -> Option<Spot<Duration>> {
        let text = self.text(key)?;
        match super::duration(&text) {
            Some(duration) => Some(Spot { value: duration, at: text.at }),
            None => {
                self.file.mistake(text.at, format!("{key} is '{}', and not a time", text.value), "write 500ms, 15s, 5m, 24h or 30d");
                None
            }
        }
    }

    /// One of these words.
    pub fn word(&self, key: &str, words: &[&'static str]) -> Option<Spot<&'static str>> {
        let text = self.text(key)?;
        let found = words.iter().find(|word| **word == text.value);
        if found.is_none() {
            self.file.mistake(text.at, format!("{key} is '{}'", text.value), near::hint(&text, words.iter().copied()));
        }
        Some(Spot { value: found?, at: text.at })
    }

    /// An expression.
    pub fn expr(&self, key: &str) -> Option<Spot<Expr>> {
        let text = self.text(key)?;
        match Expr::parse(&text) {
            Ok(value) => Some(Spot { value, at: text.at }),
            Err(mistake) => {
                self.file.mistake_in(text.at, &mistake);
                None
            }
        }
    }

    /// A threshold; a bare number is one, too.
    pub fn threshold(&self, key: &str) -> Option<Spot<Threshold>> {
        let entry = self.entries.get(key)?;
        let text = match &entry.node.what {
            What::Text(text) => self.file.filled(entry.node.at, text)?,
            What::Number(number) => number.to_string(),
            _ => {
                self.wrong(entry, "a threshold in quotes: \"> 80\", \"10:20\", \"busy / total > 0.8\"");
                return None;
            }
        };
        match Threshold::parse(&text) {
            Ok(value) => Some(Spot { value, at: entry.node.at }),
            Err(mistake) => {
                self.file.mistake_in(entry.node.at, &mistake);
                None
            }
        }
    }

    /// A list of texts; a single text is a list of one.
    pub fn texts(&self, key: &str) -> Option<Vec<Spot<String>>> {
        let entry = self.entries.get(key)?;
        let nodes = match &entry.node.what {
            What::List(nodes) => nodes.as_slice(),
            What::Text(_) => std::slice::from_ref(&entry.node),
            _ => {
                self.wrong(entry, "a list of texts");
                return None;
            }
        };
        let mut texts = Vec::new();
        for node in nodes {
            match &node.what {
                What::Text(text) => texts.extend(self.file.filled(node.at, text).map(|value| Spot { value, at: node.at })),
                other => self.file.mistake(
                    node.at,
                    format!("{key} holds {}, and not only texts", other.kind()),
                    "give a list of texts in quotes",
                ),
            }
        }
        Some(texts)
    }

    /// Where a list stands that holds nothing; texts that are not set leave none, either, and that is another mistake.
    pub fn empty_list(&self, key: &str) -> Option<usize> {
        let entry = self.entries.get(key)?;
        matches!(&entry.node.what, What::List(nodes) if nodes.is_empty()).then_some(entry.node.at)
    }

    /// A table of texts, names free; numbers and switches count as texts.
    pub fn pairs(&self, key: &str) -> Option<Vec<(Spot<String>, Spot<String>)>> {
        let table = self.table(key)?;
        let mut pairs = Vec::new();
        for entry in &table.entries.entries {
            table.entries.get(&entry.key);
            let text = match &entry.node.what {
                What::Text(text) => match self.file.filled(entry.node.at, text) {
                    Some(text) => text,
                    None => continue,
                },
                What::Number(number) => number.to_string(),
                What::Switch(truth) => truth.to_string(),
                _ => {
                    table.wrong(entry, "a text");
                    continue;
                }
            };
            pairs.push((Spot { value: entry.key.clone(), at: entry.at }, Spot { value: text, at: entry.node.at }));
        }
        Some(pairs)
    }

    /// A table.
    pub fn table(&self, key: &str) -> Option<Table<'a>> {
        let entries = self.get(key, "a table", |what| match what {
            What::Table(entries) => Some(entries),
            _ => None,
        })?;
        Some(Table { file: self.file, entries: entries.value, name: self.named(key) })
    }

    /// All tables of `[[key]]`; a single table is a list of one.
    pub fn tables(&self, key: &str) -> Vec<Table<'a>> {
        let Some(entry) = self.entries.get(key) else { return Vec::new() };
        let nodes = match &entry.node.what {
            What::List(nodes) => nodes.as_slice(),
            What::Table(_) => std::slice::from_ref(&entry.node),
            _ => {
                self.wrong(entry, "a list of tables, [[...]]");
                return Vec::new();
            }
        };
        let one = |node: &'a Node| match &node.what {
            What::Table(entries) => Some(Table { file: self.file, entries, name: self.named(key) }),
            other => {
                self.file.mistake(node.at, format!("{key} holds {}, and not only tables", other.kind()), format!("write [[{key}]]"));
                None
            }
        };
        nodes.iter().filter_map(one).collect()
    }

    /// All tables in the table `key` by their names: `[key.NAME]`.
    pub fn named_tables(&self, key: &str) -> Vec<(Spot<&'a str>, Table<'a>)> {
        let Some(outer) = self.table(key) else { return Vec::new() };
        outer.keys().into_iter().filter_map(|name| Some((name.clone(), outer.table(name.value)?))).collect()
    }

    fn named(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}
