//! Flapping and storms: how much is told then, by what the services got.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::clock::unsettable;
use ml_tests::{HttpStandIn, MailServer, Response, Strict, skip};
use serde_json::{Value, json};
use std::time::Duration;
use support::{Desk, bodies, record, titles};

/// How many alerts a storm has.
const MANY: usize = 10_000;

/// A moment so many minutes after that morning.
fn at(minutes: i64) -> String {
    let morning: jiff::Timestamp = "2026-10-24T08:00:00Z".parse().unwrap();
    (morning + jiff::SignedDuration::from_mins(minutes)).to_string()
}

/// A run at that minute: id, status, value.
fn run(minute: i64, checks: &[(&str, &str, f64)]) -> Vec<Value> {
    let ts = at(minute);
    let check = |(id, status, value): &(&str, &str, f64)| record(&ts, status, "check", json!({"id": id, "value": value, "summary": "s"}));
    let mut stream: Vec<Value> = checks.iter().map(check).collect();
    stream.push(record(&ts, "ok", "end", json!({"exit": 0})));
    stream
}

#[test]
fn what_flaps_through_two_hundred_runs_is_told_as_often_as_its_rule_lets_it() {
    let hook = HttpStandIn::answering(Response::status(200));
    let rules = "[alerts]\nrepeat_interval = \"4h\"\n\
        [[rule]]\nname = \"plain\"\nid = \"a\"\ngroup_by = [\"rule\"]\n\
        [[rule]]\nname = \"lasting\"\nid = \"b\"\nfor = \"10m\"\ngroup_by = [\"rule\"]\n\
        [[rule]]\nname = \"kept\"\nid = \"c\"\nkeep_firing_for = \"30m\"\ngroup_by = [\"rule\"]\n\
        [[rule]]\nname = \"between\"\nid = \"d\"\nwhen = \"value > 90\"\nresolve_when = \"value < 70\"\nseverity = \"low\"\ngroup_by = [\"rule\"]\n\
        [[rule]]\nname = \"often\"\nid = \"e\"\nof = \"2 of 5\"\ngroup_by = [\"rule\"]\n";
    let desk = Desk::new(&hook.url("/in"), rules);
    // Every five minutes, bad and well in turn: nearly 17 hours. Then an hour in which all is well.
    for turn in 0..212 {
        let (status, value) = if turn % 2 == 0 && turn < 200 { ("crit", 95.0) } else { ("ok", if turn < 200 { 75.0 } else { 10.0 }) };
        let checks = ["a", "b", "c", "d", "e"].map(|id| (id, status, value));
        desk.run(&run(turn * 5, &checks), &[]).expect_code(0);
    }
    let told = bodies(&hook);
    let of = |rule: &str| {
        let group = format!("ops/{rule}");
        let why = |wanted: &str| told.iter().filter(|body| body["group"] == group.as_str() && body["why"] == wanted).count();
        (why("firing"), why("repeat"), why("resolved"))
    };
    // Without any of these keys each turn is news; with one of them there is one message, what repeats it every four hours, and the end.
    assert_eq!(of("plain"), (100, 0, 100));
    assert_eq!(of("lasting"), (0, 0, 0));
    for rule in ["kept", "between", "often"] {
        assert_eq!(of(rule), (1, 4, 1), "{rule}");
    }
    assert_eq!(hook.requests().len(), 200 + 3 * 6);
}

/// Ten thousand begin, go on, are over.
fn storm(desk: &Desk) {
    let ids: Vec<String> = (0..MANY).map(|n| format!("table.{n}")).collect();
    for (minute, status) in [(0, "crit"), (5, "crit"), (10, "ok")] {
        let checks: Vec<(&str, &str, f64)> = ids.iter().map(|id| (id.as_str(), status, 1.0)).collect();
        desk.tool(&[]).at(&at(minute)).timeout(Duration::from_secs(600)).stdin_records(&run(minute, &checks)).run().expect_code(0);
    }
}

#[test]
fn an_alertmanager_is_told_of_the_end_of_each_alert_of_a_storm() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let manager = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(
        "${NOT_SET}",
        &format!("[sink.am]\nkind = \"alertmanager\"\nurl = \"{}\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n", manager.url("")),
    );
    storm(&desk);
    // It groups by itself: it is told of alerts, again by each run, and of the end of each.
    let posts: Vec<Vec<Value>> = manager.requests().iter().map(|request| serde_json::from_str(&request.body).unwrap()).collect();
    let ended = |alert: &Value| alert["endsAt"].as_str().unwrap() < at(11).as_str();
    let named = |over: bool| {
        let alerts = posts.iter().flatten().filter(|alert| ended(alert) == over);
        alerts.map(|alert| alert["labels"]["id"].to_string()).collect::<std::collections::BTreeSet<String>>()
    };
    assert!(named(false).len() == MANY && posts.len() < 50, "{} alerts in {} posts", named(false).len(), posts.len());
    assert!(manager.requests().iter().all(|request| request.body.len() < 1_000_000), "proxies take a megabyte");
    assert_eq!(named(false), named(true), "what stood there is over");
}

#[test]
fn ten_thousand_alerts_are_one_message_to_each_kind_of_sink_and_one_when_all_is_over() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let services = [
        ("slack", Strict::slack(), "/services/x", ""),
        ("discord", Strict::discord(), "/api/webhooks/1/x", ""),
        ("teams", Strict::teams(), "/workflow", ""),
        ("webhook", Strict::webhook(), "/in", ""),
        ("pagerduty", Strict::pagerduty(), "/v2/enqueue", "routing_key = \"0123456789\"\n"),
        ("ntfy", Strict::ntfy(), "", "topic = \"ops\"\n"),
    ];
    let mail = MailServer::start(ml_tests::smtp::Line::Plain, None, None);
    let folder = ml_tests::TempDir::new().unwrap();
    let told = folder.path().join("told");
    let mut sinks = format!(
        "[sink.mail]\nkind = \"email\"\nserver = \"127.0.0.1:{}\"\nfrom = \"ops@example.org\"\nto = [\"you@example.org\"]\n\
         [sink.script]\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {1}; echo >> {1}\"]\n",
        mail.port(),
        told.display()
    );
    for (kind, service, path, more) in &services {
        sinks.push_str(&format!("[sink.{kind}]\nkind = \"{kind}\"\nurl = \"{}\"\n{more}", service.url(path)));
    }
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), &format!("{sinks}[[rule]]\nname = \"bad\"\nid = \"*\"\n"));
    storm(&desk);
    assert_eq!(
        titles(&hook),
        [
            "lab: 10000 critical: table.0, table.1, table.10, table.100, ...",
            "lab: 10000 resolved: table.0, table.1, table.10, table.100, ..."
        ]
    );
    for (kind, service, ..) in &services {
        assert_eq!((service.taken().len(), service.requests().len(), service.refused()), (2, 2, vec![]), "{kind}");
        let all = service.taken().iter().map(Value::to_string).collect::<String>();
        assert!(all.contains("10000 critical"), "{kind}: {all}");
    }
    let lines: Vec<Value> = std::fs::read_to_string(&told).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| line["why"].as_str().unwrap()).collect::<Vec<_>>(), ["firing", "resolved"]);
    let letters = mail.letters();
    assert!(letters.len() == 2 && letters.iter().all(|letter| letter.data.len() < 70_000), "{}", letters.len());
    let left = desk.remembered();
    assert_eq!((left["alerts"].as_object().unwrap().len(), &left["outbox"]), (0, &json!([])));
}

#[test]
fn four_runs_at_once_tell_each_thing_once() {
    let hook = HttpStandIn::answering(Response::status(200).after(Duration::from_millis(300)));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n");
    let begin = |of: &str, status: &str| {
        let ids: Vec<String> = (0..4).map(|n| format!("{of}.{n}")).collect();
        let checks: Vec<(&str, &str, f64)> = ids.iter().map(|id| (id.as_str(), status, 1.0)).collect();
        desk.tool(&[]).stdin_records(&run(0, &checks)).spawn()
    };
    for status in ["crit", "ok"] {
        let runs: Vec<_> = ["a", "b", "c", "d"].map(|of| begin(of, status)).into();
        for run in runs {
            let output = run.wait();
            // Who finds the state held leaves what it has seen to whoever has it next.
            assert_eq!((output.code, output.stderr.as_str()), (0, ""), "{}", output.stdout);
        }
        desk.run(&run(1, &[]), &[]).expect_code(0);
    }
    let mut told = titles(&hook);
    told.sort_unstable();
    let expected = |what: &str| {
        ["a", "b", "c", "d"].iter().flat_map(|of| (0..4).map(move |n| format!("lab: 1 {}: {of}.{n}", what))).collect::<Vec<_>>()
    };
    assert_eq!(told, [expected("critical"), expected("resolved")].concat());
    let left = desk.remembered();
    assert_eq!((left["alerts"].as_object().unwrap().len(), &left["outbox"]), (0, &json!([])));
}

#[test]
fn a_state_that_cannot_be_read_keeps_no_alarm_back_and_nothing_is_lost_of_it() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    desk.run(&run(0, &[("a", "crit", 1.0)]), &[]).expect_code(0);
    // A folder in its place is what no user, not even root, can read.
    let aside = desk.state().join("aside");
    std::fs::rename(desk.state_file(), &aside).unwrap();
    std::fs::create_dir(desk.state_file()).unwrap();
    let output = desk.run(&run(5, &[("a", "ok", 1.0), ("b", "crit", 1.0)]), &[]).expect_code(4);
    assert!(output.stderr.contains("alerts-lab.json") && output.stderr.contains("hint:"), "{}", output.stderr);
    assert_eq!(titles(&hook), ["lab: 1 critical: a", "lab: 1 critical: b"]);
    // Once it is back, all goes on from where it was.
    std::fs::remove_dir(desk.state_file()).unwrap();
    std::fs::rename(&aside, desk.state_file()).unwrap();
    desk.run(&run(10, &[("a", "ok", 1.0), ("b", "ok", 1.0)]), &[]).expect_code(0);
    assert_eq!(titles(&hook)[2..], ["lab: 1 resolved: a"]);
}
