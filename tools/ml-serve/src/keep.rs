//! What the stream said last about each thing. Bounded: in things, in the length of what is said of them, in changes.

use jiff::Timestamp;
use ml_common::Status;
use ml_common::fold::as_check;
use ml_common::record::{Body, Check, Head, Map, Record, Scalar};
use ml_common::redact;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

/// So many things are kept; then the longest unheard-of go.
pub const MAX_THINGS: usize = 2000;

/// So many go at once, so that a stream of ever new ids costs little.
const GO_AT_ONCE: usize = 200;

/// So many changes are shown.
pub const MAX_CHANGES: usize = 50;

/// So many stages are waited for.
const MAX_STAGES: usize = 200;

/// So many characters of one text are kept.
const MAX_TEXT: usize = 600;

/// So many rows of evidence, labels and metrics are kept of one thing.
const MAX_ROWS: usize = 20;

/// Whose word it is, and about what.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    system: String,
    host: String,
    tool: String,
    id: String,
}

/// The last word on a thing.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Who said it, and the status.
    pub head: Head,
    /// What was said; of a step or a whole tool too.
    pub check: Check,
    /// When it was said; when it came, if that cannot be read.
    pub at: Timestamp,
    came: Instant,
}

/// A status that became another.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// The system.
    pub system: String,
    /// The thing.
    pub id: String,
    /// The status before; None for a thing that was bad when it was first heard of.
    pub from: Option<Status>,
    /// The status since.
    pub to: Status,
    /// What was said.
    pub summary: String,
}

/// The state of the stream.
#[derive(Debug)]
pub struct Keep {
    things: HashMap<Key, Thing>,
    changes: VecDeque<Change>,
    /// Stages that began and have not ended, the oldest first.
    running: VecDeque<Head>,
    forget: Duration,
    /// Records seen.
    pub records: u64,
    /// Things that were left out for want of room.
    pub left_out: u64,
    /// When the last record came.
    pub last: Option<Instant>,
    /// When the stream ended.
    pub ended: Option<Instant>,
}

impl Keep {
    /// Nothing is known yet; what is not heard of for `forget` is forgotten.
    pub fn new(forget: Duration) -> Keep {
        let (things, changes, running) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        Keep { things, changes, running, forget, records: 0, left_out: 0, last: None, ended: None }
    }

    /// Takes a record that comes now.
    pub fn take(&mut self, record: &Record, now: Instant) {
        self.records += 1;
        self.last = Some(now);
        let head = &record.head;
        match &record.body {
            Body::Check(check) => self.put(head, check.clone(), now),
            Body::Step(step) => self.put(head, as_check(step), now),
            Body::Start(_) => {
                if self.running.len() >= MAX_STAGES {
                    self.running.pop_front();
                }
                self.running.push_back(head.clone());
            }
            Body::End(end) => {
                self.running.retain(|stage| (&stage.run, &stage.stage) != (&head.run, &head.stage));
                // Having found something bad is no failure of the finder, and has its own line.
                let failed = end.error_class.is_some();
                let said = [Some(&*end.summary), end.reason.as_deref()];
                let said: Vec<&str> = said.into_iter().flatten().filter(|text| !text.is_empty()).collect();
                let check = Check { id: whole(&head.tool), summary: said.join("; "), hint: end.hint.clone(), ..Check::default() };
                let check = Check { error_class: end.error_class.clone(), duration_ms: Some(end.duration_ms), ..check };
                self.put(&Head { status: if failed { Status::Crit } else { Status::Ok }, ..head.clone() }, check, now);
            }
            Body::Statement(_) | Body::Alert(_) => {}
        }
    }

    /// The stream has ended: what began and did not end has died.
    pub fn end(&mut self, now: Instant) {
        self.ended.get_or_insert(now);
        for head in std::mem::take(&mut self.running) {
            let check = Check {
                id: whole(&head.tool),
                summary: "began and never ended".into(),
                hint: Some("look at what it said last, and start it again".into()),
                error_class: Some("died".into()),
                ..Check::default()
            };
            self.put(&Head { status: Status::Crit, ..head }, check, now);
        }
    }

    fn put(&mut self, head: &Head, check: Check, now: Instant) {
        let (head, check) = (short_head(head), short(check));
        let key = Key { system: head.system.clone(), host: head.host.clone(), tool: head.tool.clone(), id: check.id.clone() };
        let at = head.ts.parse().unwrap_or_else(|_| Timestamp::now());
        let before = self.things.get(&key).map(|thing| thing.head.status);
        if before.map_or(head.status.is_bad(), |before| before != head.status) {
            self.changes.push_front(Change {
                at,
                system: head.system.clone(),
                id: check.id.clone(),
                from: before,
                to: head.status,
                summary: check.summary.clone(),
            });
            self.changes.truncate(MAX_CHANGES);
        }
        self.things.insert(key, Thing { head, check, at, came: now });
        if self.things.len() > MAX_THINGS {
            self.make_room(now);
        }
    }

    fn make_room(&mut self, now: Instant) {
        let before = self.things.len();
        self.forget_old(now);
        if before - self.things.len() >= GO_AT_ONCE {
            return;
        }
        let mut by_age: Vec<(Instant, Key)> = self.things.iter().map(|(key, thing)| (thing.came, key.clone())).collect();
        by_age.sort_unstable();
        for (_, key) in by_age.into_iter().take(GO_AT_ONCE) {
            self.things.remove(&key);
            self.left_out += 1;
        }
    }

    /// Forgets what was not heard of for too long.
    pub fn forget_old(&mut self, now: Instant) {
        let forget = self.forget;
        self.things.retain(|_, thing| now.saturating_duration_since(thing.came) <= forget);
    }

    /// What is kept, in no order.
    pub fn things(&self) -> impl Iterator<Item = &Thing> {
        self.things.values()
    }

    /// What changed, the last first.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter()
    }
}

/// The id of a tool's run as a whole, as ml-alert has it: a check may be named as its tool.
fn whole(tool: &str) -> String {
    format!("tool.{tool}")
}

fn cut(text: &str) -> String {
    let clean = redact::scrub(text);
    match clean.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}...", &clean[..end]),
        None => clean.into_owned(),
    }
}

fn short_head(head: &Head) -> Head {
    Head {
        tool: cut(&head.tool),
        stage: String::new(),
        system: cut(&head.system),
        run: cut(&head.run),
        host: cut(&head.host),
        ts: cut(&head.ts),
        ..head.clone()
    }
}

fn short(check: Check) -> Check {
    let scalar = |value: Scalar| match value {
        Scalar::Text(text) => Scalar::Text(cut(&text)),
        other => other,
    };
    let map = |map: Map| map.into_iter().take(MAX_ROWS).map(|(name, value)| (cut(&name), scalar(value))).collect();
    Check {
        id: cut(&check.id),
        value: check.value.map(scalar),
        unit: check.unit.map(|unit| cut(&unit)),
        warn: check.warn.map(scalar),
        crit: check.crit.map(scalar),
        summary: cut(&check.summary),
        hint: check.hint.map(|hint| cut(&hint)),
        error_class: check.error_class.map(|class| cut(&class)),
        blocked_by: check.blocked_by.map(|by| cut(&by)),
        evidence: check.evidence.iter().take(MAX_ROWS).map(|row| cut(row)).collect(),
        labels: map(check.labels),
        metrics: map(check.metrics),
        ..check
    }
}

#[cfg(test)]
#[path = "keep_tests.rs"]
mod tests;
