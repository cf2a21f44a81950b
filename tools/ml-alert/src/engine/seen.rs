//! What rules look at of a record.

use super::scalar;
use crate::rules::Change;
use glob::Pattern;
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;
use ml_common::record::{Body, Head, Map, Record, Scalar};
use ml_watch::expr::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// So many offending rows are told.
const EVIDENCE: usize = 3;
/// So many labels.
const LABELS: usize = 40;
/// Bytes of a sentence, and of each row; a record may hold a megabyte, and what is remembered of 20,000 has to stay small.
pub(super) const TEXT: usize = 1_000;
/// Bytes of a value, a name, an id.
pub(super) const SHORT: usize = 200;

/// Its beginning, whole characters.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    if text.len() <= bytes {
        return text;
    }
    let end = (0..=bytes).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

/// Itself, or when it is long its beginning with a mark that no other text has.
pub(super) fn short(text: &str, bytes: usize) -> Cow<'_, str> {
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{}\u{2026}{:016x}", cut(text, bytes), xxh3_64(text.as_bytes())))
}

/// One observation.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    /// The system.
    pub system: &'a str,
    /// The run.
    pub run: &'a str,
    /// The machine.
    pub host: &'a str,
    /// The tool.
    pub tool: &'a str,
    /// Of a check or step; `tool.ml-backup` is how that tool ended.
    pub id: Cow<'a, str>,
    /// When.
    pub at: Timestamp,
    /// The verdict.
    pub status: Status,
    /// One sentence.
    pub summary: &'a str,
    /// The remedy.
    pub hint: Option<&'a str>,
    /// What was seen.
    pub number: Option<&'a Scalar>,
    /// Its unit.
    pub unit: Option<&'a str>,
    /// The thresholds: warning, critical.
    pub limits: [Option<&'a Scalar>; 2],
    /// Further words and numbers.
    pub maps: [Option<&'a Map>; 2],
    /// Offending rows.
    pub rows: &'a [String],
    /// Of a check: whether work may be built on it only when it is not critical.
    pub gate: Option<bool>,
}

/// A run that goes on makes no longer pause; as long as the longest window of a rule.
const PAUSE: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Reads the times of records; many come with the same. A time that is out of line, before the one before or more than a month on in the same run,
/// counts only when the next record confirms it: one machine or line with a wrong date among others neither ends a `for` nor makes anything
/// absent, and a clock that was set is followed from its second record on.
#[derive(Debug, Default)]
pub struct Clock {
    last: Option<(String, Timestamp)>,
    /// What is out of line and not confirmed.
    doubted: Option<Timestamp>,
    run: String,
    /// Of records whose time cannot be read, before there was another one.
    pub(super) otherwise: Option<Timestamp>,
}

impl Clock {
    fn read(&mut self, head: &Head) -> Option<Timestamp> {
        let goes_on = self.run == head.run;
        if !goes_on {
            self.run.clone_from(&head.run);
        }
        if let Some((_, at)) = self.last.as_ref().filter(|(known, _)| *known == head.ts) {
            self.doubted = None;
            return Some(*at);
        }
        // What an earlier run remembers is nothing to compare with: its clock may have been ahead.
        let before = self.last.as_ref().map(|(_, at)| *at);
        let Ok(at) = head.ts.parse::<Timestamp>() else { return before.or(self.otherwise) };
        let is_odd = |before: &Timestamp| at < *before || (goes_on && at.duration_since(*before) > PAUSE);
        let is_confirmed = self.doubted.is_some_and(|doubted| at.duration_since(doubted).abs() <= PAUSE);
        if let Some(before) = before.filter(is_odd).filter(|_| !is_confirmed) {
            self.doubted = Some(at);
            return Some(before);
        }
        self.doubted = None;
        self.last = Some((head.ts.clone(), at));
        Some(at)
    }
}

impl<'a> Seen<'a> {
    /// What there is to judge in a record: a check, a step, or the end of a tool.
    pub fn of(record: &'a Record, clock: &mut Clock) -> Option<Seen<'a>> {
        let head = &record.head;
        let seen = |id: Cow<'a, str>, at| Seen {
            system: cut(&head.system, SHORT),
            run: cut(&head.run, SHORT),
            host: cut(&head.host, SHORT),
            tool: cut(&head.tool, SHORT),
            id,
            at,
            status: head.status,
            summary: "",
            hint: None,
            number: None,
            unit: None,
            limits: [None, None],
            maps: [None, None],
            rows: &[],
            gate: None,
        };
        Some(match &record.body {
            Body::Check(check) => Seen {
                summary: &check.summary,
                hint: check.hint.as_deref(),
                number: check.value.as_ref(),
                unit: check.unit.as_deref(),
                limits: [check.warn.as_ref(), check.crit.as_ref()],
                maps: [Some(&check.metrics), Some(&check.labels)],
                rows: &check.evidence,
                gate: Some(check.gate),
                ..seen(short(&check.id, SHORT), clock.read(head)?)
            },
            Body::Step(step) => Seen {
                summary: if step.summary.is_empty() { step.reason.as_deref().unwrap_or_default() } else { &step.summary },
                hint: step.hint.as_deref(),
                maps: [Some(&step.metrics), Some(&step.labels)],
                ..seen(short(&step.id, SHORT), clock.read(head)?)
            },
            Body::End(end) => {
                // Having found something bad is no failure of the finder: what it found is judged by itself.
                let status = if end.error_class.is_some() { Status::Crit } else { Status::Ok };
                let planned = matches!(head.status, Status::Skipped | Status::Planned) && status == Status::Ok;
                Seen {
                    status: if planned { head.status } else { status },
                    summary: &end.summary,
                    hint: end.hint.as_deref(),
                    maps: [Some(&end.metrics), Some(&end.labels)],
                    ..seen(Cow::Owned(short(&format!("tool.{}", head.tool), SHORT).into_owned()), clock.read(head)?)
                }
            }
            Body::Start(_) | Body::Alert(_) | Body::Statement(_) => return None,
        })
    }

    /// Whether there is anything to judge, whatever its time is.
    pub fn is_any(record: &Record) -> bool {
        matches!(record.body, Body::Check(_) | Body::Step(_) | Body::End(_))
    }

    /// A name of an expression: `value`, `status`, `id`, `tool`, `host`, `gate`, a metric or a label.
    pub fn value(&self, name: &str) -> Option<Value<'a>> {
        match name {
            "value" => self.number.map(scalar),
            "status" => Some(Value::Text(Cow::Borrowed(self.status.name()))),
            "tool" => Some(Value::Text(Cow::Borrowed(self.tool))),
            "gate" => self.gate.map(Value::Bool),
            "host" => Some(Value::Text(Cow::Borrowed(self.host))),
            "id" => Some(Value::Text(Cow::Owned(self.id.clone().into_owned()))),
            other => self.maps.iter().flatten().find_map(|map| map.get(other)).map(scalar),
        }
    }

    /// What is not to change, as text.
    pub fn text(&self, change: &Change) -> Option<String> {
        match change {
            Change::Value => self.number.map(ToString::to_string),
            Change::Named(name) => self.value(name).map(|value| value.to_string()),
        }
    }

    /// Whether it has these labels.
    pub fn has_labels(&self, wanted: &BTreeMap<String, Pattern>) -> bool {
        wanted.iter().all(|(name, pattern)| match self.value(name) {
            Some(Value::Text(text)) => pattern.matches(&text),
            Some(other) => pattern.matches(&other.to_string()),
            None => false,
        })
    }

    /// Whether it counts as good in an error budget.
    pub fn is_good(&self) -> bool {
        !self.status.is_bad()
    }

    /// Value with unit.
    pub fn value_shown(&self) -> Option<String> {
        let unit = self.unit.map(|unit| if unit == "%" { "%".to_owned() } else { format!(" {unit}") });
        self.number.map(|value| format!("{value}{}", unit.unwrap_or_default()))
    }

    /// The threshold that it crossed.
    pub fn threshold_shown(&self) -> Option<String> {
        let [warn, crit] = self.limits;
        if self.status == Status::Crit { crit.or(warn) } else { warn }.map(ToString::to_string)
    }

    /// Its labels, as texts; a name that is a metric's is that.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let is_metric = |name: &str| self.maps[0].is_some_and(|metrics| metrics.contains_key(name));
        let labels = self.maps[1].into_iter().flatten().filter(|(name, _)| name.len() <= SHORT && !is_metric(name)).take(LABELS);
        labels.map(|(name, value)| (name.clone(), cut(&value.to_string(), SHORT).to_owned())).collect()
    }

    /// The first offending rows.
    pub fn evidence(&self) -> Vec<String> {
        self.rows.iter().take(EVIDENCE).map(|row| cut(row, TEXT).to_owned()).collect()
    }
}
