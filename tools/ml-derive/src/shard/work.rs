//! A worker: takes what nobody is doing, until the last length is there.
//!
//! There is no list of jobs to lose: what is to be done is what the store does not have. A worker looks there, takes a lease on a part,
//! and looks once more before it begins.

use super::instances::left_of;
use super::leases::Leases;
use super::parts::{Made, id};
use super::place::{Merged, Place};
use super::{What, Work};
use crate::cli::Cli;
use crate::engine::exhaustive::Part;
use crate::exhaustive::write::shown;
use ml_common::people::counted;
use ml_common::record::Step;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, Status};
use std::path::PathBuf;
use std::time::Duration;

/// Between two looks at what others have done: at first, and at most.
const WAIT: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

struct Worker<'a> {
    place: Place<'a>,
    leases: Leases,
    parts: usize,
    /// The part to look at first: not all workers begin with the same.
    first: usize,
    done: u64,
}

/// The command.
pub fn act(cli: &Cli, args: &Work, stage: &Stage) -> Result<Done> {
    let stop = || stage.cancel.is_set();
    let mut place = Place::open(cli, &args.store, stage, &stop)?;
    let last = usize::from(args.max_length);
    if stage.dry_run {
        return plan(&mut place, last);
    }
    let leases = Leases::of(stage, &args.store, args.lease)?;
    log::info!("{}", leases.describe());
    let parts = args.parts as usize;
    let mut worker = Worker { place, leases, parts, first: std::process::id() as usize % parts, done: 0 };
    let mut finished = 0;
    let mut wait = WAIT.0;
    while worker.place.length() <= last {
        if worker.place.read()? {
            continue;
        }
        match worker.next()? {
            Some(made) => {
                finished += u64::from(made.step.id.starts_with("length-"));
                worker.done += u64::from(made.status == Status::Ok);
                made.tell(stage);
                wait = WAIT.0;
            }
            // All that is left is being done by others.
            None => {
                stage.cancel.sleep(wait)?;
                wait = (wait * 2).min(WAIT.1);
            }
        }
    }
    let summary = format!("length {last} is in the store; {} done here", counted(worker.done, "step"));
    Ok(Done::ok(summary).metric("steps", worker.done).metric("lengths", finished))
}

fn plan(place: &mut Place, last: usize) -> Result<Done> {
    while place.length() <= last && place.read()? {}
    // Without necessitation all proofs have odd lengths.
    for length in (place.length()..=last).filter(|length| place.necessitation || length % 2 == 1) {
        let summary = format!("{} would be written", shown(&place.store.path(length)));
        place.stage.step(Status::Planned, Step { id: id(What::Instances, length, None), summary, ..Step::default() });
    }
    Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("the lengths up to {last} would be in the store")) })
}

impl Worker<'_> {
    /// Does one step of the next length that nobody else is doing; `None` when there is none. What it finished may have been finished by
    /// others meanwhile.
    fn next(&mut self) -> Result<Option<Made>> {
        if self.place.is_empty() {
            return self.merge(What::Instances);
        }
        let journal = self.place.journal();
        let Some(merged) = self.place.merged() else {
            let missing = |part: &Part| !journal.has_part(*part);
            let missing: Vec<Part> = self.all().filter(missing).collect();
            return if missing.is_empty() { self.merge(What::Candidates) } else { self.part(What::Candidates, &missing) };
        };
        let entries = journal.entries(&merged.hash, merged.queries);
        let missing: Vec<Part> = self.all().filter(|&part| !left_of(part, merged.queries, &entries).is_empty()).collect();
        if missing.is_empty() { self.merge(What::Instances) } else { self.part(What::Instances, &missing) }
    }

    fn all(&self) -> impl Iterator<Item = Part> + use<> {
        let (of, first) = (self.parts, self.first);
        (0..of).map(move |number| Part { number: (first + number) % of, of })
    }

    fn part(&mut self, what: What, missing: &[Part]) -> Result<Option<Made>> {
        for &part in missing {
            let step = format!("{}-{}-of-{}", what.name(), part.number + 1, part.of);
            let Some(_lease) = self.leases.take(self.place.store.last(), &step)? else { continue };
            let made = match what {
                What::Candidates => self.place.candidates(part)?,
                What::Instances => self.place.instances(part)?,
            };
            if made.status == Status::Ok {
                return Ok(Some(made));
            }
        }
        Ok(None)
    }

    fn merge(&mut self, what: What) -> Result<Option<Made>> {
        let step = format!("merge-{}", what.name());
        let Some(_lease) = self.leases.take(self.place.store.last(), &step)? else { return Ok(None) };
        match self.place.store.hold() {
            Ok(()) => {}
            // A run without parts is at it, or a worker whose lease has ended is not.
            Err(Failure { class: Class::Locked, .. }) => return Ok(None),
            Err(failure) => return Err(failure),
        }
        let made = match what {
            What::Candidates => self.place.merge_candidates(),
            What::Instances => self.place.merge_instances(),
        };
        self.place.store.let_go();
        match made {
            // Those are done again.
            Err(Failure { class: Class::General, .. }) if self.remove_damaged() > 0 => Ok(None),
            made => Ok(Some(made?).filter(|made| made.status == Status::Ok)),
        }
    }

    /// Removes parts that seem to be there and are damaged; how many.
    fn remove_damaged(&mut self) -> usize {
        let journal = self.place.journal();
        let mut damaged: Vec<PathBuf> = Vec::new();
        match self.place.merged() {
            None => {
                let parts = self.all().filter(|&part| journal.has_part(part) && journal.candidates(Some(part)).is_none());
                damaged.extend(parts.map(|part| journal.candidates_path(Some(part))));
            }
            Some(Merged { hash, queries }) => {
                let entries = journal.entries(&hash, queries).into_iter().filter(|entry| journal.answers(&hash, entry).is_none());
                damaged.extend(entries.map(|entry| journal.answers_path(entry.range.start, entry.slice)));
            }
        }
        damaged.into_iter().filter(|path| std::fs::remove_file(path).is_ok()).count()
    }
}
