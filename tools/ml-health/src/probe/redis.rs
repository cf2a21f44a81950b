//! The queue's Redis.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use crate::lane::Lends;
use crate::server::Connection;
use crate::verdict::redis as verdict;
use ml_common::redis::{Session, Target};
use ml_common::{Class, Failure, Result};
use std::sync::Arc;
use std::time::Instant;

const PING: &[&str] = &["redis.ping"];

/// The lane's checks.
pub const CHECKS: &[Check<Queue>] = &[
    Check { id: "redis.ping", gate: false, needs: &[], on_error: OnError::Crit, probe: ping },
    Check {
        id: "redis.memory",
        gate: false,
        needs: PING,
        on_error: OnError::Unknown,
        probe: |queue| Ok(verdict::memory(&queue.session()?.memory()?)),
    },
    Check { id: "redis.queue", gate: false, needs: PING, on_error: OnError::Unknown, probe: length },
];

/// What the lane's checks share.
pub struct Queue {
    facts: Arc<Facts>,
    target: Target,
    session: Option<Session>,
    refused: Option<Failure>,
}

impl Lends for Queue {
    fn release(&mut self) -> Option<Result<Connection>> {
        let open = self.session.take().map(|session| Ok(Connection::Redis(Box::new(session))));
        open.or_else(|| self.refused.take().map(Err))
    }
}

impl Queue {
    /// Not yet connected; without a REDIS_URL the reason.
    pub fn new(facts: Arc<Facts>) -> Result<Queue, String> {
        let target = facts.redis.clone().ok_or("REDIS_URL is not set")?;
        Ok(Queue { facts, target, session: None, refused: None })
    }

    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Failure::new(Class::Internal, "there is no connection"))
    }
}

fn ping(queue: &mut Queue) -> Result<Finding> {
    let began = Instant::now();
    let opened = queue.target.connect().and_then(|mut session| session.ping().map(|()| session));
    let session = opened.inspect_err(|failure| queue.refused = Some(failure.clone()))?;
    queue.session = Some(session);
    Ok(verdict::ping(began.elapsed()))
}

fn length(queue: &mut Queue) -> Result<Finding> {
    let (key, limit) = (queue.facts.settings.text("QUEUE_KEY").to_owned(), queue.facts.limits.queue);
    let length = queue.session()?.llen(&key)?;
    Ok(verdict::queue(&key, length, limit))
}
