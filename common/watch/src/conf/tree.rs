//! The file as a tree with places, and which of its keys somebody asked for.

use crate::near;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use toml_edit::{Document, Item, Value};

/// A value and the byte where it begins.
#[derive(Debug)]
pub(super) struct Node {
    pub at: usize,
    pub what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Text(String),
    Number(f64),
    Switch(bool),
    List(Vec<Node>),
    Table(Entries),
    /// A date or time, which no key takes.
    Moment,
}

impl What {
    pub fn kind(&self) -> &'static str {
        match self {
            What::Text(_) => "text",
            What::Number(_) => "a number",
            What::Switch(_) => "true or false",
            What::List(_) => "a list",
            What::Table(_) => "a table",
            What::Moment => "a date",
        }
    }
}

/// A table.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub at: usize,
    pub entries: Vec<Entry>,
    /// What was asked for, there or not.
    pub asked: RefCell<BTreeSet<String>>,
    /// Its keys belong to somebody else, or are free.
    pub open: RefCell<bool>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub key: String,
    pub at: usize,
    pub node: Node,
}

impl Entries {
    pub fn get(&self, key: &str) -> Option<&Entry> {
        let mut asked = self.asked.borrow_mut();
        if !asked.contains(key) {
            asked.insert(key.to_owned());
        }
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Notes the keys that nobody asked for, here and below.
    pub fn unknown(&self, name: &str, noted: &mut Vec<(usize, String, Option<String>)>) {
        if *self.open.borrow() {
            return;
        }
        let asked = self.asked.borrow();
        for entry in &self.entries {
            if !asked.contains(&entry.key) {
                let of = if name.is_empty() { String::new() } else { format!(" in {name}") };
                let hint = near::hint(&entry.key, asked.iter().map(String::as_str));
                noted.push((entry.at, format!("{} is not known{of}", entry.key), Some(hint)));
                continue;
            }
            let inner = if name.is_empty() { entry.key.clone() } else { format!("{name}.{}", entry.key) };
            match &entry.node.what {
                What::Table(entries) => entries.unknown(&inner, noted),
                What::List(nodes) => nodes.iter().for_each(|node| {
                    if let What::Table(entries) = &node.what {
                        entries.unknown(&inner, noted);
                    }
                }),
                _ => {}
            }
        }
    }
}

/// Parses the text; the mistake has its place.
pub(super) fn parse(text: &str) -> Result<Entries, (usize, String)> {
    let document = Document::parse(text).map_err(|error| {
        let message = error.message().lines().next().unwrap_or("this is no TOML").trim_end_matches('.').to_owned();
        (error.span().map_or(0, |span| span.start), message)
    })?;
    Ok(table(document.as_table(), 0))
}

fn start(span: Option<Range<usize>>, otherwise: usize) -> usize {
    span.map_or(otherwise, |span| span.start)
}

fn table(table: &dyn toml_edit::TableLike, at: usize) -> Entries {
    let entries = table.iter().filter_map(|(name, item)| {
        let key_at = start(table.key(name).and_then(toml_edit::Key::span), at);
        Some(Entry { key: name.to_owned(), at: key_at, node: node(item, key_at)? })
    });
    Entries { at, entries: entries.collect(), ..Entries::default() }
}

fn node(item: &Item, key_at: usize) -> Option<Node> {
    let at = start(item.span(), key_at);
    let what = match item {
        Item::None => return None,
        Item::Value(inner) => return Some(value(inner, key_at)),
        Item::Table(inner) => What::Table(table(inner, start(inner.span(), key_at))),
        Item::ArrayOfTables(tables) => {
            let one = |inner: &toml_edit::Table| {
                let at = start(inner.span(), at);
                Node { at, what: What::Table(table(inner, at)) }
            };
            What::List(tables.iter().map(one).collect())
        }
    };
    Some(Node { at, what })
}

fn value(value: &Value, otherwise: usize) -> Node {
    let at = start(value.span(), otherwise);
    let what = match value {
        Value::String(text) => What::Text(text.value().clone()),
        Value::Integer(whole) => What::Number(*whole.value() as f64),
        Value::Float(number) => What::Number(*number.value()),
        Value::Boolean(truth) => What::Switch(*truth.value()),
        Value::Datetime(_) => What::Moment,
        Value::Array(values) => What::List(values.iter().map(|inner| self::value(inner, at)).collect()),
        Value::InlineTable(inner) => What::Table(table(inner, at)),
    };
    Node { at, what }
}
