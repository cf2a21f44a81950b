//! New statements from a stock of given ones, step by step, within budgets: the nightly mode.
//!
//! Semi-naive: a fact is *open* until it was tried with every closed one, as major and as minor premise, and then closed itself. A step
//! takes open facts, at most [`PAIRS`] pairs of them, gathers what follows (no duplicates, no instances of anything known) and adds the
//! best of it. What did not fit waits for the next steps and is added by them before anything else is tried; only when nothing of it is
//! left are the facts that it came from closed. So no pair is tried twice, and nothing is lost when a run ends in between: its successor
//! is given them as open again.

use super::Stop;
use super::detach::{Detacher, necessitate};
use super::instances::{Instances, Search};
use super::packed::{Terms, sorted_by_bytes, unpack};
use super::pairs::detach_all;
use super::rank::Step;
use super::score::{Judge, Score};
use super::table::{Table, hash};
use super::trial::{Proof, Trial};
use ml_logic::Formula;
use std::collections::VecDeque;
use std::ops::Range;

/// Pairs that one step tries at most, unless one fact alone has more: well below a second, and the memory for what follows from them.
pub const PAIRS: u64 = 1 << 20;

/// What is never added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// No statement with a higher proof; axioms have height 0.
    pub height: u32,
    /// No statement with a longer proof, in symbols.
    pub proof_length: u64,
    /// No statement with more symbols.
    pub max_symbols: usize,
}

/// A statement that is known, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fact {
    /// How it was derived here; `None` for a given one.
    pub step: Option<Step>,
    /// Height of its proof.
    pub height: u32,
    /// Symbols of its proof.
    pub proof_length: u64,
    /// Whether it was tried with all closed ones and everything that followed was added.
    pub closed: bool,
    /// Whether it may be a premise and have instances; what is inert is only known, so that it is not derived once more.
    pub inert: bool,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Level {
    /// Pairs (and necessitations) that were tried.
    pub candidates: u64,
    /// Of those, pairs without a conclusion.
    pub invalid: u64,
    /// Of those, conclusions that are too large, or have too long a proof, whether they were known or not.
    pub left_out: u64,
    /// Of those, conclusions that were known or came more than once.
    pub duplicates: u64,
    /// Of those, instances of others.
    pub instances: u64,
    /// What is left of them: new statements.
    pub new: u64,
    /// The facts that were added, by their numbers.
    pub added: Range<u32>,
    /// New statements that wait for a further step.
    pub cut: u64,
    /// The highest proof among those added.
    pub height: u32,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    score: Score,
    term: u32,
    proof: Proof,
}

/// The facts, and what waits.
#[derive(Debug)]
pub struct Saturation {
    necessitation: bool,
    bounds: Bounds,
    judge: Judge,
    detacher: Detacher,
    terms: Terms,
    table: Table,
    facts: Vec<Fact>,
    /// How many facts were given.
    given: usize,
    /// The given facts that can be built on, in their order.
    order: Vec<u32>,
    /// Of those, the ones that are open and may be premises.
    open: VecDeque<u32>,
    /// New facts that are open, sorted when they are needed.
    open_new: Vec<u32>,
    /// The closed facts that may be premises.
    partners: Vec<u32>,
    /// Index of the first `indexed` facts.
    index: Instances,
    indexed: usize,
    /// Open facts whose conclusions are waiting.
    batch: Vec<u32>,
    /// New statements, the best first; their terms are in `waiting_terms`.
    waiting: VecDeque<Candidate>,
    waiting_terms: Terms,
}

impl Saturation {
    /// No facts yet.
    pub fn new(necessitation: bool, bounds: Bounds) -> Saturation {
        Saturation {
            necessitation,
            bounds,
            judge: Judge::default(),
            detacher: Detacher::new(bounds.max_symbols),
            terms: Terms::default(),
            table: Table::default(),
            facts: Vec::new(),
            given: 0,
            order: Vec::new(),
            open: VecDeque::new(),
            open_new: Vec::new(),
            partners: Vec::new(),
            index: Instances::default(),
            indexed: 0,
            batch: Vec::new(),
            waiting: VecDeque::new(),
            waiting_terms: Terms::default(),
        }
    }

    /// Adds a given fact, before the first step; its number, or `None` when it is there already and can be built on. `closed` says that every
    /// pair of it and other closed ones was tried within these bounds.
    pub fn give(&mut self, packed: &[u8], height: u32, proof_length: u64, closed: bool) -> Option<u32> {
        let fact = Fact { step: None, height, proof_length, closed, inert: false };
        let id = match self.table.find(hash(packed), packed, &self.terms) {
            Some(id) if self.facts[id as usize].inert => {
                self.facts[id as usize] = fact;
                id
            }
            Some(_) => return None,
            None => self.add(packed, fact)?,
        };
        self.given = self.facts.len();
        self.order.push(id);
        self.queue(id);
        Some(id)
    }

    /// Adds a statement that is known to be known, and no more: nothing is built on it.
    pub fn give_inert(&mut self, packed: &[u8]) -> Option<u32> {
        let id = self.add(packed, Fact { step: None, height: 0, proof_length: 0, closed: true, inert: true })?;
        self.given = self.facts.len();
        Some(id)
    }

    /// Puts the given facts that can be built on into this order and says anew which of them are closed, before the first step.
    pub fn arrange(&mut self, order: Vec<u32>, closed: impl Fn(usize, &Fact) -> bool) {
        self.order = order;
        self.open.clear();
        self.partners.clear();
        for place in 0..self.order.len() {
            let id = self.order[place];
            let fact = &mut self.facts[id as usize];
            fact.closed = closed(place, fact);
            self.queue(id);
        }
    }

    /// The numbers of the given facts that can be built on, in their order.
    pub fn given(&self) -> &[u32] {
        &self.order
    }

    /// Enters a given fact where it belongs: what is too high for a premise has nothing to be tried.
    fn queue(&mut self, id: u32) {
        let bound = self.bounds.height;
        let fact = &mut self.facts[id as usize];
        match (fact.height < bound, fact.closed) {
            (false, _) => fact.closed = true,
            (true, true) => self.partners.push(id),
            (true, false) => self.open.push_back(id),
        }
    }

    fn add(&mut self, packed: &[u8], fact: Fact) -> Option<u32> {
        let hash = hash(packed);
        let id = u32::try_from(self.terms.len()).ok().filter(|&id| id < u32::MAX)?;
        if self.table.find(hash, packed, &self.terms).is_some() {
            return None;
        }
        self.terms.push(packed);
        self.table.insert(hash, id, &self.terms);
        self.facts.push(fact);
        Some(id)
    }

    /// All facts.
    pub fn facts(&self) -> &[Fact] {
        &self.facts
    }

    /// The packed term of a fact.
    pub fn term(&self, id: u32) -> &[u8] {
        self.terms.get(id)
    }

    /// The formula of a fact.
    pub fn formula(&self, id: u32) -> Option<Formula> {
        unpack(self.terms.get(id))
    }

    /// What logicians call a fact.
    pub fn name(&self, id: u32) -> Option<&'static str> {
        self.judge.name(self.terms.get(id))
    }

    /// All facts that can be built on, in the order that a later run is to be given them: the given ones as they were, then the new ones by
    /// height and term. Open facts are taken up in this order.
    pub fn order(&self) -> Vec<u32> {
        let mut new: Vec<u32> = self.new_facts().collect();
        new.sort_by(|&a, &b| self.height_then_bytes(a).cmp(&self.height_then_bytes(b)));
        self.order.iter().copied().chain(new).collect()
    }

    /// The numbers of the facts that were derived here.
    pub fn new_facts(&self) -> Range<u32> {
        self.given as u32..self.facts.len() as u32
    }

    fn height_then_bytes(&self, id: u32) -> (u32, &[u8]) {
        (self.facts[id as usize].height, self.terms.get(id))
    }

    /// Whether facts were left out as premises because what follows from them would be too high.
    pub fn bounded_by_height(&self) -> bool {
        self.facts.iter().any(|fact| fact.height >= self.bounds.height)
    }

    /// Adds the `breadth` best new statements. `None` when there is nothing left to try.
    ///
    /// # Errors
    /// [`Stop`]; everything is as it was before the call.
    pub fn step(&mut self, breadth: usize, stop: &mut dyn FnMut() -> bool) -> Result<Option<Level>, Stop> {
        let mut level = Level::default();
        if self.waiting.is_empty() {
            self.close();
            let Some(batch) = self.next_batch() else { return Ok(None) };
            match self.try_all(&batch, stop) {
                Ok(tried) => level = tried,
                Err(stop) => {
                    // They stay open, and come first once more.
                    batch.iter().rev().for_each(|&id| self.open.push_front(id));
                    return Err(stop);
                }
            }
            self.batch = batch;
        }
        let first = self.facts.len() as u32;
        let best = self.waiting.drain(..breadth.min(self.waiting.len())).collect::<Vec<_>>();
        for candidate in best {
            let Proof { height, length, step } = candidate.proof;
            let term = self.waiting_terms.get(candidate.term).to_vec();
            // What is too high for a premise has nothing to be tried.
            let closed = height >= self.bounds.height;
            if let Some(id) = self.add(&term, Fact { step: Some(step), height, proof_length: length, closed, inert: false })
                && !closed
            {
                self.open_new.push(id);
            }
            level.height = level.height.max(height);
        }
        if self.waiting.is_empty() {
            self.close();
        }
        level.added = first..self.facts.len() as u32;
        level.cut = self.waiting.len() as u64;
        Ok(Some(level))
    }

    fn close(&mut self) {
        for id in self.batch.drain(..) {
            self.facts[id as usize].closed = true;
            self.partners.push(id);
        }
    }

    /// The open facts that come next: as many as there are pairs to be tried in one step, but one at least.
    fn next_batch(&mut self) -> Option<Vec<u32>> {
        let mut open_new = std::mem::take(&mut self.open_new);
        open_new.sort_by(|&a, &b| self.height_then_bytes(a).cmp(&self.height_then_bytes(b)));
        let mut partners = self.partners.len() as u64;
        let mut pairs = 0;
        let mut fits = |first: bool| {
            pairs += 2 * partners + 1;
            partners += 1;
            first || pairs <= PAIRS
        };
        let mut batch = Vec::new();
        while let Some(&id) = self.open.front().filter(|_| fits(batch.is_empty())) {
            batch.push(id);
            self.open.pop_front();
        }
        let mut taken = 0;
        while self.open.is_empty() && open_new.get(taken).is_some_and(|_| fits(batch.is_empty())) {
            batch.push(open_new[taken]);
            taken += 1;
        }
        self.open_new = open_new.split_off(taken);
        (!batch.is_empty()).then_some(batch)
    }

    /// Tries a batch with itself and all closed facts; what is new waits then, the best first.
    fn try_all(&mut self, batch: &[u32], stop: &mut dyn FnMut() -> bool) -> Result<Level, Stop> {
        self.reindex()?;
        let recent = self.index_of(self.indexed as u32..self.facts.len() as u32)?;
        let mut trial = Trial::new(&self.terms, &self.table, &self.facts, self.bounds);
        for (majors, minors) in [(batch, batch), (batch, &self.partners[..]), (&self.partners[..], batch)] {
            detach_all(&mut self.detacher, &mut trial, majors, minors, stop)?;
        }
        if self.necessitation {
            let mut conclusion = Vec::new();
            for &id in batch {
                necessitate(self.terms.get(id), &mut conclusion);
                trial.take(&conclusion, Step::Necessitate(id), &[id])?;
            }
        }
        let Trial { new_terms, proofs, mut level, .. } = trial;
        let sorted = sorted_by_bytes(&new_terms, 0..new_terms.len() as u32);
        let own = Instances::build(&sorted.iter().map(|&id| new_terms.get(id)).collect::<Vec<_>>())?;
        let mut search = Search::default();
        let mut waiting = Vec::new();
        for (&(proof, found), term) in proofs.iter().zip(0..) {
            if term % 1024 == 0 && stop() {
                return Err(Stop::Cancelled);
            }
            let bytes = new_terms.get(term);
            if [&self.index, &recent, &own].into_iter().any(|index| index.has_more_general(bytes, &mut search)) {
                level.instances += 1;
            } else {
                waiting.push(Candidate { score: self.judge.score(bytes, found), term, proof });
            }
        }
        waiting.sort_unstable_by(|a, b| a.score.cmp(&b.score).then_with(|| new_terms.get(a.term).cmp(new_terms.get(b.term))));
        level.new = waiting.len() as u64;
        (self.waiting, self.waiting_terms) = (waiting.into(), new_terms);
        Ok(level)
    }

    /// Indexes all facts anew when those since the last time have become many.
    fn reindex(&mut self) -> Result<(), Stop> {
        if self.facts.len() - self.indexed > self.indexed / 4 {
            self.index = self.index_of(0..self.facts.len() as u32)?;
            self.indexed = self.facts.len();
        }
        Ok(())
    }

    fn index_of(&self, ids: Range<u32>) -> Result<Instances, Stop> {
        let sorted = sorted_by_bytes(&self.terms, ids.filter(|&id| !self.facts[id as usize].inert));
        Instances::build(&sorted.iter().map(|&id| self.terms.get(id)).collect::<Vec<_>>())
    }
}
