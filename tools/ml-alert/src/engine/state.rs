//! What is remembered between runs. Everything that has to do with time is a moment of a record.

pub use super::alerts::Alerts;
use crate::deliver::SinkState;
use crate::notification::{Notification, Severity};
use jiff::Timestamp;
use ml_common::record::Fate;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Version of the state file.
pub const VERSION: u64 = 1;

/// So many alerts are kept; of the others their number. A check whose id is at random would fill any memory.
pub const MAX_ALERTS: usize = 20_000;

/// Of these so many are absences that are waited for; nothing else takes their place, and they take that of no more others.
pub const MAX_ABSENCES: usize = MAX_ALERTS / 4;

/// So many notifications wait; of more the oldest are given up, and that is told.
pub const MAX_OUTBOX: usize = 5_000;

/// So many decisions are kept to explain them.
pub const MAX_LOG: usize = 1_000;

/// All that is remembered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// By rule, system and id.
    pub alerts: Alerts,
    /// What each group of each sink was told.
    pub groups: BTreeMap<String, Group>,
    /// What is not told for a while.
    pub silences: Vec<Silence>,
    /// Notifications that are not delivered yet.
    pub outbox: Vec<Entry>,
    /// What is known of the receivers, by the sink's name.
    pub sinks: BTreeMap<String, SinkState>,
    /// The latest decisions.
    pub log: VecDeque<Decision>,
    /// Notifications made so far: part of their keys.
    pub made: u64,
    /// Alerts that there was no room for in the last run that had too many.
    pub crowded_out: u64,
    /// The latest record's time.
    pub now: Option<Timestamp>,
}

/// One alert: a rule and what it is about.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Alert {
    /// Name of the rule.
    pub rule: String,
    /// The system.
    pub system: String,
    /// Id of the check, step or tool; of an absence the pattern.
    pub id: String,
    /// Its run, when it was last heard of.
    pub run: String,
    /// Its machine.
    pub host: String,
    /// The tool that told it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tool: String,
    /// How bad it is, or was.
    pub severity: Option<Severity>,
    /// The fact.
    pub summary: String,
    /// Value with unit.
    pub value: Option<String>,
    /// The threshold that it crossed.
    pub threshold: Option<String>,
    /// The remedy.
    pub hint: Option<String>,
    /// Labels of the record.
    pub labels: BTreeMap<String, String>,
    /// The first offending rows.
    pub evidence: Vec<String>,
    /// It is alarming since then, perhaps not for long enough yet.
    pub pending: Option<Timestamp>,
    /// It fires since then.
    pub firing: Option<Timestamp>,
    /// It was over then.
    pub resolved: Option<Timestamp>,
    /// It was last heard of then.
    pub heard: Option<Timestamp>,
    /// It was last alarming then.
    pub alarming: Option<Timestamp>,
    /// Whether the last ones were alarming, the latest in the lowest bit.
    pub window: u64,
    /// Of so many.
    pub filled: u32,
    /// What was not to change.
    pub was: Option<String>,
    /// Observations a minute (or a few of them together), as far back as the long window.
    pub minutes: BTreeMap<i64, (u64, u64)>,
    /// It is waited for: its rule is about absence.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub absence: bool,
    /// When somebody was told first that it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub told: Option<Timestamp>,
    /// Why it is not told, while it fires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_back: Option<String>,
}

/// What a group was told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Something new is waiting since then.
    pub waiting: Option<Timestamp>,
    /// Alerts that it knows to fire.
    pub told: BTreeSet<String>,
    /// When it was told last.
    pub at: Option<Timestamp>,
    /// The gravest that it was told of last.
    pub severity: Option<Severity>,
    /// Steps of escalation taken.
    pub level: usize,
}

/// What is not told for a while.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its number.
    pub id: u64,
    /// Pattern of ids or names of rules.
    pub pattern: String,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
    /// Who wants it.
    pub author: String,
    /// Why.
    pub reason: String,
}

/// A notification on its way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// What to tell.
    pub notification: Notification,
    /// Attempts so far.
    pub attempts: u32,
    /// When it was tried first, by the clock of the machine.
    pub first_tried: Option<Timestamp>,
    /// Why the last attempt failed.
    pub reason: Option<String>,
    /// An attempt was begun of which nothing is known (whoever made it was killed, or the line was cut): the receiver may have it.
    pub in_flight: bool,
    /// The service will never take it: it is kept to be looked at.
    pub refused: bool,
}

/// One decision, to be explained later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// When, by the record.
    pub at: Timestamp,
    /// The alert, or the group.
    pub of: String,
    /// What was decided and why.
    pub said: String,
    /// Something was not told now, or not at all.
    #[serde(default)]
    pub fate: Option<Fate>,
    /// What it was for the alert.
    #[serde(default, skip_serializing_if = "Turn::is_other")]
    pub turn: Turn,
}

/// What a decision was for its alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// It fires from now on.
    Fired,
    /// It is over.
    Ended,
    /// Something else.
    #[default]
    Other,
}

impl Turn {
    fn is_other(&self) -> bool {
        *self == Turn::Other
    }
}

impl State {
    /// Remembers a decision.
    pub fn decided(&mut self, at: Timestamp, of: &str, said: impl Into<String>, turn: Turn) {
        self.log(Decision { at, of: of.to_owned(), said: said.into(), fate: None, turn });
    }

    /// Remembers that something is not told.
    pub fn kept_back(&mut self, at: Timestamp, of: &str, said: impl Into<String>, fate: Fate) {
        self.log(Decision { at, of: of.to_owned(), said: said.into(), fate: Some(fate), turn: Turn::Other });
    }

    fn log(&mut self, decision: Decision) {
        if self.log.len() >= MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(decision);
    }

    /// The silence that keeps an alert from being told.
    pub fn silence(&self, alert: &Alert, at: Timestamp) -> Option<&Silence> {
        let covers = |silence: &&Silence| {
            let pattern = glob::Pattern::new(&silence.pattern).ok();
            // Records of just before it was wished for are told after.
            at < silence.until && pattern.is_some_and(|pattern| pattern.matches(&alert.id) || pattern.matches(&alert.rule))
        };
        self.silences.iter().find(covers)
    }
}

/// The name of an alert: `RULE SYSTEM ID`.
pub fn name(rule: &str, system: &str, id: &str) -> String {
    let mut name = String::new();
    write_name(&mut name, rule, system, id);
    name
}

/// The same where there was another; made for each record, so without formatting and mostly without allocating.
pub(super) fn write_name(name: &mut String, rule: &str, system: &str, id: &str) {
    name.clear();
    for part in [rule, system] {
        // A blank within would make two alerts one: it becomes one that does not break.
        part.split(' ').enumerate().for_each(|(at, word)| {
            name.push_str(if at > 0 { "\u{a0}" } else { "" });
            name.push_str(word);
        });
        name.push(' ');
    }
    name.push_str(id);
}
