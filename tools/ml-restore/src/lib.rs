//! ml-restore proves a backup, or brings it back.
//!
//! `--scratch` restores into a database of its own, verifies it and drops it: the recovery drill in one line, on a PATH or on the dump that an
//! ml-backup upstream has just made. `PATH --target DB` restores beside DB, verifies, and only then swaps the names; the old database is kept
//! until `--drop-old DB`.
//!
//! Steps: `validate` (the file against its manifest), `plan`, `create`, `load`, `load.rights`, `analyze`, `swap`, `drop`, and
//! `drop.DATABASE` for what earlier runs left. Checks: `verify.counts`, `verify.base-theory`, `verify.chain`, `verify.theorems`; one that is
//! crit makes the exit code 4, as the backup is not what it should be. A dump without manifest is a warning, exit code 1.

mod cli;
mod drop_old;
mod facts;
mod load;
mod plan;
mod scratch;
mod server;
mod source;
mod swap;
mod target;
mod temporary;
mod verify;

pub use cli::Cli;
