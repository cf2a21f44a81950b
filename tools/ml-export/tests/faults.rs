//! What goes wrong: each with its exit code and hint, and without a file that looks like a result.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod support;

use ml_tests::{Cluster, Output, TestDb, Tool, closed_port, full_disk, ledger, skip};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use support::{TORTURE, export, folder, large_ledger, names, path, text};

fn failed(output: Output, code: i32) -> Output {
    let output = output.expect_code(code);
    let end = output.end();
    assert!(end["hint"].is_string() && end["error_class"].is_string() && end["exit"] == code, "{end}");
    assert!(output.stderr.contains("hint: "), "{}", output.stderr);
    output
}

fn second(hint: &str) -> TestDb {
    let db = Cluster::shared().database(hint);
    ledger::second_generation(&mut db.client());
    db
}

#[test]
fn one_snapshot_for_all_tables_while_others_write() {
    let db = second("snapshot");
    large_ledger_rows(&db);
    let pair = "WITH s AS (INSERT INTO statements (system_id, hash, content_norm) SELECT id, encode(digest(gen_random_uuid()::text, 'sha256'), 'hex'), 'x'
            FROM theories RETURNING id) INSERT INTO proofs (statement_id, prover, proof_term) SELECT id, 'pair', 'x' FROM s";
    let stop = AtomicBool::new(false);
    let exports = folder();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut client = db.client();
            while !stop.load(Ordering::Relaxed) {
                client.batch_execute(pair).unwrap();
            }
        });
        let output = export(&db, exports.path()).args(["statements", "proofs"]).run().expect_code(0);
        stop.store(true, Ordering::Relaxed);
        writer.join().unwrap();
        let lines = |table: &str, mark: &str| text(&path(&output, table)).lines().filter(|line| line.contains(mark)).count();
        let (statements, proofs) = (lines("statements", "\"content_norm\":\"x\""), lines("proofs", "\"prover\":\"pair\""));
        let total: i64 = db.client().query_one("SELECT count(*) FROM proofs WHERE prover = 'pair'", &[]).unwrap().get(0);
        assert_eq!(statements, proofs);
        assert!(total > proofs as i64, "the writer wrote on during the export: {total} {proofs}");
    });
}

fn large_ledger_rows(db: &TestDb) {
    let sql =
        "INSERT INTO statements (system_id, hash, content_norm) SELECT t.id, encode(digest(n::text, 'sha256'), 'hex'), repeat('y', 200)
        FROM theories t, generate_series(1, 30000) n";
    db.client().batch_execute(sql).unwrap();
}

#[test]
fn a_role_that_may_only_read_is_enough() {
    let db = second("reader");
    let exports = folder();
    let output = export(&db, exports.path()).env("DATABASE_URL", db.read_only_url()).run().expect_code(0);
    assert_eq!(output.end()["metrics"]["tables"], 5);
    let role = db.role("partial", "GRANT SELECT ON statements, theories TO {role}");
    let without = folder();
    let output = export(&db, without.path()).env("DATABASE_URL", db.url_as(&role.name, &role.password)).run();
    let message = failed(output, 2).end()["summary"].as_str().unwrap().to_owned();
    assert!(message.contains("permission denied") && names(without.path()).is_empty(), "{message}");
}

#[test]
fn rows_that_a_policy_hides_are_a_failure_and_not_missing() {
    let db = second("policy");
    let role = db.role("hidden", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}");
    db.client().batch_execute("ALTER TABLE blocks ENABLE ROW LEVEL SECURITY; CREATE POLICY first ON blocks USING (id = 1)").unwrap();
    let exports = folder();
    let output = failed(export(&db, exports.path()).env("DATABASE_URL", db.url_as(&role.name, &role.password)).run(), 2);
    assert!(output.stdout.contains("row-level security") && names(exports.path()).is_empty());
}

#[test]
fn a_full_disk_leaves_no_file_of_the_set() {
    let disk = match full_disk(1 << 20) {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    let db = Cluster::shared().database("full");
    large_ledger(&db, 20_000);
    let output = failed(export(&db, disk.path()).args(["blocks", "statements"]).run(), 4);
    assert!(output.stdout.contains("No space left") && output.kind("step").next().is_none());
    assert!(names(disk.path()).is_empty(), "{:?}", names(disk.path()));
}

#[test]
fn two_exports_within_a_second_are_two_sets() {
    let db = second("twice");
    let exports = folder();
    for _ in 0..2 {
        export(&db, exports.path()).run().expect_code(0);
    }
    let summaries = names(exports.path()).into_iter().filter(|name| name.starts_with("summary-"));
    assert_eq!(summaries.count(), 2);
}

#[test]
fn a_folder_that_cannot_be_is_told() {
    let db = second("unwritable");
    let parent = folder();
    std::fs::write(parent.path().join("file"), "").unwrap();
    failed(export(&db, &parent.path().join("file/exports")).run(), 4);
    assert_eq!(names(parent.path()), ["file"]);
}

#[test]
fn what_the_server_refuses_is_a_database_error() {
    let db = second("refused");
    let exports = folder();
    let at = |url: &str| export(&db, exports.path()).env("DATABASE_URL", url).run();
    let down = failed(at(&format!("postgresql://ml@127.0.0.1:{}/x", closed_port())), 2);
    assert!(down.stderr.contains("connection refused"));
    let wrong = failed(at(&db.url_as("ml", "wr0ng-secret")), 2);
    assert!(!format!("{}{}", wrong.stdout, wrong.stderr).contains("wr0ng-secret"));
    failed(at(&db.url().replace(db.name(), "no_such_database")), 2);
    let empty = Cluster::shared().database("empty");
    let output = failed(export(&empty, exports.path()).run(), 2);
    assert!(output.end()["hint"].as_str().unwrap().contains("ml-migrate"));
    let missing = failed(export(&db, exports.path()).args(["statements", "no_such_table"]).run(), 2);
    assert!(missing.stderr.contains("no_such_table"));
    assert!(names(exports.path()).is_empty());
}

#[test]
fn malformed_settings_are_told() {
    let db = second("settings");
    let set = |pair: &str| export(&db, folder().path()).args(["--set", pair]).run();
    failed(set("EXPORT_COMPRESSION=maybe"), 78);
    failed(set("STATEMENT_TIMEOUT_MS=soon"), 78);
    failed(export(&db, folder().path()).args(["proofs", "-o", "-"]).run(), 64);
}

#[test]
fn a_statement_has_a_time_limit() {
    let db = Cluster::shared().database("slow");
    large_ledger(&db, 50_000);
    let exports = folder();
    let output = failed(export(&db, exports.path()).args(["--set", "STATEMENT_TIMEOUT_MS=40"]).run(), 2);
    assert!(output.end()["summary"].as_str().unwrap().contains("57014") && names(exports.path()).is_empty());
}

#[test]
fn bytes_that_are_no_text_are_told() {
    let cluster = Cluster::shared();
    let mut superuser = cluster.superuser("postgres");
    let name = format!("t_ascii_{}", std::process::id());
    superuser
        .batch_execute(&format!("CREATE DATABASE {name} OWNER ml ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"))
        .unwrap();
    let db = cluster.database("unused");
    let url = db.url().replace(db.name(), &name);
    let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    client
        .batch_execute("CREATE TABLE blocks (id int PRIMARY KEY, note text); INSERT INTO blocks VALUES (1, 'fine'), (2, chr(255))")
        .unwrap();
    drop(client);
    let exports = folder();
    let output = failed(export(&db, exports.path()).env("DATABASE_URL", &url).run(), 2);
    let summary = output.end()["summary"].as_str().unwrap().to_owned();
    assert!(summary.contains("exporting blocks") && summary.contains("22021") && names(exports.path()).is_empty(), "{summary}");
    superuser.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).unwrap();
}

/// Starts an export that has to wait for a lock, and waits until it does.
fn waiting(db: &TestDb, exports: &Path, blocker: &mut postgres::Client) -> ml_tests::Running {
    blocker.batch_execute("BEGIN; LOCK TABLE blocks").unwrap();
    let tool = export(db, exports).args(["--set", "LOCK_TIMEOUT_MS=60000"]).spawn();
    let deadline = Instant::now() + Duration::from_secs(60);
    while blocker
        .query_one("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'blocks'::regclass", &[])
        .unwrap()
        .get::<_, i64>(0)
        == 0
    {
        assert!(Instant::now() < deadline, "the export does not come to the lock");
        std::thread::sleep(Duration::from_millis(20));
    }
    tool
}

#[test]
fn ctrl_c_ends_a_query_that_waits() {
    let db = second("interrupt");
    let (exports, mut blocker) = (folder(), db.client());
    for (signal, code) in [(2, 130), (15, 143)] {
        let running = waiting(&db, exports.path(), &mut blocker);
        running.signal(signal);
        let output = running.wait().expect_code(code);
        assert_eq!((output.end()["exit"].as_i64(), names(exports.path()).len()), (Some(i64::from(code)), 0));
        blocker.batch_execute("ROLLBACK").unwrap();
    }
}

#[test]
fn a_truncate_that_came_first_is_seen_whole() {
    let db = second("truncate");
    let (exports, mut blocker) = (folder(), db.client());
    let running = waiting(&db, exports.path(), &mut blocker);
    blocker.batch_execute("TRUNCATE blocks; DELETE FROM lemma_cache; COMMIT").unwrap();
    let output = running.wait().expect_code(0);
    // Both changes are of one transaction: the snapshot has both or none, and it was taken after the lock.
    let rows = |table: &str| output.record("step", &format!("export.{table}"))["rows"].as_u64();
    assert_eq!((rows("blocks"), rows("lemma_cache")), (Some(0), Some(0)));
}

#[test]
fn a_lock_is_not_waited_for_without_end() {
    let db = second("locked");
    let (exports, mut blocker) = (folder(), db.client());
    blocker.batch_execute("BEGIN; LOCK TABLE blocks").unwrap();
    let output = failed(export(&db, exports.path()).args(["--set", "LOCK_TIMEOUT_MS=50"]).run(), 2);
    assert!(output.end()["summary"].as_str().unwrap().contains("55P03"));
}

#[test]
fn no_secret_is_told() {
    let db = second("secret");
    db.client().batch_execute(TORTURE).unwrap();
    let exports = folder();
    let output = export(&db, exports.path()).arg("--verbose").run().expect_code(0);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains(db.password()));
    for name in names(exports.path()) {
        assert!(!text(&exports.path().join(name)).contains(db.password()));
    }
}

#[test]
fn help_tells_the_exit_codes() {
    let output = Tool::new("ml-export").arg("--help").raw().run().expect_code(0);
    assert!(output.stdout.contains("Exit codes:") && output.stdout.contains("EXPORTS_DIR"));
    Tool::new("ml-export").arg("--no-such").raw().run().expect_code(64);
}
