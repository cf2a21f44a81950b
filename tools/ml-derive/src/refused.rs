//! What becomes of a call when some of the proofs that it is given do not prove what they should.

use ml_common::people::counted;
use ml_common::record::Check;
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Exit, Failure, Result, Status};
use ml_logic::System;

/// Refused proofs are told one by one, so many of them.
const TOLD: usize = 5;

/// Proofs that are passed over, as they do not prove what they should.
#[derive(Debug, Default)]
pub struct Refused {
    count: u64,
    evidence: Vec<String>,
}

impl Refused {
    /// One more.
    pub fn push(&mut self, place: &str, reason: &str) {
        self.count += 1;
        if self.evidence.len() < TOLD {
            self.evidence.push(format!("{place}: {reason}"));
        }
    }

    /// The end of a call that passed them over: a warning if there are any, a failure if `nothing` else was there.
    ///
    /// # Errors
    /// Class General.
    pub fn end(self, done: Done, system: &System, nothing: bool, stage: &Stage) -> Result<Done> {
        let axioms: Vec<String> = system.axioms.iter().map(ToString::to_string).collect();
        let hint = format!("look at where they come from; the axioms are {}, and --axioms names others", axioms.join(", "));
        let Some(first) = self.evidence.first() else {
            let none = || Failure::new(Class::General, "the statements came without proofs");
            let hint = "ml-export statements -o - gives proofs where the ledger holds any; those of more than 64 KiB are in no record";
            return if nothing { Err(none().hint(hint)) } else { Ok(done) };
        };
        if nothing {
            return Err(Failure::new(Class::General, format!("no proof proves what it should: {first}")).hint(hint));
        }
        let summary = format!("{} passed over: what they should prove is not proved", counted(self.count, "proof"));
        if stage.out().mode() == Output::Raw {
            log::warn!("{summary}: {}", self.evidence.join("; "));
        }
        let check = Check {
            id: "checker".into(),
            value: Some(self.count.into()),
            unit: Some("proofs".into()),
            warn: Some(0.into()),
            summary,
            hint: Some(hint),
            evidence: self.evidence,
            ..Check::default()
        };
        stage.check(Status::Warn, check);
        let done = done.metric("refused", self.count);
        Ok(Done { exit: Exit::GENERAL, status: Some(Status::Warn), hint: Some("the check above says which proofs".into()), ..done })
    }
}
