//! ml-restore proves a backup, or brings it back.
//!
//! `--scratch` restores into a database of its own, verifies it and drops it: the recovery drill in one line, on a PATH or on the dump that an
//! ml-backup upstream has just made. `PATH --target DB` restores beside DB, verifies, and only then swaps the names; the old database is kept
//! until `--drop-old DB`.
//!
//! `--to-database NAME` restores beside, whole or in part, and swaps nothing. `clean` removes what runs that were killed have left.
//!
//! Steps: `validate` (the file against its manifest), `plan`, `cluster` (the private server of a drill), `create`, `load`, `load.rights`,
//! `analyze`, `swap`, `drop`, `proof` (the evidence of a drill), `drop.DATABASE` and `clean.NAME` for what earlier runs left. Checks:
//! `verify.counts`, `verify.fingerprints`, `verify.sequences`, `verify.indexes`, `verify.constraints`, `verify.base-theory`, `verify.chain`,
//! `verify.theorems`, `check-command`; one that is crit makes the exit code 4, as the backup is not what it should be. A dump without manifest
//! is a warning, exit code 1.

mod beside;
mod check_command;
mod clean;
mod cli;
mod cluster;
mod drill;
mod drop_old;
mod facts;
mod globals;
mod load;
mod part;
mod pieces;
mod plain;
mod plan;
mod rates;
mod scratch;
mod select;
mod server;
mod source;
mod swap;
mod target;
mod temporary;
mod verify;

pub use cli::Cli;
