//! The definition itself as a program: formulas one symbol after the other, every new conclusion compared with every other one. It is
//! what an engine without an index costs, and shares nothing with ours but `ml_logic`.

use crate::Result;
use crate::child::{Counts, Engine};
use ml_logic::{Formula, Limits, detach, is_instance};
use std::collections::HashSet;

/// The kept conclusions of each length.
pub struct Slow {
    axioms: Vec<Formula>,
    lengths: Vec<Vec<Formula>>,
    known: HashSet<Formula>,
}

impl Slow {
    /// Nothing yet, from these axioms.
    pub fn new(axioms: &[Formula]) -> Slow {
        Slow { axioms: axioms.iter().map(Formula::canonical).collect(), lengths: Vec::new(), known: HashSet::new() }
    }

    fn conclusions(&self, length: usize, counts: &mut Counts) -> Result<Vec<Formula>> {
        if length == 1 {
            counts.candidates = self.axioms.len() as u64;
            return Ok(self.axioms.clone());
        }
        let limits = Limits { max_symbols: usize::MAX, ..Limits::default() };
        let mut conclusions = Vec::new();
        for of_major in 1..length - 1 {
            for major in &self.lengths[of_major - 1] {
                for minor in &self.lengths[length - 2 - of_major] {
                    counts.candidates += 1;
                    match detach(major, minor, &limits).map_err(|error| error.to_string())? {
                        Some(conclusion) => conclusions.push(conclusion),
                        None => counts.invalid += 1,
                    }
                }
            }
        }
        Ok(conclusions)
    }
}

impl Engine for Slow {
    fn next(&mut self) -> Result<Counts> {
        let length = self.lengths.len() + 1;
        let mut counts = Counts { length, ..Counts::default() };
        let mut new: Vec<Formula> = Vec::new();
        for conclusion in self.conclusions(length, &mut counts)? {
            match self.known.insert(conclusion.clone()) {
                true => new.push(conclusion),
                false => counts.duplicates += 1,
            }
        }
        let is_dropped = |formula: &Formula| self.known.iter().any(|general| general != formula && is_instance(general, formula));
        let (dropped, kept): (Vec<Formula>, Vec<Formula>) = new.into_iter().partition(is_dropped);
        // They may come again at a later length.
        dropped.iter().for_each(|formula| _ = self.known.remove(formula));
        (counts.removed, counts.kept) = (dropped.len() as u64, kept.len() as u64);
        self.lengths.push(kept);
        Ok(counts)
    }

    fn terms(&self) -> usize {
        self.known.len()
    }

    fn memory(&self) -> Option<usize> {
        None
    }
}
