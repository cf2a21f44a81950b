//! How much the ledger holds.

use crate::failed;
use crate::shape::{Shape, expected};
use ml_common::Result;
use postgres::GenericClient;
use std::collections::BTreeMap;

/// Names of the ledger's tables that there are, of either generation, in alphabetical order.
pub fn tables(shape: &Shape) -> Vec<&'static str> {
    let known = expected::FIRST.iter().chain(expected::SECOND).map(|(table, _)| *table).chain(["schema_migrations"]);
    let mut present: Vec<&str> = known.filter(|table| shape.has(table)).collect();
    present.sort_unstable();
    present.dedup();
    present
}

/// Exact row counts of the ledger's tables; call it in a transaction of one snapshot where they have to fit each other.
///
/// # Errors
/// Class Database.
pub fn counts(client: &mut impl GenericClient, shape: &Shape) -> Result<BTreeMap<String, i64>> {
    let mut counts = BTreeMap::new();
    for table in tables(shape) {
        let doing = || format!("counting the rows of {table}");
        let row = client.query_one(&format!("SELECT count(*) FROM {}", shape.sql(table)), &[]).map_err(failed(doing()))?;
        counts.insert(table.to_owned(), row.try_get(0).map_err(failed(doing()))?);
    }
    Ok(counts)
}

/// The figures by which a ledger's health is judged. `None` where the ledger has no such column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Proofs of any outcome.
    pub proofs_total: i64,
    /// Proofs that succeeded.
    pub proofs_success: Option<i64>,
    /// Proofs that failed, time-outs included.
    pub proofs_failure: Option<i64>,
    /// Of the failed ones, those that ran out of time; `None` where the ledger does not tell them apart.
    pub proofs_timeout: Option<i64>,
    /// Proofs recorded within the last hour.
    pub proofs_last_hour: Option<i64>,
    /// Statements.
    pub statements: i64,
    /// The deepest derivation.
    pub max_depth: Option<i64>,
    /// Blocks.
    pub blocks: i64,
    /// The highest block number of any theory (first generation: the highest id).
    pub block_height: Option<i64>,
}

impl Figures {
    /// Per cent of the decided proofs that succeeded, 0 to 100; `None` when there are none.
    pub fn success_rate(&self) -> Option<f64> {
        let (success, failure) = (self.proofs_success?, self.proofs_failure?);
        (success + failure > 0).then(|| 100.0 * success as f64 / (success + failure) as f64)
    }
}

/// Reads the figures, from whichever columns the ledger has.
///
/// # Errors
/// Class Database.
pub fn figures(client: &mut impl GenericClient, shape: &Shape) -> Result<Figures> {
    shape.require_ledger()?;
    let mut figures = Figures::default();
    let doing = "counting proofs";
    let outcome = shape.outcome("p");
    let recent = if shape.has_column("proofs", "created_at") {
        "count(*) FILTER (WHERE p.created_at > now() - interval '1 hour')"
    } else {
        "NULL::bigint"
    };
    let sql = format!(
        "SELECT count(*), count(*) FILTER (WHERE {outcome} = 'success'), count(*) FILTER (WHERE {outcome} IN ('failure', 'timeout')),
        count(*) FILTER (WHERE {outcome} = 'timeout'), {recent} FROM {} p",
        shape.sql("proofs")
    );
    let row = client.query_one(&sql, &[]).map_err(failed(doing))?;
    figures.proofs_total = row.try_get(0).map_err(failed(doing))?;
    if shape.has_column("proofs", "status") || shape.has_column("proofs", "success") {
        figures.proofs_success = row.try_get(1).map_err(failed(doing))?;
        figures.proofs_failure = row.try_get(2).map_err(failed(doing))?;
    }
    if shape.has_column("proofs", "status") {
        figures.proofs_timeout = row.try_get(3).map_err(failed(doing))?;
    }
    figures.proofs_last_hour = row.try_get(4).map_err(failed(doing))?;

    let doing = "counting statements";
    let depth = shape.or_null("statements", "derivation_depth", "s", "bigint");
    let row = client.query_one(&format!("SELECT count(*), max({depth}) FROM {} s", shape.sql("statements")), &[]).map_err(failed(doing))?;
    figures.statements = row.try_get(0).map_err(failed(doing))?;
    figures.max_depth = row.try_get(1).map_err(failed(doing))?;

    if shape.has("blocks") {
        let doing = "counting blocks";
        let number = if shape.has_column("blocks", "block_number") { "block_number" } else { "id" };
        let height = shape.or_null("blocks", number, "b", "bigint");
        let row =
            client.query_one(&format!("SELECT count(*), max({height}) FROM {} b", shape.sql("blocks")), &[]).map_err(failed(doing))?;
        figures.blocks = row.try_get(0).map_err(failed(doing))?;
        figures.block_height = row.try_get(1).map_err(failed(doing))?;
    }
    Ok(figures)
}
