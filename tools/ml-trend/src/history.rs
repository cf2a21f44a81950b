//! What archives tell of each check, gathered a record at a time.

use ml_common::Status;
use ml_common::record::{Body, Check, Map, Record, Scalar};
use ml_watch::near;
use ml_watch::trend::Daily;
use ml_watch::uptime::{DAY, Seen, Uptime};
use std::collections::{BTreeMap, BTreeSet};

/// So many checks are followed, the first that come; the others are counted.
pub const MAX_CHECKS: usize = 2000;

/// Whose figure: system, machine, id of the check.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The system.
    pub system: String,
    /// The machine that it was seen from.
    pub host: String,
    /// The check.
    pub id: String,
}

/// One check through time.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its figure.
    pub figure: Daily,
    /// The unit of the figure.
    pub unit: String,
    /// What the figure may grow to, as the record said last.
    pub capacity: Option<f64>,
    /// When it was well.
    pub uptime: Uptime,
}

/// All of them.
#[derive(Clone, Debug)]
pub struct History {
    only: Vec<String>,
    hold: i64,
    now: i64,
    /// Ids that nobody asked for, for who mistypes one.
    others: BTreeSet<String>,
    /// The checks.
    pub series: BTreeMap<Key, Series>,
    /// Records read.
    pub records: u64,
    /// The second of the newest record; windows end there.
    pub newest: i64,
    /// Records that lie more than a day ahead, and are left out.
    pub ahead: u64,
    /// Observations of checks beyond [`MAX_CHECKS`].
    pub left_out: u64,
}

impl History {
    /// Nothing yet. `only` are ids or their beginnings; an observation stands for at most `hold` seconds; it is the second `now`.
    pub fn new(only: Vec<String>, hold: i64, now: i64) -> History {
        History { only, hold, now, others: BTreeSet::new(), series: BTreeMap::new(), records: 0, newest: 0, ahead: 0, left_out: 0 }
    }

    /// Takes a record.
    pub fn take(&mut self, record: &Record) {
        self.records += 1;
        let head = &record.head;
        let Body::Check(check) = &record.body else { return };
        // Trends of trends say nothing: ours, and those of profiles.
        if head.tool == "ml-trend" || check.id.ends_with(".trend") || check.id.ends_with(".availability") {
            return;
        }
        let seen = match head.status {
            Status::Ok | Status::Warn => Seen::Up,
            Status::Crit => Seen::Down,
            Status::Unknown => Seen::Unknown,
            // Whether it was well while another one kept it from being made is not known.
            Status::Skipped if check.blocked_by.is_some() => Seen::Unknown,
            Status::Skipped | Status::Planned => return,
        };
        if !self.wants(&check.id) {
            if self.others.len() < MAX_CHECKS && !self.others.contains(&check.id) {
                self.others.insert(check.id.clone());
            }
            return;
        }
        let Ok(at) = head.ts.parse::<jiff::Timestamp>() else { return };
        let at = at.as_second();
        if at > self.now + DAY {
            self.ahead += 1;
            return;
        }
        let key = Key { system: head.system.clone(), host: head.host.clone(), id: check.id.clone() };
        if self.series.len() >= MAX_CHECKS && !self.series.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        self.newest = self.newest.max(at);
        let hold = self.hold;
        let series = self.series.entry(key).or_insert_with(|| Series {
            figure: Daily::default(),
            unit: String::new(),
            capacity: None,
            uptime: Uptime::new(hold),
        });
        series.uptime.saw(at, seen);
        if let Some(figure) = Figure::of(check) {
            if series.unit != figure.unit {
                // Another unit is another figure.
                (series.unit, series.figure) = (figure.unit.to_owned(), Daily::default());
            }
            series.figure.add(at, figure.value);
            series.capacity = figure.capacity;
        }
    }

    fn wants(&self, id: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| begins(only, id))
    }

    /// What no check that was asked for is called by: of the `--only`, and of `others`, which are whole ids.
    pub fn missing<'a>(&'a self, others: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
        let seen = |fits: &dyn Fn(&str) -> bool| self.series.keys().any(|key| fits(&key.id));
        let only = self.only.iter().filter(|only| !seen(&|id| begins(only, id)));
        only.chain(others.filter(|other| !seen(&|id| id == *other))).map(String::as_str).collect()
    }

    /// What may have been meant by an id that no check has.
    pub fn meant(&self, id: &str) -> Option<&str> {
        near::nearest(id, self.others.iter().map(String::as_str).chain(self.series.keys().map(|key| key.id.as_str())))
    }

    /// Observations that came after a newer one of the same check.
    pub fn disordered(&self) -> u64 {
        self.series.values().map(|series| series.uptime.disordered()).sum()
    }
}

/// `disk` means disk and disk.backups, not diskette.
fn begins(only: &str, id: &str) -> bool {
    id.strip_prefix(only).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The number of a check that grows.
struct Figure<'a> {
    value: f64,
    unit: &'a str,
    capacity: Option<f64>,
}

impl<'a> Figure<'a> {
    /// What fills up, where the metrics say so; else the value.
    fn of(check: &'a Check) -> Option<Figure<'a>> {
        let metric = |name: &str| number(check.metrics.get(name)?);
        let value = check.value.as_ref().and_then(number);
        let unit = check.unit.as_deref().unwrap_or_default();
        if let (Some(used), Some(capacity)) = (metric("used"), metric("total").or_else(|| metric("limit")).filter(|total| *total > 0.0)) {
            return Some(Figure { value: used, unit: unit_of_used(check, unit, capacity), capacity: Some(capacity) });
        }
        // The disks of the home system tell what is free, and of how much.
        if let (Some(free), Some(total), true) = (value, metric("total_bytes"), check.metrics.contains_key("free_percent")) {
            return Some(Figure { value: total - free, unit: "bytes", capacity: Some(total) });
        }
        value.map(|value| Figure { value, unit, capacity: None })
    }
}

/// A share that is told in per cent has used and total of another unit: from a mebibyte on those are bytes, below they are things.
fn unit_of_used<'a>(check: &'a Check, unit: &'a str, capacity: f64) -> &'a str {
    let is_share = check.value.as_ref().and_then(number).is_none_or(|value| Some(value) != used(&check.metrics));
    match (is_share, capacity >= f64::from(1 << 20)) {
        (false, _) => unit,
        (true, true) => "bytes",
        (true, false) => "",
    }
}

fn used(metrics: &Map) -> Option<f64> {
    number(metrics.get("used")?)
}

fn number(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Bool(_) | Scalar::Text(_) => None,
    }
}

#[cfg(test)]
#[path = "history_tests.rs"]
mod tests;
