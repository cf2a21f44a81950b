//! The core: records, rules, what is remembered and the records' time in; notifications out. It reads no clock, no file and no network, so what it
//! did can be replayed and explained.

mod alert;
mod burn;
mod groups;
mod seen;
pub mod state;

pub use groups::next;
pub use seen::Seen;
pub use state::State;

use crate::notification::{Notification, Severity};
use crate::rules::{Rule, Rules};
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;
use ml_common::record::{Fate, Record};
use ml_watch::expr::{Expr, NoHistory, Value};
use state::{Alert, MAX_ALERTS, name};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// So many ids are remembered with the rules on them.
const KNOWN: usize = 10_000;

/// The engine at work.
pub struct Engine {
    rules: Arc<Rules>,
    /// What it remembers.
    pub state: State,
    /// Rules about an id of a tool of a system: most records come again and again.
    about: HashMap<String, Arc<[usize]>>,
    /// Where its keys are put together.
    key: String,
    clock: seen::Clock,
    /// Nothing could be forgotten when it was last tried.
    full: bool,
    /// Observations of what fires already.
    pub again: u64,
}

impl Engine {
    /// With what is remembered.
    pub fn new(rules: Arc<Rules>, state: State) -> Engine {
        Engine { rules, state, about: HashMap::new(), key: String::new(), clock: seen::Clock::default(), full: false, again: 0 }
    }

    /// Takes the next record.
    pub fn record(&mut self, record: &Record) {
        if let Some(seen) = Seen::of(record, &mut self.clock) {
            self.see(&seen);
        }
    }

    /// Takes an observation.
    pub fn see(&mut self, seen: &Seen<'_>) {
        self.state.now = Some(seen.at);
        let (rules, about) = (Arc::clone(&self.rules), self.about(seen));
        let mut alarming = false;
        for at in about.iter() {
            if let Some(rule) = rules.rules.get(*at).filter(|rule| seen.has_labels(&rule.labels)) {
                alarming |= self.judge(rule, seen, rule.otherwise && alarming) && !rule.otherwise;
            }
        }
    }

    /// The rules about it, those for whatever else there is last.
    fn about(&mut self, seen: &Seen<'_>) -> Arc<[usize]> {
        self.key.clear();
        for part in [seen.system, "\0", seen.tool, "\0", &seen.id] {
            self.key.push_str(part);
        }
        if let Some(about) = self.about.get(&self.key) {
            return Arc::clone(about);
        }
        if self.about.len() >= KNOWN {
            self.about.clear();
        }
        let rules = self.rules.rules.iter().enumerate();
        let mut about: Vec<usize> = rules.filter(|(_, rule)| rule.is_about(seen.system, seen.tool, &seen.id)).map(|(at, _)| at).collect();
        about.sort_by_key(|at| self.rules.rules.get(*at).is_some_and(|rule| rule.otherwise));
        let about: Arc<[usize]> = about.into();
        self.about.insert(self.key.clone(), Arc::clone(&about));
        about
    }

    /// One rule on one observation; whether it finds it alarming. `covered`: another rule does already.
    fn judge(&mut self, rule: &Rule, seen: &Seen<'_>, covered: bool) -> bool {
        if rule.absent_for.is_some() {
            self.heard(rule, seen);
            return false;
        }
        let name = name(&rule.name, seen.system, &seen.id);
        let known = self.state.alerts.get(&name);
        let firing = known.is_some_and(|alert| alert.firing.is_some());
        let Some(alarming) = alarming(rule, seen, known, firing) else { return firing };
        let alarming = alarming && !covered;
        if known.is_none() {
            if !alarming && !rule.remembers() {
                return false;
            }
            if self.state.alerts.len() >= MAX_ALERTS && !self.make_room() {
                self.state.crowded_out += u64::from(alarming);
                return alarming;
            }
        }
        let alert = self.state.alerts.entry(name.clone()).or_default();
        let before = (alert.pending.is_some(), alert.firing.is_some());
        alert.take(rule, seen, alarming);
        let after = (alert.pending.is_some(), alert.firing.is_some());
        self.again += u64::from(before.1 && after == (true, true));
        let forget = !after.0 && !after.1 && alert.resolved.is_none() && !rule.remembers();
        let said = match (before, after) {
            ((_, false), (_, true)) => Some(format!("fires: {}", alert.summary)),
            ((false, _), (true, false)) => Some(format!("alarming, and has to be so {}", condition(rule))),
            ((_, true), (_, false)) => Some("is over".to_owned()),
            ((true, false), (false, false)) => Some("was over before it fired".to_owned()),
            _ => None,
        };
        let fate = (before.0 && !before.1 && !after.0 && !after.1).then_some(Fate::Suppressed);
        if let Some(said) = said {
            self.state.kept_back(seen.at, &name, said, fate);
        }
        if forget {
            self.state.alerts.remove(&name);
        }
        after.0 || after.1
    }

    /// Forgets what is well and was not heard of for the longest time; false when all that is known is alarming.
    fn make_room(&mut self) -> bool {
        if self.full {
            return false;
        }
        let alerts = self.state.alerts.iter();
        let idle = alerts.filter(|(_, alert)| alert.firing.is_none() && alert.pending.is_none() && alert.resolved.is_none());
        let mut idle: Vec<(Option<Timestamp>, String)> = idle.map(|(name, alert)| (alert.heard, name.clone())).collect();
        idle.sort_unstable();
        // Many at a time: to look for them takes longer than to forget them.
        idle.truncate(MAX_ALERTS / 4);
        self.full = idle.is_empty();
        for (_, name) in &idle {
            self.state.alerts.remove(name);
        }
        !self.full
    }

    /// Something that a rule on absence is about was heard of.
    fn heard(&mut self, rule: &Rule, seen: &Seen<'_>) {
        let name = name(&rule.name, seen.system, &patterns(rule));
        let alert = self.state.alerts.entry(name.clone()).or_insert_with(|| Alert {
            rule: rule.name.clone(),
            system: seen.system.to_owned(),
            id: patterns(rule),
            ..Alert::default()
        });
        alert.heard = Some(seen.at);
        (alert.run, alert.host) = (seen.run.to_owned(), seen.host.to_owned());
        if alert.firing.take().is_some() {
            alert.resolved = Some(seen.at);
            self.state.decided(seen.at, &name, "was heard of again");
        }
    }

    /// What time alone brings about: absences, the ends of what was kept firing.
    pub fn tick(&mut self, now: Timestamp) {
        self.state.now = Some(now);
        self.full = false;
        let (mut said, rules) = (Vec::new(), Arc::clone(&self.rules));
        for rule in &rules.rules {
            if let Some(limit) = rule.absent_for {
                // What was never heard of is missing from when it was first asked for.
                if let Some(system) = &rule.system {
                    let name = name(&rule.name, system, &patterns(rule));
                    self.state.alerts.entry(name).or_insert_with(|| Alert {
                        rule: rule.name.clone(),
                        system: system.clone(),
                        id: patterns(rule),
                        heard: Some(now),
                        ..Alert::default()
                    });
                }
                for (name, alert) in self.state.alerts.iter_mut().filter(|(_, alert)| alert.is_by(rule) && alert.firing.is_none()) {
                    let heard = alert.heard.map_or(now, |heard| heard.min(now));
                    if alert.heard.is_some_and(|heard| heard > now) {
                        alert.heard = Some(now);
                    }
                    let since = now.duration_since(heard);
                    if since >= length(limit) {
                        (alert.firing, alert.resolved) = (Some(now), None);
                        alert.severity = Some(rule.severity.unwrap_or(Severity::High));
                        alert.summary =
                            rule.summary.clone().unwrap_or_else(|| format!("nothing was heard of {} for {}", alert.id, told(since)));
                        alert.hint = rule.hint.clone();
                        alert.threshold = Some(format!("within {}", humantime::format_duration(limit)));
                        said.push((name.clone(), format!("fires: {}", alert.summary)));
                    }
                }
            }
            if !rule.keep_firing_for.is_zero() {
                for (name, alert) in self.state.alerts.iter_mut().filter(|(_, alert)| alert.is_by(rule)) {
                    if alert.pending.is_none() && alert.firing.is_some() && alert.kept(rule, now).is_none() {
                        (alert.firing, alert.resolved) = (None, Some(now));
                        said.push((name.clone(), "is over".to_owned()));
                    }
                }
            }
        }
        for (name, said) in said {
            self.state.decided(now, &name, said);
        }
        // Alerts of rules that are gone are over.
        let orphans: Vec<String> = self
            .state
            .alerts
            .iter()
            .filter(|(_, alert)| (alert.firing.is_some() || alert.pending.is_some()) && !rules.rules.iter().any(|rule| alert.is_by(rule)))
            .map(|(name, _)| name.clone())
            .collect();
        for name in orphans {
            if let Some(alert) = self.state.alerts.get_mut(&name) {
                let fired = alert.firing.take().is_some();
                alert.pending = None;
                alert.resolved = fired.then_some(now);
            }
            self.state.decided(now, &name, "its rule is gone");
        }
    }

    /// The notifications that are due. With `last`, nobody will come back soon to see whether a group has grown: nothing waits for company.
    pub fn due(&mut self, now: Timestamp, last: bool, place: &Place<'_>) -> Vec<Notification> {
        groups::due(&Arc::clone(&self.rules), &mut self.state, now, last, place)
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
        let is = seen.text(change)?;
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

fn patterns(rule: &Rule) -> String {
    rule.ids.iter().map(glob::Pattern::as_str).collect::<Vec<_>>().join(",")
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

fn told(since: SignedDuration) -> String {
    let whole = Duration::from_secs(since.as_secs().unsigned_abs());
    humantime::format_duration(whole).to_string()
}

/// A number or word of a record, for expressions.
fn scalar(scalar: &ml_common::record::Scalar) -> Value<'_> {
    Value::of(scalar)
}

#[cfg(test)]
mod tests;
