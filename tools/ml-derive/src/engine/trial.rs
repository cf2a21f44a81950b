//! Trying pairs of facts: what follows from them and is not known, each conclusion once and with its best proof.

use super::Stop;
use super::packed::Terms;
use super::pairs::Pairs;
use super::rank::Step;
use super::saturate::{Bounds, Fact, Level};
use super::score::Found;
use super::table::{Table, hash};

/// How a new statement follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Its height.
    pub height: u32,
    /// Its symbols.
    pub length: u64,
    /// Its last step.
    pub step: Step,
}

impl Proof {
    /// Lower proofs first, then shorter ones, then those from earlier facts.
    fn order(&self) -> (u32, u64, u32, u32) {
        let (first, second) = match self.step {
            Step::Detach { major, minor } => (major, minor),
            Step::Necessitate(premise) => (premise, u32::MAX),
            Step::Axiom(number) => (u32::from(number), u32::MAX),
        };
        (self.height, self.length, first, second)
    }
}

/// What detachment works on while a batch is tried.
pub struct Trial<'s> {
    terms: &'s Terms,
    table: &'s Table,
    facts: &'s [Fact],
    bounds: Bounds,
    new_table: Table,
    /// What was concluded and is not known yet, each once.
    pub new_terms: Terms,
    /// Of each new term the best proof (height, length, step), and what all of them are.
    pub proofs: Vec<(Proof, Found)>,
    /// The counts.
    pub level: Level,
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

    fn too_large(&mut self) {
        self.level.candidates += 1;
        self.level.left_out += 1;
    }
}

impl<'s> Trial<'s> {
    /// Nothing was tried yet with these facts.
    pub fn new(terms: &'s Terms, table: &'s Table, facts: &'s [Fact], bounds: Bounds) -> Trial<'s> {
        let (new_terms, new_table) = (Terms::default(), Table::default());
        Trial { terms, table, facts, bounds, new_terms, new_table, proofs: Vec::new(), level: Level::default() }
    }

    /// Takes what follows from these premises by this step.
    ///
    /// # Errors
    /// [`Stop::TooMany`].
    pub fn take(&mut self, conclusion: &[u8], step: Step, premises: &[u32]) -> Result<(), Stop> {
        self.level.candidates += 1;
        let facts = premises.iter().map(|&id| &self.facts[id as usize]);
        let (height, length) =
            facts.fold((0, 1u64), |(height, length), fact| (fact.height.max(height), length.saturating_add(fact.proof_length)));
        let proof = Proof { height: height + 1, length, step };
        if length > self.bounds.proof_length {
            self.level.left_out += 1;
            return Ok(());
        }
        let hash = hash(conclusion);
        if self.table.find(hash, conclusion, self.terms).is_some() {
            self.level.duplicates += 1;
            return Ok(());
        }
        if let Some(id) = self.new_table.find(hash, conclusion, &self.new_terms) {
            self.level.duplicates += 1;
            let (known, found) = &mut self.proofs[id as usize];
            if proof.order() < known.order() {
                *known = proof;
                found.proof_length = length;
            }
            found.pairs = found.pairs.saturating_add(1);
            found.symbols = found.symbols.saturating_add(length);
            return Ok(());
        }
        let id = u32::try_from(self.new_terms.len()).ok().filter(|&id| id < u32::MAX).ok_or(Stop::TooMany)?;
        self.new_terms.push(conclusion);
        self.new_table.insert(hash, id, &self.new_terms);
        self.proofs.push((proof, Found { proof_length: length, pairs: 1, symbols: length }));
        Ok(())
    }
}
