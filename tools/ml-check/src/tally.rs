//! Counts verdicts, and says each as a check record and all of them at the end.

use crate::judge::{Judge, Verdict};
use ml_common::exit::Exit;
use ml_common::record::{Check, Map};
use ml_common::{Class, Done, Status};

/// How many came out how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    checked: u64,
    ok: u64,
    more_general: u64,
    wrong: u64,
    without_proof: u64,
    undecided: u64,
}

impl Tally {
    /// Counts a verdict and says it.
    pub fn take(&mut self, id: String, verdict: Verdict) -> (Status, Check) {
        self.checked += 1;
        let (status, word, summary, hint) = match verdict {
            Verdict::Exact(statement) => {
                self.ok += 1;
                (Status::Ok, "exact", format!("proves {statement}"), None)
            }
            Verdict::MoreGeneral(general, statement) => {
                self.ok += 1;
                self.more_general += 1;
                (Status::Ok, "more-general", format!("proves {general}, and so {statement}"), None)
            }
            Verdict::Refused(word, reason) => {
                self.wrong += 1;
                let hint = "do not build on it; find out who wrote it, and derive or restore it anew";
                (Status::Crit, word, reason, Some(hint))
            }
            Verdict::NoProof(reason) => {
                self.without_proof += 1;
                (Status::Skipped, "no-proof", reason, None)
            }
            Verdict::TooLarge(reason) => {
                self.undecided += 1;
                (Status::Unknown, "too-large", reason, Some("it is neither confirmed nor refused; a shorter proof can be checked"))
            }
        };
        let labels = Map::from([("verdict".to_owned(), word.into())]);
        (status, Check { id, gate: true, summary, hint: hint.map(str::to_owned), labels, ..Check::default() })
    }

    /// What the stage ends with.
    pub fn done(&self, judge: &Judge) -> Done {
        if self.checked == 0 {
            return Done::skipped("there was no statement and no proof to check");
        }
        let mut parts = vec![format!("{} of {} proved", self.ok, self.checked)];
        for (number, what) in [(self.wrong, "refused"), (self.without_proof, "without a proof"), (self.undecided, "undecided")] {
            if number > 0 {
                parts.push(format!("{number} {what}"));
            }
        }
        let mut done = Done::ok(parts.join(", "))
            .metric("checked", self.checked)
            .metric("ok", self.ok)
            .metric("more_general", self.more_general)
            .metric("wrong", self.wrong)
            .metric("without_proof", self.without_proof)
            .metric("undecided", self.undecided);
        let axioms = judge.rests_on().map_or_else(|| "more than can be told".to_owned(), |axioms| axioms.join(", "));
        done.labels.insert("axioms".to_owned(), axioms.into());
        if self.wrong > 0 {
            (done.exit, done.status) = (Class::Critical.exit(), Some(Status::Crit));
            done.hint = Some("the checks that are crit say which, and why".to_owned());
        } else if self.undecided > 0 {
            (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
        }
        done
    }
}
