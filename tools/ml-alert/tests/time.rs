//! ml-alert through hours, nights and jumps of the clock: the real program at other times, and what the services got as witness.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::clock::unsettable;
use ml_tests::{HttpStandIn, Output, Response, Strict, skip};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use support::{Desk, fates, record, titles};

/// A group for each id; what is critical has a next in line after half an hour.
const EACH: &str = "[severity.critical]\nescalate_after = \"30m\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n";

/// Minute, what is seen, what the service answers from then on, how often it is asked in that run.
type Step<'a> = (i64, &'a [(&'a str, &'a str)], Option<Response>, usize);

/// A run at that moment, by its records and by the clock of the machine.
fn run(desk: &Desk, moment: &str, checks: &[(&str, &str)]) -> Output {
    call(desk, moment, checks, &[])
}

fn call(desk: &Desk, moment: &str, checks: &[(&str, &str)], args: &[&str]) -> Output {
    let mut stream = vec![record(moment, "ok", "start", json!({}))];
    stream.extend(
        checks.iter().map(|(id, status)| record(moment, status, "check", json!({"id": id, "summary": format!("{id} is {status}")}))),
    );
    stream.push(record(moment, "ok", "end", json!({"exit": 0})));
    desk.tool(args).at(moment).stdin_records(&stream).run()
}

/// Minutes after a moment.
fn after(moment: &str, minutes: i64) -> String {
    let moment: jiff::Timestamp = moment.parse().unwrap();
    (moment + jiff::SignedDuration::from_mins(minutes)).to_string()
}

fn each<'a>(bodies: &'a [Value], key: &str) -> Vec<&'a str> {
    bodies.iter().map(|body| body[key].as_str().unwrap()).collect()
}

#[test]
fn six_hours_without_the_service() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let (midnight, (hook, chat)) = ("2026-10-24T00:00:00Z", (Strict::webhook(), Strict::slack()));
    let desk = Desk::new(
        &hook.url("/in"),
        &format!(
            "[sink.chat]\nkind = \"slack\"\nurl = \"{}\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n",
            chat.url("/services/x")
        ),
    );
    let says = |status: u16| Some(Response::status(status));
    let wants = |retry_after: &str| Some(Response::status(429).header("Retry-After", retry_after));
    // It is asked once a run as long as it refuses, and only after the pause that it wanted or that has grown to 1, 2, 4 ... 900 s.
    let (ab, bc, b) = ([("a", "crit"), ("b", "crit")], [("b", "crit"), ("c", "crit")], [("b", "crit"), ("c", "ok")]);
    let runs: [Step<'_>; 23] = [
        (0, &[("a", "crit")], None, 1),
        (5, &ab, says(503), 1),
        (10, &ab, says(502), 1),
        (15, &[("a", "ok"), ("b", "crit")], says(500), 1),
        (20, &[("b", "crit")], wants("3600"), 1),
        (25, &bc, wants("3600"), 0),
        (60, &bc, wants("3600"), 0),
        (75, &bc, wants("3600"), 0),
        (85, &bc, wants("Sat, 24 Oct 2026 03:00:00 GMT"), 1),
        (120, &bc, says(503), 0),
        (175, &bc, says(503), 0),
        (185, &b, says(503), 1),
        (240, &b, says(408), 1),
        (245, &b, says(503), 1),
        (300, &ab, says(503), 1),
        (305, &ab, says(503), 1),
        (310, &ab, says(503), 0),
        (355, &ab, says(503), 1),
        (360, &ab, None, 0),
        (365, &ab, None, 0),
        (375, &ab, None, 6),
        (380, &[("a", "ok"), ("b", "crit")], None, 1),
        (385, &[("a", "ok"), ("b", "ok")], None, 1),
    ];
    for (minute, checks, answer, asked) in runs {
        let (before, up) = (hook.requests().len(), answer.is_none());
        hook.down(answer);
        chat.down(says(503).filter(|_| minute == 185));
        let output = run(&desk, &after(midnight, minute), checks);
        assert_eq!(hook.requests().len() - before, asked, "at {minute}: {}", output.stdout);
        // What waits is told in each run, and never given up.
        let waits = !up || [360, 365].contains(&minute);
        assert_eq!((output.code, fates(&output).contains(&"held")), (if waits { 3 } else { 0 }, waits), "at {minute}: {}", output.stdout);
        assert!(output.kind("check").all(|check| check["id"] != "outbox"), "at {minute}: {}", output.stdout);
    }
    let told = [
        ("lab: 1 critical: a", 0),
        ("lab: 1 critical: b", 5),
        ("lab: 1 resolved: a", 15),
        ("lab: 1 critical: c", 25),
        ("lab: 1 resolved: c", 185),
        ("lab: still 1 critical: b", 245),
        ("lab: 1 critical: a", 300),
        ("lab: 1 resolved: a", 380),
        ("lab: 1 resolved: b", 385),
    ];
    let taken = hook.taken();
    let moments: Vec<String> = told.iter().map(|(_, minute)| after(midnight, *minute).replace("00Z", "00.000Z")).collect();
    assert_eq!(each(&taken, "title"), told.map(|(title, _)| title));
    assert_eq!(each(&taken, "at"), moments, "each says of when it is");
    assert_eq!(each(&taken, "key").iter().collect::<BTreeSet<_>>().len(), told.len());
    // No sink waits for another: the chat was told at once, but for what it did not take itself.
    let texts = chat.taken();
    let texts = each(&texts, "text");
    for (text, (title, minute)) in texts.iter().zip(told) {
        assert!(text.contains(title), "{text}");
        assert_eq!(text.contains("(delayed since 2026-10-24T03:05:0"), minute == 185, "{text}");
    }
    assert_eq!((texts.len(), chat.requests().len()), (told.len(), told.len() + 1));
    assert_eq!(desk.remembered()["outbox"], json!([]));
}

/// What was told on a day of that zone whose clock shows 22:00 at `evening` and 07:00 at `morning`, from three hours before to two after: moments
/// and titles.
fn quiet_night(zone: &str, evening: &str, morning: &str) -> Vec<(String, String)> {
    let hook = HttpStandIn::answering(Response::status(200));
    let quiet = format!("[alerts]\nrepeat_interval = \"2d\"\n[[quiet]]\nzone = \"{zone}\"\nfrom = \"22:00\"\nto = \"07:00\"\n{EACH}");
    let desk = Desk::new(&hook.url("/in"), &quiet);
    let begin: jiff::Timestamp = after(evening, -180).parse().unwrap();
    let end: jiff::Timestamp = after(morning, 120).parse().unwrap();
    let mut moments: Vec<String> =
        (0..).map(|half| after(&begin.to_string(), half * 30)).take_while(|moment| *moment < end.to_string()).collect();
    // A minute before either end, too.
    moments.extend([after(evening, -1), after(morning, -1)]);
    moments.sort();
    for moment in moments {
        let late = moment.as_str() >= evening;
        let gone = moment.as_str() >= after(evening, 240).as_str();
        // One begins just before the quiet hours, one in them, one does not last until their end, one is worth waking somebody.
        let state = |bad| if bad { "warn" } else { "ok" };
        let wakes = if moment.as_str() == after(evening, 300) { "crit" } else { "ok" };
        let before = moment.as_str() >= after(evening, -1).as_str();
        let checks = [("evening", state(before)), ("night", state(late)), ("brief", state(late && !gone)), ("urgent", wakes)];
        run(&desk, &moment, &checks).expect_code(0);
    }
    support::bodies(&hook)
        .iter()
        .map(|body| (body["at"].as_str().unwrap().replace(".000Z", "Z"), body["title"].as_str().unwrap().to_owned()))
        .collect()
}

#[test]
fn what_waits_is_told_at_seven_by_the_clock_of_the_place_on_every_night() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let nights = [
        // Summer time ends and begins in this night: it has ten hours, and eight.
        ("Europe/Berlin", "2026-10-24T20:00:00Z", "2026-10-25T06:00:00Z"),
        ("Europe/Berlin", "2026-03-28T21:00:00Z", "2026-03-29T05:00:00Z"),
        ("Europe/Berlin", "2026-10-25T21:00:00Z", "2026-10-26T06:00:00Z"),
        ("America/New_York", "2026-11-01T02:00:00Z", "2026-11-01T12:00:00Z"),
        ("America/Sao_Paulo", "2026-10-25T01:00:00Z", "2026-10-25T10:00:00Z"),
        ("Asia/Kolkata", "2026-10-24T16:30:00Z", "2026-10-25T01:30:00Z"),
    ];
    for (zone, evening, morning) in nights {
        let told = quiet_night(zone, evening, morning);
        let expected = [
            (after(evening, -1), "lab: 1 low: evening"),
            (after(evening, 300), "lab: 1 critical: urgent"),
            (after(evening, 330), "lab: 1 resolved: urgent"),
            (morning.to_owned(), "lab: 1 low: night"),
        ];
        let expected: Vec<(String, String)> = expected.into_iter().map(|(at, title)| (at, title.to_owned())).collect();
        assert_eq!(told, expected, "{zone}, {evening}");
    }
}

#[test]
fn the_morning_comes_by_the_clock_of_the_machine_too() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), &format!("[[quiet]]\nzone = \"Europe/Berlin\"\nfrom = \"22:00\"\nto = \"07:00\"\n{EACH}"));
    run(&desk, "2026-10-24T22:00:00Z", &[("night", "warn")]).expect_code(0);
    // 06:59, which was 07:59 the day before; then 07:00.
    for (moment, told) in [("2026-10-25T05:59:00Z", 0), ("2026-10-25T06:00:01Z", 1), ("2026-10-25T06:30:00Z", 1)] {
        desk.tool(&["--tick"]).at(moment).run().expect_code(0);
        assert_eq!(hook.requests().len(), told, "{moment}");
    }
    assert_eq!(titles(&hook), ["lab: 1 low: night"]);
}

#[test]
fn half_an_hour_is_that_also_when_the_clock_on_the_wall_is_set() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    // At one o'clock UTC the clocks of Berlin go back an hour, or forward.
    for night in ["2026-10-25", "2026-03-29"] {
        let hook = HttpStandIn::answering(Response::status(200));
        let desk = Desk::new(&hook.url("/in"), &format!("[[quiet]]\nzone = \"Europe/Berlin\"\nfrom = \"22:00\"\nto = \"07:00\"\n{EACH}"));
        for (time, told) in [("00:45", 1), ("01:00", 1), ("01:14", 1), ("01:15", 2), ("01:44", 2), ("01:45", 3), ("02:45", 3)] {
            run(&desk, &format!("{night}T{time}:00Z"), &[("db", "crit")]).expect_code(0);
            assert_eq!(hook.requests().len(), told, "{night} {time}");
        }
        assert_eq!(titles(&hook), ["lab: 1 critical: db", "lab: escalated, 1 critical: db", "lab: escalated, 1 critical: db"]);
    }
}

#[test]
fn a_clock_that_jumps_makes_no_storm_and_leaves_nothing_hanging() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let hook = HttpStandIn::answering(Response::status(200));
    let rules = "[severity.critical]\nescalate_after = \"30m\"\n\
        [[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\nkeep_firing_for = \"10m\"\n\
        [[rule]]\nname = \"night-missing\"\nid = \"tool.ml-health\"\nabsent_for = \"26h\"\n\
        [[rule]]\nname = \"budget\"\nid = \"api\"\nburn = { target = 99, factor = 2, long = \"1h\", short = \"5m\", samples = 2 }\n\
        [[rule]]\nname = \"lasting\"\nid = \"slow\"\nwhen = \"status == 'warn'\"\nfor = \"1h\"\nseverity = \"high\"\n";
    let desk = Desk::new(&hook.url("/in"), rules);
    let (bad, well) = ([("a", "crit"), ("api", "crit"), ("slow", "warn")], [("a", "ok"), ("api", "ok"), ("slow", "ok")]);
    let noon = "2026-06-10T12:00:00Z";
    // Minutes from noon: on, two hours back, a year ahead, back again, half an hour on.
    for minute in [0, 5, -120, -115, 525_600, 525_605, 10, 15] {
        let before = hook.requests().len();
        run(&desk, &after(noon, minute), &bad).expect_code(0);
        let told = titles(&hook).split_off(before);
        assert!(told.len() <= 4, "at {minute}: {told:?}");
        assert!(minute == 0 || told.iter().all(|title| title != "lab: 1 critical: a"), "it is no news at {minute}: {told:?}");
    }
    // Whatever was told in which order: who was told that something fires is told that it is over, and that once.
    for minute in [20, 25, 31, 36, 41] {
        run(&desk, &after(noon, minute), &well).expect_code(0);
    }
    let before = hook.requests().len();
    run(&desk, &after(noon, 46), &well).expect_code(0);
    assert_eq!(hook.requests().len(), before, "all is quiet: {:?}", titles(&hook));
    let bodies = support::bodies(&hook);
    let mut groups: Vec<&str> = each(&bodies, "group");
    groups.sort_unstable();
    groups.dedup();
    for group in groups {
        let over: Vec<bool> = bodies.iter().filter(|body| body["group"] == group).map(|body| body["why"] == "resolved").collect();
        let twice = over.windows(2).any(|pair| pair == [true, true]);
        assert!(!over[0] && !twice && over[over.len() - 1], "{group} is told that it is over once each time: {:?}", titles(&hook));
    }
    let left = desk.remembered();
    assert!(left["alerts"].as_object().unwrap().values().all(|alert| alert["firing"].is_null() && alert["pending"].is_null()), "{left}");
    assert_eq!((&left["outbox"], desk.tool(&["list"]).run().code), (&json!([]), 0));
}

#[test]
fn a_pause_that_was_noted_in_the_future_holds_nothing_up() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let hook = Strict::webhook();
    let rules = "[alerts]\nrepeat_interval = \"10d\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\ngroup_by = [\"id\"]\n";
    let desk = Desk::new(&hook.url("/in"), rules);
    // The clock is far ahead, and the service wants a quarter of an hour; then the clock is set right. That quarter counts from then.
    for (id, ahead, right) in
        [("year", "2027-06-10T12:00:00Z", "2026-06-10T12:00:00Z"), ("hours", "2026-06-10T16:00:00Z", "2026-06-10T14:00:00Z")]
    {
        let before = hook.taken().len();
        hook.next(Response::status(429).header("Retry-After", "900"));
        run(&desk, ahead, &[(id, "crit")]).expect_code(3);
        for (minute, taken) in [(0, 0), (14, 0), (16, 1)] {
            run(&desk, &after(right, minute), &[(id, "crit")]);
            assert_eq!(hook.taken().len() - before, taken, "{id} {minute}");
        }
    }
    assert_eq!(each(&hook.taken(), "title"), ["lab: 1 critical: year", "lab: 1 critical: hours"]);
}

#[test]
fn a_silence_ends_by_the_times_of_the_records() {
    if let Some(why) = unsettable("ml-alert") {
        skip!("{why}");
    }
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), EACH);
    desk.tool(&["silence", "db.*", "--for", "1h", "--reason", "moving it"]).at("2026-10-25T00:30:00Z").run().expect_code(0);
    // Records of a machine whose clock is another one than that of this one.
    let seen = |moment: &str, clock: &str, told: usize| {
        let stream = [
            record(moment, "crit", "check", json!({"id": "db.size", "summary": "large"})),
            record(moment, "ok", "end", json!({"exit": 0})),
        ];
        desk.tool(&[]).at(clock).stdin_records(&stream).run().expect_code(0);
        assert_eq!(hook.requests().len(), told, "{moment}");
    };
    seen("2026-10-25T00:45:00Z", "2026-10-25T00:45:00Z", 0);
    seen("2026-10-25T01:29:59Z", "2026-10-25T09:00:00Z", 0);
    seen("2026-10-25T01:30:01Z", "2026-10-25T01:00:00Z", 1);
    assert_eq!(titles(&hook), ["lab: 1 critical: db.size"]);
}
