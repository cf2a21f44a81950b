//! ml-report as a program: what it prints for people.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

use ml_tests::Tool;
use serde_json::{Value, json};

fn night(status: &str, exit: u8) -> Vec<Value> {
    let record = |kind: &str, status: &str| {
        json!({"v": 1, "kind": kind, "tool": "ml-health", "stage": "ml-health.1", "system": "lab", "run": "r-1",
            "ts": "2025-01-08T02:00:00.000Z", "host": "h", "status": status, "exit": exit})
    };
    let mut start = record("start", "ok");
    start.as_object_mut().unwrap().remove("exit");
    vec![start, record("end", status)]
}

#[test]
fn quiet_sums_up_only_what_is_not_ok() {
    let report =
        |night: &[Value]| Tool::new("ml-report").raw().args(["--no-progress", "--output", "raw", "--quiet"]).stdin_records(night).run();
    assert_eq!(report(&night("ok", 0)).stdout, "");
    let told = report(&night("crit", 5)).stdout;
    assert!(told.contains("lab: run r-1, not ok"), "{told}");
}
