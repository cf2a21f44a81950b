//! Which axiom system a text means.

use ml_common::{Class, Failure, Result};
use ml_logic::systems::parse_axioms;
use ml_logic::{Limits, System};

/// The system of that name, or of those formulas; with necessitation if it has it or `necessitation` asks for it.
///
/// # Errors
/// Of `class`, for a name or formulas that make no sense.
pub fn system(text: &str, necessitation: bool, class: Class) -> Result<System> {
    let limits = Limits::default();
    let text = text.trim();
    let names: Vec<&str> = System::names().collect();
    let hint = || {
        format!("name one of {}, or write formulas with commas between them: 'CpCqp,CCpCqrCCpqCpr' or 'p->q->p, ~~p->p'", names.join(", "))
    };
    let wrong = |error: String| Failure::new(class, format!("the axioms cannot be used: {error}")).hint(hint());
    if names.contains(&text) {
        let system = System::named(text).map_err(|error| wrong(error.to_string()))?;
        if system.necessitation || !necessitation {
            return Ok(system);
        }
        return System::new(text, system.axioms, true, &limits).map_err(|error| wrong(error.to_string()));
    }
    let axioms = parse_axioms(text, &limits).map_err(|error| wrong(error.to_string()))?;
    if let [atom] = axioms.as_slice()
        && atom.size() == 1
    {
        // As an axiom it would prove everything: it is a name, misspelt.
        let shown: String = text.chars().take(40).collect();
        return Err(Failure::new(class, format!("no axiom system is called '{}'", shown.escape_debug())).hint(hint()));
    }
    System::new("own", axioms, necessitation, &limits).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_formulas_and_nonsense() {
        let of = |text, necessitation| system(text, necessitation, Class::Usage);
        assert_eq!(of("frege", false), Ok(System::named("frege").unwrap()));
        assert!(of(" s5 ", false).unwrap().necessitation && of("frege", true).unwrap().necessitation);
        let own = of("CpCqp,\np -> q -> p # twice", false).unwrap();
        assert_eq!((own.axioms.len(), own.necessitation), (2, false));
        for (text, message) in [
            ("frge", "no axiom system is called 'frge'"),
            ("", "the axioms cannot be used: an axiom system without axioms"),
            ("p->", "the axioms cannot be used: axiom 1: "),
        ] {
            let failure = of(text, false).unwrap_err();
            assert!(failure.message.starts_with(message) && failure.hint.is_some(), "{failure}");
        }
        assert_eq!(system("p->", false, Class::Config).unwrap_err().class, Class::Config);
    }
}
