//! What the four steps of a length have in common: ids, shares, records, failures.

use super::What;
use super::place::Place;
use crate::engine::Stop;
use crate::engine::exhaustive::Part;
use crate::exhaustive::journal::counted_from_1;
use crate::exhaustive::run::{self, End};
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

    /// Nothing is done, as it is a dry run.
    pub fn planned(id: String, summary: String) -> Made {
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

/// Milliseconds since then.
pub fn millis(began: Instant) -> Option<u64> {
    u64::try_from(began.elapsed().as_millis()).ok()
}

/// As records have them.
pub fn metrics<const N: usize>(metrics: [(&str, u64); N]) -> Map {
    metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

impl Place<'_> {
    /// Removes what this step wrote when somebody has finished the length meanwhile.
    ///
    /// # Errors
    /// Class Storage.
    pub fn tidy(&self, length: usize) -> Result<()> {
        if self.store.path(length).exists() { self.journal().remove() } else { Ok(()) }
    }

    /// There is nothing in a length without candidates.
    pub fn nothing(&self, id: String) -> Made {
        Made::there(id, format!("length {} has no candidates", self.length()))
    }
}

/// A file that has keys which are none.
pub fn damaged(path: &Path) -> Failure {
    Failure::new(Class::Storage, format!("{} has keys of no proofs", path.display())).hint("remove its folder and begin the length again")
}

/// A defect.
pub fn lost() -> Failure {
    Failure::new(Class::Internal, "the engine has lost the length in progress")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_all_and_do_not_overlap() {
        for (all, of) in [(0, 3), (2, 3), (9, 4), (100, 7), (usize::MAX, 1 << 20)] {
            let mut end = 0;
            for number in 0..of {
                let range = share(all, Part { number, of });
                assert_eq!(range.start, end);
                end = range.end;
            }
            assert_eq!(end, all);
        }
    }
}
