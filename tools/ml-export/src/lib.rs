//! ml-export: the ledger's tables as files that other programs read, all from one snapshot.
//!
//! Rows come as `COPY` text, two to four times faster than JSON made by the server, and are written here in the forms of [`form`]. Files
//! are written aside and get their names together, a summary last: where `summary-STAMP.json` is, the set is whole.
//!
//! Records:
//! - step `export.TABLE`: a table's file, with rows, bytes, path and SHA-256 of the file; skipped when the ledger has no such table.
//!   Planned, it has the server's estimate as metric `estimated_rows` instead.
//! - step `export.summary`: the summary, with path and SHA-256.
//! - `statement` records with `statements -o -`.

mod act;
mod array;
mod cli;
mod copy;
mod encode;
mod files;
pub mod form;
mod json;
mod plan;
mod session;
mod sink;
mod stream;
mod table;

pub use cli::Cli;
