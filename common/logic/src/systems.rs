//! Axiom systems: the named ones whose exhaustive counts are published, and those that users write down.

use crate::checker::Rules;
use crate::dproof::MAX_AXIOMS;
use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym};
use crate::parse::parse_any;
use crate::truth::{Validity, validity};

/// What every statement derived in a system is known to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Semantics {
    /// A classical tautology: truth tables apply, also to fragments such as K, S that prove fewer.
    Classical,
    /// Valid in S5: true in all models of worlds that all see each other.
    S5,
    /// Not known: some axiom is not valid in either sense, or too large to say.
    Unknown,
}

/// Axioms and rules. Condensed detachment is always a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// What the system is called on command lines and in files.
    pub name: String,
    /// The axioms; the first is `1` in D-notation. Canonical.
    pub axioms: Vec<Formula>,
    /// Whether necessitation (`N`) is a rule.
    pub necessitation: bool,
    /// What derived statements can be tested for.
    pub semantics: Semantics,
}

/// A named system as it is written down.
struct Named {
    name: &'static str,
    axioms: &'static str,
    necessitation: bool,
}

const NAMED: &[Named] = &[
    // Łukasiewicz's third system (Elements of Mathematical Logic 1929; Aristotle's Syllogistic 1951 simplifies Frege's
    // six axioms of 1879 to it); ax-1, ax-2, ax-3 of Metamath's set.mm and the base of its pmproofs.txt.
    Named { name: "frege", axioms: "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp", necessitation: false },
    // Hilbert's positive implicational calculus (Hilbert and Bernays 1934): K and S of combinatory logic.
    Named { name: "hilbert-ks", axioms: "CpCqp,CCpCqrCCpqCpr", necessitation: false },
    // Meredith, Single axioms for the systems (C,N), (C,O) and (A,N) of the two-valued propositional calculus,
    // Journal of Computing Systems 1, 1953.
    Named { name: "meredith", axioms: "CCCCCpqCNrNsrtCCtpCsp", necessitation: false },
    // Walsh and Fitelson, Answers to Some Open Questions of Ulrich & Meredith, 2021: further single axioms as short as
    // Meredith's. The first two, in the numbering of pmGenerator.
    Named { name: "walsh1", axioms: "CCpCCNpqrCsCCNtCrtCpt", necessitation: false },
    Named { name: "walsh2", axioms: "CpCCqCprCCNrCCNstqCsr", necessitation: false },
    // Lewis and Langford, Symbolic Logic 1932, in Gödel's form of 1933: the frege axioms, T, K and 5, and necessitation.
    Named { name: "s5", axioms: "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp,CLpp,CLCpqCLpLq,CNLNpLNLNp", necessitation: true },
];

impl System {
    /// A system of a user's own. Its semantics are found by testing the axioms; see [`Semantics`].
    pub fn new(name: &str, axioms: Vec<Formula>, necessitation: bool, limits: &Limits) -> Result<System> {
        if axioms.is_empty() {
            return Err(Error::Malformed("an axiom system without axioms".into()));
        }
        if axioms.len() > MAX_AXIOMS {
            return Err(Error::Limit { what: "axioms of a system", limit: MAX_AXIOMS });
        }
        let axioms: Vec<Formula> = axioms.iter().map(Formula::canonical).collect();
        let modal = necessitation || axioms.iter().any(|axiom| axiom.contains(Sym::BOX));
        let valid = |axiom: &Formula| matches!(validity(axiom, limits), Ok(Validity::Valid));
        let semantics = match axioms.iter().all(valid) {
            true if modal => Semantics::S5,
            true => Semantics::Classical,
            false => Semantics::Unknown,
        };
        Ok(System { name: name.to_owned(), axioms, necessitation, semantics })
    }

    /// A system by its name: `frege`, `hilbert-ks`, `meredith`, `walsh1`, `walsh2` or `s5`.
    pub fn named(name: &str) -> Result<System> {
        let Some(found) = NAMED.iter().find(|system| system.name == name) else {
            let known: Vec<&str> = System::names().collect();
            return Err(Error::Malformed(format!("no axiom system is called `{}` (there are {})", name.escape_debug(), known.join(", "))));
        };
        let limits = Limits::default();
        let axioms = parse_axioms(found.axioms, &limits)?;
        System::new(found.name, axioms, found.necessitation, &limits)
    }

    /// The names that [`System::named`] knows.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|system| system.name)
    }

    /// The axioms and rules as the checker takes them.
    pub fn rules(&self) -> Rules<'_> {
        Rules { axioms: &self.axioms, necessitation: self.necessitation }
    }

    /// Whether `statement`, derived in this system, is what such a statement must be. `None` when that cannot be told:
    /// unknown semantics, too many variables or worlds. `Some(false)` means that the derivation is wrong.
    pub fn sound(&self, statement: &Formula, limits: &Limits) -> Option<bool> {
        if self.semantics == Semantics::Unknown {
            return None;
        }
        match validity(statement, limits) {
            Ok(Validity::Valid) => Some(true),
            Ok(Validity::Refuted(_)) => Some(false),
            Ok(Validity::NotRefuted { .. }) | Err(_) => None,
        }
    }
}

/// Reads the axioms of a user's system: formulas in any notation that [`parse_any`] reads, one a line or between commas. What
/// follows `#` on a line is a comment.
pub fn parse_axioms(text: &str, limits: &Limits) -> Result<Vec<Formula>> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default());
    let pieces = lines.flat_map(|line| line.split(',')).map(str::trim);
    let mut axioms = Vec::new();
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        let parsed = parse_any(piece, limits).map_err(|error| match error {
            Error::Syntax { column, message } => Error::Syntax { column, message: format!("axiom {}: {message}", axioms.len() + 1) },
            other => other,
        })?;
        axioms.push(parsed.formula);
        if axioms.len() > MAX_AXIOMS {
            return Err(Error::Limit { what: "axioms of a system", limit: MAX_AXIOMS });
        }
    }
    if axioms.is_empty() {
        return Err(Error::Malformed("an axiom system without axioms".into()));
    }
    Ok(axioms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_systems_are_sound() {
        let semantics: Vec<(String, usize, Semantics)> = System::names()
            .map(|name| System::named(name).unwrap())
            .map(|system| (system.name, system.axioms.len(), system.semantics))
            .collect();
        let classical = |name: &str, axioms| (name.to_owned(), axioms, Semantics::Classical);
        assert_eq!(
            semantics,
            [
                classical("frege", 3),
                classical("hilbert-ks", 2),
                classical("meredith", 1),
                classical("walsh1", 1),
                classical("walsh2", 1),
                ("s5".to_owned(), 6, Semantics::S5),
            ]
        );
        assert!(System::named("s5").unwrap().necessitation);
        assert_eq!(
            System::named("S5\n").unwrap_err().to_string(),
            "no axiom system is called `S5\\n` (there are frege, hilbert-ks, meredith, walsh1, walsh2, s5)"
        );
    }

    #[test]
    fn axioms_of_users() {
        let limits = Limits::default();
        let text = "# mine\nCpCqp, a -> (b -> a)\r\n\n  ¬¬x → x # classical\n";
        let axioms = parse_axioms(text, &limits).unwrap();
        let texts: Vec<String> = axioms.iter().map(Formula::to_string).collect();
        assert_eq!(texts, ["p->q->p", "p->q->p", "~~p->p"]);
        let fails = |text: &str| parse_axioms(text, &limits).unwrap_err().to_string();
        assert_eq!(fails("CpCqp,Cpq)"), "axiom 2: `)` without its `(` at column 4");
        assert_eq!(fails(" # none\n,"), "an axiom system without axioms");
        assert_eq!(fails(&"p\n".repeat(36)), "more than 35 axioms of a system");
        let unsound = System::new("mine", parse_axioms("CpNp", &limits).unwrap(), false, &limits).unwrap();
        assert_eq!(unsound.semantics, Semantics::Unknown);
        assert_eq!(unsound.sound(&"p".parse().unwrap(), &limits), None);
    }
}
