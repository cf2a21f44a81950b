//! The proof terms that we write: a D-proof with its axioms, so that `DD211 axioms=CpCqp,CCpCqrCCpqCpr` can be checked without the ledger.

use ml_logic::print::polish;
use ml_logic::{DProof, Formula, Limits, parse};

/// Stands between the D-proof and the axioms, in Polish notation, the first being axiom 1.
pub const MARK: &str = " axioms=";

/// A proof term of ours, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProofTerm {
    /// The proof.
    pub proof: DProof,
    /// Its axioms; every digit of the proof has one.
    pub axioms: Vec<Formula>,
}

/// The term for `proofs.proof_term`.
pub fn encode(proof: &str, axioms: &[Formula]) -> String {
    let axioms: Vec<String> = axioms.iter().map(polish).collect();
    format!("{proof}{MARK}{}", axioms.join(","))
}

/// Reads a term of ours; `None` for what anything else wrote.
pub fn decode(term: &str) -> Option<ProofTerm> {
    let limits = Limits::default();
    let (proof, axioms) = term.trim().split_once(MARK)?;
    let proof = DProof::parse(proof).ok()?;
    let axioms: Vec<Formula> =
        axioms.split(',').map(|text| Some(parse::parse_polish(text, &limits).ok()?.formula)).collect::<Option<_>>()?;
    (proof.highest_axiom() <= axioms.len()).then_some(ProofTerm { proof, axioms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_back() {
        let axioms: Vec<Formula> = ["p->q->p", "(p->q->r)->(p->q)->p->r", "(~p->~q)->q->p"].map(|text| text.parse().unwrap()).into();
        let term = encode("DD211", &axioms);
        assert_eq!(term, "DD211 axioms=CpCqp,CCpCqrCCpqCpr,CCNpNqCqp");
        let read = decode(&term).unwrap();
        assert_eq!((read.proof.as_str(), read.axioms), ("DD211", axioms));
    }

    #[test]
    fn foreign_terms_are_none() {
        for term in ["", "by tauto", "DD211", "DD21 axioms=CpCqp", "DD211 axioms=CpCqp", "1 axioms=", "1 axioms=Cp", "D11 axioms=CpCqp,x y"]
        {
            assert_eq!(decode(term), None, "{term}");
        }
    }
}
