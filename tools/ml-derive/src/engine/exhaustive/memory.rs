//! How much memory a length will need, before it is begun.

use super::{Exhaustive, Known, Length, Part};
use crate::engine::Stop;

/// Fewer candidates tell nothing of the next length.
const TELLING: u64 = 1000;

/// Bytes of a conclusion while it is sorted and indexed.
const INDEXED: usize = 60;

/// What lengths until now tell of the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    /// New conclusions to a thousand candidates.
    new: u64,
    /// New nodes to a hundred new conclusions.
    nodes: u64,
}

impl Default for Rates {
    fn default() -> Self {
        Rates { new: 300, nodes: 400 }
    }
}

impl Rates {
    /// New conclusions of so many candidates, rather too many.
    pub(super) fn conclusions(self, candidates: u64) -> usize {
        (candidates * self.new / 1000) as usize + 1024
    }

    /// New nodes of so many new conclusions, rather too many.
    pub(super) fn nodes(self, new: usize) -> usize {
        new * self.nodes as usize / 100
    }

    /// Takes in what a length had; six in a hundred are added, as the next one may have more.
    pub(super) fn learn(&mut self, candidates: u64, new: u64, nodes: u64) {
        if candidates > TELLING {
            *self = Rates { new: new * 1060 / candidates + 1, nodes: nodes * 106 / (new + 1) + 1 };
        }
    }
}

impl Exhaustive {
    /// Takes in what a length had that was restored, of which only the kept conclusions are here.
    pub fn learn(&mut self, length: &Length) {
        let new = length.kept.len() as u64 + length.removed;
        // Removed conclusions had nodes too, about as many each.
        let nodes = self.grown as u64 * new / (length.kept.len() as u64).max(1);
        self.rates.learn(length.candidates, new, nodes);
    }

    /// The memory that the next length is likely to need in all, in bytes.
    pub fn forecast(&self) -> usize {
        let new = self.rates.conclusions(self.candidates());
        self.forecast_part(Part::WHOLE).max(self.filtering(new) + new * size_of::<(u64, u32)>())
    }

    /// The memory that generating a part of the next length's candidates is likely to need in all, in bytes.
    pub fn forecast_part(&self, part: Part) -> usize {
        let new = self.rates.conclusions(self.candidates() / part.of as u64);
        let (nodes, known) = (self.nodes.memory_with(self.rates.nodes(new)), Known::memory_for(self.len() + new, new));
        self.finished() + nodes + known + self.solid * size_of::<u64>()
    }

    /// The memory that so many new conclusions are likely to need in all, in bytes, to be drawn again and looked among for instances.
    pub fn forecast_again(&self, new: usize) -> usize {
        let drawing = self.finished() + self.nodes.memory_with(self.rates.nodes(new));
        drawing.max(self.filtering(new)) + new * size_of::<(u64, u32)>()
    }

    /// To look for instances among all conclusions and so many new ones.
    fn filtering(&self, new: usize) -> usize {
        let nodes = (self.solid + self.rates.nodes(new)) * size_of::<u64>();
        self.finished() + nodes + (self.len() + new) * INDEXED
    }

    /// The lists of finished lengths: their steps, roots and ranks.
    fn finished(&self) -> usize {
        self.len() * (size_of::<u64>() + size_of::<u32>()) + self.ranks.memory() + self.len() * 8
    }

    /// Whether so many bytes may be used.
    pub(super) fn room(&self, bytes: usize) -> Result<(), Stop> {
        match bytes <= self.options.memory {
            true => Ok(()),
            false => Err(Stop::Memory { needed: bytes, limit: self.options.memory }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Exhaustive, Options};
    use ml_logic::System;

    #[test]
    fn a_restored_run_expects_what_a_generated_one_does() {
        let frege = System::named("frege").unwrap();
        let mut plain = Exhaustive::new(&frege.axioms, Options::default()).unwrap();
        let mut restored = Exhaustive::new(&frege.axioms, Options::default()).unwrap();
        for _ in 0..17 {
            let length = plain.next_length(&|| false).unwrap();
            let steps: Vec<_> = length.kept.clone().map(|id| plain.step(id)).collect();
            restored.restore(&steps).unwrap();
            restored.learn(&length);
        }
        let (plain, restored) = (plain.forecast() as f64, restored.forecast() as f64);
        assert!((restored / plain - 1.0).abs() < 0.2, "{plain} and {restored}");
    }
}
