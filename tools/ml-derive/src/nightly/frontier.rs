//! Where a night stopped, so that the next one goes on there.
//!
//! Facts have an order that every night finds again: the axioms, then the others by the time their proof was recorded, its height and the
//! term. The frontier says that the first so many of them were tried with each other, and carries a digest of them. When foreign
//! statements have come in between, or some are gone, the digest no longer fits and an older frontier does: then some pairs are tried
//! twice, and none is left out. It stands in the metadata of the run that it belongs to, which commits with the statements: a night that
//! dies leaves the frontier of the night before.

use crate::engine::saturate::Saturation;
use ml_common::files::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Older frontiers that are carried along.
const KEPT: usize = 8;

/// A statement hash.
pub type Hash = [u8; 32];

/// The first `facts` facts have this digest, and everything that follows from two of them with proofs of up to `depth` levels is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    /// How many facts, axioms included.
    pub facts: usize,
    /// Height of proofs up to which pairs were tried.
    pub depth: u32,
    /// Whether necessitation was tried, too.
    pub necessitation: bool,
    /// Over their statement hashes in their order.
    pub digest: String,
}

impl Frontier {
    fn to_json(&self) -> Value {
        json!({ "facts": self.facts, "depth": self.depth, "necessitation": self.necessitation, "digest": self.digest })
    }

    fn of_json(value: &Value) -> Option<Frontier> {
        Some(Frontier {
            facts: usize::try_from(value["facts"].as_u64()?).ok()?,
            depth: u32::try_from(value["depth"].as_u64()?).ok()?,
            necessitation: value["necessitation"].as_bool()?,
            digest: value["digest"].as_str()?.to_owned(),
        })
    }
}

/// The frontiers in a run's metadata, the newest first; what makes no sense is passed over, which costs time and nothing else.
pub fn read(metadata: &Value) -> Vec<Frontier> {
    metadata["frontiers"].as_array().into_iter().flatten().filter_map(Frontier::of_json).collect()
}

/// The frontiers for a run's metadata.
pub fn write(new: Option<Frontier>, older: &[Frontier]) -> Value {
    let mut frontiers: Vec<&Frontier> = new.iter().chain(older).collect();
    frontiers.dedup();
    frontiers.truncate(KEPT);
    frontiers.into_iter().map(Frontier::to_json).collect()
}

/// The frontiers that fit facts with these hashes in their order, and these rules. The hashes are gone through once.
pub fn fitting(mut frontiers: Vec<Frontier>, hashes: impl Iterator<Item = Hash>, necessitation: bool) -> Vec<Frontier> {
    let mut digests: BTreeMap<usize, String> = frontiers.iter().map(|frontier| (frontier.facts, String::new())).collect();
    let mut open = digests.iter_mut().peekable();
    let mut hasher = Sha256::new();
    for (facts, hash) in hashes.map(Some).chain([None]).enumerate() {
        if let Some((_, digest)) = open.next_if(|(wanted, _)| **wanted == facts) {
            *digest = hex(&hasher.clone().finalize());
        }
        match hash {
            Some(hash) if open.peek().is_some() => hasher.update(hash),
            _ => break,
        }
    }
    frontiers.retain(|frontier| frontier.necessitation == necessitation && digests.get(&frontier.facts) == Some(&frontier.digest));
    frontiers
}

/// The frontier that leaves the fewest facts to be tried. It has to be a single one: of two facts that are closed by two of them it is not
/// known that they were tried with each other.
pub fn best<'f>(frontiers: &'f [Frontier], heights: &[u32], depth: u32) -> Option<&'f Frontier> {
    let count = |frontier: &Frontier| (0..heights.len()).filter(|&place| closed(Some(frontier), place, heights[place], depth)).count();
    // Of equal ones the newest, which is the first.
    frontiers.iter().rev().max_by_key(|frontier| count(frontier))
}

/// Whether the fact at `place`, with a proof of this height, need not be tried again with proofs of up to `depth` levels.
pub fn closed(frontier: Option<&Frontier>, place: usize, height: u32, depth: u32) -> bool {
    // What could not be a premise then may be one now that proofs may be higher.
    frontier.is_some_and(|frontier| place < frontier.facts && (depth <= frontier.depth || height < frontier.depth))
}

/// The frontier after a run: up to the first open fact. `hash` is the hash of a fact that is in the ledger and can be built on.
pub fn after(saturation: &Saturation, depth: u32, necessitation: bool, hash: impl Fn(u32) -> Option<Hash>) -> Frontier {
    let facts = saturation.order().into_iter().filter_map(|id| Some((id, hash(id)?)));
    let hashes: Vec<Hash> = facts.take_while(|(id, _)| saturation.facts()[*id as usize].closed).map(|(_, hash)| hash).collect();
    Frontier { facts: hashes.len(), depth, necessitation, digest: digest(&hashes) }
}

fn digest(hashes: &[Hash]) -> String {
    let mut hasher = Sha256::new();
    hashes.iter().for_each(|hash| hasher.update(hash));
    hex(&hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frontier(hashes: &[Hash], depth: u32) -> Frontier {
        Frontier { facts: hashes.len(), depth, necessitation: false, digest: digest(hashes) }
    }

    #[test]
    fn those_that_fit() {
        let hashes: Vec<Hash> = (0..9).map(|n| [n; 32]).collect();
        let frontiers = vec![frontier(&hashes[..6], 4), frontier(&hashes[..3], 4)];
        let facts = |facts: &[Hash], necessitation| {
            let fitting = fitting(frontiers.clone(), facts.iter().copied(), necessitation);
            fitting.iter().map(|frontier| frontier.facts).collect::<Vec<_>>()
        };
        assert_eq!(facts(&hashes, false), [6, 3]);
        assert_eq!(facts(&hashes[..6], false), [6, 3]);
        assert_eq!(facts(&hashes[..5], false), [3], "some are gone");
        let mut foreign = hashes.clone();
        foreign.insert(4, [77; 32]);
        assert_eq!(facts(&foreign, false), [3], "a foreign one has come in between");
        foreign.insert(0, [78; 32]);
        assert!(facts(&foreign, false).is_empty());
        assert!(facts(&hashes, true).is_empty(), "a new rule opens everything");
        let nothing = vec![frontier(&[], 4)];
        assert_eq!(super::fitting(nothing.clone(), [].into_iter(), false), nothing);
    }

    #[test]
    fn the_one_that_leaves_the_least() {
        let hashes = [[1; 32]; 6];
        let (low, high) = (frontier(&hashes, 2), frontier(&hashes[..4], 5));
        let frontiers = [low.clone(), high.clone()];
        let heights = [0, 0, 1, 3, 3, 3];
        assert_eq!(best(&frontiers, &heights, 2), Some(&low));
        assert_eq!(best(&frontiers, &heights, 4), Some(&high), "what was too high for the newer one was tried by the older one");
        assert_eq!(best(&[], &heights, 4), None);
    }

    #[test]
    fn higher_proofs_open_what_could_be_no_premise() {
        let frontier = frontier(&[[1; 32]; 5], 4);
        let closed = |place, height, depth| closed(Some(&frontier), place, height, depth);
        assert!(closed(4, 4, 4) && closed(4, 4, 3) && closed(4, 3, 9));
        assert!(!closed(5, 0, 4) && !closed(4, 4, 5));
        assert!(!super::closed(None, 0, 0, 4));
    }

    #[test]
    fn metadata_are_read_back_and_bounded() {
        let hashes: Vec<Hash> = (0..20).map(|n| [n; 32]).collect();
        let older: Vec<Frontier> = (1..20).rev().map(|n| frontier(&hashes[..n], 4)).collect();
        let new = frontier(&hashes, 4);
        let read_back = read(&json!({ "frontiers": write(Some(new.clone()), &older) }));
        assert_eq!((read_back.len(), &read_back[0], &read_back[1]), (KEPT, &new, &older[0]));
        assert_eq!(read(&json!({ "frontiers": [1, { "facts": -1 }, { "facts": 1, "depth": 1 }] })), []);
        assert_eq!(read(&Value::Null), []);
        assert_eq!(write(Some(new.clone()), std::slice::from_ref(&new)).as_array().unwrap().len(), 1);
    }
}
