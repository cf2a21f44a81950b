//! Which of the new statements of a level are worth keeping first. Whole numbers only, so that every machine decides alike.
//!
//! Before any score there is a gate: what is an instance of anything known is no candidate. Then, each criterion deciding only where all
//! before it are equal, and the bytes of the term where even the last one is:
//!
//! 1. a theorem that logicians know by name ([`ml_logic::theorems`]): people look for these, and there are only some hundred;
//! 2. fewer symbols: small formulas have the most uses, and keep what follows from them small;
//! 3. fewer variables: of two formulas of a size the one that says more of fewer things;
//! 4. a shorter proof for each symbol of the statement, which between statements of equal size is a shorter proof;
//! 5. reuse as a parent: a statement just found is nobody's parent yet; for it stands the number of pairs that concluded it, as what is
//!    reached from many sides will be needed on many ways;
//! 6. how much smaller all proofs become with it as a lemma: the symbols by which the proofs of those pairs, together, are longer than
//!    the shortest of them, which from now on stands in for each.

use super::packed::{arity, pack, variable, width};
use ml_logic::theorems;
use std::cmp::Reverse;
use std::collections::HashMap;

/// How good a statement is; the smallest is the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Score {
    unnamed: bool,
    symbols: u32,
    variables: u32,
    proof_length: u64,
    pairs: Reverse<u32>,
    saved: Reverse<u64>,
}

/// What is known of the proofs of a new statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Symbols of the proof that is kept.
    pub proof_length: u64,
    /// Pairs and necessitations that concluded it.
    pub pairs: u32,
    /// Symbols of all their proofs together.
    pub symbols: u64,
}

/// The judge of statements.
#[derive(Clone, Debug)]
pub struct Judge {
    named: HashMap<Vec<u8>, &'static str>,
}

impl Default for Judge {
    fn default() -> Self {
        Judge { named: theorems::named().map(|(formula, name)| (pack(formula), name)).collect() }
    }
}

impl Judge {
    /// The score of a packed term.
    pub fn score(&self, term: &[u8], found: Found) -> Score {
        let (mut symbols, mut variables, mut at) = (0, 0, 0);
        while at < term.len() {
            symbols += 1;
            if arity(term[at]) == 0 {
                variables = variables.max(variable(&term[at..]).map_or(0, |number| number + 1));
            }
            at += width(term[at]);
        }
        let Found { proof_length, pairs, symbols: all } = found;
        let saved = all.saturating_sub(proof_length.saturating_mul(u64::from(pairs)));
        Score { unnamed: !self.named.contains_key(term), symbols, variables, proof_length, pairs: Reverse(pairs), saved: Reverse(saved) }
    }

    /// What logicians call a packed term.
    pub fn name(&self, term: &[u8]) -> Option<&'static str> {
        self.named.get(term).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_named_theorem_is_recognised() {
        let judge = Judge::default();
        assert_eq!(judge.named.len(), theorems::named().count(), "no two of them are the same bytes");
        for theorem in theorems::principia() {
            assert!(judge.name(&pack(&theorem.proved)).is_some_and(|name| name.contains(theorem.name)), "{}", theorem.name);
        }
        assert_eq!(judge.name(&pack(&"CpCqq".parse().unwrap())), None);
    }

    #[test]
    fn each_criterion_decides_where_those_before_are_equal() {
        let judge = Judge::default();
        let score =
            |text: &str, proof_length, pairs, symbols| judge.score(&pack(&text.parse().unwrap()), Found { proof_length, pairs, symbols });
        let once = |text: &str, length| score(text, length, 1, length);
        assert!(once("CCCpqpp", 99) < once("CpCqq", 5), "a name");
        assert!(once("CpCqq", 5) < once("CpCqCrr", 5), "symbols");
        assert!(once("CpCpp", 9) < once("CpCqq", 5), "variables");
        assert!(once("CpCqq", 5) < score("CpCqq", 7, 9, 90), "the proof");
        assert!(score("CpCqq", 5, 2, 10) < score("CpCqq", 5, 1, 5), "pairs");
        assert!(score("CpCqq", 5, 2, 12) < score("CpCqq", 5, 2, 10), "what is saved");
    }
}
