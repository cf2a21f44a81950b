//! The four steps of a length. Each looks first whether its result is there.

use super::missing;
use super::place::{Merged, Place};
use super::{MOST_PARTS, What};
use crate::engine::Stop;
use crate::engine::exhaustive::{Exhaustive, Part};
use crate::engine::length::Counts;
use crate::exhaustive::journal::{Found, counted_from_1, gaps};
use crate::exhaustive::run::{self, End, Made as Length, Writing};
use crate::exhaustive::step;
use crate::exhaustive::write::shown;
use crate::proofs::counted;
use ml_common::record::{Map, Step};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, Status};
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

/// What came of a step.
#[derive(Debug)]
pub struct Made {
    /// Ok, or skipped where there was nothing to do, or planned.
    pub status: Status,
    /// What is told of it.
    pub step: Step,
}

impl Made {
    /// Nothing was to be done.
    pub fn there(id: String, reason: String) -> Made {
        let step = Step { id, summary: format!("{reason}: nothing is to be done"), reason: Some(reason), ..Step::default() };
        Made { status: Status::Skipped, step }
    }

    fn planned(id: String, summary: String) -> Made {
        Made { status: Status::Planned, step: Step { id, summary, ..Step::default() } }
    }

    /// The status of a call that did just this.
    pub fn end_status(&self) -> Option<Status> {
        (self.status != Status::Ok).then_some(self.status)
    }

    /// Writes the record.
    pub fn tell(self, stage: &Stage) {
        stage.step(self.status, self.step);
    }
}

/// The id of a step.
pub fn id(what: What, length: usize, part: Option<Part>) -> String {
    match (part.map(counted_from_1), what) {
        (Some((number, of)), _) => format!("{}-{length}-{number}-of-{of}", what.name()),
        (None, What::Candidates) => format!("candidates-{length}"),
        (None, What::Instances) => format!("length-{length}"),
    }
}

/// Why a length ends here, as a failure of the call.
pub fn end(stage: &Stage, end: End) -> Failure {
    match end {
        End::Engine(Stop::Cancelled) => stage.cancel.check().err().unwrap_or_else(|| run::stopped(Stop::Cancelled)),
        End::Engine(stop) => run::stopped(stop),
        End::Failed(failure) => failure,
    }
}

/// A part's share of so many things.
pub fn share(all: usize, part: Part) -> Range<usize> {
    let to = |number: usize| (all as u128 * number as u128 / part.of as u128) as usize;
    to(part.number)..to(part.number + 1)
}

fn millis(began: Instant) -> Option<u64> {
    u64::try_from(began.elapsed().as_millis()).ok()
}

fn metrics<const N: usize>(metrics: [(&str, u64); N]) -> Map {
    metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

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
        self.run.generate(length, part).map_err(|stop| end(self.stage, stop.into()))?;
        let Some((keys, counts)) = self.run.engine.in_progress() else { return Err(lost()) };
        let new = keys.len() as u64;
        journal.write_candidates(Some(part), keys, counts)?;
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
        let mut keys: Vec<u64> = Vec::with_capacity(parts.iter().map(|part| part.keys.len()).sum());
        parts.into_iter().for_each(|part| keys.extend(part.keys));
        // Each is in order already, of which this sort makes use.
        keys.sort();
        self.take_up(&Found { keys, counts, hash: String::new() }, &path)?;
        let Some((keys, counts)) = self.run.engine.in_progress() else { return Err(lost()) };
        let new = keys.len() as u64;
        self.taken_up = Some(journal.write_candidates(None, keys, counts)?);
        journal.remove_parts();
        self.tidy(length)?;
        let summary = format!("{new} new conclusions of {}, from {}", counted(counts.candidates, "candidate"), counted(of as u64, "part"));
        let step = Step { id, rows: Some(new), duration_ms: millis(began), summary, ..file(&path, length, counts) };
        Ok(Made { status: Status::Ok, step })
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
        let range = share(queries, part);
        let answered = journal.answers(&hash, queries);
        let left: usize = gaps(range.clone(), &answered).iter().map(Range::len).sum();
        if left == 0 {
            return Ok(Made::there(id, "this part is there".into()));
        }
        drop(answered);
        if self.stage.dry_run {
            return Ok(Made::planned(id, format!("{} would be looked at", counted(left as u64, "conclusion"))));
        }
        let began = Instant::now();
        self.ready(&hash, queries, Exhaustive::queries)?;
        let to = Writing { journal: &journal, of: &hash, part: Some(part) };
        self.run.answers(length, range.clone(), queries, Some(to)).map_err(|ended| end(self.stage, ended))?;
        let memory = self.run.engine.memory() as u64;
        self.tidy(length)?;
        let (number, of) = counted_from_1(part);
        let summary = format!("part {number} of {of}: {} looked at", counted(left as u64, "conclusion"));
        let metrics = metrics([("length", length as u64), ("queries", queries as u64), ("memory_bytes", memory)]);
        let step = Step { id, rows: Some(left as u64), duration_ms: millis(began), summary, metrics, ..Step::default() };
        Ok(Made { status: Status::Ok, step })
    }

    /// Finishes the length, once all of its candidates have been looked at.
    ///
    /// # Errors
    /// Class General when some have not; Storage.
    pub fn merge_instances(&mut self) -> Result<Made> {
        let (length, id) = (self.length(), id(What::Instances, self.length(), None));
        let (journal, forecast) = (self.journal(), self.run.engine.forecast());
        let path = self.store.path(length);
        if path.exists() {
            return Ok(Made::there(id, format!("length {length} is in the store")));
        }
        let merged = if self.is_empty() { None } else { Some(self.needs_merged()?) };
        let mut answered = Vec::new();
        if let Some(Merged { hash, queries }) = &merged {
            answered = journal.answers(hash, *queries);
            if !gaps(0..*queries, &answered).is_empty() {
                return Err(missing::instances(&self.folder, length, *queries, &answered));
            }
        }
        if self.stage.dry_run {
            return Ok(Made::planned(id, format!("{} would be written", shown(&path))));
        }
        let engine = &mut self.run.engine;
        let made = match &merged {
            None => engine.next_length(self.run.stop).map_err(|stop| end(self.stage, stop.into()))?,
            Some(Merged { hash, queries }) => {
                self.ready(hash, *queries, Exhaustive::order)?;
                answered.iter().for_each(|known| self.run.engine.answered(known.start, &known.answers));
                self.run.engine.finish().map_err(|stop| end(self.stage, stop.into()))?
            }
        };
        self.taken_up = None;
        // What it took stands nowhere, so that the file does not depend on who put it together.
        self.store.write(&self.run.engine, &made, 0)?;
        journal.remove()?;
        let made = Length { length: made, duration_ms: 0, stored: false };
        let step = Step { path: Some(shown(&path)), duration_ms: None, ..step(&made, self.run.engine.memory(), forecast) };
        Ok(Made { status: Status::Ok, step })
    }

    /// The merged candidates, which have to be there.
    fn needs_merged(&mut self) -> Result<Merged> {
        let (length, folder) = (self.length(), self.folder.display().to_string());
        self.merged().ok_or_else(|| not_merged(length, &folder))
    }

    /// Has the candidates in the engine, and their queries in order.
    fn ready(&mut self, hash: &str, queries: usize, order: impl FnOnce(&mut Exhaustive) -> Result<usize, Stop>) -> Result<()> {
        let path = self.journal().candidates_path(None);
        if self.taken_up.as_deref() != Some(hash) || self.run.engine.in_progress().is_none() {
            let found = self.journal().candidates(None).filter(|found| found.hash == hash);
            let found = found.ok_or_else(|| not_merged(self.length(), &self.folder.display().to_string()))?;
            self.take_up(&found, &path)?;
            self.taken_up = Some(found.hash);
        }
        let ordered = order(&mut self.run.engine).map_err(|stop| end(self.stage, stop.into()))?;
        if ordered == queries { Ok(()) } else { Err(damaged(&path)) }
    }

    fn take_up(&mut self, found: &Found, path: &Path) -> Result<()> {
        self.taken_up = None;
        let taken = self.run.engine.resume(&found.keys, found.counts).map_err(|stop| end(self.stage, stop.into()))?;
        taken.ok_or_else(|| damaged(path))
    }

    /// Removes what this step wrote when somebody has finished the length meanwhile.
    fn tidy(&self, length: usize) -> Result<()> {
        if self.store.path(length).exists() { self.journal().remove() } else { Ok(()) }
    }

    fn nothing(&self, id: String) -> Made {
        Made::there(id, format!("length {} has no candidates", self.length()))
    }
}

/// What is told of a file of candidates.
fn file(path: &Path, length: usize, counts: Counts) -> Step {
    let Counts { candidates, invalid, bounded } = counts;
    let metrics = metrics([("length", length as u64), ("candidates", candidates), ("invalid", invalid), ("bounded", bounded)]);
    let bytes = std::fs::metadata(path).ok().map(|data| data.len());
    Step { path: Some(shown(path)), bytes, metrics, ..Step::default() }
}

fn damaged(path: &Path) -> Failure {
    Failure::new(Class::Storage, format!("{} has keys of no proofs", path.display())).hint("remove its folder and begin the length again")
}

fn not_merged(length: usize, folder: &str) -> Failure {
    Failure::new(Class::General, format!("the candidates of length {length} are not merged yet, or damaged"))
        .hint(format!("ml-derive merge candidates --store {folder} --length {length}"))
}

fn lost() -> Failure {
    Failure::new(Class::Internal, "the engine has lost the length in progress")
}
