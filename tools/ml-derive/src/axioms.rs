//! Which axiom system a text means.

use ml_common::{Class, Failure, Result};
use ml_logic::{Limits, System};

/// The system of that name, or of those formulas; with necessitation if it has it or `necessitation` asks for it.
///
/// # Errors
/// Of `class`, for a name or formulas that make no sense.
pub fn system(text: &str, necessitation: bool, class: Class) -> Result<System> {
    let wrong = |error| Failure::new(class, format!("the axioms cannot be used: {error}")).hint(System::how_to_write());
    System::read(text, necessitation, &Limits::default()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_a_failure_that_says_what_may_be_written() {
        assert_eq!(system("frege", false, Class::Usage), Ok(System::named("frege").unwrap()));
        let failure = system("frge", false, Class::Config).unwrap_err();
        assert_eq!(
            (failure.class, failure.message.as_str()),
            (Class::Config, "the axioms cannot be used: no axiom system is called 'frge'")
        );
        assert!(failure.hint.unwrap().contains("frege"));
    }
}
