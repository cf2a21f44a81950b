//! ml-archive packs files and folders (configuration, logs) into a `.tar.gz` or `.tar.zst` that stock tar reads, with a manifest beside it, reads
//! it back, and removes archives that are too old. `--extract` unpacks one into a folder and never writes outside of it.
//!
//! Steps: `verify` (files and bytes read back), `archive` (path, sha256, bytes; `rows` is the number of files), `changed.PATH` and
//! `vanished.PATH` for files that changed or went while they were read, `retention.FILE` for each archive removed, with the reason; with
//! `--extract`, `extract`; with `--list`, `entry.PATH` each.
//!
//! The manifest gets its name first and the archive last, as with dumps.

mod act;
mod choose;
mod cli;
mod extract;
mod folder;
mod guard;
mod inspect;
mod manifest;
mod pack;
mod read;
mod write;

pub use cli::Cli;
