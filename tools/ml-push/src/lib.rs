//! ml-push takes files elsewhere: those that the stream names (the ok `step` records with path and SHA-256 of ml-backup, ml-export,
//! ml-archive), or PATHs. An S3-compatible store, a git remote, a folder, or a command. `--fetch` brings one back.
//!
//! What belongs to a file goes before it (a dump's globals, its proof, its manifest), the file itself last: a push that was cut off is never
//! taken for a whole one. What is there already, byte for byte, is skipped; another file of that name is an error and stays as it is.
//!
//! Steps: `push.NAME` for each file (path, sha256, bytes; labels `destination`, `verified`: `checksum`, `read back`, `object id`, `exit code`),
//! `retention.NAME` for each file removed there, with the reason; with `--fetch`, `fetch.NAME` for each file brought back.

mod act;
mod cli;
mod destination;
mod fetch;
mod files;
mod plan;
mod retention;
mod secrets;
mod store;

pub use cli::Cli;
