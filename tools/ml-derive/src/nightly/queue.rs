//! Verification jobs for what was committed, on the Redis queue.
//!
//! How many of a run's theorems were pushed stands in the metadata of its run. What a full queue or a dead Redis left over is pushed by
//! the next night, oldest first: nothing is owed twice but for a crash between a push and the note of it, and workers must bear a job
//! that comes again.

use super::{Ledger, millis};
use ml_common::record::{Map, Step};
use ml_common::redis::Target;
use ml_common::signal::Cancel;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, Status, pg};
use ml_ledger::Shape;
use ml_ledger::theories::Theory;
use postgres::Client;
use serde_json::{Value, json};
use std::time::Instant;

/// Jobs of one push.
const BATCH: usize = 500;

/// What a run's metadata say under `queue` when its jobs are owed.
pub fn owed() -> Value {
    json!({ "pushed": 0, "done": false })
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Jobs pushed.
    pub enqueued: u64,
    /// Jobs that wait for the next night.
    pub waiting: u64,
}

/// Where jobs go.
pub struct Queue {
    target: Target,
    key: String,
    most: u64,
}

impl Queue {
    /// As the settings name it; `None` without `REDIS_URL`.
    ///
    /// # Errors
    /// Class Config when they make no sense.
    pub fn of(stage: &Stage) -> Result<Option<Queue>> {
        let most = stage.settings.count("QUEUE_MAX")?;
        let Some(url) = stage.settings.get("REDIS_URL") else { return Ok(None) };
        Ok(Some(Queue { target: Target::parse(url)?, key: stage.settings.text("QUEUE_KEY").to_owned(), most }))
    }
}

/// Pushes the jobs that are owed, after the commit, and writes the step: what came of it, its status and its hint. `theorems` are those of
/// this night.
///
/// # Errors
/// Class Interrupted or Terminated; what is wrong with Redis is a warning.
pub fn enqueue(
    ledger: &mut Ledger,
    run_name: &str,
    theorems: u64,
    queue: Option<&Queue>,
    stage: &Stage,
) -> Result<(Pushed, Status, Option<String>)> {
    let began = Instant::now();
    let mut pushed = Pushed::default();
    let mut step = Step { id: "queue".into(), ..Step::default() };
    let (mut status, mut hint) = (Status::Ok, None);
    match queue {
        None => {
            status = Status::Skipped;
            step.reason = Some("REDIS_URL is not set".into());
            step.summary = "no jobs are enqueued, as REDIS_URL is not set".into();
        }
        Some(queue) if stage.dry_run => {
            pushed.waiting = theorems;
            step.summary = format!("up to {} jobs would be enqueued", theorems.min(queue.most));
        }
        Some(queue) => {
            let result = push(ledger, run_name, queue, &stage.cancel, &mut pushed);
            step.summary = match pushed.waiting {
                0 => format!("{} jobs enqueued", pushed.enqueued),
                waiting => {
                    format!("{} jobs enqueued; {waiting} wait for the next run, as the queue may have {}", pushed.enqueued, queue.most)
                }
            };
            if let Err(failure) = result {
                stage.cancel.check()?;
                status = Status::Warn;
                step.summary = format!("the theorems are recorded, but {} jobs are not enqueued: {}", pushed.waiting, failure.message);
                step.error_class = Some(failure.class.name().into());
                hint = Some(format!("{}; the next run enqueues what is missing", failure.hint.unwrap_or_else(|| "look at Redis".into())));
            }
        }
    }
    step.hint = hint.clone();
    step.rows = Some(pushed.enqueued);
    step.duration_ms = Some(millis(began));
    step.metrics = Map::from([("enqueued".into(), pushed.enqueued.into()), ("waiting".into(), pushed.waiting.into())]);
    stage.step(status, step);
    Ok((pushed, status, hint))
}

/// Pushes the jobs of all completed runs that are owed, until the queue is as long as it may be. `pushed` is kept up to date, also when this fails.
///
/// # Errors
/// Class Network for Redis, Database for the ledger.
fn push(ledger: &mut Ledger, run_name: &str, queue: &Queue, cancel: &Cancel, pushed: &mut Pushed) -> Result<()> {
    let Ledger { client, shape, theory } = ledger;
    let (key, most) = (queue.key.as_str(), queue.most);
    let owing = owing(client, shape, theory, run_name)?;
    pushed.waiting = owing.iter().map(|run| run.jobs.saturating_sub(run.pushed)).sum();
    if owing.is_empty() {
        return Ok(());
    }
    let mut session = queue.target.connect()?;
    for mut run in owing {
        loop {
            cancel.check()?;
            let room = usize::try_from(most.saturating_sub(session.llen(key)?)).unwrap_or(usize::MAX);
            let jobs = if run.pushed < run.jobs { jobs(client, shape, theory, &run, room.min(BATCH))? } else { Vec::new() };
            let values: Vec<&[u8]> = jobs.iter().map(String::as_bytes).collect();
            if run.pushed < run.jobs {
                // Somebody else may have filled the queue meanwhile.
                if values.is_empty() || session.rpush(key, &values, most)?.is_none() {
                    return Ok(());
                }
                run.pushed += values.len() as u64;
                pushed.enqueued += values.len() as u64;
                pushed.waiting = pushed.waiting.saturating_sub(values.len() as u64);
            }
            note(client, shape, &run)?;
            if run.pushed >= run.jobs {
                break;
            }
        }
    }
    Ok(())
}

/// A run with jobs that are not on the queue yet.
struct Owing {
    id: i64,
    jobs: u64,
    pushed: u64,
}

fn failed(error: &postgres::Error) -> Failure {
    pg::failure(error, "looking up the jobs to enqueue")
}

/// The statements of a run's block that are no axioms, which nobody need verify.
fn sealed(shape: &Shape) -> String {
    format!(
        "{} s WHERE NOT s.is_axiom AND s.hash IN (SELECT pg_catalog.jsonb_array_elements_text(b.statements) FROM {} b WHERE b.run_id = r.id)",
        shape.sql("statements"),
        shape.sql("blocks"),
    )
}

fn owing(client: &mut Client, shape: &Shape, theory: &Theory, run_name: &str) -> Result<Vec<Owing>> {
    let sql = format!(
        "SELECT r.id::bigint, (SELECT count(*) FROM {}), (r.metadata #>> '{{queue,pushed}}')::bigint FROM {} r
        WHERE r.name = $1::text AND r.system_id = {} AND r.status = 'completed' AND r.metadata #>> '{{queue,done}}' = 'false' ORDER BY r.id",
        sealed(shape),
        shape.sql("runs"),
        shape.cast("runs", "system_id", "$2"),
    );
    let rows = client.query(&sql, &[&run_name, &theory.id]).map_err(|error| failed(&error))?;
    let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or_default();
    rows.iter()
        .map(|row| Ok(Owing { id: row.try_get(0)?, jobs: number(row.try_get(1)?), pushed: number(row.try_get(2)?) }))
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| failed(&error))
}

/// The next jobs of a run, the lowest proofs first.
fn jobs(client: &mut Client, shape: &Shape, theory: &Theory, run: &Owing, limit: usize) -> Result<Vec<String>> {
    let sql = format!(
        "SELECT s.content_norm::text FROM {} r, LATERAL (SELECT s.* FROM {}) s WHERE r.id = $1::bigint
        ORDER BY s.derivation_depth, s.hash OFFSET $2::bigint LIMIT $3::bigint",
        shape.sql("runs"),
        sealed(shape),
    );
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let rows = client.query(&sql, &[&run.id, &signed(run.pushed), &signed(limit as u64)]).map_err(|error| failed(&error))?;
    let texts = rows.iter().map(|row| row.try_get::<_, String>(0)).collect::<std::result::Result<Vec<_>, _>>();
    let job = |text: String| json!({ "statement": text, "theory": theory.name }).to_string();
    Ok(texts.map_err(|error| failed(&error))?.into_iter().map(job).collect())
}

fn note(client: &mut Client, shape: &Shape, run: &Owing) -> Result<()> {
    let state = json!({ "queue": { "pushed": run.pushed, "done": run.pushed >= run.jobs } }).to_string();
    let sql =
        format!("UPDATE {} SET metadata = metadata || {} WHERE id = $2::bigint", shape.sql("runs"), shape.cast("runs", "metadata", "$1"),);
    let changed = client.execute(&sql, &[&state, &run.id]).map_err(|error| pg::failure(&error, "noting which jobs are enqueued"))?;
    match changed {
        0 => {
            Err(Failure::new(Class::Database, format!("run {} is gone from the table runs", run.id))
                .hint("look for what deletes rows there"))
        }
        _ => Ok(()),
    }
}
