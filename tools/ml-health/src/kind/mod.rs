//! The kinds of probes that profiles name. A probe looks and judges nothing: it gives a [`Sample`] of numbers, words and offending rows, and the
//! checks of the profile are judged over it. A further kind is one file with a [`Kind`] in it, and an entry in [`KINDS`].

mod args;
mod command;
mod container;
mod declare;
mod disk;
mod dns;
#[cfg(all(test, unix))]
mod documents_tests;
mod exposed;
mod files;
mod host;
mod http;
pub mod jq;
mod json;
mod lean;
mod logs;
mod pace;
mod permissions;
mod pm2;
mod postgres;
#[cfg(all(test, unix))]
pub mod probing;
mod process;
mod prometheus;
mod promql;
mod redis;
mod reference;
mod sample;
mod source;
mod tls;

pub use args::{Arg, Args, Param, ParamKind};
pub use pace::{Pace, Turns};
pub use reference::reference;
pub use sample::{Metric, Sample, Unseen};

use crate::lane::Abort;
use crate::server::{Held, Server};
use jiff::Timestamp;
use ml_common::Result;
use ml_common::record::Scalar;
use ml_common::settings::Settings;
use ml_common::signal::Cancel;
use serde_json::Value;
use std::time::{Duration, Instant};

/// All kinds, in the order of the manual (docs/probes.md is generated from them).
pub const KINDS: &[&Kind] = &[
    &postgres::KIND,
    &redis::KIND,
    &http::KIND,
    &json::KIND,
    &prometheus::KIND,
    &promql::KIND,
    &tls::KIND,
    &dns::KIND,
    &host::KIND,
    &disk::KIND,
    &process::KIND,
    &pm2::KIND,
    &container::KIND,
    &files::KIND,
    &permissions::KIND,
    &exposed::KIND,
    &logs::KIND,
    &command::KIND,
    &lean::KIND,
];

/// What is measured is not known to the last bit.
fn thousandth(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// Milliseconds, to a thousandth.
fn milliseconds(duration: Duration) -> f64 {
    thousandth(duration.as_secs_f64() * 1000.0)
}

/// A number as an integer where it is one.
fn whole(value: f64) -> Scalar {
    if value.fract() == 0.0 && value.abs() < 9e15 { Scalar::from(value as i64) } else { Scalar::from(value) }
}

/// `busy 3, total 10 of GET http://localhost:8088`: the first five of what was found.
fn listed(values: &ml_common::record::Map, from: &str) -> String {
    let mut all: Vec<String> = values.iter().take(5).map(|(name, value)| format!("{name} {value}")).collect();
    if values.len() > all.len() {
        all.push(format!("{} more", values.len() - all.len()));
    }
    if all.is_empty() { format!("nothing of {from}") } else { format!("{} of {from}", all.join(", ")) }
}

/// The kind of that name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().copied().find(|kind| kind.name == name)
}

/// A kind of probe: what a profile may say of it, and how it is opened.
#[derive(Debug)]
pub struct Kind {
    /// `kind = "postgres"`.
    pub name: &'static str,
    /// One or two sentences for the manual.
    pub doc: &'static str,
    /// What stands in `[probe.NAME]`.
    pub params: &'static [Param],
    /// What can be asked of it: `probe = "NAME.VIEW"`. The first is meant when a check names none.
    pub views: &'static [View],
    /// Makes the probe. Nothing is connected to and nothing read yet; all probes are opened before the first looks.
    ///
    /// # Errors
    /// Class Config for parameters that make no sense together. `--check-config` opens every probe to find these.
    pub open: fn(&Args, &Opening<'_>) -> Result<Box<dyn Probe>>,
}

/// One thing that a probe can be asked.
#[derive(Debug)]
pub struct View {
    /// `connections` in `probe = "db.connections"`.
    pub name: &'static str,
    /// One or two sentences for the manual: what it looks at, which privilege it needs.
    pub doc: &'static str,
    /// What stands in the check's `args`.
    pub params: &'static [Param],
    /// Numbers and words that it gives; the first is the check's value when it names none.
    pub metrics: &'static [Metric],
    /// The parameter (of the probe, or else of the view) whose table names further metrics, such as `metrics = { busy = ".pool.busy" }`.
    pub named_by: Option<&'static str>,
}

/// What a probe may know when it is opened.
pub struct Opening<'a> {
    /// The settings in force.
    pub settings: &'a Settings,
    /// The system that is operated.
    pub system: &'a str,
    /// How the probe names itself to a server: `ml-health RUN`.
    pub application: &'a str,
    /// Relative paths start here (the folder above `config/`).
    pub root: &'a std::path::Path,
}

/// A probe that is open. It stays open from look to look in watch mode, and mends its own connection.
pub trait Probe: Send {
    /// Looks once. Of what several checks ask, the lane asks once and keeps the sample for the tick.
    ///
    /// # Errors
    /// [`Unseen`]: why there is nothing to judge.
    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen>;

    /// The server that it keeps a connection to: probes of the same share it.
    fn server(&self) -> Option<Server> {
        None
    }

    /// Lets the connection go to another.
    fn release(&mut self) -> Option<Held> {
        None
    }

    /// Takes the connection over.
    fn adopt(&mut self, _: Held) {}
}

/// What one look has at hand.
pub struct Look<'a> {
    /// The time of the tick.
    pub now: Timestamp,
    /// When the look has to be over; whoever hangs longer is left behind, and the check told as late.
    pub until: Instant,
    /// With `--since`, look from there on, in place of from the last run on.
    pub since: Option<Timestamp>,
    /// What this view with these arguments remembered last time; null at first, and in a state that was lost. At most 64 KiB are kept.
    pub memory: &'a mut Value,
    /// When that was.
    pub remembered: Option<Timestamp>,
    /// Says when to stop.
    pub cancel: &'a Cancel,
    /// To be set to what ends a wait that listens to nothing else (a query's cancellation).
    pub abort: &'a Abort,
    /// What is left of the probe's `rate_limit`.
    pub turns: &'a mut Turns,
}

impl Look<'_> {
    /// Time that is left, never zero: a limit of nothing means "for ever" to some libraries.
    pub fn left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
    }

    /// Waits for a turn by the probe's `rate_limit`. The look itself has had one: only probes that ask several times ask for it, each time.
    ///
    /// # Errors
    /// When none comes within the look's time, or a signal does.
    pub fn turn(&mut self) -> std::result::Result<(), Unseen> {
        self.turns.next(self.left(), self.cancel)
    }
}
