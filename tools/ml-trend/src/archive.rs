//! Archived streams: plain, gzip or zstd, told by their first bytes; read in the order of time whatever order they are named in.

use flate2::bufread::MultiGzDecoder;
use ml_common::reader::{Item, Reader};
use ml_common::record::Record;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The first record of a file is looked for in so many items.
const LOOK_FOR_FIRST: usize = 1000;

/// What was found in an archive.
pub enum Found<'a> {
    /// A record.
    Record(&'a Record),
    /// What is none: its line, and what is wrong with it.
    Garbage(u64, &'a str),
}

/// The files in the order of their first records: rotated logs are named newest first.
///
/// # Errors
/// Class Usage when one cannot be read.
pub fn in_order(paths: &[PathBuf]) -> Result<Vec<&Path>> {
    let mut dated = Vec::new();
    for path in paths {
        let first = Reader::new(open(path)?).take(LOOK_FOR_FIRST).find_map(|item| match item {
            Item::Record { record, .. } => Some(record.head.ts),
            Item::Foreign { .. } | Item::Garbage { .. } => None,
        });
        dated.push((first, path.as_path()));
    }
    dated.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(dated.into_iter().map(|(_, path)| path).collect())
}

/// Calls `each` with everything in a file.
///
/// # Errors
/// Class Usage when it cannot be read; a signal.
pub fn read(path: &Path, cancel: &Cancel, mut each: impl FnMut(Found<'_>)) -> Result<()> {
    for item in Reader::new(open(path)?) {
        cancel.check()?;
        match item {
            Item::Record { record, .. } => each(Found::Record(&record)),
            Item::Garbage { at, reason } => each(Found::Garbage(at, &reason)),
            Item::Foreign { .. } => {}
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Box<dyn Read>> {
    let unreadable = |error: io::Error| {
        Failure::new(Class::Usage, format!("cannot read {}: {error}", path.display())).hint("name files of records, such as logs/*.jsonl")
    };
    let mut file = BufReader::with_capacity(1 << 17, File::open(path).map_err(unreadable)?);
    Ok(match file.fill_buf().map_err(unreadable)? {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(file).map_err(unreadable)?),
        _ => Box::new(file),
    })
}
