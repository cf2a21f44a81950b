//! Who is in the way: sessions that hold a lock on a table.

use ml_common::{Result, pg};
use postgres::{Client, Row};

/// Somebody who holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// For people: `ml-derive r1 (server process 71, role ml, 12 s in its transaction)`.
    pub who: String,
    /// What to do about it.
    pub hint: String,
    /// An autovacuum worker, which would be cancelled by our waiting for its lock.
    pub autovacuum: bool,
}

impl Holder {
    /// Somebody who was gone when we looked.
    pub fn unknown() -> Holder {
        Holder { who: "another session".into(), hint: "the next night tries again".into(), autovacuum: false }
    }
}

/// The lock modes that VACUUM cannot share.
pub const AGAINST_VACUUM: &[&str] =
    &["ShareUpdateExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

/// The lock modes of sessions that may hold single rows or the whole table against a DELETE.
pub const AGAINST_DELETE: &[&str] =
    &["RowShareLock", "RowExclusiveLock", "ShareLock", "ShareRowExclusiveLock", "ExclusiveLock", "AccessExclusiveLock"];

const HOLDER: &str = "SELECT l.pid, coalesce(a.application_name, ''), coalesce(a.usename::text, ''), coalesce(a.backend_type, ''),
        extract(epoch FROM clock_timestamp() - a.xact_start)::float8
    FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
    WHERE l.locktype = 'relation' AND l.granted AND l.relation = ANY($1::oid[]) AND l.mode = ANY($2::text[])
    AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
    AND l.pid IS DISTINCT FROM pg_catalog.pg_backend_pid() ORDER BY a.xact_start NULLS FIRST LIMIT 1";

/// The session longest in its transaction that holds one of these locks on one of these tables.
///
/// # Errors
/// Class Database.
pub fn holder(client: &mut Client, tables: &[u32], modes: &[&str]) -> Result<Option<Holder>> {
    let failed = |error| pg::failure(&error, "looking for who holds the lock");
    let row = client.query_opt(HOLDER, &[&tables, &modes]).map_err(failed)?;
    row.as_ref().map(described).transpose().map_err(failed)
}

fn described(row: &Row) -> Result<Holder, postgres::Error> {
    let pid: Option<i32> = row.try_get(0)?;
    let (application, role, kind): (String, String, String) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    let seconds: Option<f64> = row.try_get(4)?;
    let autovacuum = kind == "autovacuum worker";
    let Some(number) = pid else {
        let hint = "see pg_prepared_xacts, and COMMIT PREPARED or ROLLBACK PREPARED it";
        return Ok(Holder { who: "a prepared transaction".into(), hint: hint.into(), autovacuum });
    };
    let name = match (application.is_empty(), autovacuum) {
        (_, true) => "autovacuum",
        (true, false) => "a session",
        (false, false) => application.as_str(),
    };
    let role = if role.is_empty() { String::new() } else { format!(", role {role}") };
    let since = seconds.map(|seconds| format!(", {seconds:.0} s in its transaction")).unwrap_or_default();
    let hint = format!("wait for it to end, or end it: SELECT pg_terminate_backend({number})");
    Ok(Holder { who: format!("{name} (server process {number}{role}{since})"), hint, autovacuum })
}
