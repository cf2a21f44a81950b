//! Nights on large ledgers: what is read, how often, and what is never tried again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "test code")]

mod support;

use ml_tests::{Output, TestDb, Tool};
use serde_json::Value;
use std::io::Write;
use std::time::{Duration, Instant};
use support::{derive, empty, metric, number};

/// Fills an empty ledger with everything that follows from the axioms of frege with proofs of up to `length` symbols; gives their number.
fn fill(db: &TestDb, length: usize) -> i64 {
    let stream = Tool::new("ml-derive")
        .timeout(Duration::from_secs(1200))
        .args(["--no-input", "--no-ledger", "--axioms", "frege", "--max-length"])
        .arg(length.to_string());
    let stream = stream.raw().run().expect_code(0);
    let mut client = db.client();
    client
        .batch_execute("CREATE TEMPORARY TABLE filling (hash text, statement text, rule text, depth int, axiom bool, proof text)")
        .unwrap();
    let mut copy = client.copy_in("COPY filling FROM STDIN (DELIMITER '|')").unwrap();
    for line in stream.stdout.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["kind"] != "statement" {
            continue;
        }
        let text = |name: &str| record[name].as_str().unwrap();
        let axiom = text("rule") == "axiom";
        writeln!(
            copy,
            "{}|{}|{}|{}|{axiom}|{} axioms=CpCqp,CCpCqrCCpqCpr,CCNpNqCqp",
            text("hash"),
            text("statement"),
            text("rule"),
            record["depth"],
            text("proof")
        )
        .unwrap();
    }
    copy.finish().unwrap();
    client
        .batch_execute(
            "INSERT INTO statements (system_id, hash, content_norm, status, derivation_rule, derivation_depth, is_axiom)
            SELECT t.id, f.hash, f.statement, 'proven', f.rule, f.depth, f.axiom FROM filling f, theories t;
            INSERT INTO proofs (statement_id, system_id, prover, method, proof_term, success, status, derivation_rule)
            SELECT s.id, s.system_id, 'ml-derive', 'condensed-detachment', f.proof, true, 'success', f.rule
            FROM filling f JOIN statements s USING (hash) WHERE NOT f.axiom;
            DROP TABLE filling; ANALYZE statements, proofs",
        )
        .unwrap();
    number(&mut client, "SELECT count(*) FROM statements")
}

/// Rows of statements and proofs that the sessions so far have read by scans and by indexes.
fn rows_read(db: &TestDb) -> [i64; 2] {
    let mut client = db.client();
    // A session tells its figures when it ends.
    while number(
        &mut client,
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'ml-derive%' AND datname = current_database()",
    ) > 0
    {
        std::thread::sleep(Duration::from_millis(10));
    }
    ["statements", "proofs"].map(|table| {
        let sql = format!("SELECT (seq_tup_read + coalesce(idx_tup_fetch, 0))::bigint FROM pg_stat_user_tables WHERE relname = '{table}'");
        number(&mut client, &sql)
    })
}

fn levels(output: &Output) -> impl Iterator<Item = &Value> {
    output.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("level-"))
}

#[test]
fn a_large_ledger_is_read_once_and_not_derived_again() {
    let db = empty("large");
    let statements = fill(&db, 19);
    assert_eq!(statements, 23_389, "the published number");
    let night = |args: &[&str]| {
        let before = rows_read(&db);
        let output = derive(&db, args).run().expect_code(0);
        let after = rows_read(&db);
        (output, [after[0] - before[0], after[1] - before[1]])
    };
    // What was never tried is open, but for what is too high for a premise.
    let (first, _) = night(&["--depth-max", "3", "--max-total", "100000", "--max-breadth", "100000"]);
    let low = number(&mut db.client(), "SELECT count(*) FROM statements WHERE derivation_depth < 3");
    assert_eq!((metric(first.record("step", "stock"), "facts"), metric(first.record("step", "stock"), "open")), (statements, low));
    assert_eq!(levels(&first).map(|level| metric(level, "candidates")).sum::<i64>(), low * low, "each with each, once");
    assert_eq!(levels(&first).map(|level| metric(level, "new")).sum::<i64>(), 0, "all of that follows with short proofs, and was there");
    // Nothing is open now: one pass over each table, and no pair.
    let (second, read) = night(&["--depth-max", "3"]);
    assert_eq!((metric(second.record("step", "stock"), "open"), levels(&second).count()), (0, 0));
    // The planner looks up a few rows of its own.
    let once = |read: i64, rows: i64| (rows..rows + 100).contains(&read);
    assert!(once(read[0], statements) && once(read[1], statements - 3), "{read:?}");
    // Higher proofs: what was tried is not tried again, and nothing known is added again.
    let (third, read) = night(&["--depth-max", "6", "--max-total", "50"]);
    assert_eq!(metric(third.end(), "new_statements"), 50);
    assert!(read[0] < 3 * statements && read[1] < 3 * statements, "{read:?}");
    let distinct = "SELECT count(DISTINCT content_norm) FROM statements";
    assert_eq!(number(&mut db.client(), distinct), statements + 50);
}

/// A night with a watch on its memory: the record of its end, its peak in MiB, its time.
fn watched(db: &TestDb, args: &[&str]) -> (Output, u64, Duration) {
    let began = Instant::now();
    let mut night =
        Tool::new("ml-derive").timeout(Duration::from_secs(1200)).env("DATABASE_URL", db.url()).arg("--no-input").args(args).spawn();
    let status = format!("/proc/{}/status", night.pid());
    let mut peak = 0;
    while night.is_running() {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kib =
            text.lines().find_map(|line| line.strip_prefix("VmHWM:")).and_then(|rest| rest.trim().split(' ').next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    (night.wait(), peak / 1024, began.elapsed())
}

/// Not part of the suite; some minutes: `cargo build --release -p ml-derive`, then
/// `cargo test --release -p ml-derive --test large -- --ignored --nocapture`. LENGTH=27 (the default) is 1.7 million statements.
///
/// The engine's part of a night is the `duration_ms` of its levels, the database's that of `stock` and `block`.
#[test]
#[ignore = "a measurement"]
fn what_a_night_takes() {
    let length = std::env::var("LENGTH").ok().and_then(|length| length.parse().ok()).unwrap_or(27);
    let small = empty("small");
    (0..3).for_each(|_| tell(&small, &[]));
    let db = empty("million");
    let began = Instant::now();
    let statements = fill(&db, length);
    eprintln!("{statements} statements in {:?}", began.elapsed());
    for depth in ["4", "4", "6", "30", "30"] {
        tell(&db, &["--depth-max", depth]);
    }
}

/// A night with the limits of a new installation, and what it took.
fn tell(db: &TestDb, args: &[&str]) {
    let (output, peak, time) = watched(db, args);
    let took = |id: &str| output.record("step", id)["duration_ms"].as_i64().unwrap();
    let engine: i64 = levels(&output).map(|level| level["duration_ms"].as_i64().unwrap()).sum();
    eprintln!(
        "{} facts {args:?}: {} ms, {peak} MiB; stock {} ms, engine {engine} ms in {} steps, block {} ms; {} added, {} pairs, {}",
        metric(output.record("step", "stock"), "facts"),
        time.as_millis(),
        took("stock"),
        metric(output.end(), "steps"),
        took("block"),
        metric(output.end(), "new_statements"),
        levels(&output).map(|level| metric(level, "candidates")).sum::<i64>(),
        output.end()["reason"],
    );
}
