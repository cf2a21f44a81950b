//! What the tests of this crate share: random formulas, and a term type written for clarity alone to hold results against.
#![allow(dead_code)] // each test file takes what it needs

use ml_logic::{Formula, Limits, Sym};
use proptest::prelude::*;
use std::collections::HashMap;

/// Random formulas over `variables` variables of up to about `size` symbols; with boxes where `modal`.
pub fn formulas(variables: u32, size: usize, modal: bool) -> impl Strategy<Value = Formula> {
    // Codes of a stack machine: shorter codes and smaller numbers make simpler formulas, so failures shrink well.
    proptest::collection::vec((0u32..12, 0..variables), 1..size.max(2)).prop_map(move |codes| {
        let limits = Limits::default();
        let mut stack: Vec<Formula> = Vec::new();
        for (code, variable) in codes {
            let connective = match code {
                0..6 => None,
                6..9 => Some(Sym::IMP),
                9 => Some(Sym::NOT),
                10 if modal => Some(Sym::BOX),
                10 => Some(Sym::AND),
                _ => Some(Sym::OR),
            };
            let next = match connective {
                Some(c) if stack.len() >= c.arity() => {
                    let parts = stack.split_off(stack.len() - c.arity());
                    Formula::join(c, &parts.iter().collect::<Vec<_>>(), &limits).unwrap()
                }
                _ => Formula::var(variable).unwrap(),
            };
            stack.push(next);
        }
        let join = |right: Formula, left: Formula| Formula::join(Sym::IMP, &[&left, &right], &limits).unwrap();
        stack.into_iter().rev().reduce(join).unwrap()
    })
}

/// A formula as anybody would write it down first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Term {
    Var(u32),
    Op(Sym, Vec<Term>),
}

impl Term {
    pub fn of(formula: &Formula) -> Term {
        fn next(symbols: &mut std::slice::Iter<Sym>) -> Term {
            let sym = *symbols.next().unwrap();
            match sym.variable() {
                Some(var) => Term::Var(var),
                None => Term::Op(sym, (0..sym.arity()).map(|_| next(symbols)).collect()),
            }
        }
        next(&mut formula.symbols().iter())
    }

    pub fn formula(&self) -> Formula {
        fn push(term: &Term, symbols: &mut Vec<Sym>) {
            match term {
                Term::Var(var) => symbols.push(Sym::var(*var).unwrap()),
                Term::Op(sym, parts) => {
                    symbols.push(*sym);
                    parts.iter().for_each(|part| push(part, symbols));
                }
            }
        }
        let mut symbols = Vec::new();
        push(self, &mut symbols);
        Formula::from_symbols(symbols, &Limits::default()).unwrap()
    }

    /// Infix text with every parenthesis that there can be.
    pub fn parenthesised(&self) -> String {
        match self {
            Term::Var(var) => ml_logic::names::name(*var),
            Term::Op(Sym::NOT, parts) => format!("(~{})", parts[0].parenthesised()),
            Term::Op(Sym::BOX, parts) => format!("([]{})", parts[0].parenthesised()),
            Term::Op(sym, parts) => {
                let text = match *sym {
                    Sym::IMP => "->",
                    Sym::AND => "/\\",
                    _ => "\\/",
                };
                format!("({} {text} {})", parts[0].parenthesised(), parts[1].parenthesised())
            }
        }
    }

    pub fn shifted(&self, by: u32) -> Term {
        match self {
            Term::Var(var) => Term::Var(var + by),
            Term::Op(sym, parts) => Term::Op(*sym, parts.iter().map(|part| part.shifted(by)).collect()),
        }
    }

    pub fn under(&self, bindings: &HashMap<u32, Term>) -> Term {
        match self {
            Term::Var(var) => bindings.get(var).map_or_else(|| self.clone(), |term| term.under(bindings)),
            Term::Op(sym, parts) => Term::Op(*sym, parts.iter().map(|part| part.under(bindings)).collect()),
        }
    }

    fn has(&self, var: u32) -> bool {
        match self {
            Term::Var(own) => *own == var,
            Term::Op(_, parts) => parts.iter().any(|part| part.has(var)),
        }
    }
}

/// Robinson's unification as in the textbook: recursive, each binding applied before the next comparison.
pub fn naive_unify(a: &Term, b: &Term, bindings: &mut HashMap<u32, Term>) -> bool {
    let (a, b) = (a.under(bindings), b.under(bindings));
    match (&a, &b) {
        (Term::Var(x), Term::Var(y)) if x == y => true,
        (Term::Var(x), term) | (term, Term::Var(x)) => {
            if term.has(*x) {
                return false;
            }
            bindings.insert(*x, term.clone());
            true
        }
        (Term::Op(f, left), Term::Op(g, right)) => f == g && left.iter().zip(right).all(|(l, r)| naive_unify(l, r, bindings)),
    }
}

/// Condensed detachment from the definition.
pub fn naive_detach(major: &Formula, minor: &Formula) -> Option<Formula> {
    let (major, minor) = (Term::of(major), Term::of(minor).shifted(1_000_000));
    let (antecedent, consequent) = match &major {
        Term::Op(Sym::IMP, parts) => (parts[0].clone(), parts[1].clone()),
        Term::Op(..) => return None,
        Term::Var(_) => (Term::Var(2_000_000), Term::Var(2_000_001)),
    };
    let mut bindings = HashMap::new();
    naive_unify(&antecedent, &minor, &mut bindings).then(|| consequent.under(&bindings).formula().canonical())
}

/// One-way matching from the definition.
pub fn naive_instance(general: &Term, specific: &Term, images: &mut HashMap<u32, Term>) -> bool {
    match (general, specific) {
        (Term::Var(var), _) => images.entry(*var).or_insert_with(|| specific.clone()) == specific,
        (Term::Op(f, left), Term::Op(g, right)) => f == g && left.iter().zip(right).all(|(l, r)| naive_instance(l, r, images)),
        _ => false,
    }
}
