//! Which new conclusions of a length are instances, written down piece by piece.
//!
//! `answers-N` says of the candidates from the Nth on, in the order of their keys, whether each is an instance. Where several processes
//! share the work, one may have looked among a slice of the conclusions alone; `answers-N-of-slice-I-of-A` says so. A yes is the truth
//! whatever slice it is from, a no takes all of them.

use super::file::{read_file, read_line, sha256, write_file};
use super::journal::{Journal, counted_from_1};
use crate::engine::exhaustive::Part;
use ml_common::{Class, Failure, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;

/// What a file says of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Header {
    of: String,
    start: usize,
    count: usize,
    answers: String,
    /// Number from 1, of how many; none for all conclusions.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    slice: Option<(usize, usize)>,
    /// For which part of how many it was written, if any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    part: Option<(usize, usize)>,
}

/// Answers that are written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// To which queries.
    pub range: Range<usize>,
    /// Among which conclusions was looked.
    pub slice: Part,
    /// For which part of how many it was written, if any; the number from 1.
    pub part: Option<(usize, usize)>,
}

/// Where answers are written down.
#[derive(Clone, Copy)]
pub struct Writing<'a> {
    /// The journal.
    pub journal: &'a Journal,
    /// The hash of the candidates' keys.
    pub of: &'a str,
    /// Among which conclusions is looked.
    pub slice: Part,
    /// The part that asks, where parts share the work.
    pub part: Option<Part>,
}

/// What of `range` none of these ranges is for, in order.
pub fn gaps(range: Range<usize>, ranges: impl IntoIterator<Item = Range<usize>>) -> Vec<Range<usize>> {
    let mut ranges: Vec<Range<usize>> = ranges.into_iter().collect();
    ranges.sort_unstable_by_key(|range| range.start);
    ranges.push(range.end..range.end);
    let (mut gaps, mut at) = (Vec::new(), range.start);
    for Range { start, end } in ranges {
        let start = start.min(range.end);
        if at < start {
            gaps.push(at..start);
        }
        at = at.max(end);
    }
    gaps
}

/// What of `range` is still to be looked for in a slice.
pub fn left_in(slice: Part, range: Range<usize>, entries: &[Entry]) -> Vec<Range<usize>> {
    let answers = |entry: &&Entry| entry.slice == Part::WHOLE || entry.slice == slice;
    gaps(range, entries.iter().filter(answers).map(|entry| entry.range.clone()))
}

/// What of `range` is still to be looked for in some slice, however it was sliced.
pub fn left(range: Range<usize>, entries: &[Entry]) -> Vec<Range<usize>> {
    let slicings: BTreeSet<usize> = entries.iter().map(|entry| entry.slice.of).collect();
    let lacking = |of: usize| (0..of).flat_map(|number| left_in(Part { number, of }, range.clone(), entries)).collect::<Vec<_>>();
    let whole = slicings.into_iter().flat_map(|of| gaps(range.clone(), lacking(of)));
    gaps(range.clone(), whole.collect::<Vec<_>>())
}

impl Journal {
    /// What seems to be answered of so many queries; the answers are not read.
    pub fn entries(&self, of: &str, queries: usize) -> Vec<Entry> {
        let names = self.names();
        let entry = |name: &String| {
            let path = self.folder().join(name);
            self.entry(serde_json::from_slice(&read_line(&path).ok()??).ok()?, of, queries)
        };
        names.iter().filter(|name| name.starts_with("answers-")).filter_map(entry).collect()
    }

    fn entry(&self, header: Header, of: &str, queries: usize) -> Option<Entry> {
        let slice = match header.slice {
            None => Part::WHOLE,
            Some((number, of)) if (1..=of).contains(&number) => Part { number: number - 1, of },
            Some(_) => return None,
        };
        let end = header.start.checked_add(header.count)?;
        let sound = header.of == questions(of) && end <= queries;
        sound.then_some(Entry { range: header.start..end, slice, part: header.part })
    }

    /// The answers of an entry; `None` when they are damaged.
    pub fn answers(&self, of: &str, entry: &Entry) -> Option<Vec<bool>> {
        let (line, payload) = read_file(&self.answers_path(entry.range.start, entry.slice)).ok().flatten()?;
        let header: Header = serde_json::from_slice(&line).ok()?;
        let same = header.answers == sha256(&payload) && self.entry(header, of, entry.range.end).as_ref() == Some(entry);
        let bit = |at: usize| payload.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        (same && payload.len() == entry.range.len().div_ceil(8)).then(|| (0..entry.range.len()).map(bit).collect())
    }

    /// Where the answers of an entry are.
    pub fn answers_path(&self, start: usize, slice: Part) -> PathBuf {
        self.folder().join(match counted_from_1(slice) {
            (1, 1) => format!("answers-{start}"),
            (number, of) => format!("answers-{start}-of-slice-{number}-of-{of}"),
        })
    }

    /// Writes answers down.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write_answers(&self, start: usize, answers: &[bool], to: &Writing) -> Result<()> {
        let byte = |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (at, &bit)| byte | u8::from(bit) << at);
        let payload: Vec<u8> = answers.chunks(8).map(byte).collect();
        let slice = (to.slice != Part::WHOLE).then(|| counted_from_1(to.slice));
        let part = to.part.map(counted_from_1);
        let header = Header { of: questions(to.of), start, count: answers.len(), answers: sha256(&payload), slice, part };
        let line = serde_json::to_vec(&header).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
        write_file(&self.answers_path(start, to.slice), &line, &payload)
    }
}

/// What answers name: the keys, and that the queries are in their order.
fn questions(of: &str) -> String {
    format!("{of} by key")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(gaps: &[Range<usize>]) -> String {
        gaps.iter().map(|gap| format!("{}-{}", gap.start, gap.end)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn gaps_are_what_no_range_is_for() {
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
            let ranges = given.iter().map(|&(start, end)| start..end);
            assert_eq!(shown(&gaps(start..end, ranges)), expected, "{start}-{end} {given:?}");
        }
    }

    #[test]
    fn a_no_takes_all_slices() {
        let entry = |range, number, of| Entry { range, slice: Part { number, of }, part: None };
        let mut entries = vec![entry(0..4, 0, 1), entry(2..8, 0, 2), entry(3..6, 1, 2), entry(6..9, 2, 3)];
        assert_eq!(shown(&left(0..9, &entries)), "6-9");
        assert_eq!(shown(&left_in(Part { number: 1, of: 2 }, 0..9, &entries)), "6-9");
        assert_eq!(shown(&left_in(Part { number: 0, of: 2 }, 0..9, &entries)), "8-9");
        entries.extend([entry(6..9, 0, 3), entry(7..9, 1, 3)]);
        assert_eq!(shown(&left(0..9, &entries)), "6-7");
        assert_eq!(shown(&left(0..9, &[])), "0-9");
    }
}
