//! One run at a time: an advisory lock held by an open transaction on a connection of its own.
//!
//! A transaction's lock and not a session's: behind a pooler a session's lock stays with a server connection that others then use.
//! READ COMMITTED, and only simple queries, so the transaction holds back no vacuum: the extended protocol leaves its last portal open until
//! the transaction ends, and with it a snapshot.

use super::connect::Options;
use super::failure;
use super::target::Target;
use crate::{Class, Failure, Result};
use postgres::{Client, SimpleQueryMessage};
use sha2::{Digest, Sha256};
use std::time::Duration;

/// The lock, held until dropped or until its connection ends.
pub struct Guard {
    client: Client,
    name: String,
    key: i64,
}

/// The advisory lock's key: the first eight bytes of a hash of the name, the same on every machine and in every version.
pub fn key(name: &str) -> i64 {
    let digest = Sha256::digest(format!("mathledger toolkit lock: {name}"));
    digest.iter().take(8).fold(0u64, |key, byte| (key << 8) | u64::from(*byte)).cast_signed()
}

/// Takes the lock `name` of the target's database, or fails at once. Holders are known by `application_name`, which is `name run`.
///
/// # Errors
/// Class `Locked` when it is taken, naming the holder; otherwise as [`Target::connect`].
pub fn try_lock(target: &Target, name: &str, run: &str) -> Result<Guard> {
    let options = Options { statement_timeout: Some(Duration::from_secs(30)), ..Options::new(format!("{name} {run}")) };
    let mut client = target.connect(&options)?;
    let key = key(name);
    let doing = || format!("taking the lock {name}");
    client.batch_execute(BEGIN).map_err(|error| failure(&error, doing()))?;
    let sql = format!("SELECT pg_catalog.pg_try_advisory_xact_lock({key})");
    let taken = says_yes(&mut client, &sql).map_err(|error| failure(&error, doing()))?;
    if taken { Ok(Guard { client, name: name.to_owned(), key }) } else { Err(held(&mut client, name, key)) }
}

/// The answer to a question whose one row is a boolean.
fn says_yes(client: &mut Client, sql: &str) -> Result<bool, postgres::Error> {
    let answer = client.simple_query(sql)?;
    Ok(answer.iter().any(|message| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"))))
}

/// The limits that would end an idle transaction are lifted for this one; not every server version knows all of them.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings \
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')";

/// The half keys are how pg_locks shows a 64-bit key; objsubid 1 tells it from a pair of 32-bit ones.
const HOLDER: &str = "SELECT l.pid, coalesce(a.application_name, ''), to_char(a.xact_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') \
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
    WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 \
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()) \
    AND l.classid::bigint = $1 AND l.objid::bigint = $2";

fn halves(key: i64) -> (i64, i64) {
    ((key >> 32) & 0xffff_ffff, key & 0xffff_ffff)
}

fn held(client: &mut Client, name: &str, key: i64) -> Failure {
    let (high, low) = halves(key);
    let holder = client.query_opt(HOLDER, &[&high, &low]).ok().flatten().map(|row| {
        let (pid, who): (i32, String) = (row.get(0), row.get(1));
        let since = row.get::<_, Option<String>>(2).map(|since| format!(", since {since}")).unwrap_or_default();
        let who = if who.is_empty() { "another session".to_owned() } else { who };
        (format!("{who} (server process {pid}{since})"), pid)
    });
    let (who, remedy) = match holder {
        Some((who, pid)) => (who, format!("wait for it to end; if its tool is gone, SELECT pg_terminate_backend({pid})")),
        None => ("another session".to_owned(), "try again".to_owned()),
    };
    Failure::new(Class::Locked, format!("the lock {name} is held by {who}")).hint(remedy)
}

impl Guard {
    /// The lock's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Asks the server whether the lock is still ours; a lost connection loses it.
    ///
    /// # Errors
    /// Class `Database` when the connection is gone, `Locked` when the lock is.
    pub fn still_held(&mut self) -> Result<()> {
        let (high, low) = halves(self.key);
        let holder = HOLDER.replace("$1", &high.to_string()).replace("$2", &low.to_string());
        let sql = format!("SELECT EXISTS ({holder} AND l.pid = pg_catalog.pg_backend_pid())");
        match says_yes(&mut self.client, &sql).map_err(|error| failure(&error, format_args!("asking for the lock {}", self.name)))? {
            true => Ok(()),
            false => Err(Failure::new(Class::Locked, format!("the lock {} was lost", self.name))
                .hint("a pooler or an administrator ended its transaction; run again")),
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closing the connection would release it too; a pooler prefers a finished transaction.
        if let Err(error) = self.client.batch_execute("ROLLBACK") {
            log::debug!("releasing the lock {}: {error}", self.name);
        }
    }
}
