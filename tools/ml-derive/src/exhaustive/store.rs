//! Finished lengths on disk: a folder with one file a length, each whole or not there.
//!
//! `store.json` says of what the lengths are; a folder of other axioms or other rules is refused. `length-N.seg` is a line of JSON
//! and then eight bytes a kept proof: the numbers of its premises, in the order of the proofs. The conclusions are not stored: they are
//! drawn again when the file is read, which also proves that it is what it says. Each file names the one before it by its hash, so
//! files of different runs cannot be mixed.

use crate::engine::exhaustive::{Exhaustive, Length, Necessitation, Options, packed, unpacked};
use crate::engine::rank::Step;
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, Result, platform};
use ml_logic::System;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The one format there is.
const FORMAT: u32 = 1;
/// A line of JSON ends here, in bytes.
const LONGEST_HEADER: u64 = 1 << 16;

/// Of what the lengths of a store are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    format: u32,
    /// In Polish notation.
    axioms: Vec<String>,
    /// Times in a row; none without the rule.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    necessitation: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unfiltered_from: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    conclusion_symbols: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    consequent_symbols: Option<u32>,
}

impl Identity {
    /// Of that system with those options.
    pub fn new(system: &System, options: &Options) -> Identity {
        let bound = |symbols: u32| (symbols < u32::MAX).then_some(symbols);
        Identity {
            format: FORMAT,
            axioms: system.axioms.iter().map(|axiom| ml_logic::print::polish(&axiom.canonical())).collect(),
            necessitation: match options.necessitation {
                Necessitation::Never => None,
                Necessitation::AtMost(row) => Some(row),
                Necessitation::Unlimited => Some(u32::MAX),
            },
            unfiltered_from: options.unfiltered_from,
            conclusion_symbols: bound(options.bounds.conclusion),
            consequent_symbols: bound(options.bounds.consequent),
        }
    }
}

/// What a file says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Symbols of each proof.
    pub length: usize,
    /// How many proofs follow.
    pub kept: u64,
    /// As in [`Length`].
    pub removed: u64,
    /// As in [`Length`].
    pub candidates: u64,
    /// As in [`Length`].
    pub invalid: u64,
    /// As in [`Length`].
    pub bounded: u64,
    /// As in [`Length`].
    pub duplicates: u64,
    /// What it took, when it was generated.
    pub duration_ms: u64,
    /// SHA-256 of what follows the header.
    pub steps: String,
    /// SHA-256 of the header of the length before, or of `store.json`.
    pub before: String,
}

/// An open folder of lengths, which nobody else writes.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
    /// Hash of the last header.
    last: String,
    /// Held while the store is open for writing.
    _lock: Option<File>,
}

fn damaged(path: &Path, what: &str) -> Failure {
    Failure::new(Class::Storage, format!("{} is damaged: {what}", path.display()))
        .hint("remove it and the files of greater lengths; they are then generated again")
}

/// The hash of bytes, in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    files::hex(&Sha256::digest(bytes))
}

impl Store {
    /// Opens a folder, to write if `write`; it is made when it is missing.
    ///
    /// # Errors
    /// Class Locked when another process writes there; Storage when it is of something else or cannot be read.
    pub fn open(folder: &Path, identity: &Identity, write: bool) -> Result<Store> {
        let path = folder.join("store.json");
        let lock = if write { Some(lock(folder)?) } else { None };
        let expected = serde_json::to_string(identity).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
        if !path.exists() {
            if !write {
                return Err(Failure::new(Class::Storage, format!("there is no store in {}", folder.display()))
                    .hint("ml-derive --no-ledger --max-length N --store DIR makes one"));
            }
            let mut file = NewFile::create(&path)?;
            file.write_all(expected.as_bytes()).map_err(|error| files::storage(&error, &path, "cannot write"))?;
            file.replace()?;
        }
        let mut text = String::new();
        let read = File::open(&path).and_then(|file| file.take(LONGEST_HEADER).read_to_string(&mut text));
        read.map_err(|error| files::storage(&error, &path, "cannot read"))?;
        let found: Identity = serde_json::from_str(&text).map_err(|error| damaged(&path, &error.to_string()))?;
        if found != *identity {
            return Err(Failure::new(Class::Storage, format!("the store in {} is of something else: {}", folder.display(), text.trim()))
                .hint("give the axioms, --necessitation and bounds that it was made with, or name another folder"));
        }
        Ok(Store { folder: folder.to_owned(), last: sha256(expected.as_bytes()), _lock: lock })
    }

    /// Where that length is.
    pub fn path(&self, length: usize) -> PathBuf {
        self.folder.join(format!("length-{length}.seg"))
    }

    /// The folder for a length in progress.
    pub fn progress(&self, length: usize) -> PathBuf {
        self.folder.join(format!("length-{length}.progress"))
    }

    /// The hash that the next length is to name.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// The steps of the next length; `None` when it is not there.
    ///
    /// # Errors
    /// Class Storage for a file that is damaged, or of another run.
    pub fn read(&mut self, length: usize) -> Result<Option<(Header, Vec<Step>)>> {
        let path = self.path(length);
        let Some((line, payload)) = read_file(&path)? else { return Ok(None) };
        let header: Header = serde_json::from_slice(&line).map_err(|error| damaged(&path, &format!("its first line: {error}")))?;
        if header.before != self.last {
            return Err(Failure::new(Class::Storage, format!("{} does not follow the length before it", path.display()))
                .hint("it is of another run: remove it and the files of greater lengths"));
        }
        if header.length != length || header.kept.checked_mul(8) != Some(payload.len() as u64) || sha256(&payload) != header.steps {
            return Err(damaged(&path, "it does not have the bytes that it had"));
        }
        self.last = sha256(&line);
        Ok(Some((header, numbers(&payload).map(unpacked).collect())))
    }

    /// Reads the next length into the engine, which draws its conclusions again; `None` when it is not there.
    ///
    /// # Errors
    /// As [`Store::read`]; class General when the engine cannot hold it.
    pub fn restore(&mut self, engine: &mut Exhaustive) -> Result<Option<(Header, Length)>> {
        let length = engine.lengths() + 1;
        let Some((header, steps)) = self.read(length)? else { return Ok(None) };
        let kept = engine.restore(&steps).map_err(super::run::stopped)?;
        let kept = kept.ok_or_else(|| damaged(&self.path(length), "a proof in it proves nothing"))?;
        let Header { removed, candidates, invalid, bounded, duplicates, .. } = header;
        Ok(Some((header, Length { length, kept, candidates, invalid, bounded, duplicates, removed })))
    }

    /// Writes the length that the engine has just finished.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write(&mut self, engine: &Exhaustive, length: &Length, duration_ms: u64) -> Result<()> {
        let path = self.path(length.length);
        let steps: Vec<u8> = length.kept.clone().flat_map(|id| packed(engine.step(id)).to_le_bytes()).collect();
        let header = Header {
            length: length.length,
            kept: length.kept.len() as u64,
            removed: length.removed,
            candidates: length.candidates,
            invalid: length.invalid,
            bounded: length.bounded,
            duplicates: length.duplicates,
            duration_ms,
            steps: sha256(&steps),
            before: self.last.clone(),
        };
        let line = serde_json::to_vec(&header).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
        write_file(&path, &line, &steps)?;
        self.last = sha256(&line);
        Ok(())
    }
}

/// Takes the folder for this process alone, until the file is closed.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    platform::private_folder(folder).map_err(|error| files::storage(&error, folder, "cannot make the folder"))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| files::storage(&error, &path, "cannot write"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new(Class::Locked, format!("another process writes to {}", folder.display()))
                .hint("wait for it, or name another folder"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(files::storage(&error, &path, "cannot lock")),
    }
}

/// The numbers that bytes hold.
pub fn numbers(bytes: &[u8]) -> impl ExactSizeIterator<Item = u64> {
    bytes.as_chunks::<8>().0.iter().map(|&bytes| u64::from_le_bytes(bytes))
}

/// A line of JSON and what follows it; `None` when there is no such file.
///
/// # Errors
/// Class Storage.
pub fn read_file(path: &Path) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(files::storage(&error, path, "cannot read")),
    };
    let mut reader = BufReader::new(file);
    let (mut line, mut payload) = (Vec::new(), Vec::new());
    let read = (&mut reader).take(LONGEST_HEADER).read_until(b'\n', &mut line).and_then(|_| reader.read_to_end(&mut payload));
    read.map_err(|error| files::storage(&error, path, "cannot read"))?;
    if line.pop() != Some(b'\n') {
        return Err(damaged(path, "it has no first line"));
    }
    Ok(Some((line, payload)))
}

/// Writes a line of JSON and what follows it, in one step.
///
/// # Errors
/// Class Storage.
pub fn write_file(path: &Path, line: &[u8], payload: &[u8]) -> Result<()> {
    let mut file = NewFile::create(path)?;
    let written = file.write_all(line).and_then(|()| file.write_all(b"\n")).and_then(|()| file.write_all(payload));
    written.map_err(|error| files::storage(&error, path, "cannot write"))?;
    file.replace()?;
    Ok(())
}
