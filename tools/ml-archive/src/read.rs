//! Reading an archive to its last byte: ours, or one that another tar has made. Every layer's end is reached, so that its checksums count.

use crate::manifest::Entry;
use crate::pack::mode;
use flate2::read::MultiGzDecoder;
use ml_common::files::Hashing;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use ml_dump::sealed;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType};

/// An entry as it stands in the archive.
#[derive(Clone, Debug, Default)]
pub struct Item {
    /// What the manifest says of such an entry.
    pub entry: Entry,
    /// Its path as it stands there.
    pub path: PathBuf,
    /// Where a link, hard or symbolic, points.
    pub target: Option<PathBuf>,
    /// What it is.
    pub what: What,
    /// Seconds since 1970.
    pub modified: u64,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum What {
    #[default]
    File,
    Folder,
    Link,
    /// A second name of a file that came before.
    HardLink,
    /// A device, a pipe, a part of a file, or something unknown.
    Other,
}

/// The tar stream of an archive, whatever its layers.
///
/// # Errors
/// Those of [`sealed::open`]; Storage when the file cannot be read.
pub fn open(path: &Path, identity: Option<&Path>) -> Result<Box<dyn Read>> {
    let mut inner = BufReader::with_capacity(1 << 17, sealed::open(path, identity)?);
    let begin = inner.fill_buf().map_err(|error| damaged(path, &error))?;
    Ok(match begin {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(inner)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(inner).map_err(|error| damaged(path, &error))?),
        _ => Box::new(inner),
    })
}

/// Calls `each` with every entry and its bytes, and reads on to the very end.
///
/// # Errors
/// Class Storage when the archive is damaged or cut off, and those of `each`.
pub fn each(path: &Path, identity: Option<&Path>, cancel: &Cancel, mut each: impl FnMut(Item, &mut dyn Read) -> Result<()>) -> Result<()> {
    let damaged = |error: io::Error| damaged(path, &error);
    let mut archive = Archive::new(open(path, identity)?);
    let mut any = false;
    for entry in archive.entries().map_err(damaged)? {
        cancel.check()?;
        let mut entry = entry.map_err(damaged)?;
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            continue;
        }
        any = true;
        let item = item(&entry).map_err(damaged)?;
        let size = item.entry.size;
        let mut watched = Watched { inner: &mut entry, error: None, read: 0, cancel };
        let done = each(item, &mut watched);
        // What `each` did not want is read all the same.
        let rest = io::copy(&mut watched, &mut io::sink());
        let (error, read) = (watched.error.take(), watched.read);
        if let Some(error) = error.or(rest.err()) {
            cancel.check()?;
            return Err(damaged(error));
        }
        done?;
        if read != size {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let mut rest = archive.into_inner();
    let over = io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    if !any && over == 0 {
        return Err(damaged(io::Error::other("it is empty")));
    }
    Ok(())
}

fn damaged(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Class::Storage, format!("{} cannot be read whole: {error}", path.display()))
        .hint("it is damaged or cut off, or no archive; use another one")
}

/// Keeps the error of the archive apart from those of whoever reads.
struct Watched<'a, R: Read> {
    inner: &'a mut R,
    error: Option<io::Error>,
    read: u64,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("stopped"));
        }
        match self.inner.read(out) {
            Ok(length) => {
                self.read += length as u64;
                Ok(length)
            }
            Err(error) => {
                let again = io::Error::new(error.kind(), error.to_string());
                self.error.get_or_insert(error);
                Err(again)
            }
        }
    }
}

fn item<R: Read>(entry: &tar::Entry<'_, R>) -> io::Result<Item> {
    let header = entry.header();
    let what = match header.entry_type() {
        EntryType::Regular | EntryType::Continuous => What::File,
        EntryType::Directory => What::Folder,
        EntryType::Symlink => What::Link,
        EntryType::Link => What::HardLink,
        _ => What::Other,
    };
    let path = entry.path()?.into_owned();
    let target = entry.link_name()?.map(std::borrow::Cow::into_owned);
    let kind = match what {
        What::File => "file",
        What::Folder => "folder",
        What::Link => "link",
        What::HardLink => "second name",
        What::Other => "other",
    };
    let said = Entry {
        path: path.to_string_lossy().trim_end_matches('/').to_owned(),
        kind: kind.into(),
        size: entry.size(),
        mode: mode(header),
        sha256: None,
        target: target.as_ref().map(|target| target.to_string_lossy().into_owned()),
    };
    Ok(Item { entry: said, path, target, what, modified: header.mtime().unwrap_or_default() })
}

/// What an archive holds, as a manifest writes it: every byte read, every file hashed.
///
/// # Errors
/// As [`each`].
pub fn entries(path: &Path, identity: Option<&Path>, cancel: &Cancel) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    each(path, identity, cancel, |item, bytes| {
        let mut entry = item.entry;
        if item.what == What::File {
            let mut hashing = Hashing::new(bytes);
            // An error of the archive is kept by whoever called this.
            let _ = io::copy(&mut hashing, &mut io::sink());
            entry.sha256 = Some(hashing.finish().1);
        }
        all.push(entry);
        Ok(())
    })?;
    Ok(all)
}
