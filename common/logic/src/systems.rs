//! Axiom systems: the named ones whose exhaustive counts are published, and those that users write down.

use crate::checker::Rules;
use crate::dproof::MAX_AXIOMS;
use crate::error::{Error, Limits, Result};
use crate::formula::{Formula, Sym};
use crate::parse::parse_any;
use crate::truth::{Validity, validity};

mod named;
#[cfg(test)]
mod tests;

pub use named::{NAMED, Named};

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

    /// A system of the table [`NAMED`] by its name.
    pub fn named(name: &str) -> Result<System> {
        let Some(found) = NAMED.iter().find(|system| system.name == name) else {
            let shown: String = name.chars().take(40).collect();
            return Err(Error::Malformed(format!("no axiom system is called '{}'", shown.escape_debug())));
        };
        let limits = Limits::default();
        let axioms = parse_axioms(found.axioms, &limits)?;
        System::new(found.name, axioms, found.necessitation, &limits)
    }

    /// What a user writes where a system is asked for: the name of one, or formulas as [`parse_axioms`] reads them. It has necessitation
    /// if it has it by itself or `necessitation` asks for it.
    pub fn read(text: &str, necessitation: bool, limits: &Limits) -> Result<System> {
        let text = text.trim();
        if System::names().any(|name| name == text) {
            let system = System::named(text)?;
            return match necessitation && !system.necessitation {
                true => System::new(text, system.axioms, true, limits),
                false => Ok(system),
            };
        }
        let axioms = parse_axioms(text, limits)?;
        match axioms.as_slice() {
            // As an axiom an atom would prove everything: it is a name, misspelt.
            [atom] if atom.size() == 1 => System::named(text),
            _ => System::new("own", axioms, necessitation, limits),
        }
    }

    /// What may be written for [`System::read`], for messages.
    pub fn how_to_write() -> String {
        let names: Vec<&str> = System::names().collect();
        format!("name one of {}, or write formulas with commas between them: 'CpCqp,CCpCqrCCpqCpr' or 'p->q->p, ~~p->p'", names.join(", "))
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
