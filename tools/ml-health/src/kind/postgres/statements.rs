//! The statements that take the server's time: the difference of pg_stat_statements between two runs.

mod earlier;

use super::super::{Args, Look, Metric, ParamKind, Sample, Unseen, View};
use super::activity::rounded;
use super::session::{Db, Trouble, cell};
use super::{EVIDENCE, GRANT_STATS, optional};
use earlier::{Earlier, Key, Spent, Total};
use jiff::Timestamp;
use ml_common::Result;
use ml_common::people::counted;
use postgres::types::Type;
use std::collections::HashMap;

/// Statements.
pub(super) const SLOW_STATEMENTS: View = View {
    name: "slow-statements",
    doc: "Statements by the time that they took since the last run (the first time: since the statistics began), from the extension \
          pg_stat_statements, which has to be in the database. Needs pg_read_all_stats.",
    params: &[
        optional("calls", ParamKind::Number, Some("10"), "Statements that were called no more often do not count as slow."),
        optional(
            "by",
            ParamKind::Word(&["time", "mean"]),
            Some("time"),
            "What the rows show first: those that took most time in all, or on average.",
        ),
        optional("all", ParamKind::Switch, None, "Statements in all databases of the server."),
        optional(
            "text",
            ParamKind::Switch,
            None,
            "Show the statements themselves, not only their numbers. Literals are replaced, but names of tables and columns are told, and the \
             server reads the file with all texts.",
        ),
    ],
    metrics: &[
        Metric {
            name: "slowest_ms",
            unit: "ms",
            doc: "Highest average time of a call since the last run, of statements with more than `calls`; 0 without any.",
        },
        Metric { name: "share", unit: "%", doc: "The part of the time since then that the most expensive statement took." },
        Metric { name: "time_ms", unit: "ms", doc: "Time that all took since then." },
        Metric { name: "calls", unit: "", doc: "Calls since then." },
        Metric {
            name: "mean_ms",
            unit: "ms",
            doc: "Highest average time of a call since the statistics began, of statements with more than `calls`.",
        },
        Metric { name: "since", unit: "s", doc: "Length of the time that is looked at; not there when it is not known." },
        Metric { name: "statements", unit: "", doc: "Different statements." },
    ],
    named_by: None,
};

/// The extension, as it is installed here: its schema, and which of its columns there are.
struct Extension {
    schema: String,
    version: (u32, u32),
}

fn extension(db: &mut Db) -> Result<Extension, Trouble> {
    let sql = "SELECT quote_ident(n.nspname), e.extversion FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
        WHERE e.extname = 'pg_stat_statements'";
    let rows = db.rows("looking for pg_stat_statements", sql, &[])?;
    let Some(row) = rows.first() else {
        let why = format!("pg_stat_statements is not in the database {}: CREATE EXTENSION pg_stat_statements", db.database);
        return Err(Unseen::Absent(why).into());
    };
    let version: String = cell(row, 1)?;
    let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
    Ok(Extension { schema: cell(row, 0)?, version: (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) })
}

/// What is read now.
struct Now {
    totals: HashMap<Key, Total>,
    /// When the statistics began, if the server says so.
    began: Option<Timestamp>,
    hidden: i64,
}

pub(super) fn slow_statements(db: &mut Db, args: &Args, look: &mut Look<'_>) -> Result<Sample, Trouble> {
    let extension = extension(db)?;
    let now = read(db, &extension, args.switch("all"))?;
    let earlier = Earlier::from_memory(look.memory, now.began);
    let since = earlier.as_ref().and(look.remembered).max(now.began);
    let mut spent = earlier::difference(&now.totals, earlier.as_ref());
    let by_mean = args.text("by") == Some("mean");
    let calls = args.number("calls").unwrap_or_default();
    spent.retain(|spent| spent.calls > 0.0);
    spent.sort_by(|a, b| order(a, calls, by_mean).total_cmp(&order(b, calls, by_mean)).reverse().then(a.key.cmp(&b.key)));
    let mut sample = summed(&spent, &now, calls);
    if let Some(since) = since {
        sample = sample.with("since", rounded(look.now.duration_since(since).as_secs_f64().max(0.0)));
    }
    let top = &spent[..spent.len().min(EVIDENCE)];
    let all: f64 = spent.iter().map(|spent| spent.ms).sum();
    let words = words(db, &extension, top, args.switch("text"))?;
    sample.rows = top.iter().map(|spent| row(spent, all, words.get(&spent.key))).collect();
    *look.memory = Earlier::of(&now.totals, now.began).to_memory();
    Ok(sample)
}

/// What comes first: by average, those that were called too seldom come last.
fn order(spent: &Spent, calls: f64, by_mean: bool) -> f64 {
    match by_mean {
        true if spent.calls > calls => spent.mean(),
        true => -1.0,
        false => spent.ms,
    }
}

fn read(db: &mut Db, extension: &Extension, all: bool) -> Result<Now, Trouble> {
    let Extension { schema, version } = extension;
    let time = if *version >= (1, 8) { "total_exec_time" } else { "total_time" };
    let level = if *version >= (1, 9) { "toplevel" } else { "true" };
    let began =
        if *version >= (1, 9) { format!("(SELECT stats_reset FROM {schema}.pg_stat_statements_info)") } else { "NULL::timestamptz".into() };
    let of = if all { "true" } else { "dbid = (SELECT oid FROM pg_database WHERE datname = current_database())" };
    let sql = format!("SELECT userid, dbid, queryid, {level}, calls, {time}, {began} FROM {schema}.pg_stat_statements(false) WHERE {of}");
    let rows = db.rows("reading pg_stat_statements", &sql, &[]).map_err(|trouble| match trouble.code() {
        Some("55000") => Unseen::Absent("pg_stat_statements is not in shared_preload_libraries".into()).into(),
        _ => trouble,
    })?;
    let mut now = Now { totals: HashMap::with_capacity(rows.len()), began: None, hidden: 0 };
    for row in &rows {
        now.began = cell(row, 6)?;
        // Of others the server tells the times, and not of what.
        let Some(query) = cell::<Option<i64>>(row, 2)? else {
            now.hidden += 1;
            continue;
        };
        let key = Key { role: cell(row, 0)?, database: cell(row, 1)?, query, top: cell(row, 3)? };
        let total = now.totals.entry(key).or_default();
        total.calls += cell::<i64>(row, 4)?;
        total.ms += cell::<f64>(row, 5)?;
    }
    Ok(now)
}

fn summed(spent: &[Spent], now: &Now, calls: f64) -> Sample {
    let all: f64 = spent.iter().map(|spent| spent.ms).sum();
    let most = spent.iter().map(|spent| spent.ms).fold(0.0, f64::max);
    let slowest = spent.iter().filter(|spent| spent.calls > calls).map(Spent::mean).fold(0.0, f64::max);
    let often = now.totals.values().filter(|total| total.calls as f64 > calls);
    let mean = often.map(|total| total.ms / total.calls as f64).fold(0.0, f64::max);
    let share = if all > 0.0 { rounded(most * 100.0 / all) } else { 0.0 };
    let hidden = (now.hidden > 0).then(|| format!("{} statements of others are not shown: {GRANT_STATS}", now.hidden));
    let note = format!(
        "{:.1} s in {} statements; the slowest takes {} ms on average, the most expensive {share} % of the time",
        all / 1000.0,
        spent.len(),
        rounded(slowest)
    );
    Sample { note, hidden, ..Sample::default() }
        .with("slowest_ms", rounded(slowest))
        .with("share", share)
        .with("time_ms", rounded(all))
        .with("calls", spent.iter().map(|spent| spent.calls).sum::<f64>().round())
        .with("mean_ms", rounded(mean))
        .with("statements", now.totals.len())
}

/// Role, database and, if wished for, text of the statements that are shown.
fn words(db: &mut Db, extension: &Extension, top: &[Spent], text: bool) -> Result<HashMap<Key, [String; 3]>, Trouble> {
    let mut found = HashMap::new();
    if top.is_empty() {
        return Ok(found);
    }
    let keys: (Vec<u32>, Vec<(u32, i64)>) = top.iter().map(|spent| (spent.key.role, (spent.key.database, spent.key.query))).unzip();
    let (databases, queries): (Vec<u32>, Vec<i64>) = keys.1.into_iter().unzip();
    let level = if extension.version >= (1, 9) { "s.toplevel" } else { "true" };
    // `false` spares the server its file of all texts; the names are looked up either way.
    let sql = format!(
        "SELECT s.userid, s.dbid, s.queryid, {level}, coalesce(r.rolname::text, ''), coalesce(d.datname::text, ''), left(coalesce(s.query, ''), 2000)
        FROM {}.pg_stat_statements($4) s LEFT JOIN pg_roles r ON r.oid = s.userid LEFT JOIN pg_database d ON d.oid = s.dbid
        WHERE s.userid = ANY ($1) AND s.dbid = ANY ($2) AND s.queryid = ANY ($3)",
        extension.schema
    );
    let params: super::session::Params<'_> =
        &[(&keys.0, Type::OID_ARRAY), (&databases, Type::OID_ARRAY), (&queries, Type::INT8_ARRAY), (&text, Type::BOOL)];
    for row in &db.rows("naming the slowest statements", &sql, params)? {
        let key = Key { role: cell(row, 0)?, database: cell(row, 1)?, query: cell(row, 2)?, top: cell(row, 3)? };
        found.insert(key, [cell(row, 4)?, cell(row, 5)?, if text { shown(&cell::<String>(row, 6)?) } else { String::new() }]);
    }
    Ok(found)
}

fn row(spent: &Spent, all: f64, words: Option<&[String; 3]>) -> String {
    let share = if all > 0.0 { rounded(spent.ms * 100.0 / all) } else { 0.0 };
    let of = match words {
        Some([role, database, _]) => format!("role {role}, database {database}"),
        None => format!("role {}, database {}", spent.key.role, spent.key.database),
    };
    let text = words.map(|words| words[2].as_str()).filter(|text| !text.is_empty()).map_or(String::new(), |text| format!(": {text}"));
    let (query, calls, ms) = (spent.key.query, counted(spent.calls.round() as u64, "call"), rounded(spent.mean()));
    format!("queryid {query}, {of}: {calls}, {ms} ms each, {share} % of the time{text}")
}

/// The server replaces the constants of most statements; not those of commands such as CREATE ROLE ... PASSWORD '...'. Where a text with
/// escapes or between dollars begins, nothing more is shown.
fn shown(text: &str) -> String {
    let dollar = text.match_indices('$').find(|(at, _)| !text[at + 1..].starts_with(|c: char| c.is_ascii_digit())).map(|(at, _)| at);
    let end = [dollar, text.find('\\')].into_iter().flatten().min().unwrap_or(text.len());
    let outside: Vec<&str> = text[..end].split('\'').step_by(2).collect();
    let open = text[..end].matches('\'').count() % 2 == 1;
    let words = outside.join(" ? ") + if open { " ?" } else { "" };
    words.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_not_shown() {
        assert_eq!(shown("CREATE ROLE x PASSWORD 'it''s secret' LOGIN"), "CREATE ROLE x PASSWORD ? ? LOGIN");
        assert_eq!(shown("ALTER ROLE x PASSWORD 'cut off by the lim"), "ALTER ROLE x PASSWORD ?");
        assert_eq!(shown("DO $a$ secret $a$"), "DO");
        assert_eq!(shown(r"ALTER ROLE x PASSWORD E'a\'secret'"), "ALTER ROLE x PASSWORD E ?");
        assert_eq!(shown("SELECT *\n   FROM t WHERE a = $1"), "SELECT * FROM t WHERE a = $1");
    }

    #[test]
    fn sums_are_of_the_time_and_means_of_what_is_called_often() {
        let key = |query| Key { role: 10, database: 5, query, top: true };
        let spent = [Spent { key: key(1), calls: 100.0, ms: 300.0 }, Spent { key: key(2), calls: 5.0, ms: 100.0 }];
        let totals = HashMap::from([(key(1), Total { calls: 200, ms: 400.0 }), (key(2), Total { calls: 11, ms: 220.0 })]);
        let now = Now { totals, began: None, hidden: 0 };
        let sample = summed(&spent, &now, 10.0);
        assert_eq!((sample.values["slowest_ms"].clone(), sample.values["share"].clone()), (3.0.into(), 75.0.into()));
        assert_eq!((sample.values["mean_ms"].clone(), sample.values["calls"].clone()), (20.0.into(), 105.0.into()));
        assert!(order(&spent[0], 10.0, true) > order(&spent[1], 10.0, true));
        assert_eq!(row(&spent[0], 400.0, None), "queryid 1, role 10, database 5: 100 calls, 3 ms each, 75 % of the time");
    }
}
