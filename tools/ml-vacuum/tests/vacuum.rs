//! Vacuuming: dead rows really go, others are not waited for, and what could not be done is explained.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod support;

use ml_tests::{Cluster, Tool, closed_port, ledger};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use support::{night, vacuum};

fn metric(step: &Value, name: &str) -> i64 {
    step["metrics"][name].as_i64().unwrap()
}

/// A thousand dead rows in `proofs`, known to the statistics, which no autovacuum may take away first.
fn with_dead_rows(client: &mut postgres::Client) {
    client
        .batch_execute(
            "ALTER TABLE proofs SET (autovacuum_enabled = off);
             INSERT INTO proofs (statement_id, prover, success) SELECT id, repeat('x', 100), true FROM statements, generate_series(1, 200);
             DELETE FROM proofs WHERE prover LIKE 'xxx%'",
        )
        .unwrap();
    client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
}

#[test]
fn dead_rows_go_in_both_generations() {
    for (make, hint) in [(ledger::first_generation as fn(&mut postgres::Client), "first"), (ledger::second_generation, "second")] {
        let db = Cluster::shared().database(hint);
        make(&mut db.client());
        with_dead_rows(&mut db.client());
        let output = vacuum(&db).run().expect_code(0);
        let step = output.record("step", "vacuum.proofs");
        assert_eq!((step["rows"].as_i64(), metric(step, "dead_before"), metric(step, "dead_after")), (Some(1400), 1400, 0), "{step}");
        assert_eq!((metric(step, "live_after"), step["reason"].as_str()), (7, Some("1400 dead rows, 99%")));
        assert!(metric(step, "bytes_after") < metric(step, "bytes_before") && step["bytes"] == step["metrics"]["bytes_after"]);
        let sum = metric(step, "heap_bytes") + metric(step, "toast_bytes") + metric(step, "index_bytes");
        let size: i64 = db.client().query_one("SELECT pg_total_relation_size('proofs')", &[]).unwrap().get(0);
        assert_eq!((sum, size), (metric(step, "bytes_after"), metric(step, "bytes_after")));
        let analysed = "SELECT count(*) FROM pg_stat_user_tables WHERE vacuum_count = 0 OR analyze_count = 0";
        assert_eq!(db.client().query_one(analysed, &[]).unwrap().get::<_, i64>(0), 0);
        assert_eq!(output.end()["metrics"]["vacuumed"], output.kind("step").filter(|step| step["status"] == "ok").count());
    }
}

#[test]
fn what_was_pruned_is_vacuumed_in_the_same_run() {
    let db = Cluster::shared().database("same");
    ledger::second_generation(&mut db.client());
    db.client().batch_execute("ALTER TABLE proofs SET (autovacuum_enabled = off)").unwrap();
    let output = vacuum(&db).args(["--set", "PRUNE_FAILED_PROOFS_DAYS=30"]).run().expect_code(0);
    let step = output.record("step", "vacuum.proofs");
    assert_eq!((metric(step, "dead_before"), metric(step, "dead_after"), metric(step, "live_after")), (2, 0, 5), "{step}");
    assert!(output.kind("check").next().is_none());
}

#[test]
fn it_is_left_out_when_the_settings_say_so() {
    let db = Cluster::shared().database("off");
    ledger::second_generation(&mut db.client());
    let output = vacuum(&db).args(["--set", "VACUUM_ANALYZE=false"]).run().expect_code(0);
    let step = output.record("step", "vacuum");
    assert_eq!((step["status"].as_str(), step["reason"].as_str()), (Some("skipped"), Some("VACUUM_ANALYZE is false")));
    assert_eq!(output.kind("step").count(), 2);
}

#[test]
fn a_locked_table_is_told_with_its_holder_and_the_others_are_done() {
    let db = Cluster::shared().database("locked");
    ledger::second_generation(&mut db.client());
    let mut holder = db.client();
    holder.batch_execute("SET application_name = 'the holder'; BEGIN; LOCK TABLE blocks; LOCK TABLE runs IN SHARE MODE").unwrap();
    let output = vacuum(&db).run().expect_code(1);
    for table in ["vacuum.blocks", "vacuum.runs"] {
        let step = output.record("step", table);
        assert!(step["status"] == "warn" && step["reason"].as_str().unwrap().contains("the holder (server process"), "{step}");
        assert!(step["hint"].as_str().unwrap().contains("pg_terminate_backend"));
    }
    assert_eq!(output.record("step", "vacuum.statements")["status"], "ok");
    assert_eq!((output.end()["status"].as_str(), output.end()["exit"].as_i64()), (Some("warn"), Some(1)));
    vacuum(&db).args(["--fail-on", "crit"]).run().expect_code(0);
    holder.batch_execute("ROLLBACK").unwrap();
    vacuum(&db).run().expect_code(0);
}

#[test]
fn a_role_without_the_right_is_told() {
    let db = Cluster::shared().database("right");
    ledger::second_generation(&mut db.client());
    let role = db.role("partial", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; ALTER TABLE symbols OWNER TO {role}");
    let output = vacuum(&db).env("DATABASE_URL", db.url_as(&role.name, &role.password)).run().expect_code(0);
    let step = output.record("step", "vacuum.proofs");
    assert!(step["status"] == "skipped" && step["hint"].as_str().unwrap().contains("owner"), "{step}");
    assert_eq!(
        (output.record("step", "vacuum.symbols")["status"].as_str(), output.end()["metrics"]["vacuumed"].as_i64()),
        (Some("ok"), Some(1))
    );
    let none = vacuum(&db).env("DATABASE_URL", db.read_only_url()).run().expect_code(1);
    assert_eq!(none.end()["status"], "warn");
}

#[test]
fn an_old_snapshot_is_named_when_dead_rows_stay() {
    let db = Cluster::shared().database("horizon");
    ledger::second_generation(&mut db.client());
    let mut reader = db.client();
    reader.batch_execute("SET application_name = 'a long report'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1").unwrap();
    reader.query("SELECT count(*) FROM proofs", &[]).unwrap();
    with_dead_rows(&mut db.client());
    let output = vacuum(&db).run().expect_code(0);
    assert_eq!(metric(output.record("step", "vacuum.proofs"), "dead_after"), 1400);
    let check = output.record("check", "vacuum.horizon");
    let summary = check["summary"].as_str().unwrap();
    assert!(check["status"] == "ok" && summary.contains("the transaction a long report of role ml"), "{check}");
    assert!(check["hint"].as_str().unwrap().contains("pg_terminate_backend") && check["warn"].is_number() && check["value"].is_number());
    reader.batch_execute("COMMIT").unwrap();
    let output = vacuum(&db).run().expect_code(0);
    assert!(metric(output.record("step", "vacuum.proofs"), "dead_after") == 0 && output.kind("check").next().is_none());
}

#[test]
fn any_database_can_be_vacuumed() {
    let db = Cluster::shared().database("other");
    let tables = "CREATE TABLE notes (id int); CREATE SCHEMA \"Odd \"\"one\"; CREATE TABLE \"Odd \"\"one\".\"a b\" (id int); CREATE VIEW v AS SELECT 1;
        CREATE MATERIALIZED VIEW m AS SELECT 1 AS x";
    db.client().batch_execute(tables).unwrap();
    let output = vacuum(&db).args(["--set", "PRUNE_FAILED_PROOFS_DAYS=1"]).run().expect_code(0);
    let mut done: Vec<&str> = output.kind("step").filter(|step| step["status"] == "ok").map(|step| step["id"].as_str().unwrap()).collect();
    done.sort_unstable();
    assert_eq!(done, ["vacuum.Odd \"one.a b", "vacuum.m", "vacuum.notes"]);
    let prune = output.record("step", "prune.proofs");
    assert!(prune["status"] == "skipped" && prune["reason"].as_str().unwrap().contains("no ledger"), "{prune}");
}

#[test]
fn a_failed_gate_stops_it_and_a_failed_tool_does_not() {
    let db = Cluster::shared().database("gates");
    ledger::second_generation(&mut db.client());
    let gate = night("ml-health", &[("check", "crit", json!({"id": "ledger.chain", "gate": true}))], "crit", json!({"exit": 5}));
    let output = vacuum(&db).stdin_records(&gate).run().expect_code(5);
    let end = output.end();
    assert_eq!(
        (end["status"].as_str(), end["exit"].as_i64(), end["blocked_by"].as_str()),
        (Some("skipped"), Some(1), Some("ledger.chain"))
    );
    assert_eq!(output.kind("step").count(), 0);
    let output = vacuum(&db).args(["--after", "any"]).stdin_records(&gate).run().expect_code(5);
    assert_eq!(output.end()["exit"], 0);
    let failed = night("ml-derive", &[], "crit", json!({"exit": 2, "error_class": "database"}));
    let output = vacuum(&db).stdin_records(&failed).run().expect_code(2);
    assert_eq!((output.end()["exit"].as_i64(), output.record("step", "vacuum.proofs")["status"].as_str()), (Some(0), Some("ok")));
}

#[test]
fn a_dry_run_changes_nothing() {
    let db = Cluster::shared().database("dry");
    ledger::second_generation(&mut db.client());
    with_dead_rows(&mut db.client());
    let output = vacuum(&db).args(["--dry-run", "--set", "PRUNE_FAILED_PROOFS_DAYS=30"]).run().expect_code(0);
    let step = output.record("step", "vacuum.proofs");
    assert_eq!((step["status"].as_str(), metric(step, "dead_before")), (Some("planned"), 1400));
    let prune = output.record("step", "prune.proofs");
    assert_eq!((prune["status"].as_str(), prune["rows"].as_i64()), (Some("planned"), Some(2)));
    let untouched = "SELECT (SELECT count(*) FROM proofs), (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = 'proofs')";
    let row = db.client().query_one(untouched, &[]).unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), output.end()["status"].as_str()), (7, 1400, Some("planned")));
}

#[test]
fn faults_have_their_codes_and_hints() {
    let db = Cluster::shared().database("faults");
    ledger::second_generation(&mut db.client());
    let down = format!("postgresql://ml@127.0.0.1:{}/x", closed_port());
    let nowhere = db.url().replace(db.name(), "no_such_database");
    let wrong = db.url_as("ml", "wr0ng-secret");
    for (url, set, code) in [
        (down.as_str(), "SYSTEM=x", 2),
        (&wrong, "SYSTEM=x", 2),
        (&nowhere, "SYSTEM=x", 2),
        (&db.url(), "VACUUM_ANALYZE=perhaps", 78),
        (&db.url(), "PRUNE_FAILED_PROOFS_DAYS=soon", 78),
    ] {
        let output = vacuum(&db).env("DATABASE_URL", url).args(["--set", set]).run().expect_code(code);
        assert!(output.end()["hint"].is_string() && output.stderr.contains("hint: "), "{}", output.stderr);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("wr0ng-secret"));
    }
    Tool::new("ml-vacuum").args(["--batch-size", "0"]).raw().run().expect_code(64);
    Tool::new("ml-vacuum").arg("--help").raw().run().expect_code(0);
}

#[test]
fn two_at_once_do_not_happen() {
    let db = Cluster::shared().database("twice");
    ledger::second_generation(&mut db.client());
    // The first one is stopped in its prune by a lock on proofs.
    let mut holder = db.client();
    holder.batch_execute("BEGIN; LOCK TABLE proofs").unwrap();
    let mut first = vacuum(&db).args(["--set", "PRUNE_FAILED_PROOFS_DAYS=1", "--set", "LOCK_TIMEOUT_MS=60000"]).spawn();
    first.wait_for_stdout("\"start\"");
    let deadline = Instant::now() + Duration::from_secs(60);
    while holder.query_one("SELECT count(*) FROM pg_locks WHERE NOT granted", &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < deadline, "it does not come to the lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    let second = vacuum(&db).run().expect_code(75);
    assert!(second.end()["summary"].as_str().unwrap().contains("ml-vacuum"));
    first.signal(2);
    let first = first.wait().expect_code(130);
    assert_eq!(first.end()["exit"], 130);
}
