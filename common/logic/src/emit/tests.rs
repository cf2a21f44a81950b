use super::*;
use crate::System;

fn library(system: &str, proofs: &[&str]) -> (Library, Vec<u32>) {
    let mut library = Library::new(System::named(system).unwrap(), Limits::default());
    let wanted = proofs.iter().map(|proof| library.add_proof(&proof.parse().unwrap()).unwrap()).collect();
    (library, wanted)
}

fn development(system: &str, proofs: &[&str]) -> Development {
    let (library, wanted) = library(system, proofs);
    Development::new(&library, &wanted, &Limits::default()).unwrap()
}

#[test]
fn each_conclusion_is_there_once_after_what_it_rests_on() {
    // Two proofs of p->p, and what follows from the second.
    let development = development("frege", &["DD211", "DD21D11", "1", "D1DD21D11"]);
    let texts: Vec<String> = development.theorems.iter().map(|theorem| theorem.formula.to_string()).collect();
    assert_eq!(texts, ["(p->q)->p->p", "p->p", "p->q->q"]);
    assert_eq!(development.theorems.iter().map(|theorem| theorem.wanted).collect::<Vec<_>>(), [false, true, true]);
    assert_eq!(development.theorems[1].name, "t224ae6d0ae04e5b9");
    assert_eq!(development.theorems[2].rule, Rule::Detach { major: Premise::Axiom(0), minor: Premise::Theorem(1) });
}

#[test]
fn a_conclusion_that_is_an_axiom_is_no_theorem() {
    // The first axiom, detached from identity.
    let development = development("frege", &["DDD2111"]);
    assert_eq!(development.theorems, []);
}

#[test]
fn names_that_begin_alike_are_told_apart() {
    let mut taken = HashSet::new();
    let formula: Formula = "p->p".parse().unwrap();
    let (first, second) = (name(&formula, &mut taken), name(&formula, &mut taken));
    assert_eq!((first.len(), second.len()), (17, 65));
    assert!(second.starts_with(&first));
}

#[test]
fn what_no_premise_says_about_a_variable_is_settled() {
    // Detaching (p->q)->p->p from D22 leaves variables that the conclusion has not.
    let development = development("frege", &["DD211"]);
    let theorem = &development.theorems[1];
    let Rule::Detach { major, minor } = theorem.rule else { panic!("{theorem:?}") };
    let application = development.application(major, minor, &theorem.formula).unwrap();
    let p: Formula = "p".parse().unwrap();
    assert_eq!(application.major, [p.clone(), "p->p".parse::<Formula>().unwrap()]);
    assert_eq!(application.minor, [p.clone(), p]);
}
