//! What the database is made of: keys, indexes, the tables that have to be there, migrations.

use super::super::{Args, Metric, Param, ParamKind, Sample, Unseen, View};
use super::session::{Db, Trouble, cell};
use super::{EVIDENCE, optional};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, Failure, Result};
use ml_ledger::shape::quote;
use postgres::types::Type;

/// Tables without a key.
pub(super) const PRIMARY_KEYS: View = View {
    name: "primary-keys",
    doc: "Tables without a primary key. Partitions are counted with their parent, tables of extensions not at all.",
    params: &[optional("except", ParamKind::Texts, None, "Tables that need none: `name` or `schema.name`.")],
    metrics: &[Metric { name: "count", unit: "", doc: "Tables without one." }],
    named_by: None,
};

/// Indexes that are of no use.
pub(super) const INVALID_INDEXES: View = View {
    name: "invalid-indexes",
    doc: "Indexes that a CREATE INDEX CONCURRENTLY left behind: they cost on every write and serve no query. One that is being built is none; \
          to see that needs pg_read_all_stats.",
    params: &[],
    metrics: &[Metric { name: "count", unit: "", doc: "Invalid indexes." }],
    named_by: None,
};

/// Tables that have to be there.
pub(super) const REQUIRED_TABLES: View = View {
    name: "required-tables",
    doc: "Whether tables (or views) are there.",
    params: &[Param {
        name: "tables",
        kind: ParamKind::Texts,
        required: true,
        default: None,
        doc: "Their names as they are stored: `name` on the search path, or `schema.name`.",
    }],
    metrics: &[
        Metric { name: "missing", unit: "", doc: "How many are not there." },
        Metric { name: "present", unit: "", doc: "How many are." },
        Metric { name: "names", unit: "", doc: "Those that are missing, joined by commas." },
    ],
    named_by: None,
};

/// Migrations.
pub(super) const MIGRATIONS: View = View {
    name: "migrations",
    doc: "Rows of the table in which a migration tool records what it applied; 0 when there is no such table. Needs SELECT on it.",
    params: &[
        optional("table", ParamKind::Text, Some("schema_migrations"), "The table: `name`, or `schema.name`."),
        optional("column", ParamKind::Text, None, "Rows in which this column is NULL or false do not count: `finished_at`, `success`."),
        optional("expected", ParamKind::Number, None, "How many there ought to be."),
    ],
    metrics: &[
        Metric { name: "applied", unit: "", doc: "Migrations applied." },
        Metric { name: "missing", unit: "", doc: "How many fewer than `expected`; not there without it." },
        Metric { name: "present", unit: "", doc: "Whether the table is there." },
    ],
    named_by: None,
};

/// Schemas that are not the user's.
const OWN: &str = "n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'";

pub(super) fn primary_keys(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let sql = format!(
        "SELECT n.nspname || '.' || c.relname, greatest(c.reltuples, 0)::int8, count(*) OVER ()
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND {OWN}
            AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
            AND NOT (c.relname::text = ANY ($1) OR n.nspname || '.' || c.relname = ANY ($1))
        ORDER BY 2 DESC, 1 LIMIT 10"
    );
    let except: Vec<String> = args.texts("except").to_vec();
    let (mut sample, mut count) = (Sample::default(), 0i64);
    for row in &db.rows("looking for tables without a primary key", &sql, &[(&except, Type::TEXT_ARRAY)])? {
        let (table, rows): (String, i64) = (cell(row, 0)?, cell(row, 1)?);
        count = cell(row, 2)?;
        sample.rows.push(format!("{table}: about {rows} rows"));
    }
    sample.note = match count {
        0 => "every table has a primary key".into(),
        _ => format!("{} without a primary key", counted(count, "table")),
    };
    Ok(sample.with("count", count))
}

/// A progress row without a table is somebody else's that the role may not look into.
const INVALID: &str = "SELECT n.nspname || '.' || c.relname, t.relname::text, pg_relation_size(c.oid)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_class t ON t.oid = i.indrelid
    WHERE NOT (i.indisvalid AND i.indisready) AND c.oid NOT IN
        (SELECT index_relid FROM pg_stat_progress_create_index WHERE index_relid IS NOT NULL)
    ORDER BY 3 DESC, 1";

const BUILDING: &str = "SELECT count(*) FROM pg_stat_progress_create_index WHERE index_relid IS NULL AND datname = current_database()";

pub(super) fn invalid_indexes(db: &mut Db) -> Result<Sample, Trouble> {
    let (mut rows, mut count) = (Vec::new(), 0usize);
    for row in &db.rows("looking for invalid indexes", INVALID, &[])? {
        let (index, table, bytes): (String, String, Option<i64>) = (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?);
        count += 1;
        if rows.len() < EVIDENCE {
            rows.push(format!("{index} on {table}: {}", human_bytes(bytes.unwrap_or_default().unsigned_abs())));
        }
    }
    let building: i64 = if count > 0 { cell(&db.row("looking for indexes that are being built", BUILDING, &[])?, 0)? } else { 0 };
    if building > 0 {
        let what = format!("{count} indexes are invalid, and {building} are being built by others");
        return Err(Unseen::Privilege { what, hint: super::GRANT_STATS.into() }.into());
    }
    let note = match count {
        0 => "every index is valid".into(),
        1 => "1 invalid index".into(),
        _ => format!("{count} invalid indexes"),
    };
    Ok(Sample { rows, note, ..Sample::default() }.with("count", count))
}

/// Where tables of these names are: the schema, whether it is on the search path, whether the role may use it.
const WHERE: &str = "SELECT c.relname::text, n.nspname::text, pg_table_is_visible(c.oid), has_schema_privilege(n.oid, 'USAGE')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = ANY ($1) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// A table that is there.
struct There {
    name: String,
    schema: String,
    visible: bool,
    usable: bool,
}

pub(super) fn required_tables(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let wanted = args.texts("tables");
    let names: Vec<&str> =
        wanted.iter().flat_map(|name| [Some(name.as_str()), name.split_once('.').map(|parts| parts.1)]).flatten().collect();
    let mut there = Vec::new();
    for row in &db.rows("looking for the tables", WHERE, &[(&names, Type::TEXT_ARRAY)])? {
        there.push(There { name: cell(row, 0)?, schema: cell(row, 1)?, visible: cell(row, 2)?, usable: cell(row, 3)? });
    }
    Ok(present(wanted, &there))
}

fn present(wanted: &[String], there: &[There]) -> Sample {
    let (mut missing, mut rows, mut hidden) = (Vec::new(), Vec::new(), None);
    for name in wanted {
        let exact = |table: &There| *name == format!("{}.{}", table.schema, table.name) || (table.visible && table.name == *name);
        if there.iter().any(exact) {
            continue;
        }
        match there.iter().find(|table| table.name == *name) {
            // Whether it is on the search path cannot be known then.
            Some(table) if !table.usable => hidden = Some(format!("GRANT USAGE ON SCHEMA {} to the role", table.schema)),
            Some(table) => {
                rows.push(format!("{name}: there is one in the schema {}, which is not on the search path", table.schema));
                missing.push(name.as_str());
            }
            None => {
                rows.push(format!("{name}: not there"));
                missing.push(name.as_str());
            }
        }
    }
    rows.truncate(EVIDENCE);
    let note = match missing.as_slice() {
        [] if hidden.is_some() => "not all tables may be looked for".into(),
        [] => format!("{} there, as required", counted(wanted.len(), "table")),
        names => format!("missing: {}", names.join(", ")),
    };
    Sample { rows, note, hidden, ..Sample::default() }
        .with("missing", missing.len())
        .with("present", wanted.len() - missing.len())
        .with("names", missing.join(","))
}

pub(super) fn migrations(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let table = args.text("table").unwrap_or("schema_migrations");
    let counts = args.text("column").map_or("true".to_owned(), |column| {
        let column = quote(column);
        format!("{column} IS NOT NULL AND {column}::text NOT IN ('f', 'false')")
    });
    let sql = format!("SELECT count(*) FILTER (WHERE {counts}) FROM {}", table.splitn(2, '.').map(quote).collect::<Vec<_>>().join("."));
    let applied = match db.row("counting the migrations", &sql, &[]) {
        Ok(row) => Some(cell::<i64>(&row, 0)?),
        // Nothing was ever applied, then.
        Err(trouble) if matches!(trouble.code(), Some("42P01" | "3F000")) => None,
        Err(trouble) if trouble.code() == Some("42703") => {
            let wrong = Failure::new(Class::Config, format!("{table} has no column {}", args.text("column").unwrap_or_default()));
            return Err(wrong.hint("correct `column` in the check's args").into());
        }
        Err(trouble) => return Err(trouble),
    };
    let count = applied.unwrap_or(0);
    let expected = args.number("expected").map(|expected| expected as i64);
    let note = match (applied, expected) {
        (None, _) => format!("there is no table {table}"),
        (_, Some(expected)) => format!("{count} of {expected} migrations applied"),
        _ => format!("{} applied", counted(count, "migration")),
    };
    let sample = Sample { note, ..Sample::default() }.with("applied", count).with("present", applied.is_some());
    Ok(match expected {
        Some(expected) => sample.with("missing", (expected - count).max(0)),
        None => sample,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_elsewhere_is_missing_and_one_that_may_not_be_seen_is_neither() {
        let table = |name: &str, schema: &str, visible, usable| There { name: name.into(), schema: schema.into(), visible, usable };
        let wanted = ["a", "s.b", "c", "d"].map(str::to_owned);
        let sample = present(&wanted, &[table("a", "public", true, true), table("b", "s", false, true), table("c", "old", false, true)]);
        assert_eq!((sample.values["missing"].clone(), sample.values["names"].clone()), (2usize.into(), "c,d".into()));
        assert_eq!(sample.rows, ["c: there is one in the schema old, which is not on the search path", "d: not there"]);
        let closed = present(&wanted[..1], &[table("a", "closed", false, false)]);
        assert_eq!((closed.values["missing"].clone(), closed.hidden.is_some()), (0usize.into(), true));
    }
}
