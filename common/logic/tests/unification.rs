//! Unification, detachment and matching against their textbook definitions.
#![allow(clippy::unwrap_used, clippy::panic)] // also in the helpers of tests

mod kit;

use kit::{Term, formulas, naive_detach, naive_instance, naive_unify};
use ml_logic::detach::{Detacher, detachment};
use ml_logic::unify::unify;
use ml_logic::{Formula, Limits, Sym, detach, is_instance};
use proptest::prelude::*;
use std::collections::HashMap;

/// All formulas of a list as one, so that they can be compared up to one common renaming.
fn together(formulas: &[Formula]) -> Formula {
    let join = |a: Formula, b: &Formula| Formula::join(Sym::IMP, &[&a, b], &Limits::default()).unwrap();
    formulas[1..].iter().fold(formulas[0].clone(), join).canonical()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn unifiers_unify_and_are_most_general(a in formulas(5, 14, true), b in formulas(5, 14, true)) {
        let limits = Limits::default();
        let (term_a, term_b) = (Term::of(&a), Term::of(&b));
        let mut bindings = HashMap::new();
        let expected = naive_unify(&term_a, &term_b, &mut bindings);
        let found = unify(&a, &b, &limits).unwrap();
        prop_assert_eq!(found.is_some(), expected);
        if let Some(images) = found {
            let (one, other) = (a.substitute(&images, &limits).unwrap(), b.substitute(&images, &limits).unwrap());
            prop_assert_eq!(one, other);
            // Most general unifiers are the same but for the names of variables.
            let naive: Vec<Formula> = (0..images.len() as u32).map(|v| Term::Var(v).under(&bindings).formula()).collect();
            prop_assert_eq!(together(&images), together(&naive));
        }
    }

    #[test]
    fn detachment_is_as_defined(major in formulas(5, 16, true), minor in formulas(5, 10, true)) {
        let limits = Limits::default();
        let found = detach(&major, &minor, &limits).unwrap();
        prop_assert_eq!(&found, &naive_detach(&major, &minor));
        let detailed = detachment(&major, &minor, &limits).unwrap();
        prop_assert_eq!(detailed.as_ref().map(|d| &d.conclusion), found.as_ref());
        if let Some(detailed) = detailed {
            let antecedent = minor.substitute(&detailed.minor, &limits).unwrap();
            let whole = Formula::join(Sym::IMP, &[&antecedent, &detailed.conclusion], &limits).unwrap();
            prop_assert_eq!(major.substitute(&detailed.major, &limits).unwrap(), whole);
            prop_assert!(detailed.conclusion.is_canonical());
            prop_assert!(together(&[vec![detailed.conclusion], detailed.major, detailed.minor].concat()).variables() < 1000);
        }
    }

    /// Nothing of one attempt is left for the next, successful or not.
    #[test]
    fn a_detacher_has_no_memory(
        majors in proptest::collection::vec(formulas(4, 12, true), 1..4),
        minors in proptest::collection::vec(formulas(4, 8, true), 1..8),
    ) {
        let limits = Limits::default();
        let mut detacher = Detacher::new();
        let mut conclusion = Vec::new();
        prop_assert!(!detacher.detach(minors[0].symbols(), &mut conclusion, &limits).unwrap());
        for major in &majors {
            detacher.set_major(major.symbols()).unwrap();
            for minor in minors.iter().chain(&minors) {
                let found = detacher.detach(minor.symbols(), &mut conclusion, &limits).unwrap();
                let expected = naive_detach(major, minor);
                prop_assert_eq!(found, expected.is_some());
                prop_assert_eq!(&conclusion[..], expected.as_ref().map_or(&[][..], Formula::symbols));
            }
        }
    }

    #[test]
    fn matching_is_as_defined(general in formulas(3, 8, true), specific in formulas(3, 14, true), images in proptest::collection::vec(formulas(6, 8, true), 3)) {
        let expected = naive_instance(&Term::of(&general), &Term::of(&specific), &mut HashMap::new());
        prop_assert_eq!(is_instance(&general, &specific), expected);
        let instance = general.substitute(&images, &Limits::default()).unwrap();
        prop_assert!(is_instance(&general, &instance));
        prop_assert!(is_instance(&general, &instance.canonical()));
        // Instances of each other are variants of each other.
        prop_assert_eq!(is_instance(&instance, &general), instance.canonical() == general.canonical());
    }

    #[test]
    fn measures_are_as_defined(formula in formulas(9, 40, true)) {
        fn depth(term: &Term) -> usize {
            match term {
                Term::Var(_) => 0,
                Term::Op(_, parts) => 1 + parts.iter().map(depth).max().unwrap(),
            }
        }
        prop_assert_eq!(formula.depth(), depth(&Term::of(&formula)));
        let variables: std::collections::HashSet<u32> = formula.symbols().iter().filter_map(|s| s.variable()).collect();
        prop_assert_eq!(formula.variables() as usize, variables.len());
        if let Some((antecedent, consequent)) = formula.as_implication() {
            let Term::Op(Sym::IMP, parts) = Term::of(&formula) else { panic!("no implication") };
            prop_assert!(antecedent == parts[0].formula().symbols());
            prop_assert!(consequent == parts[1].formula().symbols());
        }
    }
}

fn formula(text: &str) -> Formula {
    text.parse().unwrap()
}

#[test]
fn the_occurs_check_covers_variables_outside_the_consequent() {
    let limits = Limits::default();
    // The antecedent meets p->p only if q were ~q; q is not in the consequent.
    assert_eq!(detach(&formula("CCqNqr"), &formula("Cpp"), &limits), Ok(None));
    assert_eq!(detach(&formula("CCqCqrs"), &formula("CpCNpp"), &limits), Ok(None));
    assert_eq!(detach(&formula("CCqrCKqNrp"), &formula("CNpp"), &limits).unwrap().map(|f| f.to_string()), Some("~p/\\~p->q".into()));
    assert_eq!(detach(&formula("CKqrp"), &formula("KNpp"), &limits).unwrap(), Some(formula("p")));
    // A cycle through two variables.
    assert_eq!(detach(&formula("CKKqrKqrs"), &formula("KKNpNqKqp"), &limits), Ok(None));
}

#[test]
fn an_atom_as_major_premise_proves_an_atom() {
    let limits = Limits::default();
    assert_eq!(detach(&formula("p"), &formula("CpNp"), &limits), Ok(Some(formula("p"))));
    assert_eq!(detach(&formula("Np"), &formula("p"), &limits), Ok(None));
    assert_eq!(detach(&formula("Lp"), &formula("p"), &limits), Ok(None));
}

#[test]
fn variables_of_any_number() {
    let limits = Limits::default();
    let far = Formula::var(Sym::MAX_VAR).unwrap();
    let other = Formula::var(4_000_000_000).unwrap();
    let implication = Formula::join(Sym::IMP, &[&far, &Formula::join(Sym::IMP, &[&other, &far], &limits).unwrap()], &limits).unwrap();
    assert_eq!(detach(&implication, &implication, &limits), Ok(Some(formula("CpCqCrq"))));
    assert!(is_instance(&implication, &formula("CNpCpNp")));
    assert!(!is_instance(&implication, &formula("CNpCpp")));
    // A list of images up to variable four billion is refused, not built.
    assert_eq!(unify(&far, &far, &limits).unwrap_err(), limits.symbols_exceeded());
}
