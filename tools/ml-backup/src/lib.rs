//! ml-backup dumps the database: pg_dump of the server's own version writes the contents, sessions of ours copy the rows under its snapshot
//! (stock pg_dump does all where that is not possible). It reads the file back to its last byte, compares the rows in it
//! with those copied, and only then gives file and manifest their names and removes backups that are too old.
//!
//! Steps: `verify` (rows, bytes), `globals` (path, sha256, bytes: roles and tablespaces), `dump` (path, sha256, bytes, rows: the file as
//! published, so it comes after `verify`), `latest` (a warning, when the pointer to the newest backup could not be written) and
//! `retention.FILE` for each file that is removed, with the reason; in a dry run also for each that is kept. Stock pg_restore reads the file.
//!
//! `ml-backup verify` has for each file a step `verify` (path, sha256, bytes, rows; the label `extent` says how far it could be checked) and,
//! where there are such files, `globals`, `proof` and `latest`.
//!
//! What belongs to a dump gets its name first, then the manifest, then the dump, and the pointer last: whenever the process or the machine
//! stops, a dump under its final name is complete, verified, and has its manifest; a manifest alone names a backup that never came to be, and
//! a later run removes it.

mod act;
mod cli;
mod dump;
mod folder;
mod globals;
mod make;
mod output;
mod parallel;
mod place;
mod plan;
mod proofread;
mod sealing;
mod snapshot;
mod tidy;
mod verify;

pub use cli::Cli;
