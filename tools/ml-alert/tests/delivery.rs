//! ml-alert without rules of its own, against a webhook that answers, refuses or is not there.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

use ml_tests::{HttpStandIn, Output, Response, TempDir, Tool};
use serde_json::{Value, json};
use std::path::Path;

fn record(tool: &str, status: &str, kind: &str, fields: Value) -> Value {
    let mut record = json!({"v": 1, "tool": tool, "stage": format!("{tool}.1"), "system": "lab", "run": "r-1",
        "ts": "2025-01-08T02:00:00.000Z", "host": "h", "status": status, "kind": kind});
    for (key, value) in fields.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

fn night(status: &str) -> Vec<Value> {
    let exit = u8::from(status != "ok");
    vec![
        record("ml-health", "ok", "start", json!({})),
        record(
            "ml-health",
            status,
            "check",
            json!({"id": "redis.queue", "value": 1200, "warn": 1000, "summary": "long queue", "hint": "start workers"}),
        ),
        record("ml-health", status, "end", json!({"exit": exit})),
    ]
}

fn alert(state: &Path, webhook: &str, stream: &[Value], args: &[&str]) -> Output {
    Tool::new("ml-alert")
        .args(args)
        .env("ALERT_ENABLED", "true")
        .env("ALERT_WEBHOOK", webhook)
        .env("ALERT_BUDGET_SECONDS", "2")
        .env("STATE_DIR", state)
        .env("SYSTEM", "lab")
        .stdin_records(stream)
        .run()
}

fn fates(output: &Output) -> Vec<(String, String)> {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    output.records.iter().filter(|record| record["kind"] == "alert").map(|record| (text(record, "id"), text(record, "fate"))).collect()
}

fn everything(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}

fn remembered(state: &Path) -> Value {
    let text = std::fs::read_to_string(state.join("alerts-lab.json")).unwrap_or_else(|_| json!({ "value": {} }).to_string());
    serde_json::from_str::<Value>(&text).unwrap()["value"].take()
}

fn waiting(state: &Path) -> usize {
    remembered(state)["outbox"].as_array().map_or(0, |entries| entries.iter().filter(|entry| entry["refused"] == false).count())
}

/// Whoever wanted to be left alone for a while may be tried now.
fn let_time_pass(state: &Path) {
    let path = state.join("alerts-lab.json");
    let mut whole: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    whole["value"]["sinks"] = json!({});
    std::fs::write(path, whole.to_string()).unwrap();
}

fn one(fate: &str) -> Vec<(String, String)> {
    vec![("chat".into(), fate.into())]
}

#[test]
fn one_message_for_what_is_bad_and_none_when_all_is_well() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200).body("ok"));
    let output = alert(state.path(), &hook.url("/services/T/B/secret-path"), &night("warn"), &["--log", "/var/log/n"]);
    assert_eq!((output.code, fates(&output)), (1, one("sent")));
    let [request] = &hook.requests()[..] else { panic!("one message, not {}", hook.requests().len()) };
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let text = body["text"].as_str().unwrap();
    for part in ["long queue", "value 1200", "threshold 1000", "hint: start workers", "run r-1", "/var/log/n"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    assert!(!everything(&output).contains("secret-path"));
    let output = alert(state.path(), &hook.url("/services/T/B/secret-path"), &night("ok"), &[]);
    assert_eq!((output.code, fates(&output), hook.requests().len()), (0, vec![], 1));
}

#[test]
fn an_undelivered_message_waits_and_goes_out_later() {
    let state = TempDir::new().unwrap();
    let down = format!("http://127.0.0.1:{}/secret-path", ml_tests::closed_port());
    let output = alert(state.path(), &down, &night("crit"), &[]);
    assert_eq!((output.code, fates(&output), waiting(state.path())), (3, one("held"), 1));
    assert!(!everything(&output).contains("secret-path") && output.stderr.contains("hint:"), "{}", output.stderr);
    assert!(!remembered(state.path()).to_string().contains("secret-path"));
    let_time_pass(state.path());
    // Neither a dry run nor one that is to tell nobody sends or forgets it.
    let hook = HttpStandIn::answering(Response::status(204));
    alert(state.path(), &hook.url("/x"), &night("ok"), &["--dry-run"]);
    Tool::new("ml-alert")
        .env("ALERT_WEBHOOK", hook.url("/x"))
        .env("STATE_DIR", state.path())
        .env("SYSTEM", "lab")
        .stdin_records(&night("crit"))
        .run();
    assert_eq!((hook.requests().len(), waiting(state.path())), (0, 1));
    let output = alert(state.path(), &hook.url("/x"), &night("ok"), &[]);
    assert_eq!((output.code, hook.requests().len(), waiting(state.path())), (0, 1, 0));
    assert_eq!(output.end()["summary"], "all is well; 1 waiting message delivered");
}

#[test]
fn what_is_still_so_is_told_by_each_run_and_that_it_is_over_by_none() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    for (status, told) in [("crit", 1), ("crit", 2), ("crit", 3), ("ok", 3), ("crit", 4)] {
        let output = alert(state.path(), &hook.url("/x"), &night(status), &[]);
        assert_eq!((hook.requests().len(), fates(&output).len()), (told, usize::from(status == "crit")), "{status}");
    }
    // What another pipeline of the same system does not look at is not told by it.
    alert(
        state.path(),
        &hook.url("/x"),
        &[record("ml-backup", "ok", "start", json!({})), record("ml-backup", "ok", "end", json!({"exit": 0}))],
        &[],
    );
    assert_eq!(hook.requests().len(), 4);
}

/// A file of the outbox as version 0.1.0 wrote it.
const OLD: &str = r#"{
  "run": "r-1",
  "since": "2026-01-23T04:49:56.200Z",
  "reason": "POST http://127.0.0.1:1: connection refused",
  "severity": "crit",
  "payload": {
    "text": "🔴 lab on vm: 1 critical, 1 warning\ncrit ledger.chain [gate]: 2 blocks: broken\nhint: look\nwarn redis.queue: p &lt; q &amp; r &gt; s (value 1200, warn 1000)\n  row 1\nhint: start workers\nrun r-1, log /var/log/n"
  }
}"#;

#[test]
fn what_waited_in_the_outbox_of_old_is_delivered_once_and_reads_as_it_did() {
    let state = TempDir::new().unwrap();
    let old = state.path().join("outbox");
    std::fs::create_dir(&old).unwrap();
    std::fs::write(old.join("20260123T044956200Z-r-1.json"), OLD).unwrap();
    std::fs::write(old.join(".lock"), "").unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    // Nobody is to be told, or it is tried out: it stays where it is.
    let quiet = || Tool::new("ml-alert").env("STATE_DIR", state.path()).env("SYSTEM", "lab").stdin_records(&night("ok"));
    quiet().run().expect_code(0);
    alert(state.path(), &hook.url("/x"), &night("ok"), &["--dry-run"]);
    assert_eq!((hook.requests().len(), std::fs::read_dir(&old).unwrap().count()), (0, 2));
    // With the service down it is in the state from now on.
    let down = format!("http://127.0.0.1:{}/x", ml_tests::closed_port());
    assert_eq!(alert(state.path(), &down, &night("ok"), &[]).code, 3);
    assert_eq!((waiting(state.path()), old.exists()), (1, false));
    let_time_pass(state.path());
    for _ in 0..2 {
        assert_eq!(alert(state.path(), &hook.url("/x"), &night("ok"), &[]).code, 0);
    }
    let [request] = &hook.requests()[..] else { panic!("one message, not {}", hook.requests().len()) };
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let text = body["text"].as_str().unwrap();
    for part in [
        "lab on vm: 1 critical, 1 warning (delayed since 2026-01-23T04:49:56.200Z)",
        "[critical] ledger.chain [gate]: 2 blocks: broken",
        "hint: look",
        "[low] redis.queue: p &lt; q &amp; r &gt; s (value 1200, warn 1000)",
        "row 1",
        "run r-1",
        "log: /var/log/n",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn trouble_with_what_is_remembered_does_not_keep_a_message_back() {
    let hook = HttpStandIn::answering(Response::status(200));
    // The outbox of old is no folder; there can be no state; a newer version wrote it; another run holds it.
    let state = TempDir::new().unwrap();
    std::fs::write(state.path().join("outbox"), "a file where the folder should be").unwrap();
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.record("check", "outbox")["status"].as_str(), fates(&output)), (Some("warn"), one("sent")));
    let file = state.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = alert(&file.join("state"), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.record("check", "state")["status"].as_str(), fates(&output)), (Some("warn"), one("sent")));
    std::fs::write(state.path().join("alerts-lab.json"), "{\"version\":99,\"value\":{}}").unwrap();
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.code, fates(&output)), (78, one("sent")));
    std::fs::remove_file(state.path().join("alerts-lab.json")).unwrap();
    let lock = std::fs::File::create(state.path().join("alerts-lab.json.lock")).unwrap();
    lock.lock().unwrap();
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.code, fates(&output), hook.requests().len()), (1, one("sent"), 4));
    // And what can be neither told nor kept is said to be so, or left for the other.
    let down = format!("http://127.0.0.1:{}/x", ml_tests::closed_port());
    let output = alert(state.path(), &down, &night("warn"), &[]);
    assert!(output.code == 3 && output.stderr.contains("1 record left for the run that holds the state"), "{}", output.stderr);
    drop(lock);
    alert(state.path(), &hook.url("/x"), &night("ok"), &[]);
    assert!(hook.requests()[4].body.contains("long queue"));
    let output = alert(&file.join("state"), &down, &night("warn"), &[]);
    assert!(output.code == 3 && output.stderr.contains("not kept either"), "{}", output.stderr);
}

#[test]
fn a_refusing_service_keeps_the_message_and_says_what_to_do() {
    for (status, hint, waits) in [(404, "make a new one", 1), (400, "ml-alert list", 0)] {
        let state = TempDir::new().unwrap();
        let hook = HttpStandIn::answering(Response::status(status));
        let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
        assert!(output.code == 3 && output.stderr.contains(hint), "{status}: {}", output.stderr);
        assert_eq!((waiting(state.path()), remembered(state.path())["outbox"].as_array().unwrap().len()), (waits, 1));
    }
}

#[test]
fn a_dry_run_prints_the_payload_and_touches_nothing() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &["--dry-run"]);
    let shown = output.records.iter().find(|record| record["kind"] == "alert").unwrap();
    let payload: Value = serde_json::from_str(shown["payload"].as_str().unwrap()).unwrap();
    assert!(payload["text"].as_str().unwrap().contains("long queue"));
    assert_eq!((shown["status"].as_str(), hook.requests().len()), (Some("planned"), 0));
    assert_eq!(std::fs::read_dir(state.path()).unwrap().count(), 0);
}

#[test]
fn dead_missing_and_silent_stages_are_named_and_exit_seventy() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    let url = hook.url("/x");
    let mut dead = night("ok");
    dead.push(record("ml-derive", "ok", "start", json!({})));
    for (stream, args, named) in [
        (dead, &[][..], "tool.ml-derive: died"),
        (night("ok"), &["--expect", "ml-health,ml-backup"], "tool.ml-backup: it took no part"),
        (vec![], &[], "upstream-silent"),
    ] {
        let output = alert(state.path(), &url, &stream, args);
        let last = hook.requests().pop().unwrap();
        assert!(last.body.contains(named), "{named}");
        assert_eq!(output.code, 70, "{named}");
    }
    let output = alert(state.path(), &url, &[], &["--allow-empty"]);
    assert_eq!((output.code, hook.requests().len()), (0, 3));
}

#[test]
fn silent_unless_enabled_and_clear_when_there_is_nowhere_to_send() {
    let off = Tool::new("ml-alert").env("ALERT_WEBHOOK", "http://127.0.0.1:1/x").stdin_records(&night("warn")).run();
    assert_eq!((off.code, fates(&off)), (1, one("suppressed")));
    let state = TempDir::new().unwrap();
    let nowhere = Tool::new("ml-alert")
        .env("ALERT_ENABLED", "true")
        .env("STATE_DIR", state.path())
        .env("SYSTEM", "lab")
        .stdin_records(&night("warn"))
        .run();
    assert!(nowhere.code == 78 && nowhere.stderr.contains("ALERT_WEBHOOK"), "{}", nowhere.stderr);
    assert_eq!(waiting(state.path()), 1, "it goes out once there is a webhook");
    let wrong = Tool::new("ml-alert").env("ALERT_ENABLED", "maybe").stdin_records(&night("warn")).run();
    assert_eq!(wrong.code, 78);
    // A variable that is no text is not taken for one that is not set.
    let no_text: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"tru\xff");
    let wrong = Tool::new("ml-alert").env("ALERT_ENABLED", no_text).stdin_records(&night("warn")).run();
    assert_eq!(wrong.code, 78);
}

#[test]
fn a_message_that_is_refused_for_its_form_holds_up_nothing() {
    let state = TempDir::new().unwrap();
    let refusing = HttpStandIn::answering(Response::status(400));
    alert(state.path(), &refusing.url("/x"), &night("warn"), &[]);
    let hook = HttpStandIn::answering(Response::status(200));
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.code, fates(&output), hook.requests().len()), (1, one("sent"), 1));
    let list = Tool::new("ml-alert").arg("list").env("STATE_DIR", state.path()).env("SYSTEM", "lab").run().expect_code(0);
    assert!(list.stdout.contains("refused for chat"), "{}", list.stdout);
}

#[test]
fn explaining_silencing_listing_testing_and_replaying_work_without_rules() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    let url = hook.url("/x");
    let tool = |args: &[&str]| {
        Tool::new("ml-alert").args(args).env("ALERT_WEBHOOK", &url).env("STATE_DIR", state.path()).env("SYSTEM", "lab").env("USER", "ann")
    };
    alert(state.path(), &url, &night("crit"), &[]);
    let told = tool(&["explain", "redis.queue"]).run().expect_code(0);
    assert!(told.stdout.contains("fires since") && told.stdout.contains("told to chat: lab: 1 critical: redis.queue"), "{}", told.stdout);
    assert_eq!(tool(&["list"]).run().expect_code(0).end()["summary"], "1 firing, 0 silences, 0 in the outbox");
    tool(&["silence", "redis.*"]).run().expect_code(0);
    let output = alert(state.path(), &url, &night("crit"), &[]);
    assert_eq!((output.end()["summary"].as_str(), hook.requests().len()), (Some("not told: it is silenced (ml-alert list)"), 1));
    tool(&["silence", "--expire", "1"]).run().expect_code(0);
    alert(state.path(), &url, &night("crit"), &[]);
    tool(&["test", "--sink", "chat"]).run().expect_code(0);
    assert_eq!(hook.requests().len(), 3);
    let mut history = night("crit");
    for record in night("ok").into_iter().chain(night("warn")) {
        let mut record = record;
        record["run"] = json!(format!("r-{}", 2 + history.len() / 6));
        history.push(record);
    }
    let replayed = tool(&["replay"]).stdin_records(&history).run().expect_code(0);
    assert_eq!(replayed.end()["summary"], "2 notifications would have been sent", "{}", replayed.stdout);
    let shown = tool(&["check-config"]).run().expect_code(0);
    let rules = state.path().join("rules.toml");
    std::fs::write(&rules, shown.record("step", "rules")["summary"].as_str().unwrap()).unwrap();
    // The same text in a file means the same.
    let hooked = alert(state.path(), &url, &night("warn"), &["--rules", rules.to_str().unwrap()]);
    assert_eq!((hooked.code, fates(&hooked)), (1, one("sent")));
    alert(state.path(), &url, &night("warn"), &[]);
    // All but the moment of the judgement.
    let text =
        |body: &str| body.split(" at 20").map(|part| part.split_once("Z\\n").map_or(part, |(_, rest)| rest).to_owned()).collect::<Vec<_>>();
    let [.., by_file, by_default] = &hook.requests()[..] else { panic!("all were told") };
    assert_eq!(text(&by_file.body), text(&by_default.body));
}

#[test]
fn the_form_is_that_of_the_setting_and_a_wrong_address_waits_for_a_better_one() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(204));
    let tool = |format: &str, url: &str| {
        let tool = Tool::new("ml-alert")
            .env("ALERT_ENABLED", "true")
            .env("ALERT_FORMAT", format)
            .env("ALERT_BUDGET_SECONDS", "2")
            .env("ALERT_WEBHOOK", url);
        tool.env("STATE_DIR", state.path()).env("SYSTEM", "lab").stdin_records(&night("warn")).run()
    };
    tool("discord", &hook.url("/x"));
    assert!(serde_json::from_str::<Value>(&hook.requests()[0].body).unwrap()["content"].is_string());
    let wrong = tool("teams", &hook.url("/x"));
    assert!(wrong.code == 78 && wrong.stderr.contains("ALERT_FORMAT must be auto, slack, discord, and is 'teams'"), "{}", wrong.stderr);
    let wrong = tool("auto", "hooks.example.com/secret-path");
    assert!(wrong.code == 78 && wrong.stderr.contains("a valid ALERT_WEBHOOK is not set"), "{}", wrong.stderr);
    assert!(!everything(&wrong).contains("secret-path") && waiting(state.path()) == 1);
}
