//! The plain engine that ours is measured against: the same computation, done straightforwardly.
//!
//! Terms are flat strings of bytes, all of them in memory, consequent before antecedent; duplicates are found in an open table that
//! compares bytes; instances by a perfect discrimination tree over all terms that is built anew for each length; one thread. This was
//! this project's engine before the present one, and it does what the experiment did by which the goals were set (see [`crate::goals`]).
//! Detachment, table and tree are those that the nightly mode still uses: what makes them faster makes the yardstick stricter.

use crate::Result;
use crate::child::{Counts, Engine};
use ml_derive::engine::Stop;
use ml_derive::engine::detach::Detacher;
use ml_derive::engine::instances::{Instances, Search};
use ml_derive::engine::packed::{Terms, merged_by_bytes, pack, sorted_by_bytes};
use ml_derive::engine::pairs::{Pairs, detach_all};
use ml_derive::engine::rank::{MOST, Ranks, Step, axiom_key, detachment_key};
use ml_derive::engine::table::{Table, hash};
use ml_logic::Formula;
use std::ops::Range;

/// The conclusions so far. There is no necessitation: what is measured has none.
pub struct Baseline {
    axioms: Vec<Vec<u8>>,
    detacher: Detacher,
    terms: Terms,
    table: Table,
    steps: Vec<Step>,
    ranks: Ranks,
    /// All numbers in the order of their terms' bytes.
    by_bytes: Vec<u32>,
    lengths: Vec<Range<u32>>,
}

/// A length in progress: the new terms are those in `terms` from `base` on.
struct Fresh {
    base: usize,
    /// The smallest key of each new term.
    keys: Vec<u64>,
    counts: Counts,
}

struct Generation<'e> {
    terms: &'e mut Terms,
    table: &'e mut Table,
    ranks: &'e Ranks,
    fresh: &'e mut Fresh,
}

impl Pairs for Generation<'_> {
    fn premise(&self, id: u32) -> &[u8] {
        self.terms.get(id)
    }

    fn conclude(&mut self, major: u32, minor: u32, conclusion: &[u8]) -> std::result::Result<(), Stop> {
        self.take(conclusion, detachment_key(self.ranks.rank(major), self.ranks.rank(minor)))
    }

    fn fail(&mut self, pairs: u64) {
        self.fresh.counts.candidates += pairs;
        self.fresh.counts.invalid += pairs;
    }

    /// Never: no bound is set on conclusions. Were it otherwise, the candidates would not come to the same number.
    fn too_large(&mut self) {}
}

impl Generation<'_> {
    /// Takes in a conclusion, or a proof of it that comes before the known one of the same length.
    fn take(&mut self, conclusion: &[u8], key: u64) -> std::result::Result<(), Stop> {
        self.fresh.counts.candidates += 1;
        let hash = hash(conclusion);
        if let Some(id) = self.table.find(hash, conclusion, self.terms) {
            self.fresh.counts.duplicates += 1;
            if let Some(new) = (id as usize).checked_sub(self.fresh.base) {
                self.fresh.keys[new] = self.fresh.keys[new].min(key);
            }
            return Ok(());
        }
        let id = u32::try_from(self.terms.len()).ok().filter(|&id| (id as usize) < MOST).ok_or(Stop::TooMany)?;
        self.terms.push(conclusion);
        self.table.insert(hash, id, self.terms);
        self.fresh.keys.push(key);
        Ok(())
    }
}

impl Baseline {
    /// Nothing yet, from these axioms.
    pub fn new(axioms: &[Formula]) -> Baseline {
        Baseline {
            axioms: axioms.iter().map(pack).collect(),
            detacher: Detacher::new(usize::MAX),
            terms: Terms::default(),
            table: Table::default(),
            steps: Vec::new(),
            ranks: Ranks::default(),
            by_bytes: Vec::new(),
            lengths: Vec::new(),
        }
    }

    fn generate(&mut self, fresh: &mut Fresh) -> std::result::Result<(), Stop> {
        let Baseline { axioms, detacher, terms, table, ranks, lengths, .. } = self;
        let mut generation = Generation { terms, table, ranks, fresh };
        let length = lengths.len() + 1;
        if length == 1 {
            return axioms.iter().zip(1..).try_for_each(|(axiom, number)| generation.take(axiom, axiom_key(number)));
        }
        let of_length = |length: usize| lengths[length - 1].clone().collect::<Vec<u32>>();
        for major_length in 1..length - 1 {
            let (majors, minors) = (of_length(major_length), of_length(length - 1 - major_length));
            detach_all(detacher, &mut generation, &majors, &minors, &mut || false)?;
        }
        Ok(())
    }

    /// Drops the instances and gives the others their numbers.
    fn keep(&mut self, fresh: &mut Fresh) -> std::result::Result<(), Stop> {
        let base = fresh.base;
        let new = base as u32..self.terms.len() as u32;
        let by_bytes = sorted_by_bytes(&self.terms, new.clone());
        let dropped = self.dropped(base, &by_bytes)?;
        let is_kept = |&id: &u32| !dropped[id as usize - base];
        let mut survivors: Vec<u32> = new.filter(is_kept).collect();
        survivors.sort_unstable_by_key(|&id| fresh.keys[id as usize - base]);

        let mut kept = Terms::default();
        let mut renumbered = vec![0; dropped.len()];
        for (&id, number) in survivors.iter().zip(base as u32..) {
            kept.push(self.terms.get(id));
            renumbered[id as usize - base] = number;
        }
        let by_bytes: Vec<u32> = by_bytes.into_iter().filter(is_kept).map(|id| renumbered[id as usize - base]).collect();
        self.terms.truncate(base);
        (0..kept.len() as u32).for_each(|number| self.terms.push(kept.get(number)));
        self.by_bytes = merged_by_bytes(&self.terms, &self.by_bytes, &by_bytes);
        self.table.reset(self.terms.len(), &self.terms);
        self.steps.extend(survivors.iter().map(|&id| self.ranks.step(fresh.keys[id as usize - base])));
        self.ranks.extend(self.steps.len(), |id| self.steps[id as usize]);
        fresh.counts.removed = (dropped.len() - survivors.len()) as u64;
        Ok(())
    }

    /// Which of the new terms are proper instances of any term, old or new.
    fn dropped(&self, base: usize, new: &[u32]) -> std::result::Result<Vec<bool>, Stop> {
        let all = merged_by_bytes(&self.terms, &self.by_bytes, new);
        let terms: Vec<&[u8]> = all.iter().map(|&id| self.terms.get(id)).collect();
        let index = Instances::build(&terms)?;
        let mut search = Search::default();
        let mut dropped = vec![false; new.len()];
        for &id in new {
            dropped[id as usize - base] = index.has_more_general(self.terms.get(id), &mut search);
        }
        Ok(dropped)
    }
}

impl Engine for Baseline {
    fn next(&mut self) -> Result<Counts> {
        let base = self.terms.len();
        let mut fresh = Fresh { base, keys: Vec::new(), counts: Counts { length: self.lengths.len() + 1, ..Counts::default() } };
        self.generate(&mut fresh).map_err(|stop| stop.to_string())?;
        if !fresh.keys.is_empty() {
            self.keep(&mut fresh).map_err(|stop| stop.to_string())?;
        }
        self.lengths.push(base as u32..self.terms.len() as u32);
        Ok(Counts { kept: (self.terms.len() - base) as u64, ..fresh.counts })
    }

    fn terms(&self) -> usize {
        self.terms.len()
    }

    fn memory(&self) -> Option<usize> {
        let lists = self.steps.capacity() * size_of::<Step>() + self.by_bytes.capacity() * size_of::<u32>();
        Some(self.terms.memory() + self.table.memory() + self.ranks.memory() + lists)
    }
}
