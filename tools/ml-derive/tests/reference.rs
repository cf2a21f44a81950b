//! The engine against slow definitions of what it does, on small random axiom systems.
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_derive::engine::exhaustive::{Exhaustive, Necessitation, Options};
use ml_derive::engine::length;
use ml_derive::engine::packed::pack;
use ml_derive::engine::rank::Step;
use ml_derive::engine::saturate::{Bounds, Saturation};
use ml_logic::dproof::axiom_letter;
use ml_logic::{Formula, Limits, Sym, detach, is_instance};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const SYMBOLS: usize = 200;

fn limits() -> Limits {
    Limits { max_symbols: SYMBOLS, ..Limits::default() }
}

/// Every conclusion of a length with its smallest proof; instances thrown out by comparing all with all, larger ones than the bounds allow
/// at once. `None` when one is too large.
fn slow(axioms: &[Formula], options: &Options, lengths: usize) -> Option<Vec<Vec<(String, Formula)>>> {
    let fits = |formula: &Formula| {
        let consequent = formula.as_implication().map_or(0, |(_, consequent)| consequent.len());
        formula.size() <= options.bounds.conclusion as usize && consequent <= options.bounds.consequent as usize
    };
    let most_in_a_row = match options.necessitation {
        Necessitation::Never => 0,
        Necessitation::AtMost(row) => row as usize,
        Necessitation::Unlimited => usize::MAX,
    };
    let row = |proof: &str| proof.bytes().take_while(|&letter| letter == b'N').count();
    let mut kept: Vec<Vec<(String, Formula)>> = Vec::new();
    for length in 1..=lengths {
        let mut found: BTreeMap<Formula, String> = BTreeMap::new();
        let mut take = |formula: Formula, proof: String| {
            if kept.iter().flatten().all(|(_, known)| *known != formula) && (length == 1 || fits(&formula)) {
                let smallest = found.entry(formula).or_insert_with(|| proof.clone());
                *smallest = proof.min(smallest.clone());
            }
        };
        if length == 1 {
            axioms.iter().zip(1..).for_each(|(axiom, number)| take(axiom.clone(), axiom_letter(number).unwrap().to_string()));
        }
        for first in 1..length.saturating_sub(1) {
            for (x, major) in &kept[first - 1] {
                for (y, minor) in &kept[length - first - 2] {
                    if let Some(conclusion) = detach(major, minor, &limits()).ok()? {
                        take(conclusion, format!("D{x}{y}"));
                    }
                }
            }
        }
        if length > 1 {
            for (x, premise) in kept[length - 2].iter().filter(|(proof, _)| row(proof) < most_in_a_row) {
                take(Formula::join(Sym::BOX, &[premise], &limits()).ok()?, format!("N{x}"));
            }
        }
        let known: Vec<&Formula> = kept.iter().flatten().map(|(_, formula)| formula).chain(found.keys()).collect();
        let filtered = options.unfiltered_from.is_none_or(|from| length < from);
        let is_kept = |formula: &Formula| !filtered || !known.iter().any(|general| *general != formula && is_instance(general, formula));
        let mut list: Vec<(String, Formula)> =
            found.iter().filter(|(formula, _)| is_kept(formula)).map(|(f, p)| (p.clone(), f.clone())).collect();
        list.sort();
        kept.push(list);
    }
    Some(kept)
}

/// The same by the engine, with the proofs written out.
fn fast(axioms: &[Formula], options: &Options, lengths: usize) -> Option<Vec<Vec<(String, Formula)>>> {
    let mut engine = Exhaustive::new(axioms, options.max_symbols(SYMBOLS as u32)).unwrap();
    let mut proofs: Vec<String> = Vec::new();
    let mut all = Vec::new();
    for _ in 0..lengths {
        let length = engine.next_length(&|| false).ok()?;
        assert_eq!(length.candidates, length.invalid + length.bounded + length.duplicates + length.removed + length.kept.len() as u64);
        let mut list = Vec::new();
        for id in length.kept {
            proofs.push(match engine.step(id) {
                Step::Axiom(number) => axiom_letter(number.into()).unwrap().to_string(),
                Step::Detach { major, minor } => format!("D{}{}", proofs[major as usize], proofs[minor as usize]),
                Step::Necessitate(premise) => format!("N{}", proofs[premise as usize]),
            });
            list.push((proofs[id as usize].clone(), engine.formula(id).unwrap()));
        }
        all.push(list);
    }
    Some(all)
}

/// Formulas of every connective over a few variables; implications far more often than others.
fn formula(variables: u32, depth: u32) -> impl Strategy<Value = Formula> {
    let leaf = (0..variables).prop_map(|n| Formula::var(n).unwrap());
    let join = |sym: Sym| move |parts: Vec<Formula>| Formula::join(sym, &parts.iter().collect::<Vec<_>>(), &Limits::default()).unwrap();
    leaf.prop_recursive(depth, 24, 2, move |part| {
        let pair = prop::collection::vec(part.clone(), 2);
        let one = prop::collection::vec(part, 1);
        prop_oneof![
            8 => pair.clone().prop_map(join(Sym::IMP)),
            1 => pair.clone().prop_map(join(Sym::AND)),
            1 => pair.prop_map(join(Sym::OR)),
            2 => one.clone().prop_map(join(Sym::NOT)),
            1 => one.prop_map(join(Sym::BOX)),
        ]
    })
    .prop_map(|formula| formula.canonical())
}

/// Axioms that are mostly implications, and now and then one that is none or that proves everything.
fn axioms() -> impl Strategy<Value = Vec<Formula>> {
    let implication =
        (formula(3, 3), formula(4, 3)).prop_map(|(a, b)| Formula::join(Sym::IMP, &[&a, &b], &Limits::default()).unwrap().canonical());
    prop::collection::vec(prop_oneof![12 => implication, 1 => formula(2, 2)], 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn exhaustive_generation_is_what_it_is_defined_to_be(axioms in axioms(), necessitation in any::<bool>()) {
        let lengths = if necessitation { 5 } else { 7 };
        let options = Options::of(necessitation);
        let (slow, fast) = (slow(&axioms, &options, lengths), fast(&axioms, &options, lengths));
        prop_assert!(slow.is_none() || slow == fast, "{axioms:?}\n{slow:?}\n{fast:?}");
    }

    /// With instances kept from some length on, bounds on what is kept, and necessitation so many times in a row.
    #[test]
    fn limits_leave_out_what_they_say(
        axioms in axioms(),
        row in prop::option::of(0u32..4),
        conclusion in prop_oneof![Just(u32::MAX), 1u32..30],
        consequent in prop_oneof![Just(u32::MAX), 1u32..20],
        unfiltered_from in prop::option::of(1usize..7),
        threads in 1usize..3,
    ) {
        let necessitation = row.map_or(Necessitation::Never, |row| if row == 0 { Necessitation::Unlimited } else { Necessitation::AtMost(row) });
        let bounds = length::Bounds { conclusion, consequent, ..length::Bounds::default() };
        let options = Options { necessitation, bounds, unfiltered_from, threads, ..Options::default() };
        let lengths = match (row, unfiltered_from) {
            (None, None) => 7,
            (None, Some(_)) | (Some(_), None) => 5,
            (Some(_), Some(_)) => 4,
        };
        let (slow, fast) = (slow(&axioms, &options, lengths), fast(&axioms, &options, lengths));
        prop_assert!(slow.is_none() || slow == fast, "{options:?} {axioms:?}\n{slow:?}\n{fast:?}");
    }

    /// What is left out as an instance loses no theorem and lengthens no proof: what is not an instance of what is kept up to a length has
    /// no proof of that length.
    #[test]
    fn instances_that_are_left_out_lose_nothing(axioms in axioms(), necessitation in any::<bool>()) {
        let lengths = if necessitation { 4 } else { 5 };
        let options = Options::of(necessitation);
        let (some, all) = (fast(&axioms, &options, lengths), fast(&axioms, &Options { unfiltered_from: Some(1), ..options }, lengths));
        if let (Some(some), Some(all)) = (some, all) {
            let shortest = |lengths: &[Vec<(String, Formula)>], formula: &Formula| {
                lengths.iter().position(|length| length.iter().any(|(_, known)| is_instance(known, formula)))
            };
            for (_, formula) in all.iter().flatten() {
                prop_assert_eq!(shortest(&some, formula), shortest(&all, formula), "{}", formula);
            }
        }
    }

    #[test]
    fn saturation_misses_nothing_and_adds_nothing_twice(axioms in axioms(), breadth in 1usize..40, height in 1u32..3) {
        let bounds = Bounds { height, proof_length: 1 << 16, max_symbols: SYMBOLS };
        let mut saturation = Saturation::new(false, bounds);
        axioms.iter().for_each(|axiom| { saturation.give(&pack(axiom), 0, 1, false); });
        let mut steps = 0;
        let whole = loop {
            let before = saturation.facts().len();
            match saturation.step(breadth, &mut || false) {
                Ok(Some(level)) => prop_assert!(level.added.len() <= breadth && level.added.start as usize == before),
                Ok(None) => break true,
                Err(_) => break false,
            }
            steps += 1;
            if steps > 60 { break false; }
        };
        let formulas: Vec<Formula> = (0..saturation.facts().len() as u32).map(|id| saturation.formula(id).unwrap()).collect();
        prop_assert_eq!(formulas.iter().collect::<BTreeSet<_>>().len(), formulas.len(), "no statement twice");
        for (fact, formula) in saturation.facts().iter().zip(&formulas) {
            let Some(Step::Detach { major, minor }) = fact.step else { continue };
            let conclusion = detach(&formulas[major as usize], &formulas[minor as usize], &limits()).unwrap().unwrap();
            prop_assert_eq!(&conclusion, formula);
            let premises = [saturation.facts()[major as usize], saturation.facts()[minor as usize]];
            prop_assert_eq!(fact.height, 1 + premises.iter().map(|fact| fact.height).max().unwrap());
            prop_assert_eq!(fact.proof_length, 1 + premises.iter().map(|fact| fact.proof_length).sum::<u64>());
            prop_assert!(fact.height <= height);
        }
        if whole {
            // Whatever follows from two facts is a fact, or an instance of one.
            let low = |id: usize| saturation.facts()[id].height < height;
            for major in (0..formulas.len()).filter(|&id| low(id)).take(60) {
                for minor in (0..formulas.len()).filter(|&id| low(id)).take(60) {
                    if let Ok(Some(conclusion)) = detach(&formulas[major], &formulas[minor], &limits()) {
                        prop_assert!(formulas.iter().any(|general| is_instance(general, &conclusion)), "{conclusion}");
                    }
                }
            }
            prop_assert!(saturation.facts().iter().all(|fact| fact.closed));
        }
    }
}

/// Each of these unifications needs exponentially many steps, or endless ones, unless what is equal is remembered.
#[test]
fn hostile_axioms_end() {
    let chain = |n: usize, from: usize| (0..n).fold("p0".to_owned(), |text, i| format!("({text}->p{})->p{}->{text}", from + i, from + i));
    for axioms in [
        vec![format!("({}->p0)->p0", chain(6, 1))],
        vec!["(p->p)->(q->q)->(p->q)->r".to_owned(), "(p->q)->(q->p)->p->p".to_owned()],
        vec!["((p->q)->(q->p))->p".to_owned(), "(p->q)->(p->q)".to_owned()],
        vec!["p".to_owned()],
        vec!["~p".to_owned(), "[]p".to_owned()],
    ] {
        let axioms: Vec<Formula> = axioms.iter().map(|text| text.parse().unwrap()).collect();
        let (slow, fast) = (slow(&axioms, &Options::default(), 5), fast(&axioms, &Options::default(), 5));
        assert!(slow.is_none() || slow == fast, "{axioms:?}");
    }
}
