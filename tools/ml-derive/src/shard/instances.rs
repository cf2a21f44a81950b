//! Which candidates of a length are instances: parts of the answers, and the length from these.
//!
//! A part looks for a share of the candidates among a slice of the conclusions, old and new, and holds no other new ones. That something
//! more general is in some slice is the answer; so a length is put together from files of bits and of keys, and no conclusion is needed.

use super::What;
use super::missing;
use super::parts::{Made, damaged, end, id, metrics, millis, share};
use super::place::{Merged, Place};
use crate::engine::Stop;
use crate::engine::exhaustive::{Length, Part};
use crate::engine::rank::MOST;
use crate::exhaustive::answers::{Entry, Writing, gaps, left, left_in};
use crate::exhaustive::journal::{Found, counted_from_1};
use crate::exhaustive::run::{self, Made as Told};
use crate::exhaustive::step;
use crate::exhaustive::write::shown;
use ml_common::people::counted;
use ml_common::record::Step;
use ml_common::{Class, Failure, Result, Status};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Instant;

/// Fewer slices would have each part hold as much as without any, or nearly.
const FEWEST_SLICES: usize = 3;

/// What a part is to look among, and for which share of the candidates: as many slices as shares, or fewer.
pub fn cell(part: Part) -> (Part, Part) {
    let root = (1..).take_while(|slices| slices * slices <= part.of).last().unwrap_or(1);
    let slices = (FEWEST_SLICES..=root).rev().find(|slices| part.of.is_multiple_of(*slices)).unwrap_or(1);
    let shares = part.of / slices;
    (Part { number: part.number / shares, of: slices }, Part { number: part.number % shares, of: shares })
}

/// What a part has not answered yet of so many queries.
pub fn left_of(part: Part, queries: usize, entries: &[Entry]) -> Vec<Range<usize>> {
    let (slice, of) = cell(part);
    left_in(slice, share(queries, of), entries)
}

impl Place<'_> {
    /// Looks which of a part of the candidates are instances.
    ///
    /// # Errors
    /// Class General when the candidates are not merged, or the engine cannot hold them; Storage; Interrupted.
    pub fn instances(&mut self, part: Part) -> Result<Made> {
        let (length, id) = (self.length(), id(What::Instances, self.length(), Some(part)));
        if self.is_empty() {
            return Ok(self.nothing(id));
        }
        let Merged { hash, queries } = self.needs_merged()?;
        let journal = self.journal();
        let mut entries = journal.entries(&hash, queries);
        if !left_of(part, queries, &entries).is_empty() && self.stage.dry_run {
            return Ok(Made::planned(
                id,
                format!("{} would be looked at", counted(share(queries, cell(part).1).len() as u64, "conclusion")),
            ));
        }
        entries.retain(|entry| journal.answers(&hash, entry).is_some());
        let left = left_of(part, queries, &entries);
        let rows: usize = left.iter().map(Range::len).sum();
        if rows == 0 {
            return Ok(Made::there(id, "this part is there".into()));
        }
        let began = Instant::now();
        let (slice, of) = cell(part);
        let range = share(queries, of);
        let skipped = self.ready(&hash, queries, slice, &range)?;
        let to = Writing { journal: &journal, of: &hash, slice, part: Some(part) };
        self.run.answers(&format!("length {length}"), range.len(), &left, skipped, Some(to)).map_err(|ended| end(self.stage, ended))?;
        let memory = self.run.engine.memory() as u64;
        self.tidy(length)?;
        let (number, of) = counted_from_1(part);
        let summary = format!("part {number} of {of}: {} looked at", counted(rows as u64, "conclusion"));
        let metrics = metrics([("length", length as u64), ("queries", queries as u64), ("memory_bytes", memory)]);
        let step = Step { id, rows: Some(rows as u64), duration_ms: millis(began), summary, metrics, ..Step::default() };
        Ok(Made { status: Status::Ok, step })
    }

    /// Has that share of the candidates in the engine, and a slice of all conclusions to look among; how many candidates before the share
    /// the engine does not have.
    fn ready(&mut self, hash: &str, queries: usize, slice: Part, range: &Range<usize>) -> Result<usize> {
        if slice == Part::WHOLE && self.taken_up.as_deref() == Some(hash) && self.run.engine.in_progress().is_some() {
            return Ok(0);
        }
        self.taken_up = None;
        let path = self.journal().candidates_path(None);
        let mut found = self.found(hash)?;
        let among = share(queries, slice);
        let before = Range { end: among.end.min(range.start), ..among.clone() };
        // Of the keys those that are in neither go, from the end on.
        for gap in gaps(0..queries, [range.clone(), among]).into_iter().rev() {
            found.keys.drain(gap);
        }
        let kept = found.keys.len();
        let engine = &mut self.run.engine;
        let taken = engine.resume(&found.keys, found.counts).map_err(|stop| end(self.stage, stop.into()))?;
        drop(found);
        let old = share(engine.len(), slice);
        let ready = engine.queries_among(old).map_err(|stop| end(self.stage, stop.into()))?;
        if taken.is_none() || ready != kept {
            return Err(damaged(&path));
        }
        self.taken_up = (slice == Part::WHOLE).then(|| hash.to_owned());
        Ok(range.start - before.len())
    }

    /// Finishes the length, once all of its candidates have been looked at.
    ///
    /// # Errors
    /// Class General when some have not; Storage.
    pub fn merge_instances(&mut self) -> Result<Made> {
        let (length, id, forecast) = (self.length(), id(What::Instances, self.length(), None), self.run.engine.forecast());
        let path = self.store.path(length);
        if path.exists() {
            return Ok(Made::there(id, format!("length {length} is in the store")));
        }
        let merged = if self.is_empty() { None } else { Some(self.needs_merged()?) };
        let dropped = merged.as_ref().map(|merged| self.dropped(merged)).transpose()?;
        if self.stage.dry_run {
            return Ok(Made::planned(id, format!("{} would be written", shown(&path))));
        }
        let length = match merged.zip(dropped) {
            None => {
                let empty = self.run.engine.next_length(self.run.stop).map_err(|stop| end(self.stage, stop.into()))?;
                self.store.write(&self.run.engine, &empty, 0)?;
                empty
            }
            Some((merged, dropped)) => self.kept(&merged.hash, &dropped)?,
        };
        self.store.remove_progress(length.length)?;
        let told = Told { length, duration_ms: 0, stored: false };
        let step = Step { path: Some(shown(&path)), duration_ms: None, ..step(&told, self.run.engine.memory(), forecast) };
        Ok(Made { status: Status::Ok, step })
    }

    /// Which candidates are instances, once all answers are there.
    fn dropped(&self, merged: &Merged) -> Result<Vec<bool>> {
        let (journal, queries) = (self.journal(), merged.queries);
        let mut dropped = vec![false; queries];
        let mut entries = journal.entries(&merged.hash, queries);
        let divisions: BTreeSet<usize> = entries.iter().filter_map(|entry| entry.part).map(|(_, of)| of).collect();
        entries.retain(|entry| match journal.answers(&merged.hash, entry) {
            Some(answers) => {
                let places = dropped.iter_mut().skip(entry.range.start);
                places.zip(answers).for_each(|(dropped, answer)| *dropped |= answer);
                true
            }
            None => false,
        });
        match left(0..queries, &entries).is_empty() {
            true => Ok(dropped),
            false => Err(missing::instances(&self.folder, self.length(), divisions, |part| !left_of(part, queries, &entries).is_empty())),
        }
    }

    /// Writes the length with what is not dropped.
    fn kept(&mut self, hash: &str, dropped: &[bool]) -> Result<Length> {
        let path = self.journal().candidates_path(None);
        let Found { keys, counts, .. } = self.found(hash)?;
        let all = keys.len() as u64;
        // Where nothing was looked for, all are kept.
        let kept = keys.into_iter().enumerate().filter(|(place, _)| !dropped.get(*place).is_some_and(|dropped| *dropped));
        let engine = &mut self.run.engine;
        let steps = engine.steps_of(kept.map(|(_, key)| key)).ok_or_else(|| damaged(&path))?;
        let end = engine.len() + steps.len();
        if end >= MOST {
            return Err(run::stopped(Stop::TooMany));
        }
        let length = Length {
            length: engine.lengths() + 1,
            kept: engine.len() as u32..end as u32,
            candidates: counts.candidates,
            invalid: counts.invalid,
            bounded: counts.bounded,
            duplicates: (counts.candidates - counts.invalid - counts.bounded).saturating_sub(all),
            removed: all - steps.len() as u64,
        };
        // What it took stands nowhere, so that the file does not depend on who put it together.
        self.store.write_steps(&length, steps.into_iter(), 0)?;
        Ok(length)
    }

    /// The merged candidates, which have to be there.
    fn needs_merged(&mut self) -> Result<Merged> {
        let not_merged = self.not_merged();
        self.merged().ok_or(not_merged)
    }

    /// Them with their keys, still the same.
    fn found(&self, hash: &str) -> Result<Found> {
        self.journal().candidates(None).filter(|found| found.hash == hash).ok_or_else(|| self.not_merged())
    }

    fn not_merged(&self) -> Failure {
        let length = self.length();
        Failure::new(Class::General, format!("the candidates of length {length} are not merged yet, or damaged"))
            .hint(format!("ml-derive merge candidates --store {} --length {length}", self.folder.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_all_pairs_of_a_slice_and_a_share() {
        for (of, slices) in [(1, 1), (2, 1), (4, 1), (7, 1), (9, 3), (12, 3), (16, 4), (18, 3), (20, 4), (22, 1), (64, 8), (1000, 25)] {
            let cells: BTreeSet<_> = (0..of)
                .map(|number| cell(Part { number, of }))
                .map(|(slice, share)| {
                    assert_eq!((slice.of, share.of), (slices, of / slices));
                    (slice.number, share.number)
                })
                .collect();
            assert_eq!((cells.len(), cells.last()), (of, Some(&(slices - 1, of / slices - 1))));
        }
    }
}
