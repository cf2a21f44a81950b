//! TPTP problems: a theorem each, as a conjecture from the axioms by condensed detachment, in the manner of the TPTP domain LCL: formulas
//! are terms, and `is_a_theorem` is the only predicate. (Sutcliffe, The TPTP Problem Library and Associated Infrastructure, Journal of
//! Automated Reasoning 59, 2017.) Each problem stands alone.

use super::{Development, Theorem, prefix};
use crate::formula::{Formula, Sym};
use crate::names;

/// The problem that has this theorem as its conjecture. The proof is not in it: to find one is the problem.
pub fn problem(development: &Development, theorem: &Theorem) -> String {
    let mut out = format!("% {}\n", theorem.formula);
    out.push_str(
        "fof(condensed_detachment,axiom,\n    ! [X,Y] : ( ( is_a_theorem(implies(X,Y)) & is_a_theorem(X) ) => is_a_theorem(Y) )).\n",
    );
    if development.necessitation {
        out.push_str("fof(necessitation,axiom,\n    ! [X] : ( is_a_theorem(X) => is_a_theorem(necessarily(X)) )).\n");
    }
    for (axiom, number) in development.axioms.iter().zip(1..) {
        out.push_str(&formula(&format!("ax_{number}"), "axiom", axiom));
    }
    out.push_str(&formula(&theorem.name, "conjecture", &theorem.formula));
    out
}

fn formula(name: &str, role: &str, formula: &Formula) -> String {
    let variables: Vec<String> = (0..formula.variables()).map(|var| names::name(var).to_uppercase()).collect();
    let shape = |sym| match sym {
        Sym::IMP => ("implies(", ",", ")"),
        Sym::AND => ("and(", ",", ")"),
        Sym::OR => ("or(", ",", ")"),
        Sym::NOT => ("not(", "", ")"),
        _ => ("necessarily(", "", ")"),
    };
    let term = prefix(formula, &shape, &|var, out| out.push_str(&names::name(var).to_uppercase()));
    format!("fof({name},{role},\n    ! [{}] : is_a_theorem({term})).\n", variables.join(","))
}
