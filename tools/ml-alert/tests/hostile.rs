//! What looked right and was not: times that cannot be read, sinks that change, words that are long, names with blanks.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::{HttpStandIn, Response};
use serde_json::json;
use support::{Desk, at, record, run, titles, tool};

const BAD: &str = "[[rule]]\nname = \"bad\"\nid = \"*\"\n";

#[test]
fn a_record_whose_time_cannot_be_read_is_told() {
    for ts in ["2025-01-08 02:00:00", "", "yesterday"] {
        let hook = HttpStandIn::answering(Response::status(200));
        let desk = Desk::new(&hook.url("/in"), BAD);
        desk.run(&[record(ts, "crit", "check", json!({"id": "db.down", "summary": "s"}))], &[]);
        assert_eq!(titles(&hook), ["lab: 1 critical: db.down"], "{ts:?}");
    }
}

#[test]
fn a_sink_that_a_rule_no_longer_names_is_not_told_that_it_is_over_while_it_goes_on() {
    let (ops, two) = (HttpStandIn::answering(Response::status(200)), HttpStandIn::answering(Response::status(200)));
    let second = format!("[sink.two]\nkind = \"webhook\"\nurl = \"{}\"\n", two.url("/two"));
    let desk = Desk::new(&ops.url("/in"), &format!("{second}{BAD}"));
    let bad = [("x", "crit", 1.0)];
    desk.run(&run(0, &bad), &[]).expect_code(0);
    desk.rules(&ops.url("/in"), &format!("{second}{BAD}sinks = [\"two\"]\n"));
    desk.run(&run(5, &bad), &[]).expect_code(0);
    assert_eq!((titles(&ops).len(), titles(&two).len()), (1, 1));
    desk.run(&run(10, &[("x", "ok", 1.0)]), &[]).expect_code(0);
    assert_eq!((titles(&ops)[1..].concat(), titles(&two)[1..].concat()), ("lab: 1 resolved: x".into(), "lab: 1 resolved: x".into()));
    // One that is gone altogether is told nothing, and keeps nothing waiting.
    desk.run(&run(15, &bad), &[]).expect_code(0);
    desk.rules(&ops.url("/in"), BAD);
    desk.run(&run(20, &bad), &[]).expect_code(0);
    assert_eq!(titles(&two).last().unwrap(), "lab: 1 critical: x");
}

#[test]
fn what_waits_for_a_sink_that_went_out_of_the_rules_is_given_up_once_and_said() {
    let (ops, two) = (HttpStandIn::answering(Response::status(200)), HttpStandIn::answering(Response::status(503)));
    let second = format!("[sink.two]\nkind = \"webhook\"\nurl = \"{}\"\n", two.url("/two"));
    let desk = Desk::new(&ops.url("/in"), &format!("{second}{BAD}"));
    let bad = [("x", "crit", 1.0)];
    desk.run(&run(0, &bad), &[]).expect_code(3);
    let waiting = || desk.remembered()["outbox"].as_array().unwrap().len();
    assert_eq!(waiting(), 1);
    // Nothing is given up where nobody is to be told, or a call has no rules at all.
    desk.rules(&ops.url("/in"), BAD);
    desk.tool(&[]).env("ALERT_ENABLED", "false").stdin_records(&run(5, &bad)).run().expect_code(0);
    assert_eq!(waiting(), 1);
    let given_up = desk.run(&run(10, &bad), &[]);
    assert_eq!(given_up.record("check", "outbox")["summary"], "1 notification given up, as there is no sink two in the rules any more");
    assert_eq!((waiting(), desk.run(&run(15, &bad), &[]).expect_code(0).kind("check").count()), (0, 1), "its own checks are forwarded");
    // Where it comes back, it hears what fires.
    desk.rules(&ops.url("/in"), &format!("{second}{BAD}"));
    desk.run(&run(20, &bad), &[]).expect_code(3);
    assert_eq!(waiting(), 1);
}

#[test]
fn who_was_told_nothing_hears_what_fires_once_somebody_is_told_again() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let bad = [("x", "crit", 1.0)];
    desk.tool(&[]).env("ALERT_ENABLED", "false").stdin_records(&run(0, &bad)).run().expect_code(0);
    desk.run(&run(5, &bad), &[]).expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: x"]);
    desk.run(&run(10, &[("x", "ok", 1.0)]), &[]).expect_code(0);
    assert_eq!(titles(&hook).len(), 2);
}

#[test]
fn a_dry_run_is_not_what_is_waited_for() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"night\"\nid = \"tool.ml-backup\"\nabsent_for = \"26h\"\n");
    let end = |ts: &str, status: &str| {
        let mut end = record(ts, status, "end", json!({"exit": 0}));
        end["tool"] = json!("ml-backup");
        end
    };
    desk.run(&[end("2025-01-08T02:00:00Z", "ok")], &[]);
    desk.run(&[record("2025-01-10T02:00:00Z", "ok", "check", json!({"id": "y"}))], &[]);
    desk.run(&[end("2025-01-10T03:00:00Z", "planned")], &[]);
    assert_eq!(titles(&hook).len(), 1, "{:?}", titles(&hook));
    desk.run(&[end("2025-01-10T04:00:00Z", "ok")], &[]);
    assert!(titles(&hook)[1].contains("resolved"));
}

#[test]
fn long_words_that_stay_are_no_change() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"settings\"\nid = \"*\"\nchanged = \"hash\"\n");
    for (minute, hash) in [(0, "x".repeat(250)), (1, "x".repeat(250)), (2, format!("{}y", "x".repeat(250)))] {
        let labels = json!({"id": "db.settings", "summary": "s", "labels": {"hash": hash}});
        desk.run(&[record(&at(minute), "ok", "check", labels)], &[]);
        assert_eq!(titles(&hook).len(), usize::from(minute == 2), "{minute}");
    }
}

#[test]
fn blanks_in_names_make_no_two_alerts_one() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), &format!("{BAD}group_by = [\"system\"]\n"));
    let of = |system: &str, id: &str| {
        let mut record = record(&at(0), "crit", "check", json!({"id": id, "summary": "s"}));
        record["system"] = json!(system);
        record
    };
    desk.run(&[of("x", "y z"), of("x y", "z")], &[]);
    assert_eq!(titles(&hook), ["x: 1 critical: y z", "x y: 1 critical: z"]);
}

#[test]
fn what_was_resolved_by_hand_begins_anew() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"busy\"\nid = \"*\"\nof = \"3 of 5\"\n");
    (0..4).for_each(|minute| drop(desk.run(&run(minute, &[("api", "crit", 1.0)]), &[])));
    assert_eq!(titles(&hook).len(), 1);
    desk.tool(&["resolve", "busy"]).run().expect_code(0);
    desk.run(&run(5, &[("api", "ok", 1.0)]), &[]).expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: api", "lab: 1 resolved: api"]);
}

#[test]
fn what_a_command_says_holds_no_secret_wherever_it_is_shown() {
    let desk = Desk::new("http://127.0.0.1:9/in", "");
    let rules = "[sink.cmd]\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"echo $1 >&2; exit 1\", \"x\", \"${CMDTOKEN}\"]\n";
    std::fs::write(desk.file(), format!("{rules}{BAD}")).unwrap();
    let tool = |args: &[&str]| tool(&desk.file(), &desk.state(), args).env("CMDTOKEN", "cmdtokenvalue77");
    tool(&[]).stdin_records(&run(0, &[("x", "crit", 1.0)])).run().expect_code(3);
    let listed = tool(&["list"]).run().expect_code(0);
    assert!(listed.stdout.contains("outbox.") && !listed.stdout.contains("cmdtokenvalue77"), "{}", listed.stdout);
    assert!(!std::fs::read_to_string(desk.state_file()).unwrap().contains("cmdtokenvalue77"));
}
