//! Counts of exhaustive generation for further named systems, beside those of counts.rs: what is kept with proofs of 1, 3, 5, ... symbols,
//! and how many instances are left out, where that is published too.
//!
//! The figures are those of pmGenerator's data folders, and for Łukasiewicz's axiom of pmData, which counts no instances.
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_derive::engine::exhaustive::{Exhaustive, Options};
use ml_logic::System;

const WALSH3_KEPT: &[u64] = &[1, 1, 2, 4, 7, 14, 23, 42, 72, 119, 180, 296, 493, 809, 1330, 2190, 3606, 5925, 9738, 15948];
const WALSH3_REMOVED: &[u64] = &[0, 0, 0, 0, 0, 1, 4, 5, 16, 34, 82, 128, 218, 378, 608, 995, 1643, 2748, 4547, 7630];
const WALSH4_KEPT: &[u64] = &[
    1, 1, 1, 1, 2, 2, 2, 2, 5, 5, 3, 6, 10, 7, 12, 14, 17, 21, 30, 28, 44, 56, 66, 80, 108, 123, 168, 197, 241, 303, 390, 444, 570, 707,
    863, 1052, 1340, 1586, 1990, 2467, 3018, 3679, 4661, 5632, 6994,
];
const WALSH4_REMOVED: &[u64] = &[
    0, 0, 0, 0, 0, 1, 1, 3, 2, 5, 9, 10, 11, 17, 21, 27, 30, 38, 55, 62, 76, 108, 123, 158, 214, 241, 313, 419, 493, 611, 818, 996, 1231,
    1584, 1917, 2371, 3056, 3697, 4578, 5848, 7128, 8741, 11116, 13582, 16719,
];
const WALSH5_KEPT: &[u64] = &[1, 1, 1, 2, 4, 7, 12, 22, 42, 80, 151, 287, 555, 1081, 2107, 4123, 8112];
const WALSH5_REMOVED: &[u64] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 5, 15, 33];
const WALSH6_KEPT: &[u64] =
    &[1, 1, 2, 3, 6, 7, 12, 15, 23, 36, 61, 99, 152, 214, 299, 400, 560, 797, 1162, 1706, 2502, 3673, 5333, 7756, 11285];
const WALSH6_REMOVED: &[u64] =
    &[0, 0, 0, 0, 0, 2, 1, 4, 10, 14, 22, 31, 54, 90, 157, 255, 437, 701, 1144, 1767, 2719, 4081, 6112, 9069, 13547];
const LUKASIEWICZ_IMPLICATION_KEPT: &[u64] =
    &[1, 1, 1, 3, 8, 14, 21, 31, 42, 65, 98, 135, 197, 270, 388, 551, 783, 1106, 1563, 2211, 3116, 4400, 6223, 8774, 12413];

fn generate(name: &str, kept: &[u64], removed: &[u64]) {
    let system = System::named(name).unwrap();
    let mut engine = Exhaustive::new(&system.axioms, Options::of(system.necessitation)).unwrap();
    let mut lengths = Vec::new();
    while lengths.len() < kept.len() {
        let length = engine.next_length(&|| false).unwrap();
        if length.length % 2 == 1 {
            lengths.push((length.kept.len() as u64, length.removed));
        }
    }
    assert_eq!(lengths.iter().map(|(kept, _)| *kept).collect::<Vec<_>>(), kept, "{name}: kept");
    if !removed.is_empty() {
        assert_eq!(lengths.iter().map(|(_, removed)| *removed).collect::<Vec<_>>(), removed, "{name}: left out");
    }
}

#[test]
fn single_axioms_of_walsh() {
    generate("walsh3", WALSH3_KEPT, WALSH3_REMOVED);
    generate("walsh4", WALSH4_KEPT, WALSH4_REMOVED);
    generate("walsh5", WALSH5_KEPT, WALSH5_REMOVED);
    generate("walsh6", WALSH6_KEPT, WALSH6_REMOVED);
}

#[test]
fn the_single_axiom_of_implication() {
    generate("lukasiewicz-implication", LUKASIEWICZ_IMPLICATION_KEPT, &[]);
}
