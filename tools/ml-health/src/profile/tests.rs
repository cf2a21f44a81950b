use super::read::{check, load};
use super::*;
use crate::check::Finding;
use crate::kind::{Sample, Unseen};
use jiff::{SignedDuration, Timestamp};
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Status};
use std::path::PathBuf;

pub(super) const HEAD: &str = "[profile]\nversion = 1\nsystem = \"demo\"\n[probe.m]\nkind = \"json\"\nfile = \"m.json\"\nmetrics = { busy = \".busy\", total = \".total\" }\n";

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

pub(super) fn profile(checks: &str) -> Profile {
    let (_folder, path) = written(&format!("{HEAD}{checks}"));
    load(&path, &Settings::default(), &[]).unwrap_or_else(|failure| panic!("{}", failure.message))
}

/// The mistakes as LINE:COLUMN, fact and hint.
fn mistakes(text: &str, home: &[&str]) -> Vec<String> {
    let (_folder, path) = written(text);
    let mistakes = check(&path, &Settings::default(), home).unwrap().mistakes;
    mistakes.iter().map(|m| format!("{}:{} {} ({})", m.line, m.column, m.message, m.hint.as_deref().unwrap_or_default())).collect()
}

/// Mistakes of checks beside a right head, lines counted from the first check's.
fn of_checks(checks: &str) -> Vec<String> {
    let lines = HEAD.lines().count();
    let shift = |told: String| {
        let (line, rest) = told.split_once(':').unwrap();
        format!("{}:{rest}", line.parse::<usize>().unwrap() - lines)
    };
    mistakes(&format!("{HEAD}{checks}"), &[]).into_iter().map(shift).collect()
}

#[test]
fn what_is_asked_of_a_view_is_read_before_the_look() {
    let head = "[profile]\nversion = 1\nsystem = \"demo\"\n";
    for (probe, args, wrong) in [
        ("kind = \"process\"", "name = \"(\"", "10:17 this is no regular expression: unclosed group (write it as in grep -E)"),
        ("kind = \"process\"", "command = \"[\"", "10:20 this is no regular expression: unclosed character class (write it as in grep -E)"),
        (
            "kind = \"pm2\"",
            "name = \"*\"",
            "10:17 this is no regular expression: repetition operator missing expression (write it as in grep -E)",
        ),
        (
            "kind = \"container\"",
            "name = \"*\"",
            "10:17 this is no regular expression: repetition operator missing expression (write it as in grep -E)",
        ),
        ("kind = \"files\"\npath = \"x\"", "mode = \"rw-\"", "11:17 rw- is no file mode (write it as chmod takes it in digits: 600)"),
        (
            "kind = \"permissions\"\nunder = [\"x\"]",
            "name = \"[\"",
            "11:17 this is no pattern of names: invalid range pattern (write it as in a shell: *.py; [[] stands for a bracket)",
        ),
        (
            "kind = \"logs\"\nfiles = \"x\"",
            "patterns = { e = \"[\" }",
            "11:27 this is no regular expression: unclosed character class (write it as in grep -E)",
        ),
        (
            "kind = \"logs\"\nfiles = \"x\"",
            "patterns = { missed = \"x\" }",
            "11:23 missed is a metric of the probe's own (choose another name)",
        ),
    ] {
        let text = format!("{head}[probe.p]\n{probe}\n\n[[check]]\nid = \"a\"\nprobe = \"p\"\nargs = {{ {args} }}\n");
        assert_eq!(mistakes(&text, &[]), [wrong], "{args}");
    }
}

#[test]
fn names_of_metrics_stand_in_expressions_and_beside_the_probes_own() {
    for (kind, table, name) in [
        ("json", "metrics", "bytes"),
        ("prometheus", "metrics", "series"),
        ("promql", "queries", "latency_ms"),
        ("http", "metrics", "ok"),
        ("command", "metrics", "lines"),
    ] {
        let place = if kind == "command" { "command = [\"echo\"]" } else { "url = \"http://localhost:1\"" };
        let what = if kind.starts_with("prom") { "up" } else { ".up" };
        let of = |name: &str| {
            let probe = format!(
                "[probe.p]\nkind = \"{kind}\"\n{place}\n{table} = {{ \"{name}\" = \"{what}\" }}\n[[check]]\nid = \"a\"\nprobe = \"p\"\n"
            );
            mistakes(&format!("[profile]\nversion = 1\nsystem = \"demo\"\n{probe}[[check]]\nid = \"b\"\nprobe = \"p\"\n"), &[])
        };
        let own = of(name);
        assert!(own.len() == 1 && own[0].contains(&format!("{name} is a metric of the probe's own")), "{kind}: {own:?}");
        let odd = of("busy-count");
        assert!(odd[0].contains("'busy-count' cannot be the name of a metric"), "{kind}: {odd:?}");
    }
}

#[test]
fn every_mistake_is_told_at_once() {
    let text = "[profile]\nversion = 1\nsystem = \"demo\"\n[probe.p]\nkind = \"command\"\ncommand = []\n[[check]]\nid = \"a\"\nprobe = \"p\"\nwarn = \"> \"\n";
    let told = mistakes(text, &[]);
    assert!(told.len() == 2 && told[0].starts_with("4:1 probe.p: command names no program"), "{told:?}");
    let headless = mistakes("[probe.p]\nkind = \"process\"\n[[check]]\nid = \"a\"\nprobe = \"p\"\n", &[]);
    assert_eq!(headless, ["1:1 the file has no [profile] (add [profile], on a line of its own)"]);
}

#[test]
fn what_a_check_may_say_is_read() {
    let profile = profile(
        "[[check]]\nid = \"pool\"\nprobe = \"m\"\nvalue = \"busy / total * 100\"\nunit = \"%\"\nwarn = \"> 80\"\ncrit = \"> 90\"\ntier = \"fast\"\n\
         interval = \"15s\"\ntimeout = \"5s\"\nneeds = [\"up\"]\ngate = true\non_error = \"crit\"\nsummary = \"{busy} of {total}\"\nhint = \"h\"\n\
         labels = { incident = \"x\" }\n[check.trend]\nof = \"busy\"\ncapacity = \"total\"\nwarn = \"< 30d\"\n[check.availability]\nwindow = \"30d\"\n\
         target = 99.9\ncrit = 99\n[[check]]\nid = \"up\"\nprobe = \"m\"\n[[advice]]\nid = \"pool\"\nprobe = \"m\"\nwarn = \"> 60\"\n",
    );
    assert_eq!(profile.checks.iter().map(|check| &*check.planned.id).collect::<Vec<_>>(), ["pool", "up", "advice.pool"]);
    let pool = &profile.checks[0];
    let planned = &pool.planned;
    assert!(planned.gate && planned.tier == Tier::Fast && planned.on_error == OnError::Crit);
    assert_eq!((planned.limit, planned.interval), (Duration::from_secs(5), Some(Duration::from_secs(15))));
    assert_eq!((pool.unit.as_deref(), pool.names()), (Some("%"), vec!["busy", "total", "busy", "total"]));
    assert_eq!(pool.availability.as_ref().map(|window| (window.days, window.target, window.crit)), Some((30, 99.9, Some(99.0))));
    let up = &profile.checks[1];
    assert_eq!((up.value.as_ref().unwrap().to_string(), up.planned.limit), ("busy".to_owned(), Duration::from_secs(10)));
    assert_eq!(pool.key, up.key, "what both ask is looked at once");
}

#[test]
fn every_mistake_of_a_profile_has_its_line() {
    let text = "[profile]\nversion = 2\nsystem = \"a b\"\n[probe.m]\nkind = \"jason\"\nfile = \"x\"\n[probe.n]\nkind = \"json\"\nmetrics = { a = \".a\" }\nflie = \"x\"\n\
                [[check]]\nid = \"a b\"\nprobe = \"n.x\"\n[[check]]\nprobe = \"q\"\nid = \"b\"\n[[check]]\nprobe = \"m\"\nid = \"c\"\n[prob.x]\n[[rule]]\nanything = 1\n";
    assert_eq!(
        mistakes(text, &[]),
        [
            "2:11 version 2 is not known (this program knows version 1)",
            "3:10 the name of the system has other characters than letters, digits, - _ . (it stands in names of files)",
            "5:8 there is no kind of probe called jason (did you mean json?)",
            "10:1 flie is not known in probe.n (did you mean file?)",
            "13:9 the kind json has no view x (there are document)",
            "15:9 there is no probe called q (there are n)",
            "20:2 prob is not known (did you mean probe?)",
        ]
        .map(|told| told.replace("document", crate::kind::find("json").unwrap().views[0].name))
    );
}

#[test]
fn every_mistake_of_a_check_has_its_line() {
    let checks = "[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"bussy / total\"\nwarn = \"> 80\"\ncrit = \"> 70\"\n\
                  [[check]]\nid = \"a\"\nprobe = \"m\"\nwarn = \"20:10\"\ncrit = \"total\"\nneeds = [\"d\"]\n\
                  [[check]]\nid = \"c\"\nprobe = \"m\"\ninterval = \"1s\"\ntimeout = \"2s\"\nsummary = \"{total\"\nsumary = \"x\"\ntier = \"quick\"\n\
                  [[check]]\nid = \"e\"\nprobe = \"m\"\nneeds = [\"f\"]\n[[check]]\nid = \"f\"\nprobe = \"m\"\nneeds = [\"e\"]\n";
    assert_eq!(
        of_checks(checks),
        [
            "4:9 the probe gives no bussy (did you mean busy?)",
            "6:8 crit > 70 holds before warn > 80 does (let crit lie beyond warn)",
            "8:6 a is there twice (ids tell checks apart: choose another)",
            "10:9 the range begins above its end (write LOW:HIGH, the lower one first)",
            "11:9 this is neither true nor false (write a comparison such as > 80, a range such as 10:20, or a condition such as busy / total > 0.8 or open == true)",
            "12:10 there is no check d (there are c, e, f)",
            "16:12 interval is shorter than timeout (a check must be over before its next turn: shorten timeout)",
            "18:12 this { is not closed (write {NAME}, and {{ for a brace)",
            "19:1 sumary is not known in check (did you mean summary?)",
            "20:8 tier is 'quick' (there are fast, normal, expensive)",
            "24:10 checks wait for each other: e needs f needs e (take one of these needs away)",
        ]
    );
}

#[test]
fn ids_of_compiled_in_checks_are_taken_when_they_are_made() {
    let with = |home: bool| {
        let head = HEAD.replace("system = ", &format!("home = {home}\nsystem = "));
        mistakes(&format!("{head}[[check]]\nid = \"redis.ping\"\nprobe = \"m\"\n"), &["redis.ping"])
    };
    assert_eq!(with(true), ["10:6 redis.ping is a compiled-in check (choose another id, or home = false)"]);
    assert!(with(false).is_empty());
    let own = of_checks(
        "[[check]]\nid = \"state\"\nprobe = \"m\"\n[[check]]\nid = \"a\"\nprobe = \"m\"\n[check.availability]\ntarget = 99\n[[check]]\nid = \"a.availability\"\nprobe = \"m\"\n",
    );
    assert_eq!(own[0], "2:6 state is an id of ml-health's own (choose another id)");
    assert_eq!(own[1], "5:6 a.availability is the availability of a, and a check (choose another id for the check)");
}

#[test]
fn what_is_not_set_skips_what_uses_it() {
    let checks = "[probe.n]\nkind = \"json\"\nurl = \"${CORE_TEST_NO_SUCH_URL}\"\nmetrics = { a = \".a\" }\n[[check]]\nid = \"a\"\nprobe = \"n\"\n\
                  [[check]]\nid = \"b\"\nprobe = \"m\"\nwarn = \"> ${CORE_TEST_NO_SUCH_LIMIT}\"\n";
    let profile = profile(checks);
    assert_eq!(profile.probes[1].unset.as_deref(), Some("CORE_TEST_NO_SUCH_URL is not set"));
    assert_eq!(profile.checks[1].planned.never.as_deref(), Some("CORE_TEST_NO_SUCH_LIMIT is not set"));
    assert!(profile.variables.contains(&"CORE_TEST_NO_SUCH_URL".to_owned()));
}

pub(super) fn now() -> Timestamp {
    "2025-01-08T02:00:00Z".parse().unwrap()
}

pub(super) fn sample(busy: i64, total: i64) -> Sample {
    Sample { note: "seen".into(), rows: vec!["row".into()], ..Sample::default() }.with("busy", busy).with("total", total)
}

fn judged(keys: &str, seen: Result<Sample, Unseen>) -> Finding {
    let profile = profile(&format!("[[check]]\nid = \"a\"\nprobe = \"m\"\n{keys}"));
    judge(&profile.checks[0], &seen, &Memory::default(), now(), Duration::from_millis(5))
}

const POOL: &str = "value = \"busy / total * 100\"\nunit = \"%\"\nwarn = \"> 80\"\ncrit = \"> 90\"\nhint = \"scale it\"\n";

#[test]
fn thresholds_judge_the_value() {
    let status = |busy| judged(POOL, Ok(sample(busy, 10))).status();
    assert_eq!([status(8), status(9), status(10)], [Status::Ok, Status::Warn, Status::Crit]);
    let bad = judged(POOL, Ok(sample(10, 12)));
    assert_eq!((bad.value, bad.unit.as_deref(), bad.warn, bad.crit), (Some(83.33.into()), Some("%"), Some(80.into()), Some(90.into())));
    assert_eq!((bad.hint.as_deref(), bad.evidence), (Some("scale it"), vec!["row".to_owned()]));
    assert_eq!(bad.metrics.keys().collect::<Vec<_>>(), ["busy", "total"]);
    let good = judged(POOL, Ok(sample(1, 10)));
    assert_eq!((good.hint, good.evidence.len(), good.summary.as_str()), (None, 0, "seen"));
    let told = judged("summary = \"{busy} of {total}, {value}\"\n", Ok(sample(3, 10)));
    assert_eq!(told.summary, "3 of 10, 3");
    assert_eq!((told.status(), told.evidence), (Status::Ok, vec!["row".to_owned()]), "who only tells shows its rows");
}

#[test]
fn what_cannot_be_computed_is_unknown_and_says_so() {
    let zero = judged(POOL, Ok(sample(0, 0)));
    assert_eq!((zero.status(), zero.summary.as_str()), (Status::Unknown, "total is 0, and nothing can be divided by it"));
    let missing = judged(POOL, Ok(Sample::default().with("busy", 3)));
    assert_eq!((missing.status(), missing.summary.as_str()), (Status::Unknown, "there is no value of total"));
    assert_eq!(missing.hint.as_deref(), Some("the probe gave only busy"));
    let none = judged(POOL, Ok(Sample { note: "no file a.json".into(), ..Sample::default() }));
    assert_eq!(none.summary, "there is no value of busy: no file a.json");
}

#[test]
fn what_cannot_be_seen_is_what_the_check_says() {
    let failed = || Err(Unseen::Failed(Failure::new(Class::Network, "refused")));
    assert_eq!(judged("", failed()).status(), Status::Unknown);
    assert_eq!(judged("on_error = \"crit\"\n", failed()).status(), Status::Crit);
    let denied = judged("on_error = \"crit\"\n", Err(Unseen::Privilege { what: "no".into(), hint: "grant".into() }));
    assert_eq!(
        (denied.status(), denied.error_class.as_deref(), denied.hint.as_deref()),
        (Status::Skipped, Some("privilege"), Some("grant"))
    );
    assert_eq!(judged("", Err(Unseen::Absent("no lake".into()))).status(), Status::Skipped);
}

#[test]
fn what_a_privilege_keeps_back_is_never_ok() {
    let hidden = |busy, hides: &'static [&'static str]| {
        let seen = Sample { hidden: Some("grant".into()), hides, ..sample(busy, 10) };
        let finding = judged(POOL, Ok(seen));
        (finding.status(), finding.error_class.is_some())
    };
    assert_eq!(hidden(1, &[]), (Status::Skipped, true));
    assert_eq!(hidden(1, &["busy"]), (Status::Skipped, true));
    assert_eq!(hidden(1, &["others"]), (Status::Ok, false));
    assert_eq!(hidden(10, &[]), (Status::Crit, false), "what is bad already is told");
}

#[test]
fn what_there_was_no_time_for_is_never_ok() {
    let rest = |busy| judged(POOL, Ok(Sample { unseen: Some("8 B are left".into()), ..sample(busy, 10) }));
    let good = rest(1);
    assert_eq!((good.status(), good.summary.as_str()), (Status::Unknown, "seen; 8 B are left"));
    assert!(good.hint.unwrap().contains("timeout"));
    let bad = rest(10);
    assert_eq!((bad.status(), bad.hint.as_deref()), (Status::Crit, Some("scale it")), "what is bad already is told");
}

#[test]
fn differences_are_told_from_the_second_run_on() {
    let profile = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"delta(busy)\"\nwarn = \"> 3\"\n");
    let check = &profile.checks[0];
    let mut memory = Memory::default();
    let mut look = |busy, at| {
        let finding = judge(check, &Ok(sample(busy, 10)), &memory, at, Duration::ZERO);
        memory.saw(check, &sample(busy, 10), None, at);
        (finding.status(), finding.value, finding.summary)
    };
    assert_eq!(look(1, now()), (Status::Ok, None, "seen (no earlier run to compare with)".into()));
    let later = now() + SignedDuration::from_secs(30);
    assert_eq!(look(9, later), (Status::Warn, Some(8.into()), "seen".into()));
    assert_eq!(look(9, later).0, Status::Ok);
}

#[test]
fn what_needs_no_earlier_run_is_judged_in_the_first() {
    let first = judged("value = \"delta(busy)\"\nwarn = \"> 3\"\ncrit = \"busy > 5\"\nsummary = \"{value} more\"\n", Ok(sample(9, 10)));
    assert_eq!((first.status(), first.summary.as_str(), first.value), (Status::Crit, "seen", None));
    let quiet = judged("value = \"busy\"\nwarn = \"changed(busy)\"\n", Ok(sample(9, 10)));
    assert_eq!((quiet.status(), quiet.summary.as_str()), (Status::Ok, "seen (no earlier run to compare with)"));
}

#[test]
fn growth_a_day_does_not_depend_on_how_often_is_looked() {
    let profile = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"per_day(busy)\"\nwarn = \"> 3\"\n");
    let check = &profile.checks[0];
    let mut memory = Memory::default();
    let hours = |count| now() + SignedDuration::from_hours(count);
    for (hour, busy) in [(0, 100), (1, 101), (20, 120)] {
        memory.saw(check, &sample(busy, 10), None, hours(hour));
    }
    let at = |hour, busy| judge(check, &Ok(sample(busy, 10)), &memory, hours(hour), Duration::ZERO).value;
    assert_eq!(at(44, 144), Some(24.into()), "against the last value of the first day, 24 hours ago");
    assert_eq!(at(21, 144), None, "an hour ago is no day");
}

#[test]
fn trends_and_availability_are_told_beside_the_check() {
    let keys = "[[check]]\nid = \"a\"\nprobe = \"m\"\n[check.trend]\nof = \"busy\"\ncapacity = \"total\"\nwarn = \"< 30d\"\ncrit = \"< 7d\"\n\
                [check.availability]\ntarget = 99.9\ncrit = 99\n";
    let profile = profile(keys);
    let check = &profile.checks[0];
    let mut memory = Memory::default();
    let day = |count| now() + SignedDuration::from_hours(24 * count);
    let trend = |memory: &Memory, total| trend_of(check, &sample(0, total), memory, day(10)).unwrap();
    assert_eq!(
        (trend(&memory, 200).status(), availability_of(check, &memory, now()).unwrap().status()),
        (Status::Skipped, Status::Skipped)
    );
    for count in 0..=10 {
        let seen = sample(100 + count, 10);
        memory.saw(check, &seen, figure(check, &seen, day(count)), day(count));
    }
    // 110 today, one more a day.
    assert_eq!(
        [trend(&memory, 112).status(), trend(&memory, 130).status(), trend(&memory, 200).status()],
        [Status::Crit, Status::Warn, Status::Ok]
    );
    let told = trend(&memory, 130);
    assert_eq!((told.value, told.unit.as_deref(), told.metrics["in_90_days"].clone()), (Some(20.0.into()), Some("days"), 200.0.into()));
    for minute in 0..200 {
        let status = if minute < 3 { Status::Crit } else { Status::Ok };
        memory.found(check, (status, false), now() + SignedDuration::from_mins(minute));
    }
    let told = availability_of(check, &memory, day(1)).unwrap();
    assert_eq!((told.status(), told.value), (Status::Crit, Some(98.5.into())));
}

#[test]
fn what_left_the_profile_is_forgotten_after_a_time() {
    let before = profile("[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"delta(busy)\"\n");
    let after = profile("[[check]]\nid = \"b\"\nprobe = \"m\"\n");
    let mut memory = Memory::default();
    memory.saw(&before.checks[0], &sample(1, 2), None, now());
    memory.keep(&"old.view".into(), Remembered { at: now(), value: 1.into() });
    let days = |count: i64| now() + SignedDuration::from_hours(24 * count);
    memory.tidy(&after, days(34));
    assert_eq!((memory.checks.len(), memory.views.len()), (1, 1));
    memory.tidy(&before, days(36));
    assert_eq!((memory.checks.len(), memory.views.len()), (1, 0));
    memory.tidy(&after, days(36));
    assert!(memory.checks.is_empty());
}
