//! One connection a server: the checks of all who ask the same server are one lane, and its connection goes from hand to hand.

use crate::lane::{Job, Outcome, Worker};
use jiff::Timestamp;
use ml_common::{Failure, pg, redis};
use std::time::Duration;

/// Where a connection goes: who goes to the same place with the same name shares one.
#[derive(Clone, Debug, PartialEq)]
pub enum Server {
    /// A database of a PostgreSQL server.
    Postgres(Box<pg::Target>),
    /// A Redis server.
    Redis(Box<redis::Target>),
}

/// A connection on its way from one to the next.
pub enum Connection {
    /// To PostgreSQL: read-only.
    Postgres(Box<Postgres>),
    /// To Redis.
    Redis(Box<redis::Session>),
}

/// See [`Connection::Postgres`].
pub struct Postgres {
    /// The session.
    pub client: postgres::Client,
    /// What its statement_timeout and lock_timeout are.
    pub limit: Duration,
    /// `server_version_num` and the database, once somebody has asked.
    pub greeting: Option<(i32, String)>,
}

/// What the next one gets.
pub enum Held {
    /// The connection.
    Open(Connection),
    /// Nobody answered at this beat; there is no use in waiting for it again.
    Refused(Timestamp, Failure),
}

/// The workers of one lane, each with the place of its first check.
pub struct Hands {
    workers: Vec<(usize, Box<dyn Worker>)>,
    /// Who has the connection.
    holder: usize,
}

impl Hands {
    /// In the order of their first checks, beginning with 0.
    pub fn new(workers: Vec<(usize, Box<dyn Worker>)>) -> Hands {
        Hands { workers, holder: 0 }
    }

    /// Has a check made by the worker whose it is.
    pub fn make(&mut self, job: &Job) -> Outcome {
        let Some(place) = self.workers.iter().rposition(|(first, _)| *first <= job.check) else { return Outcome::Broken };
        if place != self.holder {
            let held = self.workers.get_mut(self.holder).and_then(|(_, worker)| worker.release());
            if let (Some(held), (_, worker)) = (held, &mut self.workers[place]) {
                worker.adopt(held);
            }
            self.holder = place;
        }
        let (first, worker) = &mut self.workers[place];
        worker.make(&Job { check: job.check - *first, ..*job })
    }
}
