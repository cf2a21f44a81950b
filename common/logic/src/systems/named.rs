//! The named axiom systems: what they are, and where they come from. docs/systems.md is generated from this table.
//!
//! The names of walsh1 to walsh6 are the numbering of pmGenerator, whose published generations the counts are compared with.

use super::Semantics::{self, Classical, S5};

/// A system as it is written down.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// What command lines call it.
    pub name: &'static str,
    /// Which logic's theorems it derives, as a heading.
    pub logic: &'static str,
    /// The axioms in Polish notation with commas between them, the first being `1` in D-notation.
    pub axioms: &'static str,
    /// Whether necessitation is a rule.
    pub necessitation: bool,
    /// What its theorems are tested for. For a system that is weaker than that logic the test is one-sided: it can refute, never confirm.
    pub semantics: Semantics,
    /// Author, work, year.
    pub source: &'static str,
    /// One sentence on it.
    pub about: &'static str,
    /// The system that has the same axioms under its main name.
    pub alias_of: Option<&'static str>,
}

const CLASSICAL: &str = "Classical logic";
const IMPLICATION: &str = "Classical implication";
const POSITIVE: &str = "Positive (intuitionistic) implication";
const INTUITIONISTIC: &str = "Minimal, intuitionistic and intermediate logic";
const SUBSTRUCTURAL: &str = "Implication without some structural rules";
const MANY_VALUED: &str = "Many-valued logic";
const MODAL: &str = "Modal logic";

const WALSH: &str = "Walsh and Fitelson, Answers to Some Open Questions of Ulrich & Meredith, 2021";
const BELNAP: &str = "Anderson and Belnap, Entailment I, 1975";
const MEREDITH_PRIOR: &str =
    "Meredith and Prior, Notes on the axiomatics of the propositional calculus, Notre Dame J. Formal Logic 4, 1963";

const fn of(logic: &'static str, name: &'static str, axioms: &'static str, source: &'static str, about: &'static str) -> Named {
    Named { name, logic, axioms, necessitation: false, semantics: Classical, source, about, alias_of: None }
}

const fn modal(name: &'static str, axioms: &'static str, source: &'static str, about: &'static str) -> Named {
    Named { name, logic: MODAL, axioms, necessitation: true, semantics: S5, source, about, alias_of: None }
}

/// All of them, by logic.
pub const NAMED: &[Named] = &[
    of(
        CLASSICAL,
        "frege",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp",
        "Łukasiewicz, Elements of Mathematical Logic, 1929, after Frege, Begriffsschrift, 1879",
        "Łukasiewicz's third system; ax-1, ax-2 and ax-3 of Metamath's set.mm, and the base of its pmproofs.txt.",
    ),
    of(
        CLASSICAL,
        "frege-1879",
        "CpCqp,CCpCqrCCpqCpr,CCpCqrCqCpr,CCpqCNqNp,CNNpp,CpNNp",
        "Frege, Begriffsschrift, 1879",
        "The six axioms for implication and negation as Frege had them; the third follows from the first two.",
    ),
    of(
        CLASSICAL,
        "lukasiewicz",
        "CCpqCCqrCpr,CCNppp,CpCNpq",
        "Łukasiewicz, Elements of Mathematical Logic, 1929",
        "Łukasiewicz's first system, with 23 symbols the shortest that is known of three axioms.",
    ),
    of(
        CLASSICAL,
        "mendelson",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCCNpqp",
        "Mendelson, Introduction to Mathematical Logic, 1964",
        "The system L of the textbook: reductio ad absurdum in place of contraposition.",
    ),
    of(
        CLASSICAL,
        "meredith",
        "CCCCCpqCNrNsrtCCtpCsp",
        "Meredith, Single axioms for the systems (C,N), (C,O) and (A,N) of the two-valued propositional calculus, J. Computing Systems 1, 1953",
        "The first single axiom of 21 symbols; none is shorter.",
    ),
    of(
        CLASSICAL,
        "walsh1",
        "CCpCCNpqrCsCCNtCrtCpt",
        WALSH,
        "The first of six further single axioms as short as Meredith's, numbered as pmGenerator does.",
    ),
    of(CLASSICAL, "walsh2", "CpCCqCprCCNrCCNstqCsr", WALSH, "The second of them."),
    of(CLASSICAL, "walsh3", "CpCCNqCCNrsCptCCtqCrq", WALSH, "The third of them."),
    of(CLASSICAL, "walsh4", "CpCCNqCCNrsCtqCCrtCrq", WALSH, "The fourth of them."),
    of(CLASSICAL, "walsh5", "CCpqCCCrCstCqCNsNpCps", WALSH, "The fifth of them."),
    of(CLASSICAL, "walsh6", "CCCpqCCCNrNsrtCCtpCsp", WALSH, "The sixth of them."),
    of(
        CLASSICAL,
        "kleene",
        "CpCqp,CCpqCCpCqrCpr,CpCqKpq,CKpqp,CKpqq,CpApq,CpAqp,CCpqCCrqCAprq,CCpqCCpNqNp,CNNpp",
        "Kleene, Introduction to Metamathematics, 1952",
        "With conjunction and disjunction; the last axiom alone makes it classical.",
    ),
    of(
        IMPLICATION,
        "tarski-bernays",
        "CCpqCCqrCpr,CpCqp,CCCpqpp",
        "Łukasiewicz and Tarski, Untersuchungen über den Aussagenkalkül, 1930, crediting Tarski and Bernays",
        "Syllogism, weakening and Peirce's law: all tautologies of implication alone.",
    ),
    of(
        IMPLICATION,
        "lukasiewicz-implication",
        "CCCpqrCCrpCsp",
        "Łukasiewicz, The shortest axiom of the implicational calculus of propositions, Proc. Royal Irish Academy 52A, 1948",
        "The single axiom of implication, of 13 symbols; none is shorter.",
    ),
    of(
        POSITIVE,
        "hilbert-ks",
        "CpCqp,CCpCqrCCpqCpr",
        "Frege, Begriffsschrift, 1879, axioms 1 and 2",
        "K and S of combinatory logic; the theorems are those of Hilbert's positive implication, which is intuitionistic implication.",
    ),
    Named {
        alias_of: Some("hilbert-ks"),
        ..of(
            POSITIVE,
            "intuitionistic-implication",
            "CpCqp,CCpCqrCCpqCpr",
            "Frege, Begriffsschrift, 1879, axioms 1 and 2",
            "Another name of hilbert-ks.",
        )
    },
    of(
        POSITIVE,
        "hilbert-bernays",
        "CpCqp,CCpCpqCpq,CCpqCCqrCpr",
        "Hilbert and Bernays, Grundlagen der Mathematik I, 1934",
        "Weakening, contraction and syllogism, with the same theorems as hilbert-ks.",
    ),
    of(
        POSITIVE,
        "meredith-positive",
        "CCCpqrCsCCqCrtCqt",
        "Meredith, A single axiom of positive logic, J. Computing Systems 1, 1953",
        "A single axiom of 17 symbols with the theorems of hilbert-ks; HI-1 in Ulrich's list.",
    ),
    of(
        POSITIVE,
        "meredith-positive-2",
        "CpCCqrCCCsqCrtCqt",
        MEREDITH_PRIOR,
        "Another single axiom of 17 symbols with the same theorems; HI-2 in Ulrich's list.",
    ),
    of(
        INTUITIONISTIC,
        "minimal",
        "CpCqp,CCpqCCpCqrCpr,CpCqKpq,CKpqp,CKpqq,CpApq,CpAqp,CCpqCCrqCAprq,CCpqCCpNqNp",
        "Johansson, Der Minimalkalkül, ein reduzierter intuitionistischer Formalismus, Compositio Mathematica 4, 1937",
        "A contradiction proves negations only; here Kleene's axioms without his eighth.",
    ),
    of(
        INTUITIONISTIC,
        "intuitionistic",
        "CpCqp,CCpqCCpCqrCpr,CpCqKpq,CKpqp,CKpqq,CpApq,CpAqp,CCpqCCrqCAprq,CCpqCCpNqNp,CNpCpq",
        "Heyting, Die formalen Regeln der intuitionistischen Logik, 1930, as in Kleene, Introduction to Metamathematics, 1952",
        "With all four connectives.",
    ),
    of(
        INTUITIONISTIC,
        "intuitionistic-negation",
        "CpCqp,CCpCqrCCpqCpr,CCpNpNp,CNpCpq",
        "Carneiro, Metamath's database iset.mm, 2015: ax-1, ax-2, ax-in1 and ax-in2",
        "Intuitionistic implication and negation without the other connectives.",
    ),
    of(
        INTUITIONISTIC,
        "dummett",
        "CpCqp,CCpqCCpCqrCpr,CpCqKpq,CKpqp,CKpqq,CpApq,CpAqp,CCpqCCrqCAprq,CCpqCCpNqNp,CNpCpq,ACpqCqp",
        "Dummett, A propositional calculus with denumerable matrix, J. Symbolic Logic 24, 1959",
        "The intermediate logic LC of linearly ordered truth values, also called Gödel-Dummett logic.",
    ),
    of(
        SUBSTRUCTURAL,
        "bci",
        "CCpqCCrpCrq,CCpCqrCqCpr,Cpp",
        MEREDITH_PRIOR,
        "The combinators B, C and I: each premise is used exactly once; implication of linear logic.",
    ),
    of(SUBSTRUCTURAL, "bck", "CCpqCCrpCrq,CCpCqrCqCpr,CpCqp", MEREDITH_PRIOR, "B, C and K: each premise is used at most once."),
    of(
        SUBSTRUCTURAL,
        "bciw",
        "CCpqCCrpCrq,CCpCqrCqCpr,Cpp,CCpCpqCpq",
        "Church, The weak theory of implication, 1951; Anderson and Belnap, Entailment I, 1975",
        "B, C, I and W: each premise is used at least once; implication of the relevance logic R.",
    ),
    of(
        SUBSTRUCTURAL,
        "entailment",
        "Cpp,CCCppqq,CCpqCCqrCpr,CCpCpqCpq",
        "Anderson and Belnap, The pure calculus of entailment, J. Symbolic Logic 27, 1962",
        "Implication of the logic E: relevant and necessary.",
    ),
    of(
        SUBSTRUCTURAL,
        "bbiw",
        "CCpqCCrpCrq,CCpqCCqrCpr,Cpp,CCpCpqCpq",
        BELNAP,
        "B, B', I and W: implication of the logic T, ticket entailment.",
    ),
    of(
        SUBSTRUCTURAL,
        "bbi",
        "CCpqCCrpCrq,CCpqCCqrCpr,Cpp",
        BELNAP,
        "B, B' and I: T without contraction, P-W, in which no two different formulas imply each other.",
    ),
    of(
        MANY_VALUED,
        "lukasiewicz-infinite",
        "CpCqp,CCpqCCqrCpr,CCCpqqCCqpp,CCNpNqCqp",
        "Łukasiewicz and Tarski, Untersuchungen über den Aussagenkalkül, 1930; complete by Rose and Rosser, 1958",
        "Truth values from 0 to 1; the fifth axiom of the conjecture of 1930 follows from these four.",
    ),
    of(
        MANY_VALUED,
        "lukasiewicz-three",
        "CpCqp,CCpqCCqrCpr,CCNpNqCqp,CCCpNppp",
        "Wajsberg, Aksjomatyzacja trójwartościowego rachunku zdań, 1931",
        "Łukasiewicz's three truth values.",
    ),
    modal(
        "modal-k",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq",
        "Kripke, Semantical analysis of modal logic I, 1963",
        "The smallest normal modal logic, over the frege axioms like the others here.",
    ),
    modal(
        "modal-d",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq,CLpNLNp",
        "Hughes and Cresswell, A New Introduction to Modal Logic, 1996",
        "K, and what is necessary is possible; deontic logic.",
    ),
    modal(
        "modal-t",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq,CLpp",
        "Feys, Les logiques nouvelles des modalités, 1937",
        "K, and what is necessary is so; von Wright's M.",
    ),
    modal(
        "modal-b",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq,CLpp,CpLNLNp",
        "Becker, Zur Logik der Modalitäten, 1930",
        "T, and what is so is necessarily possible; the Brouwersche system.",
    ),
    modal(
        "s4",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq,CLpp,CLpLLp",
        "Gödel, Eine Interpretation des intuitionistischen Aussagenkalküls, 1933, for Lewis and Langford, Symbolic Logic, 1932",
        "T, and what is necessary is necessarily so.",
    ),
    modal(
        "kd45",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLCpqCLpLq,CLpNLNp,CLpLLp,CNLpLNLp",
        "Fagin, Halpern, Moses and Vardi, Reasoning About Knowledge, 1995",
        "D with both introspections; logic of belief.",
    ),
    modal(
        "s5",
        "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLpp,CLCpqCLpLq,CNLNpLNLNp",
        "Lewis and Langford, Symbolic Logic, 1932, in the form of Gödel, 1933",
        "T, and what is possible is necessarily possible; the test of S5 is exact here.",
    ),
];
