//! Everything that has a proof of at most n symbols, length by length, exactly.
//!
//! Candidates of a length are all detachments of two kept conclusions whose lengths add up (and necessitations of the length
//! before). Of equal conclusions the shortest proof is kept, at equal length the first in ASCII order; a proper instance of a
//! conclusion that is no longer is dropped, also when that one is dropped itself. Dropped ones may come again at a later length.

use super::Stop;
use super::detach::{Detacher, necessitate};
use super::instances::{Instances, Search};
use super::packed::{Terms, merged_by_bytes, pack, sorted_by_bytes, unpack};
use super::pairs::{Pairs, detach_all};
use super::rank::{MOST, Ranks, Step, axiom_key, detachment_key, necessitation_key};
use super::table::{Table, hash};
use ml_logic::Formula;
use std::ops::Range;

/// Queries of the index between two questions whether to stop.
const PATIENCE: usize = 1 << 10;

/// What one length gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Length {
    /// Symbols of each proof.
    pub length: usize,
    /// Numbers of the conclusions that are kept, in the ASCII order of their proofs.
    pub kept: Range<u32>,
    /// Pairs of premises that were tried (for length 1, axioms).
    pub candidates: u64,
    /// Of those, pairs without a conclusion.
    pub invalid: u64,
    /// Of those, conclusions that were there already.
    pub duplicates: u64,
    /// Of those, new conclusions that are proper instances of others.
    pub removed: u64,
}

/// The conclusions so far, and how to go on.
#[derive(Debug)]
pub struct Exhaustive {
    axioms: Vec<Vec<u8>>,
    necessitation: bool,
    detacher: Detacher,
    terms: Terms,
    table: Table,
    steps: Vec<Step>,
    ranks: Ranks,
    /// All numbers in the order of their terms' bytes.
    by_bytes: Vec<u32>,
    /// The kept conclusions of each length; those of length n at n - 1.
    lengths: Vec<Range<u32>>,
}

/// A length in progress: the new terms are those in `terms` from `base` on.
#[derive(Debug)]
struct Fresh {
    base: usize,
    /// The smallest key of each new term.
    keys: Vec<u64>,
    candidates: u64,
    invalid: u64,
    duplicates: u64,
}

/// What detachment works on while a length is generated.
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

    fn conclude(&mut self, major: u32, minor: u32, conclusion: &[u8]) -> Result<(), Stop> {
        self.take(conclusion, detachment_key(self.ranks.rank(major), self.ranks.rank(minor)))
    }

    fn fail(&mut self, pairs: u64) {
        self.fresh.candidates += pairs;
        self.fresh.invalid += pairs;
    }
}

impl Generation<'_> {
    /// Takes in a conclusion, or a proof of it that comes before the known one of the same length.
    fn take(&mut self, conclusion: &[u8], key: u64) -> Result<(), Stop> {
        self.fresh.candidates += 1;
        let hash = hash(conclusion);
        if let Some(id) = self.table.find(hash, conclusion, self.terms) {
            self.fresh.duplicates += 1;
            if let Some(known) = (id as usize).checked_sub(self.fresh.base) {
                self.fresh.keys[known] = self.fresh.keys[known].min(key);
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

impl Exhaustive {
    /// Nothing yet, from these axioms (at most 35), with or without necessitation; no conclusion may have more than `max_symbols`.
    pub fn new(axioms: &[Formula], necessitation: bool, max_symbols: usize) -> Exhaustive {
        Exhaustive {
            axioms: axioms.iter().map(pack).collect(),
            necessitation,
            detacher: Detacher::new(max_symbols),
            terms: Terms::default(),
            table: Table::default(),
            steps: Vec::new(),
            ranks: Ranks::default(),
            by_bytes: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// How many lengths there are.
    pub fn lengths(&self) -> usize {
        self.lengths.len()
    }

    /// Kept conclusions in all; they are numbered from 0.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The conclusion of that number.
    pub fn formula(&self, id: u32) -> Option<Formula> {
        unpack(self.terms.get(id))
    }

    /// How it was got.
    pub fn step(&self, id: u32) -> Step {
        self.steps[id as usize]
    }

    /// Memory in use, in bytes; a length in progress needs more.
    pub fn memory(&self) -> usize {
        let lists = self.steps.capacity() * size_of::<Step>() + self.by_bytes.capacity() * size_of::<u32>();
        self.terms.memory() + self.table.memory() + self.ranks.memory() + lists
    }

    /// Generates the next length, which begins at 1. `stop` is asked every few milliseconds.
    ///
    /// # Errors
    /// [`Stop`]; the lengths before are as they were, and the same length can be tried again.
    pub fn next_length(&mut self, stop: &mut dyn FnMut() -> bool) -> Result<Length, Stop> {
        let mut fresh = Fresh { base: self.terms.len(), keys: Vec::new(), candidates: 0, invalid: 0, duplicates: 0 };
        let base = fresh.base;
        let done = self.generate(&mut fresh, stop).and_then(|()| self.keep(fresh, stop));
        if done.is_err() {
            // Nothing of the length in progress is to be seen.
            self.terms.truncate(base);
            self.table.reset(base, &self.terms);
        }
        done
    }

    fn generate(&mut self, fresh: &mut Fresh, stop: &mut dyn FnMut() -> bool) -> Result<(), Stop> {
        let Exhaustive { axioms, detacher, terms, table, ranks, lengths, .. } = self;
        let mut generation = Generation { terms, table, ranks, fresh };
        let length = lengths.len() + 1;
        if length == 1 {
            for (axiom, number) in axioms.iter().zip(1..) {
                generation.take(axiom, axiom_key(number))?;
            }
            return Ok(());
        }
        let of_length = |length: usize| lengths[length - 1].clone().collect::<Vec<u32>>();
        for major_length in 1..length.saturating_sub(1) {
            detach_all(detacher, &mut generation, &of_length(major_length), &of_length(length - 1 - major_length), stop)?;
        }
        if self.necessitation {
            let mut conclusion = Vec::new();
            for id in of_length(length - 1) {
                necessitate(generation.terms.get(id), &mut conclusion);
                generation.take(&conclusion, necessitation_key(generation.ranks.rank(id)))?;
            }
        }
        Ok(())
    }

    /// Drops the instances and gives the others their numbers.
    fn keep(&mut self, fresh: Fresh, stop: &mut dyn FnMut() -> bool) -> Result<Length, Stop> {
        let base = fresh.base;
        if fresh.keys.is_empty() {
            return Ok(self.finish(&fresh, 0));
        }
        let by_bytes = sorted_by_bytes(&self.terms, base as u32..self.terms.len() as u32);
        let dropped = self.dropped(base, &by_bytes, stop)?;
        let mut survivors: Vec<u32> = (base as u32..self.terms.len() as u32).filter(|&id| !dropped[id as usize - base]).collect();
        survivors.sort_unstable_by_key(|&id| fresh.keys[id as usize - base]);
        let keys: Vec<u64> = survivors.iter().map(|&id| fresh.keys[id as usize - base]).collect();

        let mut kept = Terms::default();
        let mut renumbered = vec![0; dropped.len()];
        for (&id, number) in survivors.iter().zip(base as u32..) {
            kept.push(self.terms.get(id));
            renumbered[id as usize - base] = number;
        }
        let new: Vec<u32> = by_bytes.iter().map(|&id| id as usize - base).filter(|&at| !dropped[at]).map(|at| renumbered[at]).collect();
        self.terms.truncate(base);
        for number in 0..kept.len() as u32 {
            self.terms.push(kept.get(number));
        }
        self.by_bytes = merged_by_bytes(&self.terms, &self.by_bytes, &new);
        self.table.reset(self.terms.len(), &self.terms);
        self.steps.extend(keys.iter().map(|&key| self.ranks.step(key)));
        self.ranks.extend(&keys, &self.steps);
        Ok(self.finish(&fresh, (dropped.len() - keys.len()) as u64))
    }

    fn finish(&mut self, fresh: &Fresh, removed: u64) -> Length {
        let kept = fresh.base as u32..self.terms.len() as u32;
        self.lengths.push(kept.clone());
        let Fresh { candidates, invalid, duplicates, .. } = *fresh;
        Length { length: self.lengths.len(), kept, candidates, invalid, duplicates, removed }
    }

    /// Which of the new terms are proper instances of any term, old or new.
    fn dropped(&self, base: usize, new: &[u32], stop: &mut dyn FnMut() -> bool) -> Result<Vec<bool>, Stop> {
        let all = merged_by_bytes(&self.terms, &self.by_bytes, new);
        let terms: Vec<&[u8]> = all.iter().map(|&id| self.terms.get(id)).collect();
        let index = Instances::build(&terms)?;
        let mut search = Search::default();
        let mut dropped = vec![false; new.len()];
        for ids in new.chunks(PATIENCE) {
            if stop() {
                return Err(Stop::Cancelled);
            }
            for &id in ids {
                dropped[id as usize - base] = index.has_more_general(self.terms.get(id), &mut search);
            }
        }
        Ok(dropped)
    }
}
