//! Looking and applying, and what is said about it.

use crate::catalog::{self, Observed};
use crate::cli::Verb;
use crate::migrations::Migration;
use crate::plan::{Plan, Todo, cannot_apply, plan};
use ml_common::record::{Check, Map, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Exit, Failure, Result, Status, pg};
use postgres::Client;
use std::time::Instant;

/// Does what the verb says.
pub fn act(verb: Verb, stage: &Stage) -> Result<Done> {
    let target = stage.target()?;
    let read_only = verb == Verb::Status || stage.dry_run;
    let mut client = target.connect(&pg::Options { read_only, ..stage.pg_options()? })?;
    let cancel = pg::canceller(&client, &target);
    let _hook = stage.cancel.when_set(cancel);
    let observed = catalog::observe(&mut client)?;
    let plan = plan(&observed);
    match verb {
        Verb::Status => Ok(status(stage, &plan)),
        Verb::Up => up(stage, &mut client, &observed, plan),
    }
}

/// What there is; having found something bad is not a failure of the finder.
fn status(stage: &Stage, plan: &Plan) -> Done {
    let (exit, status, hint) = if let Some(refusal) = &plan.refusal {
        (Class::Database.exit(), Status::Crit, refusal.hint.clone())
    } else if plan.pending() > 0 {
        let does = if plan.usable { "applies what is pending" } else { "creates the ledger in it" };
        (Exit::GENERAL, Status::Warn, Some(format!("ml-migrate up {does}")))
    } else if let Some((_, hint)) = plan.lacking() {
        (Exit::GENERAL, Status::Warn, Some(hint.to_owned()))
    } else {
        (Exit::OK, Status::Ok, None)
    };
    // An empty database is no failure, but nothing can be built on it yet.
    check(stage, plan, if plan.usable { status } else { Status::Crit }, hint.clone());
    Done { exit, status: Some(status), hint, ..Done::ok(plan.summary()) }
}

fn up(stage: &Stage, client: &mut Client, observed: &Observed, plan: Plan) -> Result<Done> {
    let impossible = if plan.pending() > 0 { cannot_apply(observed) } else { None };
    if let Some(refusal) = plan.refusal.clone().or(impossible) {
        check(stage, &plan, if plan.usable { Status::Warn } else { Status::Crit }, refusal.hint.clone());
        return Err(refusal);
    }
    let applied = plan.pending();
    for (migration, todo) in &plan.steps {
        step(stage, client, migration, todo)?;
    }
    if stage.dry_run {
        check(stage, &plan, if plan.usable { Status::Ok } else { Status::Planned }, None);
        return Ok(done(&plan, applied, "would be applied"));
    }
    let plan = if applied > 0 { crate::plan::plan(&catalog::observe(client)?) } else { plan };
    let hint = plan.lacking().map(|(_, hint)| hint.to_owned());
    let status = if !plan.usable {
        Status::Crit
    } else if hint.is_some() {
        Status::Warn
    } else {
        Status::Ok
    };
    check(stage, &plan, status, hint);
    Ok(done(&plan, applied, "applied"))
}

fn done(plan: &Plan, applied: usize, what: &str) -> Done {
    let migrations = if applied == 1 { "migration" } else { "migrations" };
    let summary = if applied == 0 { format!("nothing to do: {}", plan.summary()) } else { format!("{applied} {migrations} {what}") };
    let done = Done::ok(summary).metric("applied", applied);
    match plan.lacking() {
        Some((reason, hint)) => {
            Done { exit: Exit::GENERAL, status: Some(Status::Warn), reason: Some(reason.into()), hint: Some(hint.into()), ..done }
        }
        None => done,
    }
}

fn step(stage: &Stage, client: &mut Client, migration: &Migration, todo: &Todo) -> Result<()> {
    let step = Step { id: migration.record_id(), summary: migration.description.to_owned(), ..Step::default() };
    match todo {
        Todo::Applied(at) => stage.step(Status::Skipped, Step { reason: Some(format!("applied {at}")), ..step }),
        Todo::NotOurs => {
            let reason = Some("MathLedger's own migrations made this ledger; it is left as it is".to_owned());
            stage.step(Status::Skipped, Step { reason, ..step });
        }
        Todo::Lacking(reason, hint) => stage.step(Status::Warn, Step { reason: Some(reason.clone()), hint: Some(hint.clone()), ..step }),
        Todo::Apply if stage.dry_run => stage.step(Status::Planned, step),
        Todo::Apply => {
            stage.cancel.check()?;
            let began = Instant::now();
            let result = apply(client, migration);
            let duration_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            // A signal cancels the query: what stopped it is the signal and not the database.
            let result = result.map_err(|failure| stage.cancel.check().err().unwrap_or(failure));
            if let Err(failure) = &result {
                let (summary, error_class) = (failure.message.clone(), Some(failure.class.name().to_owned()));
                stage.step(Status::Crit, Step { summary, hint: failure.hint.clone(), error_class, duration_ms, ..step });
            } else {
                stage.step(Status::Ok, Step { duration_ms, ..step });
            }
            return result;
        }
    }
    Ok(())
}

/// One migration and its entry, in one transaction: whole or not at all.
fn apply(client: &mut Client, migration: &Migration) -> Result<()> {
    let failure = |error| -> Failure { pg::failure(&error, format_args!("applying the migration {}", migration.name)) };
    let mut tx = client.transaction().map_err(failure)?;
    tx.batch_execute(migration.sql).map_err(failure)?;
    let entry = "INSERT INTO schema_migrations (version, description) VALUES ($1, $2)";
    tx.execute(entry, &[&migration.version(), &migration.description]).map_err(failure)?;
    tx.commit().map_err(failure)
}

fn check(stage: &Stage, plan: &Plan, status: Status, hint: Option<String>) {
    let (applied, pending) = (plan.applied(), plan.pending());
    let check = Check {
        id: "schema".to_owned(),
        gate: true,
        value: Some(applied.into()),
        unit: Some("migrations".to_owned()),
        summary: plan.summary(),
        hint,
        error_class: plan.refusal.as_ref().map(|refusal| refusal.class.name().to_owned()),
        evidence: plan.differences.clone(),
        labels: Map::from([
            ("created_by".to_owned(), plan.created_by.name().into()),
            ("generation".to_owned(), plan.generation.name().into()),
        ]),
        metrics: Map::from([("applied".to_owned(), applied.into()), ("pending".to_owned(), pending.into())]),
        ..Check::default()
    };
    stage.check(status, check);
}
