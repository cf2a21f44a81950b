//! The record: one JSON object a line, the only thing that passes between the tools.
//!
//! These types are the contract; docs/record.schema.json and docs/records.md are generated from them. Fields are only ever added within
//! version 1, every field beyond the head is optional to a reader, and maps are one level deep so that PowerShell and jq stay usable.

use crate::exit::Exit;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// A scalar as records carry it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Scalar {
    /// A truth value.
    Bool(bool),
    /// A whole number below 2^53 in magnitude.
    Int(i64),
    /// Any other finite number.
    Float(f64),
    /// Text.
    Text(String),
}

impl std::fmt::Display for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Scalar::Bool(b) => write!(f, "{b}"),
            Scalar::Int(i) => write!(f, "{i}"),
            Scalar::Float(x) => write!(f, "{x}"),
            Scalar::Text(t) => f.write_str(t),
        }
    }
}

macro_rules! scalar_from {
    ($($ty:ty => $make:expr),* $(,)?) => {$(
        impl From<$ty> for Scalar {
            fn from(value: $ty) -> Scalar { $make(value) }
        }
    )*};
}
scalar_from! {
    bool => Scalar::Bool,
    i64 => whole,
    i32 => |v| Scalar::Int(i64::from(v)),
    u32 => |v| Scalar::Int(i64::from(v)),
    u64 => |v| i64::try_from(v).map_or_else(|_| Scalar::Text(u64::to_string(&v)), whole),
    usize => |v| Scalar::from(v as u64),
    f64 => |v: f64| if v.is_finite() { Scalar::Float(v) } else { Scalar::Text(v.to_string()) },
    String => Scalar::Text,
    &str => |v: &str| Scalar::Text(v.to_owned()),
}

/// Beyond 2^53 JavaScript and jq round, so such a number travels as text.
fn whole(value: i64) -> Scalar {
    if value.unsigned_abs() < 1 << 53 { Scalar::Int(value) } else { Scalar::Text(value.to_string()) }
}

/// Names to scalars, one level deep.
pub type Map = BTreeMap<String, Scalar>;

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

/// A tool begins. Its status is always ok, so that a filter on status never leaves a start without its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Start {
    /// Ids of the checks and steps that are going to follow, as far as known.
    pub planned_ids: Vec<String>,
    /// Nothing is going to be changed, by this tool or any after it.
    pub dry_run: bool,
    /// The settings file in use (absolute path).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<String>,
    /// The database in use, without secrets: `mathledger on localhost:5432 as ml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Version of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// One observation with a verdict.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Check {
    /// What was looked at: `postgres.connections`.
    pub id: String,
    /// Critical here means that no work may be built on it: later stages that change the ledger do not begin.
    pub gate: bool,
    /// What was seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Scalar>,
    /// Unit of `value`, `warn` and `crit`: `ms`, `bytes`, `%`, `days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Threshold of a warning, a number or a Nagios range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warn: Option<Scalar>,
    /// Threshold of critical, a number or a Nagios range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crit: Option<Scalar>,
    /// One sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Class of the failure: `database`, `network`, `timeout`, `input`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Id of the check or tool because of which this one was not made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// The rows or lines that made the check fail, the first few.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
    /// Further words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map,
    /// Further numbers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metrics: Map,
}

/// One thing done or planned: a table, a file, a level, a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Step {
    /// What was done: `length-9`, `export.statements`, `dump`.
    pub id: String,
    /// Rows concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<u64>,
    /// Bytes concerned; of a file, its size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The file written (absolute path).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// SHA-256 of the file, lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// One sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Why it was done, skipped or stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Class of the failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Id of the check or tool because of which it was not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// Further words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map,
    /// Further numbers.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metrics: Map,
}

/// One theorem.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Statement {
    /// Statement hash: lower-case hex SHA-256 of the byte 0x02 and the canonical text.
    pub hash: String,
    /// Canonical ASCII text: `p->q->p`.
    pub statement: String,
    /// The axioms of its system in canonical text, in the order that the digits of the proof name them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub axioms: Vec<String>,
    /// How it was derived: `axiom`, `mp` (condensed detachment), `nec` (necessitation).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Hashes of the premises, major first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<String>,
    /// Height of the proof DAG; an axiom has 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub depth: Option<u64>,
    /// D-proof; left out above 64 KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// Number of symbols of the D-proof.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_length: Option<u64>,
    /// What is known of the proof's length: `minimal up to 9`, `proof of length 13 known`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Name of the theory in the ledger: `Propositional`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub theory: Option<String>,
    /// The ledger's word on it: `proven`, `open`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truth: Option<String>,
    /// When the ledger took it in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
}

/// Whether an alert begins or ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// It is so now.
    #[default]
    Firing,
    /// It was so.
    Resolved,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// Delivered.
    Sent,
    /// Kept in the outbox, to be delivered later.
    #[default]
    Held,
    /// Not delivered on purpose, and `reason` says why.
    Suppressed,
}

/// One notification and its fate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Alert {
    /// What it is about.
    pub id: String,
    /// Firing or resolved.
    pub state: AlertState,
    /// How bad: `warn` or `crit`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// Where it goes, without secrets: `slack https://hooks.slack.com`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sink: String,
    /// What became of it.
    pub fate: Fate,
    /// Why that fate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The message for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// The payload as it was or would be posted, a JSON text (dry runs).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// What to do about a failed delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The tool is done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct End {
    /// The tool's own exit code; its process exits with the worst of this and all upstream.
    pub exit: u8,
    /// Records that this tool wrote itself, this one included.
    pub records: u64,
    /// From start to end.
    pub duration_ms: u64,
    /// Why it stopped where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// One sentence for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub summary: String,
    /// Class of the failure. Present exactly when the tool itself failed, as against having found something bad.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The gate or tool that kept this one from working.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,
    /// Further words.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub labels: Map,
    /// Totals.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub metrics: Map,
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
    }

    #[test]
    fn numbers_that_jq_would_round_travel_as_text() {
        assert_eq!(Scalar::from((1i64 << 53) - 1), Scalar::Int((1 << 53) - 1));
        assert_eq!(Scalar::from(1i64 << 53), Scalar::Text("9007199254740992".into()));
        assert_eq!(Scalar::from(u64::MAX), Scalar::Text("18446744073709551615".into()));
        assert_eq!(Scalar::from(f64::NAN), Scalar::Text("NaN".into()));
    }

    #[test]
    fn only_alarming_statuses_win() {
        assert_eq!(Status::Ok.worst(Status::Skipped), Status::Ok);
        assert_eq!(Status::Warn.worst(Status::Unknown), Status::Unknown);
        assert_eq!(Status::Crit.worst(Status::Unknown), Status::Crit);
    }
}
