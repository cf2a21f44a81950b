//! Published counts of exhaustive generation (kept, removed), and what every derived statement must be.
//!
//! The figures are those of pmGenerator's published generations, for each length that has proofs.
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_derive::engine::exhaustive::{Exhaustive, Options};
use ml_derive::engine::rank::Step;
use ml_logic::{Limits, System};
use std::sync::atomic::{AtomicUsize, Ordering};

const FREGE: &[(usize, u64)] =
    &[(3, 0), (6, 0), (12, 3), (38, 6), (89, 24), (229, 59), (672, 171), (1844, 504), (5221, 1428), (15275, 4141), (44206, 12115)];
const MEREDITH: &[(usize, u64)] = &[
    (1, 0),
    (1, 0),
    (1, 0),
    (3, 0),
    (7, 0),
    (10, 0),
    (13, 4),
    (19, 7),
    (37, 12),
    (56, 22),
    (87, 27),
    (140, 46),
    (227, 75),
    (369, 135),
    (579, 230),
    (918, 357),
    (1499, 587),
    (2408, 945),
    (3881, 1585),
    (6254, 2588),
    (10109, 4144),
    (16460, 6745),
];
const WALSH1: &[(usize, u64)] = &[
    (1, 0),
    (1, 0),
    (2, 0),
    (2, 0),
    (1, 0),
    (0, 0),
    (1, 0),
    (2, 0),
    (3, 1),
    (4, 2),
    (5, 2),
    (5, 2),
    (5, 1),
    (6, 2),
    (7, 1),
    (15, 3),
    (20, 11),
    (25, 19),
    (30, 22),
    (37, 28),
    (42, 28),
    (51, 31),
    (63, 39),
    (85, 55),
    (122, 86),
    (162, 125),
    (206, 169),
    (251, 214),
    (292, 258),
    (339, 295),
    (444, 386),
    (598, 534),
    (781, 748),
    (1016, 1014),
    (1303, 1388),
    (1593, 1759),
    (1922, 2141),
    (2359, 2672),
    (2986, 3403),
    (3875, 4455),
    (5006, 6012),
];
const WALSH2: &[(usize, u64)] =
    &[(1, 0), (1, 0), (2, 0), (5, 0), (10, 0), (24, 0), (57, 0), (137, 0), (339, 2), (854, 6), (2171, 19), (5583, 55), (14478, 151)];
const S5: &[(usize, u64)] = &[(6, 0), (6, 0), (17, 0), (28, 1), (56, 6), (89, 6), (203, 19), (325, 29), (666, 83), (1174, 102)];

fn generate(name: &str, figures: &[(usize, u64)]) {
    let system = System::named(name).unwrap();
    let mut engine = Exhaustive::new(&system.axioms, Options::of(system.necessitation)).unwrap();
    let mut figures = figures.iter();
    while let Some(expected) = figures.as_slice().first().copied() {
        let length = engine.next_length(&|| false).unwrap();
        assert_eq!(length.candidates, length.invalid + length.duplicates + length.removed + length.kept.len() as u64);
        if !system.necessitation && length.length.is_multiple_of(2) {
            assert_eq!(length.kept.len(), 0);
            continue;
        }
        assert_eq!((length.kept.len(), length.removed), expected, "{name}, length {}", length.length);
        figures.next();
    }
}

#[test]
fn frege() {
    generate("frege", FREGE);
}

#[test]
fn meredith() {
    generate("meredith", MEREDITH);
}

#[test]
fn walsh() {
    generate("walsh1", WALSH1);
    generate("walsh2", WALSH2);
}

#[test]
fn s5() {
    generate("s5", S5);
}

/// Whatever is derived in a classical system is a tautology, in S5 it is valid in all its models, as far as tables can tell.
#[test]
fn derived_statements_are_valid() {
    for (name, longest, told) in
        [("frege", 15, 2800), ("hilbert-ks", 15, 1000), ("meredith", 35, 5000), ("walsh1", 61, 1500), ("walsh2", 17, 75), ("s5", 7, 300)]
    {
        let system = System::named(name).unwrap();
        let mut engine = Exhaustive::new(&system.axioms, Options::of(system.necessitation)).unwrap();
        for _ in 0..longest {
            engine.next_length(&|| false).unwrap();
        }
        let limits = Limits { max_work: 1 << 20, ..Limits::default() };
        let mut sound = 0;
        for id in 0..engine.len() as u32 {
            let formula = engine.formula(id).unwrap();
            match system.sound(&formula, &limits) {
                Some(valid) => assert!(valid, "{name}: {formula}"),
                None => continue,
            }
            sound += 1;
        }
        assert!(sound >= told, "{name}: only {sound} of {} could be told", engine.len());
    }
}

#[test]
fn a_stopped_length_can_be_tried_again() {
    let system = System::named("frege").unwrap();
    let mut engine = Exhaustive::new(&system.axioms, Options::default()).unwrap();
    let mut plain = Exhaustive::new(&system.axioms, Options::default()).unwrap();
    for _ in 0..13 {
        // Stopped at the first question, at the second, ...
        for patience in 0..6 {
            let asked = AtomicUsize::new(0);
            let stopped = engine.next_length(&|| asked.fetch_add(1, Ordering::Relaxed) >= patience);
            if stopped.is_ok() {
                break;
            }
        }
        if engine.lengths() == plain.lengths() {
            engine.next_length(&|| false).unwrap();
        }
        let expected = plain.next_length(&|| false).unwrap();
        assert_eq!(engine.len(), expected.kept.end as usize);
    }
    assert!((0..engine.len() as u32).all(|id| engine.formula(id) == plain.formula(id) && engine.step(id) == plain.step(id)));
}

#[test]
fn too_large_conclusions_stop_a_length_and_leave_the_others() {
    let system = System::named("frege").unwrap();
    let mut engine = Exhaustive::new(&system.axioms, Options::default().max_symbols(19)).unwrap();
    let stopped = (0..20).find_map(|_| engine.next_length(&|| false).err());
    assert_eq!(stopped, Some(ml_derive::engine::Stop::TooLarge(19)));
    assert_eq!(engine.len(), 9, "lengths 1 and 3");
    assert_eq!((0..9).filter_map(|id| engine.formula(id)).count(), 9);
}

#[test]
fn restored_lengths_go_on_as_if_they_had_been_generated() {
    for (name, all) in [("frege", 15), ("s5", 8)] {
        let system = System::named(name).unwrap();
        let new = || Exhaustive::new(&system.axioms, Options::of(system.necessitation)).unwrap();
        let (mut plain, mut restored) = (new(), new());
        for _ in 0..all - 3 {
            let length = plain.next_length(&|| false).unwrap();
            let steps: Vec<Step> = length.kept.clone().map(|id| plain.step(id)).collect();
            assert_eq!(restored.restore(&steps).unwrap(), Some(length.kept));
        }
        for _ in 0..3 {
            assert_eq!(plain.next_length(&|| false), restored.next_length(&|| false), "{name}");
        }
        assert!((0..plain.len() as u32).all(|id| plain.formula(id) == restored.formula(id) && plain.step(id) == restored.step(id)));
    }
}
