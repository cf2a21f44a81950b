//! The tables of the database, and what can be known of them without waiting for a lock.

use crate::plan::Need;
use ml_common::{Result, pg};
use ml_ledger::Shape;
use ml_ledger::shape::quote;
use postgres::{Client, Row};

/// A table to be vacuumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Its oid.
    pub oid: u32,
    /// `statements`; with its schema when that is not the ledger's or public.
    pub name: String,
    /// For SQL, with its schema.
    pub sql: String,
    /// Why it should be vacuumed.
    pub need: Need,
    /// This role may vacuum it.
    pub permitted: bool,
}

/// Bytes of a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Its rows.
    pub heap: u64,
    /// Its large values, with their index.
    pub toast: u64,
    /// Its indexes.
    pub indexes: u64,
}

impl Sizes {
    /// All of it.
    pub fn total(self) -> u64 {
        self.heap + self.toast + self.indexes
    }
}

/// From PostgreSQL 17 on MAINTAIN can be granted; before, only owners may, of the table or the database.
fn permission(version: i32) -> &'static str {
    if version >= 170_000 {
        "pg_catalog.has_table_privilege(c.oid, 'MAINTAIN') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')"
    } else {
        "pg_catalog.pg_has_role(c.relowner, 'USAGE') OR pg_catalog.pg_has_role(d.datdba, 'USAGE')"
    }
}

/// The tables of the ledger's schema; in any other database all tables of users. The one nearest to wraparound comes first.
///
/// # Errors
/// Class Database.
pub fn list(client: &mut Client, shape: &Shape) -> Result<Vec<Table>> {
    let failed = |error| pg::failure(&error, "listing the tables");
    let version = "SELECT pg_catalog.current_setting('server_version_num')::int";
    let version: i32 = client.query_one(version, &[]).and_then(|row| row.try_get(0)).map_err(failed)?;
    let sql = format!(
        "SELECT c.oid, n.nspname::text, c.relname::text, coalesce(s.n_live_tup, 0), coalesce(s.n_dead_tup, 0), coalesce(s.n_mod_since_analyze, 0),
            coalesce(s.vacuum_count + s.autovacuum_count, 0) > 0, coalesce(s.analyze_count + s.autoanalyze_count, 0) > 0,
            pg_catalog.age(c.relfrozenxid)::bigint, pg_catalog.current_setting('autovacuum_freeze_max_age')::bigint, {}
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_database d ON d.datname = current_database()
        LEFT JOIN pg_catalog.pg_stat_all_tables s ON s.relid = c.oid
        WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
            AND n.nspname NOT LIKE 'pg\\_toast%' AND ($1::text IS NULL OR n.nspname = $1::text)
        ORDER BY pg_catalog.age(c.relfrozenxid) / 10000000 DESC, n.nspname, c.relname",
        permission(version)
    );
    let schema = shape.is_ledger().then_some(shape.schema.as_str());
    let rows = client.query(&sql, &[&schema]).map_err(failed)?;
    rows.iter().map(|row| table(row, shape)).collect::<std::result::Result<_, _>>().map_err(failed)
}

fn table(row: &Row, shape: &Shape) -> std::result::Result<Table, postgres::Error> {
    let (schema, relation): (String, String) = (row.try_get(1)?, row.try_get(2)?);
    let need = Need {
        live: row.try_get(3)?,
        dead: row.try_get(4)?,
        changed: row.try_get(5)?,
        vacuumed: row.try_get(6)?,
        analysed: row.try_get(7)?,
        age: row.try_get(8)?,
        age_limit: row.try_get(9)?,
    };
    Ok(Table {
        oid: row.try_get(0)?,
        sql: format!("{}.{}", quote(&schema), quote(&relation)),
        name: if schema == shape.schema || schema == "public" { relation } else { format!("{schema}.{relation}") },
        need,
        permitted: row.try_get(10)?,
    })
}

const SIZES: &str = "SELECT pg_catalog.pg_table_size(c.oid), CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_catalog.pg_total_relation_size(c.reltoastrelid) END,
    pg_catalog.pg_indexes_size(c.oid) FROM pg_catalog.pg_class c WHERE c.oid = $1";

/// A table's bytes; None when it is gone. Waits for whoever holds the table exclusively, as long as lock_timeout allows.
///
/// # Errors
/// What the server says.
pub fn sizes(client: &mut Client, table: &Table) -> std::result::Result<Option<Sizes>, postgres::Error> {
    let Some(row) = client.query_opt(SIZES, &[&table.oid])? else { return Ok(None) };
    let bytes = |at: usize| row.try_get::<_, Option<i64>>(at).map(|bytes| bytes.unwrap_or_default().unsigned_abs());
    let (with_toast, toast) = (bytes(0)?, bytes(1)?);
    Ok(Some(Sizes { heap: with_toast.saturating_sub(toast), toast, indexes: bytes(2)? }))
}

/// Live and dead rows as the statistics count them now.
///
/// # Errors
/// What the server says.
pub fn rows(client: &mut Client, table: &Table) -> std::result::Result<(i64, i64), postgres::Error> {
    let sql = "SELECT n_live_tup, n_dead_tup FROM pg_catalog.pg_stat_all_tables WHERE relid = $1";
    let Some(row) = client.query_opt(sql, &[&table.oid])? else { return Ok((0, 0)) };
    Ok((row.try_get(0)?, row.try_get(1)?))
}
