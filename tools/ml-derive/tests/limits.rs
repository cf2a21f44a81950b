//! What a saturation leaves out by its limits is counted and stops nothing, and what is found is recognised by name.
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_derive::engine::Stop;
use ml_derive::engine::packed::pack;
use ml_derive::engine::saturate::{Bounds, Level, Saturation};
use ml_logic::{Formula, theorems};
use std::collections::BTreeSet;

fn saturation(axioms: &[&str], bounds: Bounds) -> Saturation {
    let mut saturation = Saturation::new(false, bounds);
    for axiom in axioms {
        saturation.give(&pack(&axiom.parse().unwrap()), 0, 1, false).unwrap();
    }
    saturation
}

fn whole(saturation: &mut Saturation) -> Vec<Level> {
    std::iter::from_fn(|| saturation.step(usize::MAX, &mut || false).unwrap()).collect()
}

const FREGE: [&str; 3] = ["CpCqp", "CCpCqrCCpqCpr", "CCNpNqCqp"];

#[test]
fn large_conclusions_and_long_proofs_are_left_out() {
    let free = Bounds { height: 3, proof_length: 1 << 16, max_symbols: 1 << 16 };
    let formulas = |saturation: &Saturation| -> BTreeSet<Formula> {
        (0..saturation.facts().len() as u32).map(|id| saturation.formula(id).unwrap()).collect()
    };
    let mut all = saturation(&FREGE, free);
    assert!(whole(&mut all).iter().all(|level| level.left_out == 0));
    for bounds in [Bounds { max_symbols: 15, ..free }, Bounds { proof_length: 9, ..free }] {
        let mut some = saturation(&FREGE, bounds);
        let levels = whole(&mut some);
        assert!(levels.iter().any(|level| level.left_out > 0), "{levels:?}");
        for level in levels {
            assert_eq!(level.candidates, level.invalid + level.left_out + level.duplicates + level.instances + level.new);
        }
        assert!(some.facts().iter().all(|fact| fact.proof_length <= bounds.proof_length && fact.closed));
        assert!(formulas(&some).iter().all(|formula| formula.size() <= bounds.max_symbols));
        assert!(formulas(&some).is_subset(&formulas(&all)) && some.facts().len() < all.facts().len());
    }
}

#[test]
fn an_interrupted_step_changes_nothing() {
    let bounds = Bounds { height: 3, proof_length: 1 << 16, max_symbols: 1 << 16 };
    let (mut interrupted, mut other) = (saturation(&FREGE, bounds), saturation(&FREGE, bounds));
    let mut interruptions = 0;
    loop {
        match interrupted.step(7, &mut || true) {
            Err(stop) => {
                assert_eq!(stop, Stop::Cancelled);
                interruptions += 1;
            }
            // It had nothing to try, only something to add.
            Ok(level) => assert_eq!(level, other.step(7, &mut || false).unwrap()),
        }
        let levels = (interrupted.step(7, &mut || false).unwrap(), other.step(7, &mut || false).unwrap());
        assert_eq!(levels.0, levels.1);
        if levels.0.is_none() {
            break;
        }
    }
    assert!(interruptions >= 3, "once for each batch");
    assert_eq!(interrupted.facts(), other.facts());
}

/// A statement that stands in the ledger in a writing of its own is known, and may be built on once it comes with a proof.
#[test]
fn what_is_inert_may_be_given_after_all() {
    let bounds = Bounds { height: 2, proof_length: 1 << 16, max_symbols: 1 << 16 };
    let mut saturation = Saturation::new(false, bounds);
    let packed = pack(&"CpCqp".parse().unwrap());
    assert_eq!(saturation.give_inert(&packed), Some(0));
    assert_eq!((saturation.give_inert(&packed), saturation.facts()[0].inert), (None, true));
    assert_eq!(saturation.step(9, &mut || false), Ok(None), "nothing is built on it");
    assert_eq!(saturation.give(&packed, 0, 1, false), Some(0));
    assert_eq!((saturation.give(&packed, 0, 1, false), saturation.facts()[0].inert, saturation.given()), (None, false, &[0][..]));
    assert_eq!(saturation.step(9, &mut || false).unwrap().unwrap().added, 1..2);
}

/// What has the shortest proofs of the Principia list is found, and called by its name. (Later ones may be passed over within so tight a limit
/// on proofs, as instances of more general statements with longer ones.)
#[test]
fn the_principia_list_is_recognised() {
    let mut found = saturation(&FREGE, Bounds { height: 6, proof_length: 15, max_symbols: 1 << 16 });
    whole(&mut found);
    let names: BTreeSet<&str> = (0..found.facts().len() as u32).filter_map(|id| found.name(id)).collect();
    let short = theorems::principia().iter().filter(|theorem| theorem.shortest <= 9);
    let missing: Vec<&str> = short.map(|theorem| theorem.name).filter(|name| !names.iter().any(|names| names.contains(name))).collect();
    assert_eq!(missing, Vec::<&str>::new());
}
