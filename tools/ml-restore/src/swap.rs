//! The new database takes the old one's name.

use crate::plan;
use crate::server::{self, Server};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, pg};
use ml_dump::failed;
use postgres::Client;
use postgres::error::SqlState;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Sessions that come back at once are ended again so often; each attempt takes the server up to five seconds.
const ATTEMPTS: usize = 4;

/// How often sessions are ended while the server waits for them to go.
const PAUSE: Duration = Duration::from_millis(200);

/// What changes names.
#[derive(Clone, Copy, Debug)]
pub struct Swap<'a> {
    /// The name that the new database is to have.
    pub database: &'a str,
    /// The name that it has.
    pub new: &'a str,
    /// The name that the old one, if any, is going to have.
    pub old: Option<&'a str>,
    /// Whether sessions in the old one are ended.
    pub terminate: bool,
}

impl Swap<'_> {
    /// Renames, all or nothing.
    ///
    /// # Errors
    /// Class Database when sessions are in the way or the role lacks a right; both databases have the names that they had then.
    pub fn run(&self, stage: &Stage, server: &Server, client: &mut Client) -> Result<()> {
        let _hook = stage.cancel.when_set(server.canceller(client));
        let sql = plan::swap(self.database, self.new, self.old);
        let mut attempt = 0;
        loop {
            attempt += 1;
            let renamed =
                if self.terminate { self.while_ending(server, || client.batch_execute(&sql))? } else { client.batch_execute(&sql) };
            let Err(error) = renamed else { return Ok(()) };
            if !client.is_closed() {
                client.batch_execute("ROLLBACK").map_err(failed("rolling back"))?;
            }
            stage.cancel.check()?;
            let in_use = error.code() == Some(&SqlState::OBJECT_IN_USE);
            if in_use && self.terminate && attempt < ATTEMPTS {
                continue;
            }
            return Err(if in_use { self.blocked(client, &error) } else { pg::failure(&error, format_args!("renaming {}", self.new)) });
        }
    }

    /// Runs `rename` while another session ends those that are in the way. The server lets no new one in as long as the renaming waits.
    fn while_ending<T>(&self, server: &Server, rename: impl FnOnce() -> T) -> Result<T> {
        let mut other = server.again()?;
        end_sessions(&mut other, self.database)?;
        let done = AtomicBool::new(false);
        let renamed = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    std::thread::sleep(PAUSE);
                    if let Err(failure) = end_sessions(&mut other, self.database) {
                        log::warn!("{failure}");
                    }
                }
            });
            let renamed = rename();
            done.store(true, Ordering::Relaxed);
            renamed
        });
        Ok(renamed)
    }

    fn blocked(&self, client: &mut Client, error: &postgres::Error) -> Failure {
        let sessions = server::sessions(client, self.database).unwrap_or_default();
        if sessions.is_empty() {
            return pg::failure(error, format_args!("renaming {}", self.database));
        }
        Failure::new(Class::Database, format!("{} is in use: {}", self.database, server::named(&sessions)))
    }
}

fn end_sessions(client: &mut Client, database: &str) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity
        WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid() AND (backend_type = 'client backend' OR backend_type IS NULL)";
    let doing = || format!("ending the sessions in {database}");
    client
        .query(sql, &[&database])
        .map(|_| ())
        .map_err(|error| pg::failure(&error, doing()).hint("GRANT pg_signal_backend to this role, or end them by hand"))
}
