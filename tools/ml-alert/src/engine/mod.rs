//! The core: records, rules, what is remembered and the records' time in; notifications out. It reads no clock, no file and no network, so what it
//! did can be replayed and explained.

mod absence;
mod alert;
mod alerts;
mod burn;
mod crowd;
mod gather;
mod groups;
pub mod hash;
pub mod order;
mod seen;
pub mod state;
mod told;

pub use gather::sink_of;
pub use groups::next;
pub use seen::Seen;
pub use state::State;

use crate::notification::Notification;
use crate::rules::{Index, Rule, Rules};
use crowd::Crowd;
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;
use ml_common::record::{Fate, Record};
use ml_watch::expr::{Expr, NoHistory, Value};
use state::{Alert, MAX_ALERTS, Turn};
use std::sync::Arc;
use std::time::Duration;

/// The engine at work.
pub struct Engine {
    rules: Arc<Rules>,
    index: Index,
    /// What it remembers.
    pub state: State,
    /// Where names are put together, and the rules about a record.
    key: String,
    found: Vec<usize>,
    clock: seen::Clock,
    /// What there is no room for.
    crowd: Crowd,
    /// Absences that there is no room to wait for.
    overlooked: Crowd,
    /// Alerts that are waited for.
    absences: usize,
    /// Observations of what fires already.
    pub again: u64,
}

impl Engine {
    /// With what is remembered.
    pub fn new(rules: Arc<Rules>, mut state: State) -> Engine {
        let index = Index::of(&rules);
        // An earlier version did not note what is waited for.
        let awaited = state.alerts.iter().filter(|(_, alert)| {
            let rule = index.rule(&rules, &alert.rule, &alert.system).filter(|rule| rule.absent_for.is_some());
            !alert.absence && rule.is_some_and(|rule| rule.subject == alert.id)
        });
        for name in awaited.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            state.alerts.with(&name, |alert| alert.absence = true);
        }
        let absences = state.alerts.busy().filter(|(_, alert)| alert.absence).count();
        let (key, found, clock) = (String::new(), Vec::new(), seen::Clock::default());
        let (crowd, overlooked) = (Crowd::default(), Crowd::default());
        Engine { rules, index, state, key, found, clock, crowd, overlooked, absences, again: 0 }
    }

    /// Takes the next record, if it has a time.
    pub fn record(&mut self, record: &Record) {
        self.take(record);
    }

    /// Takes the next record. One whose time cannot be read counts as of the last that could be, or of the last run; false when there is none.
    pub fn take(&mut self, record: &Record) -> bool {
        self.clock.otherwise = self.clock.otherwise.or(self.state.now);
        match Seen::of(record, &mut self.clock) {
            Some(seen) => self.see(&seen),
            None => return !Seen::is_any(record),
        }
        true
    }

    /// Takes an observation.
    pub fn see(&mut self, seen: &Seen<'_>) {
        self.state.now = Some(seen.at);
        let (rules, mut found, mut key) = (Arc::clone(&self.rules), std::mem::take(&mut self.found), std::mem::take(&mut self.key));
        self.index.about(&rules, seen.system, seen.tool, &seen.id, &mut found);
        let mut alarming = false;
        for rule in found.iter().filter_map(|at| rules.rules.get(*at)).filter(|rule| seen.has_labels(&rule.labels)) {
            if rule.absent_for.is_some() {
                // What was only planned, or left out, is not what is waited for.
                if matches!(seen.status, Status::Skipped | Status::Planned) {
                    continue;
                }
                state::write_name(&mut key, &rule.name, seen.system, &rule.subject);
                self.heard(rule, seen, &key);
            } else {
                state::write_name(&mut key, &rule.name, seen.system, &seen.id);
                alarming |= self.judge(rule, seen, &key, rule.otherwise && alarming) && !rule.otherwise;
            }
        }
        (self.found, self.key) = (found, key);
    }

    /// One rule on one observation; whether it finds it alarming. `covered`: another rule does already.
    fn judge(&mut self, rule: &Rule, seen: &Seen<'_>, name: &str, covered: bool) -> bool {
        let known = self.state.alerts.get(name);
        let firing = known.is_some_and(|alert| alert.firing.is_some());
        let Some(alarming) = alarming(rule, seen, known, firing) else { return firing };
        let alarming = alarming && !covered;
        if known.is_none() {
            if !alarming && !rule.remembers() {
                return false;
            }
            if !self.has_room() {
                if alarming {
                    self.state.crowded_out = self.crowd.count(name);
                }
                return alarming;
            }
        }
        let (before, after, forget, said) = self.state.alerts.with(name, |alert| {
            let before = (alert.pending.is_some(), alert.firing.is_some());
            alert.take(rule, seen, alarming);
            let after = (alert.pending.is_some(), alert.firing.is_some());
            let said = match (before, after) {
                ((_, false), (_, true)) => Some((Turn::Fired, format!("fires: {}", alert.summary))),
                ((false, _), (true, false)) => Some((Turn::Other, format!("alarming, and has to be so {}", condition(rule)))),
                ((_, true), (_, false)) => Some((Turn::Ended, "is over".to_owned())),
                _ => None,
            };
            (before, after, alert.is_idle() && !rule.remembers(), said)
        });
        self.again += u64::from(before.1 && after == (true, true));
        match said {
            Some((turn, said)) => self.state.decided(seen.at, name, said, turn),
            None if before == (true, false) && after == (false, false) => {
                self.state.kept_back(seen.at, name, "was over before it fired", Fate::Suppressed);
            }
            None => {}
        }
        if forget {
            self.state.alerts.remove(name);
        }
        after.0 || after.1
    }

    /// Whether another alert can be remembered; what is well and was not heard of for longest is forgotten for it.
    fn has_room(&mut self) -> bool {
        self.state.alerts.len() < MAX_ALERTS || self.state.alerts.forget_one()
    }

    /// The notifications that are due. With `last`, nobody will come back soon to see whether a group has grown: nothing waits for company.
    pub fn due(&mut self, now: Timestamp, last: bool, place: &Place<'_>) -> Vec<Notification> {
        let made = groups::due(&self.rules, &self.index, &mut self.state, now, last, place);
        if self.state.crowded_out == 0 {
            self.crowd = Crowd::default();
        }
        made
    }
}

/// What notifications say of where they come from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Place<'a> {
    /// The machine.
    pub host: &'a str,
    /// Folder or file with the whole stream.
    pub log: Option<&'a str>,
}

/// Whether an observation is alarming by a rule; `None` when it says nothing about that.
fn alarming(rule: &Rule, seen: &Seen<'_>, known: Option<&Alert>, firing: bool) -> Option<bool> {
    if let Some(change) = &rule.changed {
        let is = seen::short(&seen.text(change)?, seen::SHORT).into_owned();
        return Some(known.and_then(|alert| alert.was.as_ref()).is_some_and(|was| *was != is));
    }
    if rule.burn.is_some() {
        // Its own observation is alarming or not; whether the budget burns is seen over its windows.
        return (!matches!(seen.status, Status::Skipped | Status::Planned)).then(|| !seen.is_good());
    }
    if firing && let Some(over) = &rule.resolve_when {
        return holds(over, seen).map(|over| !over);
    }
    match &rule.when {
        Some(when) if matches!(seen.status, Status::Skipped | Status::Planned) && !when.names().contains(&"status") => None,
        Some(when) => holds(when, seen),
        None if rule.status.contains(&seen.status) => Some(true),
        // What was not looked at is neither well nor bad.
        None if matches!(seen.status, Status::Skipped | Status::Planned) => None,
        None => Some(false),
    }
}

/// Whether a condition holds of an observation; `None` when it lacks what the condition asks for.
fn holds<'a>(expr: &'a Expr, seen: &'a Seen<'_>) -> Option<bool> {
    expr.holds(&|name| seen.value(name), &NoHistory(seen.at)).ok()
}

fn condition(rule: &Rule) -> String {
    match rule.of {
        Some((x, y)) => format!("{x} times of {y}"),
        None => format!("for {}", humantime::format_duration(rule.lasting)),
    }
}

/// A limit; those that no clock reaches are as good as for ever.
fn length(limit: Duration) -> SignedDuration {
    SignedDuration::try_from(limit).unwrap_or(SignedDuration::MAX)
}

/// A number or word of a record, for expressions.
fn scalar(scalar: &ml_common::record::Scalar) -> Value<'_> {
    Value::of(scalar)
}

#[cfg(test)]
mod tests;
