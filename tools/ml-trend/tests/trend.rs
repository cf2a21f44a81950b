//! ml-trend as a program: archives in any form and order, and what is wrong with them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{TempDir, Tool};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;

const GIB: u64 = 1 << 30;

/// A night's records: a disk that takes 1 GiB a day of 50, and an API that was down in the night 7.
fn night(day: u64) -> Vec<Value> {
    let record = |kind: &str, status: &str, second: u64| {
        json!({"v": 1, "kind": kind, "tool": "ml-health", "stage": format!("s{day}"), "system": "logos-pxl", "run": format!("r{day}"),
            "ts": format!("2025-01-{:02}T02:00:{second:02}.000Z", day + 1), "host": "h", "status": status})
    };
    let with = |mut record: Value, fields: Value| {
        record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        record
    };
    let disk = json!({"id": "disk.data", "value": 60, "unit": "%", "metrics": {"used": (20 + day) * GIB, "total": 50 * GIB}});
    let down = day == 7;
    vec![
        record("start", "ok", 0),
        with(record("check", "ok", 1), disk),
        with(record("check", if down { "crit" } else { "ok" }, 2), json!({"id": "api.health"})),
        with(record("end", if down { "crit" } else { "ok" }, 3), json!({"exit": if down { 5 } else { 0 }})),
    ]
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn nights(days: std::ops::Range<u64>) -> String {
    days.map(|day| lines(&night(day))).collect()
}

/// The archive as a rotated log: newest first in the order of names, the older parts compressed by the programs that people use.
fn rotated(folder: &TempDir) -> Vec<PathBuf> {
    let part = |name: &str, days| {
        let path = folder.path().join(name);
        std::fs::write(&path, nights(days)).unwrap();
        path
    };
    let newest = part("nightly.jsonl", 20..25);
    let middle = part("nightly.jsonl.1", 10..20);
    let oldest = part("nightly.jsonl.2", 0..10);
    Tool::foreign("gzip").arg(&middle).run().expect_code(0);
    let packed = folder.path().join("nightly.jsonl.2.zst");
    std::fs::write(&packed, zstd::encode_all(&std::fs::read(&oldest).unwrap()[..], 3).unwrap()).unwrap();
    vec![newest, folder.path().join("nightly.jsonl.1.gz"), packed]
}

#[test]
fn a_rotated_archive_tells_growth_and_availability() {
    let folder = TempDir::new().unwrap();
    let output = Tool::new("ml-trend").args(rotated(&folder)).run().expect_code(5);
    let disk = output.record("check", "trend.disk.data");
    assert_eq!((disk["status"].as_str(), disk["system"].as_str()), (Some("crit"), Some("logos-pxl")));
    let metrics = &disk["metrics"];
    assert_eq!((&metrics["per_day"], &metrics["full_in_days"], &metrics["points"]), (&json!(1_073_740_000.0), &json!(6.0), &json!(25.0)));
    let api = output.record("check", "availability.api.health");
    assert_eq!((&api["value"], &api["status"]), (&json!(96.0), &json!("crit")));
    assert_eq!(output.record("check", "availability.disk.data")["value"], 100.0);
    assert_eq!(output.kind("check").count(), 3, "nothing is handed on: {}", output.stdout);
    assert_eq!(output.end()["metrics"]["read"], 100);
}

#[test]
fn limits_are_the_callers() {
    let folder = TempDir::new().unwrap();
    let paths = rotated(&folder);
    let trend = |args: &[&str]| Tool::new("ml-trend").args(&paths).args(args).run();
    let calm = ["--full-warn", "5d", "--full-crit", "2d", "--target", "90", "--target-crit", "80"];
    trend(&calm).expect_code(0);
    let warned = trend(&["--only", "disk", "--capacity", "disk.data=1TiB"]).expect_code(0);
    assert_eq!(warned.kind("check").count(), 2);
    // A name that nothing has would be the promise that all is well.
    let hints = |args: &[&str]| {
        let output = trend(args).expect_code(1);
        let doubts =
            output.kind("check").filter(|check| check["id"] == "input").map(|check| format!("{} {}", check["summary"], check["hint"]));
        doubts.collect::<Vec<_>>().join("; ").replace('"', "")
    };
    assert_eq!(hints(&["--only", "dsik.data"]), "no check dsik.data was observed did you mean disk.data?");
    let calm_disk = ["--only", "disk", "--capacity", "disk.data=1TiB", "--capacity", "tape=1TiB"];
    assert_eq!(hints(&calm_disk), "no check tape was observed a run without --only tells all");
    let empty = folder.path().join("empty.jsonl");
    std::fs::write(&empty, "").unwrap();
    let output = Tool::new("ml-trend").arg(&empty).run().expect_code(1);
    assert_eq!(output.record("check", "input")["summary"], "the archives hold no record");
    trend(&["--only", "api", "--target", "99", "--target-crit", "95"]).expect_code(1);
    for wrong in [["--capacity", "x"], ["--target", "101"], ["--window", "1h"], ["--floor", "x"]] {
        trend(&wrong).expect_code(64);
    }
}

#[test]
fn records_on_standard_input_are_handed_on() {
    let output = Tool::new("ml-trend").args(["--full-crit", "1d", "--full-warn", "2d"]).stdin(nights(0..25)).run().expect_code(5);
    assert_eq!(output.kind("check").filter(|check| check["tool"] == "ml-health").count(), 50);
    assert_eq!(output.record("check", "trend.disk.data")["status"], "ok");
    assert_eq!(output.end()["exit"], 5, "an API that was down for a night in a month");
}

#[test]
fn damaged_archives_are_told_and_the_rest_counts() {
    let folder = TempDir::new().unwrap();
    let mut paths = rotated(&folder);
    let cut = std::fs::read(&paths[1]).unwrap();
    std::fs::write(&paths[1], &cut[..cut.len() - 20]).unwrap();
    let mut newest = std::fs::File::options().append(true).open(&paths[0]).unwrap();
    newest.write_all(b"{\"v\":1,\"kind\":\"check\",\"pass").unwrap();
    let calm = ["--full-warn", "2d", "--full-crit", "1d", "--target", "50", "--target-crit", "50"];
    let output = Tool::new("ml-trend").args(&paths).args(calm).run().expect_code(1);
    let doubts: Vec<_> = output.kind("check").filter(|check| check["id"] == "input").collect();
    assert_eq!(doubts.len(), 3, "{}", output.stdout);
    assert!(doubts.iter().all(|doubt| doubt["status"] == "warn" && !doubt["summary"].as_str().unwrap().contains("pass")), "{doubts:?}");
    assert_eq!(output.record("check", "trend.disk.data")["status"], "ok");
    paths.push(folder.path().join("missing.jsonl"));
    let output = Tool::new("ml-trend").args(&paths).run().expect_code(64);
    assert!(output.stderr.contains("missing.jsonl") && output.stderr.contains("hint: name files of records"), "{}", output.stderr);
}

#[test]
fn a_table_is_for_people() {
    let folder = TempDir::new().unwrap();
    let paths = rotated(&folder);
    let output = Tool::new("ml-trend").raw().args(&paths).args(["--output", "raw"]).run().expect_code(5);
    let rows: Vec<&str> = output.stdout.lines().collect();
    assert_eq!(rows.len(), 4, "{}", output.stdout);
    assert!(rows[0].starts_with("status") && rows[1].starts_with("crit") && rows[3].starts_with("ok"), "{}", output.stdout);
    assert!(output.stdout.contains("full in 6.0 days (50.0 GiB in all)"), "{}", output.stdout);
    let dry = Tool::new("ml-trend").args(&paths).arg("--dry-run").run().expect_code(5);
    assert_eq!(dry.kind("check").count(), 3, "it only reads");
}
