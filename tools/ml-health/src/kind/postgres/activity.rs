//! What the sessions of the server do.

use super::super::{Args, Metric, ParamKind, Sample, View};
use super::session::{Db, Trouble, cell};
use super::{EVIDENCE, GRANT_STATS, optional};
use crate::verdict::postgres::{Session, session_row};
use ml_common::Result;
use ml_common::people::counted;

/// Sessions against the limit.
pub(super) const CONNECTIONS: View = View {
    name: "connections",
    doc: "Sessions of clients, ours among them, against max_connections without the reserved ones. What they do needs pg_read_all_stats, how many \
          they are does not.",
    params: &[],
    metrics: &[
        Metric { name: "percent", unit: "%", doc: "Sessions in per cent of the limit." },
        Metric { name: "used", unit: "", doc: "Sessions." },
        Metric { name: "limit", unit: "", doc: "Sessions that ordinary roles may have together." },
        Metric { name: "active", unit: "", doc: "Those that run a statement." },
        Metric { name: "idle", unit: "", doc: "Those that do nothing." },
        Metric { name: "idle_in_transaction", unit: "", doc: "Those that do nothing and keep a transaction open." },
        Metric { name: "waiting", unit: "", doc: "Those that wait for a lock." },
    ],
    named_by: None,
};

/// What a session's privilege decides.
const STATES: &[&str] = &["active", "idle", "idle_in_transaction", "waiting"];

const OVER: (&str, &str) = ("5m", "Longer ones are counted and shown.");

/// Statements that run for long.
pub(super) const LONG_QUERIES: View = View {
    name: "long-queries",
    doc: "Statements that clients have running. Needs pg_read_all_stats.",
    params: &[
        optional("above", ParamKind::Duration, Some(OVER.0), OVER.1),
        optional("except", ParamKind::Texts, None, "Beginnings of application names that are left out, such as `pg_dump`."),
    ],
    metrics: &[
        Metric { name: "longest", unit: "s", doc: "The longest one's time." },
        Metric { name: "count", unit: "", doc: "How many run for longer than `above`." },
    ],
    named_by: None,
};

/// Transactions in which nothing happens.
pub(super) const IDLE_TRANSACTIONS: View = View {
    name: "idle-transactions",
    doc: "Sessions that keep a transaction open and do nothing. Needs pg_read_all_stats.",
    params: LONG_QUERIES.params,
    metrics: &[
        Metric { name: "oldest", unit: "s", doc: "How long the longest has done nothing." },
        Metric { name: "count", unit: "", doc: "How many have done nothing for longer than `above`." },
        Metric { name: "transaction", unit: "s", doc: "The age of the oldest of these transactions." },
    ],
    named_by: None,
};

/// Others' rows are there without the privilege too, with nothing in them but who they are.
const HIDDEN: &str = "(a.backend_type IS NULL AND a.usesysid IS NOT NULL AND a.datid IS NOT NULL)";

/// Sessions by role and application: few rows, from which the sums are made.
pub(super) fn connections(db: &mut Db) -> Result<Sample, Trouble> {
    let sql = format!(
        "SELECT coalesce(a.usename::text, ''), coalesce(a.application_name, ''), count(*),
            count(*) FILTER (WHERE a.state IN ('active', 'fastpath function call') AND a.pid <> pg_backend_pid()),
            count(*) FILTER (WHERE a.state = 'idle'), count(*) FILTER (WHERE a.state LIKE 'idle in transaction%'),
            count(*) FILTER (WHERE a.wait_event_type = 'Lock'), count(*) FILTER (WHERE a.backend_type IS NULL),
            current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8
                - coalesce(current_setting('reserved_connections', true)::int8, 0)
        FROM pg_stat_activity a WHERE a.backend_type = 'client backend' OR {HIDDEN} GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    );
    let rows = db.rows("counting the connections", &sql, &[])?;
    let mut sums = [0i64; 6];
    let (mut limit, mut shown) = (0i64, Vec::new());
    for row in &rows {
        for (sum, index) in sums.iter_mut().zip(2..) {
            *sum += cell::<i64>(row, index)?;
        }
        limit = cell(row, 8)?;
        if shown.len() < EVIDENCE {
            let (role, application, count): (String, String, i64) = (cell(row, 0)?, cell(row, 1)?, cell(row, 2)?);
            shown.push(format!("{count} of role {role}, application '{application}'"));
        }
    }
    let [used, active, idle, idle_in_transaction, waiting, hidden] = sums;
    let mut sample = Sample { rows: shown, ..Sample::default() }.with("used", used).with("limit", limit);
    if limit > 0 {
        sample = sample.with("percent", rounded(used as f64 * 100.0 / limit as f64));
    }
    sample.note = format!("{used} of {limit} connections in use");
    if hidden > 0 {
        return Ok(Sample { hidden: Some(hidden_sessions(hidden)), hides: STATES, ..sample });
    }
    for (name, value) in STATES.iter().zip([active, idle, idle_in_transaction, waiting]) {
        sample = sample.with(name, value);
    }
    Ok(sample)
}

/// `3 sessions cannot be looked into: GRANT ...`.
pub(super) fn hidden_sessions(count: i64) -> String {
    format!("{} of others cannot be looked into: {GRANT_STATS}", counted(count, "session"))
}

/// Two digits after the point are enough for people, and JSON stays readable.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A session at work or idle in a transaction: for how long, and for how long its transaction is open.
struct Busy {
    session: Session,
    transaction: f64,
}

/// The sessions in one of these states, the longest first, and the number of those that the role may not look into.
fn busy(db: &mut Db, idle: bool, args: &Args) -> Result<(Vec<Busy>, i64), Trouble> {
    let (since, states) = if idle {
        ("a.state_change", "a.state LIKE 'idle in transaction%'")
    } else {
        ("a.query_start", "a.state IN ('active', 'fastpath function call')")
    };
    let sql = format!(
        "SELECT a.pid, greatest(extract(epoch FROM clock_timestamp() - {since}), 0)::float8, coalesce(a.state, ''),
            coalesce(a.application_name, ''), coalesce(a.usename::text, ''), left(coalesce(a.query, ''), 200),
            coalesce(extract(epoch FROM clock_timestamp() - a.xact_start), 0)::float8, a.backend_type IS NULL
        FROM pg_stat_activity a
        WHERE (a.backend_type = 'client backend' AND {states} AND a.pid <> pg_backend_pid()) OR {HIDDEN} ORDER BY 2 DESC"
    );
    let (mut found, mut hidden) = (Vec::new(), 0);
    for row in &db.rows("looking at the sessions", &sql, &[])? {
        if cell(row, 7)? {
            hidden += 1;
            continue;
        }
        let session = Session {
            pid: cell(row, 0)?,
            age: cell(row, 1)?,
            state: cell(row, 2)?,
            application: cell(row, 3)?,
            role: cell(row, 4)?,
            query: cell(row, 5)?,
        };
        if !args.texts("except").iter().any(|beginning| session.application.starts_with(beginning.as_str())) {
            found.push(Busy { session, transaction: cell(row, 6)? });
        }
    }
    Ok((found, hidden))
}

pub(super) fn long_queries(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let (busy, hidden) = busy(db, false, args)?;
    Ok(longest(&busy, hidden, above(args), "longest", "statement", "the longest for"))
}

pub(super) fn idle_transactions(db: &mut Db, args: &Args) -> Result<Sample, Trouble> {
    let (busy, hidden) = busy(db, true, args)?;
    let sample = longest(&busy, hidden, above(args), "oldest", "idle transaction", "the oldest idle for");
    let transaction = busy.iter().map(|busy| busy.transaction).fold(0.0, f64::max);
    Ok(sample.with("transaction", rounded(transaction)))
}

fn above(args: &Args) -> f64 {
    args.duration("above").unwrap_or_default().as_secs_f64()
}

fn longest(busy: &[Busy], hidden: i64, above: f64, metric: &str, what: &str, longest: &str) -> Sample {
    let longest_time = busy.iter().map(|busy| busy.session.age).fold(0.0, f64::max);
    let over: Vec<&Busy> = busy.iter().filter(|busy| busy.session.age > above).collect();
    let note = match busy.len() {
        0 => format!("no {what}"),
        count => format!("{}, {longest} {longest_time:.0} s", counted(count, what)),
    };
    let rows = over.iter().take(EVIDENCE).map(|busy| session_row(&busy.session)).collect();
    let hidden = (hidden > 0).then(|| hidden_sessions(hidden));
    Sample { rows, note, hidden, ..Sample::default() }.with(metric, rounded(longest_time)).with("count", over.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(age: f64) -> Busy {
        Busy { session: Session { age, pid: 7, role: "ml".into(), ..Session::default() }, transaction: age }
    }

    #[test]
    fn the_longest_is_measured_and_only_what_is_over_the_limit_is_shown() {
        let sample = longest(&[at(400.0), at(301.0), at(3.0)], 0, 300.0, "longest", "statement", "the longest for");
        assert_eq!((sample.values["longest"].clone(), sample.values["count"].clone()), (400.0.into(), 2usize.into()));
        assert_eq!(sample.rows.len(), 2);
        assert_eq!(sample.note, "3 statements, the longest for 400 s");
        let none = longest(&[], 2, 300.0, "longest", "statement", "");
        assert_eq!(none.values["longest"], 0.0.into());
        assert!(none.hidden.unwrap().starts_with("2 sessions of others"));
    }
}
