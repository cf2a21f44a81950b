//! Profiles: the checks of a system, written by its operators (docs/profiles.md is their manual).
//!
//! [`read`] turns the file into the types here, and tells every mistake with its place; [`judge`] is pure: a sample, a check and the memory of
//! earlier runs make a finding; [`worker`] takes the samples on the lane of its probe.

mod asked;
mod ids;
mod judge;
mod memory;
mod needs;
mod params;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod past_tests;
mod read;
mod summary;
#[cfg(test)]
mod tests;
mod worker;

pub use judge::{availability_of, figure, judge, trend_of};
pub use memory::{Memory, Remembered};
pub use read::{Checked, check, load, path, since};

use crate::check::{OnError, Tier};
use crate::kind::{Args, Kind, Opening, Pace, Probe, View};
use crate::lane::{Abort, Lane, Planned};
use ml_common::Result;
use ml_common::record::Map;
use ml_watch::expr::Expr;
use ml_watch::threshold::Threshold;
use std::sync::Arc;
use std::time::Duration;
use summary::Summary;

/// A profile without mistakes.
#[derive(Debug)]
pub struct Profile {
    /// The system that it is about.
    pub system: String,
    /// The compiled-in checks of the ledger are made, too.
    pub home: bool,
    /// In the order of the file.
    pub probes: Vec<ProbeSpec>,
    /// In the order of the file, the advice last.
    pub checks: Vec<Arc<CheckSpec>>,
    /// The variables that it asks for.
    pub variables: Vec<String>,
}

/// `[probe.NAME]`
#[derive(Debug)]
pub struct ProbeSpec {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: &'static Kind,
    /// Its parameters.
    pub args: Args,
    /// How often it may look, or ask.
    pub pace: Option<Pace>,
    /// Why it cannot be opened: variables that are not set.
    pub unset: Option<String>,
}

/// `[[check]]` or `[[advice]]`
#[derive(Debug)]
pub struct CheckSpec {
    /// What the schedule needs to know.
    pub planned: Planned,
    /// Place of its probe.
    pub probe: usize,
    /// What is asked of it.
    pub view: &'static View,
    /// With which arguments.
    pub args: Args,
    /// Names probe, view and arguments: what the same is asked of is looked at once, and remembered under it.
    pub key: Arc<str>,
    /// The value.
    pub value: Option<Expr>,
    /// Its unit.
    pub unit: Option<String>,
    /// When it is a warning.
    pub warn: Option<Threshold>,
    /// When it is critical.
    pub crit: Option<Threshold>,
    /// For people, in place of the probe's own words.
    pub summary: Option<Summary>,
    /// What to do.
    pub hint: Option<String>,
    /// Labels of its record.
    pub labels: Map,
    /// Time until full.
    pub trend: Option<TrendSpec>,
    /// Share of the time in which it is well.
    pub availability: Option<AvailabilitySpec>,
}

/// `[check.trend]`
#[derive(Debug)]
pub struct TrendSpec {
    /// What grows.
    pub of: Expr,
    /// How far it may.
    pub capacity: Expr,
    /// Growth of less a day is none.
    pub floor: f64,
    /// Thresholds of the seconds until then.
    pub warn: Option<Threshold>,
    /// See `warn`.
    pub crit: Option<Threshold>,
}

/// `[check.availability]`
#[derive(Debug)]
pub struct AvailabilitySpec {
    /// Looked at so many days back.
    pub days: i64,
    /// Less per cent is a warning.
    pub target: f64,
    /// Less is critical.
    pub crit: Option<f64>,
}

impl CheckSpec {
    /// The names of which the last value is remembered.
    pub fn remembered(&self) -> Vec<&str> {
        self.expressions().flat_map(Expr::remembered).collect()
    }

    /// The names of which daily values are remembered.
    pub fn grown(&self) -> Vec<&str> {
        self.expressions().flat_map(Expr::grown).collect()
    }

    /// The names that it speaks of, in order.
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.value.iter().flat_map(Expr::names).collect();
        names.extend(self.thresholds().flat_map(Threshold::names));
        names.extend(self.summary.iter().flat_map(Summary::names));
        names
    }

    fn thresholds(&self) -> impl Iterator<Item = &Threshold> {
        self.warn.iter().chain(&self.crit)
    }

    fn expressions(&self) -> impl Iterator<Item = &Expr> {
        self.value.iter().chain(self.thresholds().filter_map(Threshold::expr))
    }
}

impl Profile {
    /// The check of that id.
    pub fn check(&self, id: &str) -> Option<&Arc<CheckSpec>> {
        self.checks.iter().find(|check| &*check.planned.id == id)
    }

    /// Opens the probes of the chosen checks; nothing is connected to yet. A lane a probe, in the order of the first check that asks it.
    ///
    /// # Errors
    /// Class Config when the parameters of a probe make no sense.
    pub fn lanes(&self, chosen: &dyn Fn(&str) -> bool, opening: &Opening<'_>, shared: &worker::Shared) -> Result<Vec<Lane>> {
        let mut lanes: Vec<(usize, Vec<Arc<CheckSpec>>)> = Vec::new();
        for check in self.checks.iter().filter(|check| chosen(&check.planned.id)) {
            match lanes.iter_mut().find(|(probe, _)| *probe == check.probe) {
                Some((_, checks)) => checks.push(Arc::clone(check)),
                None => lanes.push((check.probe, vec![Arc::clone(check)])),
            }
        }
        let lane = |(probe, checks): (usize, Vec<Arc<CheckSpec>>)| {
            let spec = &self.probes[probe];
            let mut planned: Vec<Planned> = checks.iter().map(|check| check.planned.clone()).collect();
            let probe = match &spec.unset {
                None => Some(spec.open(opening)?),
                Some(reason) => {
                    planned.iter_mut().for_each(|check| check.never = Some(reason.clone()));
                    None
                }
            };
            let server = probe.as_ref().and_then(|probe| probe.server());
            let abort = Abort::default();
            let worker = worker::ProbeWorker::new(probe, spec, checks, shared.clone(), Arc::clone(&abort));
            Ok(Lane::new(planned, Box::new(worker), abort).to(server))
        };
        lanes.into_iter().map(lane).collect()
    }
}

impl ProbeSpec {
    /// Opens it.
    ///
    /// # Errors
    /// Class Config when its parameters make no sense.
    pub fn open(&self, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
        (self.kind.open)(&self.args, opening).map_err(|failure| failure.context(format!("probe.{}", self.name)))
    }
}

/// What a check costs when it does not say.
const TIER: Tier = Tier::Normal;
/// What it means that nothing could be seen, when a check does not say.
const ON_ERROR: OnError = OnError::Unknown;
/// An availability is judged over so long when a check does not say.
const WINDOW: Duration = Duration::from_secs(30 * 86_400);

pub use worker::Shared;
