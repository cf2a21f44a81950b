//! A file of a store: a line of JSON, a line with its hash, and bytes; there whole or not at all.

use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

/// A line of JSON ends here, in bytes.
pub const LONGEST_HEADER: u64 = 1 << 16;
/// Digits of a hash.
pub const HASH: u64 = 64;

/// What is told of a file that is not what was written.
pub fn damaged(path: &Path, what: &str) -> Failure {
    Failure::new(Class::Storage, format!("{} is damaged: {what}", path.display()))
        .hint("remove it and the files of greater lengths; they are then generated again")
}

/// The hash of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    files::hex(&Sha256::digest(bytes))
}

/// The numbers that bytes hold.
pub fn numbers(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes))
}

/// The line of JSON at the beginning of a file, and the reader that stands behind its hash; `None` when there is no such file.
pub fn open_file(path: &Path) -> Result<Option<(Vec<u8>, BufReader<File>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(files::storage(&error, path, "cannot read")),
    };
    let mut reader = BufReader::with_capacity(1 << 18, file);
    let (mut line, mut hash) = (Vec::new(), Vec::new());
    let read = (&mut reader).take(LONGEST_HEADER).read_until(b'\n', &mut line);
    let read = read.and_then(|_| (&mut reader).take(HASH + 1).read_until(b'\n', &mut hash));
    read.map_err(|error| files::storage(&error, path, "cannot read"))?;
    if line.pop() != Some(b'\n') || hash.pop() != Some(b'\n') || hash != sha256(&line).as_bytes() {
        return Err(damaged(path, "its first line is not what was written"));
    }
    Ok(Some((line, reader)))
}

/// The line of JSON alone; `None` when there is no such file.
///
/// # Errors
/// Class Storage, as with [`read_file`].
pub fn read_line(path: &Path) -> Result<Option<Vec<u8>>> {
    Ok(open_file(path)?.map(|(line, _)| line))
}

/// A line of JSON and what follows it and its hash; `None` when there is no such file.
///
/// # Errors
/// Class Storage when it cannot be read, or the line is not what was written.
pub fn read_file(path: &Path) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let Some((line, mut reader)) = open_file(path)? else { return Ok(None) };
    let mut payload = Vec::new();
    reader.read_to_end(&mut payload).map_err(|error| files::storage(&error, path, "cannot read"))?;
    Ok(Some((line, payload)))
}

/// Writes a line of JSON, its hash and what follows it, in one step.
///
/// # Errors
/// Class Storage.
pub fn write_file(path: &Path, line: &[u8], payload: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    let hash = sha256(line);
    let written = [line, b"\n", hash.as_bytes(), b"\n", payload].into_iter().try_for_each(|bytes| file.write_all(bytes));
    written.map_err(|error| files::storage(&error, path, "cannot write"))?;
    file.replace()?;
    Ok(())
}
