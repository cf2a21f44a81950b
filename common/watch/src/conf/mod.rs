//! TOML files for operators: every mistake is told with file, line, column and remedy, and all of them in one go.
//!
//! A [`File`] is read into [`Table`]s; their getters remember what was asked for and note what is of the wrong kind. What was never asked for is an
//! unknown key, told by [`File::finish`] with the known one nearest to it.

mod place;
mod table;
mod tree;
mod vars;

pub use place::{CHECK_TABLES, RULE_TABLES, lookup, profile_path};
pub use table::{Spot, Table};
pub use vars::{Lookup, Unset, Vars};

use crate::expr;
use ml_common::{Class, Failure, Result};
use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::path::{Path, PathBuf};
use tree::Entries;

/// No configuration is longer.
const MAX_BYTES: u64 = 4 << 20;
/// So many mistakes are told in one failure.
const TOLD: usize = 20;

/// A configuration file, read and being looked through.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    text: String,
    root: Entries,
    mistakes: RefCell<Vec<(usize, String, Option<String>)>>,
    vars: OnceCell<Vars>,
    unset: RefCell<Vec<String>>,
}

/// One mistake of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Character of the line, from 1.
    pub column: usize,
    /// A lowercase fact.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.path.display(), self.line, self.column, self.message)
    }
}

/// A time such as `500ms`, `15s`, `24h`, `30d`.
pub fn duration(text: &str) -> Option<std::time::Duration> {
    humantime::parse_duration(text).ok()
}

impl File {
    /// Reads a file.
    ///
    /// # Errors
    /// Class Config when it cannot be read or is no TOML.
    pub fn read(path: &Path) -> Result<File> {
        let cannot = |why: String| {
            Failure::new(Class::Config, format!("cannot read {}: {why}", path.display())).hint("name an existing file that you may read")
        };
        let bytes = ml_common::files::read_small(path, MAX_BYTES + 1).map_err(|failure| {
            // What hinders writing is no remedy for reading.
            Failure::new(Class::Config, failure.message).hint("name a file that this user may read")
        })?;
        let bytes = bytes.ok_or_else(|| cannot("there is no such file".into()))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(cannot(format!("it is larger than {MAX_BYTES} bytes")));
        }
        match String::from_utf8(bytes) {
            Ok(text) => File::parse(path, text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let file = File::of(path, String::from_utf8_lossy(error.as_bytes().get(..at).unwrap_or_default()).into_owned());
                file.mistake(at, "this is not UTF-8", "save the file as UTF-8");
                Err(file.failure(file.mistakes()))
            }
        }
    }

    fn of(path: &Path, text: String) -> File {
        File {
            path: path.to_owned(),
            text,
            root: Entries::default(),
            mistakes: RefCell::default(),
            vars: OnceCell::new(),
            unset: RefCell::default(),
        }
    }

    /// The same of a text; `path` is how mistakes call it.
    ///
    /// # Errors
    /// Class Config when it is no TOML.
    pub fn parse(path: &Path, text: String) -> Result<File> {
        // An editor's byte order mark is no mistake.
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        let file = File::of(path, text);
        match tree::parse(&file.text) {
            Ok(root) => Ok(File { root, ..file }),
            Err((at, message)) => {
                file.mistake(at, message, "correct the TOML: texts stand in quotes, [tables] on lines of their own");
                Err(file.failure(file.mistakes()))
            }
        }
    }

    /// The file's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All of it.
    pub fn root(&self) -> Table<'_> {
        Table::new(self, &self.root, String::new())
    }

    /// From here on `${NAME}` in every text is filled in, from `lookup` and the defaults of `[vars]`.
    pub fn fill(&self, lookup: Lookup) {
        let _ = self.vars.set(Vars::read(&self.root(), lookup));
    }

    /// The variables, once [`File::fill`] was called.
    pub fn vars(&self) -> Option<&Vars> {
        self.vars.get()
    }

    /// The variables that were not set and kept a text from being read, since this was last asked. Such a text is `None` and no mistake.
    pub fn take_unset(&self) -> Vec<String> {
        let mut unset = self.unset.take();
        unset.sort_unstable();
        unset.dedup();
        unset
    }

    fn filled(&self, at: usize, text: &str) -> Option<String> {
        let Some(vars) = self.vars.get() else { return Some(text.to_owned()) };
        match vars.expand(text) {
            Ok(Ok(text)) => Some(text),
            Ok(Err(Unset(names))) => {
                self.unset.borrow_mut().extend(names);
                None
            }
            Err(message) => {
                self.mistake(at, message, vars::REMEDY);
                None
            }
        }
    }

    /// Notes a mistake at a byte of the text.
    pub fn mistake(&self, at: usize, message: impl Into<String>, hint: impl Into<String>) {
        self.mistakes.borrow_mut().push((at, message.into(), Some(hint.into())));
    }

    /// Notes the mistake of an expression that begins at `at` (where its quote stands).
    pub fn mistake_in(&self, at: usize, mistake: &expr::Mistake) {
        let rest = self.text.get(at..).unwrap_or_default();
        let quote = if rest.starts_with("\"\"\"") || rest.starts_with("'''") { 3 } else { 1 };
        self.mistakes.borrow_mut().push((at + quote + mistake.at, mistake.message.clone(), mistake.hint.clone()));
    }

    /// Everything noted so far and every key that nobody asked for, by place.
    pub fn mistakes(&self) -> Vec<Mistake> {
        let mut noted = self.mistakes.borrow().clone();
        self.root.unknown("", &mut noted);
        noted.sort_by_key(|(at, ..)| *at);
        noted.dedup();
        noted.into_iter().map(|(at, message, hint)| self.placed(at, message, hint)).collect()
    }

    fn placed(&self, at: usize, message: String, hint: Option<String>) -> Mistake {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        let before = &self.text[..at];
        let line_start = before.rfind('\n').map_or(0, |end| end + 1);
        let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
        Mistake { path: self.path.clone(), line, column, message, hint }
    }

    /// Whether there was no mistake; to be asked after the last getter.
    ///
    /// # Errors
    /// Class Config with all mistakes.
    pub fn finish(&self) -> Result<()> {
        let mistakes = self.mistakes();
        if mistakes.is_empty() { Ok(()) } else { Err(self.failure(mistakes)) }
    }

    fn failure(&self, mistakes: Vec<Mistake>) -> Failure {
        if let [mistake] = mistakes.as_slice() {
            let failure = Failure::new(Class::Config, mistake.to_string());
            return mistake.hint.iter().fold(failure, |failure, hint| failure.hint(hint.as_str()));
        }
        let mut message = format!("{} has {} mistakes", self.path.display(), mistakes.len());
        for mistake in mistakes.iter().take(TOLD) {
            message.push_str(&format!("\n{mistake}"));
            mistake.hint.iter().for_each(|hint| message.push_str(&format!("\n    hint: {hint}")));
        }
        if mistakes.len() > TOLD {
            message.push_str(&format!("\n(and {} more)", mistakes.len() - TOLD));
        }
        Failure::new(Class::Config, message).hint("correct the first ones first")
    }
}

#[cfg(test)]
mod tests;
