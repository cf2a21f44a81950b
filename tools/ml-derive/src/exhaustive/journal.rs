//! A length in progress on disk, so that it is taken up where it ended.
//!
//! `candidates` has the keys of the new conclusions, in order: all that is needed to have them again. `answers-N` says of the queries
//! from N on which are instances. What is torn, damaged or of another run is done again, not complained about. Where several
//! processes share the work, `candidates-I-of-K` has the keys that part I of K has found.

use super::file::{numbers, read_file, read_line, sha256, write_file};
use crate::engine::exhaustive::Part;
use crate::engine::length::Counts;
use ml_common::files;
use ml_common::{Class, Failure, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
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
}

/// What `answers-N` says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Answers {
    /// The hash of the keys.
    of: String,
    start: usize,
    count: usize,
    answers: String,
    /// Number from 1, of how many, where parts share the queries.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    part: Option<(usize, usize)>,
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

/// Answers to queries that follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The first query.
    pub start: usize,
    /// Whether it and those after it are instances.
    pub answers: Vec<bool>,
    /// The part that they were written for, if any: its number from 1, of how many.
    pub part: Option<(usize, usize)>,
}

impl Answered {
    /// The queries.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.answers.len()
    }
}

/// A part as people count: from 1.
pub fn counted_from_1(part: Part) -> (usize, usize) {
    (part.number + 1, part.of)
}

/// What of `range` no answer is for, in order.
pub fn gaps(range: Range<usize>, answered: &[Answered]) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = answered.iter().map(Answered::range).collect();
    ranges.sort_unstable_by_key(|range| range.start);
    let (mut gaps, mut at) = (Vec::new(), range.start);
    ranges.push(range.end..range.end);
    for Range { start, end } in ranges {
        let start = start.min(range.end);
        if at < start {
            gaps.push(at..start);
        }
        at = at.max(end);
    }
    gaps
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

    fn answers_path(&self, start: usize) -> PathBuf {
        self.folder.join(format!("answers-{start}"))
    }

    /// The candidates that were written down, all or those of a part.
    pub fn candidates(&self, part: Option<Part>) -> Option<Found> {
        let (header, payload): (Candidates, _) = read(&self.candidates_path(part))?;
        let sound = self.is_for(&header, part) && header.keys == sha256(&payload) && payload.len() % 8 == 0;
        let counts = Counts { candidates: header.candidates, invalid: header.invalid, bounded: header.bounded };
        sound.then(|| Found { keys: numbers(&payload).collect(), counts, hash: header.keys })
    }

    fn is_for(&self, header: &Candidates, part: Option<Part>) -> bool {
        header.before == self.before && header.part == part.map(counted_from_1)
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

    fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
    }

    /// Writes candidates down, all or those of a part; the hash that answers are to name.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_candidates(&self, part: Option<Part>, keys: impl Iterator<Item = u64>, counts: Counts) -> Result<String> {
        let payload: Vec<u8> = keys.flat_map(u64::to_le_bytes).collect();
        let Counts { candidates, invalid, bounded } = counts;
        let keys = sha256(&payload);
        let part_of = part.map(counted_from_1);
        let header = Candidates { before: self.before.clone(), candidates, invalid, bounded, keys: keys.clone(), part: part_of };
        write(&self.candidates_path(part), &header, &payload)?;
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

    /// Removes parts that seem to be there and are damaged; how many.
    pub fn remove_damaged(&self, of: usize) -> usize {
        let damaged = |part: &Part| self.has_part(*part) && self.candidates(Some(*part)).is_none();
        let damaged = (0..of).map(|number| Part { number, of }).filter(damaged);
        damaged.filter(|part| std::fs::remove_file(self.candidates_path(Some(*part))).is_ok()).count()
    }

    /// All answers to these `queries`, in order.
    pub fn answers(&self, of: &str, queries: usize) -> Vec<Answered> {
        let starts: BTreeSet<usize> = self.names().iter().filter_map(|name| name.strip_prefix("answers-")?.parse().ok()).collect();
        let answered = starts.into_iter().filter_map(|start| self.answers_from(of, start));
        answered.filter(|answered| answered.range().end <= queries).collect()
    }

    fn answers_from(&self, of: &str, start: usize) -> Option<Answered> {
        let (header, payload): (Answers, _) = read(&self.answers_path(start))?;
        let sound = header.of == questions(of) && header.start == start && header.answers == sha256(&payload);
        let bit = |at: usize| payload.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        let answers = || (0..header.count).map(bit).collect();
        (sound && payload.len() == header.count.div_ceil(8)).then(|| Answered { start, answers: answers(), part: header.part })
    }

    /// Writes answers down.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_answers(&self, of: &str, start: usize, answers: &[bool], part: Option<Part>) -> Result<()> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << at);
        let payload: Vec<u8> = answers.chunks(8).map(byte).collect();
        let part = part.map(counted_from_1);
        let header = Answers { of: questions(of), start, count: answers.len(), answers: sha256(&payload), part };
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

/// What answers name: the keys, and the order that the queries are in.
fn questions(of: &str) -> String {
    format!("{of} in order {}", crate::engine::order::VERSION)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_what_no_answer_is_for() {
        let shown = |gaps: Vec<Range<usize>>| gaps.iter().map(|gap| format!("{}-{}", gap.start, gap.end)).collect::<Vec<_>>().join(" ");
        let answered = |ranges: &[(usize, usize)]| -> Vec<Answered> {
            ranges.iter().map(|&(start, end)| Answered { start, answers: vec![true; end - start], part: None }).collect()
        };
        for (start, end, given, expected) in [
            (0, 9, &[][..], "0-9"),
            (0, 0, &[], ""),
            (0, 9, &[(0, 9)], ""),
            (2, 5, &[(0, 9)], ""),
            (0, 9, &[(4, 6), (1, 2)], "0-1 2-4 6-9"),
            (3, 9, &[(0, 4), (2, 5), (8, 20)], "5-8"),
            (3, 9, &[(0, 2), (10, 20)], "3-9"),
            (0, 9, &[(0, 8), (1, 2)], "8-9"),
        ] {
            assert_eq!(shown(gaps(start..end, &answered(given))), expected, "{start}-{end} {given:?}");
        }
    }
}
