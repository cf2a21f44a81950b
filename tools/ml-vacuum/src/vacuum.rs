//! VACUUM (ANALYZE) of one table, with figures before and after.

use crate::plan::reason;
use crate::sessions::{self, AGAINST_VACUUM, Holder};
use crate::tables::{self, Sizes, Table};
use ml_common::people::human_bytes;
use ml_common::record::{Map, Step};
use ml_common::stage::Stage;
use ml_common::{Failure, Result, Status, pg};
use postgres::Client;
use std::time::Instant;

/// How it went with one table.
pub enum Vacuumed {
    /// Done.
    Done {
        /// Dead rows that are still there.
        dead: i64,
        /// Bytes that the disk got back.
        freed: u64,
    },
    /// Nothing could or should be done, and the step has said why.
    Skipped,
    /// Somebody's lock is in the way.
    Blocked(Holder),
    /// The server failed; the step has told it.
    Failed(Failure),
}

fn id(table: &Table) -> String {
    format!("vacuum.{}", table.name)
}

/// Vacuums the table unless somebody is in the way.
///
/// # Errors
/// The connection is lost, or a signal arrived.
pub fn vacuum(client: &mut Client, stage: &Stage, table: &Table) -> Result<Vacuumed> {
    if !table.permitted {
        let reason = Some("this role may not vacuum it".to_owned());
        let hint = Some("connect as the owner of the table or of the database, or GRANT MAINTAIN (from PostgreSQL 17 on)".to_owned());
        stage.step(Status::Skipped, Step { id: id(table), reason, hint, ..Step::default() });
        return Ok(Vacuumed::Skipped);
    }
    // Asked before waiting: the wait itself would be in the way of others, and would cancel an autovacuum.
    if let Some(holder) = sessions::holder(client, &[table.oid], AGAINST_VACUUM)? {
        if holder.autovacuum {
            let reason = Some(format!("{} is at it", holder.who));
            stage.step(Status::Skipped, Step { id: id(table), reason, ..Step::default() });
            return Ok(Vacuumed::Skipped);
        }
        return Ok(Vacuumed::Blocked(holder));
    }
    let began = Instant::now();
    match work(client, table) {
        Ok(Some(figures)) => {
            let (dead, freed) = (figures.after.1, figures.sizes_before.total().saturating_sub(figures.sizes_after.total()));
            let duration_ms = u64::try_from(began.elapsed().as_millis()).ok();
            stage.step(Status::Ok, Step { duration_ms, ..step(table, &figures) });
            Ok(Vacuumed::Done { dead, freed })
        }
        Ok(None) => {
            stage.step(Status::Skipped, Step { id: id(table), reason: Some("it was dropped meanwhile".into()), ..Step::default() });
            Ok(Vacuumed::Skipped)
        }
        Err(error) => failed(client, stage, table, &error),
    }
}

struct Figures {
    sizes_before: Sizes,
    sizes_after: Sizes,
    before: (i64, i64),
    after: (i64, i64),
}

fn work(client: &mut Client, table: &Table) -> Result<Option<Figures>, postgres::Error> {
    let Some(sizes_before) = tables::sizes(client, table)? else { return Ok(None) };
    let before = tables::rows(client, table)?;
    client.batch_execute(&format!("VACUUM (ANALYZE) {}", table.sql))?;
    let Some(sizes_after) = tables::sizes(client, table)? else { return Ok(None) };
    Ok(Some(Figures { sizes_before, sizes_after, before, after: tables::rows(client, table)? }))
}

fn step(table: &Table, figures: &Figures) -> Step {
    let Figures { sizes_before, sizes_after, before, after } = figures;
    let removed = before.1.saturating_sub(after.1).max(0);
    let metrics = Map::from(
        [
            ("bytes_before", sizes_before.total().into()),
            ("bytes_after", sizes_after.total().into()),
            ("heap_bytes", sizes_after.heap.into()),
            ("toast_bytes", sizes_after.toast.into()),
            ("index_bytes", sizes_after.indexes.into()),
            ("live_before", before.0.into()),
            ("live_after", after.0.into()),
            ("dead_before", before.1.into()),
            ("dead_after", after.1.into()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let why = reason(&table.need);
    let (from, to) = (human_bytes(sizes_before.total()), human_bytes(sizes_after.total()));
    let size = if from == to { to } else { format!("{from} to {to}") };
    Step {
        id: id(table),
        rows: Some(removed.unsigned_abs()),
        bytes: Some(sizes_after.total()),
        summary: format!("{removed} dead rows removed, {} live, {size} ({why})", after.0),
        reason: Some(why),
        metrics,
        ..Step::default()
    }
}

/// What an error of the server means for this table, and for the others.
fn failed(client: &mut Client, stage: &Stage, table: &Table, error: &postgres::Error) -> Result<Vacuumed> {
    stage.cancel.check()?;
    let failure = pg::failure(error, format_args!("vacuuming {}", table.name));
    let code = error.code().map(postgres::error::SqlState::code).unwrap_or_default();
    if client.is_closed() {
        return Err(failure);
    }
    match code {
        "55P03" => {
            let holder = sessions::holder(client, &[table.oid], AGAINST_VACUUM)?;
            Ok(Vacuumed::Blocked(holder.unwrap_or_else(Holder::unknown)))
        }
        "42P01" => {
            stage.step(Status::Skipped, Step { id: id(table), reason: Some("it was dropped meanwhile".into()), ..Step::default() });
            Ok(Vacuumed::Skipped)
        }
        _ => {
            let (reason, hint) = (Some(failure.message.clone()), failure.hint.clone());
            stage.step(Status::Crit, Step { id: id(table), reason, hint, error_class: Some("database".into()), ..Step::default() });
            Ok(Vacuumed::Failed(failure))
        }
    }
}

/// Tells that a lock was in the way for good.
pub fn blocked(stage: &Stage, table: &Table, holder: Holder) {
    let reason = format!("locked by {}", holder.who);
    let step = Step {
        id: id(table),
        summary: format!("not vacuumed: {reason}"),
        reason: Some(reason),
        hint: Some(holder.hint),
        ..Step::default()
    };
    stage.step(Status::Warn, step);
}

/// Tells what would be done.
pub fn planned(stage: &Stage, table: &Table) {
    let why = reason(&table.need);
    let metrics = Map::from([("live_before".to_owned(), table.need.live.into()), ("dead_before".to_owned(), table.need.dead.into())]);
    stage.step(
        Status::Ok,
        Step { id: id(table), summary: format!("would be vacuumed ({why})"), reason: Some(why), metrics, ..Step::default() },
    );
}
