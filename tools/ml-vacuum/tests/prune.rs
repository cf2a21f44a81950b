//! Pruning: exactly the failed proofs past their time, only where and when it is allowed, waiting for nobody.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod support;

use ml_tests::{Cluster, TestDb, Tool, ledger};
use serde_json::json;
use support::{night, vacuum};

fn ledger_of(make: fn(&mut postgres::Client), hint: &str) -> TestDb {
    let db = Cluster::shared().database(hint);
    make(&mut db.client());
    db
}

fn second(hint: &str) -> TestDb {
    ledger_of(ledger::second_generation, hint)
}

fn pruning(db: &TestDb, days: u32) -> Tool {
    vacuum(db).env("VACUUM_ANALYZE", "false").env("PRUNE_FAILED_PROOFS_DAYS", days.to_string())
}

fn number(db: &TestDb, sql: &str) -> i64 {
    db.client().query_one(sql, &[]).unwrap().get(0)
}

fn proofs(db: &TestDb) -> i64 {
    number(db, "SELECT count(*) FROM proofs")
}

#[test]
fn both_generations_lose_what_failed_and_is_too_old() {
    for (make, hint) in [(ledger::first_generation as fn(&mut postgres::Client), "first"), (ledger::second_generation, "second")] {
        let db = ledger_of(make, hint);
        // Two failed proofs are of 45 and 120 days; two more are younger. The old ones used something.
        let used = "INSERT INTO dependencies (proof_id, used_statement_id) SELECT p.id, s.id FROM proofs p, statements s
            WHERE p.created_at < now() - interval '30 days' AND s.content_norm IN ('p->p', 'p->q->p')";
        assert_eq!(db.client().execute(used, &[]).unwrap(), 4);
        let before = number(&db, "SELECT count(*) FROM dependencies");
        let output = pruning(&db, 30).run().expect_code(0);
        let step = output.record("step", "prune.proofs");
        assert_eq!((step["status"].as_str(), step["rows"].as_i64()), (Some("ok"), Some(2)), "{step}");
        assert_eq!(step["metrics"], json!({"batches": 1, "cascade_dependencies": 4, "days": 30, "left": 0}));
        assert_eq!((proofs(&db), number(&db, "SELECT count(*) FROM dependencies")), (5, before - 4));
        assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE success"), 3);
        assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE created_at < now() - interval '30 days'"), 0);
        let again = pruning(&db, 30).run().expect_code(0);
        assert_eq!(again.record("step", "prune.proofs")["rows"], 0);
    }
}

#[test]
fn the_boundary_is_in_days_of_24_hours() {
    let db = second("boundary");
    let insert = "INSERT INTO proofs (statement_id, prover, status, success, created_at)
        SELECT id, n, 'failure', false, now() - age FROM statements, (VALUES ('younger', interval '239 hours 58 minutes'), ('older', interval '240 hours 1 second')) v (n, age)
        WHERE content_norm = 'p->p'";
    db.client().batch_execute(insert).unwrap();
    pruning(&db, 10).run().expect_code(0);
    assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE prover = 'younger'"), 1);
    assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE prover = 'older'"), 0);
}

#[test]
fn nothing_else_goes_however_old() {
    let db = second("spared");
    let odd = "ALTER TABLE proofs ALTER created_at DROP NOT NULL, ALTER success DROP NOT NULL;
        INSERT INTO proofs (statement_id, prover, status, success, created_at) SELECT id, 'spared', s.status, s.success, s.at FROM statements,
        (VALUES ('success', true, now() - interval '9 years'), ('success', false, now() - interval '9 years'), ('success', NULL, '-infinity'),
            ('failure', true, now() - interval '9 years'), ('unknown', false, now() - interval '9 years'), ('unknown', NULL, now() - interval '9 years'),
            ('failure', false, NULL), ('timeout', NULL, 'infinity')) s (status, success, at) WHERE content_norm = 'p->p';
        INSERT INTO proofs (statement_id, prover, status, success, created_at) SELECT id, 'gone', s.status, s.success, '-infinity' FROM statements,
        (VALUES ('failure', false), ('failure', NULL), ('timeout', false)) s (status, success) WHERE content_norm = 'p->p'";
    db.client().batch_execute(odd).unwrap();
    let output = pruning(&db, 1).run().expect_code(0);
    assert_eq!(output.record("step", "prune.proofs")["rows"], 3 + 3);
    assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE prover = 'spared'"), 8);
    assert_eq!(number(&db, "SELECT count(*) FROM proofs WHERE prover = 'gone'"), 0);
}

#[test]
fn only_when_it_is_set() {
    let db = second("unset");
    for tool in [vacuum(&db), pruning(&db, 0)] {
        let output = tool.run().expect_code(0);
        let step = output.record("step", "prune.proofs");
        assert_eq!((step["status"].as_str(), step["reason"].as_str()), (Some("skipped"), Some("PRUNE_FAILED_PROOFS_DAYS is not set")));
    }
    assert_eq!(proofs(&db), 7);
}

#[test]
fn a_database_that_is_no_ledger_is_left_alone() {
    let db = second("unrecognised");
    db.client().batch_execute("ALTER TABLE theories RENAME TO other").unwrap();
    let output = pruning(&db, 1).run().expect_code(0);
    assert!(output.record("step", "prune.proofs")["reason"].as_str().unwrap().contains("lacks theories"));
    assert_eq!(proofs(&db), 7);
}

#[test]
fn a_failed_backup_keeps_every_row() {
    let db = second("backup");
    let dead = &night("ml-backup", &[], "ok", json!({"exit": 0}))[..1];
    let failed = night("ml-backup", &[], "crit", json!({"exit": 4, "error_class": "storage", "summary": "disk full"}));
    let bad = night("ml-backup", &[("step", "crit", json!({"id": "verify"}))], "crit", json!({"exit": 4}));
    for (upstream, code) in [(dead, 70), (&failed[..], 4), (&bad[..], 4)] {
        let output = pruning(&db, 1).stdin_records(upstream).run().expect_code(code);
        let step = output.record("step", "prune.proofs");
        assert_eq!(
            (step["status"].as_str(), step["blocked_by"].as_str(), step["hint"].is_string()),
            (Some("skipped"), Some("ml-backup"), true),
            "{step}"
        );
        assert_eq!((proofs(&db), output.end()["exit"].as_i64()), (7, Some(0)));
    }
    // Even when it is told to work after anything: no backup, no pruning.
    pruning(&db, 1).args(["--after", "any"]).stdin_records(&failed).run().expect_code(4);
    let silent = pruning(&db, 1).args(["--after", "any"]).env("ML_RUN", "r").stdin("").run().expect_code(70);
    assert!(silent.record("step", "prune.proofs")["reason"].as_str().unwrap().contains("silent"));
    assert_eq!(proofs(&db), 7);
    let good = night("ml-backup", &[("step", "ok", json!({"id": "dump"}))], "ok", json!({"exit": 0}));
    pruning(&db, 1).stdin_records(&good).run().expect_code(0);
    assert_eq!(proofs(&db), 4);
}

#[test]
fn batches_are_small_and_take_everything() {
    let db = second("batches");
    let many = "INSERT INTO proofs (statement_id, prover, status, success, created_at) SELECT s.id, 'x', 'timeout', false, now() - interval '90 days'
        FROM statements s, generate_series(1, 100)";
    assert_eq!(db.client().execute(many, &[]).unwrap(), 700);
    let output = pruning(&db, 30).args(["--batch-size", "100"]).run().expect_code(0);
    let step = output.record("step", "prune.proofs");
    assert_eq!((step["rows"].as_i64(), step["metrics"]["batches"].as_i64()), (Some(702), Some(8)));
    assert_eq!(proofs(&db), 5);
}

#[test]
fn rows_that_somebody_holds_are_left_and_told() {
    let db = second("held");
    let mut holder = db.client();
    holder.batch_execute("SET application_name = 'the prover'; BEGIN").unwrap();
    holder.query("SELECT 1 FROM proofs WHERE created_at < now() - interval '100 days' FOR UPDATE", &[]).unwrap();
    let output = pruning(&db, 30).run().expect_code(1);
    let step = output.record("step", "prune.proofs");
    assert_eq!((step["status"].as_str(), step["rows"].as_i64(), step["metrics"]["left"].as_i64()), (Some("warn"), Some(1), Some(1)));
    assert!(step["reason"].as_str().unwrap().contains("the prover (server process") && step["hint"].is_string(), "{step}");
    holder.batch_execute("COMMIT").unwrap();
    let output = pruning(&db, 30).run().expect_code(0);
    assert_eq!((output.record("step", "prune.proofs")["rows"].as_i64(), proofs(&db)), (Some(1), 5));
}

#[test]
fn a_locked_table_is_not_waited_for_without_end() {
    let db = second("table");
    let mut holder = db.client();
    holder.batch_execute("BEGIN; LOCK TABLE proofs IN SHARE MODE").unwrap();
    let output = pruning(&db, 30).run().expect_code(1);
    let step = output.record("step", "prune.proofs");
    assert_eq!((step["status"].as_str(), step["rows"].as_i64(), step["metrics"]["left"].as_i64()), (Some("warn"), Some(0), Some(2)));
    assert!(step["reason"].as_str().unwrap().contains("ml-tests (server process"), "{step}");
    assert_eq!(proofs(&db), 7);
}

#[test]
fn a_proof_that_others_refer_to_stops_it_with_the_reason_and_the_tables_are_vacuumed_all_the_same() {
    let db = second("referred");
    let refer = "CREATE TABLE reviews (proof_id uuid REFERENCES proofs (id)); INSERT INTO reviews SELECT id FROM proofs WHERE NOT success";
    db.client().batch_execute(refer).unwrap();
    let output = pruning(&db, 30).env("VACUUM_ANALYZE", "true").run().expect_code(2);
    let step = output.record("step", "prune.proofs");
    assert!(
        step["status"] == "crit" && step["reason"].as_str().unwrap().contains("reviews") && step["error_class"] == "database",
        "{step}"
    );
    assert_eq!((output.record("step", "vacuum.proofs")["status"].as_str(), proofs(&db)), (Some("ok"), 7));
}

#[test]
fn a_role_that_may_not_delete_is_told() {
    let db = second("rights");
    let output = pruning(&db, 30).env("DATABASE_URL", db.read_only_url()).run().expect_code(1);
    let step = output.record("step", "prune.proofs");
    assert!(step["status"] == "warn" && step["hint"].as_str().unwrap().contains("GRANT"), "{step}");
    assert_eq!(proofs(&db), 7);
}
