//! A lane: checks that share something and are made one after another, on a thread of their own, beside the other lanes.
//!
//! The lane makes what the schedule hands it, one check at a time, and hands back what was found. A probe that hangs for good keeps its thread, and
//! the process ends without it.

use crate::check::{Check, Finding, OnError, Tier};
use crate::kind::{Sample, Unseen};
use crate::profile::Remembered;
use crate::server::{Connection, Hands, Held, Server};
use jiff::Timestamp;
use std::panic::AssertUnwindSafe;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Ends what a lane is waiting for, so that it can go on.
pub type Abort = Arc<Mutex<Option<Box<dyn Fn() + Send>>>>;

/// What is known of a check without making it.
#[derive(Clone, Debug)]
pub struct Planned {
    /// Id of its record.
    pub id: Arc<str>,
    /// No later work may be built on it when it is critical.
    pub gate: bool,
    /// Checks without which it is not made, of whatever lane.
    pub needs: Vec<Arc<str>>,
    /// What it means when it cannot be made.
    pub on_error: OnError,
    /// Its time.
    pub limit: Duration,
    /// See [`Tier`].
    pub tier: Tier,
    /// How often it is made in a watch; as often as the watch looks when none is given.
    pub interval: Option<Duration>,
    /// Why it is never made.
    pub never: Option<String>,
}

impl Planned {
    /// One of the compiled-in checks.
    pub fn of<L: 'static>(check: &Check<L>, limit: Duration) -> Planned {
        Planned {
            id: check.id.into(),
            gate: check.gate,
            needs: check.needs.iter().map(|id| (*id).into()).collect(),
            on_error: check.on_error,
            limit,
            tier: Tier::Normal,
            interval: None,
            never: None,
        }
    }
}

/// One check to be made now.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    /// Its place among the lane's checks.
    pub check: usize,
    /// Checks of one beat share what was seen.
    pub beat: u64,
    /// The time of the beat.
    pub now: Timestamp,
    /// When it has to be over.
    pub until: Instant,
}

/// What making a check gave.
#[derive(Debug)]
pub enum Outcome {
    /// A verdict.
    Judged(Finding),
    /// Nothing in this lane can be made, and why.
    Closed(String),
    /// Something to be judged, and what is to be remembered under which names.
    Seen(Result<Sample, Unseen>, Vec<(Arc<str>, Remembered)>),
    /// A defect of ours ended the lane.
    Broken,
}

/// The part of a lane that lives on its thread.
pub trait Worker: Send {
    /// Makes one check.
    fn make(&mut self, job: &Job) -> Outcome;

    /// Lets the connection go to another worker of the lane.
    fn release(&mut self) -> Option<Held> {
        None
    }

    /// Takes the connection over.
    fn adopt(&mut self, _: Held) {}
}

/// What the compiled-in checks of a lane share.
pub trait Lends: Send {
    /// Lets the connection go, or says why there is none.
    fn release(&mut self) -> Option<ml_common::Result<Connection>> {
        None
    }
}

/// What a lane tells: its place, the outcome and how long it took.
pub type Event = (usize, Outcome, Duration);

impl Lends for Arc<crate::probe::Facts> {}

/// A lane that has not begun.
pub struct Lane {
    /// Its checks, in order.
    pub checks: Vec<Planned>,
    /// Each with the place of its first check.
    workers: Vec<(usize, Box<dyn Worker>)>,
    aborts: Vec<Abort>,
    server: Option<Server>,
}

impl Lane {
    /// A lane of these checks; `worker` is given their places.
    pub fn new(checks: Vec<Planned>, worker: Box<dyn Worker>, abort: Abort) -> Lane {
        Lane { checks, workers: vec![(0, worker)], aborts: vec![abort], server: None }
    }

    /// The same, with the server that it connects to.
    #[must_use]
    pub fn to(self, server: Option<Server>) -> Lane {
        Lane { server, ..self }
    }

    /// Makes one lane of those that connect to the same server: there is one connection to it.
    pub fn join(lanes: Vec<Lane>) -> Vec<Lane> {
        let mut joined: Vec<Lane> = Vec::new();
        for lane in lanes {
            match joined.iter_mut().find(|other| other.server.is_some() && other.server == lane.server) {
                Some(other) => {
                    let before = other.checks.len();
                    other.checks.extend(lane.checks);
                    other.workers.extend(lane.workers.into_iter().map(|(first, worker)| (before + first, worker)));
                    other.aborts.extend(lane.aborts);
                }
                None => joined.push(lane),
            }
        }
        joined
    }

    /// A lane of the chosen ones of compiled-in `checks`. `open` gives what they share, anew for each beat, or the reason why none of them can be
    /// made.
    pub fn compiled<L: Lends + 'static>(
        checks: impl IntoIterator<Item = &'static Check<L>>,
        limit: Duration,
        chosen: &dyn Fn(&str) -> bool,
        open: impl Fn(Abort) -> Result<L, String> + Send + 'static,
    ) -> Lane {
        let checks: Vec<&'static Check<L>> = checks.into_iter().filter(|check| chosen(check.id)).collect();
        let planned = checks.iter().map(|check| Planned::of(check, limit)).collect();
        let abort = Abort::default();
        let worker = Compiled { checks, limit, open: Box::new(open), abort: Arc::clone(&abort), shared: None, now: Timestamp::UNIX_EPOCH };
        Lane::new(planned, Box::new(worker), abort)
    }

    /// Begins; what it makes is told to `events` under the name `place`.
    pub fn start(self, place: usize, events: Sender<Event>) -> Running {
        let (jobs, to_do) = mpsc::channel::<Job>();
        let mut hands = Hands::new(self.workers);
        let work = move || {
            for job in to_do {
                let began = Instant::now();
                let made = std::panic::catch_unwind(AssertUnwindSafe(|| hands.make(&job)));
                let broken = made.is_err();
                if events.send((place, made.unwrap_or(Outcome::Broken), began.elapsed())).is_err() || broken {
                    return;
                }
            }
        };
        // Without a thread nobody takes the jobs, and every check is told as broken.
        let _ = std::thread::Builder::new().name("lane".into()).spawn(work);
        Running { jobs, aborts: self.aborts }
    }
}

/// A lane at work.
pub struct Running {
    jobs: Sender<Job>,
    aborts: Vec<Abort>,
}

impl Running {
    /// Hands it a check; whether it took it.
    pub fn give(&self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// Ends what it is waiting for.
    pub fn abort(&self) {
        for abort in &self.aborts {
            if let Ok(abort) = abort.lock()
                && let Some(abort) = abort.as_ref()
            {
                abort();
            }
        }
    }
}

/// Opens what the checks of a lane share.
type Open<L> = Box<dyn Fn(Abort) -> Result<L, String> + Send>;

/// The compiled-in checks of a lane.
struct Compiled<L: 'static> {
    checks: Vec<&'static Check<L>>,
    limit: Duration,
    open: Open<L>,
    abort: Abort,
    /// What they share, and the beat that it was opened for.
    shared: Option<(u64, Result<L, String>)>,
    /// The time of that beat.
    now: Timestamp,
}

impl<L: Lends> Worker for Compiled<L> {
    fn make(&mut self, job: &Job) -> Outcome {
        if self.shared.as_ref().is_none_or(|(beat, _)| *beat != job.beat) {
            // What was open ends first: there is one connection a server.
            self.shared = None;
            self.shared = Some((job.beat, (self.open)(Arc::clone(&self.abort))));
            self.now = job.now;
        }
        match (&mut self.shared, self.checks.get(job.check)) {
            (Some((_, Ok(shared))), Some(check)) => {
                let began = Instant::now();
                let found = (check.probe)(shared);
                Outcome::Judged(found.unwrap_or_else(|failure| Finding::failed(check.on_error, failure, began.elapsed(), self.limit)))
            }
            (Some((_, Err(reason))), _) => Outcome::Closed(reason.clone()),
            _ => Outcome::Broken,
        }
    }

    // Nothing is adopted: the checks of a beat begin with a connection of their own, and are made before all others of the lane.
    fn release(&mut self) -> Option<Held> {
        let (_, shared) = self.shared.as_mut()?;
        Some(match shared.as_mut().ok()?.release()? {
            Ok(connection) => Held::Open(connection),
            Err(failure) => Held::Refused(self.now, failure),
        })
    }
}
