//! What goes wrong in the world: too many, too long, keeping each other back, beginning where nobody looked.

use super::*;

/// Records of a system that ended its backup.
fn backup(seconds: i64, system: &str) -> Record {
    let mut ended = record(seconds, Status::Ok, Body::End(End::default()));
    (ended.head.tool, ended.head.system) = ("ml-backup".into(), system.into());
    ended
}

#[test]
fn absences_have_a_bound_and_what_is_beyond_is_told() {
    let rules = format!("[[rule]]\nname = \"night\"\nid = \"tool.*\"\nabsent_for = \"25h\"\n{BAD}of = \"1 of 2\"\n");
    let mut bench = Bench::new(&rules);
    for i in 0..30_000 {
        bench.0.record(&backup(i, &format!("s{i}")));
    }
    let awaited = |bench: &Bench| bench.0.state.alerts.values().filter(|alert| alert.absence).count();
    assert_eq!((awaited(&bench), bench.0.state.alerts.len() <= MAX_ALERTS + 1), (state::MAX_ABSENCES + 1, true));
    let told = bench.notified(30_000);
    let one = told.iter().flat_map(|told| &told.items).find(|item| item.rule == "night").unwrap();
    assert_eq!(one.summary, "5000 systems are waited for, and there is no room for 25000 more");
    // Others make no room at their cost, and the state does not change that.
    for i in 0..50_000i64 {
        bench.0.record(&check(30_000 + i, &format!("check.{i}"), Status::Crit, 0.0));
    }
    assert!(awaited(&bench) == state::MAX_ABSENCES + 1 && bench.0.state.alerts.len() <= MAX_ALERTS + 1);
    let text = serde_json::to_string(&bench.0.state).unwrap();
    let mut again = Bench(Engine::new(Arc::clone(&bench.0.rules), serde_json::from_str(&text).unwrap()));
    again.0.record(&backup(80_000, "other"));
    assert_eq!(awaited(&again), state::MAX_ABSENCES + 1);
    // One of them is heard of no more.
    again.0.tick(at(30_000 + 26 * 3600));
    assert!(again.0.state.alerts.get("night s7 tool.*").unwrap().firing.is_some());
}

#[test]
fn ids_that_there_is_no_room_for_are_counted_once_each() {
    let mut bench = Bench::new(BAD);
    for round in 0..3i64 {
        for i in 0..30_000i64 {
            bench.0.record(&check(round * 30_000 + i, &format!("check.{i}"), Status::Crit, 0.0));
        }
    }
    assert_eq!((bench.0.state.alerts.len(), bench.0.state.crowded_out), (MAX_ALERTS, 10_000));
    // So does the next run.
    let mut next = Engine::new(Arc::clone(&bench.0.rules), bench.0.state.clone());
    (0..30_000i64).for_each(|i| next.record(&check(90_000 + i, &format!("check.{i}"), Status::Crit, 0.0)));
    assert_eq!(next.state.crowded_out, 10_000);
}

#[test]
fn long_texts_are_cut_and_long_ids_stay_apart() {
    let mut bench = Bench::new(&format!("{BAD}[[rule]]\nname = \"is\"\nid = \"*\"\nchanged = \"kind\"\n"));
    let long = |end: &str| format!("{}{end}", "\u{e9}".repeat(200_000));
    for end in ["a", "b"] {
        let mut record = check(0, &long(end), Status::Crit, 0.0);
        if let Body::Check(check) = &mut record.body {
            (check.summary, check.hint, check.evidence) = (long(""), Some(long("")), vec![long(""); 9]);
            check.labels = (0..900).map(|n| (format!("l{n}"), long("").into())).chain([("kind".to_owned(), long(end).into())]).collect();
        }
        bench.0.record(&record);
    }
    assert_eq!(bench.0.state.alerts.values().filter(|alert| alert.firing.is_some()).count(), 2);
    let size = serde_json::to_string(&bench.0.state).unwrap().len();
    assert!(size < 80_000, "{size}");
}

#[test]
fn an_alert_that_begins_in_an_old_group_is_the_first_contacts_and_escalates_by_its_own_time() {
    let mut bench = Bench::new(
        "[severity.critical]\nescalate_after = \"30m\"\n[contact.X]\nprimary = \"one\"\nsecondary = \"two\"\nmanager = \"three\"\n\
         [[rule]]\nname = \"bad\"\nid = \"*\"\nincident = \"X\"\n",
    );
    bench.0.record(&check(0, "old", Status::Warn, 0.0));
    assert_eq!(bench.notified(0).len(), 1);
    let mut told = Vec::new();
    for minute in 120..230 {
        bench.0.record(&check(minute * 60, "new", Status::Crit, 0.0));
        told.extend(bench.notified(minute * 60).into_iter().map(|told| (minute, told.why, told.contact.unwrap())));
    }
    let one = |minute, why, who: &str| (minute, why, who.to_owned());
    assert_eq!(told, [one(120, Why::Firing, "one"), one(150, Why::Escalated, "two"), one(180, Why::Escalated, "three")]);
    bench.0.record(&check(230 * 60, "newer", Status::Crit, 0.0));
    assert_eq!(bench.notified(230 * 60)[0].contact.as_deref(), Some("one"));
}

#[test]
fn what_waited_for_the_morning_is_told_then_and_escalates_from_then_on() {
    let quiet = "[[quiet]]\nzone = \"UTC\"\nfrom = \"22:00\"\nto = \"07:00\"\n";
    let mut bench = Bench::new(&format!("[severity.high]\nescalate_after = \"1h\"\n{quiet}{BAD}severity = \"high\"\n"));
    let mut told = Vec::new();
    // From eleven at night to ten in the morning.
    for minute in (11 * 60..22 * 60).step_by(5) {
        bench.0.record(&check(minute * 60, "a", Status::Warn, 0.0));
        told.extend(bench.notified(minute * 60).into_iter().map(|told| (minute / 60 - 12, minute % 60, told.why)));
    }
    assert_eq!(told, [(7, 0, Why::Firing), (8, 0, Why::Escalated), (9, 0, Why::Escalated)]);
}

#[test]
fn what_itself_waits_for_the_morning_keeps_nothing_graver_back() {
    let rules = "[[quiet]]\nzone = \"UTC\"\nfrom = \"11:00\"\nto = \"13:00\"\n\
                 [[rule]]\nname = \"slow\"\nid = \"slow\"\nseverity = \"low\"\n\
                 [[rule]]\nname = \"down\"\nid = \"down\"\nseverity = \"critical\"\ninhibited_by = \"slow\"\n";
    let mut bench = Bench::new(rules);
    bench.0.record(&check(0, "slow", Status::Crit, 0.0));
    assert_eq!(bench.check(0, "down", Status::Crit, 0.0), ["Firing lab: 1 critical: down"]);
    // By day it does.
    let mut bench = Bench::new(rules);
    bench.0.record(&check(7200, "slow", Status::Crit, 0.0));
    assert_eq!(bench.check(7200, "down", Status::Crit, 0.0), ["Firing lab: 1 low: slow"]);
}

#[test]
fn an_alert_whose_rule_is_about_other_ids_now_is_over() {
    let mut bench = Bench::new(BAD);
    assert_eq!(bench.check(0, "a.b", Status::Crit, 0.0).len(), 1);
    let mut next = Bench::new(&BAD.replace('*', "c.*"));
    next.0.state = bench.0.state;
    assert_eq!(next.due(60), ["Resolved lab: 1 resolved: a.b"]);
    assert_eq!(next.0.state.alerts.len(), 0);
}

#[test]
fn systems_with_equal_ids_are_apart_and_each_is_named() {
    let mut bench = Bench::new(&format!("{BAD}group_by = []\n"));
    for system in ["lab", "mill"] {
        let mut record = check(0, "disk", Status::Crit, 0.0);
        record.head.system = system.into();
        bench.0.record(&record);
    }
    let told = bench.notified(0);
    assert_eq!(told[0].title, "lab, mill: 2 critical: disk, disk");
    assert_eq!(told[0].items.iter().map(|item| item.system.as_str()).collect::<Vec<_>>(), ["lab", "mill"]);
    assert_eq!(
        bench.check(600, "disk", Status::Ok, 0.0),
        ["Firing lab, mill: 1 critical: disk; 1 resolved: disk"],
        "one of the two is over"
    );
}

#[test]
fn silenced_and_over_in_between_nobody_hears_of_it() {
    let mut bench = Bench::new(BAD);
    let until = at(600);
    bench.0.state.silences =
        vec![state::Silence { id: 1, pattern: "a".into(), from: at(0), until, author: "ada".into(), reason: "known".into() }];
    for minute in 0..5 {
        assert_eq!(bench.check(minute * 60, "a", Status::Crit, 0.0), [""; 0]);
    }
    assert_eq!(bench.0.state.log.iter().filter(|line| line.said.contains("by ada")).count(), 1, "one reason is told once");
    assert_eq!(bench.check(500, "a", Status::Ok, 0.0), [""; 0]);
    assert_eq!(bench.due(700), [""; 0]);
    assert_eq!(bench.0.state.alerts.len(), 0);
}

#[test]
fn some_of_many_have_to_last_when_the_rule_says_both() {
    let mut bench = Bench::new("[[rule]]\nname = \"flaky\"\nid = \"a\"\nof = \"2 of 4\"\nfor = \"3m\"\n");
    let mut told = Vec::new();
    // Two of four from the third minute on, without a break, although every other is good.
    for minute in 0..10 {
        let status = if minute % 2 == 0 { Status::Warn } else { Status::Ok };
        told.extend(bench.check(minute * 60, "a", status, 0.0).into_iter().map(|said| (minute, said)));
    }
    assert_eq!(told, [(5, "Firing lab: 1 low: a".to_owned())]);
}

#[test]
fn what_is_kept_firing_over_a_gap_is_over_at_once_when_it_is_well_again() {
    let mut bench = Bench::new(&format!("{BAD}keep_firing_for = \"10m\"\n"));
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0).len(), 1);
    assert_eq!(bench.due(3 * 3600), [""; 0], "nothing was heard, and it is not over for that");
    assert_eq!(bench.check(3 * 3600 + 60, "a", Status::Ok, 0.0), ["Resolved lab: 1 resolved: a"]);
}

#[test]
fn a_budget_over_weeks_is_remembered_in_few_numbers() {
    let rule = "[[rule]]\nname = \"slo\"\nid = \"api\"\nburn = { target = 99, factor = 2, long = \"3d\", short = \"6h\", samples = 30 }\n";
    let mut bench = Bench::new(rule);
    for minute in 0..5 * 1440 {
        let status = if minute > 4 * 1440 && minute % 10 == 0 { Status::Crit } else { Status::Ok };
        bench.0.record(&check(minute * 60, "api", status, 0.0));
    }
    let alert = bench.0.state.alerts.get("slo lab api").unwrap();
    assert!(alert.minutes.len() <= 62, "{}", alert.minutes.len());
    assert!(alert.firing.is_some() && alert.value.as_deref() == Some("3.3 times"), "{:?}", alert.value);
}

#[test]
fn a_weekend_is_quiet_as_a_whole() {
    let rules = Rules::parse("[[quiet]]\nzone = \"Europe/Berlin\"\nfrom = \"00:00\"\nto = \"00:00\"\ndays = [\"sat\", \"sun\"]\n").unwrap();
    let holds = |text: &str| rules.quiet[0].holds(Severity::High, text.parse().unwrap());
    // The clock goes forward on that Sunday.
    for (moment, quiet) in [
        ("2025-03-28T22:59:59Z", false),
        ("2025-03-28T23:00:00Z", true),
        ("2025-03-30T00:30:00Z", true),
        ("2025-03-30T21:59:59Z", true),
        ("2025-03-30T22:00:00Z", false),
    ] {
        assert_eq!(holds(moment), quiet, "{moment}");
    }
}

#[test]
fn what_flaps_in_a_group_that_goes_on_is_escalated_by_its_own_time() {
    let mut bench = Bench::new(&format!("{BAD}[severity.critical]\nescalate_after = \"30m\"\n[severity.low]\n"));
    bench.0.record(&check(0, "old", Status::Warn, 0.0));
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0).len(), 1);
    for minute in 1..29 {
        // Over and back before anybody looks.
        bench.0.record(&check(minute * 60, "a", Status::Ok, 0.0));
        assert_eq!(bench.check(minute * 60 + 1, "a", Status::Crit, 0.0), [""; 0]);
    }
    assert_eq!(bench.check(45 * 60, "a", Status::Crit, 0.0), [""; 0], "it fires for 17 minutes");
    assert_eq!(bench.check(58 * 60 + 1, "a", Status::Crit, 0.0), ["Escalated lab: escalated, 1 critical, 1 low: a, old"]);
}

#[test]
fn what_its_rule_is_no_longer_about_is_over() {
    let rule = |more: &str| format!("{SINKS}{BAD}status = [\"crit\"]\n{more}");
    let parsed = |more: &str| Arc::new(Rules::parse(&rule(more)).unwrap());
    let mut observed = check(0, "disk", Status::Crit, 0.0);
    if let Body::Check(check) = &mut observed.body {
        check.labels.insert("mount".into(), "/var".into());
        check.labels.insert("free".into(), "x".into());
        check.metrics.insert("free".into(), 3.into());
    }
    let begun = |more: &str| {
        let mut bench = Bench(Engine::new(parsed(more), State::default()));
        bench.0.record(&observed);
        assert_eq!(bench.due(0), ["Firing lab: 1 critical: disk"], "{more}");
        bench
    };
    let goes_on: [String; 0] = [];
    for fits in ["tool = \"ml-*\"", "labels = { mount = \"/v*\", free = \"3\", host = \"h\", status = \"crit\" }"] {
        let bench = begun(fits);
        assert_eq!(Bench(Engine::new(Arc::clone(&bench.0.rules), bench.0.state)).due(60), goes_on, "{fits}");
        assert_eq!(Bench(Engine::new(parsed(fits), begun("").0.state)).due(60), goes_on, "{fits}");
    }
    for other in ["tool = \"pg\"", "labels = { mount = \"/home\" }", "labels = { host = \"other\" }"] {
        let mut after = Bench(Engine::new(parsed(other), begun("").0.state));
        assert_eq!(after.due(60), ["Resolved lab: 1 resolved: disk"], "{other}");
    }
}
