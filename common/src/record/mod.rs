//! The record: one JSON object a line, the only thing that passes between the tools.
//!
//! These types are the contract; docs/record.schema.json and docs/records.md are generated from them. Fields are only ever added within
//! version 1, every field beyond the head is optional to a reader, and maps are one level deep so that PowerShell and jq stay usable.

mod kinds;
mod read;
mod scalar;

use crate::exit::Exit;
use jiff::Timestamp;
pub use kinds::{Alert, AlertState, Check, End, Fate, Start, Statement, Step};
pub use scalar::{Map, Scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The version of the record format.
pub const VERSION: u32 = 1;

/// A proof longer than this (bytes) is left out of a `statement` record.
pub const MAX_PROOF_BYTES: usize = 64 * 1024;

/// The verdict that a record carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// All is well.
    Ok,
    /// Somebody should look at it in the daytime.
    Warn,
    /// Somebody should look at it now.
    Crit,
    /// Could not be found out.
    Unknown,
    /// Was not done, and the record says why.
    Skipped,
    /// Would be done; a dry run.
    Planned,
}

impl Status {
    /// The word in the record.
    pub fn name(self) -> &'static str {
        match self {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Crit => "crit",
            Status::Unknown => "unknown",
            Status::Skipped => "skipped",
            Status::Planned => "planned",
        }
    }

    /// Whether a person has to be told.
    pub fn is_bad(self) -> bool {
        matches!(self, Status::Warn | Status::Crit | Status::Unknown)
    }

    /// The more alarming of two; ok, skipped and planned alarm nobody.
    #[must_use]
    pub fn worst(self, other: Status) -> Status {
        let alarm = |status| match status {
            Status::Ok | Status::Skipped | Status::Planned => 0,
            Status::Warn => 1,
            Status::Unknown => 2,
            Status::Crit => 3,
        };
        if alarm(other) > alarm(self) { other } else { self }
    }
}

/// What every record has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Head {
    /// Version of the format: 1.
    pub v: u32,
    /// The program that wrote the record: `ml-health`.
    pub tool: String,
    /// The process that wrote it, unique within the run: `ml-health.1f3a-9c02`.
    pub stage: String,
    /// The system that is operated: `mathledger`.
    pub system: String,
    /// The run, shared by the whole pipeline: `20250108T020000Z-3f9a1c`.
    pub run: String,
    /// When, RFC 3339 in UTC with milliseconds.
    pub ts: String,
    /// The machine.
    pub host: String,
    /// The verdict.
    pub status: Status,
}

/// What a record says, by its `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant, reason = "records are short-lived; a box would be in the way of every reader")]
pub enum Body {
    /// A tool begins.
    Start(Start),
    /// One observation.
    Check(Check),
    /// One thing done or planned.
    Step(Step),
    /// One theorem.
    Statement(Statement),
    /// One notification.
    Alert(Alert),
    /// The tool is done.
    End(End),
}

/// One line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// What every record has.
    #[serde(flatten)]
    pub head: Head,
    /// What this one says.
    #[serde(flatten)]
    pub body: Body,
}

impl Record {
    /// The id of a check, step or alert.
    pub fn id(&self) -> Option<&str> {
        match &self.body {
            Body::Check(check) => Some(&check.id),
            Body::Step(step) => Some(&step.id),
            Body::Alert(alert) => Some(&alert.id),
            Body::Start(_) | Body::Statement(_) | Body::End(_) => None,
        }
    }

    /// Reads a record of this version; as deriving does, and much faster (`read.rs`).
    ///
    /// # Errors
    /// When it is no JSON text, or no record of a known kind and this version.
    pub fn from_json(text: &str) -> serde_json::Result<Record> {
        read::record(text)
    }

    /// The record as it stands in the stream: one line of ASCII JSON, without the line feed.
    pub fn to_line(&self) -> String {
        // Only maps with keys that are not text can fail to serialise, and there are none.
        ascii(&serde_json::to_string(self).unwrap_or_default())
    }
}

/// Escapes everything beyond ASCII in a JSON text; PowerShell 5.1 would otherwise re-encode it on its way.
pub fn ascii(json: &str) -> String {
    if json.is_ascii() {
        return json.to_owned();
    }
    let mut out = String::with_capacity(json.len() + 16);
    let mut units = [0u16; 2];
    for c in json.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// A moment as records write it: RFC 3339, UTC, milliseconds.
pub fn timestamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl From<Exit> for u8 {
    fn from(exit: Exit) -> u8 {
        exit.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> Record {
        Record {
            head: Head {
                v: 1,
                tool: "ml-health".into(),
                stage: "ml-health.1".into(),
                system: "mathledger".into(),
                run: "r".into(),
                ts: timestamp(Timestamp::UNIX_EPOCH),
                host: "h".into(),
                status: Status::Warn,
            },
            body: Body::Check(Check {
                id: "proofs.rate".into(),
                value: Some(81.5.into()),
                summary: "p \u{2192} q \u{1d53d}".into(),
                ..Check::default()
            }),
        }
    }

    #[test]
    fn a_line_is_ascii_and_reads_back() {
        let line = check().to_line();
        assert!(line.is_ascii() && line.contains("\\u2192") && line.contains("\\ud835\\udd3d"), "{line}");
        assert!(line.contains("\"ts\":\"1970-01-01T00:00:00.000Z\""), "{line}");
        assert_eq!(serde_json::from_str::<Record>(&line).unwrap(), check());
        assert_eq!(Record::from_json(&line).unwrap(), check());
        for wrong in [line.replace("\"v\":1", "\"v\":2"), line.replace("\"check\"", "\"song\""), line.replace("\"tool\"", "\"fool\"")] {
            assert!(Record::from_json(&wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn numbers_that_jq_would_round_travel_as_text() {
        assert_eq!(Scalar::from((1i64 << 53) - 1), Scalar::Int((1 << 53) - 1));
        assert_eq!(Scalar::from(1i64 << 53), Scalar::Text("9007199254740992".into()));
        assert_eq!(Scalar::from(u64::MAX), Scalar::Text("18446744073709551615".into()));
        assert_eq!(Scalar::from(f64::NAN), Scalar::Text("NaN".into()));
    }

    #[test]
    fn scalars_are_what_they_look_like() {
        let read = |text: &str| serde_json::from_str::<Scalar>(text).ok();
        assert_eq!(read("true"), Some(Scalar::Bool(true)));
        assert_eq!((read("-3"), read("3.0")), (Some(Scalar::Int(-3)), Some(Scalar::Float(3.0))));
        assert_eq!(read("18446744073709551615"), Some(Scalar::Float(18_446_744_073_709_551_615.0)));
        assert_eq!(read("\"\\u2192\""), Some(Scalar::Text("\u{2192}".into())));
        assert_eq!((read("null"), read("[1]"), read("{}")), (None, None, None));
    }

    #[test]
    fn only_alarming_statuses_win() {
        assert_eq!(Status::Ok.worst(Status::Skipped), Status::Ok);
        assert_eq!(Status::Warn.worst(Status::Unknown), Status::Unknown);
        assert_eq!(Status::Crit.worst(Status::Unknown), Status::Crit);
    }
}
