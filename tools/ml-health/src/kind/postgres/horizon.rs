//! What keeps old row versions alive, and how far the server is from having to freeze them.

use super::super::{Metric, Sample, View};
use super::EVIDENCE;
use super::activity::{hidden_sessions, rounded};
use super::session::{Db, Trouble, cell};
use ml_common::Result;

/// The oldest snapshot, by what holds it.
pub(super) const XMIN: View = View {
    name: "xmin",
    doc: "How many transactions ago the oldest snapshot was taken that VACUUM has to respect, and what holds it: a session, a replication slot, \
          a prepared transaction or a standby with hot_standby_feedback. Needs pg_read_all_stats.",
    params: &[],
    metrics: &[
        Metric { name: "age", unit: "", doc: "Transactions since the oldest one; 0 when nothing holds any." },
        Metric { name: "source", unit: "", doc: "What holds it: `backend`, `slot`, `prepared`, `standby` or `none`." },
        Metric { name: "backend", unit: "", doc: "The same of sessions alone." },
        Metric { name: "slot", unit: "", doc: "Of replication slots." },
        Metric { name: "prepared", unit: "", doc: "Of prepared transactions." },
        Metric { name: "standby", unit: "", doc: "Of standbys without a slot." },
    ],
    named_by: None,
};

/// Nearness of the wraparound.
pub(super) const FREEZE: View = View {
    name: "freeze",
    doc: "The oldest unfrozen transaction of all databases of the server. At 100 per cent autovacuum freezes by force; at 100 per cent of the \
          wraparound the server takes no writes.",
    params: &[],
    metrics: &[
        Metric { name: "percent", unit: "%", doc: "Age in per cent of autovacuum_freeze_max_age." },
        Metric { name: "age", unit: "", doc: "Age in transactions." },
        Metric { name: "wraparound", unit: "%", doc: "Age in per cent of the 2^31 transactions that there can be; multixacts count too." },
        Metric { name: "multixact_percent", unit: "%", doc: "Multixacts in per cent of autovacuum_multixact_freeze_max_age." },
        Metric { name: "database", unit: "", doc: "The database with the oldest." },
    ],
    named_by: None,
};

/// Lazy VACUUMs are left out, as nothing has to wait for their snapshots.
const HOLDERS: &str = "SELECT 'backend', greatest(age(a.backend_xid), age(a.backend_xmin))::int8, 'pid ' || a.pid,
        concat_ws(', ', a.state, 'open for ' || round(extract(epoch FROM clock_timestamp() - a.xact_start)) || ' s', 'role ' || a.usename,
            'database ' || a.datname, 'application ''' || a.application_name || '''')
    FROM pg_stat_activity a WHERE (a.backend_xid IS NOT NULL OR a.backend_xmin IS NOT NULL) AND a.pid <> pg_backend_pid()
        AND a.backend_type <> 'walsender' AND a.pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
    UNION ALL SELECT 'slot', greatest(age(xmin), age(catalog_xmin))::int8, slot_name::text, CASE WHEN active THEN 'active' ELSE 'inactive' END
    FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL
    UNION ALL SELECT 'prepared', age(transaction)::int8, quote_literal(gid),
        concat_ws(', ', 'prepared ' || round(extract(epoch FROM clock_timestamp() - prepared)) || ' s ago', 'role ' || owner, 'database ' || database)
    FROM pg_prepared_xacts
    UNION ALL SELECT 'standby', age(backend_xmin)::int8, application_name, state FROM pg_stat_replication WHERE backend_xmin IS NOT NULL
    UNION ALL SELECT 'hidden', count(*), '', '' FROM pg_stat_activity WHERE backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL
    ORDER BY 2 DESC";

const SOURCES: [&str; 4] = ["backend", "slot", "prepared", "standby"];

struct Holder {
    source: String,
    age: i64,
    name: String,
    detail: String,
}

pub(super) fn xmin(db: &mut Db) -> Result<Sample, Trouble> {
    let (mut holders, mut hidden) = (Vec::new(), 0);
    for row in &db.rows("looking for the oldest snapshot", HOLDERS, &[])? {
        let (source, age): (String, i64) = (cell(row, 0)?, cell(row, 1)?);
        if source == "hidden" {
            hidden = age;
        } else {
            holders.push(Holder { source, age, name: cell(row, 2)?, detail: cell(row, 3)? });
        }
    }
    Ok(held(&holders, hidden))
}

fn held(holders: &[Holder], hidden: i64) -> Sample {
    let mut sample = Sample { hidden: (hidden > 0).then(|| hidden_sessions(hidden)), ..Sample::default() };
    for source in SOURCES {
        let oldest = holders.iter().filter(|holder| holder.source == source).map(|holder| holder.age).max();
        sample = sample.with(source, oldest.unwrap_or(0));
    }
    sample.rows = holders.iter().take(EVIDENCE).map(Holder::row).collect();
    match holders.first() {
        Some(oldest) => {
            sample.note = format!("the oldest snapshot is {} transactions old, held by {} {}", oldest.age, oldest.source, oldest.name);
            sample.with("age", oldest.age).with("source", oldest.source.as_str())
        }
        None => {
            sample.note = "nothing holds an old snapshot".into();
            sample.with("age", 0).with("source", "none")
        }
    }
}

impl Holder {
    fn row(&self) -> String {
        format!("{} {}: {} transactions, {}", self.source, self.name, self.age, self.detail)
    }
}

const AGES: &str = "SELECT datname::text, age(datfrozenxid)::int8, mxid_age(datminmxid)::int8,
        current_setting('autovacuum_freeze_max_age')::int8, current_setting('autovacuum_multixact_freeze_max_age')::int8
    FROM pg_database ORDER BY 2 DESC";

/// Of a table and its TOAST table the older counts, since only the table can be vacuumed by name.
const OLDEST_TABLES: &str = "SELECT n.nspname || '.' || c.relname, greatest(age(c.relfrozenxid), age(t.relfrozenxid))::int8
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'm') ORDER BY 2 DESC LIMIT 5";

/// Ages of one database.
#[derive(Clone)]
struct Ages {
    database: String,
    age: i64,
    multixacts: i64,
}

pub(super) fn freeze(db: &mut Db) -> Result<Sample, Trouble> {
    let (mut databases, mut limits) = (Vec::new(), (0i64, 0i64));
    for row in &db.rows("asking for the oldest transactions", AGES, &[])? {
        databases.push(Ages { database: cell(row, 0)?, age: cell(row, 1)?, multixacts: cell(row, 2)? });
        limits = (cell(row, 3)?, cell(row, 4)?);
    }
    let mut sample = unfrozen(&databases, limits);
    for row in &db.rows("asking for the oldest tables", OLDEST_TABLES, &[])? {
        let (table, age): (String, i64) = (cell(row, 0)?, cell(row, 1)?);
        sample.rows.push(format!("table {table} of {}: {age} transactions", db.database));
    }
    Ok(sample)
}

/// The server stops taking writes a little before these.
const WRAPAROUND: f64 = (1u64 << 31) as f64;

fn unfrozen(databases: &[Ages], (limit, multixact_limit): (i64, i64)) -> Sample {
    let percent = |part: i64, whole: f64| if whole > 0.0 { rounded(part as f64 * 100.0 / whole) } else { 0.0 };
    let Some(oldest) = databases.iter().max_by_key(|ages| ages.age) else {
        return Sample { note: "there is no database".into(), ..Sample::default() };
    };
    let multixacts = databases.iter().map(|ages| ages.multixacts).max().unwrap_or(0);
    let worst = percent(oldest.age.max(multixacts), WRAPAROUND);
    let rows = databases
        .iter()
        .take(5)
        .map(|ages| format!("database {}: {} transactions, {} multixacts", ages.database, ages.age, ages.multixacts));
    let percent_of_limit = percent(oldest.age, limit as f64);
    let note = format!("{} is {} transactions old, {percent_of_limit} % of autovacuum_freeze_max_age", oldest.database, oldest.age);
    Sample { rows: rows.collect(), note, ..Sample::default() }
        .with("percent", percent_of_limit)
        .with("age", oldest.age)
        .with("wraparound", worst)
        .with("multixact_percent", percent(multixacts, multixact_limit as f64))
        .with("database", oldest.database.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ages(database: &str, age: i64, multixacts: i64) -> Ages {
        Ages { database: database.into(), age, multixacts }
    }

    #[test]
    fn the_oldest_database_is_told_against_both_limits() {
        let sample = unfrozen(&[ages("young", 10, 5), ages("old", 150_000_000, 7)], (200_000_000, 400_000_000));
        assert_eq!(sample.values["percent"], 75.0.into());
        assert_eq!(sample.values["wraparound"], 6.98.into());
        assert_eq!(sample.values["database"], "old".into());
    }

    #[test]
    fn a_wraparound_by_multixacts_counts_too() {
        let sample = unfrozen(&[ages("m", 5, 2_000_000_000)], (200_000_000, 400_000_000));
        assert_eq!((sample.values["wraparound"].clone(), sample.values["multixact_percent"].clone()), (93.13.into(), 500.0.into()));
        assert_eq!(sample.values["percent"], 0.0.into());
    }

    #[test]
    fn the_oldest_holder_is_named_with_its_source() {
        let holder = |source: &str, age| Holder { source: source.into(), age, name: "x".into(), detail: "inactive".into() };
        let sample = held(&[holder("slot", 900), holder("backend", 20), holder("slot", 10)], 0);
        assert_eq!((sample.values["age"].clone(), sample.values["source"].clone()), (900.into(), "slot".into()));
        assert_eq!(
            (sample.values["slot"].clone(), sample.values["backend"].clone(), sample.values["prepared"].clone()),
            (900.into(), 20.into(), 0.into())
        );
        assert_eq!(sample.rows[0], "slot x: 900 transactions, inactive");
        assert_eq!(held(&[], 0).values["source"], "none".into());
    }
}
