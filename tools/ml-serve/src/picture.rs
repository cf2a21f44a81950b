//! What is so at a moment: the overall word, the counts, the things in order. Page, /health and /metrics all draw from it, so that they agree.

use crate::keep::{Change, Keep, Thing};
use crate::words::span;
use jiff::Timestamp;
use ml_common::Status;
use std::time::{Duration, Instant};

/// How the stream itself is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Nothing has come yet.
    Waiting,
    /// Records come.
    Open,
    /// None has come for so long.
    Stale(Duration),
    /// It has ended, so long ago.
    Ended(Duration),
}

impl Stream {
    /// One word for machines.
    pub fn name(self) -> &'static str {
        match self {
            Stream::Waiting => "waiting",
            Stream::Open => "open",
            Stream::Stale(_) => "stale",
            Stream::Ended(_) => "ended",
        }
    }

    /// One sentence for people; None when all is as it should be.
    pub fn trouble(self) -> Option<String> {
        match self {
            Stream::Open => None,
            Stream::Waiting => Some("no record has come yet".into()),
            Stream::Stale(since) => Some(format!("no record has come for {}: what stands here is old", span(since))),
            Stream::Ended(since) => Some(format!("the stream ended {} ago: what stands here is its last state", span(since))),
        }
    }
}

/// How many things have a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts([usize; 6]);

/// The statuses, the worst first.
pub const WORST_FIRST: [Status; 6] = [Status::Crit, Status::Unknown, Status::Warn, Status::Ok, Status::Skipped, Status::Planned];

impl Counts {
    /// All statuses that occur, the worst first.
    pub fn all(&self) -> impl Iterator<Item = (Status, usize)> {
        WORST_FIRST.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

fn rank(status: Status) -> usize {
    WORST_FIRST.iter().position(|other| *other == status).unwrap_or(0)
}

/// A moment.
pub struct Picture {
    /// When.
    pub now: Timestamp,
    /// How the stream is.
    pub stream: Stream,
    /// The worst of all things.
    pub worst: Status,
    /// How many things have which status.
    pub counts: Counts,
    /// All things: by system, the worst first, then by id. The systems that are worst come first.
    pub things: Vec<Thing>,
    /// What changed, the last first.
    pub changes: Vec<Change>,
    /// Records seen.
    pub records: u64,
    /// Since the last record.
    pub silent: Option<Duration>,
    /// Things left out for want of room.
    pub left_out: u64,
}

impl Picture {
    /// The state at a moment.
    pub fn of(keep: &Keep, now: Timestamp, tick: Instant, stale: Duration) -> Picture {
        let silent = keep.last.map(|last| tick.saturating_duration_since(last));
        let stream = match (keep.ended, silent) {
            (Some(ended), _) => Stream::Ended(tick.saturating_duration_since(ended)),
            (None, None) => Stream::Waiting,
            (None, Some(silent)) if silent > stale => Stream::Stale(silent),
            (None, Some(_)) => Stream::Open,
        };
        let mut counts = Counts::default();
        let mut worst = Status::Ok;
        let mut systems = std::collections::HashMap::new();
        for thing in keep.things() {
            let status = thing.head.status;
            counts.0[rank(status)] += 1;
            worst = worst.worst(status);
            let of_system = systems.entry(thing.head.system.clone()).or_insert(rank(status));
            *of_system = rank(status).min(*of_system);
        }
        let mut things: Vec<Thing> = keep.things().cloned().collect();
        things.sort_by_cached_key(|thing| {
            let head = &thing.head;
            let system = systems.get(&head.system).copied();
            (system, head.system.clone(), rank(head.status), thing.check.id.clone(), head.host.clone(), head.tool.clone())
        });
        let changes = keep.changes().cloned().collect();
        Picture { now, stream, worst, counts, things, changes, records: keep.records, silent, left_out: keep.left_out }
    }

    /// Whether a monitor is to be told that all is as it should be: nothing is critical, and the state is fresh.
    pub fn healthy(&self) -> bool {
        self.stream == Stream::Open && self.worst != Status::Crit
    }

    /// The bad ones, the worst first whatever their system.
    pub fn bad(&self) -> Vec<&Thing> {
        let mut bad: Vec<&Thing> = self.things.iter().filter(|thing| thing.head.status.is_bad()).collect();
        bad.sort_by_key(|thing| rank(thing.head.status));
        bad
    }

    /// Since a moment of a record; one that lies ahead (another clock) is now.
    pub fn since(&self, at: Timestamp) -> Duration {
        Duration::try_from(self.now.duration_since(at)).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "picture_tests.rs"]
mod tests;
