//! The ledger, straight from its database: recognised, whole, and its figures.

use super::postgres::Session;
use crate::check::{Check, Finding, OnError};
use crate::verdict::ledger as verdict;
use ml_common::{Result, pg};
use ml_ledger::{chain, counts, theories};

/// All rest on the tables; one missing grant is one finding.
const NEEDS: &[&str] = &["postgres.connect", "ledger.schema", "ledger.tables"];

/// The figures are counted once, for the first check that shows some.
const FIGURES: &[&str] = &["postgres.connect", "ledger.schema", "ledger.tables", "ledger.statements"];

/// The tables that these checks read.
const READ: [&str; 5] = ["blocks", "proofs", "schema_migrations", "statements", "theories"];

const fn check(id: &'static str, probe: fn(&mut Session) -> Result<Finding>) -> Check<Session> {
    Check { id, gate: false, needs: NEEDS, on_error: OnError::Unknown, probe }
}

const fn figure(id: &'static str, probe: fn(&mut Session) -> Result<Finding>) -> Check<Session> {
    Check { needs: FIGURES, ..check(id, probe) }
}

/// The second part of the PostgreSQL lane; the chain last, for it can take long.
pub const CHECKS: &[Check<Session>] = &[
    Check {
        gate: true,
        needs: &["postgres.connect"],
        on_error: OnError::Crit,
        ..check("ledger.schema", |s| Ok(verdict::schema(s.ledger()?.1)))
    },
    Check { needs: &["postgres.connect", "ledger.schema"], ..check("ledger.tables", tables) },
    check("ledger.migrations", migrations),
    check("ledger.base-theory", base_theory),
    check("ledger.statements", |s| Ok(verdict::statements(&s.figures()?))),
    figure("ledger.success-rate", |s| Ok(verdict::success_rate(&s.figures()?, &s.facts.limits))),
    figure("ledger.error-rate", |s| Ok(verdict::error_rate(&s.figures()?, &s.facts.limits))),
    figure("ledger.recent-proofs", |s| Ok(verdict::recent_proofs(&s.figures()?))),
    figure("ledger.blocks", |s| Ok(verdict::blocks(&s.figures()?))),
    Check { gate: true, on_error: OnError::CritButTime, ..check("ledger.chain", verify_chain) },
];

fn tables(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "asking for the right to read");
    let (client, shape) = session.ledger()?;
    let present = counts::tables(shape);
    let (read, names): (Vec<&str>, Vec<String>) =
        present.iter().filter(|table| READ.contains(table)).map(|table| (*table, shape.sql(table))).unzip();
    let sql = "SELECT t.name FROM unnest($1::text[], $2::text[]) AS t (name, quoted)
        WHERE NOT pg_catalog.has_table_privilege(t.quoted, 'SELECT')";
    let rows = client.query(sql, &[&read, &names]).map_err(failed)?;
    let unreadable: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<std::result::Result<_, _>>().map_err(failed)?;
    Ok(verdict::tables(shape, present.len(), &unreadable))
}

fn migrations(session: &mut Session) -> Result<Finding> {
    let failed = |error| pg::failure(&error, "reading schema_migrations");
    let (client, shape) = session.ledger()?;
    if !shape.has_column("schema_migrations", "version") {
        return Ok(Finding::skipped("the ledger keeps no record of its migrations"));
    }
    let order = if shape.has_column("schema_migrations", "applied_at") { "applied_at DESC, version DESC" } else { "version DESC" };
    let table = shape.sql("schema_migrations");
    let sql = format!("SELECT count(*), (SELECT version::text FROM {table} ORDER BY {order} LIMIT 1) FROM {table}");
    let row = client.query_one(&sql, &[]).map_err(failed)?;
    let (count, last): (i64, Option<String>) = (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    Ok(verdict::migrations(u64::try_from(count).unwrap_or_default(), last.as_deref()))
}

fn base_theory(session: &mut Session) -> Result<Finding> {
    let (client, shape) = session.ledger()?;
    Ok(verdict::base_theory(theories::base(client, shape)?.as_ref()))
}

fn verify_chain(session: &mut Session) -> Result<Finding> {
    let cancel = session.facts.cancel.clone();
    let (client, shape) = session.ledger()?;
    Ok(verdict::chain(&chain::verify_chain(client, shape, &cancel)?))
}
