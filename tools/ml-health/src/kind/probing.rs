//! Probes as a profile opens them, for the tests of the kinds: parameters with their defaults, a memory for each view, looks in a row.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "the tests of each kind use their part")]

use super::{Arg, Args, Kind, Look, Opening, Param, ParamKind, Probe, Sample, Turns, Unseen};
use crate::lane::Abort;
use jiff::Timestamp;
use ml_common::settings::Settings;
use ml_common::signal::Cancel;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// An open probe.
pub struct Probing {
    kind: &'static Kind,
    probe: Box<dyn Probe>,
    memories: BTreeMap<String, (Value, Timestamp)>,
    /// The time of the look.
    pub now: Timestamp,
    /// How long a look may take.
    pub limit: Duration,
    /// `--since`.
    pub since: Option<Timestamp>,
    /// What the probe set to be called.
    pub abort: Abort,
}

/// What is given, and the defaults of what is not.
pub fn args(params: &[Param], given: &[(&'static str, Arg)]) -> Args {
    for (name, _) in given {
        assert!(params.iter().any(|param| param.name == *name), "there is no parameter {name}");
    }
    let default = |param: &Param| {
        let text = param.default?;
        Some(match param.kind {
            ParamKind::Number => Arg::Number(text.parse().unwrap()),
            ParamKind::Duration => Arg::Duration(if text == "0s" { Duration::ZERO } else { read(text) }),
            ParamKind::Switch => Arg::Switch(text == "true"),
            ParamKind::Texts | ParamKind::Table | ParamKind::Patterns | ParamKind::SecretTable => panic!("{} has a default", param.name),
            _ => Arg::Text(text.to_owned()),
        })
    };
    let value = |param: &Param| given.iter().find(|(name, _)| *name == param.name).map(|(_, arg)| arg.clone()).or_else(|| default(param));
    Args(params.iter().filter_map(|param| Some((param.name, value(param)?))).collect())
}

fn read(text: &str) -> Duration {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic()).unwrap());
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => panic!("what is {unit}?"),
    };
    Duration::from_secs(number.parse::<u64>().unwrap() * seconds)
}

/// A text as profiles give it.
pub fn text(text: impl Into<String>) -> Arg {
    Arg::Text(text.into())
}

/// A list of texts.
pub fn texts(list: &[&str]) -> Arg {
    Arg::Texts(list.iter().map(|text| (*text).to_owned()).collect())
}

impl Probing {
    /// Opens it.
    pub fn open(kind: &'static Kind, given: &[(&'static str, Arg)]) -> Probing {
        Probing::open_with(kind, given, &Settings::default())
    }

    /// Opens it under these settings.
    pub fn open_with(kind: &'static Kind, given: &[(&'static str, Arg)], settings: &Settings) -> Probing {
        let opening = Opening { settings, system: "test", application: "ml-health test", root: std::path::Path::new("/") };
        let probe = (kind.open)(&args(kind.params, given), &opening).unwrap();
        let (now, limit) = (Timestamp::now(), Duration::from_secs(20));
        Probing { kind, probe, memories: BTreeMap::new(), now, limit, since: None, abort: Abort::default() }
    }

    /// Looks at a view with these arguments, a tick after the look before.
    pub fn take(&mut self, view: &str, given: &[(&'static str, Arg)]) -> Result<Sample, Unseen> {
        self.now = Timestamp::now();
        self.take_in_tick(view, given)
    }

    /// The same in the tick of the look before.
    pub fn take_in_tick(&mut self, view: &str, given: &[(&'static str, Arg)]) -> Result<Sample, Unseen> {
        let found = self.kind.views.iter().find(|known| known.name == view);
        let args = args(found.unwrap_or_else(|| panic!("there is no view {view}")).params, given);
        let key = format!("{view} {args:?}");
        let (mut memory, remembered) = self.memories.remove(&key).map_or((Value::Null, None), |(memory, at)| (memory, Some(at)));
        let cancel = Cancel::default();
        let mut look = Look {
            now: self.now,
            until: Instant::now() + self.limit,
            since: self.since,
            memory: &mut memory,
            remembered,
            cancel: &cancel,
            abort: &self.abort,
            turns: &mut Turns::default(),
        };
        let taken = self.probe.take(view, &args, &mut look);
        self.memories.insert(key, (memory, self.now));
        taken
    }
}
