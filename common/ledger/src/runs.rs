//! Rows of `runs`: that something was begun is on record before it is done, so that a failed run shows.

use crate::failed;
use crate::shape::Shape;
use ml_common::{Class, Failure, Result};
use postgres::GenericClient;
use serde_json::Value;

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Key of its row.
    pub id: i64,
    /// What it left for the next one; null when the column is.
    pub metadata: Value,
}

fn require(shape: &Shape) -> Result<()> {
    shape.require("runs", &["id", "name", "status", "system_id", "metadata", "completed_at"])
}

/// Records that a run begins, and gives its key. Call it outside of the transaction that does the work.
///
/// # Errors
/// Class Database.
pub fn begin(client: &mut impl GenericClient, shape: &Shape, system_id: &str, name: &str, metadata: &Value) -> Result<i64> {
    require(shape)?;
    let doing = "recording that the run begins";
    let sql = format!(
        "INSERT INTO {} (name, system_id, status, metadata) VALUES ($1::text, {}, 'running', {}) RETURNING id::bigint",
        shape.sql("runs"),
        shape.cast("runs", "system_id", "$2"),
        shape.cast("runs", "metadata", "$3"),
    );
    let row = client.query_one(&sql, &[&name, &system_id, &metadata.to_string()]).map_err(failed(doing))?;
    row.try_get(0).map_err(failed(doing))
}

/// Records that a run is completed, in the transaction of its work; `metadata` (an object) is added to what `begin` wrote.
///
/// # Errors
/// Class Database, also when there is no such run.
pub fn complete(tx: &mut impl GenericClient, shape: &Shape, run_id: i64, metadata: &Value) -> Result<()> {
    finish(tx, shape, run_id, "completed", metadata)
}

/// Records that a run has failed. Call it after the transaction of its work is rolled back.
///
/// # Errors
/// Class Database, also when there is no such run.
pub fn fail(client: &mut impl GenericClient, shape: &Shape, run_id: i64, reason: &str) -> Result<()> {
    finish(client, shape, run_id, "failed", &serde_json::json!({ "reason": reason }))
}

fn finish(client: &mut impl GenericClient, shape: &Shape, run_id: i64, status: &str, metadata: &Value) -> Result<()> {
    require(shape)?;
    let sql = format!(
        "UPDATE {} SET status = $2::text, completed_at = now(), metadata = coalesce(metadata, '{{}}') || {} WHERE id = $1::bigint",
        shape.sql("runs"),
        shape.cast("runs", "metadata", "$3"),
    );
    let changed = client
        .execute(&sql, &[&run_id, &status, &metadata.to_string()])
        .map_err(failed(format!("recording that run {run_id} is {status}")))?;
    if changed == 0 {
        return Err(
            Failure::new(Class::Database, format!("run {run_id} is gone from the table runs")).hint("look for what deletes rows there")
        );
    }
    Ok(())
}

/// The last completed run of that name.
///
/// # Errors
/// Class Database.
pub fn last_completed(client: &mut impl GenericClient, shape: &Shape, system_id: &str, name: &str) -> Result<Option<Run>> {
    require(shape)?;
    let doing = "looking up the last completed run";
    let sql = format!(
        "SELECT id::bigint, metadata::text FROM {} WHERE name = $1::text AND system_id = {} AND status = 'completed' ORDER BY id DESC LIMIT 1",
        shape.sql("runs"),
        shape.cast("runs", "system_id", "$2"),
    );
    let Some(row) = client.query_opt(&sql, &[&name, &system_id]).map_err(failed(doing))? else { return Ok(None) };
    let text: Option<String> = row.try_get(1).map_err(failed(doing))?;
    let metadata = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    Ok(Some(Run { id: row.try_get(0).map_err(failed(doing))?, metadata }))
}

/// Marks the runs of that name that still count as running as failed: their process was killed. Only for the holder of the tool's lock.
/// Gives their number.
///
/// # Errors
/// Class Database.
pub fn close_stale(client: &mut impl GenericClient, shape: &Shape, system_id: &str, name: &str) -> Result<u64> {
    require(shape)?;
    let sql = format!(
        "UPDATE {} SET status = 'failed', completed_at = now(), metadata = coalesce(metadata, '{{}}') || {}
        WHERE name = $1::text AND system_id = {} AND status = 'running'",
        shape.sql("runs"),
        shape.cast("runs", "metadata", "$3"),
        shape.cast("runs", "system_id", "$2"),
    );
    let reason = serde_json::json!({ "reason": "its process ended without a word" }).to_string();
    client.execute(&sql, &[&name, &system_id, &reason]).map_err(failed("closing runs that were killed"))
}
