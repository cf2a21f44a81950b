//! Delivery: the state is on disk before an attempt and after each, so that whatever is killed whenever loses nothing.
//!
//! At least once. What was on the wire when the run was killed is sent again: with the same key where the receiver knows keys, marked "possibly
//! repeated" where it does not (docs/sinks.md). `drain` decides over a `Store` and a `Wire`; this file is what the rest of the tool calls.

mod drain;
mod memory;
mod outcome;
mod smtp;
mod test;
mod wire;

pub use drain::{Pass, drain};
pub use memory::{SinkState, Standing, Store};
pub use outcome::Outcome;
pub use test::notification as test_notification;
pub use wire::{Net, Wire};

use crate::engine::state::Entry;
use crate::notification::{Notification, Why};
use crate::sinks::{Kind, Ping, Sink};
use jiff::Timestamp;
use ml_common::record::{Alert, AlertState, Check, Fate};
use ml_common::{Class, Failure, Result, Stage, Status};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

/// A dead man's switch is told of a beginning within this time, or not at all.
const GREETING: Duration = Duration::from_secs(3);

/// The sinks of the rules by name.
pub type Sinks = BTreeMap<String, Sink>;

/// What became of the outbox.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Delivered {
    /// Notifications sent.
    pub sent: usize,
    /// Kept for later.
    pub held: usize,
    /// Never to be taken.
    pub refused: usize,
    /// The state could not be written; what was sent meanwhile may be sent again.
    pub unsaved: Option<Failure>,
    /// Why the first that was not sent was not.
    pub why: Option<Failure>,
}

/// One notification and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Told {
    /// The notification.
    pub notification: Notification,
    /// Sent, held, or refused for good (suppressed).
    pub fate: Fate,
    /// Why that fate.
    pub reason: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// Sends what is due. At the end of a run (`last`) pauses that receivers want are waited for, as long as ALERT_BUDGET_SECONDS allows; while a watch
/// goes on they are not.
///
/// # Errors
/// A signal. What could not be delivered or written down is no error.
pub fn outbox(stage: &Stage, sinks: &Sinks, store: &mut dyn Store, last: bool) -> Result<Delivered> {
    let mut wire = net(stage);
    let budget = if last { Duration::from_secs(stage.settings.count("ALERT_BUDGET_SECONDS")?) } else { Duration::ZERO };
    let mut why = None;
    let done = drain(store, sinks, &mut wire, Pass { budget, last }, &mut |told| {
        let status = if told.fate == Fate::Sent { Status::Ok } else { Status::Warn };
        if told.fate != Fate::Sent {
            let unset = sinks.get(&told.notification.sink).is_some_and(|sink| matches!(sink.kind, Kind::Unset(_)));
            let class = if unset { Class::Config } else { Class::Network };
            let failure = Failure::new(class, told.reason.clone().unwrap_or_default());
            why.get_or_insert(failure.hint(told.hint.clone().unwrap_or_default()));
        }
        let (reason, hint) = (told.reason.clone(), told.hint.clone());
        stage.alert(status, Alert { fate: told.fate, reason, hint, ..alert(sinks, &told.notification) });
    })?;
    Ok(Delivered { why, ..done })
}

/// Dry run: shows exactly what would be sent.
pub fn plan(stage: &Stage, sinks: &Sinks, told: &Notification) {
    let request = sinks.get(&told.sink).and_then(|sink| sink.request(told, "", &SinkState::default(), Timestamp::now()));
    let payload = request.map_or_else(|| json!(told).to_string(), |request| request.shown());
    let alert = Alert { fate: Fate::Suppressed, reason: Some("dry run".into()), payload: Some(payload), ..alert(sinks, told) };
    stage.alert(Status::Planned, alert);
}

/// Tells that a sink is told nothing of it.
pub fn suppress(stage: &Stage, sinks: &Sinks, told: &Notification, reason: &str) {
    stage.alert(Status::Skipped, Alert { fate: Fate::Suppressed, reason: Some(reason.to_owned()), ..alert(sinks, told) });
}

/// One attempt, nothing remembered: a test. A dead man's switch is pinged.
///
/// # Errors
/// Class Network when it could not be delivered, Config when the sink is not complete.
pub fn once(stage: &Stage, sink: &Sink, told: &Notification) -> Result<()> {
    let request = sink.request(told, "", &SinkState::default(), Timestamp::now()).or_else(|| sink.ping(Ping::Alive, &told.title));
    let Some(request) = request else {
        return Err(Failure::new(Class::Config, sink.shown()).hint("set it in the environment or the settings"));
    };
    let sinks = Sinks::from([(sink.name.clone(), sink.clone())]);
    let failure = match net(stage).send(sink, &request) {
        Outcome::Sent => {
            stage.alert(Status::Ok, Alert { fate: Fate::Sent, ..alert(&sinks, told) });
            return Ok(());
        }
        Outcome::Later { reason, .. } => Failure::new(Class::Network, reason).hint("look whether the service can be reached from here"),
        Outcome::Held { reason, hint } => Failure::new(Class::Network, reason).hint(hint),
        Outcome::Refused { reason } => {
            Failure::new(Class::Network, reason).hint("the service does not take this form: check the sink's kind")
        }
    };
    let (reason, hint) = (Some(failure.message.clone()), failure.hint.clone());
    stage.alert(Status::Warn, Alert { fate: Fate::Suppressed, reason, hint, ..alert(&sinks, told) });
    Err(failure)
}

/// Pings the dead man's switches; one that hears nothing alarms people by itself, and a warning tells why.
pub fn ping(stage: &Stage, sinks: &Sinks, ping: Ping, summary: &str) {
    for sink in sinks.values() {
        let Some(request) = sink.ping(ping, summary) else { continue };
        // The beginning must not hold up the stream.
        let timeout = if ping == Ping::Start { sink.timeout.min(GREETING) } else { sink.timeout };
        let reason = match net(stage).send(&Sink { timeout, ..sink.clone() }, &request) {
            Outcome::Sent => continue,
            Outcome::Later { reason, .. } | Outcome::Held { reason, .. } | Outcome::Refused { reason } => reason,
        };
        let (id, summary) = (format!("deadman.{}", sink.name), format!("the dead man's switch was not pinged: {reason}"));
        let hint = Some("it alarms people when the next pings stay away, too: check its address".into());
        stage.check(Status::Warn, Check { id, summary, hint, ..Check::default() });
    }
}

fn net(stage: &Stage) -> Net {
    Net::new(stage.cancel.clone(), &|name| stage.env(name))
}

/// What a record says of a notification.
fn alert(sinks: &Sinks, told: &Notification) -> Alert {
    Alert {
        id: told.group.clone(),
        state: if told.why == Why::Resolved { AlertState::Resolved } else { AlertState::Firing },
        severity: told.severity.name().to_owned(),
        sink: sinks.get(&told.sink).map_or_else(|| told.sink.clone(), |sink| format!("{} {}", told.sink, sink.shown())),
        summary: told.title.clone(),
        ..Alert::default()
    }
}

/// How many entries wait.
pub fn waiting(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| !entry.refused).count()
}

#[cfg(test)]
mod tests;
