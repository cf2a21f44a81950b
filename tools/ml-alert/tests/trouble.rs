//! ml-alert with rules when something else is in trouble: the service, the disk, its own state, another run, itself.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::{HttpStandIn, Response};
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;
use support::{Desk, bodies, fates, run, titles};

/// A group for each id.
const EACH: &str = "[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n";

fn keys(hook: &HttpStandIn) -> Vec<String> {
    bodies(hook).iter().map(|body| body["key"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn after_hours_without_the_service_all_is_told_in_order_and_nothing_twice() {
    let status = Arc::new(AtomicU16::new(503));
    let answer = Arc::clone(&status);
    let hook = HttpStandIn::start(move |_| Response::status(answer.load(Ordering::SeqCst)));
    let desk = Desk::new(&hook.url("/in"), EACH);
    let nights = [("a", "crit"), ("b", "crit"), ("a", "ok"), ("c", "crit")];
    for (minute, (id, status)) in nights.iter().enumerate() {
        let output = desk.run(&run(minute as u32 * 30, &[(id, status, 1.0)]), &[]).expect_code(3);
        assert!(fates(&output).contains(&"held"), "{}", output.stdout);
    }
    assert_eq!(desk.remembered()["outbox"].as_array().unwrap().len(), 4);
    let refused = hook.requests().len();
    status.store(200, Ordering::SeqCst);
    desk.let_hours_pass();
    desk.run(&run(150, &[]), &[]).expect_code(0);
    desk.run(&run(210, &[]), &[]).expect_code(0);
    let told: Vec<String> = titles(&hook).split_off(refused);
    assert_eq!(told, ["lab: 1 critical: a", "lab: 1 critical: b", "lab: 1 resolved: a", "lab: 1 critical: c"]);
    assert!(desk.remembered()["outbox"].as_array().unwrap().is_empty());
}

#[test]
fn a_pause_that_the_service_wants_is_kept_from_run_to_run() {
    let hook = HttpStandIn::answering(Response::status(429).header("Retry-After", "3600"));
    let desk = Desk::new(&hook.url("/in"), EACH);
    desk.run(&run(0, &[("a", "crit", 1.0)]), &[]).expect_code(3);
    for minute in [5, 10] {
        let output = desk.run(&run(minute, &[("b", "crit", 1.0)]), &[]).expect_code(3);
        assert!(fates(&output).contains(&"held"));
    }
    assert_eq!((hook.requests().len(), desk.remembered()["outbox"].as_array().unwrap().len()), (1, 2));
}

#[test]
fn a_sink_whose_variable_is_not_set_gets_everything_once_it_is() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new("${OPS_URL}", EACH);
    let output = desk.run(&run(0, &[("a", "crit", 1.0)]), &[]);
    let held = output.kind("alert").next().unwrap();
    assert_eq!((held["fate"].as_str(), output.code != 0), (Some("held"), true), "{}", output.stdout);
    assert!(held["reason"].as_str().unwrap().contains("OPS_URL is not set"), "{held}");
    let bad = run(5, &[("a", "crit", 1.0)]);
    desk.tool(&[]).env("OPS_URL", hook.url("/in")).stdin_records(&bad).run().expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: a"]);
}

#[test]
fn a_damaged_state_is_moved_aside_and_told_and_a_newer_one_is_left_alone() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    std::fs::create_dir_all(desk.state()).unwrap();
    std::fs::write(desk.state_file(), "{\"version\":1,\"value\":{\"aler").unwrap();
    let bad = run(0, &[("a", "crit", 1.0)]);
    let output = desk.run(&bad, &[]);
    assert_eq!((output.record("check", "state")["status"].as_str(), titles(&hook).len()), (Some("warn"), 1));
    let names: Vec<String> =
        std::fs::read_dir(desk.state()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().any(|name| name.starts_with("alerts-lab.json.corrupt-")), "{names:?}");
    let newer = "{\"version\":99,\"value\":{}}";
    std::fs::write(desk.state_file(), newer).unwrap();
    let output = desk.run(&bad, &[]).expect_code(78);
    assert!(output.stderr.contains("version 99") && output.stderr.contains("hint:"), "{}", output.stderr);
    let told = ["lab: 1 critical: a", "lab: 1 critical: a"];
    assert_eq!((std::fs::read_to_string(desk.state_file()).unwrap().as_str(), titles(&hook)), (newer, told.map(str::to_owned).to_vec()));
}

#[test]
fn a_full_disk_is_no_reason_to_be_silent() {
    let disk = match ml_tests::full_disk(64 * 1024) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    let filler = disk.path().join("filler");
    let tool = |minute| desk.tool(&[]).env("STATE_DIR", disk.path()).stdin_records(&run(minute, &[("disk.free", "crit", 0.0)])).run();
    // The lock is made while there is room, then the disk fills up.
    desk.tool(&[]).env("STATE_DIR", disk.path()).stdin_records(&run(0, &[])).run().expect_code(0);
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    let output = tool(5).expect_code(4);
    assert_eq!(titles(&hook), ["lab: 1 critical: disk.free"], "{}", output.stderr);
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    // Of that nothing could be remembered: it is told again, and that once.
    tool(10).expect_code(0);
    tool(15).expect_code(0);
    assert_eq!(hook.requests().len(), 2);
}

#[test]
fn what_is_seen_while_another_run_holds_the_state_is_told_by_the_next() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    std::fs::create_dir_all(desk.state()).unwrap();
    let lock = std::fs::File::create(desk.state().join("alerts-lab.json.lock")).unwrap();
    lock.lock().unwrap();
    let output = desk.run(&run(0, &[("a", "crit", 1.0)]), &["--expect", "ml-backup"]).expect_code(70);
    assert!(output.end()["summary"].as_str().unwrap().contains("another run holds the state; 3 records left for it"), "{}", output.stdout);
    assert_eq!(hook.requests().len(), 0);
    drop(lock);
    // In their order: what was bad then is over now; what was missing then still is.
    desk.run(&run(5, &[("a", "ok", 1.0)]), &[]).expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: tool.ml-backup"]);
    assert_eq!(std::fs::read_dir(desk.state().join("alerts-lab.spool")).unwrap().count(), 0);
}

#[test]
fn killed_while_it_delivers_nothing_is_lost_and_a_repetition_has_the_same_key() {
    let slow = Arc::new(AtomicBool::new(true));
    let (answer, seen) = (Arc::clone(&slow), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&seen);
    let hook = HttpStandIn::start(move |_| {
        let before = count.fetch_add(1, Ordering::SeqCst);
        if answer.load(Ordering::SeqCst) && before >= 2 {
            Response::status(200).after(Duration::from_secs(30))
        } else {
            Response::status(200)
        }
    });
    let desk = Desk::new(&hook.url("/in"), EACH);
    let ids = ["a", "b", "c", "d", "e"].map(|id| (id, "crit", 1.0));
    let running = desk.tool(&[]).stdin_records(&run(0, &ids)).spawn();
    let until = std::time::Instant::now() + Duration::from_secs(60);
    while seen.load(Ordering::SeqCst) < 3 {
        assert!(std::time::Instant::now() < until, "it never came to the third");
        std::thread::sleep(Duration::from_millis(10));
    }
    running.signal(9);
    assert_eq!(running.wait().code, 137);
    slow.store(false, Ordering::SeqCst);
    desk.run(&run(5, &ids), &[]).expect_code(0);
    let (keys, told) = (keys(&hook), titles(&hook));
    assert_eq!(told.iter().collect::<BTreeSet<_>>().len(), 5, "{told:?}");
    assert_eq!((keys.len(), keys.iter().collect::<BTreeSet<_>>().len()), (6, 5), "one that was under way came twice, by its own key");
    let headers: Vec<String> = hook.requests().iter().map(|request| request.headers["idempotency-key"].clone()).collect();
    assert_eq!(headers, keys);
}

#[test]
fn what_waited_from_before_there_were_rules_goes_where_it_was_to_go_or_to_whom_the_rules_tell() {
    for webhook in [true, false] {
        let hook = HttpStandIn::answering(Response::status(200));
        let desk = Desk::new(&hook.url("/rules"), EACH);
        let down = format!("http://127.0.0.1:{}/old", ml_tests::closed_port());
        let old = ml_tests::Tool::new("ml-alert").env("STATE_DIR", desk.state()).env("SYSTEM", "lab").env("ALERT_ENABLED", "true");
        let old = old.env("ALERT_WEBHOOK", down).env("ALERT_BUDGET_SECONDS", "0");
        old.stdin_records(&run(0, &[("a", "crit", 1.0)])).run().expect_code(3);
        // And one that an earlier version has left.
        std::fs::create_dir(desk.state().join("outbox")).unwrap();
        let waiting = json!({"run": "r-0", "since": "2025-01-07T02:00:00.000Z", "reason": "refused", "severity": "warn",
            "payload": {"content": "\u{1f7e1} lab on h: 1 warning\nwarn b: bad\nrun r-0", "allowed_mentions": {"parse": []}}});
        std::fs::write(desk.state().join("outbox/20250107T020000000Z-r-0.json"), waiting.to_string()).unwrap();
        desk.let_hours_pass();
        let tool = desk.tool(&[]).env("ALERT_BUDGET_SECONDS", "5");
        let tool = if webhook { tool.env("ALERT_WEBHOOK", hook.url("/old")) } else { tool };
        tool.stdin_records(&run(5, &[])).run().expect_code(0);
        let requests = hook.requests();
        let path = if webhook { "/old" } else { "/rules" };
        assert_eq!(requests.iter().map(|request| &*request.path).collect::<Vec<_>>(), [path, path], "{requests:?}");
        assert!(requests[0].body.contains("lab on h: 1 warning") && requests[1].body.contains("lab: 1 critical: a"), "{requests:?}");
        assert!(!desk.state().join("outbox").exists());
    }
}

#[test]
fn what_nobody_takes_is_given_up_some_day_and_that_is_told() {
    let desk = Desk::new("${OPS_URL}", EACH);
    desk.run(&run(0, &[("a", "crit", 1.0)]), &[]);
    let mut whole: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(desk.state_file()).unwrap()).unwrap();
    let entry = whole["value"]["outbox"][0].clone();
    whole["value"]["outbox"] = vec![entry; 5_000].into();
    std::fs::write(desk.state_file(), whole.to_string()).unwrap();
    let output = desk.run(&run(5, &[("b", "crit", 1.0)]), &[]);
    let told = output.record("check", "outbox");
    assert!(told["summary"].as_str().unwrap().starts_with("1 notification given up"), "{told}");
    let outbox = desk.remembered()["outbox"].take();
    assert_eq!((outbox.as_array().unwrap().len(), outbox[4_999]["notification"]["items"][0]["id"].as_str()), (5_000, Some("b")));
}
