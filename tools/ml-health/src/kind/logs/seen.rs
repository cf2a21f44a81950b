//! How a file is known again: by its inode, the hash of its beginning, and the hash of what stood before the place up to which it was read.
//!
//! Services begin with the same words each time, so that one hash alone tells nothing: whatever is taken for a file that was read is read on from
//! the place up to which all is the same, and never passed over.

use super::lines;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

const HEAD: u64 = 1024;
const TAIL: u64 = 256;
const CHUNK: usize = 64 << 10;

/// What is remembered of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Seen {
    /// Inode; 0 where there are none.
    pub i: u64,
    /// Length of the beginning that is hashed.
    pub n: u64,
    /// Its hash.
    h: u64,
    /// Read up to here.
    pub o: u64,
    /// The hash of what stands before.
    t: u64,
    /// It is not written any more, and was read.
    pub r: bool,
    /// The hash of the end of a compressed file as it is on disk; 0 for others.
    z: u64,
}

/// What a file is to one that was seen.
pub enum Fit {
    /// It goes on.
    Longer,
    /// The same compressed file.
    Same,
    /// It begins alike, and ends before the place up to which the other was read.
    Shorter,
    /// It is another one.
    Other,
}

impl Seen {
    /// What to remember of a file that was read so far.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(path: &Path, inode: u64, offset: u64, read: bool) -> io::Result<Seen> {
        let head = head(path, offset.min(HEAD))?;
        let tail = tail(path, offset)?.unwrap_or_default();
        Ok(Seen { i: inode, n: head.len() as u64, h: xxh3_64(&head), o: offset, t: xxh3_64(&tail), r: read, z: packed(path)? })
    }

    /// The same that was found under another name, of which there is nothing more.
    ///
    /// # Errors
    /// Those of reading.
    pub fn moved(&self, path: &Path, inode: u64) -> io::Result<Seen> {
        Ok(Seen { i: inode, r: true, z: packed(path)?, ..self.clone() })
    }

    /// Compares it with a file.
    ///
    /// # Errors
    /// Those of reading.
    pub fn fits(&self, path: &Path, inode: u64) -> io::Result<Fit> {
        if lines::is_compressed(path) && self.z != 0 && packed(path)? == self.z {
            return Ok(Fit::Same);
        }
        if self.n == 0 {
            // Nothing was read: only the file itself can be it.
            let itself = self.i != 0 && self.i == inode && !lines::is_compressed(path) && self.z == 0;
            return Ok(if itself { Fit::Longer } else { Fit::Other });
        }
        let head = head(path, self.n)?;
        if head.len() as u64 != self.n || xxh3_64(&head) != self.h {
            return Ok(Fit::Other);
        }
        Ok(match tail(path, self.o)? {
            Some(tail) if xxh3_64(&tail) == self.t => Fit::Longer,
            Some(_) => Fit::Other,
            // Emptied, and begun anew with the same words.
            None if self.i != 0 && self.i == inode => Fit::Other,
            None => Fit::Shorter,
        })
    }
}

/// Whether a file holds nothing but what another begins with.
///
/// # Errors
/// Those of reading.
pub fn is_copy(path: &Path, other: &Path) -> io::Result<bool> {
    let (mut copy, mut original) = (lines::open(path)?, lines::open(other)?);
    let (mut some, mut same) = (Vec::new(), Vec::new());
    loop {
        some.clear();
        same.clear();
        (&mut copy).take(CHUNK as u64).read_to_end(&mut some)?;
        (&mut original).take(some.len() as u64).read_to_end(&mut same)?;
        if some != same {
            return Ok(false);
        }
        if some.len() < CHUNK {
            return Ok(true);
        }
    }
}

fn packed(path: &Path) -> io::Result<u64> {
    if !lines::is_compressed(path) {
        return Ok(0);
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL)))?;
    let mut end = length.to_le_bytes().to_vec();
    file.take(TAIL).read_to_end(&mut end)?;
    Ok(xxh3_64(&end))
}

fn head(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    lines::open(path)?.take(length).read_to_end(&mut head)?;
    Ok(head)
}

/// What stands before a place; `None` when the file ends before it.
fn tail(path: &Path, end: u64) -> io::Result<Option<Vec<u8>>> {
    let length = end.min(TAIL);
    let mut tail = Vec::new();
    from(path, end - length)?.take(length).read_to_end(&mut tail)?;
    Ok((tail.len() as u64 == length).then_some(tail))
}

/// The file from a place on.
///
/// # Errors
/// Those of reading.
pub fn from(path: &Path, at: u64) -> io::Result<Box<dyn Read>> {
    if lines::is_compressed(path) {
        let mut reader = lines::open(path)?;
        io::copy(&mut (&mut reader).take(at), &mut io::sink())?;
        return Ok(reader);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(Box::new(file))
}

/// The end of the last whole line; what comes after it is read when it is whole.
///
/// # Errors
/// Those of reading.
pub fn last_line(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(lines::LINE_MAX as u64);
    file.seek(SeekFrom::Start(begin))?;
    let mut end = Vec::new();
    file.take(lines::LINE_MAX as u64).read_to_end(&mut end)?;
    Ok(memchr::memrchr(b'\n', &end).map_or(if begin == 0 { 0 } else { length }, |at| begin + at as u64 + 1))
}
