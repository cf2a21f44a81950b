//! Tables by their size and by what VACUUM has to do in them.

use super::super::{Args, Metric, ParamKind, Sample, Unseen, View};
use super::activity::rounded;
use super::session::{Db, Trouble, cell};
use super::{EVIDENCE, optional};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, Failure, Result};
use postgres::types::Type;

/// Dead rows.
pub(super) const DEAD_ROWS: View = View {
    name: "dead-rows",
    doc: "Row versions that no transaction needs any more, as the server estimates them for each table of the database.",
    params: &[optional("above", ParamKind::Number, Some("10000"), "Tables with more are counted.")],
    metrics: &[
        Metric { name: "most", unit: "", doc: "Dead rows of the table that has the most." },
        Metric { name: "count", unit: "", doc: "Tables with more than `above`." },
        Metric { name: "total", unit: "", doc: "Dead rows of all tables." },
        Metric { name: "percent", unit: "%", doc: "Dead rows in per cent of all rows of the table that has the most." },
        Metric { name: "table", unit: "", doc: "The table that has the most; empty when none has any." },
        Metric { name: "vacuum_age", unit: "s", doc: "Time since that table was vacuumed; not there when it never was." },
    ],
    named_by: None,
};

/// Sizes.
pub(super) const SIZES: View = View {
    name: "tables",
    doc: "Sizes of the tables and materialized views of the database, with their indexes and TOAST. One that is locked (VACUUM FULL) cannot be \
          measured: then there is no `total`. Takes a second or two for ten thousand tables.",
    params: &[],
    metrics: &[
        Metric { name: "total", unit: "bytes", doc: "All of them together." },
        Metric { name: "largest", unit: "bytes", doc: "The largest." },
        Metric { name: "table", unit: "", doc: "Its name." },
        Metric { name: "count", unit: "", doc: "How many there are." },
        Metric { name: "locked", unit: "", doc: "How many could not be measured." },
    ],
    named_by: None,
};

const DEAD: &str = "SELECT schemaname || '.' || relname, n_dead_tup, n_live_tup,
        extract(epoch FROM clock_timestamp() - greatest(last_vacuum, last_autovacuum))::float8,
        count(*) FILTER (WHERE n_dead_tup > $1) OVER (), (sum(n_dead_tup) OVER ())::int8
    FROM pg_stat_user_tables WHERE n_dead_tup > 0 ORDER BY n_dead_tup DESC, 1 LIMIT 10";

struct Dead {
    table: String,
    dead: i64,
    live: i64,
    vacuumed: Option<f64>,
}

pub(super) fn dead_rows(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let counted: bool = cell(&db.row("asking what is counted", "SELECT current_setting('track_counts')::bool", &[])?, 0)?;
    if !counted {
        let off = Failure::new(Class::Database, "track_counts is off: the server counts no dead rows, and autovacuum does nothing");
        return Err(off.hint("ALTER SYSTEM SET track_counts = on; SELECT pg_reload_conf()").into());
    }
    if db.is_standby()? {
        return Err(Unseen::Absent("a standby counts no dead rows: look at its primary".into()).into());
    }
    let above = args.number("above").unwrap_or_default() as i64;
    let (mut worst, mut count, mut total) = (Vec::new(), 0i64, 0i64);
    for row in &db.rows("counting the dead rows", DEAD, &[(&above, Type::INT8)])? {
        worst.push(Dead { table: cell(row, 0)?, dead: cell(row, 1)?, live: cell(row, 2)?, vacuumed: cell(row, 3)? });
        (count, total) = (cell(row, 4)?, cell(row, 5)?);
    }
    Ok(dead(&worst, count, total))
}

fn dead(worst: &[Dead], count: i64, total: i64) -> Sample {
    let sample = Sample { rows: worst.iter().take(EVIDENCE).map(Dead::row).collect(), ..Sample::default() };
    let sample = sample.with("count", count).with("total", total);
    let Some(most) = worst.first() else {
        return Sample { note: "no dead rows".into(), ..sample }.with("most", 0).with("percent", 0.0).with("table", "");
    };
    let sample = Sample { note: format!("{} in all, most in {}: {}", counted(total, "dead row"), most.table, most.dead), ..sample };
    let sample = sample.with("most", most.dead).with("percent", most.percent()).with("table", most.table.as_str());
    match most.vacuumed {
        Some(seconds) => sample.with("vacuum_age", seconds.round()),
        None => sample,
    }
}

impl Dead {
    fn percent(&self) -> f64 {
        let all = self.dead as f64 + self.live as f64;
        if all > 0.0 { rounded(self.dead as f64 * 100.0 / all) } else { 0.0 }
    }

    fn row(&self) -> String {
        let vacuumed = self.vacuumed.map_or("never vacuumed".to_owned(), |seconds| format!("vacuumed {:.1} h ago", seconds / 3600.0));
        format!("{}: {} dead rows, {} % of all, {vacuumed}", self.table, self.dead, self.percent())
    }
}

/// To measure a table takes a lock that waits behind an exclusive one; so those are left out.
const MEASURED: &str = "WITH locked AS (SELECT relation FROM pg_locks WHERE locktype = 'relation' AND mode = 'AccessExclusiveLock'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())),
    sizes AS (SELECT n.nspname || '.' || c.relname AS name, c.oid IN (SELECT relation FROM locked) AS locked,
            CASE WHEN c.oid IN (SELECT relation FROM locked) THEN NULL ELSE pg_total_relation_size(c.oid) END AS size
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'm') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_')
    SELECT name, locked, size, count(*) OVER (), count(*) FILTER (WHERE locked) OVER (), coalesce((sum(size) OVER ())::int8, 0)
    FROM sizes ORDER BY size DESC NULLS LAST, name LIMIT 10";

pub(super) fn sizes(db: &mut Db) -> Result<Sample, Trouble> {
    let (mut sample, mut largest) = (Sample::default(), (0i64, String::new()));
    let (mut count, mut locked, mut total) = (0i64, 0i64, 0i64);
    for row in &db.rows("measuring the tables", MEASURED, &[])? {
        let (name, size): (String, Option<i64>) = (cell(row, 0)?, cell(row, 2)?);
        (count, locked, total) = (cell(row, 3)?, cell(row, 4)?, cell(row, 5)?);
        sample.rows.push(format!("{name}: {}", size.map_or("locked".to_owned(), |size| human_bytes(size.unsigned_abs()))));
        if size.is_some_and(|size| size > largest.0 || largest.1.is_empty()) {
            largest = (size.unwrap_or_default(), name);
        }
    }
    sample = sample.with("largest", largest.0).with("table", largest.1.as_str()).with("count", count).with("locked", locked);
    if locked > 0 {
        sample.note = format!("{locked} of {} locked and not measured", counted(count, "table"));
        return Ok(sample);
    }
    sample.note = match count {
        0 => "no table".into(),
        _ => format!(
            "{}, {}; the largest is {} with {}",
            counted(count, "table"),
            human_bytes(total.unsigned_abs()),
            largest.1,
            human_bytes(largest.0.unsigned_abs())
        ),
    };
    Ok(sample.with("total", total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_table_is_told_with_its_share_and_its_last_vacuum() {
        let table = |dead, live, vacuumed| Dead { table: "public.t".into(), dead, live, vacuumed };
        let sample = dead(&[table(150_000, 50_000, Some(7200.0)), table(5, 5, None)], 1, 150_005);
        assert_eq!((sample.values["most"].clone(), sample.values["percent"].clone()), (150_000.into(), 75.0.into()));
        assert_eq!(sample.values["vacuum_age"], 7200.0.into());
        assert_eq!(
            sample.rows,
            ["public.t: 150000 dead rows, 75 % of all, vacuumed 2.0 h ago", "public.t: 5 dead rows, 50 % of all, never vacuumed"]
        );
        let never = dead(&[table(1, 0, None)], 0, 1);
        assert!(!never.values.contains_key("vacuum_age"));
        assert_eq!(dead(&[], 0, 0).values["most"], 0.into());
    }
}
