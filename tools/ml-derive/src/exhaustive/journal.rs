//! A length in progress on disk, so that it is taken up where it ended.
//!
//! `candidates` has the keys of the new conclusions, in order: all that is needed to have them again. [`super::answers`] says which of
//! them are instances. What is torn, damaged or of another run is done again, not complained about. Where several processes share the
//! work, `candidates-I-of-K` has the keys that part I of K has found, and then a number for each conclusion, by which those are seen
//! that several parts have found.

use super::file::{numbers, read_file, read_line, sha256, write_file};
use crate::engine::exhaustive::Part;
use crate::engine::exhaustive::shares::PRINTS;
use crate::engine::length::Counts;
use ml_common::files;
use ml_common::{Class, Failure, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The folder of a length in progress.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
    /// The hash of the length before: answers to other questions are not taken.
    before: String,
}

/// What `candidates` says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Candidates {
    before: String,
    candidates: u64,
    invalid: u64,
    bounded: u64,
    keys: String,
    /// Number from 1, of how many; none for all of them.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    part: Option<(usize, usize)>,
    /// Which numbers follow the keys, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    prints: Option<u32>,
}

/// Keys and counts, and the hash that answers name.
#[derive(Clone, Debug)]
pub struct Found {
    /// The keys, in order.
    pub keys: Vec<u64>,
    /// How many candidates there were.
    pub counts: Counts,
    /// The hash of what is in the file.
    pub hash: String,
    /// Of a part: a number for each conclusion.
    pub prints: Vec<u64>,
}

/// A part as people count: from 1.
pub fn counted_from_1(part: Part) -> (usize, usize) {
    (part.number + 1, part.of)
}

impl Journal {
    /// In that folder, after the length whose header has that hash.
    pub fn new(folder: PathBuf, before: &str) -> Journal {
        Journal { folder, before: before.to_owned() }
    }

    /// Where all candidates are, or those of a part.
    pub fn candidates_path(&self, part: Option<Part>) -> PathBuf {
        self.folder.join(match part.map(counted_from_1) {
            None => "candidates".into(),
            Some((number, of)) => format!("candidates-{number}-of-{of}"),
        })
    }

    /// The candidates that were written down, all or those of a part.
    pub fn candidates(&self, part: Option<Part>) -> Option<Found> {
        let (header, payload): (Candidates, _) = read(&self.candidates_path(part))?;
        let width = if part.is_some() { 16 } else { 8 };
        if !self.is_for(&header, part) || header.keys != sha256(&payload) || payload.len() % width != 0 {
            return None;
        }
        let counts = Counts { candidates: header.candidates, invalid: header.invalid, bounded: header.bounded };
        let (keys, prints) = payload.split_at(payload.len() / width * 8);
        Some(Found { keys: numbers(keys).collect(), counts, hash: header.keys, prints: numbers(prints).collect() })
    }

    fn is_for(&self, header: &Candidates, part: Option<Part>) -> bool {
        let prints = part.map(|_| PRINTS);
        header.before == self.before && header.part == part.map(counted_from_1) && header.prints == prints
    }

    /// Whether a part's candidates seem to be there; its keys are not read.
    pub fn has_part(&self, part: Part) -> bool {
        let line = read_line(&self.candidates_path(Some(part))).ok().flatten();
        let header: Option<Candidates> = line.and_then(|line| serde_json::from_slice(&line).ok());
        header.is_some_and(|header| self.is_for(&header, Some(part)))
    }

    /// Into how many parts the candidates are divided of which there is any, smallest numbers first.
    pub fn divisions(&self) -> Vec<usize> {
        let of = |name: &str| name.strip_prefix("candidates-")?.split_once("-of-")?.1.parse().ok();
        let divisions: BTreeSet<usize> = self.names().iter().filter_map(|name| of(name)).filter(|of| *of > 0).collect();
        divisions.into_iter().collect()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Writes all candidates down; the hash that answers are to name.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_candidates(&self, keys: impl Iterator<Item = u64>, counts: Counts) -> Result<String> {
        self.write(None, keys.flat_map(u64::to_le_bytes).collect(), counts)
    }

    /// Writes the candidates of a part down, with a number for each conclusion.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_part(&self, part: Part, keys: impl Iterator<Item = u64>, prints: Vec<u64>, counts: Counts) -> Result<()> {
        self.write(Some(part), keys.chain(prints).flat_map(u64::to_le_bytes).collect(), counts).map(|_| ())
    }

    fn write(&self, part: Option<Part>, payload: Vec<u8>, counts: Counts) -> Result<String> {
        let Counts { candidates, invalid, bounded } = counts;
        let keys = sha256(&payload);
        let (of, prints) = (part.map(counted_from_1), part.map(|_| PRINTS));
        let header = Candidates { before: self.before.clone(), candidates, invalid, bounded, keys: keys.clone(), part: of, prints };
        let line = serde_json::to_vec(&header).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
        write_file(&self.candidates_path(part), &line, &payload)?;
        Ok(keys)
    }

    /// Removes the files of parts: what they have stands in `candidates`.
    pub fn remove_parts(&self) {
        for name in self.names().iter().filter(|name| name.starts_with("candidates-")) {
            if let Err(error) = std::fs::remove_file(self.folder.join(name)) {
                log::debug!("cannot remove {name}: {error}");
            }
        }
    }

    /// Removes the folder: the length is finished.
    ///
    /// # Errors
    /// Class Storage.
    pub fn remove(&self) -> Result<()> {
        match std::fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(files::storage(&error, &self.folder, "cannot remove")),
            _ => Ok(()),
        }
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Option<(T, Vec<u8>)> {
    let (line, payload) = read_file(path).ok().flatten()?;
    Some((serde_json::from_slice(&line).ok()?, payload))
}
