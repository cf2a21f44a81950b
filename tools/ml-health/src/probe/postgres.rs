//! The PostgreSQL server. The ledger's checks ([`super::ledger`]) follow in the same lane, on the same read-only connection.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use crate::lane::{Abort, Lends};
use crate::limits::LONG_QUERY;
use crate::server::{Connection, Postgres};
use crate::verdict::postgres as verdict;
use ml_common::{Class, Failure, Result, pg};
use ml_ledger::{Figures, Shape};
use postgres::Client;
use std::sync::Arc;
use std::time::{Duration, Instant};

const CONNECT: &[&str] = &["postgres.connect"];

const fn check(id: &'static str, probe: fn(&mut Session) -> Result<Finding>) -> Check<Session> {
    Check { id, gate: false, needs: CONNECT, on_error: OnError::Unknown, probe }
}

/// The lane's first checks.
pub const CHECKS: &[Check<Session>] = &[
    Check { gate: true, needs: &[], on_error: OnError::Crit, ..check("postgres.connect", connect) },
    Check { gate: true, on_error: OnError::Crit, ..check("postgres.writable", writable) },
    check("postgres.version", version),
    check("postgres.size", size),
    check("postgres.connections", connections),
    check("postgres.long-queries", long_queries),
];

/// What the lane's checks share.
pub struct Session {
    /// Settings and thresholds.
    pub facts: Arc<Facts>,
    abort: Abort,
    client: Option<Client>,
    refused: Option<Failure>,
    shape: Option<Shape>,
    figures: Option<Figures>,
}

impl Session {
    /// Not yet connected.
    pub fn new(facts: Arc<Facts>, abort: Abort) -> Session {
        Session { facts, abort, client: None, refused: None, shape: None, figures: None }
    }

    /// The connection.
    ///
    /// # Errors
    /// Class Internal before postgres.connect.
    pub fn client(&mut self) -> Result<&mut Client> {
        self.client.as_mut().ok_or_else(|| Failure::new(Class::Internal, "there is no connection"))
    }

    /// The connection and the tables there are.
    ///
    /// # Errors
    /// Class Database.
    pub fn ledger(&mut self) -> Result<(&mut Client, &Shape)> {
        if self.shape.is_none() {
            self.shape = Some(Shape::discover(self.client()?)?);
        }
        match (&mut self.client, &self.shape) {
            (Some(client), Some(shape)) => Ok((client, shape)),
            _ => Err(Failure::new(Class::Internal, "there is no connection")),
        }
    }

    /// The ledger's figures, counted once.
    ///
    /// # Errors
    /// Class Database.
    pub fn figures(&mut self) -> Result<Figures> {
        if let Some(known) = &self.figures {
            return Ok(known.clone());
        }
        let (client, shape) = self.ledger()?;
        let figures = ml_ledger::figures(client, shape)?;
        self.figures = Some(figures.clone());
        Ok(figures)
    }
}

impl Lends for Session {
    fn release(&mut self) -> Option<Result<Connection>> {
        let limit = self.facts.options.statement_timeout.unwrap_or(self.facts.limits.deadline);
        let open = self.client.take().map(|client| Ok(Connection::Postgres(Box::new(Postgres { client, limit, greeting: None }))));
        open.or_else(|| self.refused.take().map(Err))
    }
}

fn connect(session: &mut Session) -> Result<Finding> {
    let began = Instant::now();
    let opened = session.facts.target.connect(&session.facts.options);
    let client = opened.inspect_err(|failure| session.refused = Some(failure.clone()))?;
    let took = began.elapsed();
    if let Ok(mut abort) = session.abort.lock() {
        *abort = Some(Box::new(pg::canceller(&client, &session.facts.target)));
    }
    session.client = Some(client);
    Ok(verdict::connect(&session.facts.target.describe(), took))
}

/// Our own session is read-only, so the reset value tells what others get: server, database, role and connection options.
const READ_ONLY: &str = "SELECT current_user::text, pg_catalog.pg_is_in_recovery(),
    (SELECT reset_val = 'on' FROM pg_catalog.pg_settings WHERE name = 'default_transaction_read_only')";

/// What a derivation needs and the role lacks, on the tables and (serial) sequences that there are. CASE, as WHERE keeps no order.
const LACKING: &str = "WITH wanted (name, privilege) AS (VALUES ('statements', 'INSERT'), ('proofs', 'INSERT'), ('dependencies', 'INSERT'),
        ('proof_parents', 'INSERT'), ('runs', 'INSERT'), ('runs', 'UPDATE'), ('blocks', 'INSERT')),
    there AS (SELECT c.oid, c.relname::text AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = $1::text AND c.relkind IN ('r', 'p') AND c.relname IN (SELECT name FROM wanted))
    SELECT w.privilege || ' on ' || t.name FROM there t JOIN wanted w ON w.name = t.name
    WHERE NOT pg_catalog.has_table_privilege(t.oid, w.privilege)
    UNION ALL
    SELECT 'USAGE on ' || s.relname FROM there t JOIN pg_catalog.pg_depend d ON d.refobjid = t.oid AND d.deptype = 'a'
        AND d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    JOIN pg_catalog.pg_class s ON s.oid = d.objid
    WHERE CASE WHEN s.relkind = 'S' THEN NOT pg_catalog.has_sequence_privilege(s.oid, 'USAGE') ELSE false END";

/// Asks only, and touches nothing.
fn writable(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "asking for the right to write");
    let (client, shape) = session.ledger()?;
    let row = client.query_one(READ_ONLY, &[]).map_err(failed)?;
    let lacking = client.query(LACKING, &[&shape.schema]).map_err(failed)?;
    Ok(verdict::writable(&verdict::Rights {
        role: row.try_get(0).map_err(failed)?,
        in_recovery: row.try_get(1).map_err(failed)?,
        read_only: row.try_get::<_, Option<bool>>(2).map_err(failed)?.unwrap_or_default(),
        ledger: shape.is_ledger(),
        lacking: lacking.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(failed)?,
    }))
}

fn version(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "asking for the version");
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_version')";
    let row = session.client()?.query_one(sql, &[]).map_err(failed)?;
    let (number, name): (i32, String) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    Ok(verdict::version(number, &name))
}

fn size(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "asking for the size of the database");
    let row = session.client()?.query_one("SELECT pg_catalog.pg_database_size(current_database())", &[]).map_err(failed)?;
    let bytes: i64 = row.try_get(0).map_err(failed)?;
    Ok(verdict::size(u64::try_from(bytes).unwrap_or_default()))
}

/// Rows of others are there without pg_read_all_stats too, only their backend_type is hidden.
const CONNECTIONS: &str = "SELECT count(*), current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint - coalesce(current_setting('reserved_connections', true)::bigint, 0)
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' OR (backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL)";

fn connections(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "counting the connections");
    let row = session.client()?.query_one(CONNECTIONS, &[]).map_err(failed)?;
    let (used, limit): (i64, i64) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    Ok(verdict::connections(u64::try_from(used).unwrap_or_default(), u64::try_from(limit).unwrap_or_default()))
}

const LONG_RUNNING: &str = "SELECT pid, extract(epoch FROM clock_timestamp() - query_start)::float8, state, coalesce(application_name, ''),
        coalesce(usename::text, ''), coalesce(query, '')
    FROM pg_catalog.pg_stat_activity
    WHERE backend_type = 'client backend' AND state IN ('active', 'fastpath function call') AND pid <> pg_catalog.pg_backend_pid()
        AND query_start < clock_timestamp() - make_interval(secs => $1)
    ORDER BY query_start LIMIT 1000";

/// Without pg_read_all_stats what others do is not shown: they look as if they did nothing.
const HIDDEN: &str =
    "SELECT count(*) FROM pg_catalog.pg_stat_activity WHERE backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL";

fn long_queries(session: &mut Session) -> Result<Finding> {
    let client = session.client()?;
    let long = long_running(client, LONG_QUERY)?;
    Ok(verdict::long_queries(&long, hidden(client)?))
}

fn long_running(client: &mut Client, limit: Duration) -> Result<Vec<verdict::Session>> {
    let failed = |error| pg::failure(&error, "looking for long queries");
    let rows = client.query(LONG_RUNNING, &[&limit.as_secs_f64()]).map_err(failed)?;
    let session = |row: &postgres::Row| {
        Ok(verdict::Session {
            pid: row.try_get(0)?,
            age: row.try_get(1)?,
            state: row.try_get(2)?,
            application: row.try_get(3)?,
            role: row.try_get(4)?,
            query: row.try_get(5)?,
        })
    };
    rows.iter().map(session).collect::<std::result::Result<_, _>>().map_err(failed)
}

fn hidden(client: &mut Client) -> Result<u64> {
    let failed = |error| pg::failure(&error, "looking for hidden sessions");
    let hidden: i64 = client.query_one(HIDDEN, &[]).and_then(|row| row.try_get(0)).map_err(failed)?;
    Ok(u64::try_from(hidden).unwrap_or_default())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use ml_tests::Cluster;

    #[test]
    fn a_long_query_is_seen_and_a_role_without_rights_knows_that_it_sees_nothing() {
        let db = Cluster::shared().database("long");
        let mut sleeper = db.client();
        let sleeping = std::thread::spawn(move || sleeper.batch_execute("SELECT pg_sleep(600)"));
        let mut monitor = db.superuser();
        let limit = Duration::from_millis(100);
        let ours = |sessions: Vec<verdict::Session>| sessions.into_iter().find(|session| session.query.contains("pg_sleep(600)"));
        let seen = loop {
            if let Some(session) = ours(long_running(&mut monitor, limit).unwrap()) {
                break session;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        assert!(seen.age >= 0.1 && seen.state == "active" && seen.role == "ml", "{seen:?}");
        assert!(ours(long_running(&mut monitor, Duration::from_secs(500)).unwrap()).is_none());

        let role = db.role("blind", "");
        let mut blind = postgres::Client::connect(&db.url_as(&role.name, &role.password), postgres::NoTls).unwrap();
        assert!(ours(long_running(&mut blind, limit).unwrap()).is_none());
        assert!(hidden(&mut blind).unwrap() > 0);
        assert_eq!(hidden(&mut monitor).unwrap(), 0);
        monitor.execute("SELECT pg_terminate_backend($1)", &[&seen.pid]).unwrap();
        assert!(sleeping.join().unwrap().is_err());
    }
}
