//! What the tests share: the tool at a database, and records of an upstream tool.
#![allow(dead_code, reason = "each test program uses its part")]

use ml_tests::{TestDb, Tool};
use serde_json::{Value, json};

/// ml-vacuum at this database, with little patience for locks.
pub fn vacuum(db: &TestDb) -> Tool {
    Tool::new("ml-vacuum").env("DATABASE_URL", db.url()).env("LOCK_TIMEOUT_MS", "200")
}

/// What a tool upstream printed: its start, these records, its end.
pub fn night(tool: &str, records: &[(&str, &str, Value)], status: &str, end: Value) -> Vec<Value> {
    let record = |kind: &str, status: &str, more: &Value| {
        let stage = format!("{tool}.1");
        let mut record = json!({"v": 1, "kind": kind, "tool": tool, "stage": stage, "system": "s", "run": "r", "ts": "t", "host": "h", "status": status});
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        record
    };
    let mut all = vec![record("start", "ok", &json!({}))];
    all.extend(records.iter().map(|(kind, status, more)| record(kind, status, more)));
    all.push(record("end", status, &end));
    all
}
