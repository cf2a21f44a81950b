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
use super::pairs::{Pairs, detach_all};
use super::rank::Step;
use super::score::{Judge, Score};
use super::table::{Table, hash};
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
    /// No pair may have a conclusion with more symbols; see [`Stop::TooLarge`].
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
    /// Of those, pairs without a conclusion, or with too long a proof.
    pub invalid: u64,
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
    step: Step,
    height: u32,
    proof_length: u64,
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
    /// Index of the first `indexed` facts.
    index: Instances,
    indexed: usize,
    /// Open facts whose conclusions are waiting.
    batch: Vec<u32>,
    /// New statements, the best first; their terms are in `waiting_terms`.
    waiting: VecDeque<Candidate>,
    waiting_terms: Terms,
}

/// What detachment works on while a batch is tried.
struct Trial<'s> {
    terms: &'s Terms,
    table: &'s Table,
    facts: &'s [Fact],
    bounds: Bounds,
    new_terms: Terms,
    new_table: Table,
    /// Of each new term the best proof: height, length, step.
    proofs: Vec<(u32, u64, Step)>,
    level: Level,
}

impl Pairs for Trial<'_> {
    fn premise(&self, id: u32) -> &[u8] {
        self.terms.get(id)
    }

    fn conclude(&mut self, major: u32, minor: u32, conclusion: &[u8]) -> Result<(), Stop> {
        self.take(conclusion, Step::Detach { major, minor }, &[major, minor])
    }

    fn fail(&mut self, pairs: u64) {
        self.level.candidates += pairs;
        self.level.invalid += pairs;
    }
}

impl Trial<'_> {
    fn take(&mut self, conclusion: &[u8], step: Step, premises: &[u32]) -> Result<(), Stop> {
        self.level.candidates += 1;
        let facts = premises.iter().map(|&id| &self.facts[id as usize]);
        let (height, length) =
            facts.fold((0, 1u64), |(height, length), fact| (fact.height.max(height), length.saturating_add(fact.proof_length)));
        let proof = (height + 1, length, step);
        if length > self.bounds.proof_length {
            self.level.invalid += 1;
            return Ok(());
        }
        let hash = hash(conclusion);
        if self.table.find(hash, conclusion, self.terms).is_some() {
            self.level.duplicates += 1;
            return Ok(());
        }
        if let Some(id) = self.new_table.find(hash, conclusion, &self.new_terms) {
            self.level.duplicates += 1;
            let known = &mut self.proofs[id as usize];
            if order(&proof) < order(known) {
                *known = proof;
            }
            return Ok(());
        }
        let id = u32::try_from(self.new_terms.len()).ok().filter(|&id| id < u32::MAX).ok_or(Stop::TooMany)?;
        self.new_terms.push(conclusion);
        self.new_table.insert(hash, id, &self.new_terms);
        self.proofs.push(proof);
        Ok(())
    }
}

/// Lower proofs first, then shorter ones, then those from earlier facts.
fn order(&(height, length, step): &(u32, u64, Step)) -> (u32, u64, u32, u32) {
    match step {
        Step::Detach { major, minor } => (height, length, major, minor),
        Step::Necessitate(premise) => (height, length, premise, u32::MAX),
        Step::Axiom(number) => (height, length, u32::from(number), u32::MAX),
    }
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
            index: Instances::default(),
            indexed: 0,
            batch: Vec::new(),
            waiting: VecDeque::new(),
            waiting_terms: Terms::default(),
        }
    }

    /// Adds a given fact, before the first step; its number, or `None` when it is there already. `closed` says that every pair of it and
    /// other closed ones was tried within these bounds.
    pub fn give(&mut self, packed: &[u8], height: u32, proof_length: u64, closed: bool) -> Option<u32> {
        let id = self.add(packed, Fact { step: None, height, proof_length, closed, inert: false })?;
        self.given = self.facts.len();
        Some(id)
    }

    /// Adds a statement that is known to be known, and no more: nothing is built on it.
    pub fn give_inert(&mut self, packed: &[u8]) -> Option<u32> {
        let id = self.add(packed, Fact { step: None, height: 0, proof_length: 0, closed: true, inert: true })?;
        self.given = self.facts.len();
        Some(id)
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

    /// All facts in the order that a later run is to be given them: the given ones as they were, then the new ones by height and term.
    /// Open facts are taken up in this order.
    pub fn order(&self) -> Vec<u32> {
        let mut new: Vec<u32> = (self.given as u32..self.facts.len() as u32).collect();
        new.sort_by(|&a, &b| self.height_then_bytes(a).cmp(&self.height_then_bytes(b)));
        (0..self.given as u32).chain(new).collect()
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
            level = self.try_all(&batch, stop)?;
            self.batch = batch;
        }
        let first = self.facts.len() as u32;
        let best = self.waiting.drain(..breadth.min(self.waiting.len())).collect::<Vec<_>>();
        for candidate in best {
            let Candidate { term, step, height, proof_length, .. } = candidate;
            let term = self.waiting_terms.get(term).to_vec();
            self.add(&term, Fact { step: Some(step), height, proof_length, closed: false, inert: false });
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
        }
    }

    /// The open facts that come next; those that are too high for a premise are closed at once.
    fn next_batch(&mut self) -> Option<Vec<u32>> {
        for fact in self.facts.iter_mut().filter(|fact| fact.height >= self.bounds.height) {
            fact.closed = true;
        }
        let mut partners = self.partners().len() as u64;
        let mut pairs = 0;
        let open = self.order().into_iter().filter(|&id| !self.facts[id as usize].closed);
        let batch: Vec<u32> = open
            .enumerate()
            .take_while(|(at, _)| {
                pairs += 2 * partners + 1;
                partners += 1;
                *at == 0 || pairs <= PAIRS
            })
            .map(|(_, id)| id)
            .collect();
        (!batch.is_empty()).then_some(batch)
    }

    /// The closed facts that may be premises.
    fn partners(&self) -> Vec<u32> {
        let may = |fact: &Fact| fact.closed && !fact.inert && fact.height < self.bounds.height;
        self.facts.iter().zip(0..).filter(|(fact, _)| may(fact)).map(|(_, id)| id).collect()
    }

    /// Tries a batch with itself and all closed facts; what is new waits then, the best first.
    fn try_all(&mut self, batch: &[u32], stop: &mut dyn FnMut() -> bool) -> Result<Level, Stop> {
        self.reindex()?;
        let recent = self.index_of(self.indexed as u32..self.facts.len() as u32)?;
        let closed = self.partners();
        let mut trial = Trial {
            terms: &self.terms,
            table: &self.table,
            facts: &self.facts,
            bounds: self.bounds,
            new_terms: Terms::default(),
            new_table: Table::default(),
            proofs: Vec::new(),
            level: Level::default(),
        };
        for (majors, minors) in [(batch, batch), (batch, &closed[..]), (&closed[..], batch)] {
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
        for (&(height, proof_length, step), term) in proofs.iter().zip(0..) {
            if term % 1024 == 0 && stop() {
                return Err(Stop::Cancelled);
            }
            let bytes = new_terms.get(term);
            if [&self.index, &recent, &own].into_iter().any(|index| index.has_more_general(bytes, &mut search)) {
                level.instances += 1;
            } else {
                waiting.push(Candidate { score: self.judge.score(bytes, proof_length), term, step, height, proof_length });
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
