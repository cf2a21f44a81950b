//! ml-migrate on real databases: empty, of both generations, newer, foreign, forbidden, contended and interrupted.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_tests::{Cluster, Output, TestDb, Tool, ledger};
use postgres::Client;

const ENTRY: &str = "INSERT INTO schema_migrations (version) VALUES ('ml-ops:9000_later')";

fn migrate(url: &str, args: &[&str]) -> Tool {
    Tool::new("ml-migrate").env("DATABASE_URL", url).args(args)
}

fn run(db: &TestDb, args: &[&str], code: i32) -> Output {
    migrate(&db.url(), args).run().expect_code(code)
}

/// Schema and rows as pg_dump sees them.
fn dump(db: &TestDb) -> String {
    let args = ["--no-password", "--inserts", "-d", db.name(), "-h", "127.0.0.1", "-U", "ml", "-p", &Cluster::shared().port().to_string()];
    let output = Tool::foreign(Cluster::shared().bin().join("pg_dump")).env("PGPASSWORD", db.password()).args(args).run().expect_code(0);
    // A key made anew for each dump, against psql's backslash commands in the data.
    output.stdout.lines().filter(|line| !line.contains("restrict ")).collect::<Vec<_>>().join("\n")
}

fn steps(output: &Output) -> Vec<(&str, &str)> {
    output.kind("step").map(|step| (step["id"].as_str().unwrap(), step["status"].as_str().unwrap())).collect()
}

const NAMES: [&str; 3] = ["migration.0001_ledger", "migration.0002_base_theory", "migration.0003_extensions"];

#[test]
fn an_empty_database_becomes_a_ledger_once() {
    let db = Cluster::shared().database("empty");
    let output = run(&db, &["status"], 1);
    let check = output.record("check", "schema");
    assert_eq!((check["status"].as_str(), check["gate"].as_bool()), (Some("crit"), Some(true)));
    assert_eq!((check["labels"]["created_by"].as_str(), check["metrics"]["pending"].as_i64()), (Some("empty"), Some(3)));

    let before = dump(&db);
    let output = run(&db, &["up", "--dry-run"], 0);
    assert_eq!(steps(&output), NAMES.map(|name| (name, "planned")));
    assert_eq!((output.record("check", "schema")["status"].as_str(), dump(&db)), (Some("planned"), before));

    let output = run(&db, &["up"], 0);
    assert_eq!(steps(&output), NAMES.map(|name| (name, "ok")));
    let check = output.record("check", "schema");
    assert_eq!((check["status"].as_str(), check["labels"]["generation"].as_str()), (Some("ok"), Some("second")));
    assert!(check.get("evidence").is_none(), "{check}");

    let made = dump(&db);
    let output = run(&db, &["up"], 0);
    assert_eq!(steps(&output), NAMES.map(|name| (name, "skipped")));
    assert!(output.end()["summary"].as_str().unwrap().starts_with("nothing to do"), "{}", output.stdout);
    assert_eq!(dump(&db), made);
    let output = run(&db, &["status"], 0);
    assert_eq!(output.record("check", "schema")["labels"]["created_by"], "ours");
    assert!(!output.stdout.contains(db.password()));
}

#[test]
fn the_ledger_that_it_makes_takes_what_mathledger_writes() {
    let (ours, theirs) = (Cluster::shared().database("made"), Cluster::shared().database("real"));
    run(&ours, &["up"], 0);
    ledger::second_generation(&mut theirs.client());
    let columns = |db: &TestDb| -> Vec<String> {
        let sql = "SELECT format('%s.%s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, coalesce(pg_get_expr(d.adbin, d.adrelid), ''))
            FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' ORDER BY 1";
        db.client().query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
    };
    assert_eq!(columns(&ours), columns(&theirs));
    let theory = ours.client().query_one("SELECT name, slug, logic FROM theories", &[]).unwrap();
    assert_eq!([0, 1, 2].map(|at| theory.get::<_, String>(at)), ["Propositional", "pl", "classical"]);
}

#[test]
fn ledgers_of_both_generations_are_recognised_and_left_as_they_are() {
    for (make, generation, differences) in
        [(ledger::first_generation as fn(&mut Client), "first", 1), (ledger::second_generation as fn(&mut Client), "second", 0)]
    {
        let db = Cluster::shared().database(generation);
        make(&mut db.client());
        let before = dump(&db);
        for verb in ["status", "up"] {
            let output = run(&db, &[verb], 0);
            let check = output.record("check", "schema");
            assert_eq!((check["status"].as_str(), check["labels"]["created_by"].as_str()), (Some("ok"), Some("mathledger")));
            assert_eq!(check["labels"]["generation"], generation);
            assert_eq!(check["evidence"].as_array().map_or(0, Vec::len), differences, "{check}");
            assert!(steps(&output).iter().all(|(_, status)| *status == "skipped"));
            assert_eq!(dump(&db), before);
        }
    }
}

#[test]
fn what_differs_is_named() {
    let db = Cluster::shared().database("differs");
    ledger::second_generation(&mut db.client());
    db.client().batch_execute("DROP TABLE proof_parents; ALTER TABLE proofs DROP COLUMN status").unwrap();
    let output = run(&db, &["up"], 0);
    assert_eq!(output.record("check", "schema")["evidence"], serde_json::json!(["proofs.status is missing", "proof_parents is missing"]));
    db.client().batch_execute("TRUNCATE theories CASCADE").unwrap();
    let output = run(&db, &["up"], 2);
    assert_eq!(output.record("check", "schema")["status"], "crit");
    assert!(output.stderr.contains("base theory"), "{}", output.stderr);
}

#[test]
fn the_newer_the_foreign_and_the_broken_are_refused() {
    let newer = Cluster::shared().database("newer");
    run(&newer, &["up"], 0);
    newer.client().batch_execute(ENTRY).unwrap();
    let foreign = Cluster::shared().database("foreign");
    foreign.client().batch_execute("CREATE SCHEMA shop; CREATE TABLE shop.orders (id int)").unwrap();
    let broken = Cluster::shared().database("broken");
    run(&broken, &["up"], 0);
    broken.client().batch_execute("ALTER TABLE blocks DROP COLUMN header").unwrap();
    for (db, said) in [(newer, "newer than this program"), (foreign, "it holds shop.orders"), (broken, "blocks.header is missing")] {
        let before = dump(&db);
        for args in [&["status"][..], &["up"], &["up", "--dry-run"]] {
            let output = run(&db, args, 2);
            let check = output.record("check", "schema");
            assert_eq!((check["status"].as_str(), check["gate"].as_bool()), (Some("crit"), Some(true)));
            assert!(output.end()["summary"].as_str().unwrap().contains(said), "{}", output.stdout);
            assert!(output.end()["hint"].is_string());
            // Having found it is not a failure; being asked to change it is one.
            assert_eq!(output.end().get("error_class").is_some(), args[0] == "up");
        }
        assert_eq!(dump(&db), before);
    }
}

#[test]
fn entries_of_mathledger_are_ignored() {
    let db = Cluster::shared().database("entries");
    run(&db, &["up"], 0);
    db.client().batch_execute("INSERT INTO schema_migrations (version) VALUES ('999_theirs')").unwrap();
    assert_eq!(run(&db, &["status"], 0).record("check", "schema")["metrics"]["applied"], 3);
}

#[test]
fn a_role_without_the_right_to_create_is_told_what_to_grant() {
    let db = Cluster::shared().database("rights");
    let role = db.role("reader", "SELECT 1");
    let output = migrate(&db.url_as(&role.name, &role.password), &["up"]).run().expect_code(2);
    assert!(output.stderr.contains(&format!("GRANT CREATE ON SCHEMA public TO {}", role.name)), "{}", output.stderr);
    assert!(steps(&output).is_empty());
}

#[test]
fn without_the_right_to_the_extensions_the_ledger_is_made_and_the_rest_is_told() {
    let db = Cluster::shared().database("extensions");
    // Trusted extensions want the right to create in the database, tables that in the schema.
    let role = db.role("maker", "GRANT CREATE ON SCHEMA public TO {role}");
    let url = db.url_as(&role.name, &role.password);
    let output = migrate(&url, &["up"]).run().expect_code(1);
    assert_eq!(steps(&output), [(NAMES[0], "ok"), (NAMES[1], "ok"), (NAMES[2], "warn")]);
    assert!(output.record("step", NAMES[2])["hint"].as_str().unwrap().contains("CREATE EXTENSION pg"));
    migrate(&url, &["status"]).run().expect_code(1);
    db.superuser().batch_execute("CREATE EXTENSION pgcrypto; CREATE EXTENSION pg_trgm").unwrap();
    let output = migrate(&url, &["up"]).run().expect_code(0);
    assert_eq!(steps(&output), [(NAMES[0], "skipped"), (NAMES[1], "skipped"), (NAMES[2], "ok")]);
}

#[test]
fn a_read_only_session_is_no_place_to_create_in() {
    let db = Cluster::shared().database("readonly");
    db.superuser().batch_execute(&format!("ALTER DATABASE {} SET default_transaction_read_only = on", db.name())).unwrap();
    let output = run(&db, &["up"], 2);
    assert!(output.end()["hint"].as_str().unwrap().contains("read-only"), "{}", output.stdout);
    assert_eq!(output.record("step", NAMES[0])["status"], "crit");
}

/// Holds what the first migration needs until dropped: it waits for the name of the table.
fn hold(db: &TestDb) -> Client {
    let mut client = db.client();
    client.batch_execute("BEGIN; CREATE TABLE derived_statements (id int)").unwrap();
    client
}

#[test]
fn of_two_at_once_one_is_turned_away_and_nothing_is_broken() {
    let db = Cluster::shared().database("two");
    let holder = hold(&db);
    let mut first = migrate(&db.url(), &["up"]).env("LOCK_TIMEOUT_MS", "60000").spawn();
    first.wait_for_stdout("\"start\"");
    wait_until_blocked(&db);
    let second = run(&db, &["up"], 75);
    assert!(second.stderr.contains("ml-migrate"), "{}", second.stderr);
    drop(holder);
    first.wait().expect_code(0);
    run(&db, &["status"], 0);
}

#[test]
fn interrupted_or_killed_it_leaves_nothing_half_made() {
    for (signal, code) in [(2, 130), (9, 137)] {
        let db = Cluster::shared().database("half");
        let holder = hold(&db);
        let mut running = migrate(&db.url(), &["up"]).env("LOCK_TIMEOUT_MS", "60000").spawn();
        running.wait_for_stdout("\"start\"");
        wait_until_blocked(&db);
        running.signal(signal);
        running.wait().expect_code(code);
        drop(holder);
        wait_until_alone(&db);
        assert_eq!(run(&db, &["status"], 1).record("check", "schema")["labels"]["created_by"], "empty");
        run(&db, &["up"], 0);
    }
}

#[test]
fn the_wrong_password_and_a_missing_database_are_told_without_secrets() {
    let db = Cluster::shared().database("secrets");
    let output = migrate(&db.url_as("ml", "hunter2-wrong"), &["status"]).run().expect_code(2);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains("hunter2"));
    let output = migrate(&db.url().replace(db.name(), "no_such_database"), &["up"]).run().expect_code(2);
    assert!(output.stderr.contains("no_such_database") && output.stderr.contains("createdb"), "{}", output.stderr);
    assert!(!format!("{}{}", output.stdout, output.stderr).contains(db.password()));
}

fn sessions(db: &TestDb, condition: &str) -> usize {
    let mut postgres = Cluster::shared().superuser("postgres");
    let sql = format!("SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND application_name LIKE 'ml-migrate%' AND {condition}");
    postgres.query(&sql, &[&db.name()]).unwrap().len()
}

fn wait_until_blocked(db: &TestDb) {
    wait(|| sessions(db, "wait_event_type = 'Lock'") > 0);
}

fn wait_until_alone(db: &TestDb) {
    wait(|| sessions(db, "true") == 0);
}

fn wait(done: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !done() {
        assert!(std::time::Instant::now() < deadline, "it does not come");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
