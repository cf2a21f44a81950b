//! The queue's Redis.

use super::Facts;
use crate::check::{Check, Finding, OnError};
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
}

impl Queue {
    /// Not yet connected; without a REDIS_URL the reason.
    pub fn new(facts: Arc<Facts>) -> Result<Queue, String> {
        let target = facts.redis.clone().ok_or("REDIS_URL is not set")?;
        Ok(Queue { facts, target, session: None })
    }

    fn session(&mut self) -> Result<&mut Session> {
        self.session.as_mut().ok_or_else(|| Failure::new(Class::Internal, "there is no connection"))
    }
}

fn ping(queue: &mut Queue) -> Result<Finding> {
    let began = Instant::now();
    let mut session = queue.target.connect()?;
    session.ping()?;
    queue.session = Some(session);
    Ok(verdict::ping(began.elapsed()))
}

fn length(queue: &mut Queue) -> Result<Finding> {
    let (key, limit) = (queue.facts.settings.text("QUEUE_KEY").to_owned(), queue.facts.limits.queue);
    let length = queue.session()?.llen(&key)?;
    Ok(verdict::queue(&key, length, limit))
}
