//! What a night begins with: the axioms and the ledger's theorems as facts of the engine.

use super::frontier::{self, Frontier, Hash};
use super::plan::Budget;
use crate::engine::packed::{pack, unpack};
use crate::engine::saturate::{Bounds, Saturation};
use crate::proofs::{Proofs, height};
use ml_common::record::MAX_PROOF_BYTES;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use ml_ledger::premises::{self, Premise};
use ml_ledger::{Shape, theories::Theory};
use ml_logic::dproof::axiom_letter;
use ml_logic::{DProof, Limits, System, hash, parse_any};
use postgres::Client;

/// The facts of a run, by the numbers that the engine gives them.
pub struct Stock {
    /// The engine, all facts given.
    pub saturation: Saturation,
    /// Their proofs; of inert ones nothing.
    pub proofs: Proofs,
    /// The hashes of their statements; `None` of inert ones.
    pub hashes: Vec<Option<Hash>>,
    /// Axioms that the ledger does not hold yet.
    pub missing_axioms: Vec<u32>,
    /// Theorems that nothing can be built on.
    pub inert: u64,
    /// Older frontiers that fit.
    pub frontiers: Vec<Frontier>,
}

/// A theorem that can be built on.
struct Given {
    since: i64,
    height: u32,
    packed: Vec<u8>,
    hash: Hash,
    proof: String,
}

/// Reads the ledger.
///
/// # Errors
/// Class Database when it cannot be read, Config when its axioms are others than those of the system.
pub fn load(
    client: &mut Client,
    shape: &Shape,
    theory: &Theory,
    system: &System,
    budget: &Budget,
    frontiers: Vec<Frontier>,
    cancel: &Cancel,
) -> Result<Stock> {
    let limits = Limits::default();
    let (mut given, mut inert, mut unreadable) = (Vec::new(), Vec::new(), 0u64);
    premises::for_each(client, shape, &theory.id, &system.axioms, |premise| {
        cancel.check()?;
        match parse_any(&premise.canonical, &limits) {
            Ok(named) => {
                let packed = pack(&named.formula);
                match theorem(&premise, &packed) {
                    Some(theorem) => given.push(theorem),
                    None => inert.push(packed),
                }
            }
            Err(_) => unreadable += 1,
        }
        Ok(())
    })?;
    given.sort_unstable_by(|a, b| (a.since, a.height, &a.packed, a.hash).cmp(&(b.since, b.height, &b.packed, b.hash)));
    let missing = missing_axioms(client, shape, theory, system)?;
    let bounds = Bounds { height: budget.depth_max, proof_length: MAX_PROOF_BYTES as u64, max_symbols: limits.max_symbols };
    let mut stock = Stock {
        saturation: Saturation::new(system.necessitation, bounds),
        proofs: Proofs::default(),
        hashes: Vec::new(),
        missing_axioms: Vec::new(),
        inert: unreadable,
        frontiers,
    };
    let axioms = system.axioms.iter().zip(1..).map(|(axiom, number)| Given {
        since: i64::MIN,
        height: 0,
        packed: pack(axiom),
        hash: digest(&hash::statement(axiom)).unwrap_or_default(),
        proof: axiom_letter(number).map(String::from).unwrap_or_default(),
    });
    let all: Vec<Given> = axioms.chain(given).collect();
    // An axiom that is written twice, or was proven before it became one, is one fact.
    let mut distinct: Vec<Given> = Vec::with_capacity(all.len());
    let mut seen = std::collections::HashSet::new();
    for given in all {
        if seen.insert(given.hash) {
            distinct.push(given);
        }
    }
    let hashes: Vec<Hash> = distinct.iter().map(|given| given.hash).collect();
    stock.frontiers = frontier::fitting(stock.frontiers, &hashes, system.necessitation);
    let heights: Vec<u32> = distinct.iter().map(|given| given.height).collect();
    let fits = frontier::best(&stock.frontiers, &heights, budget.depth_max).cloned();
    for (place, given) in distinct.into_iter().enumerate() {
        let closed = frontier::closed(fits.as_ref(), place, given.height, budget.depth_max);
        if let Some(id) = stock.saturation.give(&given.packed, given.height, given.proof.len() as u64, closed) {
            stock.proofs.push_text(&given.proof);
            stock.hashes.push(Some(given.hash));
            if missing.contains(&given.hash) {
                stock.missing_axioms.push(id);
            }
        }
    }
    for packed in inert {
        if stock.saturation.give_inert(&packed).is_some() {
            stock.proofs.push_text("");
            stock.hashes.push(None);
            stock.inert += 1;
        }
    }
    Ok(stock)
}

/// The premise as a fact; `None` when its hash, text or proof are not as we write them.
fn theorem(premise: &Premise, packed: &[u8]) -> Option<Given> {
    let proof = premise.proof.as_deref().filter(|proof| DProof::parse(proof).is_ok() && proof.len() <= MAX_PROOF_BYTES)?;
    let canonical = unpack(packed).is_some_and(|formula| formula.to_string() == premise.canonical);
    let own_hash = hash::statement_text(&premise.canonical) == premise.hash;
    // A foreign hand may have written a depth of its own; what is built on it has to be deeper.
    let depth = premise.depth.and_then(|depth| u32::try_from(depth).ok()).unwrap_or_default();
    let height = height(proof).max(depth);
    let hash = digest(&premise.hash).filter(|_| canonical && own_hash)?;
    Some(Given { since: premise.since, height, packed: packed.to_vec(), hash, proof: proof.to_owned() })
}

/// The hashes of the system's axioms that the theory lacks: all of them when it has no axioms, else none.
fn missing_axioms(client: &mut Client, shape: &Shape, theory: &Theory, system: &System) -> Result<Vec<Hash>> {
    let doing = "looking up the axioms";
    let sql = format!(
        "SELECT s.hash::text FROM {} s WHERE s.is_axiom AND s.system_id = {}",
        shape.sql("statements"),
        shape.cast("statements", "system_id", "$1"),
    );
    let rows = client.query(&sql, &[&theory.id]).map_err(|error| ml_common::pg::failure(&error, doing))?;
    let held: Vec<String> = rows
        .iter()
        .map(|row| row.try_get(0))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| ml_common::pg::failure(&error, doing))?;
    let wanted: Vec<String> = system.axioms.iter().map(hash::statement).collect();
    let lacking: Vec<&String> = wanted.iter().filter(|hash| !held.contains(hash)).collect();
    if held.is_empty() || lacking.is_empty() {
        return Ok(lacking.into_iter().filter_map(|hash| digest(hash)).collect());
    }
    let axiom = system.axioms.iter().find(|axiom| lacking.contains(&&hash::statement(axiom))).map(ToString::to_string);
    Err(Failure::new(
        Class::Config,
        format!(
            "the ledger's theory {} has other axioms than the system {}: it lacks {}",
            theory.name,
            system.name,
            axiom.unwrap_or_default()
        ),
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
