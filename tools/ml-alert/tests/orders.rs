//! `silence` and `resolve`, between runs and while a watch goes on that holds the state.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::{HttpStandIn, Response, Running};
use serde_json::json;
use std::time::{Duration, Instant};
use support::{Desk, record, run, titles};

const EACH: &str = "[alerts]\ngroup_wait = \"0s\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n";

#[test]
fn what_no_check_ends_is_ended_by_hand_and_all_who_were_told_hear_it() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    desk.run(&run(0, &[("db.old", "crit", 1.0), ("db.lag", "crit", 1.0), ("redis.ping", "crit", 0.0)]), &[]).expect_code(0);
    assert_eq!(hook.requests().len(), 3);
    let stderr = desk.tool(&["resolve", "db.older"]).run().expect_code(64).stderr;
    assert!(stderr.contains("nothing that fires is called db.older") && stderr.contains("ml-alert list"), "{stderr}");
    assert!(desk.tool(&["resolve", "["]).run().expect_code(64).stderr.contains("is no pattern"));
    let before = desk.remembered();
    let planned = desk.tool(&["resolve", "db.*", "--dry-run"]).run().expect_code(0);
    assert_eq!(planned.record("step", "alert.db.old")["status"], "planned");
    assert_eq!((planned.end()["summary"].as_str(), desk.remembered()), (Some("would take 2 alerts for over"), before));
    let output = desk.tool(&["resolve", "db.*", "--reason", "both checks went"]).run().expect_code(0);
    assert!(output.end()["summary"].as_str().unwrap().starts_with("2 alerts taken for over"), "{}", output.stdout);
    desk.tool(&["--tick"]).stdin("").run().expect_code(0);
    assert_eq!(titles(&hook)[3..5], ["lab: 1 resolved: db.lag", "lab: 1 resolved: db.old"]);
    let explained = desk.tool(&["explain", "db.old"]).run().expect_code(0).stdout;
    assert!(explained.contains("taken for over by ann: both checks went"), "{explained}");
    assert_eq!(desk.tool(&["list"]).run().expect_code(0).end()["summary"], "1 firing, 0 silences, 0 in the outbox");
    // What is bad all the same fires again with its next record.
    let now = jiff::Timestamp::now().to_string();
    desk.run(&[record(&now, "crit", "check", json!({"id": "db.lag", "summary": "s"})), record(&now, "ok", "end", json!({"exit": 0}))], &[])
        .expect_code(0);
    assert_eq!(titles(&hook).last().unwrap(), "lab: 1 critical: db.lag");
}

/// Feeds the watch such a record again and again until `done`.
fn feed(watch: &mut Running, id: &str, status: &str, done: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "{id} {status}: {}", watch.stdout_so_far());
        watch.feed(&record(&jiff::Timestamp::now().to_string(), status, "check", json!({"id": id, "summary": "s"})));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_watch_obeys_with_its_next_record() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    let mut watch = desk.tool(&[]).stdin_open().spawn();
    let told = |title: &str| titles(&hook).iter().filter(|told| *told == title).count();
    feed(&mut watch, "redis.ping", "crit", || told("lab: 1 critical: redis.ping") == 1);
    let output = desk.tool(&["silence", "api.*", "--for", "1h", "--reason", "moving"]).run().expect_code(0);
    assert!(output.end()["summary"].as_str().unwrap().contains("from the next record on of the run that holds the state"));
    let silenced = || desk.tool(&["list"]).run().expect_code(0).stdout.contains("api.* until");
    feed(&mut watch, "redis.lag", "ok", silenced);
    let fires = || desk.tool(&["list"]).run().expect_code(0).stdout.contains("alert.api.p95");
    feed(&mut watch, "api.p95", "crit", fires);
    desk.tool(&["resolve", "nothing"]).run().expect_code(64);
    let output = desk.tool(&["resolve", "redis.ping"]).run().expect_code(0);
    assert_eq!(output.end()["summary"], "1 alert taken for over with the next record of the run that holds the state");
    feed(&mut watch, "redis.lag", "ok", || told("lab: 1 resolved: redis.ping") == 1);
    assert_eq!(told("lab: 1 critical: api.p95"), 0);
    desk.tool(&["silence", "--expire", "7"]).run().expect_code(64);
    desk.tool(&["silence", "api.*", "--for", "0s"]).run().expect_code(64);
    desk.tool(&["silence", ""]).run().expect_code(64);
    desk.tool(&["resolve", ""]).run().expect_code(64);
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(0);
    feed(&mut watch, "redis.lag", "ok", || told("lab: 1 critical: api.p95") == 1);
    // Nothing of what was asked for is left to be done again.
    assert_eq!(std::fs::read_dir(desk.state().join("alerts-lab.spool")).unwrap().count(), 0);
    watch.close_stdin();
    let end = watch.wait().expect_code(0).end().clone();
    // All that it told while it went on, not only at its end.
    assert_eq!((&end["summary"], &end["metrics"]["sent"]), (&json!("3 notifications made, 3 sent"), &json!(3)), "{end}");
}

#[test]
fn what_waits_for_the_holder_is_seen_and_can_be_taken_back() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    let mut watch = desk.tool(&[]).stdin_open().spawn();
    feed(&mut watch, "redis.ping", "crit", || titles(&hook).len() == 1);
    // From here on the watch gets nothing, and obeys nothing.
    desk.tool(&["silence", "api.*", "--for", "1h"]).run().expect_code(0);
    let listed = || desk.tool(&["list"]).run().expect_code(0).stdout.contains("api.* until");
    assert!(listed());
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(0);
    assert!(!listed());
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(64);
    desk.tool(&["resolve", "redis.ping"]).run().expect_code(0);
    desk.tool(&["resolve", "redis.ping"]).run().expect_code(64);
    desk.tool(&["silence", "db.*", "--for", "1h"]).run().expect_code(0);
    let pid = watch.pid();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
    drop(watch);
    // Nobody holds the state now: what waited is obeyed with what is asked now.
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(0);
    assert_eq!(std::fs::read_dir(desk.state().join("alerts-lab.spool")).unwrap().count(), 0);
    desk.tool(&["list", "--rules", "/nowhere/rules.toml"]).run().expect_code(78);
}

#[test]
fn where_each_run_is_judged_by_itself_there_is_nothing_to_end() {
    let desk = Desk::new("http://127.0.0.1:9/in", &EACH.replace("group_wait = \"0s\"", "each_run = true"));
    let stderr = desk.tool(&["resolve", "*"]).run().expect_code(64).stderr;
    assert!(stderr.contains("each run is judged by itself") && stderr.contains("silence"), "{stderr}");
}

#[test]
fn a_damaged_state_is_not_replaced_in_silence() {
    let desk = Desk::new("http://127.0.0.1:9/in", EACH);
    std::fs::create_dir_all(desk.state()).unwrap();
    std::fs::write(desk.state_file(), "{\"version\": 1, \"val").unwrap();
    let output = desk.tool(&["silence", "db.*"]).run().expect_code(0);
    let warned = output.record("check", "state");
    assert!(warned["summary"].as_str().unwrap().contains("it is now"), "{warned}");
    assert_eq!(desk.remembered()["silences"][0]["pattern"], "db.*");
}
