//! ml-report: what a run did, for people: an entry in progress.md, and a summary on the terminal.
//!
//! It writes one `step` record, id `progress`, for the entry.

mod act;
mod cli;
mod facts;
mod text;

pub use cli::Cli;
