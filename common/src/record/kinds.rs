//! What each kind of record says.

use super::scalar::{Map, Scalar};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The rows or lines that made the check fail, or what one shows that only tells, the first few.
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
    /// What logicians call it: `*2.08 Id, identity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
