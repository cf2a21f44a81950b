//! Truth tables against the definition of truth, one model at a time.

#![allow(clippy::unwrap_used, clippy::panic)] // also in the helpers of tests

mod kit;

use kit::{Term, formulas};
use ml_logic::truth::{Validity, tautology, validity};
use ml_logic::{Limits, Sym, System};
use proptest::prelude::*;

/// Whether a formula is true at a world of a model.
fn holds(term: &Term, model: &[Vec<bool>], world: usize) -> bool {
    let part = |at: usize, parts: &[Term]| holds(&parts[at], model, world);
    match term {
        Term::Var(var) => model[world][*var as usize],
        Term::Op(Sym::NOT, parts) => !part(0, parts),
        Term::Op(Sym::AND, parts) => part(0, parts) && part(1, parts),
        Term::Op(Sym::OR, parts) => part(0, parts) || part(1, parts),
        Term::Op(Sym::IMP, parts) => !part(0, parts) || part(1, parts),
        Term::Op(_, parts) => (0..model.len()).all(|other| holds(&parts[0], model, other)),
    }
}

/// All models of so many worlds and variables.
fn models(worlds: usize, variables: usize) -> impl Iterator<Item = Vec<Vec<bool>>> {
    (0..1u32 << (worlds * variables))
        .map(move |bits| (0..worlds).map(|w| (0..variables).map(|v| bits >> (w * variables + v) & 1 == 1).collect()).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two variables make four kinds of worlds, so four worlds are every model there is.
    #[test]
    fn modal_formulas(formula in formulas(2, 14, true)) {
        let formula = formula.canonical();
        let term = Term::of(&formula);
        let variables = formula.variables() as usize;
        let valid = models(4, variables).all(|model| holds(&term, &model, 0));
        match validity(&formula, &Limits::default()).unwrap() {
            Validity::Valid => prop_assert!(valid),
            Validity::Refuted(model) => prop_assert!(!valid && !holds(&term, &model, 0)),
            Validity::NotRefuted { .. } => prop_assert!(false, "two variables are always decided"),
        }
    }

    /// Enough variables that a table has several blocks.
    #[test]
    fn classical_formulas(formula in formulas(11, 40, false)) {
        let formula = formula.canonical();
        let term = Term::of(&formula);
        let valid = models(1, formula.variables() as usize).all(|model| holds(&term, &model, 0));
        prop_assert_eq!(tautology(&formula, &Limits::default()), Ok(valid));
        if let Validity::Refuted(model) = validity(&formula, &Limits::default()).unwrap() {
            prop_assert!(!holds(&term, &model, 0));
        }
    }

    /// Fewer worlds than needed never make a formula valid.
    #[test]
    fn tight_limits_only_leave_open(formula in formulas(3, 20, true), work in 0usize..20_000) {
        let limits = Limits { max_work: work, ..Limits::default() };
        let decided = validity(&formula, &Limits::default()).unwrap();
        match validity(&formula, &limits) {
            Ok(Validity::Valid) => prop_assert_eq!(decided, Validity::Valid),
            Ok(Validity::Refuted(_)) => prop_assert!(matches!(decided, Validity::Refuted(_))),
            Ok(Validity::NotRefuted { .. }) | Err(_) => {}
        }
    }
}

/// Each system can tell a wrong conclusion, and says nothing of what it cannot test.
#[test]
fn soundness_of_statements() {
    let limits = Limits::default();
    let sound = |name: &str, text: &str| System::named(name).unwrap().sound(&text.parse().unwrap(), &limits);
    assert_eq!(sound("frege", "p->p"), Some(true));
    assert_eq!(sound("frege", "p->q"), Some(false));
    assert_eq!(sound("hilbert-ks", "((p->q)->p)->p"), Some(true), "true, though not provable there");
    assert_eq!(sound("s5", "p->[]p"), Some(false));
    assert_eq!(sound("s5", "[]p->[][]p"), Some(true));
    let small = Limits { max_work: 100, ..limits };
    assert_eq!(System::named("s5").unwrap().sound(&"[](p->q)->[](q->p)->r->r".parse().unwrap(), &small), None);
}
