//! ml-rotate puts logs aside when they are due, compresses and removes rotated ones, and removes or compresses old files, by the rules of a TOML
//! file (`[[rotate]]`, `[[clean]]`, docs/rotating.md) or by flags.
//!
//! Steps: `rotate.PATH` (path and bytes of the rotated file; of a copy, sha256), `compress.PATH` (path, bytes and sha256 of the compressed file;
//! metrics plain_bytes), `move.PATH`, `remove.PATH` (with the reason), `waits.PATH` (still being written, told as a warning from its second run on),
//! `notify.COMMAND`, `skip.PATH` (with the reason), `folder.PATH` for an emptied folder that was removed, `recover.PATH` for what a killed run
//! left, `refuse.PATH` for what belongs to the retention of backups or cannot be trusted.
//!
//! Names carry the moment of their rotation and never change, so nothing has to be remembered between runs.

mod act;
mod clean;
mod cli;
mod copy;
mod find;
mod guard;
mod job;
mod name;
mod notify;
mod pack;
mod plan;
mod recover;
mod rotate;
mod rules;
mod tidy;

pub use cli::Cli;
