//! What waits under a key, whatever kind of queue it is.

use super::Session;
use crate::{Class, Failure, Result};
use std::time::Duration;

/// What a key holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// `list`, `stream`, `zset`, `set`, or `none`.
    pub kind: String,
    /// Entries.
    pub length: u64,
    /// First and last entry of a list: at which end the oldest waits is up to who writes.
    pub ends: Vec<Vec<u8>>,
    /// When the first entry of a stream was added, in milliseconds since 1970, as its id says.
    pub first_ms: Option<u64>,
}

impl Session {
    /// Has every answer come within `limit` from now on.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn limit(&mut self, limit: Duration) -> Result<()> {
        let bounded = self.connection.set_read_timeout(Some(limit)).and_then(|()| self.connection.set_write_timeout(Some(limit)));
        bounded.map_err(|error| self.target.failure(&error, "setting the time limit"))?;
        self.target.response_timeout = limit;
        Ok(())
    }

    /// The entries under a key, and with `ends` the first and last themselves; a key that does not exist has none.
    ///
    /// # Errors
    /// Class `Network`, and `Config` for a key that is no queue of any kind.
    pub fn waiting(&mut self, key: &str, ends: bool) -> Result<Waiting> {
        let kind: String = self.ask(redis::cmd("TYPE").arg(key), "TYPE")?;
        let mut waiting = Waiting::default();
        match kind.as_str() {
            "none" => {}
            "list" => {
                waiting.length = self.llen(key)?;
                for end in [0, -1].iter().filter(|_| ends) {
                    let entry: Option<Vec<u8>> = self.ask(redis::cmd("LINDEX").arg(key).arg(end), "LINDEX")?;
                    waiting.ends.extend(entry);
                }
            }
            "stream" => {
                waiting.length = self.ask(redis::cmd("XLEN").arg(key), "XLEN")?;
                let range = redis::cmd("XRANGE").arg(key).arg("-").arg("+").arg("COUNT").arg(1).to_owned();
                let first: Vec<(String, redis::Value)> = self.ask(&range, "XRANGE")?;
                waiting.first_ms = first.first().and_then(|(id, _)| id.split('-').next()?.parse().ok());
            }
            "zset" => waiting.length = self.ask(redis::cmd("ZCARD").arg(key), "ZCARD")?,
            "set" => waiting.length = self.ask(redis::cmd("SCARD").arg(key), "SCARD")?,
            other => {
                let wrong = Failure::new(Class::Config, format!("the key {key} holds a {other}, which is no queue"));
                return Err(wrong.hint("name a list, a stream, a sorted set or a set"));
            }
        }
        Ok(Waiting { kind, ..waiting })
    }
}

/// Whether a failure is that the server's rights (ACL) forbid the command or the key.
pub fn is_denied(failure: &Failure) -> bool {
    // As the crate writes it, and as the server does.
    failure.class == Class::Network && ["NoPerm", "NOPERM"].iter().any(|code| failure.message.contains(code))
}
