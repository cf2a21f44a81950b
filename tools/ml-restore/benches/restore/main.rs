//! Restores beside stock pg_restore's, of one dump into one server: seconds of the loading, indexes included, from the creation of the database.
//!
//!     cargo bench -p ml-restore --bench restore [-- --json FILE]
//!     BENCH_RESTORE_MB=1024  size of the database; BENCH_LONG=1: six rounds in place of four
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made fails; its tables go to stdout"
)]

use ml_tests::{Bench, Cluster, TempDir, TestDb, Tool};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// About so many bytes a row on the server, its indexes not counted.
const ROW: u64 = 200;

fn main() {
    let Some(bench) = Bench::asked() else { return };
    let megabytes = bench.number("BENCH_RESTORE_MB", 1024);
    let rounds = bench.rounds(4, 6);
    let (cluster, folder) = (Cluster::private(), TempDir::new().unwrap());
    let mut all = Vec::new();
    for (name, tables) in [("one table", 1), ("eight tables", 8)] {
        let db = database(&cluster, tables, (megabytes << 20) / ROW);
        let dump = folder.path().join(format!("{tables}.dump"));
        Tool::new("ml-backup").env("DATABASE_URL", db.url()).arg("-o").arg(&dump).run().expect_code(0);
        let (mut ours, mut stock) = (Vec::new(), Vec::new());
        for round in 0..rounds {
            // Who comes first changes, and each begins with a server that has nothing left to write.
            for first in [true, false] {
                settle(&db);
                if first == (round % 2 == 0) {
                    ours.push(loaded(&db, &dump));
                } else {
                    stock.push(restored(&cluster, &db, &dump));
                }
            }
        }
        let (mine, theirs) = (median(&ours), median(&stock));
        println!("{name:<14} ml-restore --jobs 2 {mine:>8.2} s   pg_restore -j2 {theirs:>8.2} s   {:>5.2}x", theirs / mine);
        all.push(json!({ "name": name, "ml-restore": ours, "pg_restore -j2": stock }));
    }
    bench.finish(&Value::from(all));
}

/// Rows like a ledger's in equal tables, with a key and an index each.
fn database(cluster: &Cluster, tables: u64, rows: u64) -> TestDb {
    let db = cluster.database("bench");
    for table in 0..tables {
        let sql = format!(
            "CREATE TABLE t{table} AS SELECT i AS id, md5(i::text) || md5((i + 1)::text) AS hash, repeat('(x -> y)', (i % 9)::int) AS statement,
             timestamptz '2025-01-08' - i * interval '1 second' AS made, i * 1.37 AS cost FROM generate_series(1::bigint, {}) i;
             ALTER TABLE t{table} ADD PRIMARY KEY (id); CREATE INDEX ON t{table} (hash)",
            rows / tables
        );
        db.client().batch_execute(&sql).unwrap();
    }
    db
}

/// What the run before left for the disk is written, so that neither pays for the other.
fn settle(db: &TestDb) {
    db.superuser().batch_execute("CHECKPOINT").unwrap();
    assert!(Command::new("sync").status().unwrap().success());
}

/// ml-restore: the time of its loading, the checks left out, as pg_restore makes none.
fn loaded(db: &TestDb, dump: &Path) -> f64 {
    let drill = Tool::new("ml-restore").env("DATABASE_URL", db.url()).args(["--scratch", "--jobs", "2"]).arg(dump);
    let out = drill.timeout(std::time::Duration::from_secs(3600)).run().expect_code(0);
    out.record("step", "load")["duration_ms"].as_f64().unwrap() / 1000.0
}

/// pg_restore into a new database.
fn restored(cluster: &Cluster, db: &TestDb, dump: &Path) -> f64 {
    let into = cluster.database("stock");
    let mut command = Command::new(cluster.bin().join("pg_restore"));
    command.args(["-j2", "--no-owner", "-d", &into.url()]).arg(dump).stdin(Stdio::null());
    let began = Instant::now();
    let status = command.status().unwrap();
    assert!(status.success(), "{}: {status}", db.name());
    began.elapsed().as_secs_f64()
}

fn median(seconds: &[f64]) -> f64 {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
