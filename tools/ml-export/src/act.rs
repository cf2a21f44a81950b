//! The work: connect, choose the tables, open the snapshot, hand over to where the rows go.

use crate::cli::Cli;
use crate::files;
use crate::plan::{Asked, Goal, Plan, To, plan};
use crate::session;
use crate::stream;
use crate::table::joined;
use ml_common::people::counted;
use ml_common::record::Step;
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Failure, OrFail, Result, Status, pg};
use ml_ledger::Shape;
use postgres::Client;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Exports what the command line asks for.
///
/// # Errors
/// Usage, Config, Database, Storage, or what stopped it.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let plan = asked(cli, stage)?;
    let target = stage.target()?;
    let options = pg::Options { read_only: true, idle_in_transaction: Some(Duration::ZERO), ..stage.pg_options()? };
    let mut client = target.connect(&options)?;
    let cancel_query = pg::canceller(&client, &target);
    let _guard = stage.cancel.when_set(cancel_query.clone());
    let shape = Shape::discover(&mut client)?;
    let tables = choose(stage, &plan, &shape)?;
    if stage.dry_run {
        return planned(stage, &plan, &shape, &tables, &mut client);
    }
    let mut locked: Vec<&str> = match plan.goal {
        Goal::Records => stream::TABLES.into_iter().filter(|table| shape.has(table)).collect(),
        _ => tables.iter().flat_map(|table| std::iter::once(*table).chain(joined(&shape, table))).collect(),
    };
    locked.sort_unstable();
    locked.dedup();
    let estimates = estimates(&mut client, &shape, &tables)?;
    let (mut tx, snapshot) = session::begin(&mut client, &shape, &locked).map_err(|failure| stopped(stage, failure))?;
    let source = Source { stage, plan: &plan, shape: &shape, abort: &cancel_query };
    let done = match &plan.goal {
        Goal::Folder(folder) => files::folder(&source, &mut tx, &snapshot, folder, &tables, &estimates),
        Goal::File(path) => files::single(&source, &mut tx, path, &tables, &estimates),
        Goal::Raw => stream::raw(&source, &mut tx, &tables),
        Goal::Records => stream::records(&source, &mut tx),
    };
    done.map_err(|failure| stopped(stage, failure))
}

/// What the writers of rows have in common.
pub struct Source<'a> {
    /// The stage.
    pub stage: &'a Stage,
    /// What was asked for.
    pub plan: &'a Plan,
    /// What the ledger has.
    pub shape: &'a Shape,
    /// Ends the running query, so that nobody waits for rows that are not wanted any more.
    pub abort: &'a dyn Fn(),
}

/// A cancelled query fails like any other; the signal is the reason then.
fn stopped(stage: &Stage, failure: Failure) -> Failure {
    stage.cancel.check().err().unwrap_or(failure)
}

fn asked(cli: &Cli, stage: &Stage) -> Result<Plan> {
    let to = match cli.to.as_deref() {
        None => To::Default(stage.settings.path("EXPORTS_DIR")),
        Some(path) if path == Path::new("-") => To::Stdout,
        Some(path) => {
            let like_a_folder = path.as_os_str().to_string_lossy().ends_with(std::path::is_separator);
            let path: PathBuf = std::path::absolute(path).or_fail(Class::Usage, || "the path of -o")?.components().collect();
            if like_a_folder || path.is_dir() { To::Folder(path) } else { To::File(path) }
        }
    };
    plan(&Asked {
        tables: &cli.tables,
        to: &to,
        format: cli.format,
        compress: cli.compress,
        raw: cli.common.output == Some(Output::Raw),
        compression: stage.settings.switch("EXPORT_COMPRESSION")?,
    })
}

/// Those of the planned tables that there are. One that was named and is not there is a failure.
fn choose<'p>(stage: &Stage, plan: &'p Plan, shape: &Shape) -> Result<Vec<&'p str>> {
    if !plan.named {
        for table in plan.tables.iter().filter(|table| !shape.has(table)) {
            let reason = Some(format!("there is no table {table}"));
            stage.step(Status::Skipped, Step { id: format!("export.{table}"), reason, ..Step::default() });
        }
    }
    let tables: Vec<&str> = plan.tables.iter().map(String::as_str).filter(|table| plan.named || shape.has(table)).collect();
    for table in &tables {
        shape.require(table, &[])?;
    }
    if tables.is_empty() {
        shape.require_ledger()?;
    }
    Ok(tables)
}

/// How many rows the server believes each table to have; None for what was never analysed.
fn estimates(client: &mut Client, shape: &Shape, tables: &[&str]) -> Result<Vec<Option<u64>>> {
    let sql = "SELECT c.reltuples::float8 FROM pg_catalog.unnest($2::text[]) WITH ORDINALITY AS wanted (name, place)
        JOIN pg_catalog.pg_namespace n ON n.nspname = $1::text
        JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name ORDER BY wanted.place";
    let failed = |error| pg::failure(&error, "estimating the rows");
    let rows = client.query(sql, &[&shape.schema, &tables]).map_err(failed)?;
    // Never analysed is -1 from PostgreSQL 14 on, and 0 before.
    let estimate = |rows: f64| (rows > 0.0).then_some(rows as u64);
    rows.iter().map(|row| row.try_get(0).map(estimate).map_err(failed)).collect()
}

fn planned(stage: &Stage, plan: &Plan, shape: &Shape, tables: &[&str], client: &mut Client) -> Result<Done> {
    let estimates = estimates(client, shape, tables)?;
    for (table, estimate) in tables.iter().zip(estimates) {
        let about = estimate.map_or_else(|| "an unknown number of".to_owned(), |rows| format!("about {rows}"));
        let mut step = Step { id: format!("export.{table}"), ..Step::default() };
        let place = match &plan.goal {
            Goal::Folder(folder) => folder.display().to_string(),
            Goal::File(path) => path.display().to_string(),
            Goal::Raw | Goal::Records => "standard output".to_owned(),
        };
        step.summary = format!("{about} rows to {place}");
        step.metrics.extend(estimate.map(|rows| ("estimated_rows".to_owned(), rows.into())));
        stage.step(Status::Ok, step);
    }
    let place = match &plan.goal {
        Goal::Folder(folder) => format!(" to {}", folder.display()),
        _ => String::new(),
    };
    Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("{} would be exported{place}", counted(tables.len(), "table"))) })
}
