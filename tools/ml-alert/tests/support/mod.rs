//! Rules, streams and stand-ins for the tests of ml-alert with rules.

use ml_tests::{HttpStandIn, Output, TempDir, Tool};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A folder with rules and state.
pub struct Desk {
    pub folder: TempDir,
}

impl Desk {
    /// With these rules beside a webhook `ops` at this address.
    pub fn new(url: &str, rules: &str) -> Desk {
        let desk = Desk { folder: TempDir::new().unwrap() };
        desk.rules(url, rules);
        desk
    }

    /// Other rules from now on.
    pub fn rules(&self, url: &str, rules: &str) {
        std::fs::write(self.file(), format!("[sink.ops]\nkind = \"webhook\"\nurl = \"{url}\"\n{rules}")).unwrap();
    }

    pub fn file(&self) -> PathBuf {
        self.folder.path().join("rules.toml")
    }

    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The state file of the system `lab`.
    pub fn state_file(&self) -> PathBuf {
        self.state().join("alerts-lab.json")
    }

    /// ml-alert with these rules.
    pub fn tool(&self, args: &[&str]) -> Tool {
        tool(&self.file(), &self.state(), args)
    }

    pub fn run(&self, stream: &[Value], args: &[&str]) -> Output {
        self.tool(args).stdin_records(stream).run()
    }

    /// What is remembered.
    pub fn remembered(&self) -> Value {
        let text = std::fs::read_to_string(self.state_file()).unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["value"].take()
    }

    /// Whoever wanted to be left alone for a while may be tried now: hours have passed.
    pub fn let_hours_pass(&self) {
        let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(self.state_file()).unwrap()).unwrap();
        for sink in whole["value"]["sinks"].as_object_mut().unwrap().values_mut() {
            sink["not_before"] = Value::Null;
        }
        std::fs::write(self.state_file(), whole.to_string()).unwrap();
    }
}

pub fn tool(rules: &Path, state: &Path, args: &[&str]) -> Tool {
    let tool = Tool::new("ml-alert").arg("--rules").arg(rules).args(args);
    // Pauses are kept from run to run, and not waited for.
    tool.env("ALERT_BUDGET_SECONDS", "0").env("STATE_DIR", state).env("SYSTEM", "lab").env("USER", "ann")
}

/// A record of ml-health at that time of a night.
pub fn record(ts: &str, status: &str, kind: &str, fields: Value) -> Value {
    let mut record = json!({"v": 1, "tool": "ml-health", "stage": "ml-health.1", "system": "lab", "run": "r-1",
        "ts": ts, "host": "h", "status": status, "kind": kind});
    for (key, value) in fields.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

/// A time of that day: minutes after two o'clock.
pub fn at(minutes: u32) -> String {
    format!("2025-01-08T{:02}:{:02}:00.000Z", 2 + minutes / 60, minutes % 60)
}

/// A run at that minute with these checks: id, status, value.
pub fn run(minutes: u32, checks: &[(&str, &str, f64)]) -> Vec<Value> {
    let ts = at(minutes);
    let mut stream = vec![record(&ts, "ok", "start", json!({}))];
    stream.extend(
        checks.iter().map(|(id, status, value)| {
            record(&ts, status, "check", json!({"id": id, "value": value, "summary": format!("{id} is {value}")}))
        }),
    );
    stream.push(record(&ts, "ok", "end", json!({"exit": 0})));
    stream.iter_mut().for_each(|record| record["run"] = json!(format!("r-{minutes}")));
    stream
}

/// Titles of what the stand-in was posted, in order.
pub fn titles(hook: &HttpStandIn) -> Vec<String> {
    bodies(hook).iter().map(|body| body["title"].as_str().unwrap().to_owned()).collect()
}

pub fn bodies(hook: &HttpStandIn) -> Vec<Value> {
    hook.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect()
}

/// The fates that were told, in order.
pub fn fates(output: &Output) -> Vec<&str> {
    output.kind("alert").map(|alert| alert["fate"].as_str().unwrap()).collect()
}
