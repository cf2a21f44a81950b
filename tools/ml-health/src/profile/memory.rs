//! What is remembered between runs: the last values that differences are told of, daily values for trends, times of being well.

use super::{CheckSpec, Profile};
use crate::kind::Sample;
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;
use ml_common::record::{Map, Scalar};
use ml_watch::expr::{History, Value};
use ml_watch::trend::Daily;
use ml_watch::uptime::{Seen, Uptime};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is no longer in the profile is forgotten after so long.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(35 * 24);
/// Growth a day is told of a value that is this old at least; over less it is noise.
const DAY_MIN: f64 = 0.5;
/// No more checks or views are remembered; the longest unseen go first.
const MOST: usize = 4096;

/// The state of a system.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// What views remember, by probe, view and arguments.
    pub views: BTreeMap<String, Remembered>,
    /// What checks remember, by id.
    pub checks: BTreeMap<String, Past>,
}

/// What a view remembers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Remembered {
    /// Since when.
    #[serde(with = "stamp")]
    pub at: Timestamp,
    /// What.
    pub value: serde_json::Value,
}

/// The past of a check.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Past {
    /// When anything was seen of it last.
    #[serde(with = "stamp")]
    pub touched: Timestamp,
    /// When its values were.
    #[serde(with = "stamp")]
    pub at: Timestamp,
    /// Its last values.
    pub values: Map,
    /// When those were that the last look did not give, in milliseconds since 1970: an answer without a value does not make what comes after it the first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub older: BTreeMap<String, i64>,
    /// Daily values by name.
    pub daily: BTreeMap<String, Daily>,
    /// When it was well.
    pub uptime: Option<Uptime>,
}

impl Memory {
    /// Takes in what a check saw.
    pub fn saw(&mut self, check: &CheckSpec, sample: &Sample, trend: Option<f64>, now: Timestamp) {
        let (remembered, grown) = (check.remembered(), check.grown());
        if remembered.is_empty() && trend.is_none() {
            return;
        }
        let past = self.checks.entry(check.planned.id.to_string()).or_default();
        let before = std::mem::replace(&mut past.at, now);
        past.touched = now;
        past.values.retain(|name, _| remembered.contains(&name.as_str()));
        for name in remembered {
            if let Some(value) = sample.values.get(name) {
                past.values.insert(name.to_owned(), value.clone());
                past.older.remove(name);
            } else if past.values.contains_key(name) {
                past.older.entry(name.to_owned()).or_insert_with(|| before.as_millisecond());
            }
        }
        past.older.retain(|name, _| past.values.contains_key(name));
        let numbers = grown.iter().filter_map(|name| Some(((*name).to_owned(), Value::of(sample.values.get(*name)?).number()?)));
        for (name, number) in numbers.chain(trend.map(|number| (TREND.to_owned(), number))) {
            past.daily.entry(name).or_default().add(now.as_second(), number);
        }
    }

    /// Takes in how a check was found. What another one kept from being made may be well or not; what was not to be made was not seen.
    pub fn found(&mut self, check: &CheckSpec, (status, blocked): (Status, bool), now: Timestamp) {
        if check.availability.is_none() {
            return;
        }
        let seen = match status {
            Status::Ok | Status::Warn => Seen::Up,
            Status::Crit => Seen::Down,
            Status::Unknown => Seen::Unknown,
            Status::Skipped if blocked => Seen::Unknown,
            Status::Skipped | Status::Planned => return,
        };
        let past = self.checks.entry(check.planned.id.to_string()).or_default();
        past.touched = now;
        let uptime = past.uptime.get_or_insert_default();
        uptime.set_back(now.as_second());
        uptime.saw(now.as_second(), seen);
    }

    /// Takes in what a view remembers.
    pub fn keep(&mut self, key: &Arc<str>, memory: Remembered) {
        self.views.insert(key.to_string(), memory);
    }

    /// Forgets what the profile has not had for a long time.
    pub fn tidy(&mut self, profile: &Profile, now: Timestamp) {
        let is_new = |at: Timestamp| now.duration_since(at) < FORGOTTEN;
        self.checks.retain(|id, past| profile.check(id).is_some() || is_new(past.touched));
        self.views.retain(|key, view| profile.checks.iter().any(|check| *check.key == **key) || is_new(view.at));
        shorten(&mut self.checks, |past| past.touched);
        shorten(&mut self.views, |view| view.at);
    }

    /// The past of a check as its expressions ask for it.
    pub fn history<'a>(&'a self, id: &str, now: Timestamp) -> Before<'a> {
        Before { past: self.checks.get(id), now }
    }
}

/// The daily values of `[check.trend]` stand under this name, which no metric has.
pub const TREND: &str = "-";

fn shorten<T>(map: &mut BTreeMap<String, T>, at: impl Fn(&T) -> Timestamp) {
    while map.len() > MOST {
        let Some(oldest) = map.iter().min_by_key(|(_, value)| at(value)).map(|(key, _)| key.clone()) else { return };
        map.remove(&oldest);
    }
}

/// What one check knows of earlier runs.
pub struct Before<'a> {
    /// Its past, if it has one.
    pub past: Option<&'a Past>,
    now: Timestamp,
}

impl History for Before<'_> {
    fn previous(&self, name: &str) -> Option<Value<'_>> {
        self.past?.values.get(name).map(Value::of)
    }

    fn elapsed(&self, name: &str) -> Option<f64> {
        let past = self.past?;
        let at = past.older.get(name).and_then(|at| Timestamp::from_millisecond(*at).ok()).unwrap_or(past.at);
        Some(self.now.duration_since(at).as_secs_f64()).filter(|elapsed| *elapsed > 0.0)
    }

    /// Against the youngest daily value that is old enough.
    fn per_day(&self, name: &str, value: f64) -> Option<f64> {
        let today = self.now.as_second() as f64 / 86_400.0;
        let points = self.past?.daily.get(name)?.points();
        let before = points.iter().rev().find(|point| today - point.day >= DAY_MIN)?;
        Some((value - before.value) / (today - before.day))
    }

    fn now(&self) -> Timestamp {
        self.now
    }
}

/// Scalars by name, as expressions ask for them.
pub fn named<'a>(values: &'a BTreeMap<String, Scalar>) -> impl Fn(&str) -> Option<Value<'a>> {
    move |name| values.get(name).map(Value::of)
}

/// Moments as people read them.
mod stamp {
    use jiff::Timestamp;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(at: &Timestamp, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(at)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}
