//! Tables into files: all written aside first, then all named, the summary last.

use crate::act::Source;
use crate::encode;
use crate::plan::file_name;
use crate::session::Snapshot;
use crate::sink::{Sink, Written, publish};
use crate::table::{self, Table};
use ml_common::files::name_stamp;
use ml_common::people::counted;
use ml_common::people::{human_bytes, progress};
use ml_common::record::{Step, ascii};
use ml_common::stage::Done;
use ml_common::{Class, OrFail, Result, Status};
use postgres::Transaction;
use serde::Serialize;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a name that is taken is waited out: names change every second.
const WAIT_FOR_A_NAME: Duration = Duration::from_secs(3);

/// The set as `summary-STAMP.json` tells it.
#[derive(Serialize)]
struct Summary<'a> {
    tool: &'a str,
    version: &'a str,
    run: &'a str,
    system: &'a str,
    host: &'a str,
    database: String,
    server_version: &'a str,
    schema: &'a str,
    generation: &'a str,
    snapshot: &'a str,
    snapshot_taken_at: &'a str,
    format: &'a str,
    compression: Option<&'a str>,
    folder: String,
    tables: Vec<Entry<'a>>,
}

/// A table in the summary.
#[derive(Serialize)]
struct Entry<'a> {
    table: &'a str,
    file: String,
    path: &'a str,
    rows: u64,
    bytes: u64,
    sha256: &'a str,
    columns: Vec<ColumnEntry<'a>>,
}

#[derive(Serialize)]
struct ColumnEntry<'a> {
    name: &'a str,
    #[serde(rename = "type")]
    type_name: &'a str,
}

/// A table that is written and waits for its name.
struct Exported {
    table: Table,
    rows: u64,
    sha256: String,
    bytes: u64,
    duration_ms: u64,
    path: String,
}

/// Exports the tables and a summary into a folder.
///
/// # Errors
/// Class Database, Storage or Interrupted; no file of the set is there then.
pub fn folder(
    source: &Source<'_>,
    tx: &mut Transaction<'_>,
    snapshot: &Snapshot,
    folder: &Path,
    tables: &[&str],
    estimates: &[Option<u64>],
) -> Result<Done> {
    let stamp = free_stamp(source, folder)?;
    let (mut exported, mut files) = (Vec::new(), Vec::new());
    for (table, estimate) in tables.iter().zip(estimates) {
        let path = folder.join(file_name(table, &stamp, source.plan.format, source.plan.compress));
        let (done, file) = export(source, tx, table, &path, *estimate)?;
        exported.push(done);
        files.push(file);
    }
    let path = folder.join(format!("summary-{stamp}.json"));
    let summary = summary(source, snapshot, folder, &exported)?;
    let mut sink = Sink::create(&path, false)?;
    sink.write(summary.as_bytes())?;
    let file = sink.finish()?;
    let step = Step {
        id: "export.summary".into(),
        bytes: Some(file.bytes),
        path: Some(path.display().to_string()),
        sha256: Some(file.sha256.clone()),
        summary: format!("{} in {}", counted(exported.len(), "table"), path.display()),
        ..Step::default()
    };
    files.push(file);
    publish(files)?;
    exported.iter().for_each(|done| tell(source, done));
    source.stage.step(Status::Ok, step);
    Ok(done(&exported, &folder.display().to_string()))
}

/// The second that names a set. One of an earlier export in the same second is waited out, as nothing is ever replaced.
fn free_stamp(source: &Source<'_>, folder: &Path) -> Result<String> {
    let until = Instant::now() + WAIT_FOR_A_NAME;
    loop {
        let stamp = name_stamp(jiff::Timestamp::now());
        // The summary is of every set, and is published with its tables; a name that is taken meanwhile is still refused.
        if !folder.join(format!("summary-{stamp}.json")).exists() || Instant::now() > until {
            return Ok(stamp);
        }
        source.stage.cancel.sleep(Duration::from_millis(200))?;
    }
}

/// Exports one table into one file.
///
/// # Errors
/// As [`folder`].
pub fn single(source: &Source<'_>, tx: &mut Transaction<'_>, path: &Path, tables: &[&str], estimates: &[Option<u64>]) -> Result<Done> {
    if path.exists() {
        // Publishing would refuse it, too, after all the work.
        let taken = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(ml_common::files::storage(&taken, path, "cannot export to"));
    }
    let mut exported = Vec::new();
    for (table, estimate) in tables.iter().zip(estimates) {
        let (done, file) = export(source, tx, table, path, *estimate)?;
        publish(vec![file])?;
        tell(source, &done);
        exported.push(done);
    }
    Ok(done(&exported, &path.display().to_string()))
}

fn export(source: &Source<'_>, tx: &mut Transaction<'_>, name: &str, path: &Path, estimate: Option<u64>) -> Result<(Exported, Written)> {
    let began = Instant::now();
    let table = table::describe(tx, source.shape, name)?;
    let mut sink = Sink::create(path, source.plan.compress)?;
    sink.write(&encode::header(&table, source.plan.format))?;
    let bar = progress("exporting", estimate).with_message(format!("exporting {name}"));
    let rows = encode::rows(source, tx, &table, |rows| bar.set_position(rows), |line| sink.write(line))?;
    bar.finish_and_clear();
    let written = sink.finish()?;
    let duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (sha256, bytes, path) = (written.sha256.clone(), written.bytes, path.display().to_string());
    Ok((Exported { table, rows, sha256, bytes, duration_ms, path }, written))
}

fn tell(source: &Source<'_>, done: &Exported) {
    source.stage.step(
        Status::Ok,
        Step {
            id: format!("export.{}", done.table.name),
            rows: Some(done.rows),
            bytes: Some(done.bytes),
            path: Some(done.path.clone()),
            sha256: Some(done.sha256.clone()),
            duration_ms: Some(done.duration_ms),
            summary: format!("{}, {}, {}", counted(done.rows, "row"), human_bytes(done.bytes), done.path),
            ..Step::default()
        },
    );
}

fn done(exported: &[Exported], place: &str) -> Done {
    let rows: u64 = exported.iter().map(|done| done.rows).sum();
    let bytes: u64 = exported.iter().map(|done| done.bytes).sum();
    let what = match exported {
        [one] => format!("{} with {}", one.table.name, counted(rows, "row")),
        many => format!("{} tables with {}", many.len(), counted(rows, "row")),
    };
    Done::ok(format!("{what} exported to {place}")).metric("rows", rows).metric("bytes", bytes).metric("tables", exported.len())
}

fn summary(source: &Source<'_>, snapshot: &Snapshot, folder: &Path, exported: &[Exported]) -> Result<String> {
    let (stage, plan) = (source.stage, source.plan);
    let summary = Summary {
        tool: stage.tool,
        version: env!("CARGO_PKG_VERSION"),
        run: &stage.run,
        system: &stage.system,
        host: stage.host(),
        database: stage.target()?.describe(),
        server_version: &snapshot.server_version,
        schema: &source.shape.schema,
        generation: source.shape.generation.name(),
        snapshot: &snapshot.id,
        snapshot_taken_at: &snapshot.taken_at,
        format: plan.format.name(),
        compression: plan.compress.then_some("zstd"),
        folder: folder.display().to_string(),
        tables: exported.iter().map(entry).collect(),
    };
    let json = serde_json::to_string_pretty(&summary).or_fail(Class::Internal, || "writing the summary")?;
    Ok(ascii(&json) + "\n")
}

fn entry(done: &Exported) -> Entry<'_> {
    Entry {
        table: &done.table.name,
        file: Path::new(&done.path).file_name().unwrap_or_default().to_string_lossy().into_owned(),
        path: &done.path,
        rows: done.rows,
        bytes: done.bytes,
        sha256: &done.sha256,
        columns: done.table.columns.iter().map(|column| ColumnEntry { name: &column.name, type_name: &column.type_name }).collect(),
    }
}
