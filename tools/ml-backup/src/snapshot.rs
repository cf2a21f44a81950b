//! The snapshot that dump and counts share, and what has to be known of the database before.

use ml_common::{Class, Failure, Result, pg};
use ml_dump::tables::{self, Table};
use ml_dump::{Properties, Tally, failed};
use postgres::Client;

/// What is known of server and database before the dump.
#[derive(Clone, Debug)]
pub struct Facts {
    /// `15.18 (Debian 15.18-0+deb12u1)`.
    pub server: String,
    /// 15.
    pub major: u32,
    /// The database's name.
    pub database: String,
    /// Where the write-ahead log is; None where the role may not ask.
    pub lsn: Option<String>,
    /// Its owner, encoding, locale, rights and settings.
    pub properties: Properties,
}

const FACTS: &str = "SELECT current_setting('server_version'), current_setting('server_version_num')::int, current_database()::text";

/// Asking for the size of a table waits for its lock, so it is done with the locks held.
const SIZES: &str = "SELECT pg_catalog.pg_database_size(current_database()), coalesce(sum(pg_catalog.pg_table_size(c.oid)), 0)::bigint
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

const LSN: &str = "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_wal_replay_lsn() \
    ELSE pg_catalog.pg_current_wal_lsn() END::text";

impl Facts {
    /// Asks the server.
    ///
    /// # Errors
    /// Class Database.
    pub fn read(client: &mut Client) -> Result<Facts> {
        let row = client.query_one(FACTS, &[]).map_err(failed("asking for the version"))?;
        let number: i32 = row.try_get(1).map_err(failed("asking for the version"))?;
        let text = |index: usize| row.try_get::<_, String>(index).map_err(failed("asking for the version"));
        let database = text(2)?;
        let lsn = client.query_one(LSN, &[]).and_then(|row| row.try_get(0)).unwrap_or_else(|error| {
            log::info!("the position of the write-ahead log is not known: {error}");
            None
        });
        let gone = || Failure::new(Class::Database, format!("the catalog does not know the database {database}"));
        let properties = Properties::read(client, &database)?.ok_or_else(gone)?;
        let major = number.unsigned_abs() / 10_000;
        Ok(Facts { server: text(0)?, major, lsn, properties, database })
    }
}

/// How large things are on the server, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// The database, indexes included.
    pub database: u64,
    /// Its own tables, without indexes.
    pub tables: u64,
}

/// A transaction that keeps one state of the database in view.
pub struct Snapshot {
    client: Client,
    /// For `pg_dump --snapshot`.
    pub id: String,
    /// The tables whose rows are dumped.
    pub tables: Vec<Table>,
}

/// Ended by the server between statements, the transaction would take the snapshot with it.
const NO_IDLE_LIMITS: &str = "SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings \
    WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout', 'idle_session_timeout')";

/// Tables come and go while the snapshot is taken; so often it is taken again.
const ATTEMPTS: usize = 5;

/// Names of tables in one LOCK statement.
const BATCH: usize = 500;

impl Snapshot {
    /// Locks the tables against TRUNCATE, ALTER and DROP, which snapshots do not stand, and then takes the snapshot. A role that may read the
    /// tables may do so.
    ///
    /// # Errors
    /// Class Database; a table that the role may not read, or that somebody keeps locked, is named.
    pub fn take(mut client: Client) -> Result<Snapshot> {
        client.batch_execute(NO_IDLE_LIMITS).map_err(failed("preparing the session"))?;
        // A count that policies may narrow is no count: with this, the server refuses instead.
        client.batch_execute("SET row_security = off").map_err(failed("preparing the session"))?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let tables = tables::list(&mut client)?;
            match begin(&mut client, &tables) {
                Ok(id) => {
                    let now = tables::list(&mut client)?;
                    if now == tables {
                        return Ok(Snapshot { client, id, tables });
                    }
                    last = None;
                }
                Err(error) if error.code() == Some(&postgres::error::SqlState::UNDEFINED_TABLE) => last = Some(error),
                Err(error) => return Err(pg::failure(&error, "locking the tables")),
            }
            client.batch_execute("ROLLBACK").map_err(failed("taking the snapshot"))?;
        }
        Err(match last {
            Some(error) => pg::failure(&error, "locking the tables"),
            None => Failure::new(Class::Database, "tables are made and dropped faster than they can be locked"),
        }
        .hint("run the backup when no schema is being changed"))
    }

    /// Its session, within the transaction.
    pub fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    /// A hook that cancels what the snapshot's session is running.
    pub fn canceller(&self, target: &pg::Target) -> impl Fn() + Send + Sync + Clone + use<> {
        pg::canceller(&self.client, target)
    }

    /// Asks for the sizes.
    ///
    /// # Errors
    /// Class Database.
    pub fn sizes(&mut self) -> Result<Sizes> {
        let row = self.client.query_one(SIZES, &[]).map_err(failed("asking for the size"))?;
        let get = |index: usize| row.try_get::<_, i64>(index).map(i64::unsigned_abs).map_err(failed("asking for the size"));
        Ok(Sizes { database: get(0)?, tables: get(1)? })
    }

    /// Counts the rows under the snapshot.
    ///
    /// # Errors
    /// Class Database.
    pub fn count(&mut self) -> Result<Tally> {
        tables::count(&mut self.client, &self.tables)
    }

    /// The encoding that pg_dump must be told, if any: in another than UTF-8, the names of tables in the dump would have to be converted to be
    /// compared.
    pub fn encoding(&self, database: &str) -> Option<&'static str> {
        let plain = self.tables.iter().all(|table| table.schema.is_ascii() && table.name.is_ascii());
        (!plain && database != "UTF8" && database != "SQL_ASCII").then_some("UTF8")
    }
}

fn begin(client: &mut Client, tables: &[Table]) -> Result<String, postgres::Error> {
    client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
    for batch in tables.chunks(BATCH) {
        let names: Vec<String> = batch.iter().map(|table| format!("ONLY {}", table.sql())).collect();
        client.batch_execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", ")))?;
    }
    // The first query after the locks fixes what the transaction sees.
    client.query_one("SELECT pg_catalog.pg_export_snapshot()", &[])?.try_get(0)
}
