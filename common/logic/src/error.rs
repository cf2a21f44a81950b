//! The one error type of the crate, and the limits that untrusted input is held to.

use std::fmt;

/// What can go wrong; displayed as a lowercase fact without a final stop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The text is not a formula. Columns count characters from 1.
    Syntax {
        /// Where the text stops making sense.
        column: usize,
        /// What is wrong there.
        message: String,
    },
    /// A [`Limits`] value (or the room for 32-bit positions) was reached; the input may be fine.
    Limit {
        /// What was being counted, as in "symbols of a formula".
        what: &'static str,
        /// The limit that was reached.
        limit: usize,
    },
    /// A sequence of symbols or steps that is no formula or proof, or an unknown name.
    Malformed(String),
    /// A well-formed proof that proves nothing: a detachment that fails, a rule or axiom that is not there.
    NotAProof(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Syntax { column, message } => write!(f, "{message} at column {column}"),
            Error::Limit { what, limit } => write!(f, "more than {limit} {what}"),
            Error::Malformed(text) | Error::NotAProof(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Error {}

/// `Result` with this crate's error.
pub type Result<T> = std::result::Result<T, Error>;

/// How large things may become before the answer is [`Error::Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Symbols (connectives and variables) of any one formula. Default 4,194,304.
    pub max_symbols: usize,
    /// Elementary steps of one proof check or one truth test, roughly symbols visited; a step is a few nanoseconds
    /// and keeps at most 16 bytes. Default 268,435,456.
    pub max_work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { max_symbols: 1 << 22, max_work: 1 << 28 }
    }
}

impl Limits {
    /// The error for a formula of more than `max_symbols` symbols.
    pub fn symbols_exceeded(&self) -> Error {
        Error::Limit { what: "symbols of a formula", limit: self.max_symbols }
    }
}
