//! Our own sessions copy the rows, many at a time, into the archive whose table of contents pg_dump writes.
//!
//! pg_dump is started for an uncompressed archive into a pipe. It writes the complete contents first (schema, sequences' values, rights,
//! all in the order that it has worked out) and then stops, since nobody reads the rows, while it holds its locks. Sessions of ours join its
//! snapshot and copy the rows, big tables in ranges of pages; threads compress; one writes the data of the entries in the order of the
//! contents, as one stream a table. Stock pg_restore reads the result and makes of it what it would of pg_dump's own.
//!
//! What is not understood is left to stock pg_dump, with the reason: [`Outcome::Unfit`].

mod copier;
mod flow;
mod objects;
mod parts;
mod sink;
mod toc;
mod writer;

pub use sink::{Plain, Sink};

use crate::dump::{self, Dump};
use crate::snapshot::Snapshot;
use copier::Join;
use flow::Flow;
use ml_common::child::{self, Rest};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, people, pg};
use ml_dump::rows::AllRows;
use ml_dump::tables::Table;
use ml_dump::{Archive, Compression, Tally, tables};
use parts::{Job, Planned};
use std::collections::HashSet;
use std::io::{self, BufReader, Read};
use std::path::Path;
use writer::Writing;

/// What a dump is made with, besides that of [`Dump`].
pub struct Wanted<'a> {
    /// How pg_dump is run.
    pub dump: Dump<'a>,
    /// How our sessions connect.
    pub options: &'a pg::Options,
    /// Major version of the server.
    pub major: u32,
    /// How the data is compressed.
    pub compression: Compression,
    /// Sessions, and threads that compress.
    pub jobs: usize,
    /// The file's name, for failures.
    pub path: &'a Path,
    /// Stops it.
    pub cancel: &'a Cancel,
}

/// How it went.
pub enum Outcome {
    /// Written.
    Written(Written),
    /// Not for this engine, and why; something may have been written that is worth nothing.
    Unfit(String),
    /// Somebody waits to change a table; it is worth another attempt.
    Busy(Failure),
}

/// What was written.
pub struct Written {
    /// The rows.
    pub rows: AllRows,
    /// What the file must hold: also tables that pg_dump left out.
    pub expected: Tally,
    /// The encoding of the rows.
    pub encoding: String,
}

/// What became of pg_dump's output.
enum Begun {
    /// It ended early, or is of an unknown form.
    Unread(Failure),
    /// It asks for what is not understood.
    Unfit(String),
    /// Its contents are written with our rows.
    Written { rows: AllRows, missing: Vec<Table>, encoding: String, rest: Rest },
}

/// A database whose tables are smaller is read by pg_dump to its end all the same: that costs nothing, and the server's log stays clean.
const SMALL: u64 = 32 << 20;

/// Tables that every session locks before it begins, the largest; each further one only when it is copied, since locks are limited too.
const LOCKED_AHEAD: usize = 500;

/// Dumps into `out`.
///
/// # Errors
/// Class Storage when it cannot be written, else Database; Interrupted and Terminated.
pub fn run(wanted: &Wanted<'_>, snapshot: &mut Snapshot, out: &mut dyn Sink) -> Result<Outcome> {
    if !wanted.dump.programs.on_this_machine() {
        return Ok(Outcome::Unfit("pg_dump runs in a container, where it could not be ended".into()));
    }
    let command = wanted.dump.command(Compression::None);
    let begun = child::run_part(command, wanted.cancel, |from| {
        let mut from = BufReader::with_capacity(1 << 16, from);
        let begun = begun(wanted, snapshot, &mut from, out)?;
        let rest = match &begun {
            Begun::Unread(_) => Rest::Awaited,
            Begun::Unfit(_) => Rest::Unwanted,
            Begun::Written { rest, .. } => *rest,
        };
        if rest == Rest::Awaited {
            // Its failure, if any, is that of the program, which is asked next.
            let _ = io::copy(&mut from, &mut io::sink());
        }
        Ok((begun, rest))
    });
    let (ended, begun) = match begun {
        Err(failure) if copier::is_busy(&failure) => return Ok(Outcome::Busy(failure)),
        other => other?,
    };
    match begun {
        Begun::Unfit(why) => Ok(Outcome::Unfit(why)),
        Begun::Unread(_) | Begun::Written { rest: Rest::Awaited, .. } if !ended.status.success() => Err(dump::explain(&ended.said())),
        Begun::Unread(failure) => Ok(Outcome::Unfit(failure.message)),
        Begun::Written { rows, missing, encoding, .. } => {
            let counted = tables::count(snapshot.client(), &missing)?;
            let mut expected = rows.tally(counted.large_objects);
            expected.tables.extend(counted.tables);
            Ok(Outcome::Written(Written { rows, expected, encoding }))
        }
    }
}

/// Reads the contents and writes the archive.
fn begun(wanted: &Wanted<'_>, snapshot: &mut Snapshot, from: &mut dyn Read, out: &mut dyn Sink) -> Result<Begun> {
    let (archive, head) = match Archive::read_raw(from) {
        Ok(read) => read,
        Err(failure) => return Ok(Begun::Unread(failure)),
    };
    let planned = match toc::items(&archive) {
        Ok(items) => parts::jobs(snapshot, items, wanted.major)?,
        Err(why) => Err(why),
    };
    let (planned, encoding) = match (planned, archive.encoding()) {
        (Ok(planned), Some(encoding)) => (planned, encoding),
        (Err(why), _) => return Ok(Begun::Unfit(why)),
        (_, None) => return Ok(Begun::Unfit("its contents name no encoding".into())),
    };
    let dumped: HashSet<&String> = planned.jobs.iter().filter_map(Job::table).collect();
    let missing = snapshot.tables.iter().filter(|table| !dumped.contains(&table.sql())).cloned().collect();
    let rest = if planned.bytes <= SMALL { Rest::Awaited } else { Rest::Unwanted };
    let rows = copied(wanted, snapshot, Contents { archive: &archive, head, planned: &planned, encoding: &encoding }, out)?;
    Ok(Begun::Written { rows, missing, encoding, rest })
}

struct Contents<'a> {
    archive: &'a Archive,
    head: Vec<u8>,
    planned: &'a Planned,
    encoding: &'a str,
}

/// Copies, compresses and writes.
fn copied(wanted: &Wanted<'_>, snapshot: &Snapshot, contents: Contents<'_>, out: &mut dyn Sink) -> Result<AllRows> {
    let jobs = &contents.planned.jobs;
    let parts: u64 = jobs.iter().map(|job| job.parts).sum();
    let sessions = wanted.jobs.min(usize::try_from(parts).unwrap_or(usize::MAX)).max(1);
    let flow = Flow::new(jobs, sessions, wanted.cancel);
    let lock = lock_ahead(jobs);
    let join = Join {
        target: wanted.dump.reach.target,
        options: wanted.options,
        snapshot: &snapshot.id,
        encoding: contents.encoding,
        lock: &lock,
        compression: wanted.compression,
        cancel: wanted.cancel,
    };
    let progress = people::amount("dumping", contents.planned.bytes);
    let writing = Writing {
        head: contents.head,
        archive: contents.archive,
        compression: wanted.compression,
        jobs,
        flow: &flow,
        out,
        path: wanted.path,
        progress: &|bytes| progress.inc(bytes),
    };
    let rows = std::thread::scope(|scope| {
        for _ in 0..sessions {
            scope.spawn(|| copier::run(join, &flow, jobs));
        }
        for _ in 0..compressors(sessions, wanted.compression) {
            scope.spawn(|| copier::compress(&flow, wanted.compression));
        }
        writing.run()
    });
    wanted.cancel.check()?;
    flow.outcome()?;
    rows.ok_or_else(|| Failure::new(Class::Internal, "writing the dump has stopped without a reason"))
}

/// Threads that compress: each holds some megabytes, zstd the most, and beyond so many the sessions and the disk are what takes time.
fn compressors(sessions: usize, compression: Compression) -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let most = match compression {
        Compression::None => 2,
        Compression::Gzip(_) => 16,
        Compression::Zstd(_) => 8,
    };
    sessions.min(cores).min(most)
}

/// Those whose copying takes longest: of one part all are alike.
fn lock_ahead(jobs: &[Job]) -> Vec<String> {
    let mut tables: Vec<(u64, &String)> = jobs.iter().filter_map(|job| Some((job.parts, job.table()?))).collect();
    tables.sort_by_key(|(parts, _)| std::cmp::Reverse(*parts));
    tables.into_iter().take(LOCKED_AHEAD).map(|(_, table)| table.clone()).collect()
}
