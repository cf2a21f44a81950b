//! Reads an archive in PostgreSQL's custom format from its first to its last byte without any program of PostgreSQL's, unpacks everything
//! and says what is in it: rows and fingerprints of each table, large objects, the SHA-256 of the whole.
//!
//! [`read`] takes any stream, so an archive that is decrypted on the way can be read too; [`file()`] a path. They read what ml-backup and stock
//! pg_dump write (none, gzip, zstd; not lz4). What they find is [`Checked`]; its `data` compares with that of a manifest by
//! [`Checked::differences`]. Pieces that ml-backup compressed apart from each other are unpacked in parallel. Every byte is untrusted:
//! memory does not grow with what lengths claim.

mod blocks;
mod pieces;

use crate::archive::{Archive, Offset};
use crate::contents::Tally;
use crate::decode::damaged;
use crate::manifest::TableData;
use crate::rows::AllRows;
use blocks::Blocks;
use ml_common::files::{self, Hashing};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

/// How to read.
#[derive(Clone, Default)]
pub struct Options {
    /// Threads that unpack.
    pub jobs: usize,
    /// Stops it.
    pub cancel: Cancel,
    /// Where the manifest says that pieces begin; needed for those of archives without compression alone.
    pub pieces: BTreeSet<u64>,
}

impl Options {
    /// For an archive whose manifest says this of its tables.
    pub fn new(jobs: usize, cancel: &Cancel, data: &BTreeMap<String, TableData>) -> Options {
        let pieces = data.values().flat_map(|table| table.segments.iter().map(|segment| segment.offset)).collect();
        Options { jobs: jobs.max(1), cancel: cancel.clone(), pieces }
    }
}

/// What an archive held.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checked {
    /// Its head and contents.
    pub archive: Archive,
    /// Lower-case hex SHA-256 of all bytes.
    pub sha256: String,
    /// Their number.
    pub bytes: u64,
    /// Rows a table, and large objects.
    pub tally: Tally,
    /// The rows of each table, with segments where they are compressed apart from each other.
    pub data: BTreeMap<String, TableData>,
    /// Size of all large objects.
    pub object_bytes: u64,
}

impl Checked {
    /// Where the rows found are not those expected, a sentence each: other rows, other columns, pieces that are elsewhere or other bytes.
    /// Numbers of rows are [`Tally::differences`].
    pub fn differences(&self, expected: &BTreeMap<String, TableData>) -> Vec<String> {
        differences(expected, &self.data)
    }
}

/// As [`Checked::differences`], of any two. Segments count only where they are expected.
pub fn differences(expected: &BTreeMap<String, TableData>, found: &BTreeMap<String, TableData>) -> Vec<String> {
    let mut told = Vec::new();
    for (name, expected) in expected {
        let Some(found) = found.get(name) else {
            told.push(format!("the rows of {name} are missing"));
            continue;
        };
        if found.columns != expected.columns {
            told.push(format!("{name} has other columns"));
        } else if found.fingerprint != expected.fingerprint || found.copy_bytes != expected.copy_bytes || found.rows != expected.rows {
            told.push(format!("{name} has other rows"));
        } else if !expected.segments.is_empty() && found.segments != expected.segments {
            told.push(format!("the pieces of {name} are not those of the manifest"));
        }
    }
    let unknown = found.keys().filter(|name| !expected.contains_key(*name));
    told.extend(unknown.map(|name| format!("the rows of {name} should not be there")));
    told
}

/// Reads a file.
///
/// # Errors
/// As [`read`]; the path is named.
pub fn file(path: &Path, options: &Options) -> Result<Checked> {
    let file = File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?;
    read(file, options).map_err(|failure| failure.context(path.display()))
}

/// Reads a stream to its end.
///
/// # Errors
/// Class Storage when it cannot be read, is no archive in custom format, or is damaged anywhere; Interrupted or Terminated.
pub fn read(from: impl Read, options: &Options) -> Result<Checked> {
    let mut input = BufReader::with_capacity(1 << 18, Hashing::new(from));
    let archive = Archive::read(&mut input)?;
    if archive.int_size != 4 {
        return Err(Failure::new(Class::Storage, "the archive was written on a machine whose numbers are not read here")
            .hint("pg_restore reads it"));
    }
    let (all, objects) = pieces::with_pool(options, |pool| Blocks::new(&mut input, &archive, options, pool).read())?;
    let (_, sha256, bytes) = input.into_inner().finish();
    Ok(Checked { tally: all.tally(objects.number), data: all.into_data(), object_bytes: objects.bytes, archive, sha256, bytes })
}

/// Large objects that were read.
#[derive(Clone, Copy, Debug, Default)]
struct Objects {
    number: u64,
    bytes: u64,
}

/// What reading the data gives.
type Found = (AllRows, Objects);

/// Whether the data of every entry that has some was there, where the contents say.
fn placed(archive: &Archive, places: &BTreeMap<i32, u64>) -> Result<()> {
    for entry in archive.entries.iter().filter(|entry| entry.has_data) {
        match (entry.offset, places.get(&entry.id)) {
            (Offset::At(said), Some(&at)) if said == at => {}
            (Offset::NotSet, Some(_)) => {}
            (_, Some(_)) => return Err(damaged(format!("the rows of {} are not where its contents say", entry.tag))),
            // pg_dump itself marks what turned out to have none.
            (Offset::NoData, None) => {}
            (_, None) => return Err(damaged(format!("the rows of {} are missing", entry.tag))),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
