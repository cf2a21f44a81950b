//! Proofs: the checker and detachment, written apart, agree; what is proved is true; the published counts come out.
#![allow(clippy::unwrap_used, clippy::panic)] // also in the helpers of tests

mod kit;

use ml_logic::checker::{Verdict, check, conclusion};
use ml_logic::dag::{Dag, Step};
use ml_logic::detach::conclusions;
use ml_logic::{DProof, Error, Formula, Limits, Sym, System, detach, is_instance};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashSet};

/// A random night of deriving: each pair of numbers picks two known lines to detach; failures must fail in the checker too.
fn derive(system: &System, picks: &[(u16, u16)]) -> Result<Vec<(Dag, Formula)>, TestCaseError> {
    let limits = Limits { max_symbols: 2000, ..Limits::default() };
    let mut steps: Vec<Step> = (1..=system.axioms.len() as u8).map(Step::Axiom).collect();
    let mut lines = system.axioms.clone();
    let mut proofs = Vec::new();
    for &(major, minor) in picks {
        let (major, minor) = (u32::from(major) % steps.len() as u32, u32::from(minor) % steps.len() as u32);
        let (step, found) = if system.necessitation && (major + minor) % 4 == 0 {
            let boxed = Formula::join(Sym::BOX, &[&lines[major as usize]], &limits);
            (Step::Necessitate(major), boxed.map(Some))
        } else {
            (Step::Detach { major, minor }, detach(&lines[major as usize], &lines[minor as usize], &limits))
        };
        let dag = Dag::from_steps([&steps[..], &[step]].concat()).unwrap();
        let Ok(text) = dag.render(1 << 16) else { continue };
        match (found, conclusion(&system.rules(), text.as_str(), &limits)) {
            (Ok(Some(statement)), Ok(proved)) => {
                prop_assert_eq!(&statement, &proved);
                steps.push(step);
                lines.push(statement.clone());
                proofs.push((dag, statement));
            }
            (Ok(None), Err(Error::NotAProof(_))) | (Err(Error::Limit { .. }), Err(Error::Limit { .. })) => {}
            (derived, checked) => prop_assert!(false, "{} derived {:?}, checked {:?}", text, derived, checked),
        }
    }
    Ok(proofs)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn checker_detachment_and_truth_agree(
        system in proptest::sample::select(System::names().collect::<Vec<_>>()),
        picks in proptest::collection::vec((any::<u16>(), any::<u16>()), 1..40),
    ) {
        let system = System::named(system).unwrap();
        let limits = Limits::default();
        let truth = Limits { max_work: 1 << 20, ..limits };
        for (dag, statement) in derive(&system, &picks)? {
            prop_assert_ne!(system.sound(&statement, &truth), Some(false), "{}", statement);
            let proof = dag.render(1 << 16).unwrap();
            prop_assert_eq!(&proof.dag().render(1 << 16).unwrap(), &proof);
            let lines = conclusions(&proof.dag(), &system.rules(), &limits).unwrap();
            prop_assert_eq!(lines.last(), Some(&statement));
            prop_assert_eq!(*dag.lengths().last().unwrap(), proof.len() as u64);
            prop_assert_eq!(dag.heights().pop(), proof.dag().heights().pop());
            let verdict = |claim: &Formula| check(&system.rules(), proof.as_str(), claim, &limits).unwrap();
            prop_assert_eq!(verdict(&statement), Verdict::Exact);
            // With ~p for p it is a proper instance.
            let not_p = Formula::join(Sym::NOT, &[&Formula::var(0).unwrap()], &limits).unwrap();
            let instance = statement.substitute(&[not_p], &limits).unwrap();
            prop_assert_eq!(verdict(&instance), Verdict::MoreGeneral(statement.clone()));
            let negated = Formula::join(Sym::NOT, &[&statement], &limits).unwrap();
            prop_assert!(matches!(verdict(&negated), Verdict::DoesNotProve(_)));
        }
    }

    #[test]
    fn texts_are_proofs_or_refused(text in "[1-4DNa]{0,24}") {
        let s5 = System::named("s5").unwrap();
        let checked = conclusion(&s5.rules(), &text, &Limits::default());
        if DProof::parse(&text).is_err() {
            prop_assert!(matches!(checked, Err(Error::NotAProof(_))));
        }
        if let Ok(proof) = DProof::parse(&text) {
            let lines = conclusions(&proof.dag(), &s5.rules(), &Limits::default());
            prop_assert_eq!(lines.map(|mut lines| lines.pop()).ok().flatten(), checked.clone().ok());
        }
        if let Ok(statement) = checked {
            prop_assert_eq!(s5.sound(&statement, &Limits::default()), Some(true));
        }
    }

    #[test]
    fn any_text_is_harmless(text in "\\PC{0,20}") {
        let frege = System::named("frege").unwrap();
        let parsed = DProof::parse(&text).is_ok();
        prop_assert!(conclusion(&frege.rules(), &text, &Limits::default()).is_err() || parsed);
    }
}

#[test]
fn reasons_of_refusal() {
    let frege = System::named("frege").unwrap();
    let reason = |proof: &str, claim: &str| match check(&frege.rules(), proof, &claim.parse().unwrap(), &Limits::default()) {
        Ok(Verdict::DoesNotProve(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason("DD211", "Cpq"), "the proof proves p->p instead");
    assert_eq!(reason("D21", "CCpqCqq"), "the proof proves (p->q)->p->p instead");
    assert_eq!(reason("D1D33", "p"), "symbol 3 of the proof: the minor premise does not fit the antecedent of the major premise");
    assert_eq!(reason("D14", "p"), "symbol 3 of the proof: no such axiom");
    assert_eq!(reason("ND11", "p"), "symbol 1 of the proof: necessitation is not a rule of this system");
    assert_eq!(reason("D1", "p"), "symbol 1 of the proof: its sub-proofs are not complete");
    assert_eq!(reason("D1x1", "p"), "symbol 3 of the proof: no such axiom");
    assert_eq!(reason("D1-1", "p"), "symbol 3 of the proof: not a symbol of D-notation");
    assert_eq!(reason("11", "p"), "the text is 2 proofs instead of one");
    assert_eq!(reason("", "p"), "the text is 0 proofs instead of one");
}

#[test]
fn claims_may_name_their_variables_as_they_like() {
    let frege = System::named("frege").unwrap();
    let claim = Formula::from_symbols([Sym::IMP, Sym::var(9).unwrap(), Sym::var(9).unwrap()].to_vec(), &Limits::default()).unwrap();
    assert_eq!(check(&frege.rules(), "DD211", &claim, &Limits::default()), Ok(Verdict::Exact));
}

/// Exhaustive generation as naively as possible, up to `last`: how many conclusions each length keeps.
fn generate(system: &System, last: usize) -> Vec<usize> {
    let limits = Limits::default();
    let mut kept: Vec<Vec<Formula>> = vec![vec![]];
    let mut known: HashSet<Formula> = HashSet::new();
    for length in 1..=last {
        let mut found: BTreeMap<Formula, ()> = BTreeMap::new();
        let mut add = |formula: Formula| {
            if !known.contains(&formula) {
                found.insert(formula, ());
            }
        };
        if length == 1 {
            system.axioms.iter().cloned().for_each(&mut add);
        }
        for major in 1..length.saturating_sub(1) {
            for (x, y) in kept[major].iter().flat_map(|x| kept[length - 1 - major].iter().map(move |y| (x, y))) {
                detach(x, y, &limits).unwrap().into_iter().for_each(&mut add);
            }
        }
        if system.necessitation && length > 1 {
            let boxed = |x| Formula::join(Sym::BOX, &[x], &limits).unwrap();
            kept[length - 1].iter().map(boxed).for_each(&mut add);
        }
        let found: Vec<Formula> = found.into_keys().collect();
        let general = |new: &Formula| known.iter().chain(&found).any(|old| old != new && is_instance(old, new));
        let new: Vec<Formula> = found.iter().filter(|new| !general(new)).cloned().collect();
        known.extend(new.iter().cloned());
        kept.push(new);
    }
    kept.iter().skip(1).map(Vec::len).collect()
}

/// The counts that pmGenerator's author published, by length.
#[test]
fn published_counts() {
    let counts = |name: &str, last: usize| generate(&System::named(name).unwrap(), last);
    let odd = |counts: Vec<usize>| counts.into_iter().step_by(2).collect::<Vec<usize>>();
    assert_eq!(odd(counts("frege", 13)), [3, 6, 12, 38, 89, 229, 672]);
    assert_eq!(counts("s5", 8), [6, 6, 17, 28, 56, 89, 203, 325]);
    assert_eq!(odd(counts("meredith", 29)), [1, 1, 1, 3, 7, 10, 13, 19, 37, 56, 87, 140, 227, 369, 579]);
    assert_eq!(odd(counts("walsh1", 41)), [1, 1, 2, 2, 1, 0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 15, 20, 25, 30, 37, 42]);
    assert_eq!(odd(counts("walsh2", 17)), [1, 1, 2, 5, 10, 24, 57, 137, 339]);
}
