//! What a check is, and what it finds.

use ml_common::record::{Check as Body, Map, Scalar};
use ml_common::{Failure, Result, Status};
use std::borrow::Cow;
use std::time::Duration;

/// One check of a lane; `L` is what the lane's checks share: a session, a URL, a folder.
pub struct Check<L: 'static> {
    /// Id of its record.
    pub id: &'static str,
    /// No later work may be built on it when it is critical.
    pub gate: bool,
    /// Checks before it in the lane, without which it is not made.
    pub needs: &'static [&'static str],
    /// What it means when it cannot be made: critical where that is the finding itself (nobody answers), else unknown.
    pub on_error: OnError,
    /// Makes it.
    pub probe: fn(&mut L) -> Result<Finding>,
}

/// What a check costs, and with that how often it is made: `--tier fast,normal`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Tier {
    /// A few milliseconds.
    Fast,
    /// A look at statistics or a page.
    Normal,
    /// Sizes, scans, builds.
    Expensive,
}

/// What a failed probe means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnError {
    /// It is down, or fails; silence means the same.
    Crit,
    /// An error is a finding (a page that cannot be read), but a lack of time is not: a large ledger takes long.
    CritButTime,
    /// Nothing is known.
    Unknown,
}

/// What a check found, judged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Finding {
    /// The verdict; ok by default.
    pub status: Option<Status>,
    /// What was seen.
    pub value: Option<Scalar>,
    /// Its unit.
    pub unit: Option<Cow<'static, str>>,
    /// Threshold of a warning, as a number or a Nagios range.
    pub warn: Option<Scalar>,
    /// Threshold of critical.
    pub crit: Option<Scalar>,
    /// One sentence for people.
    pub summary: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Class of the failure.
    pub error_class: Option<Cow<'static, str>>,
    /// The check because of which this one was not made.
    pub blocked_by: Option<Cow<'static, str>>,
    /// The rows that made it fail.
    pub evidence: Vec<String>,
    /// Further words.
    pub labels: Map,
    /// Further numbers.
    pub metrics: Map,
}

impl Finding {
    /// All is well.
    pub fn ok(summary: impl Into<String>) -> Finding {
        Finding { summary: summary.into(), ..Finding::default() }
    }

    /// Not made, for a reason that is nobody's fault.
    pub fn skipped(reason: impl Into<String>) -> Finding {
        Finding { status: Some(Status::Skipped), ..Finding::ok(reason) }
    }

    /// Not made, because `id` is not well.
    pub fn blocked(id: &str) -> Finding {
        Finding { blocked_by: Some(id.to_owned().into()), ..Finding::skipped(format!("not made, because of {id}")) }
    }

    /// Something is wrong, and what to do about it.
    pub fn bad(status: Status, summary: impl Into<String>, hint: impl Into<String>) -> Finding {
        Finding { status: Some(status), hint: Some(hint.into()), ..Finding::ok(summary) }
    }

    /// The probe failed after `took`. What used up all of `limit` is a matter of time.
    pub fn failed(on_error: OnError, failure: Failure, took: Duration, limit: Duration) -> Finding {
        // The clocks of the layers differ by a little, and servers and programs are told to end a moment earlier.
        let ended = ["(57014)", " was ended after "].iter().any(|word| failure.message.contains(word));
        let late = ended || took + Duration::from_millis(50) >= limit;
        let denied = failure.message.contains("(42501)");
        let status = match on_error {
            OnError::Crit => Status::Crit,
            OnError::CritButTime if !late && !denied => Status::Crit,
            OnError::CritButTime | OnError::Unknown => Status::Unknown,
        };
        let class = if denied {
            "privilege"
        } else if late {
            "timeout"
        } else {
            failure.class.name()
        };
        Finding { status: Some(status), hint: failure.hint, error_class: Some(class.into()), ..Finding::ok(failure.message) }
    }

    /// The probe was still at work when its time was over.
    pub fn late(on_error: OnError, limit: Duration) -> Finding {
        let status = if on_error == OnError::Crit { Status::Crit } else { Status::Unknown };
        let summary = format!("no result within {} s", limit.as_secs_f64());
        let hint = "look for what hangs or slows it, or raise CHECK_DEADLINE_MS";
        Finding { error_class: Some("timeout".into()), ..Finding::bad(status, summary, hint) }
    }

    /// The probe ended by a defect of ours.
    pub fn broken() -> Finding {
        let hint = "please report it with the lines on stderr";
        Finding { error_class: Some("internal".into()), ..Finding::bad(Status::Unknown, "internal error of this check", hint) }
    }

    /// The value and its unit.
    #[must_use]
    pub fn value(self, value: impl Into<Scalar>, unit: &'static str) -> Finding {
        Finding { value: Some(value.into()), unit: (!unit.is_empty()).then_some(unit.into()), ..self }
    }

    /// A number besides the value.
    #[must_use]
    pub fn metric(mut self, name: &str, value: impl Into<Scalar>) -> Finding {
        self.metrics.insert(name.to_owned(), value.into());
        self
    }

    /// A word besides the value.
    #[must_use]
    pub fn label(mut self, name: &str, value: impl Into<Scalar>) -> Finding {
        self.labels.insert(name.to_owned(), value.into());
        self
    }

    /// The verdict.
    pub fn status(&self) -> Status {
        self.status.unwrap_or(Status::Ok)
    }

    /// The record's body.
    pub fn into_body(self, id: &str, gate: bool, took: Option<Duration>) -> Body {
        Body {
            id: id.to_owned(),
            gate,
            value: self.value,
            unit: self.unit.map(Cow::into_owned),
            warn: self.warn,
            crit: self.crit,
            summary: self.summary,
            hint: self.hint,
            duration_ms: took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            error_class: self.error_class.map(Cow::into_owned),
            blocked_by: self.blocked_by.map(Cow::into_owned),
            evidence: self.evidence,
            labels: self.labels,
            metrics: self.metrics,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_common::Class;

    fn failed(on_error: OnError, message: &str, seconds: u64) -> (Status, Option<String>) {
        let failure = Failure::new(Class::Database, message).hint("mend it");
        let finding = Finding::failed(on_error, failure, Duration::from_secs(seconds), Duration::from_secs(10));
        assert_eq!(finding.hint.as_deref(), Some("mend it"));
        (finding.status(), finding.error_class.map(Cow::into_owned))
    }

    #[test]
    fn a_failed_probe_is_what_its_check_says_it_is() {
        assert_eq!(failed(OnError::Crit, "refused", 0), (Status::Crit, Some("database".to_owned())));
        assert_eq!(failed(OnError::Unknown, "refused", 0), (Status::Unknown, Some("database".to_owned())));
        assert_eq!(failed(OnError::CritButTime, "bad page (XX001)", 0), (Status::Crit, Some("database".to_owned())));
    }

    #[test]
    fn lack_of_time_is_told_as_such() {
        assert_eq!(failed(OnError::Crit, "silent", 10), (Status::Crit, Some("timeout".to_owned())));
        assert_eq!(failed(OnError::Crit, "lake was ended after 9s 800ms", 9), (Status::Crit, Some("timeout".to_owned())));
        assert_eq!(failed(OnError::CritButTime, "cancelled (57014)", 10), (Status::Unknown, Some("timeout".to_owned())));
        let late = |on_error| Finding::late(on_error, Duration::from_millis(1500));
        assert_eq!((late(OnError::Crit).status(), late(OnError::CritButTime).status()), (Status::Crit, Status::Unknown));
        assert_eq!(late(OnError::Unknown).summary, "no result within 1.5 s");
    }

    #[test]
    fn what_may_not_be_seen_is_unknown() {
        let denied = |on_error| failed(on_error, "permission denied for table blocks (42501)", 0);
        assert_eq!(denied(OnError::CritButTime), (Status::Unknown, Some("privilege".to_owned())));
        assert_eq!(denied(OnError::Unknown), (Status::Unknown, Some("privilege".to_owned())));
        assert_eq!(denied(OnError::Crit), (Status::Crit, Some("privilege".to_owned())), "no session is no session");
    }
}
