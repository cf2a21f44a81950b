//! The one session of a probe: opened when it is first needed, kept from look to look, opened again when the server ended it.

use super::super::{Look, Sample, Unseen};
use crate::server::{Connection, Held, Postgres, Server};
use ml_common::{Class, Failure, Result, pg};
use postgres::types::{FromSql, ToSql, Type};
use postgres::{Client, Row};
use std::time::{Duration, Instant};

/// What is the same for a whole session. `jit`: compiling a query over the catalogs takes longer than running it.
const GREETING: &str = "SELECT current_setting('server_version_num')::int4, current_database()::text,
    set_config('jit', 'off', false)";

/// Parameters of a query, with their types: that spares asking the server for them.
pub(super) type Params<'a> = &'a [(&'a (dyn ToSql + Sync), Type)];

/// Where the session goes, and the session.
pub(super) struct Session {
    target: pg::Target,
    application: String,
    open: Option<Db>,
    /// A session that another has opened, not yet greeted.
    given: Option<Postgres>,
    /// The tick at which it could not be opened: the other checks of that tick need not wait for it again.
    refused: Option<(jiff::Timestamp, Failure)>,
}

/// An open session, as the views use it.
pub(super) struct Db {
    pub client: Client,
    /// `server_version_num`.
    pub version: i32,
    /// The database.
    pub database: String,
    /// `mathledger on localhost:5432 as ml`.
    pub at: String,
    /// How long it took to open, in the look that did.
    pub opened: Option<Duration>,
    /// What statement_timeout and lock_timeout are.
    limit: Duration,
}

impl Session {
    /// Nothing is connected to yet.
    pub fn new(target: pg::Target, application: &str) -> Session {
        Session { target, application: application.to_owned(), open: None, given: None, refused: None }
    }

    /// Where it goes.
    pub fn server(&self) -> Server {
        Server::Postgres(Box::new(self.target.clone()))
    }

    /// Lets the session go.
    pub fn release(&mut self) -> Option<Held> {
        let open = self.open.take().map(|db| Postgres { client: db.client, limit: db.limit, greeting: Some((db.version, db.database)) });
        let open = open.or_else(|| self.given.take()).map(|open| Held::Open(Connection::Postgres(Box::new(open))));
        open.or_else(|| self.refused.take().map(|(tick, failure)| Held::Refused(tick, failure)))
    }

    /// Takes one over.
    pub fn adopt(&mut self, held: Held) {
        match held {
            Held::Open(Connection::Postgres(open)) => self.given = Some(*open),
            Held::Open(Connection::Redis(_)) => {}
            Held::Refused(tick, failure) => self.refused = Some((tick, failure)),
        }
    }

    /// Makes one look. What fails because the server had ended the session since the last look is made again over a new one.
    pub fn look(
        &mut self,
        look: &mut Look<'_>,
        mut work: impl FnMut(&mut Db, &mut Look<'_>) -> Result<Sample, Trouble>,
    ) -> Result<Sample, Unseen> {
        let kept = self.open.is_some() || self.given.is_some();
        let first = self.attempt(look, &mut work);
        let result = match first {
            Err(trouble) if kept && trouble.lost_session() => self.attempt(look, &mut work),
            other => other,
        };
        result.map_err(Trouble::unseen)
    }

    fn attempt(
        &mut self,
        look: &mut Look<'_>,
        work: &mut impl FnMut(&mut Db, &mut Look<'_>) -> Result<Sample, Trouble>,
    ) -> Result<Sample, Trouble> {
        let db = self.ready(look)?;
        let result = db.bound(look.left()).and_then(|()| work(db, look));
        if matches!(&result, Err(trouble) if trouble.lost_session()) {
            self.open = None;
        }
        result
    }

    fn ready(&mut self, look: &Look<'_>) -> Result<&mut Db, Trouble> {
        if let Some((tick, failure)) = &self.refused
            && *tick == look.now
        {
            return Err(failure.clone().into());
        }
        let db = match (self.open.take(), self.given.take()) {
            (Some(db), _) => Db { opened: None, ..db },
            (None, Some(given)) => self.greet(given, None)?,
            (None, None) => self.connect(look.left()).inspect_err(|trouble| {
                if let Trouble::Unseen(Unseen::Failed(failure)) = trouble {
                    self.refused = Some((look.now, failure.clone()));
                }
            })?,
        };
        if let Ok(mut abort) = look.abort.lock() {
            *abort = Some(Box::new(pg::canceller(&db.client, &self.target)));
        }
        Ok(self.open.insert(db))
    }

    fn connect(&self, limit: Duration) -> Result<Db, Trouble> {
        let began = Instant::now();
        let options = pg::Options {
            connect_deadline: limit,
            statement_timeout: Some(limit),
            lock_timeout: Some(limit),
            read_only: true,
            ..pg::Options::new(self.application.as_str())
        };
        let client = self.target.connect(&options)?;
        let opened = Some(began.elapsed());
        self.greet(Postgres { client, limit, greeting: None }, opened)
    }

    fn greet(&self, open: Postgres, opened: Option<Duration>) -> Result<Db, Trouble> {
        let Postgres { mut client, limit, greeting } = open;
        let (version, database) = match greeting {
            Some(known) => known,
            None => {
                let row = client.query_typed_one(GREETING, &[]).map_err(|error| Trouble::sql(error, "greeting the server"))?;
                (cell(&row, 0)?, cell(&row, 1)?)
            }
        };
        supported(version)?;
        Ok(Db { client, version, database, at: self.target.describe(), opened, limit })
    }
}

impl Db {
    /// Has no statement run longer than that. What is in force and about right stays.
    fn bound(&mut self, left: Duration) -> Result<(), Trouble> {
        let (longest, shortest) = (left + left / 20, left / 2);
        if (shortest..=longest).contains(&self.limit) {
            return Ok(());
        }
        let ms = left.as_millis().clamp(1, i32::MAX as u128);
        let sql = format!("SET statement_timeout = {ms}; SET lock_timeout = {ms}");
        self.client.batch_execute(&sql).map_err(|error| Trouble::sql(error, "setting the time limit"))?;
        self.limit = left;
        Ok(())
    }

    /// The rows of a query.
    pub fn rows(&mut self, doing: &'static str, sql: &str, params: Params<'_>) -> Result<Vec<Row>, Trouble> {
        self.client.query_typed(sql, params).map_err(|error| Trouble::sql(error, doing))
    }

    /// The one row of a query.
    pub fn row(&mut self, doing: &'static str, sql: &str, params: Params<'_>) -> Result<Row, Trouble> {
        self.client.query_typed_one(sql, params).map_err(|error| Trouble::sql(error, doing))
    }

    /// Whether the server is a standby, now: it may have been promoted since the last look.
    pub fn is_standby(&mut self) -> Result<bool, Trouble> {
        cell(&self.row("asking whether the server is a standby", "SELECT pg_is_in_recovery()", &[])?, 0)
    }
}

/// The views need catalogs that came with PostgreSQL 12.
fn supported(version: i32) -> ml_common::Result<()> {
    if version >= 120_000 {
        return Ok(());
    }
    let old =
        Failure::new(Class::Database, format!("the server is PostgreSQL {}, and 12 is the oldest that is known here", version / 10_000));
    Err(old.hint("upgrade it: it has had no fixes for years"))
}

/// One value of a row.
pub(super) fn cell<'a, T: FromSql<'a>>(row: &'a Row, index: usize) -> Result<T, Trouble> {
    row.try_get(index).map_err(|error| Trouble::sql(error, "reading the server's answer"))
}

/// Why a look gave nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server, or the way to it, failed.
    Sql(Box<postgres::Error>, &'static str),
    /// All else.
    Unseen(Unseen),
}

impl Trouble {
    /// A failed statement, and what it was for.
    pub fn sql(error: postgres::Error, doing: &'static str) -> Trouble {
        Trouble::Sql(Box::new(error), doing)
    }

    /// A defect of ours.
    pub fn internal(message: impl Into<String>) -> Trouble {
        Failure::new(Class::Internal, message).into()
    }

    /// The SQLSTATE, if the server answered.
    pub fn code(&self) -> Option<&str> {
        match self {
            Trouble::Sql(error, _) => error.code().map(postgres::error::SqlState::code),
            Trouble::Unseen(_) => None,
        }
    }

    /// Whether the session is over. Class 57P: the server stops, crashed, or somebody ended the session; 25P03 and 57P05: it idled too long.
    fn lost_session(&self) -> bool {
        let Trouble::Sql(error, _) = self else { return false };
        match self.code() {
            Some(code) => code.starts_with("57P") || code.starts_with("08") || code == "25P03",
            None => error.is_closed() || std::error::Error::source(&**error).is_some_and(|source| source.is::<std::io::Error>()),
        }
    }

    fn unseen(self) -> Unseen {
        let denied = self.code() == Some("42501");
        match self {
            Trouble::Unseen(unseen) => unseen,
            Trouble::Sql(error, doing) => {
                let failure = pg::failure(&error, doing);
                match failure.hint {
                    Some(hint) if denied => Unseen::Privilege { what: failure.message, hint },
                    hint => Unseen::Failed(Failure { hint, ..failure }),
                }
            }
        }
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Trouble {
        Trouble::Unseen(Unseen::Failed(failure))
    }
}

impl From<Unseen> for Trouble {
    fn from(unseen: Unseen) -> Trouble {
        Trouble::Unseen(unseen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_is_too_old_is_told_so() {
        assert!(supported(120_000).is_ok() && supported(180_001).is_ok());
        let failure = supported(110_022).unwrap_err();
        assert!(failure.message.starts_with("the server is PostgreSQL 11,") && failure.hint.is_some());
    }
}
