//! A lane: checks that share something and are made one after another, on a thread of their own, beside the other lanes.
//!
//! The lane tells when a check begins and what it found; who follows it ([`Running::follow`]) does not wait longer than the check's time. A
//! probe that hangs for good keeps its thread, and the process ends without it.

use crate::check::{Check, Finding, OnError};
use ml_common::signal::Cancel;
use ml_common::{Result, Status};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The layers below have the check's time as their limit and say more when it is over; so much later this one steps in.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 1000 });

/// How often a waiting lane looks for a signal.
const POLL: Duration = Duration::from_millis(50);

/// What is known of a check without making it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Id of its record.
    pub id: &'static str,
    /// See [`Check::gate`].
    pub gate: bool,
    /// See [`Check::needs`].
    pub needs: &'static [&'static str],
    on_error: OnError,
}

impl Entry {
    /// What is known of this one.
    pub fn of<L: 'static>(check: &Check<L>) -> Entry {
        Entry { id: check.id, gate: check.gate, needs: check.needs, on_error: check.on_error }
    }
}

/// Ends what a lane is waiting for, so that it can go on.
pub type Abort = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

/// A lane that has not begun.
pub struct Lane {
    entries: Vec<Entry>,
    begin: Box<dyn FnOnce(Sender<Event>, Duration) + Send>,
    abort: Abort,
}

enum Event {
    Began(Instant),
    Found(Box<Finding>, Option<Duration>),
}

impl Lane {
    /// The chosen ones of `checks`. `open` gives what they share, or the reason why none of them can be made.
    pub fn new<L: 'static>(
        checks: impl IntoIterator<Item = &'static Check<L>>,
        chosen: &dyn Fn(&str) -> bool,
        open: impl FnOnce(Abort) -> Result<L, String> + Send + 'static,
    ) -> Lane {
        let checks: Vec<&'static Check<L>> = checks.into_iter().filter(|check| chosen(check.id)).collect();
        let entries = checks.iter().map(|check| Entry::of(check)).collect();
        let abort = Abort::default();
        let for_lane = Arc::clone(&abort);
        Lane { entries, begin: Box::new(move |events, limit| make(&checks, open(for_lane), &events, limit)), abort }
    }

    /// Its checks, in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Begins; each check has `limit`.
    pub fn start(self, limit: Duration) -> Running {
        let (sender, events) = mpsc::channel();
        let begin = self.begin;
        // Without a thread the sender is gone, and every check is told as broken.
        let _ = std::thread::Builder::new().name("lane".into()).spawn(move || begin(sender, limit));
        Running { entries: self.entries, events, abort: self.abort, limit }
    }
}

/// The thread of a lane.
fn make<L>(checks: &[&Check<L>], shared: Result<L, String>, events: &Sender<Event>, limit: Duration) {
    let mut shared = shared;
    let mut unwell: Vec<&'static str> = Vec::new();
    for check in checks {
        let began = Instant::now();
        let _ = events.send(Event::Began(began));
        let (finding, took) = match (&mut shared, check.needs.iter().find(|id| unwell.contains(id))) {
            (Err(reason), _) => (Finding::skipped(reason.as_str()), None),
            (Ok(_), Some(id)) => (Finding::blocked(id), None),
            (Ok(shared), None) => {
                let found = (check.probe)(shared);
                let took = began.elapsed();
                (found.unwrap_or_else(|failure| Finding::failed(check.on_error, failure, took, limit)), Some(took))
            }
        };
        if !matches!(finding.status(), Status::Ok | Status::Warn) {
            unwell.push(check.id);
        }
        if events.send(Event::Found(Box::new(finding), took)).is_err() {
            return;
        }
    }
}

/// A lane at work.
pub struct Running {
    entries: Vec<Entry>,
    events: Receiver<Event>,
    abort: Abort,
    limit: Duration,
}

impl Running {
    /// Gives what each check found, in order and as soon as it is known; every check is given, whatever happens.
    ///
    /// # Errors
    /// When a signal arrives.
    pub fn follow(self, cancel: &Cancel, mut tell: impl FnMut(Entry, Finding, Option<Duration>)) -> Result<()> {
        let mut lost: Option<&'static str> = None;
        for &entry in &self.entries {
            if let Some(id) = lost {
                tell(entry, Finding::blocked(id), None);
                continue;
            }
            match self.wait(cancel, self.limit + PATIENCE)? {
                Waited::Found(finding, took) => tell(entry, *finding, took),
                Waited::Gone => {
                    tell(entry, Finding::broken(), None);
                    lost = Some(entry.id);
                }
                Waited::Late => {
                    tell(entry, Finding::late(entry.on_error, self.limit), Some(self.limit));
                    self.abort();
                    // It may come back now, and the next checks be made.
                    if !matches!(self.wait(cancel, 3 * PATIENCE)?, Waited::Found(..)) {
                        lost = Some(entry.id);
                    }
                }
            }
        }
        Ok(())
    }

    /// Waits for the check that is being made, at most `limit` from its beginning.
    fn wait(&self, cancel: &Cancel, limit: Duration) -> Result<Waited> {
        let mut until = Instant::now() + limit;
        loop {
            if let Err(failure) = cancel.check() {
                self.abort();
                return Err(failure);
            }
            let left = until.saturating_duration_since(Instant::now());
            match self.events.recv_timeout(left.min(POLL)) {
                Ok(Event::Began(at)) => until = at + limit,
                Ok(Event::Found(finding, took)) => return Ok(Waited::Found(finding, took)),
                Err(RecvTimeoutError::Disconnected) => return Ok(Waited::Gone),
                Err(RecvTimeoutError::Timeout) if left.is_zero() => return Ok(Waited::Late),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn abort(&self) {
        if let Ok(abort) = self.abort.lock()
            && let Some(abort) = abort.as_ref()
        {
            abort();
        }
    }
}

enum Waited {
    Found(Box<Finding>, Option<Duration>),
    Late,
    Gone,
}

#[cfg(test)]
#[path = "lane_tests.rs"]
mod tests;
