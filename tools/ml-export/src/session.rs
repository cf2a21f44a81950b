//! The one snapshot that everything is read in.

use ml_common::{Result, pg};
use ml_ledger::Shape;
use postgres::{Client, IsolationLevel, Transaction};

/// When and of what the snapshot is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// `xmin:xmax:running`, as txid_current_snapshot() has it.
    pub id: String,
    /// RFC 3339 in UTC with microseconds.
    pub taken_at: String,
    /// `15.18`
    pub server_version: String,
}

/// The texts that the forms rely on, and nothing hidden: a policy that would leave rows out makes the query fail.
const SETTINGS: &str = "SET LOCAL search_path = ''; SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD';
    SET LOCAL IntervalStyle = 'postgres'; SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL lc_monetary = 'C';
    SET LOCAL row_security = off;
    SELECT pg_catalog.set_config(name, '0', true) FROM pg_catalog.pg_settings
        WHERE name IN ('idle_in_transaction_session_timeout', 'transaction_timeout')";

const TAKEN: &str = "SELECT pg_catalog.txid_current_snapshot()::text,
    pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), pg_catalog.current_setting('server_version')";

/// Begins the transaction. The tables are locked (against TRUNCATE and ALTER, nothing else) before the snapshot is taken: a TRUNCATE that
/// came between would leave it empty tables.
///
/// # Errors
/// Class Database: a table cannot be locked in time or read by this role.
pub fn begin<'a>(client: &'a mut Client, shape: &Shape, tables: &[&str]) -> Result<(Transaction<'a>, Snapshot)> {
    let doing = "beginning the snapshot";
    let start = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
    let mut tx = start.start().map_err(|error| pg::failure(&error, doing))?;
    let names: Vec<String> = tables.iter().map(|table| shape.sql(table)).collect();
    if !names.is_empty() {
        let lock = format!("LOCK TABLE {} IN ACCESS SHARE MODE", names.join(", "));
        tx.batch_execute(&lock).map_err(|error| pg::failure(&error, "locking the tables against TRUNCATE"))?;
    }
    tx.batch_execute(SETTINGS).map_err(|error| pg::failure(&error, doing))?;
    let row = tx.query_one(TAKEN, &[]).map_err(|error| pg::failure(&error, doing))?;
    let text = |at| row.try_get(at).map_err(|error| pg::failure(&error, doing));
    let snapshot = Snapshot { id: text(0)?, taken_at: text(1)?, server_version: text(2)? };
    Ok((tx, snapshot))
}
