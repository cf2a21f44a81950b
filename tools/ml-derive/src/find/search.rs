//! The search: length by length, until everything is found or there are no more.

use super::answer::{self, Answer};
use crate::engine::Stop;
use crate::engine::conclusion::Conclusion;
use crate::engine::exhaustive::Exhaustive;
use crate::engine::goals::{Fit, Goals, Matching};
use crate::engine::rank::Step;
use crate::exhaustive::run::{End, Run, stopped};
use crate::exhaustive::store::Store;
use crate::proofs;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, people};
use ml_logic::{Formula, System};

/// Conclusions that are looked at between two looks at the rest of the world.
const CHUNK: usize = 1 << 18;

/// Where conclusions come from.
pub enum Lengths<'a> {
    /// From a store; the greatest length is read and not kept.
    Stored(Exhaustive, Store),
    /// They are generated.
    Generated(Run<'a>),
}

/// Where in a length something is: proofs stand there in their ASCII order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    fit: Fit,
    at: u64,
    step: Step,
}

/// The formulas, and what has been found.
pub struct Search<'a> {
    goals: Goals,
    open: Vec<usize>,
    /// The proof of each.
    found: Vec<Option<String>>,
    /// The last length that was looked through.
    pub reached: usize,
    stage: &'a Stage,
}

impl<'a> Search<'a> {
    /// For these formulas.
    pub fn new(formulas: &[Formula], stage: &'a Stage) -> Search<'a> {
        Search { goals: Goals::new(formulas), open: (0..formulas.len()).collect(), found: vec![None; formulas.len()], reached: 0, stage }
    }

    /// Looks through all lengths to the last one; why it ended before, if the engine could not go on.
    ///
    /// # Errors
    /// An interruption; a store that cannot be read.
    pub fn all(&mut self, lengths: &mut Lengths, last: usize) -> Result<Option<Stop>> {
        for length in 1..=last {
            if self.open.is_empty() {
                break;
            }
            let looked = match lengths {
                Lengths::Stored(engine, store) => self.stored(engine, store, length, length == last),
                Lengths::Generated(run) => self.generated(run),
            };
            match looked {
                Ok(()) => self.reached = length,
                Err(End::Failed(failure)) => return Err(failure),
                Err(End::Engine(Stop::Cancelled)) => {
                    return Err(self.stage.cancel.check().err().unwrap_or_else(|| stopped(Stop::Cancelled)));
                }
                Err(End::Engine(stop)) => return Ok(Some(stop)),
            }
        }
        Ok(None)
    }

    fn stored(&mut self, engine: &mut Exhaustive, store: &mut Store, length: usize, last: bool) -> std::result::Result<(), End> {
        let Some(mut segment) = store.begin(length)? else {
            // Lengths that nothing can have need not be written.
            if length > 1 && engine.candidates() == 0 {
                let empty = engine.next_length(&|| self.stage.cancel.is_set())?;
                return Ok(store.pass(&empty)?);
            }
            return Err(Failure::new(
                Class::Storage,
                format!("{} is missing, and greater lengths are there", store.path(length).display()),
            )
            .hint("copy it back, or run ml-derive --no-ledger with the store once more: it generates what is missing")
            .into());
        };
        let bar = (segment.header.kept > CHUNK as u64).then(|| people::progress(format!("length {length}"), Some(segment.header.kept)));
        let (mut places, mut steps, mut start) = (vec![None; self.found.len()], Vec::new(), 0);
        while let Some(chunk) = segment.next()? {
            self.look(engine, &chunk, start, &mut places)?.ok_or_else(|| segment.refuted())?;
            start += chunk.len() as u64;
            if !last {
                steps.extend_from_slice(&chunk);
            }
            bar.iter().for_each(|bar| bar.inc(chunk.len() as u64));
        }
        bar.iter().for_each(|bar| bar.finish_and_clear());
        self.take(&places, engine);
        if !last && !self.open.is_empty() {
            engine.restore(&steps)?.ok_or_else(|| segment.refuted())?;
        }
        Ok(())
    }

    fn generated(&mut self, run: &mut Run) -> std::result::Result<(), End> {
        let kept = run.next()?.length.kept;
        let mut places = vec![None; self.found.len()];
        for start in kept.clone().step_by(CHUNK) {
            let steps: Vec<Step> = (start..kept.end).take(CHUNK).map(|id| run.engine.step(id)).collect();
            let broken = || Failure::new(Class::Internal, "a conclusion cannot be drawn again").hint("please report it");
            self.look(&run.engine, &steps, u64::from(start - kept.start), &mut places)?.ok_or_else(broken)?;
        }
        self.take(&places, &run.engine);
        Ok(())
    }

    /// Looks at the conclusions of steps; `None` when one of them has none.
    fn look(&self, engine: &Exhaustive, steps: &[Step], start: u64, places: &mut [Option<Place>]) -> std::result::Result<Option<()>, Stop> {
        let see = |at: usize, conclusion: &mut Conclusion, matching: &mut Matching, found: &mut Vec<(usize, Place)>| {
            for &number in &self.open {
                let Some(fit) = self.goals.fit(number, conclusion, matching) else { continue };
                // The first of each kind is enough.
                if !found.iter().any(|(other, place)| *other == number && place.fit == fit) {
                    found.push((number, Place { fit, at: start + at as u64, step: steps[at] }));
                }
            }
        };
        let Some(found) = engine.visit(steps, &|| self.stage.cancel.is_set(), see)? else { return Ok(None) };
        for (number, place) in found {
            let rank = |place: &Place| (place.fit == Fit::Instance, place.at);
            if places[number].is_none_or(|best| rank(&place) < rank(&best)) {
                places[number] = Some(place);
            }
        }
        Ok(Some(()))
    }

    /// Writes down the proofs of what was found in a length.
    fn take(&mut self, places: &[Option<Place>], engine: &Exhaustive) {
        for (number, place) in places.iter().enumerate() {
            if let Some(Place { step, .. }) = *place {
                self.found[number] = Some(proofs::text(u32::MAX, |id| if id == u32::MAX { step } else { engine.step(id) }));
            }
        }
        self.open.retain(|&number| self.found[number].is_none());
    }

    /// What is known of the formula of that number now. Its proof has been proved once more.
    ///
    /// # Errors
    /// Class Internal when the checker refuses it.
    pub fn answer(&self, number: usize, formula: &Formula, system: &System, complete: bool) -> Result<Answer> {
        match &self.found[number] {
            Some(proof) => answer::proved(proof, formula, system, complete),
            None if complete => Ok(Answer::NotDerivable(self.reached)),
            None => Ok(Answer::NotFound(self.reached)),
        }
    }
}
