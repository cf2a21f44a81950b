use super::*;
use crate::notification::{Severity, Why};
use crate::rules::Rules;
use ml_common::record::{Body, Check, End, Head, Record, Step, timestamp};

mod groups;
mod odd;

/// Seconds after a winter's day at noon, UTC.
fn at(seconds: i64) -> Timestamp {
    "2025-01-08T12:00:00Z".parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn record(seconds: i64, status: Status, body: Body) -> Record {
    let head = Head {
        v: 1,
        tool: "ml-health".into(),
        stage: "ml-health.1".into(),
        system: "lab".into(),
        run: "r".into(),
        ts: timestamp(at(seconds)),
        host: "h".into(),
        status,
    };
    Record { head, body }
}

fn check(seconds: i64, id: &str, status: Status, value: f64) -> Record {
    record(
        seconds,
        status,
        Body::Check(Check { id: id.into(), value: Some(value.into()), summary: format!("{id} is {value}"), ..Check::default() }),
    )
}

const SINKS: &str = "[sink.ops]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/ops\"\n[alerts]\ngroup_wait = \"0s\"\n";

/// An engine with rules and one sink.
struct Bench(Engine);

impl Bench {
    fn new(rules: &str) -> Bench {
        let rules = Rules::parse(&format!("{SINKS}{rules}")).unwrap_or_else(|failure| panic!("{}", failure.for_people()));
        Bench(Engine::new(Arc::new(rules), State::default()))
    }

    /// Takes a check and tells what is due then.
    fn check(&mut self, seconds: i64, id: &str, status: Status, value: f64) -> Vec<String> {
        self.0.record(&check(seconds, id, status, value));
        self.due(seconds)
    }

    fn due(&mut self, seconds: i64) -> Vec<String> {
        self.notified(seconds).iter().map(|told| format!("{:?} {}", told.why, told.title)).collect()
    }

    fn notified(&mut self, seconds: i64) -> Vec<Notification> {
        self.0.tick(at(seconds));
        self.0.due(at(seconds), false, &Place { host: "h", log: Some("/logs/r") })
    }
}

const BAD: &str = "[[rule]]\nname = \"bad\"\nid = \"*\"\n";

#[test]
fn what_is_bad_is_told_once_and_that_it_is_over() {
    let mut bench = Bench::new(BAD);
    assert_eq!(bench.check(0, "redis.ping", Status::Ok, 1.0), [""; 0]);
    assert_eq!(bench.check(60, "redis.ping", Status::Crit, 0.0), ["Firing lab: 1 critical: redis.ping"]);
    assert_eq!(bench.check(120, "redis.ping", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(180, "redis.ping", Status::Ok, 1.0), ["Resolved lab: 1 resolved: redis.ping"]);
    assert_eq!(bench.check(240, "redis.ping", Status::Ok, 1.0), [""; 0]);
    assert!(bench.0.state.alerts.len() == 0 && bench.0.state.groups.is_empty());
}

#[test]
fn a_threshold_has_to_be_crossed_for_as_long_as_the_rule_says() {
    // The manual's: below 90 for a minute.
    let mut bench =
        Bench::new("[[rule]]\nname = \"ratio\"\nid = \"pxl.ratio\"\nwhen = \"value < 90\"\nfor = \"1m\"\nseverity = \"critical\"\n");
    assert_eq!(bench.check(0, "pxl.ratio", Status::Ok, 89.0), [""; 0]);
    assert_eq!(bench.check(30, "pxl.ratio", Status::Ok, 91.0), [""; 0], "a hiccup");
    assert_eq!(bench.check(60, "pxl.ratio", Status::Ok, 89.0), [""; 0]);
    assert_eq!(bench.check(119, "pxl.ratio", Status::Ok, 89.0), [""; 0]);
    let told = {
        bench.0.record(&check(120, "pxl.ratio", Status::Ok, 88.0));
        bench.notified(120)
    };
    let item = &told[0].items[0];
    assert_eq!((item.value.as_deref(), item.threshold.as_deref()), (Some("88"), Some("value < 90")));
    assert_eq!((told[0].log.as_deref(), told[0].look_again.as_deref()), (Some("/logs/r"), Some("ml-health --only pxl.ratio")));
    assert_eq!(bench.check(130, "pxl.ratio", Status::Ok, 90.0), ["Resolved lab: 1 resolved: pxl.ratio"]);
}

#[test]
fn it_is_over_only_beyond_its_own_threshold_and_after_the_time_that_it_is_kept() {
    let mut bench = Bench::new(
        "[[rule]]\nname = \"disk\"\nid = \"disk\"\nwhen = \"value > 90\"\nresolve_when = \"value < 80\"\nkeep_firing_for = \"5m\"\nseverity = \"high\"\n",
    );
    assert_eq!(bench.check(0, "disk", Status::Ok, 95.0), ["Firing lab: 1 high: disk"]);
    assert_eq!(bench.check(60, "disk", Status::Ok, 85.0), [""; 0], "between the two");
    assert_eq!(bench.check(120, "disk", Status::Ok, 70.0), [""; 0], "kept for five minutes after it was last so");
    assert_eq!(bench.due(359), [""; 0]);
    assert_eq!(bench.due(360), ["Resolved lab: 1 resolved: disk"], "time alone ends it");
}

#[test]
fn so_many_of_the_last_so_many() {
    let mut bench = Bench::new("[[rule]]\nname = \"flaky\"\nid = \"api\"\nof = \"3 of 5\"\nseverity = \"medium\"\n");
    let mut told = Vec::new();
    for (i, bad) in [true, false, true, false, true, false, false, false].into_iter().enumerate() {
        told.extend(bench.check(i as i64 * 60, "api", if bad { Status::Warn } else { Status::Ok }, 0.0));
    }
    assert_eq!(told, ["Firing lab: 1 medium: api", "Resolved lab: 1 resolved: api"]);
}

#[test]
fn flapping_is_told_at_the_groups_pace() {
    let mut bench = Bench::new(BAD);
    let mut told = Vec::new();
    for i in 0..600 {
        told.extend(bench.check(i, "a", if i % 2 == 0 { Status::Crit } else { Status::Ok }, 0.0));
    }
    let firing = told.iter().filter(|said| said.starts_with("Firing")).count();
    let resolved = told.iter().filter(|said| said.starts_with("Resolved")).count();
    assert_eq!(firing, resolved, "who is told that it burns is told that it is over");
    let mut calm = Bench::new(&format!("{BAD}keep_firing_for = \"10m\"\n"));
    let told: Vec<String> = (0..600).flat_map(|i| calm.check(i, "a", if i % 2 == 0 { Status::Crit } else { Status::Ok }, 0.0)).collect();
    assert_eq!(told, ["Firing lab: 1 critical: a"]);
}

#[test]
fn what_goes_on_is_repeated_and_escalated_to_the_next_in_line() {
    let mut bench = Bench::new(
        "[alerts]\ngroup_wait = \"0s\"\nrepeat_interval = \"4h\"\n[severity.critical]\nrespond_within = \"5m\"\nescalate_after = \"30m\"\n\
         [contact.\"System Down\"]\nprimary = \"DevOps Lead\"\nsecondary = \"Senior Engineer\"\nmanager = \"Engineering Manager\"\n\
         [[rule]]\nname = \"down\"\nid = \"health\"\nseverity = \"critical\"\nincident = \"System Down\"\n"
            .replace("[alerts]\ngroup_wait = \"0s\"\n", "")
            .as_str(),
    );
    let mut told = Vec::new();
    for minute in 0..400 {
        bench.0.record(&check(minute * 60, "health", Status::Crit, 0.0));
        told.extend(bench.notified(minute * 60).into_iter().map(|told| (minute, told.why, told.contact.unwrap(), told.respond_within)));
    }
    assert_eq!(
        told,
        [
            (0, Why::Firing, "DevOps Lead".to_owned(), Some(300)),
            (30, Why::Escalated, "Senior Engineer".to_owned(), Some(300)),
            (60, Why::Escalated, "Engineering Manager".to_owned(), Some(300)),
            (300, Why::Repeat, "Engineering Manager".to_owned(), Some(300)),
        ]
    );
}

#[test]
fn one_event_is_one_notification() {
    let mut bench = Bench::new(
        "[[rule]]\nname = \"down\"\nid = \"redis.ping\"\n[[rule]]\nname = \"rest\"\nid = \"redis.queue\"\ninhibited_by = [\"down\"]\nwhen = \"value > 1000\"\n",
    );
    bench.0.record(&check(0, "redis.queue", Status::Ok, 2000.0));
    assert_eq!(bench.check(0, "redis.ping", Status::Crit, 0.0), ["Firing lab: 1 critical: redis.ping"]);
    // A check that could not be made is neither well nor bad.
    bench.0.record(&check(60, "redis.queue", Status::Skipped, 0.0));
    assert!(bench.0.state.alerts.get("rest lab redis.queue").unwrap().firing.is_some());
    assert!(bench.0.state.log.iter().any(|line| line.said == "not told while down fires"), "{:?}", bench.0.state.log);
    assert_eq!(bench.check(120, "redis.ping", Status::Ok, 1.0), [""; 0], "the group was told two minutes ago");
    bench.0.record(&check(300, "redis.queue", Status::Ok, 2000.0));
    let told = bench.notified(300);
    assert_eq!(told[0].title, "lab: 1 low: redis.queue; 1 resolved: redis.ping");
    assert_eq!(
        told[0].items.iter().map(|item| (item.id.as_str(), item.resolved)).collect::<Vec<_>>(),
        [("redis.queue", false), ("redis.ping", true)]
    );
}

#[test]
fn silence_and_quiet_hours_keep_things_back_and_swallow_no_end() {
    let mut bench = Bench::new(BAD);
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0).len(), 1);
    let silence = |pattern: &str| state::Silence {
        id: 1,
        pattern: pattern.into(),
        from: at(0),
        until: at(600),
        author: "ada".into(),
        reason: "known".into(),
    };
    bench.0.state.silences = vec![silence("a"), silence("b*")];
    assert_eq!(bench.check(60, "b.c", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(120, "a", Status::Ok, 0.0), ["Resolved lab: 1 resolved: a"], "who was told is told the end");
    assert_eq!(bench.check(700, "b.c", Status::Crit, 0.0), ["Firing lab: 1 critical: b.c"], "the silence is over");

    // From ten at night to seven in Berlin, an hour before UTC in winter.
    let quiet = "[[quiet]]\nzone = \"Europe/Berlin\"\nfrom = \"22:00\"\nto = \"07:00\"\nunless = \"high\"\n";
    let mut bench = Bench::new(&format!("{quiet}{BAD}"));
    let night = 9 * 3600 + 1800;
    assert_eq!(bench.check(night, "a", Status::Warn, 0.0), [""; 0]);
    assert_eq!(bench.check(night, "b", Status::Crit, 0.0), ["Firing lab: 1 critical: b"]);
    assert_eq!(bench.check(night + 600, "b", Status::Ok, 0.0), ["Resolved lab: 1 resolved: b"]);
    assert_eq!(bench.check(night + 7 * 3600, "a", Status::Warn, 0.0), [""; 0]);
    assert_eq!(bench.check(18 * 3600 - 1, "a", Status::Warn, 0.0), [""; 0], "06:59:59");
    assert_eq!(bench.check(18 * 3600, "a", Status::Warn, 0.0), ["Firing lab: 1 low: a"], "07:00");
}

#[test]
fn what_was_told_and_then_silenced_is_neither_repeated_nor_escalated() {
    let mut bench = Bench::new(&format!("{BAD}[severity.critical]\nescalate_after = \"30m\"\n"));
    assert_eq!(bench.check(0, "redis.ping", Status::Crit, 0.0), ["Firing lab: 1 critical: redis.ping"]);
    let (pattern, author, reason) = ("redis.*".into(), "ann".into(), "at it".into());
    bench.0.state.silences.push(state::Silence { id: 1, pattern, from: at(60), until: at(6 * 3600), author, reason });
    assert_eq!(bench.check(5 * 3600, "redis.ping", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(6 * 3600, "redis.ping", Status::Crit, 0.0), ["Escalated lab: escalated, 1 critical: redis.ping"]);
    assert_eq!(bench.check(6 * 3600 + 60, "redis.ping", Status::Ok, 1.0), ["Resolved lab: 1 resolved: redis.ping"]);
}

#[test]
fn what_is_silenced_after_it_was_told_is_not_told_again_before_its_end() {
    let rules = "repeat_interval = \"1h\"\n[severity.critical]\nescalate_after = \"30m\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n";
    let mut bench = Bench::new(rules);
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0).len(), 1);
    bench.0.state.silences =
        vec![state::Silence { id: 1, pattern: "bad".into(), from: at(0), until: at(7200), author: "ada".into(), reason: "known".into() }];
    for minute in 1..120 {
        assert_eq!(bench.check(minute * 60, "a", Status::Crit, 0.0), [""; 0], "minute {minute}");
    }
    assert!(bench.0.state.log.iter().any(|line| line.said.contains("by ada: known")), "{:?}", bench.0.state.log);
    assert_eq!(bench.check(7200, "a", Status::Crit, 0.0), ["Escalated lab: escalated, 1 critical: a"], "the silence is over");
    assert_eq!(bench.check(7260, "a", Status::Ok, 0.0), ["Resolved lab: 1 resolved: a"]);

    // In quiet hours nobody is told again what can wait; the end is told, and what is worse.
    let quiet = "[[quiet]]\nzone = \"UTC\"\nfrom = \"13:00\"\nto = \"20:00\"\nunless = \"critical\"\n";
    let mut bench = Bench::new(&format!("repeat_interval = \"1h\"\n{quiet}{BAD}"));
    assert_eq!(bench.check(0, "a", Status::Warn, 0.0), ["Firing lab: 1 low: a"]);
    assert_eq!(bench.check(3600, "a", Status::Warn, 0.0), [""; 0], "13:00");
    assert_eq!(bench.check(8 * 3600, "a", Status::Warn, 0.0), ["Repeat lab: still 1 low: a"], "20:00");
}

#[test]
fn what_grows_worse_is_told() {
    let mut bench = Bench::new(BAD);
    assert_eq!(bench.check(0, "a", Status::Warn, 0.0), ["Firing lab: 1 low: a"]);
    assert_eq!(bench.check(60, "a", Status::Crit, 0.0), [""; 0], "in its group's time");
    assert_eq!(bench.check(300, "a", Status::Crit, 0.0), ["Firing lab: 1 critical: a"]);
    assert_eq!(bench.check(900, "a", Status::Warn, 0.0), [""; 0], "better is no news before it is over");
    assert_eq!(bench.check(1200, "a", Status::Crit, 0.0), [""; 0], "and as bad as it was is none");
    assert_eq!(bench.check(1500, "a", Status::Ok, 0.0), ["Resolved lab: 1 resolved: a"]);
}

#[test]
fn the_kind_of_incident_may_stand_in_the_check() {
    let mut bench = Bench::new("[contact.\"System Down\"]\nprimary = \"DevOps Lead\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    let mut down = check(0, "a", Status::Crit, 0.0);
    if let Body::Check(check) = &mut down.body {
        check.labels.insert("incident".into(), "System Down".into());
    }
    bench.0.record(&down);
    assert_eq!(bench.notified(0)[0].contact.as_deref(), Some("DevOps Lead"));
}

#[test]
fn quiet_hours_follow_the_clock_on_the_wall_when_it_is_changed() {
    let rules =
        Rules::parse("[[quiet]]\nzone = \"Europe/Berlin\"\nfrom = \"01:00\"\nto = \"04:00\"\ndays = [\"sun\"]\nunless = \"high\"\n")
            .unwrap();
    let holds = |text: &str| rules.quiet[0].holds(Severity::Low, text.parse().unwrap());
    // In spring an hour is missing: three hours by the clock are two. In autumn they are four.
    for (moment, quiet) in [
        ("2025-03-29T23:59:59Z", false),
        ("2025-03-30T00:00:00Z", true),
        ("2025-03-30T01:59:59Z", true),
        ("2025-03-30T02:00:00Z", false),
        ("2025-10-25T22:59:59Z", false),
        ("2025-10-25T23:00:00Z", true),
        ("2025-10-26T02:59:59Z", true),
        ("2025-10-26T03:00:00Z", false),
        ("2025-10-27T01:00:00Z", false),
    ] {
        assert_eq!(holds(moment), quiet, "{moment}");
    }
    assert!(!rules.quiet[0].holds(Severity::High, "2025-03-30T00:30:00Z".parse().unwrap()));
}

#[test]
fn what_is_not_heard_of_is_missed() {
    let mut bench = Bench::new(
        "[profile]\nsystem = \"lab\"\n[[rule]]\nname = \"night\"\nid = \"tool.ml-backup\"\nabsent_for = \"25h\"\nseverity = \"high\"\n",
    );
    let mut ended = record(0, Status::Ok, Body::End(End::default()));
    ended.head.tool = "ml-backup".into();
    bench.0.record(&ended);
    assert_eq!(bench.due(24 * 3600), [""; 0]);
    assert_eq!(bench.due(25 * 3600), ["Firing lab: 1 high: tool.ml-backup"]);
    assert_eq!(bench.due(26 * 3600), [""; 0]);
    ended.head.ts = timestamp(at(27 * 3600));
    bench.0.record(&ended);
    assert_eq!(bench.due(27 * 3600), ["Resolved lab: 1 resolved: tool.ml-backup"]);
    // What was never heard of is missing from when it was first asked for.
    let mut bench = Bench::new("[profile]\nsystem = \"lab\"\n[[rule]]\nname = \"night\"\nid = \"tool.*\"\nabsent_for = \"1h\"\n");
    assert_eq!(bench.due(0), [""; 0]);
    assert_eq!(bench.due(3600), ["Firing lab: 1 high: tool.*"]);
}

#[test]
fn a_change_is_told_and_a_tool_that_failed() {
    let mut bench = Bench::new(
        "[[rule]]\nname = \"kernel\"\nid = \"health\"\nchanged = \"value\"\nseverity = \"low\"\n[[rule]]\nname = \"tool\"\nid = \"tool.*\"\nseverity = \"high\"\n",
    );
    assert_eq!(bench.check(0, "health", Status::Ok, 1.0), [""; 0]);
    assert_eq!(bench.check(60, "health", Status::Ok, 1.0), [""; 0]);
    assert_eq!(bench.check(120, "health", Status::Ok, 2.0), ["Firing lab: 1 low: health"]);
    assert_eq!(bench.check(180, "health", Status::Ok, 2.0), ["Resolved lab: 1 resolved: health"]);
    let failed = End { exit: 2, error_class: Some("database".into()), summary: "no connection".into(), ..End::default() };
    bench.0.record(&record(600, Status::Crit, Body::End(failed)));
    assert_eq!(bench.due(600), ["Firing lab: 1 high: tool.ml-health"]);
    // To have found something bad is no failure.
    bench.0.record(&record(1200, Status::Crit, Body::End(End { exit: 5, ..End::default() })));
    assert_eq!(bench.due(1200), ["Resolved lab: 1 resolved: tool.ml-health"]);
}

#[test]
fn a_rule_for_whatever_else_there_is_leaves_alone_what_another_tells() {
    let mut bench = Bench::new(concat!(
        "[[rule]]\nname = \"any\"\nid = \"*\"\notherwise = true\n",
        "[[rule]]\nname = \"gate\"\nid = \"*\"\nwhen = \"gate and status == 'crit'\"\n",
        "[[rule]]\nname = \"pool\"\nid = \"pool\"\nwhen = \"value > 90\"\nfor = \"5m\"\n",
    ));
    assert_eq!(bench.check(0, "pool", Status::Warn, 95.0), [""; 0], "its own rule waits, and that is meant");
    assert_eq!(bench.check(60, "pool", Status::Warn, 85.0), ["Firing lab: 1 low: pool"], "the rule has nothing to say of it");
    assert_eq!(bench.check(60, "other", Status::Warn, 0.0), [""; 0], "in its group's time");
    bench.0.record(&record(400, Status::Crit, Body::Check(Check { id: "chain".into(), gate: true, ..Check::default() })));
    let told = bench.notified(400).remove(0);
    let alerts: Vec<&str> = told.items.iter().map(|item| item.alert.as_str()).collect();
    assert_eq!(alerts, ["gate lab chain", "any lab other", "any lab pool"]);
}

#[test]
fn a_budget_that_burns_in_both_windows_is_told() {
    let rule = "[[rule]]\nname = \"slo\"\nid = \"api\"\nseverity = \"critical\"\nburn = { target = 99.9, factor = 14.4, long = \"1h\", short = \"5m\", samples = 30 }\n";
    let run = |bad: &dyn Fn(i64) -> bool| {
        let mut bench = Bench::new(rule);
        (0..180)
            .flat_map(|minute| bench.check(minute * 60, "api", if bad(minute) { Status::Crit } else { Status::Ok }, 0.0))
            .collect::<Vec<_>>()
    };
    assert_eq!(run(&|_| false), [""; 0]);
    // 1.44% of an hour is less than a minute: one bad minute in the last five burns it; two hours later nobody speaks of it.
    assert_eq!(run(&|minute| minute == 40), ["Firing lab: 1 critical: api", "Resolved lab: 1 resolved: api"]);
    assert_eq!(run(&|minute| minute == 10), [""; 0], "too few samples say nothing");
    // It says by how much, and a check that could not be made is no observation.
    let mut bench = Bench::new(rule);
    for minute in 0..40 {
        bench.0.record(&check(minute * 60, "api", Status::Skipped, 0.0));
    }
    assert_eq!(bench.check(2400, "api", Status::Crit, 0.0), [""; 0], "one sample says nothing");
    for minute in 41..70 {
        bench.0.record(&check(minute * 60, "api", Status::Ok, 0.0));
    }
    bench.0.record(&check(4200, "api", Status::Crit, 0.0));
    let told = bench.notified(4200).remove(0).items.remove(0);
    assert_eq!((told.value.as_deref(), told.threshold.as_deref()), (Some("64.5 times"), Some("14.4 times, over 1h and 5m")));
    assert_eq!(told.summary, "errors use up what 99.9% leaves them 64.5 times too fast");
}

#[test]
fn a_storm_is_one_digest() {
    let mut bench = Bench::new(BAD);
    for i in 0..10_000 {
        bench.0.record(&check(0, &format!("check.{i}"), Status::Crit, 0.0));
    }
    let told = bench.notified(0);
    assert_eq!((told.len(), told[0].items.len(), told[0].more), (1, 20, 9_980));
    assert!(told[0].title.starts_with("lab: 10000 critical: "), "{}", told[0].title);
    for i in 0..10_000 {
        bench.0.record(&check(600, &format!("check.{i}"), Status::Ok, 0.0));
    }
    let told = bench.notified(600);
    assert_eq!((told.len(), told[0].why), (1, Why::Resolved));
    assert!(bench.0.state.alerts.len() == 0);
}

#[test]
fn too_many_groups_at_a_time_are_one_until_they_are_over() {
    let each = format!("{BAD}group_by = [\"id\"]\n");
    for (ids, messages) in [(20, 20), (21, 1), (3000, 1)] {
        let mut bench = Bench::new(&each);
        bench.check(0, "before", Status::Crit, 0.0);
        (0..ids).for_each(|id| bench.0.record(&check(60, &format!("disk.{id}"), Status::Crit, 0.0)));
        let told = bench.notified(60);
        let named: u64 = told.iter().map(|told| told.items.len() as u64 + told.more).sum();
        assert_eq!((told.len(), named), (messages, ids));
        // One that comes alone is told alone; of what was told together the end is told together.
        assert_eq!(bench.check(120, "alone", Status::Crit, 0.0), ["Firing lab: 1 critical: alone"]);
        (0..ids).for_each(|id| bench.0.record(&check(7200, &format!("disk.{id}"), Status::Ok, 1.0)));
        let over = bench.notified(7200);
        let named: u64 = over.iter().map(|told| told.items.len() as u64 + told.more).sum();
        assert_eq!((over.len(), named), (messages, ids));
        assert!(over.iter().all(|told| told.why == Why::Resolved));
        let groups: Vec<&str> = told.iter().map(|told| told.group.as_str()).collect();
        assert!(over.iter().all(|told| groups.contains(&told.group.as_str())), "who is told of the beginning is told of the end");
        assert_eq!(bench.check(7260, "before", Status::Ok, 1.0), ["Resolved lab: 1 resolved: before"]);
    }
}

#[test]
fn ids_at_random_do_not_fill_the_memory() {
    let mut bench = Bench::new(&format!("{BAD}of = \"1 of 3\"\n"));
    for i in 0..50_000i64 {
        bench.0.record(&check(i, &format!("check.{i}"), Status::Crit, 0.0));
    }
    assert_eq!(bench.0.state.alerts.len(), MAX_ALERTS);
    let told = bench.notified(50_000);
    assert_eq!(told[0].more + 20, 50_000, "their number is told all the same");
    // What is well makes room for what is not.
    let mut bench = Bench::new(&format!("{BAD}of = \"1 of 3\"\n"));
    for i in 0..50_000i64 {
        bench.0.record(&check(i, &format!("check.{i}"), Status::Ok, 0.0));
    }
    assert!(bench.0.state.alerts.len() <= MAX_ALERTS && bench.0.state.alerts.contains_key("bad lab check.49999"));
    assert_eq!(bench.check(50_000, "disk", Status::Crit, 0.0), ["Firing lab: 1 critical: disk"]);
}

#[test]
fn a_clock_that_jumps_neither_fires_nor_hangs() {
    let mut bench = Bench::new("[[rule]]\nname = \"slow\"\nid = \"a\"\nfor = \"5m\"\n");
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(-86_400, "a", Status::Crit, 0.0), [""; 0], "back by a day, or one wrong date");
    assert_eq!(bench.check(-86_399, "a", Status::Crit, 0.0), [""; 0], "back by a day: it began now");
    assert_eq!(bench.check(-86_399 + 299, "a", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(-86_399 + 300, "a", Status::Crit, 0.0), ["Firing lab: 1 critical: a"]);
    assert_eq!(bench.check(90 * 365 * 86_400, "a", Status::Crit, 0.0), ["Repeat lab: still 1 critical: a"], "ahead by ninety years");
    assert_eq!(bench.check(0, "a", Status::Ok, 0.0), ["Resolved lab: 1 resolved: a"], "and back");
}

#[test]
fn one_wrong_date_among_others_ends_no_wait_and_makes_nothing_absent() {
    let lost = "[[rule]]\nname = \"lost\"\nid = \"b\"\nabsent_for = \"26h\"\n";
    let rules = format!("[[rule]]\nname = \"slow\"\nid = \"a\"\nfor = \"5m\"\n{lost}");
    for date in [-50 * 365 * 86_400, -3_600, 50 * 365 * 86_400] {
        let mut bench = Bench::new(&rules);
        bench.0.record(&check(0, "b", Status::Ok, 0.0));
        bench.0.record(&check(0, "a", Status::Crit, 0.0));
        bench.0.record(&check(date, "a", Status::Crit, 0.0));
        // The end of the stream, or a beat of the watch: what is due is seen by the latest time.
        assert_eq!(bench.0.state.now, Some(at(0)), "{date}");
        assert_eq!(bench.check(60, "a", Status::Crit, 0.0), [""; 0], "{date}");
        bench.0.record(&check(date, "b", Status::Ok, 0.0));
        assert_eq!(bench.check(299, "a", Status::Crit, 0.0), [""; 0], "{date}");
        assert_eq!(bench.check(300, "a", Status::Crit, 0.0), ["Firing lab: 1 critical: a"], "{date}");
    }
}

#[test]
fn what_a_clock_remembered_that_was_ahead_is_nothing_to_compare_with() {
    let rules = "[[rule]]\nname = \"slow\"\nid = \"a\"\nfor = \"5m\"\n[[rule]]\nname = \"lost\"\nid = \"b\"\nabsent_for = \"26h\"\n";
    let mut ahead = Bench::new(rules);
    ahead.0.record(&check(365 * 86_400, "b", Status::Ok, 0.0));
    let mut bench = Bench::new(rules);
    bench.0.state = ahead.0.state;
    // The machine has the right time again: its first record counts, and is not of next year.
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.0.state.now, Some(at(0)));
    assert_eq!(bench.check(300, "a", Status::Crit, 0.0), ["Firing lab: 1 critical: a"]);
}

#[test]
fn groups_wait_for_company_and_for_nobody_at_the_end() {
    let mut bench = Bench::new("[[rule]]\nname = \"bad\"\nid = \"*\"\n[severity.low]\n");
    let rules = Rules::parse(&format!("{}\n{BAD}", SINKS.replace("0s", "30s"))).unwrap();
    bench.0 = Engine::new(Arc::new(rules), State::default());
    assert_eq!(bench.check(0, "a", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.check(10, "b", Status::Crit, 0.0), [""; 0]);
    assert_eq!(bench.due(30), ["Firing lab: 2 critical: a, b"]);
    assert_eq!(bench.check(60, "c", Status::Crit, 0.0), [""; 0], "the group was told a minute ago");
    assert_eq!(bench.0.due(at(61), true, &Place::default()).len(), 1, "but nobody comes back to see");
    bench.0.record(&record(400, Status::Warn, Body::Step(Step { id: "dump".into(), summary: "slow".into(), ..Step::default() })));
    assert_eq!(bench.due(400), ["Firing lab: 3 critical, 1 low: a, b, c, dump"]);
}
