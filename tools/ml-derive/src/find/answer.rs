//! Answers, and how they are told.

use super::Asked;
use crate::proofs::{height, rule};
use ml_common::people::counted;
use ml_common::record::{Check, MAX_PROOF_BYTES, Map, Statement};
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_logic::checker::{self, Verdict};
use ml_logic::systems::Semantics;
use ml_logic::truth::{Validity, validity};
use ml_logic::{Formula, Limits, System, hash, names, theorems};
use std::borrow::Cow;

/// Looking for a counterexample is not to take longer than a moment.
const REFUTING: Limits = Limits { max_symbols: 1 << 22, max_work: 1 << 24 };
/// As much of a text as a person reads, in characters.
const SHOWN: usize = 200;

/// What is known of a formula.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It has a proof.
    Proved {
        /// In D-notation.
        proof: String,
        /// What it proves: the formula, or something more general.
        schema: Formula,
        /// Whether there is no shorter one.
        minimal: bool,
    },
    /// It has none at all: it is not even valid, and this is where it is false.
    Refuted(String),
    /// It has none of up to so many symbols.
    NotDerivable(usize),
    /// None of up to so many symbols was found where some conclusions were left out.
    NotFound(usize),
    /// It is no formula.
    NoFormula(String),
}

/// Where a formula is false, if everything that the system derives is true there. It knows what `System::sound` knows.
pub fn refutation(formula: &Formula, system: &System) -> Option<String> {
    if system.semantics == Semantics::Unknown {
        return None;
    }
    let Ok(Validity::Refuted(model)) = validity(formula, &REFUTING) else { return None };
    let world = |values: &Vec<bool>| {
        let values: Vec<String> = values.iter().zip(0..).map(|(value, variable)| format!("{}={value}", names::name(variable))).collect();
        values.join(", ")
    };
    let worlds: Vec<String> = model.iter().map(world).collect();
    Some(match worlds.as_slice() {
        [only] => format!("it is false when {only}"),
        many => format!("it is false in the first of {} worlds that see each other: {}", many.len(), many.join("; ")),
    })
}

/// Has the independent checker look at the proof.
///
/// # Errors
/// Class Internal when it is none.
pub fn proved(proof: &str, formula: &Formula, system: &System, complete: bool) -> Result<Answer> {
    let schema = match checker::check(&system.rules(), proof, formula, &Limits::default()) {
        Ok(Verdict::Exact) => Ok(formula.canonical()),
        Ok(Verdict::MoreGeneral(schema)) => Ok(schema),
        Ok(Verdict::DoesNotProve(reason)) => Err(reason),
        Err(error) => Err(error.to_string()),
    };
    let schema = schema.map_err(|reason| {
        Failure::new(Class::Internal, format!("the checker refuses the proof that was found of {formula}: {reason}"))
            .hint("please report it with the command line")
    })?;
    Ok(Answer::Proved { proof: proof.to_owned(), schema, minimal: complete || proof.len() == 1 })
}

/// How many answers there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    formulas: u64,
    found: u64,
    refuted: u64,
    pub not_derivable: u64,
    pub not_found: u64,
    pub no_formula: u64,
}

impl Tally {
    /// Tells an answer, and counts it.
    ///
    /// # Errors
    /// Class General when standard output cannot be written to.
    pub fn tell(&mut self, number: usize, asked: &Asked, answer: &Answer, system: &System, stage: &Stage) -> Result<()> {
        self.formulas += 1;
        let text = asked.formula.as_ref().map_or_else(|_| asked.text.clone(), ToString::to_string);
        let mut check = Check { id: format!("formula-{number}"), ..Check::default() };
        let mut label = |name: &str, text: &str| {
            // A record holds no more than a mebibyte; the hash tells longer ones apart.
            if text.len() <= MAX_PROOF_BYTES {
                check.labels.insert(name.to_owned(), text.into());
            }
        };
        label("statement", &text);
        if let Ok(formula) = &asked.formula {
            label("hash", &hash::statement(formula));
        }
        if let Answer::Proved { schema, .. } = answer {
            label("schema", &schema.to_string());
        }
        let (count, word, status) = match answer {
            Answer::Proved { schema, .. } if Ok(schema) == asked.formula.as_ref() => (&mut self.found, "proved", Status::Ok),
            Answer::Proved { .. } => (&mut self.found, "proved-more-general", Status::Ok),
            Answer::Refuted(_) => (&mut self.refuted, "refuted", Status::Ok),
            Answer::NotDerivable(_) => (&mut self.not_derivable, "not-derivable", Status::Ok),
            Answer::NotFound(_) => (&mut self.not_found, "not-found", Status::Skipped),
            Answer::NoFormula(_) => (&mut self.no_formula, "no-formula", Status::Warn),
        };
        *count += 1;
        check.labels.insert("answer".into(), word.into());
        let said = match answer {
            Answer::Proved { proof, schema, minimal } => {
                (check.value, check.unit) = (Some(proof.len().into()), Some("symbols".into()));
                let said = if proof.len() > SHOWN { "a proof" } else { proof };
                let known = if *minimal { "none is shorter" } else { "there may be a shorter one" };
                let more = if word == "proved" { String::new() } else { format!("; this proves more: {}", shown(&schema.to_string())) };
                format!("proved by {said} ({}, {known}){more}", counted(proof.len() as u64, "symbol"))
            }
            Answer::Refuted(reason) => format!("not derivable at any length: {reason}"),
            Answer::NotDerivable(within) => format!("not derivable within {}", counted(*within as u64, "symbol")),
            Answer::NotFound(within) => {
                format!("not found within {}, where not every conclusion is kept", counted(*within as u64, "symbol"))
            }
            Answer::NoFormula(reason) => format!("no formula: {reason}"),
        };
        check.hint = hint(answer).map(str::to_owned);
        check.summary = format!("{}: {said}", shown(&text));
        if stage.out().mode() == Output::Raw {
            match answer {
                Answer::Proved { proof, .. } => {
                    let written = stage.out().raw(format!("{proof}\n").as_bytes());
                    written.map_err(|error| Failure::new(Class::General, format!("writing to standard output: {error}")))?;
                }
                _ => log::warn!("{}", check.summary),
            }
        }
        stage.check(status, check);
        if let (Answer::Proved { proof, schema, minimal }, Output::Records) = (answer, stage.out().mode()) {
            stage.statement(Status::Ok, statement(proof, schema, *minimal, system));
        }
        Ok(())
    }

    /// The end of a call that has told all this.
    pub fn done(self, system: &System, reached: usize) -> Done {
        let Tally { formulas, found, refuted, not_derivable, not_found, no_formula } = self;
        let mut said = vec![format!("{found} of {} proved from {}", counted(formulas, "formula"), system.name)];
        let kinds =
            [(refuted, "refuted"), (not_derivable, "not derivable so far"), (not_found, "not found"), (no_formula, "that are no formulas")];
        said.extend(kinds.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")));
        let metrics: [(&str, u64); 7] = [
            ("formulas", formulas),
            ("found", found),
            ("refuted", refuted),
            ("not_derivable", not_derivable),
            ("not_found", not_found),
            ("no_formula", no_formula),
            ("lengths", reached as u64),
        ];
        let metrics: Map = metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        Done { metrics, ..Done::ok(said.join(", ")) }
    }
}

/// As much of a text as a person reads.
fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]).into(),
        None => text.into(),
    }
}

/// What to do about an answer that is none.
fn hint(answer: &Answer) -> Option<&'static str> {
    match answer {
        Answer::NotFound(_) => Some("a store without bounds on symbols and on necessitation decides it"),
        Answer::NoFormula(_) => Some("look at who wrote it"),
        _ => None,
    }
}

fn statement(proof: &str, schema: &Formula, minimal: bool, system: &System) -> Statement {
    Statement {
        hash: hash::statement(schema),
        statement: schema.to_string(),
        axioms: system.axioms.iter().map(ToString::to_string).collect(),
        rule: Some(rule(proof).into()),
        depth: Some(u64::from(height(proof))),
        proof: (proof.len() <= MAX_PROOF_BYTES).then(|| proof.to_owned()),
        proof_length: Some(proof.len() as u64),
        name: theorems::name(schema).map(str::to_owned),
        label: Some(if minimal { format!("minimal up to {}", proof.len()) } else { theorems::length_label(proof.len()) }),
        ..Statement::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_false_somewhere_is_refuted() {
        let refuted = |system: &str, text: &str| refutation(&text.parse().unwrap(), &System::named(system).unwrap());
        assert_eq!(refuted("frege", "p->q").as_deref(), Some("it is false when p=true, q=false"));
        assert_eq!(refuted("s5", "p->[]p").as_deref(), Some("it is false in the first of 2 worlds that see each other: p=true; p=false"));
        assert_eq!((refuted("frege", "p->p"), refuted("s5", "[]p->p")), (None, None));
        // Of axioms that are not valid nothing is known.
        let own = System::read("p->q,p->p", false, &Limits::default()).unwrap();
        assert_eq!((own.semantics, refutation(&"q->p".parse().unwrap(), &own)), (Semantics::Unknown, None));
        // Too many variables for a table.
        let wide: String = (0..60).map(|n| format!("p{n}->")).collect();
        assert_eq!(refuted("frege", &format!("{wide}q")), None);
    }

    #[test]
    fn the_checker_has_the_last_word() {
        let frege = System::named("frege").unwrap();
        let proved = |proof: &str, text: &str| proved(proof, &text.parse().unwrap(), &frege, true);
        let schema: Formula = "p->p".parse().unwrap();
        assert_eq!(proved("DD211", "p->p"), Ok(Answer::Proved { proof: "DD211".into(), schema: schema.clone(), minimal: true }));
        assert_eq!(proved("DD211", "~q->~q"), Ok(Answer::Proved { proof: "DD211".into(), schema, minimal: true }));
        assert_eq!(proved("DD211", "p->q").unwrap_err().class, Class::Internal);
    }
}
