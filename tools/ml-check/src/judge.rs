//! What a proof is worth for the statement it comes with: pure, and the same for records and lines.

use ml_ledger::proof_term::MARK;
use ml_logic::checker::{self, Rules};
use ml_logic::dproof::axiom_number;
use ml_logic::systems::parse_axioms;
use ml_logic::{Error, Formula, Limits, System, hash, parse_any};
use std::collections::HashSet;

/// So many axioms are told in the end; no system of ours has more.
const TOLD_AXIOMS: usize = 35;

/// Longer texts are cut in what people read, in characters.
const SHOWN: usize = 200;

/// What is to be judged. Nothing in it is to be trusted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Claim<'a> {
    /// A D-proof, or one with its axioms in one text, as ledgers store it.
    pub proof: Option<&'a str>,
    /// Its length in symbols, which a record has even when the proof was too long for it.
    pub proof_length: Option<u64>,
    /// What it is said to prove. Without it the proof only has to prove something.
    pub statement: Option<&'a str>,
    /// What is said to be the hash of the statement.
    pub hash: Option<&'a str>,
    /// The axioms that stand with the proof.
    pub axioms: &'a [String],
}

/// The answer; the texts are for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proves the statement, which is this one.
    Exact(String),
    /// Proves the first, of which the statement, the second, is an instance.
    MoreGeneral(String, String),
    /// Is refused: in one word, and why.
    Refused(&'static str, String),
    /// There is no proof, and this is why.
    NoProof(String),
    /// A limit was reached.
    TooLarge(String),
}

/// Judges one claim after another.
#[derive(Debug)]
pub struct Judge {
    system: System,
    /// No other axioms are accepted than those of the system.
    only: bool,
    limits: Limits,
    /// Statements come in long rows with the same axioms: the last ones, as written and as read.
    last: Option<(String, Vec<Formula>)>,
    rests_on: HashSet<Formula>,
}

impl Judge {
    /// `system` is for proofs that come without axioms; with `only` it is for all.
    pub fn new(system: System, only: bool) -> Judge {
        Judge { system, only, limits: Limits::default(), last: None, rests_on: HashSet::new() }
    }

    /// The axioms that the accepted proofs rest on, in canonical text, sorted; None when they are too many to tell.
    pub fn rests_on(&self) -> Option<Vec<String>> {
        let mut texts: Vec<String> = self.rests_on.iter().map(|axiom| shown(&axiom.to_string())).collect();
        texts.sort_unstable();
        (texts.len() <= TOLD_AXIOMS).then_some(texts)
    }

    /// The verdict on a claim.
    pub fn judge(&mut self, claim: &Claim<'_>) -> Verdict {
        self.verdict(claim).unwrap_or_else(|verdict| verdict)
    }

    fn verdict(&mut self, claim: &Claim<'_>) -> Result<Verdict, Verdict> {
        if let (Some(hash), Some(text)) = (claim.hash, claim.statement)
            && hash::statement_text(text) != hash.to_ascii_lowercase()
        {
            return Err(Verdict::Refused("wrong-hash", format!("the hash is not that of the text {}", shown(text))));
        }
        let Some(term) = claim.proof else {
            return Err(Verdict::NoProof(match claim.proof_length {
                Some(length) => format!("its proof of {length} symbols is not in the record"),
                None => "it comes without a proof that can be checked".to_owned(),
            }));
        };
        let limits = self.limits;
        let read = |text| parse_any(text, &limits).map_err(|error| unread("not-a-formula", "the text is no formula", &error));
        let statement = claim.statement.map(read).transpose()?.map(|named| named.formula);
        let (proof, own) = match term.split_once(MARK) {
            Some((proof, list)) => (proof, Some((list.to_owned(), None))),
            None if claim.axioms.is_empty() => (term, None),
            None => (term, Some((claim.axioms.join("\n"), Some(claim.axioms.len())))),
        };
        let (axioms, necessitation) = match own {
            None => (self.system.axioms.as_slice(), self.system.necessitation),
            Some((text, expected)) => (read_axioms(&mut self.last, text, expected, &limits)?, !self.only || self.system.necessitation),
        };
        let used = used_axioms(proof);
        let used = || axioms.iter().enumerate().filter(|(index, _)| used >> index & 1 == 1);
        if self.only
            && let Some((index, axiom)) = used().find(|(_, axiom)| !self.system.axioms.contains(axiom))
        {
            let text = shown(&axiom.to_string());
            return Err(Verdict::Refused("wrong", format!("axiom {} of its proof, {text}, is none of {}", index + 1, self.system.name)));
        }
        let rules = Rules { axioms, necessitation };
        let verdict = match &statement {
            Some(statement) => match checker::check(&rules, proof, statement, &limits) {
                Ok(checker::Verdict::Exact) => Verdict::Exact(shown(&statement.to_string())),
                Ok(checker::Verdict::MoreGeneral(general)) => {
                    Verdict::MoreGeneral(shown(&general.to_string()), shown(&statement.to_string()))
                }
                Ok(checker::Verdict::DoesNotProve(reason)) => return Err(Verdict::Refused("wrong", reason)),
                Err(error) => return Err(unread("wrong", "the proof proves nothing", &error)),
            },
            None => match checker::conclusion(&rules, proof, &limits) {
                Ok(proved) => Verdict::Exact(shown(&proved.to_string())),
                Err(error) => return Err(unread("wrong", "the proof proves nothing", &error)),
            },
        };
        for (_, axiom) in used() {
            if self.rests_on.len() <= TOLD_AXIOMS && !self.rests_on.contains(axiom) {
                self.rests_on.insert(axiom.clone());
            }
        }
        Ok(verdict)
    }
}

/// Reads axioms, unless they are those of the proof before. `expected` is how many there must be.
fn read_axioms<'l>(
    last: &'l mut Option<(String, Vec<Formula>)>,
    text: String,
    expected: Option<usize>,
    limits: &Limits,
) -> Result<&'l [Formula], Verdict> {
    if last.as_ref().is_none_or(|(known, _)| *known != text) {
        *last = None;
        let axioms = parse_axioms(&text, limits).map_err(|error| unread("wrong", "its axioms cannot be read", &error))?;
        // A comma or a comment within one would shift what the digits of the proof name.
        if expected.is_some_and(|count| count != axioms.len()) {
            return Err(Verdict::Refused("wrong", "its axioms cannot be read: each must be one formula".to_owned()));
        }
        *last = Some((text, axioms.iter().map(Formula::canonical).collect()));
    }
    Ok(last.as_ref().map_or(&[], |(_, axioms)| axioms))
}

/// A limit leaves the question open; anything else is the fault of the text.
fn unread(word: &'static str, what: &str, error: &Error) -> Verdict {
    match error {
        Error::Limit { .. } => Verdict::TooLarge(format!("a limit was reached: {error}")),
        _ => Verdict::Refused(word, format!("{what}: {error}")),
    }
}

/// Which axioms a proof names, one bit each.
fn used_axioms(proof: &str) -> u64 {
    proof.bytes().filter_map(axiom_number).fold(0, |used, number| used | 1 << (number - 1))
}

/// As much of a text as a person reads.
fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
