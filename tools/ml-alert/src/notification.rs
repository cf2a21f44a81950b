//! What people are told: what the rules decide, and what every sink turns into its own form.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How bad, and how soon somebody has to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// In some hours.
    Low,
    /// Within the hour.
    Medium,
    /// Within minutes.
    High,
    /// Now.
    Critical,
}

impl Severity {
    /// The word in rules, records and payloads.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

/// Why a notification goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// Something began, or joined its group.
    Firing,
    /// It is still so after the repeat interval.
    Repeat,
    /// Nobody has mended it within the time of its severity.
    Escalated,
    /// All of it is over.
    Resolved,
    /// A person asked for a test alert.
    Test,
}

/// One notification: what one group of alerts has to tell one sink.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// The same for every attempt to deliver it, and for nothing else: receivers that know idempotency keys drop repeats by it.
    pub key: String,
    /// The same for all that one group tells, from firing to resolved: PagerDuty's `dedup_key`.
    pub group: String,
    /// Name of the sink in the rules.
    pub sink: String,
    /// Why it goes out.
    pub why: Why,
    /// The worst of what fires; of a resolved one, what it was.
    pub severity: Severity,
    /// The system that is operated.
    pub system: String,
    /// The run that told it.
    pub run: String,
    /// The machine that told it.
    pub host: String,
    /// The record's time that led to it, RFC 3339.
    pub at: String,
    /// One line: `mathledger: 2 critical: ledger.chain, redis.ping`.
    pub title: String,
    /// What it is about, the gravest first. In a storm the first few; `more` says how many are left out.
    pub items: Vec<Item>,
    /// Items left out.
    pub more: u64,
    /// Folder or file with the whole stream.
    pub log: Option<String>,
    /// The command to look again: `ml-health --only redis.ping`.
    pub look_again: Option<String>,
    /// Whom to tell now, by the profile's contacts: `DevOps Lead`.
    pub contact: Option<String>,
    /// Seconds within which somebody should look, by the severity.
    pub respond_within: Option<u64>,
}

/// One alert within a notification.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The rule and what it matched, unique in the system: `queue-long redis.queue`.
    pub alert: String,
    /// Its system, where a group has those of several.
    #[serde(default)]
    pub system: String,
    /// Name of the rule: Alertmanager's `alertname`.
    pub rule: String,
    /// Id of the check, step or tool.
    pub id: String,
    /// Whether it is over.
    pub resolved: bool,
    /// `critical`, ...
    pub severity: Option<Severity>,
    /// One sentence: the fact.
    pub summary: String,
    /// Value with unit, as people read it.
    pub value: Option<String>,
    /// The threshold that it crossed, as people read it.
    pub threshold: Option<String>,
    /// The remedy.
    pub hint: Option<String>,
    /// Since when it fires, RFC 3339.
    pub since: String,
    /// When it was over.
    pub until: Option<String>,
    /// Further labels.
    pub labels: BTreeMap<String, String>,
    /// The first offending rows.
    pub evidence: Vec<String>,
}
