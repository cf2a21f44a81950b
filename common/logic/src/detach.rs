//! Condensed detachment (Meredith's rule D): from `A -> B` and `C`, the most general conclusion of detachment.
//!
//! The two premises are renamed apart, the minor premise is unified with the antecedent of the major one, with the occurs
//! check over the whole unifier, and the conclusion is the consequent under the unifier, its variables numbered by first
//! occurrence. (Kalman, Condensed detachment as a rule of inference, Studia Logica 42, 1983.)

use crate::checker::Rules;
use crate::dag::{Dag, Step};
use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym, subterm_end};
use crate::unify::Unifier;
use crate::varmap::VarMap;

/// What a major premise that is an atom stands for: it can become any implication.
const RULE: [Sym; 3] = [Sym::IMP, Sym::small_var(0), Sym::small_var(1)];

/// The conclusion of condensed detachment, canonical; `None` when it fails. An atom as major premise can become any
/// implication, so its conclusion is an atom.
pub fn detach(major: &Formula, minor: &Formula, limits: &Limits) -> Result<Option<Formula>> {
    let mut detacher = Detacher::new();
    detacher.set_major(major.symbols())?;
    let mut conclusion = Vec::new();
    let found = detacher.detach(minor.symbols(), &mut conclusion, limits)?;
    Ok(found.then(|| Formula::trusted(conclusion)))
}

/// Condensed detachment of one major premise with many minor ones: the major is taken apart once.
#[derive(Default)]
pub struct Detacher {
    unifier: Unifier,
    major_end: u32,
}

impl Detacher {
    /// A detacher without a major premise, which concludes nothing.
    pub fn new() -> Detacher {
        Detacher::default()
    }

    /// Sets the major premise: the symbols of one formula.
    pub fn set_major(&mut self, major: &[Sym]) -> Result<()> {
        self.major_end = 0;
        self.unifier.truncate(0);
        if major.first().is_some_and(|sym| sym.is_var()) {
            self.unifier.load(&RULE)?;
        } else {
            self.unifier.load(major)?;
        }
        self.major_end = self.unifier.len();
        Ok(())
    }

    /// Replaces `conclusion` by the conclusion for this minor premise, the symbols of one formula; false, and `conclusion` is
    /// empty, when detachment fails.
    pub fn detach(&mut self, minor: &[Sym], conclusion: &mut Vec<Sym>, limits: &Limits) -> Result<bool> {
        conclusion.clear();
        let Some(consequent) = self.unify_with(minor)? else {
            return Ok(false);
        };
        let written = self.unifier.write(consequent, conclusion, limits);
        if written.is_err() {
            conclusion.clear();
        }
        written.map(|()| true)
    }

    /// Unifies the antecedent with `minor`; the position of the consequent, if that went well.
    fn unify_with(&mut self, minor: &[Sym]) -> Result<Option<u32>> {
        self.unifier.truncate(self.major_end);
        if self.unifier.is_empty() {
            return Ok(None);
        }
        let Some((antecedent, consequent)) = self.unifier.implication(0) else {
            return Ok(None);
        };
        // Most failures are seen before anything is loaded.
        let root = self.unifier.symbol(antecedent);
        if !root.is_var() && minor.first().is_some_and(|sym| !sym.is_var() && *sym != root) {
            return Ok(None);
        }
        let minor = self.unifier.load(minor)?;
        Ok(self.unifier.unify(antecedent, minor).then_some(consequent))
    }
}

/// A detachment with all that a formal proof writes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detachment {
    /// What follows, canonical.
    pub conclusion: Formula,
    /// What each variable of the major premise becomes, for [`Formula::substitute`]. Variables that are not in
    /// the conclusion have the numbers after those that are.
    pub major: Vec<Formula>,
    /// The same for the minor premise.
    pub minor: Vec<Formula>,
}

/// Condensed detachment with its substitutions: the major premise under `major` is exactly the minor one under `minor`, implying
/// `conclusion`. Each of the three is held to `limits.max_symbols` in all.
pub fn detachment(major: &Formula, minor: &Formula, limits: &Limits) -> Result<Option<Detachment>> {
    let mut unifier = Unifier::new();
    let rule = unifier.load(&RULE)?;
    unifier.rename_apart();
    let whole_major = unifier.load(major.symbols())?;
    let major_variables = unifier.variables(major.symbols().iter(), limits)?;
    unifier.rename_apart();
    let whole_minor = unifier.load(minor.symbols())?;
    let minor_variables = unifier.variables(minor.symbols().iter(), limits)?;
    if !unifier.unify(rule, whole_major) || !unifier.unify(rule + 1, whole_minor) {
        return Ok(None);
    }
    Ok(Some(Detachment {
        conclusion: unifier.formula(rule + 2, limits)?,
        major: unifier.images(&major_variables, limits)?,
        minor: unifier.images(&minor_variables, limits)?,
    }))
}

/// What each line of a proof proves, canonical. Fails as the first line that proves nothing does, and at `limits.max_work` symbols
/// in all. For writing proofs out; whether to believe one is for [`crate::checker`] to say.
pub fn conclusions(proof: &Dag, rules: &Rules, limits: &Limits) -> Result<Vec<Formula>> {
    let mut lines: Vec<Formula> = Vec::with_capacity(proof.steps().len());
    let mut symbols = 0usize;
    for (at, step) in proof.steps().iter().enumerate() {
        let wrong = |what: &str| Error::NotAProof(format!("line {at} of the proof: {what}"));
        let line = match *step {
            Step::Axiom(number) => {
                let axiom = rules.axioms.get(usize::from(number).wrapping_sub(1));
                axiom.ok_or_else(|| wrong("no such axiom"))?.canonical()
            }
            Step::Detach { major, minor } => detach(&lines[major as usize], &lines[minor as usize], limits)?
                .ok_or_else(|| wrong("the minor premise does not fit the antecedent of the major premise"))?,
            Step::Necessitate(premise) if rules.necessitation => Formula::join(Sym::BOX, &[&lines[premise as usize]], limits)?,
            Step::Necessitate(_) => return Err(wrong("necessitation is not a rule of this system")),
        };
        symbols = symbols.saturating_add(line.size());
        if symbols > limits.max_work {
            return Err(Error::Limit { what: "symbols in the lines of one proof", limit: limits.max_work });
        }
        lines.push(line);
    }
    Ok(lines)
}

/// Whether `specific` is `general` with something put in place of its variables (the same for the same variable).
pub fn is_instance(general: &Formula, specific: &Formula) -> bool {
    is_instance_of(general.symbols(), specific.symbols())
}

/// [`is_instance`] for the symbols of two formulas. Linear time.
pub fn is_instance_of(general: &[Sym], specific: &[Sym]) -> bool {
    let mut starts = VarMap::default();
    let mut at = 0;
    for sym in general {
        let Some(found) = specific.get(at) else { return false };
        let Some(var) = sym.variable() else {
            if sym != found {
                return false;
            }
            at += 1;
            continue;
        };
        let Some(end) = subterm_end(specific, at) else {
            return false;
        };
        // The image is a prefix-free slice of the specific formula: equal slices are equal subterms.
        let image = &specific[at..end];
        let first = starts.get_or_insert(var, at as u32) as usize;
        if first != at && specific.get(first..first + image.len()) != Some(image) {
            return false;
        }
        at = end;
    }
    at == specific.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checker;
    use crate::systems::System;

    fn formula(text: &str) -> Formula {
        text.parse().unwrap()
    }

    /// Theorems of Principia Mathematica with their proofs in Metamath's pmproofs.txt: detachment and checker agree on them.
    #[test]
    fn known_proofs() {
        let frege = System::named("frege").unwrap();
        let limits = Limits::default();
        for (proof, proved) in [
            ("D11", "p->q->r->q"),
            ("DD211", "p->p"),
            ("DD2D121", "(p->q)->(r->p)->r->q"),
            ("DD2D131", "~p->p->q"),
            ("DD2DD2D13DD2D1311", "~~p->p"),
        ] {
            let dag = proof.parse::<crate::DProof>().unwrap().dag();
            let mut lines = conclusions(&dag, &frege.rules(), &limits).unwrap();
            assert_eq!(lines.pop().unwrap().to_string(), proved);
            assert_eq!(checker::check(&frege.rules(), proof, &formula(proved), &limits), Ok(checker::Verdict::Exact));
        }
    }

    #[test]
    fn substitutions_are_those_of_a_formal_proof() {
        let limits = Limits::default();
        let (major, minor) = (formula("CCpCqrCCpqCpr"), formula("CpCqp"));
        let found = detachment(&major, &minor, &limits).unwrap().unwrap();
        assert_eq!(found.conclusion, formula("CCpqCpp"));
        let whole = major.substitute(&found.major, &limits).unwrap();
        let (antecedent, consequent) = whole.as_implication().unwrap();
        assert_eq!(antecedent, minor.substitute(&found.minor, &limits).unwrap().symbols());
        assert_eq!(consequent, found.conclusion.symbols());
    }
}
