//! Everything that has a proof of at most n symbols, length by length, exactly.
//!
//! Candidates of a length are all detachments of two kept conclusions whose lengths add up (and necessitations of the length
//! before). Of equal conclusions the shortest proof is kept, at equal length the first in ASCII order; a proper instance of a
//! conclusion that is no longer is dropped, also when that one is dropped itself. Dropped ones may come again at a later length.
//!
//! A length is three steps, and a caller may do them one by one: [`Exhaustive::generate`] finds the candidates, [`Exhaustive::filter`]
//! which of them are instances, in ranges of any size, and [`Exhaustive::finish`] keeps the others. Between steps a length in progress
//! is but its candidates' keys and the answers so far, so that it can be written down and taken up again ([`Exhaustive::resume`]).

mod again;
mod filter;
mod keep;
pub mod memory;
pub mod shares;
mod visit;

use super::bits::Bits;
use super::conclusion::{mix, variable_hash};
use super::general::Tree;
use super::known::Known;
use super::length::{Bounds, Counts, Ground, Piece, Worker, pieces, work};
use super::nodes::{Full, Node, Nodes, TAGS, VARIABLE};
use super::rank::{MOST, Ranks, Step, axiom_key};
use super::{Stop, terms};
use ml_logic::Formula;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

/// Queries between two questions whether to stop.
const PATIENCE: usize = 1 << 10;

/// How often necessitation may follow itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Necessitation {
    /// It is no rule.
    #[default]
    Never,
    /// So many times in a row.
    AtMost(u32),
    /// Without end.
    Unlimited,
}

/// What to generate, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The rule besides detachment.
    pub necessitation: Necessitation,
    /// Bounds on conclusions.
    pub bounds: Bounds,
    /// From this length on instances are kept.
    pub unfiltered_from: Option<usize>,
    /// Threads; the result does not depend on them.
    pub threads: usize,
    /// Memory that may be used, in bytes.
    pub memory: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { necessitation: Necessitation::Never, bounds: Bounds::default(), unfiltered_from: None, threads: 1, memory: usize::MAX }
    }
}

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
    /// Of those, conclusions left out for their size.
    pub bounded: u64,
    /// Of those, conclusions that were there already.
    pub duplicates: u64,
    /// Of those, new conclusions that are proper instances of others.
    pub removed: u64,
}

/// A share of the candidates of a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Which one, from 0.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl Part {
    /// All of it.
    pub const WHOLE: Part = Part { number: 0, of: 1 };
}

/// A length in progress.
#[derive(Debug, Default)]
struct Fresh {
    counts: Counts,
    /// Key and root of each new conclusion, by key.
    new: Vec<(u64, u32)>,
    index: Vec<Tree>,
    dropped: Bits,
}

/// The conclusions so far, and how to go on.
#[derive(Debug)]
pub struct Exhaustive {
    axioms: Vec<Formula>,
    options: Options,
    pool: rayon::ThreadPool,
    nodes: Nodes,
    /// Nodes of the finished lengths; parts come before wholes.
    solid: usize,
    roots: Vec<u32>,
    /// Premises of each; see [`packed`].
    steps: Vec<u64>,
    ranks: Ranks,
    /// The kept conclusions of each length; those of length n at n - 1.
    lengths: Vec<Range<u32>>,
    /// Nodes of the last length.
    grown: usize,
    /// What lengths until now tell of the next one's memory.
    rates: memory::Rates,
    fresh: Option<Fresh>,
}

const NECESSITATED: u32 = u32::MAX;
const AXIOM: u32 = u32::MAX - 1;

/// A step in eight bytes: major and minor premise; a premise and a mark; an axiom's number and another mark.
pub fn packed(step: Step) -> u64 {
    let (high, low) = match step {
        Step::Axiom(number) => (u32::from(number), AXIOM),
        Step::Detach { major, minor } => (major, minor),
        Step::Necessitate(premise) => (premise, NECESSITATED),
    };
    u64::from(high) << 32 | u64::from(low)
}

/// The step that was [`packed`].
pub fn unpacked(step: u64) -> Step {
    match ((step >> 32) as u32, step as u32) {
        (number, AXIOM) => Step::Axiom(number as u8),
        (premise, NECESSITATED) => Step::Necessitate(premise),
        (major, minor) => Step::Detach { major, minor },
    }
}

impl Options {
    /// With the rules of a system.
    pub fn of(necessitation: bool) -> Options {
        Options { necessitation: if necessitation { Necessitation::Unlimited } else { Necessitation::Never }, ..Options::default() }
    }

    /// With that size of conclusions at most; a larger one ends the run.
    pub fn max_symbols(self, most: u32) -> Options {
        Options { bounds: Bounds { most, ..self.bounds }, ..self }
    }
}

impl Exhaustive {
    /// Nothing yet, from these axioms (at most 35).
    ///
    /// # Errors
    /// [`Stop::NoThreads`] when the system grants no threads.
    pub fn new(axioms: &[Formula], options: Options) -> Result<Exhaustive, Stop> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads.max(1)).build().map_err(|_| Stop::NoThreads)?;
        let nodes = Nodes::new();
        Ok(Exhaustive {
            axioms: axioms.iter().map(Formula::canonical).collect(),
            options,
            pool,
            solid: nodes.len(),
            nodes,
            roots: Vec::new(),
            steps: Vec::new(),
            ranks: Ranks::default(),
            lengths: Vec::new(),
            grown: 0,
            rates: memory::Rates::default(),
            fresh: None,
        })
    }

    /// The threads that it works with.
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// How many lengths there are.
    pub fn lengths(&self) -> usize {
        self.lengths.len()
    }

    /// Kept conclusions in all; they are numbered from 0.
    pub fn len(&self) -> usize {
        self.roots.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }

    /// The numbers of the conclusions of a length.
    pub fn of_length(&self, length: usize) -> Range<u32> {
        length.checked_sub(1).and_then(|at| self.lengths.get(at)).cloned().unwrap_or(0..0)
    }

    /// The conclusion of that number; `None` when it is larger than formulas may be.
    pub fn formula(&self, id: u32) -> Option<Formula> {
        terms::formula(self.roots[id as usize], &self.nodes)
    }

    /// How it was got.
    pub fn step(&self, id: u32) -> Step {
        unpacked(self.steps[id as usize])
    }

    /// Memory in use, in bytes.
    pub fn memory(&self) -> usize {
        let lists = self.steps.capacity() * size_of::<u64>() + self.roots.capacity() * size_of::<u32>();
        let fresh = self
            .fresh
            .as_ref()
            .map_or(0, |fresh| fresh.new.capacity() * size_of::<(u64, u32)>() + fresh.index.iter().map(Tree::memory).sum::<usize>());
        self.nodes.memory() + self.ranks.memory() + lists + fresh
    }

    /// Generates the next length, which begins at 1. `stop` is asked every few milliseconds.
    ///
    /// # Errors
    /// [`Stop`]; the lengths before are as they were, and the same length can be tried again.
    pub fn next_length(&mut self, stop: &(dyn Fn() -> bool + Sync)) -> Result<Length, Stop> {
        self.generate(Part::WHOLE, stop, &AtomicU64::new(0))?;
        let all = self.queries()?;
        self.filter(0..all, stop)?;
        self.finish()
    }

    /// How many candidates the next length has.
    pub fn candidates(&self) -> u64 {
        let length = self.lengths.len() + 1;
        let pairs = |first: usize| self.of_length(first).len() as u64 * self.of_length(length - 1 - first).len() as u64;
        (1..length.saturating_sub(1)).map(pairs).sum::<u64>() + self.necessitable().len() as u64
    }

    /// Forgets a length in progress.
    pub fn abandon(&mut self) {
        self.fresh = None;
        self.nodes.truncate(self.solid);
    }

    /// The conclusions of the length before that necessitation applies to.
    fn necessitable(&self) -> Vec<u32> {
        let ids = self.of_length(self.lengths.len());
        let row = |mut id: u32| {
            let mut row = 0;
            while let Step::Necessitate(premise) = self.step(id) {
                (id, row) = (premise, row + 1);
            }
            row
        };
        match self.options.necessitation {
            Necessitation::Never => Vec::new(),
            Necessitation::AtMost(most) => ids.filter(|&id| row(id) < most).collect(),
            Necessitation::Unlimited => ids.collect(),
        }
    }

    /// Finds the candidates of the next length, all or a part, and the first proof among them of each new conclusion. `progress` is how
    /// many were tried.
    ///
    /// # Errors
    /// [`Stop`]; nothing has changed then.
    pub fn generate(&mut self, part: Part, stop: &(dyn Fn() -> bool + Sync), progress: &AtomicU64) -> Result<(), Stop> {
        self.abandon();
        let generated = self.try_generate(part, stop, progress);
        if generated.is_err() {
            self.abandon();
        }
        generated
    }

    fn try_generate(&mut self, part: Part, stop: &(dyn Fn() -> bool + Sync), progress: &AtomicU64) -> Result<(), Stop> {
        // A part leaves the search for instances to others.
        self.room(if part == Part::WHOLE { self.forecast() } else { self.forecast_part(part) })?;
        self.rank();
        let length = self.lengths.len() + 1;
        let hashes = self.hashes();
        let hash = |root: u32| hashes[root as usize];
        let expected = self.rates.conclusions(self.candidates() / part.of as u64);
        self.nodes.reserve(self.rates.nodes(expected));
        let mut known = Known::new(&self.roots, hash, expected);
        let mut left = pieces(&self.lengths, length);
        left.extend(self.necessitable().chunks(1 << 12).map(|ids| Piece::Necessitations(ids.to_vec())));
        let left = left.into_iter().enumerate().filter(|(at, _)| at % part.of == part.number);
        let mut left: Vec<Piece> = left.map(|(_, piece)| piece).collect();
        let counts = Mutex::new(Counts::default());
        if length == 1 && part.number == 0 {
            self.axioms(&known)?;
            super::length::locked(&counts).candidates = self.axioms.len() as u64;
        }
        loop {
            let ground = Ground { nodes: &self.nodes, known: &known, roots: &self.roots, ranks: &self.ranks, bounds: self.options.bounds };
            left = work(left, ground, &self.pool, stop, &counts, progress)?;
            if left.is_empty() {
                break;
            }
            let more = (self.nodes.len() / 8).max(1 << 16);
            let most = known.len() / 8 + (1 << 14);
            self.room(self.nodes.memory_with(more) + Known::memory_for(known.len() + most, known.len() + most - self.len()))?;
            self.nodes.reserve(more);
            known.reserve(most, hash);
            if known.len() >= MOST {
                return Err(Stop::TooMany);
            }
        }
        drop(hashes);
        let mut new: Vec<(u64, u32)> = known.new_ones().map(|(root, key)| (key, root)).collect();
        drop(known);
        self.nodes.freeze();
        self.pool.install(|| new.par_sort_unstable());
        let counts = *super::length::locked(&counts);
        self.rates.learn(counts.candidates, new.len() as u64, (self.nodes.len() - self.solid) as u64);
        self.fresh = Some(Fresh { counts, new, ..Fresh::default() });
        Ok(())
    }

    fn axioms(&mut self, known: &Known) -> Result<(), Stop> {
        let axioms = std::mem::take(&mut self.axioms);
        let mut worker = Worker::default();
        for (axiom, number) in axioms.iter().zip(1..) {
            let root = terms::store(axiom, &mut self.nodes);
            let ground = Ground { nodes: &self.nodes, known, roots: &self.roots, ranks: &self.ranks, bounds: self.options.bounds };
            worker.axiom(root, axiom_key(number), &ground).map_err(|Full| Stop::TooMany)?;
        }
        self.axioms = axioms;
        Ok(())
    }

    /// Gives the lengths their ranks, one after the other, as premises need them first.
    fn rank(&mut self) {
        let steps = &self.steps;
        for end in self.lengths.iter().map(|length| length.end as usize) {
            if self.ranks.len() < end {
                self.ranks.extend(end, |id| unpacked(steps[id as usize]));
            }
        }
    }

    /// The hash of each node.
    fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = vec![0; self.solid];
        for id in 1..self.solid {
            let Node { left, right } = self.nodes.get(id as u32);
            hashes[id] = match left {
                VARIABLE => variable_hash(right),
                left if left < TAGS => mix(hashes[left as usize], hashes[right as usize]),
                tag => mix(u64::from(tag), hashes[right as usize]),
            };
        }
        hashes
    }

    /// Keys and counts of the length in progress, to be written down.
    pub fn in_progress(&self) -> Option<(impl ExactSizeIterator<Item = u64> + '_, Counts)> {
        self.fresh.as_ref().map(|fresh| (fresh.new.iter().map(|&(key, _)| key), fresh.counts))
    }

    /// Keeps the conclusions that no answer dropped.
    ///
    /// # Errors
    /// [`Stop::TooMany`].
    pub fn finish(&mut self) -> Result<Length, Stop> {
        let Fresh { counts, new, dropped, index } = self.fresh.take().unwrap_or_default();
        let filtered = !index.is_empty();
        drop(index);
        let all = new.len() as u64;
        let ranks = &self.ranks;
        let kept = new.into_iter().filter(|&(_, root)| !filtered || !dropped.has(root as usize));
        let kept: Vec<(u64, u32)> = kept.map(|(key, root)| (packed(ranks.step(key)), root)).collect();
        let removed = all - kept.len() as u64;
        if self.len() + kept.len() >= MOST {
            self.abandon();
            return Err(Stop::TooMany);
        }
        let kept = self.keep(&kept);
        let Counts { candidates, invalid, bounded } = counts;
        let duplicates = candidates - invalid - bounded - all;
        Ok(Length { length: self.lengths.len(), kept, candidates, invalid, bounded, duplicates, removed })
    }
}
