//! Lines of many proofs, each distinct sub-proof once, with what it proves: what proofs are shortened, explained and written out from.

use crate::dag::{Dag, Step};
use crate::detach::detach;
use crate::dproof::{DProof, axiom_number};
use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym};
use crate::systems::System;
use std::collections::HashMap;

/// A line of a [`Library`]: a step, and what follows by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The step; premises are earlier lines.
    pub step: Step,
    /// What it proves, canonical.
    pub formula: Formula,
    /// Symbols of its D-proof; [`u64::MAX`] stands for that and more.
    pub length: u64,
    /// Height of its proof; an axiom has 0.
    pub height: u64,
}

/// Proofs of one system as numbered lines, each after its premises. What a line proves is for writing it out; whether to believe it is for
/// [`crate::checker`] to say.
#[derive(Clone, Debug)]
pub struct Library {
    system: System,
    limits: Limits,
    lines: Vec<Line>,
    known: HashMap<Step, u32>,
    symbols: usize,
}

impl Library {
    /// No lines yet. All formulas together are held to `limits.max_work` symbols.
    pub fn new(system: System, limits: Limits) -> Library {
        Library { system, limits, lines: Vec::new(), known: HashMap::new(), symbols: 0 }
    }

    /// The axioms and rules.
    pub fn system(&self) -> &System {
        &self.system
    }

    /// All lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The line of that number.
    pub fn line(&self, number: u32) -> &Line {
        &self.lines[number as usize]
    }

    /// The number of the line with this step, which is added if it is new. Fails when it proves nothing, or refers to no line.
    pub fn add(&mut self, step: Step) -> Result<u32> {
        if let Some(&line) = self.known.get(&step) {
            return Ok(line);
        }
        let premise = |line: u32| self.lines.get(line as usize).ok_or_else(|| Error::Malformed(format!("there is no line {line}")));
        let not_a_proof = |what: String| Error::NotAProof(what);
        let (formula, length, height) = match step {
            Step::Axiom(number) => {
                let axiom = usize::from(number).checked_sub(1).and_then(|at| self.system.axioms.get(at));
                let missing = || not_a_proof(format!("there is no axiom {number} among {}", self.system.axioms.len()));
                (axiom.ok_or_else(missing)?.canonical(), 1, 0)
            }
            Step::Detach { major, minor } => {
                let (major, minor) = (premise(major)?, premise(minor)?);
                let found = detach(&major.formula, &minor.formula, &self.limits)?;
                let formula = found.ok_or_else(|| {
                    not_a_proof(format!("{} does not fit the antecedent of {}", shown(&minor.formula), shown(&major.formula)))
                })?;
                (formula, major.length.saturating_add(minor.length).saturating_add(1), 1 + major.height.max(minor.height))
            }
            Step::Necessitate(_) if !self.system.necessitation => {
                return Err(not_a_proof("necessitation is not a rule of this system".into()));
            }
            Step::Necessitate(line) => {
                let line = premise(line)?;
                (Formula::join(Sym::BOX, &[&line.formula], &self.limits)?, line.length.saturating_add(1), 1 + line.height)
            }
        };
        self.symbols = self.symbols.saturating_add(formula.size());
        if self.symbols > self.limits.max_work {
            return Err(Error::Limit { what: "symbols in the lines of all proofs", limit: self.limits.max_work });
        }
        let number = u32::try_from(self.lines.len()).map_err(|_| Error::Limit { what: "lines of proofs", limit: u32::MAX as usize })?;
        self.lines.push(Line { step, formula, length, height });
        self.known.insert(step, number);
        Ok(number)
    }

    /// The number of the line that a proof ends with; what is new of it is added. Fails when it proves nothing, and then says where.
    pub fn add_proof(&mut self, proof: &DProof) -> Result<u32> {
        // From the right, the finished sub-proofs to the right of here, the nearest on top.
        let mut stack: Vec<u32> = Vec::new();
        for (at, letter) in proof.as_str().bytes().enumerate().rev() {
            let mut premise = || stack.pop().ok_or_else(|| Error::Malformed("a proof that is not complete".into()));
            let step = match letter {
                b'D' => Step::Detach { major: premise()?, minor: premise()? },
                b'N' => Step::Necessitate(premise()?),
                letter => Step::Axiom(axiom_number(letter).unwrap_or_default() as u8),
            };
            let line = self.add(step).map_err(|error| match error {
                Error::NotAProof(what) => Error::NotAProof(format!("symbol {} of the proof: {what}", at + 1)),
                other => other,
            })?;
            stack.push(line);
        }
        stack.pop().ok_or_else(|| Error::Malformed("a proof without symbols".into()))
    }

    /// Which lines these ones rest on, themselves included, in ascending order.
    pub fn below(&self, lines: &[u32]) -> Vec<u32> {
        let mut needed = vec![false; self.lines.len()];
        lines.iter().for_each(|&line| needed[line as usize] = true);
        for line in (0..needed.len()).rev() {
            if needed[line] {
                premises(self.lines[line].step).for_each(|premise| needed[premise as usize] = true);
            }
        }
        (0..).zip(needed).filter_map(|(line, needed)| needed.then_some(line)).collect()
    }

    /// The D-proof of a line; fails where it is longer than `max_length` symbols.
    pub fn proof(&self, line: u32, max_length: usize) -> Result<DProof> {
        if self.line(line).length > max_length as u64 {
            return Err(Error::Limit { what: "symbols of a proof", limit: max_length });
        }
        let lines = self.below(&[line]);
        let place = |line: u32| lines.binary_search(&line).unwrap_or_default() as u32;
        let steps = lines.iter().map(|&line| match self.line(line).step {
            Step::Axiom(number) => Step::Axiom(number),
            Step::Detach { major, minor } => Step::Detach { major: place(major), minor: place(minor) },
            Step::Necessitate(premise) => Step::Necessitate(place(premise)),
        });
        Dag::from_steps(steps.collect())?.render(max_length)
    }
}

/// The premises of a step, the major one first.
pub fn premises(step: Step) -> impl Iterator<Item = u32> {
    let (first, second) = match step {
        Step::Axiom(_) => (None, None),
        Step::Detach { major, minor } => (Some(major), Some(minor)),
        Step::Necessitate(premise) => (Some(premise), None),
    };
    first.into_iter().chain(second)
}

/// A formula for a message.
fn shown(formula: &Formula) -> String {
    if formula.size() <= 100 { formula.to_string() } else { format!("a formula of {} symbols", formula.size()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(system: &str) -> Library {
        Library::new(System::named(system).unwrap(), Limits::default())
    }

    #[test]
    fn sub_proofs_of_all_proofs_are_lines_once() {
        let mut library = library("frege");
        let identity = library.add_proof(&"DD211".parse().unwrap()).unwrap();
        let double = library.add_proof(&"DD2DD2D13DD2D1311".parse().unwrap()).unwrap();
        assert_eq!(library.add_proof(&"DD211".parse().unwrap()), Ok(identity));
        assert_eq!(library.line(identity).formula.to_string(), "p->p");
        assert_eq!((library.line(double).formula.to_string().as_str(), library.line(double).length), ("~~p->p", 17));
        assert_eq!(library.line(double).height, 6);
        assert_eq!(library.below(&[identity]).len(), 4);
        assert_eq!(library.proof(double, 17).unwrap().as_str(), "DD2DD2D13DD2D1311");
        assert!(library.proof(double, 16).is_err());
        let lines = library.lines().len();
        library.add_proof(&"D2D13".parse().unwrap()).unwrap();
        assert_eq!(library.lines().len(), lines, "a part of an earlier proof");
    }

    #[test]
    fn what_proves_nothing_is_said() {
        let mut library = library("frege");
        let mut fails = |text: &str| library.add_proof(&text.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(fails("D14"), "symbol 3 of the proof: there is no axiom 4 among 3");
        assert_eq!(fails("N1"), "symbol 1 of the proof: necessitation is not a rule of this system");
        assert_eq!(fails("DD33D11"), "symbol 2 of the proof: (~p->~q)->q->p does not fit the antecedent of (~p->~q)->q->p");
        assert!(library.add(Step::Necessitate(999)).is_err() && library.add(Step::Detach { major: 0, minor: 999 }).is_err());
    }
}
