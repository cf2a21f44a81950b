//! The one failure type: a class that fixes the exit code, a lowercase fact, and what to do about it.

use crate::exit::Exit;
use std::fmt;

/// What went wrong, in the terms of the exit table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing more precise applies (exit 1).
    General,
    /// The database refused, is gone or holds the wrong thing (exit 2).
    Database,
    /// An HTTP endpoint, Redis or the network (exit 3).
    Network,
    /// Where backups and exports are kept, or its authentication (exit 4).
    Storage,
    /// A health check is critical (exit 5).
    Critical,
    /// The command line is wrong (exit 64).
    Usage,
    /// A defect of ours, or a stage that died (exit 70).
    Internal,
    /// Another run holds the lock (exit 75).
    Locked,
    /// The settings are wrong (exit 78).
    Config,
    /// INT arrived (exit 130).
    Interrupted,
    /// TERM arrived (exit 143).
    Terminated,
}

impl Class {
    /// The exit code of this class.
    pub fn exit(self) -> Exit {
        Exit(match self {
            Class::General => 1,
            Class::Database => 2,
            Class::Network => 3,
            Class::Storage => 4,
            Class::Critical => 5,
            Class::Usage => 64,
            Class::Internal => 70,
            Class::Locked => 75,
            Class::Config => 78,
            Class::Interrupted => 130,
            Class::Terminated => 143,
        })
    }

    /// The word that records carry as `error_class`.
    pub fn name(self) -> &'static str {
        match self {
            Class::General => "general",
            Class::Database => "database",
            Class::Network => "network",
            Class::Storage => "storage",
            Class::Critical => "critical",
            Class::Usage => "usage",
            Class::Internal => "internal",
            Class::Locked => "locked",
            Class::Config => "config",
            Class::Interrupted => "interrupted",
            Class::Terminated => "terminated",
        }
    }
}

/// A failure as every tool reports it. `Display` is the message alone; the hint is shown on a line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Fixes the exit code and `error_class`.
    pub class: Class,
    /// A lowercase fact, without a final full stop: `cannot connect to localhost:5432: connection refused`.
    pub message: String,
    /// The remedy, as an instruction: `start the server, or set DATABASE_URL`.
    pub hint: Option<String>,
}

/// The result of everything that can fail.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure without a hint yet.
    pub fn new(class: Class, message: impl Into<String>) -> Failure {
        Failure { class, message: message.into(), hint: None }
    }

    /// The same failure with its remedy. A hint given earlier (nearer to the cause) is kept.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// The same failure, its message preceded by what was being done: `dumping statements: disk full`.
    #[must_use]
    pub fn context(mut self, doing: impl fmt::Display) -> Failure {
        self.message = format!("{doing}: {}", self.message);
        self
    }

    /// Message and hint as a person reads them on stderr, two lines.
    pub fn for_people(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}\nhint: {hint}", self.message),
            None => self.message.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Gives any error a class and says what was being done: `fs::read(p).or_fail(Class::Config, || format!("reading {p}"))?`.
pub trait OrFail<T> {
    /// Turns the error into a [`Failure`] whose message is `doing: error`.
    ///
    /// # Errors
    /// When `self` is one.
    fn or_fail<D: fmt::Display>(self, class: Class, doing: impl FnOnce() -> D) -> Result<T>;
}

impl<T, E: std::error::Error> OrFail<T> for std::result::Result<T, E> {
    fn or_fail<D: fmt::Display>(self, class: Class, doing: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|error| Failure::new(class, format!("{}: {}", doing(), chain(&error))))
    }
}

/// An error and its causes on one line, without saying the same thing twice.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        source = cause.source();
    }
    text.replace('\n', " ")
}
