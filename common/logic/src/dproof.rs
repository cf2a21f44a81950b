//! D-notation of condensed-detachment proofs: `1`..`9` then `a`..`z` are axioms, `D X Y` is condensed detachment with X the
//! major premise (the implication) and Y the minor one, `N X` is necessitation. As in Metamath's pmproofs.txt and pmGenerator.
//!
//! A proof is its own text, which is already flat and in preorder, and ASCII order (`1..9 < D < N < a..z`) is the order of proofs.
//! Texts are prefix-free, so comparing `DXY` is comparing X, then Y.

use crate::dag::Dag;
use crate::error::{Error, Result};
use std::fmt;

/// The number of axioms that have a letter.
pub const MAX_AXIOMS: usize = 35;

/// The letter of axiom `number`, counted from 1; `None` above [`MAX_AXIOMS`].
pub fn axiom_letter(number: usize) -> Option<char> {
    match number {
        1..=9 => Some(char::from(b'0' + number as u8)),
        10..=MAX_AXIOMS => Some(char::from(b'a' + (number - 10) as u8)),
        _ => None,
    }
}

/// The axiom, counted from 1, that a letter stands for.
pub fn axiom_number(letter: u8) -> Option<usize> {
    match letter {
        b'1'..=b'9' => Some((letter - b'0') as usize),
        b'a'..=b'z' => Some((letter - b'a') as usize + 10),
        _ => None,
    }
}

/// A well-formed proof in D-notation. Ordered as the ledger of smallest proofs orders them: by ASCII.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DProof(Box<str>);

impl DProof {
    /// Validates the text: exactly one proof, no blanks. Says nothing about what it proves.
    pub fn parse(text: &str) -> Result<DProof> {
        let mut missing = 1usize;
        for (at, letter) in text.char_indices() {
            if missing == 0 {
                return Err(Error::Malformed(format!("the proof is complete after {at} symbols, but more follows")));
            }
            missing = match letter {
                'D' => missing + 1,
                'N' => missing,
                '1'..='9' | 'a'..='z' => missing - 1,
                other => {
                    return Err(Error::Syntax { column: at + 1, message: format!("`{}` is no symbol of a proof", other.escape_debug()) });
                }
            };
        }
        match missing {
            0 => Ok(DProof(text.into())),
            n => Err(Error::Malformed(format!("the proof ends where {n} more sub-proofs are expected"))),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The length of the proof: its number of symbols.
    #[allow(clippy::len_without_is_empty)] // no proof is empty
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The highest axiom used, counted from 1.
    pub fn highest_axiom(&self) -> usize {
        self.0.bytes().filter_map(axiom_number).max().unwrap_or(0)
    }

    /// Whether necessitation is used.
    pub fn uses_necessitation(&self) -> bool {
        self.0.contains('N')
    }

    /// The distinct sub-proofs and how they depend on each other.
    pub fn dag(&self) -> Dag {
        Dag::of(self)
    }

    /// For text that is a proof by construction.
    pub(crate) fn trusted(text: String) -> DProof {
        DProof(text.into_boxed_str())
    }
}

impl fmt::Display for DProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for DProof {
    type Err = Error;

    fn from_str(text: &str) -> Result<DProof> {
        DProof::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_ascii() {
        let mut proofs: Vec<DProof> =
            ["b", "Na", "D11", "9", "1", "DD211", "D1D11", "a"].iter().map(|text| text.parse().unwrap()).collect();
        proofs.sort();
        let sorted: Vec<&str> = proofs.iter().map(DProof::as_str).collect();
        assert_eq!(sorted, ["1", "9", "D11", "D1D11", "DD211", "Na", "a", "b"]);
    }

    #[test]
    fn only_whole_proofs_are_accepted() {
        let fails = |text: &str| DProof::parse(text).unwrap_err().to_string();
        assert_eq!(fails(""), "the proof ends where 1 more sub-proofs are expected");
        assert_eq!(fails("DD1"), "the proof ends where 2 more sub-proofs are expected");
        assert_eq!(fails("D111"), "the proof is complete after 3 symbols, but more follows");
        assert_eq!(fails("D1 1"), "` ` is no symbol of a proof at column 3");
        assert_eq!(fails("D10"), "`0` is no symbol of a proof at column 3");
        assert_eq!(fails("D1é"), "`é` is no symbol of a proof at column 3");
    }

    #[test]
    fn letters_of_axioms() {
        let letters: String = (1..=MAX_AXIOMS).filter_map(axiom_letter).collect();
        assert_eq!(letters, "123456789abcdefghijklmnopqrstuvwxyz");
        for (letter, number) in letters.bytes().zip(1..) {
            assert_eq!(axiom_number(letter), Some(number));
        }
        assert_eq!((axiom_letter(0), axiom_letter(36), axiom_number(b'0')), (None, None, None));
        let proof: DProof = "DDDaN121".parse().unwrap();
        assert_eq!((proof.highest_axiom(), proof.uses_necessitation(), proof.len()), (10, true, 8));
    }
}
