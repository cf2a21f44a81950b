//! The order of things: what is tried when, and what is written down in between.

use super::memory::Store;
use super::outcome::{Outcome, backoff};
use super::wire::Wire;
use super::{Delivered, Sinks, Told};
use crate::engine::state::Entry;
use crate::notification::Notification;
use crate::sinks::{self, Kind, Sink};
use jiff::{SignedDuration, Timestamp};
use ml_common::Result;
use ml_common::record::{Fate, timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Later than this a message says that it is late.
const LATE: SignedDuration = SignedDuration::from_mins(10);
/// An Alertmanager is told again what stands there so often while a watch goes on, and by the end of each run.
const REFRESH: SignedDuration = SignedDuration::from_secs(60);
/// So many refused notifications are kept to be looked at.
const REFUSED_KEPT: usize = 100;

/// How long one pass may take.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Pauses included.
    pub budget: Duration,
    /// The end of a run: what waits is told, whether it was tried or not.
    pub last: bool,
}

/// Sends what waits, each sink's in order and no sink waiting for another. `told` hears of each notification once at most. What is
/// in the store has to be saved already.
///
/// # Errors
/// Interrupted or Terminated; all is written down then, too.
pub fn drain(store: &mut dyn Store, sinks: &Sinks, wire: &mut dyn Wire, pass: Pass, told: &mut dyn FnMut(&Told)) -> Result<Delivered> {
    for sink in sinks.values().filter(|sink| sink.takes_each()) {
        store.state().sinks.entry(sink.name.clone()).or_default().soon = !pass.last;
    }
    let mut drain =
        Drain { store, sinks, wire, told, done: Delivered::default(), blocked: BTreeMap::new(), tried: BTreeSet::new(), dirty: false };
    let ended = drain.turn(pass.budget).and_then(|()| drain.refresh(pass.last));
    drain.tell_waiting(pass.last);
    if drain.dirty {
        drain.save();
    }
    ended.map(|()| drain.done)
}

struct Drain<'a> {
    store: &'a mut dyn Store,
    sinks: &'a Sinks,
    wire: &'a mut dyn Wire,
    told: &'a mut dyn FnMut(&Told),
    done: Delivered,
    /// Sinks that take nothing more in this pass, and what to do about it.
    blocked: BTreeMap<String, String>,
    /// Keys of what was tried in this pass.
    tried: BTreeSet<String>,
    /// There is something to write down.
    dirty: bool,
}

impl Drain<'_> {
    /// A disk that is full must not keep its own alarm back: what cannot be written down is sent all the same.
    fn save(&mut self) {
        self.dirty = false;
        if let Err(failure) = self.store.save() {
            self.done.unsaved.get_or_insert(failure);
        }
    }

    fn turn(&mut self, budget: Duration) -> Result<()> {
        let (began, now) = (self.wire.elapsed(), self.wire.now());
        for known in self.store.state().sinks.values_mut() {
            self.dirty |= known.set_back(now);
        }
        loop {
            self.wire.go_on()?;
            let Some((at, due)) = self.next() else { return Ok(()) };
            let pause = Duration::try_from(due.duration_since(self.wire.now())).unwrap_or_default();
            let spent = self.wire.elapsed().saturating_sub(began);
            // The first attempts are made in any case.
            if spent + pause > budget && (!pause.is_zero() || !budget.is_zero()) {
                return Ok(());
            }
            if !pause.is_zero() {
                self.wire.pause(pause)?;
            }
            self.attempt(at);
        }
    }

    /// The first of each sink's queue; of these the one that may go first.
    fn next(&mut self) -> Option<(usize, Timestamp)> {
        let now = self.wire.now();
        let state = self.store.state();
        let mut seen = BTreeSet::new();
        let mut best: Option<(usize, Timestamp)> = None;
        for (at, entry) in state.outbox.iter().enumerate().filter(|(_, entry)| !entry.refused) {
            let name = entry.notification.sink.as_str();
            if self.blocked.contains_key(name) || !seen.insert(name) {
                continue;
            }
            let wanted = state.sinks.get(name).and_then(|sink| sink.not_before).unwrap_or(now);
            let due = wanted.max(now);
            if best.is_none_or(|(_, earliest)| due < earliest) {
                best = Some((at, due));
            }
        }
        best
    }

    fn attempt(&mut self, at: usize) {
        let now = self.wire.now();
        let Some(entry) = self.store.state().outbox.get(at).cloned() else { return };
        let name = entry.notification.sink.clone();
        self.tried.insert(entry.notification.key.clone());
        let known = self.store.state().sinks.get(&name).cloned().unwrap_or_default();
        let found = self.sinks.get(&name);
        let Some((sink, request)) =
            found.and_then(|sink| Some((sink, sink.request(&entry.notification, &note(sink, &entry, now), &known, now)?)))
        else {
            let reason = found.map_or_else(|| format!("there is no sink {name} in the rules"), Sink::shown);
            return self.hold(at, &name, reason);
        };
        if let Some(entry) = self.store.state().outbox.get_mut(at) {
            (entry.in_flight, entry.attempts) = (true, entry.attempts.saturating_add(1));
            entry.first_tried.get_or_insert(now);
        }
        self.save();
        let outcome = self.wire.send(sink, &request);
        self.settle(at, sink, entry.notification, entry.in_flight, outcome);
        self.save();
    }

    /// `before`: it may have arrived at an earlier attempt already.
    fn settle(&mut self, at: usize, sink: &Sink, notification: Notification, before: bool, outcome: Outcome) {
        let now = self.wire.now();
        let state = self.store.state();
        let known = state.sinks.entry(sink.name.clone()).or_default();
        match outcome {
            Outcome::Sent => {
                state.outbox.remove(at);
                known.failures = 0;
                known.pause(now, Some(sink.gap));
                sinks::remember(sink, known, &notification, now);
                self.done.sent += 1;
                self.tell(notification, Fate::Sent, None, None);
            }
            Outcome::Later { after, reason, maybe } => {
                known.failures = known.failures.saturating_add(1);
                known.pause(now, Some(after.unwrap_or_else(|| backoff(known.failures)).max(sink.gap)));
                self.waits(at, reason, before || maybe);
            }
            Outcome::Held { reason, hint } => {
                // Somebody has to mend it, and the next run sees whether it is.
                known.pause(now, None);
                self.waits(at, reason, before);
                self.blocked.insert(sink.name.clone(), hint);
            }
            Outcome::Refused { reason } => {
                known.pause(now, Some(sink.gap));
                self.waits(at, reason.clone(), false);
                self.refuse(at);
                self.done.refused += 1;
                let hint = "it is kept to be looked at (ml-alert list) and never sent again".to_owned();
                self.tell(notification, Fate::Suppressed, Some(format!("refused: {reason}")), Some(hint));
            }
        }
    }

    fn waits(&mut self, at: usize, reason: String, in_flight: bool) {
        if let Some(entry) = self.store.state().outbox.get_mut(at) {
            (entry.reason, entry.in_flight) = (Some(reason), in_flight);
        }
    }

    /// Puts it aside; the oldest of too many go.
    fn refuse(&mut self, at: usize) {
        let outbox = &mut self.store.state().outbox;
        if let Some(entry) = outbox.get_mut(at) {
            entry.refused = true;
        }
        let mut over = outbox.iter().filter(|entry| entry.refused).count().saturating_sub(REFUSED_KEPT);
        outbox.retain(|entry| {
            let goes = entry.refused && over > 0;
            over -= usize::from(goes);
            !goes
        });
    }

    fn hold(&mut self, at: usize, name: &str, reason: String) {
        let before = self.store.state().outbox.get(at).is_some_and(|entry| entry.in_flight);
        self.waits(at, reason, before);
        self.blocked.insert(name.to_owned(), String::new());
        self.dirty = true;
    }

    /// Alertmanagers are told again what stands there.
    fn refresh(&mut self, last: bool) -> Result<()> {
        for sink in self.sinks.values() {
            let now = self.wire.now();
            let Some(known) = self.store.state().sinks.get_mut(&sink.name) else { continue };
            let had = known.standing.len();
            sinks::forget(known, now);
            self.dirty |= known.standing.len() != had;
            let busy = self.blocked.contains_key(&sink.name) || known.not_before.is_some_and(|not_before| not_before > now);
            let fresh = known.refreshed.is_some_and(|at| now.duration_since(at).abs() < REFRESH);
            if busy || (fresh && !last) {
                continue;
            }
            let state = self.store.state();
            let parts = state.sinks.get(&sink.name).map(|known| sinks::refresh(sink, known, &state.alerts, now)).unwrap_or_default();
            for part in parts {
                self.wire.go_on()?;
                match self.wire.send(sink, &part.request) {
                    Outcome::Sent => {
                        let known = self.store.state().sinks.entry(sink.name.clone()).or_default();
                        known.refreshed = Some(now);
                        sinks::refreshed(known, &part, now);
                        self.dirty = true;
                    }
                    Outcome::Later { reason, .. } | Outcome::Held { reason, .. } | Outcome::Refused { reason } => {
                        log::warn!("what stands at the sink {} was not told again: {reason}", sink.name);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// What waits for a later pass.
    fn tell_waiting(&mut self, last: bool) {
        let waiting: Vec<Entry> = self.store.state().outbox.iter().filter(|entry| !entry.refused).cloned().collect();
        for entry in waiting {
            if !last && !self.tried.contains(&entry.notification.key) {
                continue;
            }
            self.done.held += 1;
            let not_before = self.store.state().sinks.get(&entry.notification.sink).and_then(|known| known.not_before);
            let mut reason = entry.reason.unwrap_or_else(|| "there was no time left for it".into());
            if let Some(not_before) = not_before {
                reason.push_str(&format!("; not before {}", timestamp(not_before)));
            }
            let blocked = self.blocked.get(&entry.notification.sink).filter(|hint| !hint.is_empty());
            let hint = match self.sinks.get(&entry.notification.sink) {
                None => "put the sink back into the rules, and it goes out with the next run",
                Some(Sink { kind: Kind::Unset(_), .. }) => "set it in the environment or the settings, and it goes out with the next run",
                Some(_) => blocked.map_or("it is kept in the state and goes out with a later run", String::as_str),
            }
            .to_owned();
            self.tell(entry.notification, Fate::Held, Some(reason), Some(hint));
        }
    }

    fn tell(&mut self, notification: Notification, fate: Fate, reason: Option<String>, hint: Option<String>) {
        (self.told)(&Told { notification, fate, reason, hint });
    }
}

/// What has to be said about the sending itself.
fn note(sink: &Sink, entry: &Entry, now: Timestamp) -> String {
    let mut note = String::new();
    if let Some(first) = entry.first_tried.filter(|first| now.duration_since(*first) > LATE) {
        note.push_str(&format!(" (delayed since {})", timestamp(first)));
    }
    if entry.in_flight && !sink.knows_keys() {
        note.push_str(" (possibly repeated)");
    }
    note
}
