//! Finished lengths on disk: a folder with one file a length, each whole or not there.
//!
//! `store.json` says of what the lengths are; a folder of other axioms or other rules is refused. `length-N.seg` is a line of JSON, a
//! line with its hash, and then eight bytes a kept proof: the numbers of its premises, in the order of the proofs. The conclusions are
//! not stored: they are drawn again when the file is read, which also proves that it is what it says. Each file names the one before
//! it by its hash, so files of different runs cannot be mixed.

use super::file::{HASH, LONGEST_HEADER, damaged, numbers, open_file, sha256, write_file};
use super::folder::{entries, length_of, lock};
use super::journal::Journal;
use crate::engine::exhaustive::{Exhaustive, Length, Necessitation, Options, packed, unpacked};
use crate::engine::rank::Step;
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, Result};
use ml_logic::{Limits, System};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The one format there is.
const FORMAT: u32 = 1;
/// Steps that are read at a time.
const CHUNK: u64 = 1 << 18;

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

    /// What the store in a folder says of itself.
    ///
    /// # Errors
    /// Class Storage when there is none, or it makes no sense.
    pub fn read(folder: &Path) -> Result<Identity> {
        let path = folder.join("store.json");
        let mut text = String::new();
        let read = match File::open(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(none(folder)),
            opened => opened.and_then(|file| file.take(LONGEST_HEADER).read_to_string(&mut text)),
        };
        read.map_err(|error| files::storage(&error, &path, "cannot read"))?;
        let identity: Identity = serde_json::from_str(&text).map_err(|error| {
            Failure::new(Class::Storage, format!("{} is damaged: {error}", path.display()))
                .hint("copy it back, or remove the folder: what was in it is then generated again")
        })?;
        match identity.format {
            FORMAT => Ok(identity),
            format => {
                Err(Failure::new(Class::Storage, format!("{} is of format {format}, and this program knows {FORMAT}", path.display()))
                    .hint("use the program that wrote it, or generate it again"))
            }
        }
    }

    /// Its axioms and rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn system(&self) -> ml_logic::Result<System> {
        let axioms = self.axioms.iter().map(|axiom| axiom.parse()).collect::<ml_logic::Result<_>>()?;
        let system = System::new("own", axioms, self.necessitation.is_some(), &Limits::default())?;
        let same = |named: &System| named.axioms == system.axioms && named.necessitation == system.necessitation;
        Ok(System::names().filter_map(|name| System::named(name).ok()).find(same).unwrap_or(system))
    }

    /// Whether it is of that system, in which necessitation may follow itself so often.
    pub fn is_of(&self, system: &System, row: Option<u32>) -> bool {
        let asked = Identity::new(system, &Options::default());
        self.axioms == asked.axioms && self.necessitation == system.necessitation.then(|| row.unwrap_or(u32::MAX))
    }

    /// How often necessitation may follow itself, where that is bounded.
    pub fn row(&self) -> Option<u32> {
        self.necessitation.filter(|&row| row < u32::MAX)
    }

    /// What it was generated with, and what else `options` say.
    pub fn options(&self, options: Options) -> Options {
        let mut bounds = options.bounds;
        bounds.conclusion = self.conclusion_symbols.unwrap_or(u32::MAX);
        bounds.consequent = self.consequent_symbols.unwrap_or(u32::MAX);
        Options { bounds, unfiltered_from: self.unfiltered_from, ..options }
    }

    /// Whether what has a proof within a length is there, or something more general.
    pub fn is_complete(&self) -> bool {
        self.row().is_none() && self.conclusion_symbols.is_none() && self.consequent_symbols.is_none()
    }
}

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| std::fmt::Error)?)
    }
}

/// What is told of a folder that is no store.
fn none(folder: &Path) -> Failure {
    Failure::new(Class::Storage, format!("there is no store in {}", folder.display()))
        .hint("ml-derive --no-ledger --max-length N --store DIR makes one")
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
    /// Lengths without candidates that are not written yet, and their headers.
    passed: Vec<(usize, Vec<u8>)>,
    /// Held while the store is open for writing.
    lock: Option<File>,
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
                return Err(none(folder));
            }
            let mut file = NewFile::create(&path)?;
            file.write_all(expected.as_bytes()).map_err(|error| files::storage(&error, &path, "cannot write"))?;
            file.replace()?;
        }
        let found = Identity::read(folder)?;
        if found != *identity {
            return Err(Failure::new(Class::Storage, format!("the store in {} is of something else: {found}", folder.display()))
                .hint("give the axioms, --necessitation and bounds that it was made with, or name another folder"));
        }
        Ok(Store { folder: folder.to_owned(), last: sha256(expected.as_bytes()), passed: Vec::new(), lock })
    }

    /// Takes the folder for writing until [`Store::let_go`], where it was opened to be read.
    ///
    /// # Errors
    /// Class Locked when another process writes there; Storage.
    pub fn hold(&mut self) -> Result<()> {
        self.lock = Some(lock(&self.folder)?);
        Ok(())
    }

    /// Lets others write again.
    pub fn let_go(&mut self) {
        self.lock = None;
    }

    /// Where that length is.
    pub fn path(&self, length: usize) -> PathBuf {
        self.folder.join(format!("length-{length}.seg"))
    }

    /// The folder for a length in progress.
    pub fn progress(&self, length: usize) -> PathBuf {
        self.folder.join(format!("length-{length}.progress"))
    }

    /// Removes what was in progress of a length that is there.
    ///
    /// # Errors
    /// Class Storage.
    pub fn remove_progress(&self, length: usize) -> Result<()> {
        Journal::new(self.progress(length), "").remove()
    }

    /// The hash that the next length is to name.
    pub fn last(&self) -> &str {
        &self.last
    }

    /// Begins to read the next length; `None` when it is not there.
    ///
    /// # Errors
    /// Class Storage for a file that is damaged, or of another run.
    pub fn begin(&mut self, length: usize) -> Result<Option<Segment>> {
        let path = self.path(length);
        let Some((line, reader)) = open_file(&path)? else { return Ok(None) };
        let header: Header = serde_json::from_slice(&line).map_err(|error| damaged(&path, &format!("its first line: {error}")))?;
        if header.before != self.last {
            return Err(Failure::new(Class::Storage, format!("{} does not follow the length before it", path.display()))
                .hint("it is of another run: remove it and the files of greater lengths"));
        }
        let size = reader.get_ref().metadata().map_err(|error| files::storage(&error, &path, "cannot read"))?.len();
        let expected = header.kept.checked_mul(8).and_then(|steps| steps.checked_add(line.len() as u64 + HASH + 2));
        if header.length != length || expected != Some(size) {
            return Err(damaged(&path, "it does not have the bytes that it had"));
        }
        self.last = sha256(&line);
        Ok(Some(Segment { left: header.kept, header, path, reader, hash: Sha256::new() }))
    }

    /// The greatest length that is there; 0 when there is none.
    ///
    /// # Errors
    /// Class Storage when the folder cannot be read.
    pub fn lengths(&self) -> Result<usize> {
        let numbers = entries(&self.folder)?.into_iter().filter_map(|name| length_of(&name, ".seg"));
        Ok(numbers.max().unwrap_or(0))
    }

    /// Reads the next length into the engine, which draws its conclusions again; `None` when it is not there.
    ///
    /// # Errors
    /// As [`Store::read`]; class General when the engine cannot hold it.
    pub fn restore(&mut self, engine: &mut Exhaustive) -> Result<Option<(Header, Length)>> {
        let length = engine.lengths() + 1;
        let Some(mut segment) = self.begin(length)? else { return Ok(None) };
        let mut steps = Vec::new();
        while let Some(chunk) = segment.next()? {
            steps.extend(chunk);
        }
        let header = segment.header;
        let kept = engine.restore(&steps).map_err(super::run::stopped)?;
        let kept = kept.ok_or_else(|| damaged(&self.path(length), "a proof in it proves nothing"))?;
        let Header { removed, candidates, invalid, bounded, duplicates, .. } = header;
        let length = Length { length, kept, candidates, invalid, bounded, duplicates, removed };
        engine.learn(&length);
        Ok(Some((header, length)))
    }

    /// Writes the length that the engine has just finished.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write(&mut self, engine: &Exhaustive, length: &Length, duration_ms: u64) -> Result<()> {
        let line = self.write_steps(length, length.kept.clone().map(|id| packed(engine.step(id))), duration_ms)?;
        self.last = sha256(&line);
        Ok(())
    }

    /// Writes a length that is still to be read, whose kept proofs have these steps, each [`packed`]; its header.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_steps(&mut self, length: &Length, steps: impl Iterator<Item = u64>, duration_ms: u64) -> Result<Vec<u8>> {
        let steps: Vec<u8> = steps.flat_map(u64::to_le_bytes).collect();
        let line = self.header(length, &steps, duration_ms)?;
        for (length, line) in std::mem::take(&mut self.passed) {
            write_file(&self.path(length), &line, &[])?;
        }
        write_file(&self.path(length.length), &line, &steps)?;
        Ok(line)
    }

    /// Goes on as if the length that the engine has just finished were written; it will be, before the next one. Only for one without
    /// candidates, whose file has but one form: what follows it is the same whether or not somebody has written it.
    ///
    /// # Errors
    /// Class Internal.
    pub fn pass(&mut self, length: &Length) -> Result<()> {
        let line = self.header(length, &[], 0)?;
        self.last = sha256(&line);
        self.passed.push((length.length, line));
        Ok(())
    }

    /// The first line of a length's file.
    fn header(&self, length: &Length, steps: &[u8], duration_ms: u64) -> Result<Vec<u8>> {
        let header = Header {
            length: length.length,
            kept: length.kept.len() as u64,
            removed: length.removed,
            candidates: length.candidates,
            invalid: length.invalid,
            bounded: length.bounded,
            duplicates: length.duplicates,
            duration_ms: if length.candidates == 0 { 0 } else { duration_ms },
            steps: sha256(steps),
            before: self.last.clone(),
        };
        serde_json::to_vec(&header).map_err(|error| Failure::new(Class::Internal, error.to_string()))
    }
}

/// A length that is being read, without the need to hold it.
#[derive(Debug)]
pub struct Segment {
    /// What the file says of itself.
    pub header: Header,
    path: PathBuf,
    reader: BufReader<File>,
    hash: Sha256,
    left: u64,
}

impl Segment {
    /// The next steps; `None` behind the last one, when all were what was written.
    ///
    /// # Errors
    /// Class Storage for a file that is damaged: what was read before is not to be trusted then.
    pub fn next(&mut self) -> Result<Option<Vec<Step>>> {
        if self.left == 0 {
            let hash = files::hex(&std::mem::take(&mut self.hash).finalize());
            return if hash == self.header.steps { Ok(None) } else { Err(damaged(&self.path, "it does not have the bytes that it had")) };
        }
        let count = self.left.min(CHUNK);
        let mut bytes = vec![0; count as usize * 8];
        self.reader.read_exact(&mut bytes).map_err(|error| files::storage(&error, &self.path, "cannot read"))?;
        self.hash.update(&bytes);
        self.left -= count;
        Ok(Some(numbers(&bytes).map(unpacked).collect()))
    }

    /// What is wrong with a file whose steps prove nothing.
    pub fn refuted(&self) -> Failure {
        damaged(&self.path, "a proof in it proves nothing")
    }
}
