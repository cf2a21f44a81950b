//! Which pieces of which tables are copied, in the order in which they are written: big heaps by ranges of pages.

use super::toc::{Item, Of};
use crate::snapshot::Snapshot;
use ml_common::Result;
use ml_dump::copystmt::CopyStatement;
use ml_dump::{failed, quoted};
use postgres::GenericClient;
use std::collections::HashMap;

/// So much of a heap and its TOAST is one part: small enough that few parts wait for the one to be written, large enough that the statement
/// for it costs nothing beside it.
pub const PART: u64 = 8 << 20;

/// Servers read a range of pages without the rest of the heap from then on.
const RANGES_SINCE: u32 = 14;

/// One entry of the archive, with what has to be asked for its data.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its place in the contents.
    pub entry: usize,
    /// What to ask.
    pub ask: Ask,
    /// Parts that it is copied in, at least one.
    pub parts: u64,
}

/// What is asked for the data of an entry.
#[derive(Clone, Debug)]
pub enum Ask {
    /// Rows of a table.
    Rows {
        /// The table, as SQL.
        table: String,
        /// The statement that takes them.
        copy: CopyStatement,
        /// A `WHERE` clause, of configuration tables of extensions.
        condition: Option<String>,
        /// Pages a part, when there are several.
        pages: u64,
    },
    /// Large objects: these, or all.
    Objects(Option<Vec<u32>>),
}

/// All that is to be copied.
#[derive(Debug)]
pub struct Planned {
    /// In the order of writing.
    pub jobs: Vec<Job>,
    /// The size of it on the server.
    pub bytes: u64,
}

impl Job {
    /// The table whose rows these are, as SQL.
    pub fn table(&self) -> Option<&String> {
        if let Ask::Rows { table, .. } = &self.ask { Some(table) } else { None }
    }

    /// The statement that copies part number `part`; None for large objects.
    pub fn statement(&self, part: u64) -> Option<String> {
        let Ask::Rows { table, copy, condition, pages } = &self.ask else { return None };
        let list = &copy.list;
        if let Some(condition) = condition {
            // As pg_dump asks; with the rows of heirs, if there should be any.
            return Some(format!("COPY (SELECT {list} FROM {table} {condition}) TO STDOUT"));
        }
        if self.parts == 1 {
            let columns = if list.is_empty() { String::new() } else { format!(" ({list})") };
            return Some(format!("COPY {table}{columns} TO STDOUT"));
        }
        let mut limits = format!("ctid >= '({},0)'", part * pages);
        // The last has no end: rows may be beyond what the heap's size was when it was asked for.
        if part + 1 < self.parts {
            limits.push_str(&format!(" AND ctid < '({},0)'", (part + 1) * pages));
        }
        Some(format!("COPY (SELECT {list} FROM ONLY {table} WHERE {limits}) TO STDOUT"))
    }
}

/// What the catalog says of a table.
#[derive(Clone, Debug)]
struct Known {
    schema: String,
    name: String,
    ordinary: bool,
    heap: bool,
    bytes: u64,
    toast: u64,
    block: u64,
}

const TABLES: &str = "SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'r', coalesce(am.amname = 'heap', false), \
    pg_catalog.pg_relation_size(c.oid), CASE WHEN c.reltoastrelid = 0 THEN 0 ELSE pg_catalog.pg_relation_size(c.reltoastrelid) END, \
    pg_catalog.current_setting('block_size')::int8 \
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam \
    WHERE c.oid = ANY ($1)";

/// What is to be copied; or why the parallel engine cannot do it.
///
/// # Errors
/// Class Database.
pub fn jobs(snapshot: &mut Snapshot, items: Vec<Item>, major: u32) -> Result<Result<Planned, String>> {
    let oids: Vec<u32> = items.iter().filter_map(|item| if let Of::Table { oid, .. } = item.of { Some(oid) } else { None }).collect();
    let known = known(snapshot.client(), &oids)?;
    let locked: HashMap<(&str, &str), Option<&str>> =
        snapshot.tables.iter().map(|table| ((table.schema.as_str(), table.name.as_str()), table.condition.as_deref())).collect();
    let mut bytes = 0;
    let mut objects = false;
    let mut job = |item: Item| -> Result<Job, String> {
        let (oid, schema, name, copy) = match item.of {
            Of::Objects(oids) => {
                objects = true;
                return Ok(Job { entry: item.entry, ask: Ask::Objects(oids), parts: 1 });
            }
            Of::Table { oid, schema, name, copy } => (oid, schema, name, copy),
        };
        let shown = ml_dump::tables::shown(&schema, &name);
        let table = known.get(&oid).filter(|table| (&table.schema, &table.name) == (&schema, &name));
        let condition = locked.get(&(schema.as_str(), name.as_str()));
        let (Some(table), Some(condition)) = (table.filter(|table| table.ordinary), condition) else {
            return Err(format!("{shown} is in the dump and is no table that is known here"));
        };
        bytes += table.bytes + table.toast;
        let splits = table.heap && major >= RANGES_SINCE && condition.is_none() && !copy.list.is_empty();
        let (parts, pages) = if splits { ranges(table) } else { (1, 0) };
        let table = format!("{}.{}", quoted(&schema), quoted(&name));
        Ok(Job { entry: item.entry, ask: Ask::Rows { table, copy, condition: condition.map(str::to_owned), pages }, parts })
    };
    let jobs: Result<Vec<Job>, String> = items.into_iter().map(&mut job).collect();
    if objects {
        bytes += objects_size(snapshot.client())?;
    }
    Ok(jobs.map(|jobs| Planned { jobs, bytes }))
}

fn objects_size(client: &mut impl GenericClient) -> Result<u64> {
    let sql = "SELECT pg_catalog.pg_relation_size('pg_catalog.pg_largeobject')";
    let size: i64 = client.query_one(sql, &[]).and_then(|row| row.try_get(0)).map_err(failed("asking for the size"))?;
    Ok(size.unsigned_abs())
}

fn known(client: &mut impl GenericClient, oids: &[u32]) -> Result<HashMap<u32, Known>> {
    let doing = || failed("asking for the sizes of the tables");
    let rows = client.query(TABLES, &[&oids]).map_err(doing())?;
    let table = |row: &postgres::Row| -> Result<(u32, Known), postgres::Error> {
        let size = |index: usize| row.try_get::<_, i64>(index).map(i64::unsigned_abs);
        let (schema, name, ordinary, heap) = (row.try_get(1)?, row.try_get(2)?, row.try_get(3)?, row.try_get(4)?);
        Ok((row.try_get(0)?, Known { schema, name, ordinary, heap, bytes: size(5)?, toast: size(6)?, block: size(7)? }))
    };
    rows.iter().map(table).collect::<Result<_, _>>().map_err(doing())
}

/// How many parts, and how many pages of the heap each: what is kept in TOAST comes with its row.
fn ranges(table: &Known) -> (u64, u64) {
    let (total, pages) = (table.bytes + table.toast, table.bytes / table.block.max(1));
    if total < PART * 3 / 2 || pages < 2 {
        return (1, 0);
    }
    let each = (u128::from(pages) * u128::from(PART) / u128::from(total)).max(1) as u64;
    (pages.div_ceil(each), each)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(pages: u64, toast: u64) -> Known {
        Known { schema: "s".into(), name: "t".into(), ordinary: true, heap: true, bytes: pages * 8192, toast, block: 8192 }
    }

    #[test]
    fn big_heaps_are_cut_into_ranges_of_pages() {
        assert_eq!(ranges(&table(0, 0)), (1, 0));
        assert_eq!(ranges(&table(1000, 0)), (1, 0));
        assert_eq!(ranges(&table(10 * 1024, 0)), (10, 1024));
        assert_eq!(ranges(&table(10 * 1024 + 1, 0)), (11, 1024));
        // Nine tenths of it are elsewhere.
        assert_eq!(ranges(&table(1024, 9 * 1024 * 8192)), (11, 102));
        // Rows so large that a page leads to more than a part.
        assert_eq!(ranges(&table(3, 1 << 30)), (3, 1));
        assert_eq!(ranges(&table(1, 1 << 30)), (1, 0));
    }

    #[test]
    fn ranges_leave_no_gap_and_no_end() {
        let copy = CopyStatement::parse("COPY s.t (a, \"b c\") FROM stdin;").unwrap();
        let ask = |condition: Option<&str>, copy: &CopyStatement| Ask::Rows {
            table: "\"s\".\"t\"".into(),
            copy: copy.clone(),
            condition: condition.map(str::to_owned),
            pages: 10,
        };
        let job = Job { entry: 0, ask: ask(None, &copy), parts: 3 };
        let sql = |part| job.statement(part).unwrap();
        assert_eq!(sql(0), "COPY (SELECT a, \"b c\" FROM ONLY \"s\".\"t\" WHERE ctid >= '(0,0)' AND ctid < '(10,0)') TO STDOUT");
        assert_eq!(sql(2), "COPY (SELECT a, \"b c\" FROM ONLY \"s\".\"t\" WHERE ctid >= '(20,0)') TO STDOUT");
        let whole = Job { parts: 1, ..job.clone() };
        assert_eq!(whole.statement(0).unwrap(), "COPY \"s\".\"t\" (a, \"b c\") TO STDOUT");
        let none = Job { parts: 1, ask: ask(None, &CopyStatement::parse("COPY s.t  FROM stdin;").unwrap()), entry: 0 };
        assert_eq!(none.statement(0).unwrap(), "COPY \"s\".\"t\" TO STDOUT");
        let some = Job { parts: 1, ask: ask(Some("WHERE a > 1"), &copy), entry: 0 };
        assert_eq!(some.statement(0).unwrap(), "COPY (SELECT a, \"b c\" FROM \"s\".\"t\" WHERE a > 1) TO STDOUT");
        assert_eq!(Job { parts: 1, ask: Ask::Objects(None), entry: 0 }.statement(0), None);
    }
}
