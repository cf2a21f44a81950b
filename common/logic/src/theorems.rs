//! Theorems that logicians know by name, so that a derivation can say what it has found, and what may be said of a proof's length.
//!
//! A name goes to two formulas: the theorem as it was published, and the more general one that its shortest known proof concludes (of
//! *1.3, `q -> (p v q)`, that is `p->q->p`): condensed detachment finds the latter, and the former would be an instance of it.

use crate::formula::Formula;
use std::collections::HashMap;
use std::sync::LazyLock;

const PRINCIPIA: &str = include_str!("principia.txt");

/// Laws by the names that are in use beside the numbers of Principia Mathematica.
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

/// A theorem of the list of Principia Mathematica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Theorem {
    /// `*2.08 Id`.
    pub name: &'static str,
    /// The theorem in implication and negation.
    pub formula: Formula,
    /// What its shortest known proof from the axioms of `frege` concludes: the theorem, or a formula that it is an instance of.
    pub proved: Formula,
    /// The symbols of that proof.
    pub shortest: u32,
}

impl Theorem {
    fn read(line: &'static str) -> Option<Theorem> {
        let mut fields = line.split("; ");
        let (name, formula) = (fields.next()?, fields.next()?.parse::<Formula>().ok()?.canonical());
        let proved = match fields.next()? {
            "=" => formula.clone(),
            text => text.parse::<Formula>().ok()?.canonical(),
        };
        Some(Theorem { name, formula, proved, shortest: fields.next()?.parse().ok()? })
    }
}

static THEOREMS: LazyLock<Vec<Theorem>> =
    LazyLock::new(|| PRINCIPIA.lines().filter(|line| !line.starts_with('#')).filter_map(Theorem::read).collect());

static NAMES: LazyLock<HashMap<Formula, String>> = LazyLock::new(|| {
    let mut names: HashMap<Formula, (Vec<&str>, Vec<&str>)> = HashMap::new();
    for theorem in principia() {
        names.entry(theorem.formula.clone()).or_default().0.push(theorem.name);
        if theorem.proved != theorem.formula {
            names.entry(theorem.proved.clone()).or_default().1.push(theorem.name);
        }
    }
    for (name, text) in LAWS {
        if let Ok(formula) = text.parse::<Formula>() {
            names.entry(formula.canonical()).or_default().0.push(name);
        }
    }
    let joined = |(own, instances): (Vec<&str>, Vec<&str>)| {
        let own = (!own.is_empty()).then(|| own.join(", "));
        let instances = (!instances.is_empty()).then(|| format!("has the instance {}", instances.join(", ")));
        own.into_iter().chain(instances).collect::<Vec<_>>().join("; ")
    };
    names.into_iter().map(|(formula, kinds)| (formula, joined(kinds))).collect()
});

/// The 196 theorems of Metamath's `pmproofs.txt`, in its order: those of propositional calculus in Principia Mathematica, Meredith's single
/// axiom, Peirce's, and the associativity of equivalence.
pub fn principia() -> &'static [Theorem] {
    &THEOREMS
}

/// What a formula is called: `*2.08 Id, identity; has the instance *2.11, *2.53, *2.54`. `None` for most.
pub fn name(formula: &Formula) -> Option<&'static str> {
    NAMES.get(&formula.canonical()).map(String::as_str)
}

/// All formulas that have names, in no particular order.
pub fn named() -> impl Iterator<Item = (&'static Formula, &'static str)> {
    NAMES.iter().map(|(formula, name)| (formula, name.as_str()))
}

/// What may be said of a proof of `length` symbols when nothing was searched through for a shorter one: only an axiom has none for sure.
pub fn length_label(length: usize) -> String {
    match length {
        1 => "minimal up to 1".to_owned(),
        _ => format!("proof of length {length} known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::truth::{Validity, validity};
    use crate::{Limits, is_instance};
    use std::collections::HashSet;

    #[test]
    fn the_list_is_whole_and_true() {
        let theorems = principia();
        assert_eq!((theorems.len(), PRINCIPIA.lines().filter(|line| !line.starts_with('#')).count()), (196, 196));
        assert_eq!(theorems.iter().map(|theorem| theorem.name).collect::<HashSet<_>>().len(), 196);
        assert_eq!(theorems.iter().filter(|theorem| theorem.name.starts_with('*')).count(), 193);
        assert_eq!(theorems.iter().map(|theorem| &theorem.formula).collect::<HashSet<_>>().len(), 183);
        assert_eq!(theorems.iter().map(|theorem| &theorem.proved).collect::<HashSet<_>>().len(), 157);
        for theorem in theorems {
            for formula in [&theorem.formula, &theorem.proved] {
                assert_eq!(validity(formula, &Limits::default()), Ok(Validity::Valid), "{}", theorem.name);
            }
            assert!(theorem.proved == theorem.formula || is_instance(&theorem.proved, &theorem.formula), "{}", theorem.name);
            assert!(theorem.shortest % 2 == 1);
        }
        // One conclusion has one shortest length, whatever names it goes by.
        for (a, b) in theorems.iter().flat_map(|a| theorems.iter().map(move |b| (a, b))) {
            assert!(a.proved != b.proved || a.shortest == b.shortest, "{} and {}", a.name, b.name);
        }
    }

    /// The short ones of Metamath's proofs prove what the list says, by the checker that knows nothing of the list.
    #[test]
    fn known_proofs_prove_the_list() {
        let frege = crate::System::named("frege").unwrap();
        for (name, proof) in [
            ("*2.08 Id", "DD211"),
            ("*2.21", "DD2D131"),
            ("*2.06 Syll", "DD2D1D2DD2D1211"),
            ("*2.14", "DD2DD2D13DD2D1311"),
            ("*2.18", "DD2DD2D13D2DD2D1311"),
            ("*2.16", "DD2D1DD2D13DD2D1DD22D2DD2D13DD2D1311D2D1D3DD2DD2D13DD2D1311"),
            ("*2.521", "DD2D1DD22D11DD2D11DD2D131"),
            ("*4.2", "DD3DD2DD2DD2D13DD2D1311D1DD211DD211"),
            ("*4.25", "DD3DD2DD2DD2D13DD2D1311D11DD2DD2D13D2DD2D1311"),
            ("*5.5", "DD2DD2D1DD2D13DD2D1D2DD2DD2D13DD2D13111DD2D1D2DD2111D11"),
            ("Peirce's axiom", "DD2D1DD2DD2D13D2DD2D1311DD2D1DD22D1DD2D1311"),
        ] {
            let theorem = principia().iter().find(|theorem| theorem.name == name).unwrap();
            assert_eq!(theorem.shortest as usize, proof.len());
            let verdict = crate::checker::check(&frege.rules(), proof, &theorem.proved, &Limits::default());
            assert_eq!(verdict, Ok(crate::checker::Verdict::Exact), "{name}");
        }
    }

    #[test]
    fn laws_are_valid_and_each_is_there_once() {
        let formulas: HashSet<Formula> = LAWS.iter().map(|(_, text)| text.parse::<Formula>().unwrap().canonical()).collect();
        assert_eq!(formulas.len(), LAWS.len());
        assert!(formulas.iter().all(|formula| validity(formula, &Limits::default()) == Ok(Validity::Valid)));
    }

    #[test]
    fn names() {
        let name = |text: &str| name(&text.parse().unwrap());
        assert_eq!(name("q->q"), Some("*2.08 Id, identity; has the instance *2.11, *2.53, *2.54"));
        assert_eq!(name("CpCNqp"), Some("*1.3 Add"), "the theorem itself, although only an instance of what is proved");
        assert_eq!(name("CpCqp"), Some("*2.02 Simp; has the instance *1.3 Add, *2.07"));
        assert_eq!(name("CCCpqpp"), Some("Peirce's axiom, Peirce's law"));
        assert_eq!(name("NCCppNCqq"), Some("has the instance *4.2, *4.54, *4.63, *4.64, *4.66, *4.67"));
        assert_eq!((name("CpCqq"), name("p")), (None, None));
        assert_eq!(named().count(), NAMES.len());
    }

    #[test]
    fn only_an_axiom_is_minimal_unsearched() {
        assert_eq!(length_label(1), "minimal up to 1");
        assert_eq!(length_label(3), "proof of length 3 known");
    }
}
