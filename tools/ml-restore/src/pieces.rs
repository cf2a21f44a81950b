//! Loading inside tables, side by side: the segments that the manifest names are unpacked and copied by sessions of our own, while pg_restore
//! does everything else. What is not understood is left to pg_restore, with the reason.

use crate::load::Load;
use crate::source::{Form, Source};
use ml_common::signal::{Cancel, HookGuard};
use ml_common::{Class, Failure, Result, people, pg};
use ml_dump::copystmt::CopyStatement;
use ml_dump::manifest::{Manifest, Segment};
use ml_dump::segment::Segments;
use ml_dump::{Archive, failed, session};
use postgres::Client;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rows that one COPY brings, as text: enough that beginning it does not count, and little enough that all sessions have work to the end.
const UNIT: u64 = 8 << 20;

/// So much is given to a session at a time.
const SENT: usize = 1 << 16;

/// What is copied by sessions of our own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pieces {
    /// The entries that pg_restore has to leave out.
    pub ids: BTreeSet<i32>,
    /// Each a COPY, the largest tables first.
    units: Vec<Unit>,
    compression: String,
    encoding: String,
}

/// Segments of one table that one COPY brings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unit {
    table: String,
    sql: String,
    segments: Vec<Segment>,
    bytes: u64,
}

impl Pieces {
    /// What can be loaded so, or why nothing can.
    ///
    /// # Errors
    /// The reason.
    pub fn of(load: &Load<'_>, source: &Source) -> Result<Pieces, String> {
        let Some(manifest) = &source.manifest else { return Err("there is no manifest".into()) };
        let reason = if source.form() != Form::Custom || source.direct().is_none() {
            "the dump cannot be sought in"
        } else if !load.programs.on_this_machine() {
            "pg_restore runs in a container"
        } else if load.single || !load.part.is_all() {
            "only a part is restored, or into a database that is there"
        } else if load.jobs < 2 {
            "--jobs is 1"
        } else {
            return Pieces::planned(manifest, &source.archive, load.jobs as u64);
        };
        Err(reason.to_owned())
    }

    fn planned(manifest: &Manifest, archive: &Archive, jobs: u64) -> Result<Pieces, String> {
        let encoding = archive.encoding().unwrap_or_default();
        if encoding != "UTF8" {
            return Err(format!("the dump is in {encoding}"));
        }
        let mut pieces = Pieces { compression: archive.compression.to_owned(), encoding, ..Pieces::default() };
        let mut tables: BTreeMap<String, (u64, Vec<Unit>)> = BTreeMap::new();
        for entry in archive.entries.iter().filter(|entry| entry.desc == "TABLE DATA") {
            let Some(copy) = CopyStatement::parse(&entry.copy) else { continue };
            let table = copy.shown();
            let Some(data) = manifest.data.get(&table).filter(|data| data.columns == copy.columns) else { continue };
            let rows: u64 = data.segments.iter().map(|segment| segment.rows).sum();
            if rows != data.rows {
                continue;
            }
            pieces.ids.insert(entry.id);
            // Partitions that are dumped by way of their root are entries of one table, whose segments are all of theirs.
            tables.entry(table).or_insert_with_key(|table| (data.copy_bytes, units(table, &entry.copy, &data.segments)));
        }
        if tables.values().all(|(_, units)| units.is_empty()) {
            return Err("its manifest names no pieces of it".into());
        }
        // pg_restore loads table beside table, and builds the indexes of one while it loads the next; as long as no table outlasts the others
        // it is done sooner than who loads all rows first (docs/benchmarks.md).
        let (all, largest) = tables.values().fold((0, 0), |(all, largest), (bytes, _)| (all + bytes, *bytes.max(&largest)));
        if largest.saturating_mul(jobs) <= all {
            return Err(format!("no table is so large that {jobs} sessions have to share it"));
        }
        let mut tables: Vec<(u64, Vec<Unit>)> = tables.into_values().collect();
        tables.sort_by_key(|(bytes, _)| std::cmp::Reverse(*bytes));
        pieces.units = tables.into_iter().flat_map(|(_, units)| units).collect();
        Ok(pieces)
    }

    /// Copies all of it; the tables are there and have neither indexes nor triggers yet.
    ///
    /// # Errors
    /// Class Storage when the dump is at fault, else Database; Interrupted and Terminated.
    pub fn load(&self, load: &Load<'_>, source: &Source, cancel: &Cancel) -> Result<()> {
        let bar = people::amount("loading rows", self.units.iter().map(|unit| unit.bytes).sum());
        let queue: Mutex<VecDeque<&Unit>> = Mutex::new(self.units.iter().collect());
        let stop = AtomicBool::new(false);
        let connect = || -> Result<(Client, Segments, HookGuard)> {
            let mut client = load.server.connect(load.database)?;
            session::prepare(&mut client, &self.encoding)?;
            // As pg_restore has it: a text that is no document is taken too.
            client.batch_execute("SET xmloption = content").map_err(failed("preparing the session"))?;
            let hook = cancel.when_set(load.server.canceller(&client));
            Ok((client, Segments::open(&source.path, &self.compression)?, hook))
        };
        let sessions = (0..load.jobs.min(self.units.len())).map(|_| connect()).collect::<Result<Vec<_>>>()?;
        let work = |client: &mut Client, segments: &mut Segments| -> Result<()> {
            while !stop.load(Ordering::Relaxed) {
                cancel.check()?;
                let Some(unit) = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else { return Ok(()) };
                let copied = copy(client, segments, unit, &|bytes| bar.inc(bytes));
                if copied.is_err() {
                    stop.store(true, Ordering::Relaxed);
                }
                copied?;
            }
            Ok(())
        };
        let loaded = std::thread::scope(|scope| {
            let (work, mut hooks) = (&work, Vec::new());
            let workers: Vec<_> = sessions
                .into_iter()
                .map(|(mut client, mut segments, hook)| {
                    hooks.push(hook);
                    scope.spawn(move || work(&mut client, &mut segments))
                })
                .collect();
            // The first that failed knows why.
            let ended: Vec<Result<()>> = workers
                .into_iter()
                .map(|worker| worker.join().unwrap_or_else(|_| Err(Failure::new(Class::Internal, "loading the rows failed"))))
                .collect();
            ended.into_iter().collect::<Result<()>>()
        });
        bar.finish_and_clear();
        cancel.check()?;
        loaded
    }
}

fn units(table: &str, copy: &str, segments: &[Segment]) -> Vec<Unit> {
    let sql = copy.trim_end().trim_end_matches(';').to_owned();
    let mut units: Vec<Unit> = Vec::new();
    for segment in segments {
        match units.last_mut().filter(|unit| unit.bytes + segment.copy_bytes <= UNIT) {
            Some(unit) => {
                unit.bytes += segment.copy_bytes;
                unit.segments.push(segment.clone());
            }
            None => {
                units.push(Unit { table: table.to_owned(), sql: sql.clone(), segments: vec![segment.clone()], bytes: segment.copy_bytes })
            }
        }
    }
    units
}

fn copy(client: &mut Client, segments: &mut Segments, unit: &Unit, told: &dyn Fn(u64)) -> Result<()> {
    let mut copying = client.copy_in(unit.sql.as_str()).map_err(|error| refused(&error, unit))?;
    let io = |error: std::io::Error| match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
        Some(error) => refused(error, unit),
        None => Failure::new(Class::Database, format!("loading the rows of {}: {error}", unit.table)),
    };
    for segment in &unit.segments {
        segments
            .read(segment, |rows| rows.chunks(SENT).try_for_each(|rows| copying.write_all(rows)).map_err(io))
            .map_err(|failure| failure.context(format_args!("the rows of {}", unit.table)))?;
        told(segment.copy_bytes);
    }
    let count = copying.finish().map_err(|error| refused(&error, unit))?;
    let wanted: u64 = unit.segments.iter().map(|segment| segment.rows).sum();
    if count == wanted {
        return Ok(());
    }
    Err(Failure::new(Class::Storage, format!("{count} rows of {} were loaded, and the manifest says {wanted}", unit.table))
        .hint("the manifest is not of this dump; use another backup"))
}

/// The server refuses rows (classes 22 and 23 of its codes): the dump holds what a database does not take.
fn refused(error: &postgres::Error, unit: &Unit) -> Failure {
    let failure = pg::failure(error, format_args!("loading the rows of {}", unit.table));
    match error.code() {
        Some(code) if code.code().starts_with("22") || code.code().starts_with("23") => {
            Failure { class: Class::Storage, ..failure }.hint("the dump holds rows that a database does not take; use another backup")
        }
        _ => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_dump::archive::Entry;
    use ml_dump::manifest::TableData;

    fn segment(rows: u64, copy_bytes: u64) -> Segment {
        Segment { rows, copy_bytes, ..Segment::default() }
    }

    fn archive() -> Archive {
        let entry = |id, copy: &str| Entry { id, desc: "TABLE DATA".into(), copy: copy.into(), ..Entry::default() };
        let encoding = Entry { desc: "ENCODING".into(), defn: "SET client_encoding = 'UTF8';\n".into(), ..Entry::default() };
        let big = entry(2, "COPY public.big (a, \"B\") FROM stdin;\n");
        Archive { compression: "gzip", entries: vec![encoding, entry(1, "COPY public.t (a) FROM stdin;\n"), big], ..Archive::default() }
    }

    fn manifest() -> Manifest {
        let table = |columns: &[&str], segments: Vec<Segment>| TableData {
            columns: columns.iter().map(|column| (*column).to_owned()).collect(),
            rows: segments.iter().map(|segment| segment.rows).sum(),
            copy_bytes: segments.iter().map(|segment| segment.copy_bytes).sum(),
            segments,
            ..TableData::default()
        };
        let big = table(&["a", "B"], vec![segment(5, 5 << 20), segment(5, 3 << 20), segment(1, 1), segment(9, 90 << 20)]);
        let data = [("public.t".to_owned(), table(&["a"], vec![segment(1, 7)])), ("public.big".to_owned(), big)].into();
        Manifest { data, ..Manifest::default() }
    }

    #[test]
    fn rows_are_divided_and_the_largest_table_is_first() {
        let pieces = Pieces::planned(&manifest(), &archive(), 2).unwrap();
        assert_eq!(pieces.ids, [1, 2].into());
        let told: Vec<_> = pieces.units.iter().map(|unit| (unit.table.as_str(), unit.segments.len(), unit.bytes)).collect();
        assert_eq!(told, [("public.big", 2, 8 << 20), ("public.big", 1, 1), ("public.big", 1, 90 << 20), ("public.t", 1, 7)]);
        assert_eq!(pieces.units[0].sql, "COPY public.big (a, \"B\") FROM stdin");
    }

    #[test]
    fn what_is_not_understood_is_left_to_pg_restore() {
        let mut manifest = manifest();
        manifest.data.get_mut("public.t").unwrap().columns = vec!["other".into()];
        manifest.data.get_mut("public.big").unwrap().rows += 1;
        assert!(Pieces::planned(&manifest, &archive(), 2).unwrap_err().contains("no pieces"));
        let mut latin = archive();
        latin.entries[0].defn = "SET client_encoding = 'LATIN1';\n".into();
        assert!(Pieces::planned(&self::manifest(), &latin, 2).unwrap_err().contains("LATIN1"));
        assert!(Pieces::planned(&Manifest::default(), &archive(), 2).is_err());
        let mut even = self::manifest();
        let equal = even.data["public.t"].copy_bytes;
        even.data.get_mut("public.big").unwrap().copy_bytes = equal;
        assert!(Pieces::planned(&even, &archive(), 2).unwrap_err().contains("no table is so large"));
        assert!(Pieces::planned(&even, &archive(), 3).is_ok());
    }
}
