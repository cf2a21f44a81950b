//! A length in progress on disk, so that it is taken up where it ended.
//!
//! `candidates` has the keys of the new conclusions, in order: all that is needed to have them again. `answers-N` says of the queries
//! from N on which are instances. What is torn, damaged or of another run is done again, not complained about.

use super::store::{numbers, read_file, sha256, write_file};
use crate::engine::length::Counts;
use ml_common::files;
use ml_common::{Class, Failure, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
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
}

/// What `answers-N` says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answers {
    /// The hash of the keys.
    of: String,
    start: usize,
    count: usize,
    answers: String,
}

/// Keys and counts, and the hash that answers name.
#[derive(Clone, Debug)]
pub struct Found {
    /// The keys, in order.
    pub keys: Vec<u64>,
    /// How many candidates there were.
    pub counts: Counts,
    /// The hash of the keys.
    pub hash: String,
}

impl Journal {
    /// In that folder, after the length whose header has that hash.
    pub fn new(folder: PathBuf, before: &str) -> Journal {
        Journal { folder, before: before.to_owned() }
    }

    fn candidates_path(&self) -> PathBuf {
        self.folder.join("candidates")
    }

    fn answers_path(&self, start: usize) -> PathBuf {
        self.folder.join(format!("answers-{start}"))
    }

    /// The candidates that were written down.
    pub fn candidates(&self) -> Option<Found> {
        let (header, payload): (Candidates, _) = read(&self.candidates_path())?;
        let sound = header.before == self.before && header.keys == sha256(&payload) && payload.len() % 8 == 0;
        let counts = Counts { candidates: header.candidates, invalid: header.invalid, bounded: header.bounded };
        sound.then(|| Found { keys: numbers(&payload).collect(), counts, hash: header.keys })
    }

    /// Writes the candidates down; the hash that answers are to name.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_candidates(&self, keys: impl Iterator<Item = u64>, counts: Counts) -> Result<String> {
        let payload: Vec<u8> = keys.flat_map(u64::to_le_bytes).collect();
        let Counts { candidates, invalid, bounded } = counts;
        let keys = sha256(&payload);
        let header = Candidates { before: self.before.clone(), candidates, invalid, bounded, keys: keys.clone() };
        write(&self.candidates_path(), &header, &payload)?;
        Ok(keys)
    }

    /// The answers from query `start` on.
    pub fn answers(&self, of: &str, start: usize) -> Option<Vec<bool>> {
        let (header, payload): (Answers, _) = read(&self.answers_path(start))?;
        let sound = header.of == of && header.start == start && header.answers == sha256(&payload);
        let bit = |at: usize| payload.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        (sound && payload.len() == header.count.div_ceil(8)).then(|| (0..header.count).map(bit).collect())
    }

    /// Writes answers down.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_answers(&self, of: &str, start: usize, answers: &[bool]) -> Result<()> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << at);
        let payload: Vec<u8> = answers.chunks(8).map(byte).collect();
        let header = Answers { of: of.to_owned(), start, count: answers.len(), answers: sha256(&payload) };
        write(&self.answers_path(start), &header, &payload)
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

fn write(path: &Path, header: &impl Serialize, payload: &[u8]) -> Result<()> {
    let line = serde_json::to_vec(header).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
    write_file(path, &line, payload)
}
