//! Lengths whose steps are known from an earlier run, or from other machines: their conclusions are drawn again.

use super::{Counts, Exhaustive, Fresh, packed};
use crate::engine::bits::Bits;
use crate::engine::length::Worker;
use crate::engine::nodes::Full;
use crate::engine::rank::Step;
use crate::engine::{Stop, terms};
use rayon::prelude::*;
use std::ops::Range;

impl Exhaustive {
    /// Takes a length up again whose candidates were found before, by their keys in order. Keys of one conclusion, as parts of the length
    /// have them, become the smallest one. `None` for keys that are none.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn resume(&mut self, keys: &[u64], counts: Counts) -> Result<Option<()>, Stop> {
        self.abandon();
        self.room(self.forecast_again(keys.len()))?;
        self.rank();
        let steps: Option<Vec<Step>> = keys.iter().map(|&key| self.ranks.checked_step(key, self.axioms.len())).collect();
        let Some(roots) = steps.map(|steps| self.conclusions(&steps)).transpose()?.flatten() else {
            self.abandon();
            return Ok(None);
        };
        let seen = Bits::new(self.nodes.len());
        let first = |&(_, root): &(u64, u32)| {
            !seen.has(root as usize) && {
                seen.add(root as usize);
                true
            }
        };
        self.nodes.freeze();
        let new = keys.iter().copied().zip(roots).filter(first).collect();
        self.fresh = Some(Fresh { counts, new, ..Fresh::default() });
        Ok(Some(()))
    }

    /// Adds a length whose kept steps are known, in order; their conclusions are drawn again. `None` when one does not conclude, which
    /// leaves everything as it was.
    ///
    /// # Errors
    /// [`Stop`].
    pub fn restore(&mut self, steps: &[Step]) -> Result<Option<Range<u32>>, Stop> {
        self.abandon();
        let first = self.len() as u32;
        let premises_exist = |step: &Step| match *step {
            Step::Axiom(number) => (1..=self.axioms.len()).contains(&usize::from(number)),
            Step::Detach { major, minor } => major.max(minor) < first,
            Step::Necessitate(premise) => premise < first,
        };
        let roots = if steps.iter().all(premises_exist) { self.conclusions(steps)? } else { None };
        let Some(roots) = roots else {
            self.abandon();
            return Ok(None);
        };
        let kept: Vec<(u64, u32)> = steps.iter().map(|&step| packed(step)).zip(roots).collect();
        Ok(Some(self.keep(&kept)))
    }

    /// Draws the conclusions of these steps; their roots. `None` when one of them has none.
    fn conclusions(&mut self, steps: &[Step]) -> Result<Option<Vec<u32>>, Stop> {
        let axioms = std::mem::take(&mut self.axioms);
        let axiom_roots: Vec<u32> = axioms.iter().map(|axiom| terms::store(axiom, &mut self.nodes)).collect();
        self.axioms = axioms;
        let mut more = self.rates.nodes(steps.len());
        loop {
            self.room(self.nodes.memory_with(more))?;
            self.nodes.reserve(more);
            let (nodes, roots) = (&self.nodes, &self.roots);
            let root = |id: u32| roots[id as usize];
            let draw = |worker: &mut Worker, step: &Step| match *step {
                Step::Axiom(number) => Ok(Some(axiom_roots[usize::from(number) - 1])),
                Step::Detach { major, minor } => worker.again(root(major), Some(root(minor)), nodes),
                Step::Necessitate(premise) => worker.again(root(premise), None, nodes),
            };
            let drawn: Result<Vec<Option<u32>>, Full> =
                self.pool.install(|| steps.par_iter().with_min_len(1 << 12).map_init(Worker::default, draw).collect());
            match drawn {
                Ok(roots) => return Ok(roots.into_iter().collect()),
                // What was drawn until then is found again.
                Err(Full) => more = (self.nodes.len() / 8).max(1 << 16),
            }
        }
    }
}
