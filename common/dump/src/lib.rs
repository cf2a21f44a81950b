//! What ml-backup and ml-restore share: PostgreSQL's own programs, dump files, their contents and their manifests.
//!
//! Stock pg_dump and pg_restore are the format: whoever has a dump and no tool of ours loses nothing but the checks.

pub mod archive;
pub mod check;
pub mod compression;
pub mod contents;
pub mod copystmt;
pub mod copytext;
mod decode;
pub mod fingerprint;
pub mod latest;
pub mod layers;
pub mod manifest;
pub mod name;
pub mod plain;
pub mod programs;
pub mod proof;
pub mod properties;
pub mod retention;
pub mod rows;
pub mod seal;
pub mod sealed;
pub mod segment;
pub mod session;
pub mod tables;

pub use archive::Archive;
pub use compression::Compression;
pub use contents::Tally;
pub use decode::END_MARK;
pub use fingerprint::Fingerprint;
pub use manifest::Manifest;
pub use programs::{Programs, Via};
pub use proof::Proof;
pub use properties::Properties;

use ml_common::{Failure, pg};
use std::fmt::Display;

/// `.map_err(failed("counting rows"))`: an error of the server as a failure that says what was being done.
pub fn failed<D: Display>(doing: D) -> impl FnOnce(postgres::Error) -> Failure {
    move |error| pg::failure(&error, doing)
}

/// An identifier as SQL takes it, always quoted.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as an SQL literal, whatever standard_conforming_strings says.
pub fn literal(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') { format!("E'{}'", doubled.replace('\\', "\\\\")) } else { format!("'{doubled}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_texts_are_quoted() {
        assert_eq!(quoted("a \"b\""), "\"a \"\"b\"\"\"");
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'"), "E'a\\\\'''");
    }
}
