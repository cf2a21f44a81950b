//! ml-alert against a webhook that answers, refuses or is not there.
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
        .env("STATE_DIR", state)
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

fn waiting(state: &Path) -> usize {
    std::fs::read_dir(state.join("outbox"))
        .map_or(0, |entries| entries.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|ext| ext == "json")).count())
}

#[test]
fn one_message_for_what_is_bad_and_none_when_all_is_well() {
    let state = TempDir::new().unwrap();
    let hook = HttpStandIn::answering(Response::status(200).body("ok"));
    let output = alert(state.path(), &hook.url("/services/T/B/secret-path"), &night("warn"), &["--log", "/var/log/n"]);
    assert_eq!((output.code, fates(&output)), (1, vec![("run".into(), "sent".into())]));
    let [request] = &hook.requests()[..] else { panic!("one message, not {}", hook.requests().len()) };
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let text = body["text"].as_str().unwrap();
    for part in ["long queue", "value 1200", "warn 1000", "hint: start workers", "run r-1", "/var/log/n"] {
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
    assert_eq!((output.code, fates(&output), waiting(state.path())), (3, vec![("run".into(), "held".into())], 1));
    assert!(!everything(&output).contains("secret-path") && output.stderr.contains("hint:"), "{}", output.stderr);
    let kept = std::fs::read_dir(state.path().join("outbox")).unwrap().map(|e| std::fs::read_to_string(e.unwrap().path()).unwrap());
    assert!(kept.into_iter().all(|text| !text.contains("secret-path")));
    // A dry run neither sends nor forgets it.
    let hook = HttpStandIn::answering(Response::status(204));
    alert(state.path(), &hook.url("/x"), &night("ok"), &["--dry-run"]);
    assert_eq!((hook.requests().len(), waiting(state.path())), (0, 1));
    let output = alert(state.path(), &hook.url("/x"), &night("ok"), &[]);
    assert_eq!((output.code, hook.requests().len(), waiting(state.path())), (0, 1, 0));
    assert!(hook.requests()[0].body.contains("delayed since"));
}

#[test]
fn a_message_that_had_to_wait_reads_as_it_was() {
    let state = TempDir::new().unwrap();
    let mut night = night("warn");
    night[1]["summary"] = json!("p < q & r > s, &lt;");
    let down = format!("http://127.0.0.1:{}/x", ml_tests::closed_port());
    alert(state.path(), &down, &night, &[]);
    let hook = HttpStandIn::answering(Response::status(200));
    alert(state.path(), &hook.url("/x"), &night, &[]);
    assert_eq!(hook.requests().len(), 2);
    for request in hook.requests() {
        assert!(request.body.contains("p &lt; q &amp; r &gt; s, &amp;lt;"), "{}", request.body);
    }
}

#[test]
fn trouble_with_the_outbox_does_not_keep_a_message_back() {
    let state = TempDir::new().unwrap();
    std::fs::write(state.path().join("outbox"), "a file where the folder should be").unwrap();
    let hook = HttpStandIn::answering(Response::status(200));
    let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
    assert_eq!((output.code, fates(&output), hook.requests().len()), (4, vec![("run".into(), "sent".into())], 1));
}

#[test]
fn a_refusing_service_keeps_the_message_and_says_what_to_do() {
    let state = TempDir::new().unwrap();
    for (status, hint) in [(404, "make a new one"), (400, "ALERT_FORMAT")] {
        let hook = HttpStandIn::answering(Response::status(status));
        let output = alert(state.path(), &hook.url("/x"), &night("warn"), &[]);
        assert!(output.code == 3 && output.stderr.contains(hint), "{status}: {}", output.stderr);
    }
    assert_eq!(waiting(state.path()), 2);
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
        (dead, &[][..], "died ml-derive"),
        (night("ok"), &["--expect", "ml-health,ml-backup"], "missing ml-backup"),
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
    assert_eq!((off.code, fates(&off)), (1, vec![("run".into(), "suppressed".into())]));
    let state = TempDir::new().unwrap();
    let nowhere = Tool::new("ml-alert").env("ALERT_ENABLED", "true").env("STATE_DIR", state.path()).stdin_records(&night("warn")).run();
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
    for _ in 0..2 {
        alert(state.path(), &refusing.url("/x"), &night("warn"), &[]);
    }
    // The first call kept one and the second tried it again and kept another; both are tried now, though the first is refused.
    let count = refusing.requests().len();
    alert(state.path(), &refusing.url("/x"), &night("ok"), &[]);
    assert_eq!((refusing.requests().len() - count, waiting(state.path())), (2, 2));
}
