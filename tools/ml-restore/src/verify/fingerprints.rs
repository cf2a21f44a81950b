//! The fingerprints of the restored tables, by several sessions side by side; big tables are split by the place of their rows.

use super::rows::Place;
use crate::load::HIDDEN_ROWS;
use ml_common::signal::HookGuard;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, people};
use ml_dump::fingerprint::{Fingerprint, Pieces};
use ml_dump::manifest::Manifest;
use ml_dump::tables::{Table, shown};
use ml_dump::{failed, session};
use postgres::Client;
use postgres::error::SqlState;
use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Mutex, PoisonError};

/// A part of a table is not smaller: a session has to start it.
const SMALLEST_PART: u64 = 16 << 20;

/// Ranges of ctid are read alone from this version on; before, each would read the whole table.
const RANGES_SINCE: u32 = 14;

/// What a table was found to hold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    pub(super) print: Fingerprint,
    /// Size of its rows as text.
    pub(super) bytes: u64,
    /// Its rows are in partitions, which are counted by themselves.
    pub(super) partitioned: bool,
}

/// A part of a table: its name and the query.
struct Part {
    table: String,
    sql: String,
    bytes: u64,
}

const SIZES: &str = "SELECT n.nspname, c.relname, c.relkind = 'p', pg_catalog.pg_relation_size(c.oid),
        coalesce(pg_catalog.pg_relation_size(nullif(c.reltoastrelid, 0)), 0), current_setting('block_size')::int8
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";

/// Reads the tables that the manifest has fingerprints of, as far as they are there in those columns.
pub(super) fn of(
    stage: &Stage,
    place: &Place<'_>,
    client: &mut Client,
    manifest: &Manifest,
    list: &[Table],
    jobs: usize,
) -> Result<BTreeMap<String, Found>> {
    let conditions: BTreeMap<String, &str> = list.iter().filter_map(|table| Some((table.shown(), table.condition.as_deref()?))).collect();
    let mut found = BTreeMap::new();
    let mut parts = Vec::new();
    for row in client.query(SIZES, &[]).map_err(failed("asking for the sizes of the tables"))? {
        let read = || -> Result<(String, String, bool, [i64; 3]), postgres::Error> {
            Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?]))
        };
        let (schema, name, partitioned, [heap, toast, block]) = read().map_err(failed("asking for the sizes of the tables"))?;
        let table = shown(&schema, &name);
        let Some(data) = manifest.data.get(&table).filter(|data| !data.fingerprint.is_empty()) else { continue };
        let columns: Vec<String> = data.columns.iter().map(|column| identifier(column)).collect();
        let only = if partitioned { "" } else { "ONLY " };
        let condition = conditions.get(&table).copied().unwrap_or_default();
        let from = format!("SELECT {} FROM {only}{}.{}", columns.join(", "), identifier(&schema), identifier(&name));
        let (heap, all) = (heap.unsigned_abs(), heap.unsigned_abs() + toast.unsigned_abs());
        let splittable = !partitioned && condition.is_empty() && place.server.major >= RANGES_SINCE;
        let pieces = if splittable { pieces(all, jobs) } else { 1 };
        let blocks = heap / block.unsigned_abs().max(1);
        found.insert(table.clone(), Found { partitioned, ..Found::default() });
        parts.extend((0..pieces).map(|piece| {
            let range = range(blocks, piece, pieces);
            Part { table: table.clone(), sql: format!("COPY ({from} {condition}{range}) TO STDOUT"), bytes: all / pieces }
        }));
    }
    // The largest first: a long one that begins last is waited for.
    parts.sort_by_key(|part| part.bytes);
    let bar = people::amount("comparing", parts.iter().map(|part| part.bytes).sum());
    let (parts, found) = (Mutex::new(parts), Mutex::new(found));
    let encoding = if manifest.encoding.is_empty() { "UTF8" } else { &manifest.encoding };
    let connect = || -> Result<(Client, HookGuard)> {
        let mut client = place.server.connect(place.database)?;
        session::prepare(&mut client, encoding)?;
        let hook = stage.cancel.when_set(place.server.canceller(&client));
        Ok((client, hook))
    };
    let sessions = (0..jobs.max(1)).map(|_| connect()).collect::<Result<Vec<_>>>()?;
    let work = |mut client: Client| -> Result<()> {
        loop {
            stage.cancel.check()?;
            let Some(part) = parts.lock().unwrap_or_else(PoisonError::into_inner).pop() else { return Ok(()) };
            let outcome = read(&mut client, &part);
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            match outcome? {
                Some((print, bytes)) => {
                    if let Some(found) = found.get_mut(&part.table) {
                        found.print.add(print);
                        found.bytes += bytes;
                    }
                }
                None => {
                    found.remove(&part.table);
                }
            }
            bar.inc(part.bytes);
        }
    };
    std::thread::scope(|scope| {
        let (work, mut hooks) = (&work, Vec::new());
        let workers: Vec<_> = sessions
            .into_iter()
            .map(|(client, hook)| {
                hooks.push(hook);
                scope.spawn(move || work(client))
            })
            .collect();
        let mut ended = workers.into_iter().map(|worker| worker.join());
        ended.try_for_each(|ended| ended.unwrap_or_else(|_| Err(Failure::new(Class::Internal, "comparing the rows failed"))))
    })?;
    bar.finish_and_clear();
    Ok(found.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The fingerprint of a part; `None` when its table has not the columns that were backed up.
fn read(client: &mut Client, part: &Part) -> Result<Option<(Fingerprint, u64)>> {
    let doing = || format!("reading the rows of {}", part.table);
    let mut rows = match client.copy_out(part.sql.as_str()) {
        Ok(rows) => rows,
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_COLUMN) => return Ok(None),
        Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            // The role owns what it has restored: only row-level security that is forced on the owner keeps rows from it.
            return Err(Failure { hint: Some(HIDDEN_ROWS.into()), ..failed(doing())(error) });
        }
        Err(error) => return Err(failed(doing())(error)),
    };
    let (mut pieces, mut bytes) = (Pieces::default(), 0);
    loop {
        let piece = rows.fill_buf().map_err(|error| Failure::new(Class::Database, format!("{}: {error}", doing())))?;
        let length = piece.len();
        if length == 0 {
            return Ok(Some((pieces.ended(), bytes)));
        }
        pieces.text(piece);
        bytes += length as u64;
        rows.consume(length);
    }
}

/// Into how many parts a table of this size is split.
fn pieces(bytes: u64, jobs: usize) -> u64 {
    let wanted = jobs.max(1) as u64 * 4;
    if jobs <= 1 { 1 } else { (bytes / SMALLEST_PART).clamp(1, wanted) }
}

/// The condition of one part of many; the last has no end, as the table may have grown since.
fn range(blocks: u64, piece: u64, pieces: u64) -> String {
    if pieces <= 1 {
        return String::new();
    }
    let at = |piece: u64| blocks * piece / pieces;
    match piece + 1 == pieces {
        true => format!(" WHERE ctid >= '({},0)'", at(piece)),
        false => format!(" WHERE ctid >= '({},0)' AND ctid < '({},0)'", at(piece), at(piece + 1)),
    }
}

/// A name as SQL takes it in whatever encoding the session has: what is not ASCII is written as its code.
pub fn identifier(name: &str) -> String {
    if name.is_ascii() {
        return ml_dump::quoted(name);
    }
    let mut sql = String::from("U&\"");
    for c in name.chars() {
        match c {
            '"' => sql.push_str("\"\""),
            '\\' => sql.push_str("\\\\"),
            c if c.is_ascii() => sql.push(c),
            c => sql.push_str(&format!("\\+{:06X}", c as u32)),
        }
    }
    sql.push('"');
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_table_cover_it() {
        assert_eq!(range(100, 0, 1), "");
        let parts: Vec<String> = (0..3).map(|piece| range(100, piece, 3)).collect();
        let wanted =
            [" WHERE ctid >= '(0,0)' AND ctid < '(33,0)'", " WHERE ctid >= '(33,0)' AND ctid < '(66,0)'", " WHERE ctid >= '(66,0)'"];
        assert_eq!(parts, wanted);
        assert_eq!((pieces(0, 4), pieces(1 << 40, 4), pieces(1 << 40, 1), pieces(40 << 20, 4)), (1, 16, 1, 2));
    }

    #[test]
    fn names_are_ascii_whatever_they_are() {
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
        assert_eq!(identifier("gr\u{f6}\u{1f600}\\\""), "U&\"gr\\+0000F6\\+01F600\\\\\"\"\"");
    }
}
