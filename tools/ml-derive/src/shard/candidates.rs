//! The candidates of a length: parts of them, and these put together.
//!
//! A part is the keys of what it has found new, and a number for each conclusion. Only conclusions of which several parts have the same
//! number are drawn again when parts are merged, to see whether they are the same: no machine needs to hold them all.

use super::missing;
use super::parts::{Made, damaged, end, id, lost, metrics, millis};
use super::place::Place;
use super::{MOST_PARTS, What};
use crate::engine::exhaustive::Part;
use crate::engine::length::Counts;
use crate::exhaustive::journal::{Found, counted_from_1};
use crate::exhaustive::write::shown;
use ml_common::people::counted;
use ml_common::record::Step;
use ml_common::{Class, Failure, Result, Status};
use rayon::prelude::*;
use std::path::Path;
use std::time::Instant;

impl Place<'_> {
    /// Generates a part of the candidates.
    ///
    /// # Errors
    /// Class General when the engine cannot hold it; Storage; Interrupted.
    pub fn candidates(&mut self, part: Part) -> Result<Made> {
        let (length, id) = (self.length(), id(What::Candidates, self.length(), Some(part)));
        if self.is_empty() {
            return Ok(self.nothing(id));
        }
        let journal = self.journal();
        if journal.candidates(None).is_some() {
            return Ok(Made::there(id, format!("the candidates of length {length} are merged")));
        }
        if journal.candidates(Some(part)).is_some() {
            return Ok(Made::there(id, "this part is there".into()));
        }
        let path = journal.candidates_path(Some(part));
        if self.stage.dry_run {
            return Ok(Made::planned(id, format!("{} would be written", shown(&path))));
        }
        let began = Instant::now();
        self.taken_up = None;
        self.run.generate(&format!("length {length}"), part).map_err(|stop| end(self.stage, stop.into()))?;
        let prints = self.run.engine.prints();
        let Some((keys, counts)) = self.run.engine.in_progress() else { return Err(lost()) };
        let new = keys.len() as u64;
        journal.write_part(part, keys, prints, counts)?;
        let memory = self.run.engine.memory() as u64;
        self.run.engine.abandon();
        self.tidy(length)?;
        let (number, of) = counted_from_1(part);
        let summary = format!("part {number} of {of}: {new} new conclusions of {}", counted(counts.candidates, "candidate"));
        let step = Step { id, rows: Some(new), duration_ms: millis(began), summary, ..file(&path, length, counts) };
        let step = Step { metrics: step.metrics.into_iter().chain(metrics([("memory_bytes", memory)])).collect(), ..step };
        Ok(Made { status: Status::Ok, step })
    }

    /// Puts the parts of the candidates together, once all are there.
    ///
    /// # Errors
    /// Class General when some are missing; Storage.
    pub fn merge_candidates(&mut self) -> Result<Made> {
        let (length, id) = (self.length(), id(What::Candidates, self.length(), None));
        if self.is_empty() {
            return Ok(self.nothing(id));
        }
        let journal = self.journal();
        if journal.candidates(None).is_some() {
            return Ok(Made::there(id, format!("the candidates of length {length} are merged")));
        }
        let began = Instant::now();
        let (of, parts) = self.all_parts()?;
        let path = journal.candidates_path(None);
        if self.stage.dry_run {
            return Ok(Made::planned(id, format!("{} would be written, from {}", shown(&path), counted(of as u64, "part"))));
        }
        let counts = parts.iter().fold(Counts::default(), |counts, part| counts.plus(part.counts));
        if length > 1 && counts.candidates != self.run.engine.candidates() {
            return Err(Failure::new(Class::Storage, format!("the parts of length {length} do not have all candidates"))
                .hint(format!("remove {} and begin the length again", self.store.progress(length).display())));
        }
        let keys = self.merged_keys(parts, &path)?;
        journal.write_candidates(keys.iter().copied(), counts)?;
        journal.remove_parts();
        self.tidy(length)?;
        let new = keys.len() as u64;
        let summary = format!("{new} new conclusions of {}, from {}", counted(counts.candidates, "candidate"), counted(of as u64, "part"));
        let step = Step { id, rows: Some(new), duration_ms: millis(began), summary, ..file(&path, length, counts) };
        Ok(Made { status: Status::Ok, step })
    }

    /// The keys of all parts in order, of each conclusion the smallest.
    fn merged_keys(&mut self, parts: Vec<Found>, path: &Path) -> Result<Vec<u64>> {
        let mut all: Vec<(u64, u64)> = Vec::with_capacity(parts.iter().map(|part| part.keys.len()).sum());
        parts.into_iter().for_each(|part| all.extend(part.prints.into_iter().zip(part.keys)));
        self.run.engine.pool().install(|| all.par_sort_unstable());
        let (mut keys, mut alike) = (Vec::with_capacity(all.len()), Vec::new());
        for same in all.chunk_by(|a, b| a.0 == b.0) {
            let list = if same.len() == 1 { &mut keys } else { &mut alike };
            list.extend(same.iter().map(|&(_, key)| key));
        }
        drop(all);
        if !alike.is_empty() {
            alike.sort_unstable();
            self.taken_up = None;
            let engine = &mut self.run.engine;
            let taken = engine.resume(&alike, Counts::default()).map_err(|stop| end(self.stage, stop.into()))?;
            taken.ok_or_else(|| damaged(path))?;
            let Some((different, _)) = engine.in_progress() else { return Err(lost()) };
            keys.extend(different);
            engine.abandon();
        }
        self.run.engine.pool().install(|| keys.par_sort_unstable());
        Ok(keys)
    }

    /// The candidates in all parts of a division that is whole, and into how many it divides.
    fn all_parts(&self) -> Result<(usize, Vec<Found>)> {
        let journal = self.journal();
        let mut best: Option<(usize, Vec<usize>)> = None;
        for of in journal.divisions().into_iter().filter(|of| *of <= MOST_PARTS) {
            let named = |number: &usize| journal.has_part(Part { number: *number, of });
            let mut missing: Vec<usize> = (0..of).filter(|number| !named(number)).collect();
            if missing.is_empty() {
                let found: Vec<Option<Found>> = (0..of).map(|number| journal.candidates(Some(Part { number, of }))).collect();
                missing = (0..of).filter(|&number| found[number].is_none()).collect();
                if missing.is_empty() {
                    return Ok((of, found.into_iter().flatten().collect()));
                }
            }
            if best.as_ref().is_none_or(|(_, fewest)| missing.len() <= fewest.len()) {
                best = Some((of, missing));
            }
        }
        Err(missing::candidates(&self.folder, self.length(), best))
    }
}

/// What is told of a file of candidates.
fn file(path: &Path, length: usize, counts: Counts) -> Step {
    let Counts { candidates, invalid, bounded } = counts;
    let metrics = metrics([("length", length as u64), ("candidates", candidates), ("invalid", invalid), ("bounded", bounded)]);
    let bytes = std::fs::metadata(path).ok().map(|data| data.len());
    Step { path: Some(shown(path)), bytes, metrics, ..Step::default() }
}
