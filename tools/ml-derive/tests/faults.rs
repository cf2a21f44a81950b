//! Nights that go wrong.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{Cluster, Output, Running, TestDb, Tool, ledger};
use serde_json::json;
use support::{count, derive, empty, metric, night, number, rows, verify};

#[test]
fn a_ledger_of_the_first_generation_is_refused() {
    let db = Cluster::shared().database("first");
    ledger::first_generation(&mut db.client());
    let output = derive(&db, &[]).run().expect_code(2);
    let end = output.end();
    assert!(end["summary"].as_str().unwrap().contains("first generation") && end["hint"].as_str().unwrap().contains("ml-migrate"), "{end}");
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs"), 2, "no run of ours");
}

#[test]
fn what_is_no_ledger_is_refused() {
    let db = Cluster::shared().database("nothing");
    let output = derive(&db, &[]).run().expect_code(2);
    assert!(output.end()["hint"].as_str().unwrap().contains("ml-migrate up"), "{}", output.stdout);
    let gone = Tool::new("ml-derive").env("DATABASE_URL", format!("{}_gone", db.url())).arg("--no-input").run().expect_code(2);
    assert!(gone.end()["hint"].is_string(), "{}", gone.stdout);
    let port = ml_tests::closed_port();
    let down = Tool::new("ml-derive").env("DATABASE_URL", format!("postgres://ml:secret@127.0.0.1:{port}/x")).arg("--no-input").run();
    let down = down.expect_code(2);
    assert!(!down.stdout.contains("secret") && !down.stderr.contains("secret"));
}

#[test]
fn a_reader_may_not_derive_but_may_plan() {
    let db = empty("reader");
    let url = db.read_only_url();
    let output = Tool::new("ml-derive").env("DATABASE_URL", &url).arg("--no-input").run().expect_code(2);
    assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    let planned = Tool::new("ml-derive").env("DATABASE_URL", &url).args(["--no-input", "--dry-run"]).run().expect_code(0);
    assert!(metric(planned.end(), "new_statements") > 0);
}

#[test]
fn nonsense_in_limits_and_axioms() {
    let db = empty("nonsense");
    derive(&db, &[]).env("DERIVE_STEPS", "many").run().expect_code(0);
    let tool = || Tool::new("ml-derive").env("DATABASE_URL", db.url()).arg("--no-input");
    for (key, value) in
        [("DERIVE_STEPS", "many"), ("DERIVE_MAX_TOTAL", "0"), ("DERIVE_AXIOMS", "frge"), ("DERIVE_AXIOMS", "p->"), ("QUEUE_MAX", "x")]
    {
        let output = tool().env(key, value).run().expect_code(78);
        assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    }
    for args in [["--steps", "0"], ["--max-total", "x"], ["--depth-max", "-1"], ["--max-length", "9"]] {
        tool().raw().args(args).run().expect_code(64);
    }
    tool().args(["--axioms", "frge"]).run().expect_code(64);
    tool().raw().args(["--output", "raw"]).run().expect_code(64);
    assert_eq!(count(&db, "runs"), 1, "nonsense is found before anything begins");
}

#[test]
fn a_failed_gate_stops_the_night() {
    let db = empty("gate");
    let record = |kind: &str, status: &str, more: serde_json::Value| {
        let mut record = json!({ "v": 1, "tool": "ml-health", "stage": "ml-health.1", "system": "mathledger", "run": "r", "ts": "2025-01-08T02:00:00.000Z",
            "host": "h", "kind": kind, "status": status });
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let upstream = [
        record("start", "ok", json!({ "planned_ids": [], "dry_run": false })),
        record("check", "crit", json!({ "id": "ledger.chain", "gate": true, "summary": "broken" })),
        record("end", "crit", json!({ "exit": 5, "records": 3, "duration_ms": 1 })),
    ];
    let output = Tool::new("ml-derive").env("DATABASE_URL", db.url()).stdin_records(&upstream).run().expect_code(5);
    assert_eq!((output.end()["status"].as_str(), output.end()["exit"].as_i64()), (Some("skipped"), Some(1)));
    assert_eq!(output.end()["blocked_by"], "ledger.chain");
    assert_eq!((count(&db, "statements"), count(&db, "runs")), (0, 0));
}

#[test]
fn a_second_night_at_the_same_time_is_turned_away() {
    let db = empty("lock");
    let mut blocker = db.client();
    let mut held = blocker.transaction().unwrap();
    held.batch_execute("LOCK TABLE statements IN ACCESS EXCLUSIVE MODE").unwrap();
    let first = derive(&db, &[]).env("LOCK_TIMEOUT_MS", "60000").spawn();
    wait_for_run(&db);
    let second = derive(&db, &[]).run().expect_code(75);
    assert!(second.end()["summary"].as_str().unwrap().contains("ml-derive"), "{}", second.stdout);
    held.rollback().unwrap();
    assert_eq!(night(&first.wait().expect_code(0)).0, 100);
    assert_eq!(count(&db, "runs"), 1);
}

/// Waits until a night has recorded that it begins.
fn wait_for_run(db: &ml_tests::TestDb) {
    let mut client = db.client();
    for _ in 0..2000 {
        if number(&mut client, "SELECT count(*) FROM runs WHERE status = 'running'") > 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no run began");
}

/// Holds a night up where it writes: another session holds the table of blocks, so that statements and proofs are in already. `meanwhile` then
/// makes it end, or says that the night is to go on and find out for itself; nothing of it may be left but its run.
fn held_up_while_writing(db: &TestDb, args: &[&str], meanwhile: impl FnOnce(&Running, &mut postgres::Client) -> bool) -> Output {
    derive(db, &[]).run().expect_code(0);
    let before: Vec<String> = rows(db).into_iter().filter(|row| !row.starts_with("runs")).collect();
    let mut blocker = db.client();
    let mut held = blocker.transaction().unwrap();
    held.batch_execute("LOCK TABLE blocks IN ACCESS EXCLUSIVE MODE").unwrap();
    let night = derive(db, args).env("LOCK_TIMEOUT_MS", "60000").spawn();
    let waiting = "SELECT count(*) FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE c.relname = 'blocks' AND NOT l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let mut client = db.client();
    until(&mut client, waiting, 1);
    let output = match meanwhile(&night, &mut client) {
        true => {
            held.rollback().unwrap();
            night.wait()
        }
        false => {
            let output = night.wait();
            held.rollback().unwrap();
            output
        }
    };
    // The server notices that the session is gone in its own time.
    until(&mut client, SESSIONS, 0);
    let after: Vec<String> = rows(db).into_iter().filter(|row| !row.starts_with("runs")).collect();
    assert_eq!(before, after, "nothing half-written");
    output
}

const SESSIONS: &str = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ml-derive%' AND datname = current_database()";

fn until(client: &mut postgres::Client, sql: &str, wanted: i64) {
    for _ in 0..3000 {
        if number(client, sql) == wanted {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("it never came to {wanted}: {sql}");
}

/// The same by a signal.
fn stopped_while_writing(hint: &str, signal: i32) -> TestDb {
    let db = empty(hint);
    let output = held_up_while_writing(&db, &[], |night, _| {
        night.signal(signal);
        false
    });
    assert_eq!(output.code, 128 + signal, "{}\n{}", output.stdout, output.stderr);
    db
}

#[test]
fn a_deadline_discards_what_is_not_committed() {
    let db = empty("deadline");
    let output = held_up_while_writing(&db, &["--deadline", "3s"], |_, _| false);
    assert_eq!(output.code, 143, "{}\n{}", output.stdout, output.stderr);
    assert!(output.stderr.contains("deadline") && output.record("step", "stock")["rows"] == 100, "{}", output.stderr);
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed' AND metadata->>'reason' = 'terminated'"), 1);
    // The next night finds what the aborted one would have, and is what it would have been.
    let undisturbed = empty("undisturbed");
    (0..2).for_each(|_| drop(derive(&undisturbed, &[]).run().expect_code(0)));
    assert_eq!(night(&derive(&db, &[]).run().expect_code(0)), (100, "total"));
    let root =
        |db: &TestDb| db.client().query_one("SELECT merkle_root FROM blocks WHERE block_number = 2", &[]).unwrap().get::<_, String>(0);
    assert_eq!(root(&db), root(&undisturbed));
    verify(&db);
}

#[test]
fn a_night_that_has_lost_its_lock_keeps_nothing() {
    let db = empty("lost");
    let output = held_up_while_writing(&db, &[], |_, client| {
        let holder = "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
        assert_eq!(number(client, holder), 1);
        true
    });
    assert_eq!(output.code, 2, "{}\n{}", output.stdout, output.stderr);
    let end = output.end();
    assert!(end["summary"].as_str().unwrap().contains("the lock ml-derive"), "{end}");
    assert_eq!(
        number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed' AND metadata->>'reason' LIKE '%lock ml-derive%'"),
        1
    );
    assert_eq!(night(&derive(&db, &[]).run().expect_code(0)), (100, "total"));
    verify(&db);
}

#[test]
fn a_killed_night_leaves_nothing_and_the_next_says_so() {
    let db = stopped_while_writing("kill", 9);
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'running'"), 1);
    assert_eq!(night(&derive(&db, &[]).run().expect_code(0)), (100, "total"));
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed' AND metadata ? 'reason'"), 1);
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'completed'"), 2);
    verify(&db);
}

#[test]
fn an_interrupted_night_leaves_nothing_but_its_run() {
    let db = stopped_while_writing("int", 2);
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed' AND metadata->>'reason' = 'interrupted'"), 1);
    assert_eq!(night(&derive(&db, &[]).run().expect_code(0)), (100, "total"));
    verify(&db);
}

#[test]
fn a_statement_that_takes_too_long_fails_the_run() {
    let db = empty("slow");
    let mut blocker = db.client();
    let mut held = blocker.transaction().unwrap();
    held.batch_execute("LOCK TABLE statements IN ACCESS EXCLUSIVE MODE").unwrap();
    let output = derive(&db, &[]).env("STATEMENT_TIMEOUT_MS", "300").run().expect_code(2);
    assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    held.rollback().unwrap();
    assert_eq!(number(&mut db.client(), "SELECT count(*) FROM runs WHERE status = 'failed'"), 1);
}
