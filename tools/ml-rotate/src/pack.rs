//! Compressing a file that nobody writes any more: beside its name, read back, and only then the original goes.

use crate::rules::Packing;
use ml_common::files::{self, Hashing, NewFile};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, platform};
use std::fs::{File, FileTimes, Metadata};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

const CHUNK: usize = 256 << 10;

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub enum Packed {
    /// It is compressed (or moved), and the original is gone.
    Done {
        /// Of the new file.
        sha256: String,
        /// Of the new file.
        bytes: u64,
        /// Of the original.
        plain: u64,
    },
    /// Somebody still writes it: it stays as it is.
    Written,
}

/// Whether somebody is known to write the file.
pub fn is_in_use(path: &Path) -> bool {
    File::open(path).is_ok_and(|file| platform::is_being_written(&file) == Some(true))
}

/// Whether nothing says if somebody writes the file: it is another user's, or the system does not tell.
pub fn is_unknown(path: &Path) -> bool {
    File::open(path).map_or(true, |file| platform::is_being_written(&file).is_none())
}

/// Compresses `from` to `to`, which has its mode, owner and time. A `to` that a killed run left is taken when it holds the same.
///
/// # Errors
/// Class Storage, and what a signal says; `from` is as it was then.
pub fn pack(from: &Path, to: &Path, packing: Packing, cancel: &Cancel) -> Result<Packed> {
    let cannot = |error: &io::Error| files::storage(error, from, "cannot read");
    let mut source = File::open(from).map_err(|error| cannot(&error))?;
    if platform::is_being_written(&source) == Some(true) {
        return Ok(Packed::Written);
    }
    let mut again = false;
    if to.symlink_metadata().is_ok() {
        match compare(from, to, packing, cancel)? {
            Same::All => return finish(from, to, source.metadata().map_err(|error| cannot(&error))?.len()),
            Same::Begins => again = true,
            Same::Other => {
                let failure =
                    Failure::new(Class::Storage, format!("{} exists and holds something else than {}", to.display(), from.display()));
                return Err(failure.hint("look at both, and move one of them away"));
            }
        }
    }
    let meta = source.metadata().map_err(|error| cannot(&error))?;
    let file = NewFile::create(to)?;
    let (file, plain, plain_hash) = compress(&mut source, file, packing, cancel, from)?;
    let (back, back_hash) = read_back(file.temporary_path(), packing, cancel)?;
    if (back, back_hash) != (plain, plain_hash) {
        return Err(Failure::new(Class::Storage, format!("{} does not read back as it was written", to.display()))
            .hint("the original was kept; check disk and memory of this machine"));
    }
    dress(file, &meta, to)
        .and_then(|file| {
            if source.metadata().map_err(|error| cannot(&error))?.len() != plain {
                return Ok(None);
            }
            if again { file.replace() } else { file.publish() }.map(Some)
        })?
        .map_or(Ok(Packed::Written), |to| finish(from, &to, plain))
}

/// The original goes, if it is still what was compressed.
fn finish(from: &Path, to: &Path, plain: u64) -> Result<Packed> {
    let (sha256, bytes) = files::sha256(to)?;
    let source = File::open(from).map_err(|error| files::storage(&error, from, "cannot read"))?;
    let length = source.metadata().map_err(|error| files::storage(&error, from, "cannot read"))?.len();
    if length != plain || platform::is_being_written(&source) == Some(true) {
        // Both stay; the next run takes what has come since.
        return Ok(Packed::Written);
    }
    drop(source);
    std::fs::remove_file(from).map_err(|error| files::storage(&error, from, "cannot remove"))?;
    Ok(Packed::Done { sha256, bytes, plain })
}

/// The new file looks as the old one, so that its age is the log's and whoever could read it still can.
pub fn dress(mut file: NewFile, meta: &Metadata, to: &Path) -> Result<NewFile> {
    let times = meta.modified().map(|at| FileTimes::new().set_modified(at));
    let out = file.file();
    let done = platform::dress_as(out, meta).and_then(|()| out.set_times(times?));
    done.map_err(|error| files::storage(&error, to, "cannot set mode and time of"))?;
    Ok(file)
}

fn compress(source: &mut File, file: NewFile, packing: Packing, cancel: &Cancel, from: &Path) -> Result<(NewFile, u64, String)> {
    let to = file.path().to_owned();
    let written = |error: io::Error| files::storage(&error, &to, "cannot write");
    let mut reader = Hashing::new(source);
    let file = match packing {
        Packing::None => {
            let mut out = file;
            pour(&mut reader, &mut out, cancel, from, &to)?;
            out
        }
        Packing::Gzip => {
            let mut out = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            pour(&mut reader, &mut out, cancel, from, &to)?;
            out.finish().map_err(written)?
        }
        Packing::Zstd => {
            let mut out = zstd::Encoder::new(file, 3).and_then(|mut out| out.include_checksum(true).map(|()| out)).map_err(written)?;
            pour(&mut reader, &mut out, cancel, from, &to)?;
            out.finish().map_err(written)?
        }
    };
    let (_, hash, bytes) = reader.finish();
    Ok((file, bytes, hash))
}

/// Copies until there is no more; a failure says on which side it was.
pub fn pour(from: &mut impl Read, to: &mut impl Write, cancel: &Cancel, source: &Path, target: &Path) -> Result<u64> {
    let (mut chunk, mut total) = (vec![0; CHUNK], 0_u64);
    loop {
        cancel.check()?;
        match from.read(&mut chunk) {
            Ok(0) => return Ok(total),
            Ok(n) => {
                to.write_all(&chunk[..n]).map_err(|error| files::storage(&error, target, "cannot write"))?;
                total += n as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(files::storage(&error, source, "cannot read")),
        }
    }
}

fn opened(path: &Path, packing: Packing) -> Result<Box<dyn Read>> {
    let cannot = |error: io::Error| files::storage(&error, path, "cannot read");
    let file = File::open(path).map_err(cannot)?;
    Ok(match packing {
        Packing::None => Box::new(file),
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(BufReader::new(file))),
        Packing::Zstd => Box::new(zstd::Decoder::new(file).map_err(cannot)?),
    })
}

fn read_back(path: &Path, packing: Packing, cancel: &Cancel) -> Result<(u64, String)> {
    let mut reader = Hashing::new(opened(path, packing)?);
    pour(&mut reader, &mut io::sink(), cancel, path, path)?;
    let (_, hash, bytes) = reader.finish();
    Ok((bytes, hash))
}

enum Same {
    All,
    /// What is compressed is the beginning of the file.
    Begins,
    Other,
}

fn compare(plain: &Path, packed: &Path, packing: Packing, cancel: &Cancel) -> Result<Same> {
    let mut source = BufReader::with_capacity(CHUNK, File::open(plain).map_err(|error| files::storage(&error, plain, "cannot read"))?);
    let mut other = opened(packed, packing)?;
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        cancel.check()?;
        let n = fill(&mut other, &mut theirs).map_err(|error| files::storage(&error, packed, "cannot read"))?;
        let m = fill(&mut source, &mut ours[..n.max(1)]).map_err(|error| files::storage(&error, plain, "cannot read"))?;
        if n == 0 {
            return Ok(if m == 0 { Same::All } else { Same::Begins });
        }
        if ours[..m] != theirs[..n] {
            return Ok(Same::Other);
        }
    }
}

fn fill(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < chunk.len() {
        match from.read(&mut chunk[length..]) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
