//! Verdicts on the PostgreSQL server.

use super::{counted, not_above, percent};
use crate::check::Finding;
use crate::limits::{CONNECTIONS, LONG_QUERY};
use ml_common::Status;
use ml_common::people::human_bytes;
use std::time::Duration;

/// The oldest major version that still got fixes when this was written.
const OLDEST_MAJOR: i32 = 14;
/// So many offending rows travel with a finding.
const EVIDENCE: usize = 10;

/// What may keep a derivation from writing.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// The role.
    pub role: String,
    /// The server is a standby.
    pub in_recovery: bool,
    /// Server, database or role make transactions read-only.
    pub read_only: bool,
    /// There is a ledger to write into.
    pub ledger: bool,
    /// What the role lacks: `INSERT on statements`.
    pub lacking: Vec<String>,
}

/// A session with `target` opened after `took`.
pub fn connect(target: &str, took: Duration) -> Finding {
    let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    Finding::ok(format!("connected to {target} in {ms} ms")).value(ms, "ms")
}

/// Whether a derivation could write.
pub fn writable(rights: &Rights) -> Finding {
    if rights.in_recovery {
        return Finding::bad(Status::Crit, "the server is a standby and takes no writes", "name the primary in DATABASE_URL");
    }
    if rights.read_only {
        let hint =
            "look where default_transaction_read_only is on: ALTER SYSTEM, ALTER DATABASE, ALTER ROLE, or the options in DATABASE_URL";
        return Finding::bad(Status::Crit, format!("transactions of {} are read-only", rights.role), hint);
    }
    if !rights.lacking.is_empty() {
        let summary = format!("{} may not write the ledger: it lacks {}", rights.role, rights.lacking.join(", "));
        return Finding::bad(Status::Crit, summary, "connect as the ledger's owner, or GRANT the role what it lacks");
    }
    let what = if rights.ledger { "may write the ledger" } else { "may write; there is no ledger yet" };
    Finding::ok(format!("{} {what}", rights.role))
}

/// `number` is server_version_num, 150018; `name` is what the server calls it.
pub fn version(number: i32, name: &str) -> Finding {
    let finding = Finding::ok(format!("PostgreSQL {name}")).value(number, "").label("version", name);
    if number / 10_000 >= OLDEST_MAJOR {
        return finding;
    }
    let hint = format!("plan an upgrade to PostgreSQL {OLDEST_MAJOR} or later: older ones get no fixes");
    Finding { status: Some(Status::Warn), hint: Some(hint), ..finding }
}

/// Size of the database.
pub fn size(bytes: u64) -> Finding {
    Finding::ok(human_bytes(bytes)).value(bytes, "bytes")
}

/// `used` of the `limit` connections that ordinary roles share.
pub fn connections(used: u64, limit: u64) -> Finding {
    let Some(share) = percent(used, limit) else {
        return Finding::bad(Status::Crit, "no connection is left for ordinary roles", "raise max_connections or lower the reserved ones");
    };
    let finding =
        Finding::ok(format!("{used} of {limit} connections in use")).value(share, "%").metric("used", used).metric("limit", limit);
    not_above(finding, share, (CONNECTIONS.0, Some(CONNECTIONS.1)), "end idle sessions, use a pooler, or raise max_connections")
}

/// A session as pg_stat_activity shows it.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Server process.
    pub pid: i32,
    /// Seconds since its query began.
    pub age: f64,
    /// `active`.
    pub state: String,
    /// What it calls itself.
    pub application: String,
    /// Its role.
    pub role: String,
    /// Its query, of which only harmless words are shown.
    pub query: String,
}

/// Queries that run for long, the longest first; `hidden` sessions could not be looked into.
pub fn long_queries(long: &[Session], hidden: u64) -> Finding {
    let minutes = LONG_QUERY.as_secs() / 60;
    if long.is_empty() && hidden > 0 {
        let hint = "GRANT pg_read_all_stats (or pg_monitor) to the role";
        let reason = format!("skipped: privilege: {} of others cannot be looked into", counted(hidden, "session"));
        return Finding { hint: Some(hint.into()), error_class: Some("privilege".into()), ..Finding::skipped(reason) };
    }
    let Some(longest) = long.iter().map(|session| session.age).reduce(f64::max) else {
        return not_above(Finding::ok(format!("no query over {minutes} minutes")).value(0u64, ""), 0.0, (0.0, None), "");
    };
    let count = long.len() as u64;
    let queries = if count == 1 { "1 query runs".to_owned() } else { format!("{count} queries run") };
    let finding = Finding::ok(format!("{queries} for more than {minutes} minutes, the longest for {}", minutes_of(longest)));
    let finding = finding.value(count, "").metric("longest_seconds", longest.round());
    let hint = "look at it in pg_stat_activity; SELECT pg_cancel_backend(PID) ends the query, pg_terminate_backend(PID) the session";
    let evidence = long.iter().take(EVIDENCE).map(session_row).collect();
    Finding { evidence, ..not_above(finding, count as f64, (0.0, None), hint) }
}

fn minutes_of(seconds: f64) -> String {
    if seconds < 7200.0 { format!("{:.0} minutes", seconds / 60.0) } else { format!("{:.1} hours", seconds / 3600.0) }
}

/// `pid 7, 9000 s, active, role ml, application 'psql', SELECT`: of the query only harmless words.
pub fn session_row(session: &Session) -> String {
    let Session { pid, age, state, application, role, query } = session;
    let words = first_words(query);
    format!("pid {pid}, {age:.0} s, {state}, role {role}, application '{application}', {words}").trim_end_matches(", ").to_owned()
}

/// The words that a statement begins with, three at most. Only plain words: literals and comments can be data.
fn first_words(query: &str) -> String {
    let plain = |word: &&str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphabetic() || c == '_');
    let words: Vec<&str> = query.split_whitespace().take_while(plain).take(3).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(edit: impl Fn(&mut Rights)) -> Finding {
        let mut rights = Rights { role: "ml".into(), ledger: true, ..Rights::default() };
        edit(&mut rights);
        writable(&rights)
    }

    #[test]
    fn a_standby_a_read_only_session_and_a_missing_grant_are_critical() {
        assert_eq!(rights(|_| ()).status(), Status::Ok);
        assert_eq!(rights(|r| r.in_recovery = true).status(), Status::Crit);
        assert_eq!(rights(|r| r.read_only = true).status(), Status::Crit);
        let lacking = rights(|r| r.lacking = vec!["INSERT on statements".into(), "UPDATE on runs".into()]);
        assert_eq!(lacking.status(), Status::Crit);
        assert_eq!(lacking.summary, "ml may not write the ledger: it lacks INSERT on statements, UPDATE on runs");
        assert!(rights(|r| r.ledger = false).summary.contains("no ledger yet"));
    }

    #[test]
    fn a_version_without_fixes_is_a_warning() {
        for (number, status) in [(130_022, Status::Warn), (140_000, Status::Ok), (150_018, Status::Ok), (180_000, Status::Ok)] {
            assert_eq!(version(number, "x").status(), status, "{number}");
        }
    }

    #[test]
    fn connections_are_judged_by_their_share() {
        for (used, limit, status) in [
            (0, 97, Status::Ok),
            (80, 100, Status::Ok),
            (81, 100, Status::Warn),
            (95, 100, Status::Warn),
            (96, 100, Status::Crit),
            (120, 100, Status::Crit),
            (1, 0, Status::Crit),
        ] {
            let finding = connections(used, limit);
            assert_eq!(finding.status(), status, "{used}/{limit}");
            assert_eq!(finding.hint.is_some(), status != Status::Ok);
        }
    }

    #[test]
    fn long_queries_are_told_with_their_rows_and_without_their_data() {
        let session = |pid, age, query: &str| Session {
            pid,
            age,
            state: "active".into(),
            application: "psql".into(),
            role: "ml".into(),
            query: query.into(),
        };
        assert_eq!(long_queries(&[], 0).status(), Status::Ok);
        let finding = long_queries(&[session(7, 9000.0, "SELECT 'secret' FROM t"), session(8, 301.0, "VACUUM (FULL) t")], 3);
        assert_eq!((finding.status(), finding.value.clone()), (Status::Warn, Some(2u64.into())));
        assert_eq!(finding.summary, "2 queries run for more than 5 minutes, the longest for 2.5 hours");
        assert_eq!(finding.evidence[0], "pid 7, 9000 s, active, role ml, application 'psql', SELECT");
        assert_eq!(finding.evidence[1], "pid 8, 301 s, active, role ml, application 'psql', VACUUM");
        assert_eq!(long_queries(&[session(7, 600.0, "")], 0).summary, "1 query runs for more than 5 minutes, the longest for 10 minutes");
    }

    #[test]
    fn what_is_hidden_is_never_ok() {
        let finding = long_queries(&[], 2);
        assert_eq!((finding.status(), finding.error_class), (Status::Skipped, Some("privilege".into())));
        assert!(finding.summary.starts_with("skipped: privilege"));
    }

    #[test]
    fn only_plain_words_are_shown() {
        for (query, words) in [
            ("INSERT INTO statements (hash) VALUES ('x')", "INSERT INTO statements"),
            ("SELECT pg_sleep(400)", "SELECT"),
            ("/* token=abc */ SELECT 1", ""),
            ("-- abc\nSELECT 1", ""),
            ("UPDATE \"t\" SET x = 1", "UPDATE"),
            ("", ""),
        ] {
            assert_eq!(first_words(query), words, "{query}");
        }
    }
}
