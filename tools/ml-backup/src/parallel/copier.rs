//! A session that joins the snapshot and copies one part after another.

use super::flow::{Flow, Packed, Part, Raw, SEGMENT};
use super::objects;
use super::parts::{Ask, Job};
use ml_common::files::hex;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, pg};
use ml_dump::compression::{Compression, Encoder, Sum};
use ml_dump::fingerprint::Fingerprint;
use ml_dump::{failed, literal, session};
use postgres::Client;
use postgres::error::SqlState;
use sha2::{Digest, Sha256};
use std::io::{self, BufRead};

/// What sessions need to join.
#[derive(Clone, Copy)]
pub struct Join<'a> {
    /// The database.
    pub target: &'a pg::Target,
    /// How to connect.
    pub options: &'a pg::Options,
    /// The snapshot.
    pub snapshot: &'a str,
    /// The encoding of the archive.
    pub encoding: &'a str,
    /// Tables to lock before anything is copied, as SQL.
    pub lock: &'a [String],
    /// How large objects are compressed; rows are by others.
    pub compression: Compression,
    /// Ends what the session runs.
    pub cancel: &'a Cancel,
}

/// Names of tables in one LOCK statement.
const BATCH: usize = 500;

/// Copies until there is nothing left. A session that cannot be opened, or that a table is locked against, is done without as long as there
/// is another: the others hold their locks.
pub fn run(join: Join<'_>, flow: &Flow<'_>, jobs: &[Job]) {
    let mut client = match joined(join) {
        Ok(client) => client,
        Err(failure) => return flow.without(failure),
    };
    let _hook = join.cancel.when_set(pg::canceller(&client, join.target));
    match copy(&mut client, join, flow, jobs) {
        Ok(()) => flow.left(),
        Err(failure) => flow.stop(failure),
    }
}

fn joined(join: Join<'_>) -> Result<Client> {
    let mut client = join.target.connect(join.options)?;
    session::prepare(&mut client, join.encoding)?;
    let begin = format!("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}", literal(join.snapshot));
    client.batch_execute(&begin).map_err(failed("joining the snapshot"))?;
    for tables in join.lock.chunks(BATCH) {
        lock(&mut client, tables)?;
    }
    Ok(client)
}

fn copy(client: &mut Client, join: Join<'_>, flow: &Flow<'_>, jobs: &[Job]) -> Result<()> {
    while let Some(part) = flow.part() {
        let job = jobs.get(part.job).ok_or_else(|| Failure::new(Class::Internal, "a part is of no job"))?;
        let done = match &job.ask {
            Ask::Rows { table, .. } => {
                if !join.lock.contains(table) {
                    lock(client, std::slice::from_ref(table))?;
                }
                rows(client, flow, job, part)
            }
            Ask::Objects(oids) => objects::copy(client, flow, part, oids.as_deref(), join.compression),
        };
        match done? {
            Some(pieces) => flow.ended(part.number, pieces),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// What [`lock`] says when somebody waits to change a table: our first session holds it, and he waits for that, and we would for him.
const BUSY: &str = "somebody waits to change a table";

/// Whether a failure is that of a lock which could not be had at once.
pub fn is_busy(failure: &Failure) -> bool {
    failure.message.starts_with(BUSY)
}

fn lock(client: &mut Client, tables: &[String]) -> Result<()> {
    let tables: Vec<String> = tables.iter().map(|table| format!("ONLY {table}")).collect();
    let sql = format!("LOCK TABLE {} IN ACCESS SHARE MODE NOWAIT", tables.join(", "));
    client.batch_execute(&sql).map_err(|error| match error.code() {
        Some(&SqlState::LOCK_NOT_AVAILABLE) => pg::failure(&error, "locking the tables").context(BUSY),
        _ => pg::failure(&error, "locking the tables"),
    })
}

/// Copies the rows of one part; gives the number of pieces, or None when all has stopped.
fn rows(client: &mut Client, flow: &Flow<'_>, job: &Job, part: Part) -> Result<Option<u32>> {
    let Some(sql) = job.statement(part.part) else { return Ok(Some(0)) };
    let doing = || format!("copying {}", if let Ask::Rows { table, .. } = &job.ask { table } else { "rows" });
    let mut reader = client.copy_out(&sql).map_err(failed(doing()))?;
    let Some(mut text) = flow.admit(part.number) else { return Ok(None) };
    let mut pieces = 0;
    loop {
        let row = reader.fill_buf().map_err(|error| of_copy(&error, &doing()))?;
        if row.is_empty() {
            break;
        }
        text.extend_from_slice(row);
        let length = row.len();
        reader.consume(length);
        if text.len() >= SEGMENT && text.ends_with(b"\n") {
            flow.copied(Raw { place: (part.number, pieces), text });
            pieces += 1;
            let Some(next) = flow.admit(part.number) else { return Ok(None) };
            text = next;
        }
    }
    if text.is_empty() {
        flow.nothing(part.number, text);
    } else {
        flow.copied(Raw { place: (part.number, pieces), text });
        pieces += 1;
    }
    Ok(Some(pieces))
}

/// The reader wraps what the server said.
fn of_copy(error: &io::Error, doing: &str) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
        Some(error) => pg::failure(error, doing),
        None => Failure::new(Class::Database, format!("{doing}: {error}")).hint("look into the server's log"),
    }
}

/// Compresses what is copied until there is nothing left.
pub fn compress(flow: &Flow<'_>, compression: Compression) {
    let work = || -> Result<()> {
        let mut encoder = Encoder::new(compression)?;
        while let Some(raw) = flow.raw() {
            let mut packed = Packed { sum: Sum::of(&raw.text), print: Fingerprint::default(), ..Packed::default() };
            packed.print.lines(&raw.text);
            packed.bytes = encoder.piece(&raw.text)?;
            packed.sha256 = hex(&Sha256::digest(&packed.bytes));
            flow.compressed(raw, packed);
        }
        Ok(())
    };
    if let Err(failure) = work() {
        flow.stop(failure);
    }
}
