//! One session, opened when needed and mended; nothing that it runs writes, or lasts longer than its look.

use super::*;
use ml_common::Class;
use ml_tests::Cluster;
use std::time::Duration;

#[test]
fn one_session_serves_all_looks_and_a_new_one_is_opened_when_it_was_ended() {
    let db = Cluster::shared().database("kept");
    let mut probing = monitor(&db);
    let first = seen(&mut probing, "connect", &[]);
    assert_eq!((first.values["opened"].clone(), first.values["standby"].clone()), (true.into(), false.into()));
    assert!(number(&first, "ms") >= number(&first, "query_ms") && number(&first, "version") >= 120_000.0, "{first:?}");
    let second = seen(&mut probing, "connect", &[]);
    assert_eq!(second.values["opened"], false.into());
    let ours = "FROM pg_stat_activity WHERE application_name = 'ml-health test' AND datname = current_database()";
    let sessions: i64 = db.superuser().query_one(&format!("SELECT count(*) {ours}"), &[]).unwrap().get(0);
    assert_eq!(sessions, 1);
    db.superuser().execute(&format!("SELECT pg_terminate_backend(pid) {ours}"), &[]).unwrap();
    let third = seen(&mut probing, "connect", &[]);
    assert_eq!(third.values["opened"], true.into(), "{third:?}");
    assert!(number(&seen(&mut probing, "size", &[]), "bytes") > 0.0);
}

#[test]
fn what_refuses_once_is_asked_once_a_tick() {
    let db = Cluster::shared().database("refused");
    let role = db.role("limited", "ALTER ROLE {role} CONNECTION LIMIT 0");
    let mut probing = Probing::open(&KIND, &[("url", text(db.url_as(&role.name, &role.password)))]);
    let first = failed(probing.take("connect", &[]));
    assert!(first.class == Class::Database && !first.message.contains(&role.password), "{first:?}");
    db.superuser().batch_execute(&format!("ALTER ROLE {} CONNECTION LIMIT 5", role.name)).unwrap();
    assert_eq!(failed(probing.take_in_tick("size", &[])), first);
    assert!(number(&seen(&mut probing, "size", &[]), "bytes") > 0.0, "the next tick tries again");
}

#[test]
fn a_statement_ends_with_its_look() {
    let db = Cluster::shared().database("limit");
    let mut probing = monitor(&db);
    seen(&mut probing, "connect", &[]);
    probing.limit = Duration::from_millis(200);
    let slow = failed(probing.take("query", &[("sql", text("SELECT pg_sleep(60)"))]));
    assert!(slow.message.contains("57014"), "{slow:?}");
    // The next look has its own time.
    probing.limit = Duration::from_secs(20);
    let sample = seen(
        &mut probing,
        "query",
        &[("sql", text("SELECT current_setting('statement_timeout') AS s, current_setting('lock_timeout') AS l"))],
    );
    for name in ["s", "l"] {
        let shown = sample.values[name].to_string();
        assert!(shown.ends_with("ms") || shown == "20s", "{shown}");
        let ms = shown.trim_end_matches("ms").parse().unwrap_or(20_000.0);
        assert!((15_000.0..=20_000.0).contains(&ms), "{shown}");
    }
}

#[test]
fn a_look_can_be_ended_from_outside() {
    let db = Cluster::shared().database("aborted");
    let mut probing = monitor(&db);
    seen(&mut probing, "connect", &[]);
    let abort = probing.abort.clone();
    let pending =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(61)%' AND state = 'active' AND datname = current_database()
        AND pid <> pg_backend_pid()";
    let mut watcher = db.superuser();
    let ended = std::thread::spawn(move || {
        while watcher.query_one(pending, &[]).unwrap().get::<_, i64>(0) == 0 {
            std::thread::sleep(Duration::from_millis(10));
        }
        abort.lock().unwrap().as_ref().unwrap()();
    });
    let cancelled = failed(probing.take("query", &[("sql", text("SELECT pg_sleep(61)"))]));
    assert!(cancelled.message.contains("57014"), "{cancelled:?}");
    ended.join().unwrap();
}

#[test]
fn a_query_of_the_profile_reads_and_leaves_nothing_behind() {
    let db = Cluster::shared().database("query");
    db.client()
        .batch_execute("CREATE TABLE t (id int, made timestamptz); INSERT INTO t VALUES (1, '2025-01-08T02:00:00Z'), (2, NULL)")
        .unwrap();
    let mut probing = monitor(&db);
    let mut ask = |sql: &str| probing.take("query", &[("sql", text(sql))]);
    let sample = ask(
        "SELECT count(*) AS rows, sum(id::bigint) AS total, 12.5::numeric AS share, max(made) AS newest, NULL::int AS none, 'x' AS word,
        true AS yes FROM t",
    )
    .unwrap();
    assert_eq!((number(&sample, "rows"), number(&sample, "total"), number(&sample, "share")), (2.0, 3.0, 12.5));
    assert_eq!((sample.values["newest"].clone(), sample.values["word"].clone()), ("2025-01-08T02:00:00Z".into(), "x".into()));
    assert!(!sample.values.contains_key("none") && sample.values["yes"] == true.into());
    assert_eq!(number(&ask("SELECT id FROM generate_series(1, 10000000) AS id").unwrap(), "id"), 1.0, "only the first row is fetched");
    assert!(ask("SELECT 1 WHERE false").unwrap().values.is_empty());
    for (sql, code) in [
        ("INSERT INTO t VALUES (3)", "25006"),
        ("SELECT 1; DROP TABLE t", "42601"),
        ("WITH gone AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM gone", "25006"),
    ] {
        let failure = failed(ask(sql));
        assert!(failure.message.contains(code), "{sql}: {failure:?}");
    }
    ask("SELECT set_config('default_transaction_read_only', 'off', false), set_config('search_path', 'x', false)").unwrap();
    assert!(failed(ask("INSERT INTO t VALUES (3)")).message.contains("25006"), "what a query sets ends with it");
    let cast = failed(ask("SELECT now()::date AS today"));
    assert!(cast.class == Class::Config && cast.hint.unwrap().contains("today::text"));
    assert_eq!(number(&ask("SELECT count(*) AS n FROM t").unwrap(), "n"), 2.0);
}

#[test]
fn another_database_of_the_server_can_be_meant() {
    let (one, other) = (Cluster::shared().database("one"), Cluster::shared().database("other"));
    let mut probing = Probing::open(&KIND, &[("url", text(one.url())), ("database", text(other.name()))]);
    let sample = seen(&mut probing, "query", &[("sql", text("SELECT current_database()::text AS name"))]);
    assert_eq!(sample.values["name"], other.name().into());
}
