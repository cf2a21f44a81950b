//! Conclusions that are looked at and not kept: only their premises have to be there.

use super::{Exhaustive, PATIENCE};
use crate::engine::Stop;
use crate::engine::block::{Blocks, Side};
use crate::engine::conclusion::Conclusion;
use crate::engine::nodes::Nodes;
use crate::engine::rank::Step;
use crate::engine::terms;
use rayon::prelude::*;

/// One thread's workspace.
#[derive(Default)]
struct Drawing<T> {
    blocks: Blocks,
    /// What the first block holds.
    major: Option<u32>,
    conclusion: Conclusion,
    own: T,
}

impl Exhaustive {
    /// Draws the conclusions of these steps, whose premises are kept, and shows each to `see`, with its place and a workspace of the
    /// thread's own; what it finds, in the order of the steps. `None` when a step has no conclusion.
    ///
    /// # Errors
    /// [`Stop::Cancelled`].
    pub fn visit<W: Default, F: Send>(
        &self,
        steps: &[Step],
        stop: &(dyn Fn() -> bool + Sync),
        see: impl Fn(usize, &mut Conclusion, &mut W, &mut Vec<F>) + Sync,
    ) -> Result<Option<Vec<F>>, Stop> {
        let mut axioms = Nodes::new();
        let roots: Vec<u32> = self.axioms.iter().map(|axiom| terms::store(axiom, &mut axioms)).collect();
        let chunk = |drawing: &mut Drawing<W>, (number, steps): (usize, &[Step])| {
            if stop() {
                return Err(Stop::Cancelled);
            }
            let mut found = Vec::new();
            for (at, &step) in steps.iter().enumerate() {
                if self.draw(step, (&roots, &axioms), drawing).is_none() {
                    return Ok(None);
                }
                see(number * PATIENCE + at, &mut drawing.conclusion, &mut drawing.own, &mut found);
            }
            Ok(Some(found))
        };
        let all: Result<Vec<Option<Vec<F>>>, Stop> =
            self.pool.install(|| steps.par_chunks(PATIENCE).enumerate().map_init(Drawing::default, chunk).collect());
        Ok(all?.into_iter().collect::<Option<Vec<_>>>().map(|found| found.into_iter().flatten().collect()))
    }

    /// Puts the conclusion of a step into the workspace; `None` when there is none.
    fn draw<T>(&self, step: Step, (roots, axioms): (&[u32], &Nodes), drawing: &mut Drawing<T>) -> Option<()> {
        let Drawing { blocks, major: loaded, conclusion, .. } = drawing;
        let root = |id: u32| self.roots.get(id as usize).copied();
        match step {
            Step::Axiom(number) => {
                let root = *roots.get(usize::from(number).checked_sub(1)?)?;
                *loaded = None;
                blocks.load(Side::First, [root], axioms);
                blocks.repeat(0, conclusion);
            }
            Step::Detach { major, minor } => {
                // Steps come in the order of their majors.
                if *loaded != Some(major) {
                    blocks.load(Side::First, [root(major)?], &self.nodes);
                    *loaded = Some(major);
                }
                blocks.load(Side::Second, [root(minor)?], &self.nodes);
                blocks.detach((Side::First, 0), 0, conclusion).then_some(())?;
            }
            Step::Necessitate(premise) => {
                *loaded = None;
                blocks.load(Side::First, [root(premise)?], &self.nodes);
                blocks.necessitate(0, conclusion);
            }
        }
        Some(())
    }
}
