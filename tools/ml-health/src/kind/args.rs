//! The parameters of probes and views, as profiles give them: read, checked and filled with defaults before a probe sees them.

use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::time::Duration;

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamKind {
    /// Text.
    Text,
    /// Text that is never shown.
    Secret,
    /// A URL; its user, password and path are never shown.
    Url,
    /// A file or folder, absolute when the probe gets it.
    Path,
    /// A regular expression.
    Pattern,
    /// Names with `*` and `?`.
    Glob,
    /// Permissions as chmod takes them in digits.
    Mode,
    /// One of these words.
    Word(&'static [&'static str]),
    /// A number.
    Number,
    /// `5s`, `24h`.
    Duration,
    /// true or false.
    Switch,
    /// A list of texts.
    Texts,
    /// Names to texts: `{ busy = ".pool.busy" }`.
    Table,
    /// Names to regular expressions.
    Patterns,
    /// Names to texts that are never shown: `{ Authorization = "Bearer ${NOTION_TOKEN}" }`.
    SecretTable,
}

impl ParamKind {
    /// What is wrong with a text (for a table: one of its texts), and the remedy.
    pub fn fault(self, text: &str) -> Option<(String, &'static str)> {
        match self {
            ParamKind::Pattern | ParamKind::Patterns => {
                let error = Regex::new(text).err()?;
                Some((format!("this is no regular expression: {}", why(&error)), "write it as in grep -E"))
            }
            ParamKind::Glob => {
                let error = glob::Pattern::new(text).err()?;
                Some((format!("this is no pattern of names: {}", error.msg), "write it as in a shell: *.py; [[] stands for a bracket"))
            }
            ParamKind::Mode => u32::from_str_radix(text, 8)
                .map_or(true, |mode| mode > 0o7777)
                .then(|| (format!("{text} is no file mode"), "write it as chmod takes it in digits: 600")),
            _ => None,
        }
    }
}

/// Why a regular expression is none, on one line.
pub fn why(error: &regex::Error) -> String {
    let said = error.to_string();
    said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// One parameter.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    /// As the profile names it.
    pub name: &'static str,
    /// What it takes.
    pub kind: ParamKind,
    /// Whether it has to be given.
    pub required: bool,
    /// Taken when it is not given, as the profile would write it: `"5s"`, `"200"`.
    pub default: Option<&'static str>,
    /// For the manual.
    pub doc: &'static str,
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Arg {
    /// Text, a secret, a URL, a path, a word.
    Text(String),
    /// A number.
    Number(f64),
    /// A duration.
    Duration(Duration),
    /// A switch.
    Switch(bool),
    /// A list.
    Texts(Vec<String>),
    /// A table, in the order of the profile.
    Table(Vec<(String, String)>),
}

/// Parameters by name. What has no value and no default is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Args(pub BTreeMap<&'static str, Arg>);

impl Args {
    /// A text, secret, URL, path or word.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Arg::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(Arg::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// A duration.
    pub fn duration(&self, name: &str) -> Option<Duration> {
        match self.0.get(name) {
            Some(Arg::Duration(duration)) => Some(*duration),
            _ => None,
        }
    }

    /// A switch; false when it is not there.
    pub fn switch(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Arg::Switch(true)))
    }

    /// A list; empty when it is not there.
    pub fn texts(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Arg::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A table; empty when it is not there.
    pub fn table(&self, name: &str) -> &[(String, String)] {
        match self.0.get(name) {
            Some(Arg::Table(table)) => table,
            _ => &[],
        }
    }
}
