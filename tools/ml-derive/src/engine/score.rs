//! Which of the new statements of a level are worth keeping first. Whole numbers only, so that every machine decides alike.

use super::packed::{arity, pack, variable, width};
use ml_logic::Formula;
use std::collections::HashMap;

/// Laws that logicians know by name: wanted before anything else.
const LAWS: &[(&str, &str)] = &[
    ("identity", "Cpp"),
    ("syllogism", "CCpqCCqrCpr"),
    ("syllogism, premises exchanged", "CCqrCCpqCpr"),
    ("exchange of antecedents", "CCpCqrCqCpr"),
    ("contraction", "CCpCpqCpq"),
    ("assertion", "CpCCpqq"),
    ("Peirce's law", "CCCpqpp"),
    ("double negation", "CNNpp"),
    ("converse of double negation", "CpNNp"),
    ("contraposition", "CCpqCNqNp"),
    ("converse contraposition", "CCNpNqCqp"),
    ("contraposition with a negative antecedent", "CCNpqCNqp"),
    ("contraposition with a negative consequent", "CCpNqCqNp"),
    ("Duns Scotus' law", "CpCNpq"),
    ("Duns Scotus' law, exchanged", "CNpCpq"),
    ("Clavius' law", "CCNppp"),
    ("reductio ad absurdum", "CCpNpNp"),
    ("proof by cases", "CCpqCCNpqq"),
    ("possibility of the true", "CpNLNp"),
    ("necessity of necessity", "CLpLLp"),
    ("Brouwer's axiom", "CpLNLNp"),
];

/// How good a statement is; the smallest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    unnamed: bool,
    symbols: u32,
    variables: u32,
    proof_length: u64,
}

/// The judge of statements.
#[derive(Clone, Debug)]
pub struct Judge {
    laws: HashMap<Vec<u8>, &'static str>,
}

impl Default for Judge {
    fn default() -> Self {
        let law = |(name, text): &(&'static str, &str)| Some((pack(&text.parse::<Formula>().ok()?), *name));
        Judge { laws: LAWS.iter().filter_map(law).collect() }
    }
}

impl Judge {
    /// The score of a packed term: laws with names first, then fewer symbols, fewer variables, shorter proofs.
    pub fn score(&self, term: &[u8], proof_length: u64) -> Score {
        let (mut symbols, mut variables, mut at) = (0, 0, 0);
        while at < term.len() {
            symbols += 1;
            if arity(term[at]) == 0 {
                variables = variables.max(variable(&term[at..]).map_or(0, |number| number + 1));
            }
            at += width(term[at]);
        }
        Score { unnamed: !self.laws.contains_key(term), symbols, variables, proof_length }
    }

    /// What logicians call a packed term.
    pub fn name(&self, term: &[u8]) -> Option<&'static str> {
        self.laws.get(term).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_is_a_formula_and_valid() {
        let judge = Judge::default();
        assert_eq!(judge.laws.len(), LAWS.len(), "no law twice, none unreadable");
        for (name, text) in LAWS {
            let formula: Formula = text.parse().unwrap();
            let valid = ml_logic::truth::validity(&formula, &ml_logic::Limits::default());
            assert_eq!(valid, Ok(ml_logic::truth::Validity::Valid), "{name}");
            assert_eq!(judge.name(&pack(&formula)), Some(*name));
        }
    }

    #[test]
    fn named_then_short_then_few_variables_then_short_proofs() {
        let judge = Judge::default();
        let score = |text: &str, length| judge.score(&pack(&text.parse().unwrap()), length);
        assert!(score("CCCpqpp", 99) < score("CpCqq", 5));
        assert!(score("CpCqq", 5) < score("CpCqCrp", 5));
        assert!(score("CpCpp", 9) < score("CpCqq", 5));
        assert!(score("CpCqq", 5) < score("CpCqq", 7));
    }
}
