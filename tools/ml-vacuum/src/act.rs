//! The work in its order: gates, prune, vacuum, what holds dead rows back.

use crate::cli::Cli;
use crate::horizon;
use crate::plan;
use crate::prune::{self, Pruner};
use crate::sessions::Holder;
use crate::tables::{self, Table};
use crate::vacuum::{self, Vacuumed};
use ml_common::people::counted;
use ml_common::people::{human_bytes, progress};
use ml_common::record::Step;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Exit, Failure, Result, Status, pg};
use ml_ledger::Shape;
use postgres::Client;

/// What happened so far.
#[derive(Default)]
struct Tally {
    said: Vec<String>,
    /// Something was not done that should have been.
    warned: bool,
    failure: Option<Failure>,
    pruned: u64,
    vacuumed: u64,
    freed: u64,
}

/// Prunes and vacuums.
///
/// # Errors
/// Config, Database, or what stopped it.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    if let Some(blocker) = plan::blocked_by(&stage.verdict, cli.common.after) {
        let mut done = Done::skipped(format!("not begun, because of {blocker}"));
        done.exit = Exit::GENERAL;
        done.labels.insert("blocked_by".into(), blocker.as_str().into());
        return Ok(done);
    }
    let vacuum_wanted = stage.settings.switch("VACUUM_ANALYZE")?;
    let days = stage.settings.count_if_set("PRUNE_FAILED_PROOFS_DAYS")?;
    let target = stage.target()?;
    let mut client = target.connect(&pg::Options { read_only: stage.dry_run, ..stage.pg_options()? })?;
    let _guard = stage.cancel.when_set(pg::canceller(&client, &target));
    refuse_standby(&mut client)?;
    let shape = Shape::discover(&mut client)?;
    let mut tally = Tally::default();
    prune(cli, stage, &mut client, &shape, days, &mut tally)?;
    if vacuum_wanted {
        vacuum_all(stage, &mut client, &shape, &mut tally)?;
    } else {
        stage.step(Status::Skipped, Step { id: "vacuum".into(), reason: Some("VACUUM_ANALYZE is false".into()), ..Step::default() });
    }
    done(stage, tally)
}

fn refuse_standby(client: &mut Client) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_is_in_recovery()";
    let standby: bool =
        client.query_one(sql, &[]).and_then(|row| row.try_get(0)).map_err(|error| pg::failure(&error, "asking for the server's role"))?;
    if !standby {
        return Ok(());
    }
    Err(Failure::new(Class::Database, "the server is a standby, which takes over what the primary does").hint("connect to the primary"))
}

fn prune(cli: &Cli, stage: &Stage, client: &mut Client, shape: &Shape, days: Option<u64>, tally: &mut Tally) -> Result<()> {
    let skipped = |status, reason, hint, blocked_by| {
        stage.step(status, Step { id: "prune.proofs".into(), reason: Some(reason), hint, blocked_by, ..Step::default() });
    };
    let days = match plan::prune(days, shape, &stage.verdict) {
        Ok(days) => days,
        Err(not) => {
            skipped(Status::Skipped, not.reason, not.hint, not.blocked_by);
            return Ok(());
        }
    };
    if !prune::permitted(client, shape)? {
        let hint = "GRANT SELECT, UPDATE, DELETE ON proofs to this role, or do not set PRUNE_FAILED_PROOFS_DAYS";
        skipped(Status::Warn, "this role may not remove proofs".into(), Some(hint.into()), None);
        tally.warned = true;
        return Ok(());
    }
    let pruner = Pruner::new(client, stage, shape, days, cli.batch_size)?;
    let (pruned, failure) = if stage.dry_run { (pruner.count(client)?, None) } else { pruner.prune(client) };
    let (status, step) = pruner.step(&pruned, failure.as_ref());
    tally.warned |= status == Status::Warn;
    tally.pruned = pruned.rows;
    tally.said.push(if stage.dry_run {
        format!("{} failed proofs would be removed", pruned.rows)
    } else {
        format!("{} failed proofs removed", pruned.rows)
    });
    stage.step(status, step);
    match failure {
        // Vacuuming is no less useful for it, unless nothing more can be done at all.
        Some(failure) if failure.class == Class::Database && !client.is_closed() => tally.failure = Some(failure),
        Some(failure) => return Err(failure),
        None => {}
    }
    flush_statistics(client);
    Ok(())
}

/// The figures before VACUUM are to know of the rows just removed. From PostgreSQL 15 on it can be asked for; before, it takes half a second.
fn flush_statistics(client: &mut Client) {
    if let Err(error) = client.batch_execute("SELECT pg_catalog.pg_stat_force_next_flush()") {
        log::debug!("the statistics are not flushed: {error}");
    }
}

fn vacuum_all(stage: &Stage, client: &mut Client, shape: &Shape, tally: &mut Tally) -> Result<()> {
    let tables = tables::list(client, shape)?;
    if stage.dry_run {
        tables.iter().filter(|table| table.permitted).for_each(|table| vacuum::planned(stage, table));
        tally.vacuumed = tables.iter().filter(|table| table.permitted).count() as u64;
        tally.said.push(format!("{} would be vacuumed", counted(tally.vacuumed, "table")));
        return Ok(());
    }
    // VACUUM takes as long as it takes; what ends it is a signal.
    client.batch_execute("SET statement_timeout = 0").map_err(|error| pg::failure(&error, "preparing to vacuum"))?;
    let bar = progress("vacuuming", Some(tables.len() as u64));
    let (mut later, mut dead) = (Vec::new(), 0);
    for table in &tables {
        match one(stage, client, table, tally, &mut dead)? {
            None => bar.inc(1),
            Some(_) => later.push(table),
        }
    }
    // A lock of a moment is gone by now; one that is still there is told.
    for table in later {
        if let Some(holder) = one(stage, client, table, tally, &mut dead)? {
            vacuum::blocked(stage, table, holder);
            tally.warned = true;
        }
    }
    bar.finish_and_clear();
    tally.warned |= !tables.is_empty() && tables.iter().all(|table| !table.permitted);
    tally.said.push(format!("{} of {} vacuumed, {} freed", tally.vacuumed, counted(tables.len(), "table"), human_bytes(tally.freed)));
    if dead > 0
        && let Some((status, check)) = horizon::look(client, dead)?
    {
        tally.warned |= status == Status::Warn;
        stage.check(status, check);
    }
    Ok(())
}

/// Vacuums one table; gives who is in the way, if somebody is.
fn one(stage: &Stage, client: &mut Client, table: &Table, tally: &mut Tally, dead: &mut i64) -> Result<Option<Holder>> {
    stage.cancel.check()?;
    match vacuum::vacuum(client, stage, table)? {
        Vacuumed::Done { dead: stayed, freed } => {
            tally.vacuumed += 1;
            tally.freed += freed;
            *dead += stayed;
        }
        Vacuumed::Skipped => {}
        Vacuumed::Blocked(holder) => return Ok(Some(holder)),
        Vacuumed::Failed(failure) => {
            tally.failure.get_or_insert(failure);
        }
    }
    Ok(None)
}

fn done(stage: &Stage, tally: Tally) -> Result<Done> {
    if let Some(failure) = tally.failure {
        return Err(failure);
    }
    let mut done = Done::ok(tally.said.join("; "))
        .metric("pruned", tally.pruned)
        .metric("vacuumed", tally.vacuumed)
        .metric("bytes_freed", tally.freed);
    if stage.dry_run {
        done.status = Some(Status::Planned);
    } else if tally.warned {
        (done.status, done.exit) = (Some(Status::Warn), Exit::GENERAL);
        done.reason = Some("not everything could be done; see the steps".into());
    }
    Ok(done)
}
