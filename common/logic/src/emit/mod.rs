//! Theorems with their proofs as text for other checkers: Metamath, Lean 4, TPTP.
//!
//! All three write out one thing, a [`Development`]: each distinct conclusion once, after those that it is drawn from, and each step seen by
//! [`crate::checker`] before a word of it is written. So a text grows with the number of conclusions and their sizes, while D-proofs can double
//! with each step.

pub mod lean;
pub mod metamath;
pub mod tptp;

use crate::checker::{self, Rules, Verdict};
use crate::dag::Step;
use crate::detach::detachment;
use crate::error::{Error, Limits, Result};
use crate::formula::Formula;
use crate::hash;
use crate::library::{Library, premises};
use std::collections::{HashMap, HashSet};

/// Hex digits of a statement's hash in the name of its theorem.
const DIGITS: usize = 16;

/// What a step builds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Premise {
    /// An axiom, counted from 0.
    Axiom(usize),
    /// A theorem before this one, by its number.
    Theorem(usize),
}

/// How a theorem is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// By condensed detachment.
    Detach {
        /// The implication.
        major: Premise,
        /// The antecedent.
        minor: Premise,
    },
    /// By necessitation.
    Necessitate(Premise),
}

/// A theorem of a [`Development`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theorem {
    /// A letter and the beginning of the statement's hash: the same in every development.
    pub name: String,
    /// Canonical.
    pub formula: Formula,
    /// Its last step.
    pub rule: Rule,
    /// Whether it was asked for; others are there because one of those rests on them.
    pub wanted: bool,
}

/// Theorems, each after those that it rests on, none twice and none an axiom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Development {
    /// Canonical.
    pub axioms: Vec<Formula>,
    /// Whether necessitation is a rule.
    pub necessitation: bool,
    /// In the order to be written.
    pub theorems: Vec<Theorem>,
    limits: Limits,
}

/// A condensed detachment as formal proofs write it: both premises with what their variables become. All variables are those of the
/// conclusion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The minor premise under `minor`.
    pub antecedent: Formula,
    /// What the variables of the major premise become.
    pub major: Vec<Formula>,
    /// What the variables of the minor premise become.
    pub minor: Vec<Formula>,
}

impl Development {
    /// What the lines `wanted` of the library prove, and what that rests on. Fails with [`Error::NotAProof`] when the checker refuses a
    /// step, and at the limits.
    pub fn new(library: &Library, wanted: &[u32], limits: &Limits) -> Result<Development> {
        let system = library.system();
        let mut first: HashMap<&Formula, Premise> = HashMap::new();
        for (at, axiom) in system.axioms.iter().enumerate() {
            first.entry(axiom).or_insert(Premise::Axiom(at));
        }
        // Where several lines prove the same, the first of them stands for all: it rests on none of the others.
        let (mut stands, mut lines) = (HashMap::new(), Vec::new());
        for line in library.below(wanted) {
            let premise = *first.entry(&library.line(line).formula).or_insert_with(|| {
                lines.push(line);
                Premise::Theorem(lines.len() - 1)
            });
            stands.insert(line, premise);
        }
        // Without those others, some lines serve nothing any more.
        let mut needed = vec![false; lines.len()];
        let asked: HashSet<usize> = wanted.iter().filter_map(|line| number(stands[line])).collect();
        for at in (0..lines.len()).rev() {
            needed[at] |= asked.contains(&at);
            if needed[at] {
                premises(library.line(lines[at]).step).filter_map(|line| number(stands[&line])).for_each(|premise| needed[premise] = true);
            }
        }
        let mut place = vec![0; lines.len()];
        let mut development =
            Development { axioms: system.axioms.clone(), necessitation: system.necessitation, theorems: Vec::new(), limits: *limits };
        let mut names = HashSet::new();
        for (at, &line) in lines.iter().enumerate().filter(|(at, _)| needed[*at]) {
            place[at] = development.theorems.len();
            let premise = |line: u32| match stands[&line] {
                Premise::Theorem(at) => Premise::Theorem(place[at]),
                axiom => axiom,
            };
            let rule = match library.line(line).step {
                Step::Detach { major, minor } => Rule::Detach { major: premise(major), minor: premise(minor) },
                Step::Necessitate(line) => Rule::Necessitate(premise(line)),
                Step::Axiom(number) => return Err(Error::Malformed(format!("axiom {number} is not among the axioms"))),
            };
            let formula = library.line(line).formula.clone();
            let name = name(&formula, &mut names);
            let theorem = Theorem { name, formula, rule, wanted: asked.contains(&at) };
            development.check(&theorem, limits)?;
            development.theorems.push(theorem);
        }
        Ok(development)
    }

    /// What a premise says.
    pub fn formula(&self, premise: Premise) -> &Formula {
        match premise {
            Premise::Axiom(at) => &self.axioms[at],
            Premise::Theorem(at) => &self.theorems[at].formula,
        }
    }

    /// The separate checker must draw the same conclusion.
    fn check(&self, theorem: &Theorem, limits: &Limits) -> Result<()> {
        let (axioms, proof) = match theorem.rule {
            Rule::Detach { major, minor } => (vec![self.formula(major).clone(), self.formula(minor).clone()], "D12"),
            Rule::Necessitate(premise) => (vec![self.formula(premise).clone()], "N1"),
        };
        let rules = Rules { axioms: &axioms, necessitation: self.necessitation };
        match checker::check(&rules, proof, &theorem.formula, limits)? {
            Verdict::Exact => Ok(()),
            _ => Err(Error::NotAProof(format!("the checker refuses the last step of {}", theorem.formula))),
        }
    }

    /// The substitutions of a detachment of this development. Fails at the limits, and for premises that cannot be detached.
    pub fn application(&self, major: Premise, minor: Premise, conclusion: &Formula) -> Result<Application> {
        let (major, minor) = (self.formula(major), self.formula(minor));
        let refused = || Error::NotAProof(format!("{minor} does not fit the antecedent of {major}"));
        let found = detachment(major, minor, &self.limits)?.filter(|found| found.conclusion == *conclusion).ok_or_else(refused)?;
        // Variables that the conclusion has not may be anything: so they are one that it has.
        let variables = conclusion.variables();
        let any = Formula::var(0).ok_or_else(refused)?;
        let beyond = found.major.iter().chain(&found.minor).flat_map(|image| image.symbols()).filter_map(|sym| sym.variable()).max();
        let renaming: Vec<Formula> = (0..=beyond.unwrap_or_default())
            .filter_map(|var| if var < variables { Formula::var(var) } else { Some(any.clone()) })
            .collect();
        let rename =
            |images: Vec<Formula>| images.iter().map(|image| image.substitute(&renaming, &self.limits)).collect::<Result<Vec<_>>>();
        let (major, minor_images) = (rename(found.major)?, rename(found.minor)?);
        Ok(Application { antecedent: minor.substitute(&minor_images, &self.limits)?, major, minor: minor_images })
    }
}

fn number(premise: Premise) -> Option<usize> {
    match premise {
        Premise::Axiom(_) => None,
        Premise::Theorem(at) => Some(at),
    }
}

/// A name for a theorem that no other has.
fn name(formula: &Formula, taken: &mut HashSet<String>) -> String {
    let hash = hash::statement(formula);
    let short = format!("t{}", &hash[..DIGITS]);
    let name = if taken.contains(&short) { format!("t{hash}") } else { short };
    taken.insert(name.clone());
    name
}

/// A formula in prefix order as text. `open` is what stands before the parts of a connective, `between` and `close` what stands between
/// and after them.
fn prefix(
    formula: &Formula,
    shape: &dyn Fn(crate::Sym) -> (&'static str, &'static str, &'static str),
    variable: &dyn Fn(u32, &mut String),
) -> String {
    enum Todo {
        Part,
        Text(&'static str),
    }
    let mut out = String::with_capacity(formula.size() * 4);
    let mut todo = vec![Todo::Part];
    let mut symbols = formula.symbols().iter();
    while let Some(item) = todo.pop() {
        if let Todo::Text(text) = item {
            out.push_str(text);
            continue;
        }
        let Some(&sym) = symbols.next() else { break };
        if let Some(var) = sym.variable() {
            variable(var, &mut out);
            continue;
        }
        let (open, between, close) = shape(sym);
        out.push_str(open);
        todo.push(Todo::Text(close));
        todo.push(Todo::Part);
        if sym.arity() == 2 {
            todo.extend([Todo::Text(between), Todo::Part]);
        }
    }
    out
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
