//! When which check is made: as soon as what it needs is well, one at a time a lane, all lanes side by side, once or beat by beat.
//!
//! Nobody waits for a hanging lane longer than for its check's time. It skips its beats until it comes back.

use crate::check::{Finding, OnError};
use crate::lane::{Event, Job, Lane, Outcome, Planned, Running};
use jiff::Timestamp;
use ml_common::signal::Cancel;
use ml_common::{Result, Status};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// The layers below have the check's time as their limit and say more when it is over; so much later the schedule steps in.
const PATIENCE: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 500 });
/// A lane whose wait was ended is given so long to come back before its other checks are told as blocked.
const RETURN: Duration = Duration::from_millis(if cfg!(test) { 150 } else { 1000 });
/// How often a signal is looked for.
const POLL: Duration = Duration::from_millis(50);

/// Judges and tells.
pub trait Judge {
    /// What the outcome of a check means. `took` is how long it took, if it was made.
    fn judge(&mut self, check: &Planned, outcome: Outcome, took: Duration) -> Finding;

    /// Tells what was found; `place` counts the checks in the order of the lanes.
    fn tell(&mut self, place: usize, check: &Planned, finding: Finding, took: Option<Duration>);

    /// A watch goes on: the time to save what it remembers. False ends it.
    fn rest(&mut self) -> bool;
}

/// Beat by beat.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// How often checks are made that say nothing of it themselves.
    pub every: Duration,
    /// When it ends.
    pub until: Option<Instant>,
}

struct Entry {
    planned: Planned,
    lane: usize,
    /// Its place in the lane.
    at: usize,
    /// The beat in which it is to be made.
    pending: Option<u64>,
    /// Its last verdict.
    last: Option<Status>,
    due: Instant,
}

struct LaneState {
    running: Running,
    busy: Option<Busy>,
    /// The check that ended it.
    lost: Option<Arc<str>>,
    /// Nothing in it can be made in this beat, and why.
    closed: Option<(u64, String)>,
}

/// What a lane is making.
struct Busy {
    entry: usize,
    beat: u64,
    began: Instant,
    /// Since when it is told as late.
    late: Option<Instant>,
}

/// All checks of a run.
pub struct Schedule {
    entries: Vec<Entry>,
    lanes: Vec<LaneState>,
    places: HashMap<Arc<str>, usize>,
    events: Receiver<Event>,
    beat: u64,
    now: Timestamp,
}

impl Schedule {
    /// Starts the lanes; nothing is made yet.
    pub fn start(lanes: Vec<Lane>) -> Schedule {
        let (sender, events) = mpsc::channel();
        let (mut entries, mut states) = (Vec::new(), Vec::new());
        let due = Instant::now();
        for (place, mut lane) in lanes.into_iter().enumerate() {
            let checks = std::mem::take(&mut lane.checks).into_iter().enumerate();
            entries.extend(checks.map(|(at, planned)| Entry { planned, lane: place, at, pending: None, last: None, due }));
            states.push(LaneState { running: lane.start(place, sender.clone()), busy: None, lost: None, closed: None });
        }
        let places = entries.iter().enumerate().map(|(place, entry)| (Arc::clone(&entry.planned.id), place)).collect();
        Schedule { entries, lanes: states, places, events, beat: 0, now: Timestamp::now() }
    }

    /// Makes every check once, or with a `watch` again and again.
    ///
    /// # Errors
    /// When a signal arrives.
    pub fn run(&mut self, watch: Option<Watch>, cancel: &Cancel, judge: &mut dyn Judge) -> Result<()> {
        let first = Instant::now();
        self.entries.iter_mut().for_each(|entry| entry.due = first);
        let mut over = false;
        loop {
            if let Err(failure) = cancel.check() {
                self.lanes.iter().for_each(|lane| lane.running.abort());
                return Err(failure);
            }
            let now = Instant::now();
            over |= watch.is_some_and(|watch| watch.until.is_some_and(|until| now >= until));
            if !over {
                self.fall_due(now, watch, judge);
            }
            self.look_for_late(now, judge);
            while self.hand_out(judge) {}
            let idle = self.entries.iter().all(|entry| entry.pending.is_none())
                && self.lanes.iter().all(|lane| lane.busy.as_ref().is_none_or(|busy| busy.late.is_some()));
            over |= watch.is_some() && !judge.rest();
            if idle && (watch.is_none() || over) {
                return Ok(());
            }
            match self.events.recv_timeout(self.wait(watch.filter(|_| !over))) {
                Ok(event) => self.take(event, judge),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
        }
    }

    /// Puts down what is to be made now. In a watch, what is still at work or waiting misses a beat.
    fn fall_due(&mut self, now: Instant, watch: Option<Watch>, judge: &mut dyn Judge) {
        let due: Vec<usize> = (0..self.entries.len()).filter(|&place| self.entries[place].due <= now).collect();
        if due.is_empty() {
            return;
        }
        (self.beat, self.now) = (self.beat + 1, Timestamp::now());
        for place in due {
            let entry = &mut self.entries[place];
            match watch {
                None => entry.due = now + Duration::from_secs(u32::MAX.into()),
                Some(watch) => {
                    let every = entry.planned.interval.unwrap_or(watch.every).max(Duration::from_millis(10));
                    // In step with the beginning, whatever was missed.
                    let missed = now.saturating_duration_since(entry.due).as_nanos() / every.as_nanos();
                    entry.due += every * (u32::try_from(missed).unwrap_or(u32::MAX).saturating_add(1));
                }
            }
            let lane = &self.lanes[entry.lane];
            match &lane.busy {
                Some(busy) if busy.late.is_some() && busy.entry == place => {
                    let (planned, since) = (entry.planned.clone(), busy.began);
                    let finding = still_late(&planned, since.elapsed());
                    self.tell(place, finding, Some(since.elapsed()), judge);
                }
                Some(busy) if busy.entry == place => {}
                _ if entry.pending.is_some() => {}
                _ => entry.pending = Some(self.beat),
            }
        }
    }

    /// Tells what takes too long and ends its wait.
    fn look_for_late(&mut self, now: Instant, judge: &mut dyn Judge) {
        for lane in 0..self.lanes.len() {
            let Some(busy) = &mut self.lanes[lane].busy else { continue };
            let planned = &self.entries[busy.entry].planned;
            if busy.late.is_some() || now < busy.began + planned.limit + PATIENCE {
                continue;
            }
            busy.late = Some(now);
            let (place, limit) = (busy.entry, planned.limit);
            let finding = Finding::late(planned.on_error, limit);
            self.lanes[lane].running.abort();
            self.tell(place, finding, Some(limit), judge);
        }
    }

    /// Hands out what can be made, and tells what cannot; whether anything was told.
    fn hand_out(&mut self, judge: &mut dyn Judge) -> bool {
        let mut told = false;
        let pending = self.entries.iter().enumerate().filter_map(|(place, entry)| Some((entry.pending?, place)));
        let mut pending: Vec<(u64, usize)> = pending.collect();
        // The oldest beat first: where a lane takes longer than a beat, the first checks must not keep the last ones from their turn.
        pending.sort_unstable();
        for (beat, place) in pending {
            if let Some(finding) = self.refuse_or_give(place, beat) {
                self.tell(place, finding, None, judge);
                told = true;
            }
        }
        told
    }

    /// Gives a check to its lane, or says why it is not made; neither when it has to wait.
    fn refuse_or_give(&mut self, place: usize, beat: u64) -> Option<Finding> {
        let entry = &self.entries[place];
        if let Some(reason) = &entry.planned.never {
            return Some(Finding::skipped(reason.as_str()));
        }
        let lane = &self.lanes[entry.lane];
        if let Some((_, reason)) = lane.closed.as_ref().filter(|(closed, _)| *closed == beat) {
            return Some(Finding::skipped(reason.as_str()));
        }
        for id in &entry.planned.needs {
            let Some(&need) = self.places.get(id) else { continue };
            // What it needs may be waiting for the next beat already; then the last verdict counts.
            if self.entries[need].pending.is_some_and(|other| other <= beat) || self.is_at_work(need, beat) {
                return None;
            }
            if !matches!(self.entries[need].last, Some(Status::Ok | Status::Warn)) {
                return Some(Finding::blocked(id));
            }
        }
        if let Some(id) = &lane.lost {
            return Some(Finding::blocked(id));
        }
        match &lane.busy {
            Some(Busy { late: Some(since), entry, .. }) if since.elapsed() >= RETURN => {
                return Some(Finding::blocked(&self.entries[*entry].planned.id));
            }
            Some(_) => return None,
            None => {}
        }
        let began = Instant::now();
        let job = Job { check: entry.at, beat, now: self.now, until: began + entry.planned.limit };
        let (number, id) = (entry.lane, Arc::clone(&entry.planned.id));
        let lane = &mut self.lanes[number];
        if !lane.running.give(job) {
            lane.lost = Some(id);
            return Some(Finding::broken());
        }
        lane.busy = Some(Busy { entry: place, beat, began, late: None });
        self.entries[place].pending = None;
        None
    }

    fn is_at_work(&self, place: usize, beat: u64) -> bool {
        let lane = &self.lanes[self.entries[place].lane];
        lane.busy.as_ref().is_some_and(|busy| busy.entry == place && busy.beat <= beat && busy.late.is_none())
    }

    /// A lane has made a check.
    fn take(&mut self, (number, outcome, took): Event, judge: &mut dyn Judge) {
        let lane = &mut self.lanes[number];
        let Some(Busy { entry: place, late, .. }) = lane.busy.take() else { return };
        let planned = &self.entries[place].planned;
        if matches!(outcome, Outcome::Broken) {
            lane.lost = Some(Arc::clone(&planned.id));
        }
        if late.is_some() {
            // It was told already; only that it is back counts.
            return;
        }
        let (finding, took) = match outcome {
            Outcome::Judged(finding) => (finding, Some(took)),
            Outcome::Closed(reason) => {
                lane.closed = Some((self.beat, reason.clone()));
                (Finding::skipped(reason), None)
            }
            Outcome::Broken => (Finding::broken(), None),
            seen @ Outcome::Seen(..) => (judge.judge(planned, seen, took), Some(took)),
        };
        self.tell(place, finding, took, judge);
    }

    fn tell(&mut self, place: usize, finding: Finding, took: Option<Duration>, judge: &mut dyn Judge) {
        let entry = &mut self.entries[place];
        entry.pending = None;
        entry.last = Some(finding.status());
        judge.tell(place, &entry.planned, finding, took);
    }

    /// How long nothing is going to happen.
    fn wait(&self, watch: Option<Watch>) -> Duration {
        let now = Instant::now();
        let late = self.lanes.iter().filter_map(|lane| {
            let busy = lane.busy.as_ref()?;
            Some(busy.late.map_or_else(|| busy.began + self.entries[busy.entry].planned.limit + PATIENCE, |late| late + RETURN))
        });
        // What is over already, such as the patience with a lane that never returns, wakes nobody.
        let due = self.entries.iter().filter(|_| watch.is_some()).map(|entry| entry.due);
        let next = late.filter(|at| *at > now).chain(due).min();
        next.map_or(POLL, |at| at.saturating_duration_since(now).min(POLL))
    }
}

/// It was told as late before, and is at it still.
fn still_late(check: &Planned, since: Duration) -> Finding {
    let finding = Finding::late(if check.on_error == OnError::Crit { OnError::Crit } else { OnError::Unknown }, check.limit);
    Finding { summary: format!("still no result after {} s", since.as_secs()), ..finding }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
