//! What a night begins with: the axioms and the ledger's theorems as facts of the engine.
//!
//! The ledger is read once, row by row, and of each row only what the engine needs is kept: the packed term, height and length of its
//! proof, its hash. Proofs themselves can be long; those that something was built on are asked for at the end (see `render`).

use super::Ledger;
use super::frontier::{self, Frontier, Hash};
use super::plan::Budget;
use crate::engine::packed::{pack, unpack};
use crate::engine::saturate::{Bounds, Saturation};
use crate::proofs::height;
use ml_common::record::MAX_PROOF_BYTES;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use ml_ledger::premises::{self, Premise};
use ml_ledger::theories::Theory;
use ml_logic::{DProof, Formula, Limits, System, hash, parse_any};

/// The facts of a run, by the numbers that the engine gives them.
pub struct Stock {
    /// The engine, all facts given.
    pub saturation: Saturation,
    /// The hashes of their statements; `None` of inert ones.
    pub hashes: Vec<Option<Hash>>,
    /// The axioms' numbers, `1` of D-notation first; twice the same when one is written twice.
    pub axioms: Vec<u32>,
    /// Axioms that the ledger does not hold yet.
    pub missing_axioms: Vec<u32>,
    /// Theorems that nothing can be built on, as they have no proof from the axioms, or are too large.
    pub inert: u64,
    /// Theorems whose text is no formula that can be worked with.
    pub unreadable: u64,
    /// Older frontiers that fit.
    pub frontiers: Vec<Frontier>,
}

/// A formula with more symbols is neither derived nor built on: each of its uses would be larger still.
const MAX_SYMBOLS: usize = 1 << 16;

/// A theorem that can be built on.
struct Given {
    since: i64,
    height: u32,
    proof_length: u64,
    hash: Hash,
}

/// Reads the ledger.
///
/// # Errors
/// Class Database when it cannot be read, Config when its axioms are others than those of the system.
pub fn load(ledger: &mut Ledger, system: &System, budget: &Budget, frontiers: Vec<Frontier>, cancel: &Cancel) -> Result<Stock> {
    let Ledger { client, shape, theory } = ledger;
    let limits = Limits::default();
    let bounds = Bounds { height: budget.depth_max, proof_length: MAX_PROOF_BYTES as u64, max_symbols: MAX_SYMBOLS };
    let mut stock = Stock {
        saturation: Saturation::new(system.necessitation, bounds),
        hashes: Vec::new(),
        axioms: Vec::new(),
        missing_axioms: Vec::new(),
        inert: 0,
        unreadable: 0,
        frontiers,
    };
    for axiom in &system.axioms {
        let packed = pack(axiom);
        let known = (0..).zip(&system.axioms).find_map(|(id, other)| (other == axiom).then(|| stock.axioms.get(id).copied())).flatten();
        let id = known.or_else(|| stock.saturation.give(&packed, 0, 1, false));
        if known.is_none() {
            stock.hashes.push(digest(&hash::statement(axiom)));
        }
        stock.axioms.extend(id);
    }
    let mut since = vec![i64::MIN; stock.hashes.len()];
    let mut held = Vec::new();
    premises::for_each(*client, shape, &theory.id, &system.axioms, |premise| {
        cancel.check()?;
        if premise.is_axiom {
            held.push(premise.hash.clone());
        }
        let Ok(named) = parse_any(&premise.canonical, &limits) else {
            stock.unreadable += 1;
            return Ok(());
        };
        let packed = pack(&named.formula);
        match theorem(&premise, &packed) {
            Some(given) => stock.give(&packed, given, &mut since),
            None if stock.saturation.give_inert(&packed).is_some() => {
                stock.hashes.push(None);
                since.push(0);
                stock.inert += 1;
            }
            None => {}
        }
        Ok(())
    })?;
    let missing = missing_axioms(&held, theory, system)?;
    stock.missing_axioms = stock.axioms.iter().copied().filter(|&id| stock.hash(id).is_some_and(|hash| missing.contains(&hash))).collect();
    stock.missing_axioms.sort_unstable();
    stock.missing_axioms.dedup();
    stock.arrange(&since, system.necessitation, budget);
    Ok(stock)
}

impl Stock {
    /// The hash of a given fact's statement.
    pub fn hash(&self, id: u32) -> Option<Hash> {
        self.hashes.get(id as usize).copied().flatten()
    }

    fn give(&mut self, packed: &[u8], given: Given, since: &mut Vec<i64>) {
        let Some(id) = self.saturation.give(packed, given.height, given.proof_length, false) else { return };
        if id as usize == self.hashes.len() {
            self.hashes.push(Some(given.hash));
            since.push(given.since);
        } else {
            // The same formula had come before in another writing, which nothing could be built on.
            (self.hashes[id as usize], since[id as usize]) = (Some(given.hash), given.since);
            self.inert -= 1;
        }
    }

    /// Puts the facts into the order that every night finds again, and closes those that were tried.
    fn arrange(&mut self, since: &[i64], necessitation: bool, budget: &Budget) {
        let axioms = self.saturation.given().iter().take_while(|&&id| since[id as usize] == i64::MIN).count();
        let saturation = &self.saturation;
        // A few bytes of the term beside its number decide most comparisons.
        let key = |id: u32| {
            let mut first = [0; 8];
            let term = saturation.term(id);
            first[..term.len().min(8)].copy_from_slice(&term[..term.len().min(8)]);
            (since[id as usize], saturation.facts()[id as usize].height, u64::from_be_bytes(first))
        };
        let mut keyed: Vec<((i64, u32, u64), u32)> = saturation.given()[axioms..].iter().map(|&id| (key(id), id)).collect();
        keyed.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| saturation.term(a.1).cmp(saturation.term(b.1))));
        let order: Vec<u32> = saturation.given()[..axioms].iter().copied().chain(keyed.into_iter().map(|(_, id)| id)).collect();
        let older = std::mem::take(&mut self.frontiers);
        self.frontiers = frontier::fitting(older, order.iter().filter_map(|&id| self.hash(id)), necessitation);
        let heights: Vec<u32> = order.iter().map(|&id| self.saturation.facts()[id as usize].height).collect();
        let fits = frontier::best(&self.frontiers, &heights, budget.depth_max).cloned();
        self.saturation.arrange(order, |place, fact| frontier::closed(fits.as_ref(), place, fact.height, budget.depth_max));
    }
}

/// The premise as a fact; `None` when its hash, text or proof are not as we write them.
fn theorem(premise: &Premise, packed: &[u8]) -> Option<Given> {
    let proof = premise.proof.as_deref().filter(|proof| DProof::parse(proof).is_ok() && proof.len() <= MAX_PROOF_BYTES)?;
    if packed.len() > MAX_SYMBOLS {
        return None;
    }
    let canonical = unpack(packed).is_some_and(|formula| formula.to_string() == premise.canonical);
    let own_hash = hash::statement_text(&premise.canonical) == premise.hash;
    // A foreign hand may have written a depth of its own; what is built on it has to be deeper.
    let depth = premise.depth.and_then(|depth| u32::try_from(depth).ok()).unwrap_or_default();
    let hash = digest(&premise.hash).filter(|_| canonical && own_hash)?;
    Some(Given { since: premise.since, height: height(proof).max(depth), proof_length: proof.len() as u64, hash })
}

/// The hashes of the system's axioms that the theory lacks, which holds these: all of them when it has no axioms, else none.
fn missing_axioms(held: &[String], theory: &Theory, system: &System) -> Result<Vec<Hash>> {
    let lacking = |axiom: &&Formula| !held.contains(&hash::statement(axiom));
    let Some(first) = system.axioms.iter().find(lacking) else { return Ok(Vec::new()) };
    if held.is_empty() {
        return Ok(system.axioms.iter().filter_map(|axiom| digest(&hash::statement(axiom))).collect());
    }
    Err(Failure::new(
        Class::Config,
        format!("the ledger's theory {} has other axioms than the system {}: it lacks {first}", theory.name, system.name),
    )
    .hint("set DERIVE_AXIOMS to the axioms that the ledger was begun with, or begin a new ledger in another database"))
}

/// A hash in hex as bytes.
pub fn digest(hex: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (at, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}
