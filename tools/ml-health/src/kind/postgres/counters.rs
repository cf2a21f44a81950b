//! Whether the server answers, and what it counts.

use super::super::{Args, Metric, Param, ParamKind, Sample, View};
use super::activity::rounded;
use super::optional;
use super::session::{Db, Trouble, cell};
use ml_common::Result;
use ml_common::people::{counted, human_bytes};
use std::time::Instant;

/// The session itself.
pub(super) const CONNECT: View = View {
    name: "connect",
    doc: "That the server answers. The session is opened when there is none: in watch mode the first time, and after the server ended it.",
    params: &[],
    metrics: &[
        Metric { name: "ms", unit: "ms", doc: "Time until the server answered a query, opening the session included where that was done." },
        Metric { name: "query_ms", unit: "ms", doc: "Time of the query alone, there and back." },
        Metric { name: "opened", unit: "", doc: "Whether the session was opened now." },
        Metric { name: "version", unit: "", doc: "server_version_num: 150018 is 15.18." },
        Metric { name: "uptime", unit: "s", doc: "Time since the server started." },
        Metric { name: "standby", unit: "", doc: "Whether it is a standby." },
    ],
    named_by: None,
};

const ALL: Param = optional("all", ParamKind::Switch, None, "Of all databases of the server, not only of this one.");

/// The buffer cache.
pub(super) const CACHE: View = View {
    name: "cache",
    doc: "Blocks that were found in PostgreSQL's own buffers. `delta(hits) / (delta(hits) + delta(reads)) * 100` is the ratio since the last run.",
    params: &[ALL],
    metrics: &[
        Metric {
            name: "ratio",
            unit: "%",
            doc: "Hits in per cent of all since the statistics were reset; not there before the first block.",
        },
        Metric { name: "hits", unit: "", doc: "Blocks found: a counter." },
        Metric { name: "reads", unit: "", doc: "Blocks asked of the operating system: a counter." },
    ],
    named_by: None,
};

/// Deadlocks and their like.
pub(super) const DEADLOCKS: View = View {
    name: "deadlocks",
    doc: "Deadlocks and transactions. All are counters since the statistics were reset: `delta(deadlocks)` are those since the last run.",
    params: &[ALL],
    metrics: &[
        Metric { name: "deadlocks", unit: "", doc: "Deadlocks." },
        Metric { name: "conflicts", unit: "", doc: "Queries that a standby cancelled." },
        Metric { name: "commits", unit: "", doc: "Transactions that were committed." },
        Metric { name: "rollbacks", unit: "", doc: "Transactions that were rolled back." },
        Metric { name: "temp_bytes", unit: "bytes", doc: "Written to temporary files." },
    ],
    named_by: None,
};

/// Size of the database.
pub(super) const SIZE: View = View {
    name: "size",
    doc: "Size of the database on the disk. `per_day(bytes)` is its growth.",
    params: &[],
    metrics: &[Metric { name: "bytes", unit: "bytes", doc: "Everything in it, indexes and TOAST included." }],
    named_by: None,
};

pub(super) fn connect(db: &mut Db) -> Result<Sample, Trouble> {
    let began = Instant::now();
    let sql = "SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8, pg_is_in_recovery()";
    let row = db.row("asking for a sign of life", sql, &[])?;
    let query = began.elapsed();
    let (uptime, standby): (f64, bool) = (cell(&row, 0)?, cell(&row, 1)?);
    let ms = |time: std::time::Duration| rounded(time.as_secs_f64() * 1000.0);
    let all = db.opened.unwrap_or_default() + query;
    let did = if db.opened.is_some() { "connected to" } else { "still connected to" };
    let sample = Sample { note: format!("{did} {}, answered in {} ms", db.at, ms(all)), ..Sample::default() };
    let sample = sample.with("ms", ms(all)).with("query_ms", ms(query)).with("opened", db.opened.is_some());
    Ok(sample.with("version", db.version).with("uptime", uptime.round()).with("standby", standby))
}

/// A database of its own for what the server shares (datid 0) is counted with all.
fn of_databases(args: &Args) -> &'static str {
    if args.switch("all") { "true" } else { "datname = current_database()" }
}

pub(super) fn cache(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let sql = format!(
        "SELECT coalesce(sum(blks_hit), 0)::int8, coalesce(sum(blks_read), 0)::int8 FROM pg_stat_database WHERE {}",
        of_databases(args)
    );
    let row = db.row("asking for the blocks that were read", &sql, &[])?;
    let (hits, reads): (i64, i64) = (cell(&row, 0)?, cell(&row, 1)?);
    let sample = Sample::default().with("hits", hits).with("reads", reads);
    if hits + reads == 0 {
        return Ok(Sample { note: "no block was read since the statistics were reset".into(), ..sample });
    }
    let ratio = rounded(hits as f64 * 100.0 / (hits as f64 + reads as f64));
    Ok(Sample { note: format!("{ratio} % of the blocks were found in the cache"), ..sample }.with("ratio", ratio))
}

pub(super) fn deadlocks(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    const NAMES: [(&str, &str); 5] = [
        ("deadlocks", "deadlocks"),
        ("conflicts", "conflicts"),
        ("commits", "xact_commit"),
        ("rollbacks", "xact_rollback"),
        ("temp_bytes", "temp_bytes"),
    ];
    let columns: Vec<String> = NAMES.iter().map(|(_, column)| format!("coalesce(sum({column}), 0)::int8")).collect();
    let sql = format!("SELECT {} FROM pg_stat_database WHERE {}", columns.join(", "), of_databases(args));
    let row = db.row("asking for the deadlocks", &sql, &[])?;
    let mut sample = Sample::default();
    for (index, (name, _)) in NAMES.iter().enumerate() {
        sample = sample.with(name, cell::<i64>(&row, index)?);
    }
    sample.note = format!("{} since the statistics were reset", counted(cell::<i64>(&row, 0)?, "deadlock"));
    Ok(sample)
}

pub(super) fn size(db: &mut Db) -> Result<Sample, Trouble> {
    let row = db.row("asking for the size of the database", "SELECT pg_database_size(current_database())", &[])?;
    let bytes: i64 = cell(&row, 0)?;
    Ok(Sample { note: human_bytes(bytes.unsigned_abs()), ..Sample::default() }.with("bytes", bytes))
}
