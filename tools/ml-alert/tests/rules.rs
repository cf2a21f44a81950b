//! ml-alert with rules, as its users call it: what is told, when, and what is remembered between runs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(dead_code, reason = "tests share their support")]

mod support;

use ml_tests::{HttpStandIn, Response};
use serde_json::{Value, json};
use support::{Desk, at, bodies, fates, record, run, titles, tool};

const BAD: &str = "[[rule]]\nname = \"bad\"\nid = \"*\"\n";

#[test]
fn what_is_bad_is_told_once_and_that_it_is_over() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let bad = [("redis.ping", "crit", 0.0), ("api.p95", "warn", 900.0)];
    let output = desk.run(&run(0, &bad), &["--log", "/var/log/night"]).expect_code(0);
    assert_eq!(fates(&output), ["sent"]);
    let told = bodies(&hook).remove(0);
    assert_eq!(
        (told["title"].as_str().unwrap(), told["log"].as_str()),
        ("lab: 1 critical, 1 low: redis.ping, api.p95", Some("/var/log/night"))
    );
    assert_eq!(told["look_again"], "ml-health --only api.p95,redis.ping");
    assert_eq!(told["items"][0]["summary"], "redis.ping is 0");
    // The same again is no news, nor that a part of it is over; that all is over is.
    assert!(fates(&desk.run(&run(5, &bad), &[]).expect_code(0)).is_empty());
    let output = desk.run(&run(10, &[("redis.ping", "ok", 1.0), ("api.p95", "ok", 20.0)]), &[]).expect_code(0);
    assert_eq!((fates(&output), titles(&hook).last().unwrap().as_str()), (vec!["sent"], "lab: 2 resolved: redis.ping, api.p95"));
    assert!(fates(&desk.run(&run(15, &[("redis.ping", "ok", 1.0)]), &[]).expect_code(0)).is_empty());
    assert_eq!((hook.requests().len(), desk.remembered()["alerts"].as_object().unwrap().len()), (2, 0));
}

#[test]
fn a_time_that_something_has_to_last_goes_on_from_run_to_run() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(
        &hook.url("/in"),
        "[[rule]]\nname = \"pool\"\nid = \"pool\"\nwhen = \"value > 80\"\nfor = \"10m\"\nseverity = \"high\"\n",
    );
    for (minute, value) in [(0, 85.0), (5, 79.0), (6, 85.0), (12, 85.0)] {
        desk.run(&run(minute, &[("pool", "ok", value)]), &[]).expect_code(0);
        assert_eq!(hook.requests().len(), 0, "at {minute}");
    }
    desk.run(&run(16, &[("pool", "ok", 85.0)]), &[]).expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 high: pool"]);
}

#[test]
fn tools_that_fail_die_or_take_no_part_are_told_until_they_do() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk =
        Desk::new(&hook.url("/in"), "[[rule]]\nname = \"tool-failed\"\nid = [\"tool.*\", \"upstream-silent\"]\nseverity = \"critical\"\n");
    let mut night = run(0, &[]);
    night.push(json!({"v": 1, "tool": "ml-derive", "stage": "ml-derive.1", "system": "lab", "run": "r-1", "ts": at(0), "host": "h",
        "status": "ok", "kind": "start"}));
    desk.run(&night, &["--expect", "ml-health,ml-backup"]).expect_code(70);
    assert_eq!(titles(&hook), ["lab: 2 critical: tool.ml-backup, tool.ml-derive"]);
    // Both do their work the next night.
    let mut night = run(60, &[]);
    for name in ["ml-derive", "ml-backup"] {
        let mut end = record(&at(60), "ok", "end", json!({"exit": 0}));
        (end["tool"], end["stage"]) = (json!(name), json!(format!("{name}.1")));
        night.push(end);
    }
    desk.run(&night, &["--expect", "ml-health,ml-backup"]).expect_code(0);
    assert_eq!(titles(&hook).last().unwrap(), "lab: 2 resolved: tool.ml-backup, tool.ml-derive");
    // A night without a word, and one with.
    desk.run(&[], &[]).expect_code(70);
    assert_eq!(titles(&hook).last().unwrap(), "lab: 1 critical: upstream-silent");
    desk.run(&run(120, &[]), &[]).expect_code(0);
    assert_eq!(titles(&hook).last().unwrap(), "lab: 1 resolved: upstream-silent");
}

#[test]
fn what_is_silenced_is_kept_back_and_explained() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let now = jiff::Timestamp::now().to_string();
    let crit =
        [record(&now, "crit", "check", json!({"id": "redis.ping", "summary": "no answer"})), record(&now, "ok", "end", json!({"exit": 0}))];
    desk.tool(&["silence", "redis.*", "--for", "1h", "--reason", "moving"]).run().expect_code(0);
    desk.run(&crit, &[]).expect_code(0);
    assert_eq!(hook.requests().len(), 0);
    let listed = desk.tool(&["list"]).run().expect_code(0);
    assert!(listed.record("step", "silence.1")["summary"].as_str().unwrap().contains("by ann: moving"));
    assert!(listed.record("step", "alert.redis.ping")["summary"].as_str().unwrap().contains("fires since"));
    let explained = desk.tool(&["explain", "redis.ping"]).run().expect_code(0);
    assert!(explained.stdout.contains("silenced until") && explained.stdout.contains("by ann: moving"), "{}", explained.stdout);
    assert!(desk.tool(&["explain", "nobody.knows"]).run().expect_code(64).stderr.contains("ml-alert list"));
    // A dry run ends no silence.
    desk.tool(&["silence", "--expire", "1", "--dry-run"]).run().expect_code(0);
    desk.run(&crit, &[]).expect_code(0);
    assert_eq!(hook.requests().len(), 0);
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(0);
    desk.tool(&["silence", "--expire", "1"]).run().expect_code(64);
    desk.run(&crit, &[]).expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: redis.ping"]);
}

#[test]
fn a_history_is_replayed_under_other_rules_and_touches_nothing() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let strict = desk.folder.path().join("strict.toml");
    let text = std::fs::read_to_string(desk.file()).unwrap().replace("id = \"*\"\n", "id = \"*\"\nwhen = \"value > 50\"\n");
    std::fs::write(&strict, text).unwrap();
    let history: Vec<Value> =
        [(0, "warn", 60.0), (30, "ok", 55.0), (60, "ok", 10.0)].iter().flat_map(|(m, s, v)| run(*m, &[("pool", s, *v)])).collect();
    let replayed = desk.tool(&["replay"]).stdin_records(&history).run().expect_code(0);
    // What else stands in the history is told, and one that cannot be dated is of the time before.
    let mut lines: String = history.iter().map(|record| format!("{record}\n")).collect();
    lines.push_str("Traceback (most recent call last):\n");
    lines.push_str(&history[0].to_string().replace("\"v\":1", "\"v\":2"));
    let mixed = desk.tool(&["replay"]).stdin(lines).run().expect_code(0);
    assert!(mixed.record("check", "input")["summary"].as_str().unwrap().starts_with("2 pieces of the history not understood"));
    assert!(replayed.kind("check").next().is_none());
    let summaries: Vec<&str> = replayed.kind("alert").map(|alert| alert["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["lab: 1 low: pool", "lab: 1 resolved: pool"]);
    let output =
        tool(&strict, &desk.state(), &["replay", "--against", desk.file().to_str().unwrap()]).stdin_records(&history).run().expect_code(0);
    let told: Vec<(&str, &str)> =
        output.kind("alert").map(|alert| (alert["summary"].as_str().unwrap(), alert["reason"].as_str().unwrap())).collect();
    assert_eq!(
        told,
        [
            ("lab: 1 resolved: pool", "only with the old rules (resolved, 2025-01-08T02:30:00.000Z)"),
            ("lab: 1 resolved: pool", "only with the new rules (resolved, 2025-01-08T03:00:00.000Z)"),
        ]
    );
    let rule = output.record("step", "rule.bad");
    assert_eq!(
        rule["summary"],
        "bad: 1 fired, 1 resolved, 1 told, 0 kept back with the old rules; 1 fired, 1 resolved, 1 told, 0 kept back with the new"
    );
    assert_eq!((output.end()["metrics"]["added"].as_u64(), hook.requests().len(), desk.state().exists()), (Some(1), 0, false));
    // The same alerts, told in other words.
    let plain = std::fs::read_to_string(desk.file()).unwrap();
    for (new, how) in [
        ("id = \"*\"\nhint = \"ask Ada\"\n", "hint of pool 'ask Ada' with the new rules, none with the old"),
        ("id = \"*\"\nsummary = \"it fills\"\n", "summary of pool 'it fills' with the new rules, 'pool is 60' with the old"),
        ("id = \"*\"\n[severity.low]\nrespond_within = \"4h\"\n", "answer within '4h' with the new rules, none with the old"),
        ("id = \"*\"\nincident = \"X\"\n[contact.X]\nprimary = \"Ada\"\n", "contact 'Ada' with the new rules, none with the old"),
    ] {
        std::fs::write(&strict, plain.replace("id = \"*\"\n", new)).unwrap();
        let output = tool(&strict, &desk.state(), &["replay", "--against", desk.file().to_str().unwrap()]).stdin_records(&history).run();
        let reason = output.kind("alert").next().unwrap()["reason"].as_str().unwrap();
        assert!(reason.starts_with(&format!("told otherwise: {how} (")), "{reason}");
        assert!(output.end()["metrics"]["changed"].as_u64() > Some(0), "{}", output.end());
    }
}

#[test]
fn a_replay_tells_the_tools_that_died_as_the_runs_did() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[[rule]]\nname = \"tool-failed\"\nid = \"tool.*\"\n");
    let night = |minutes: u32, died: bool| {
        let mut night = run(minutes, &[("redis.ping", "ok", 1.0)]);
        let of = |kind: &str| {
            let fields = if kind == "end" { json!({"exit": 0}) } else { json!({}) };
            let mut record = record(&at(minutes), "ok", kind, fields);
            (record["tool"], record["stage"], record["run"]) = (json!("ml-derive"), json!("ml-derive.1"), night[0]["run"].clone());
            record
        };
        let own: Vec<Value> = ["start", "end"].into_iter().filter(|kind| !died || *kind == "start").map(of).collect();
        night.splice(1..1, own);
        night
    };
    let history = [night(0, false), night(60, true), night(120, false), night(180, true)].concat();
    let told = |output: &ml_tests::Output| -> Vec<String> {
        output.kind("alert").map(|alert| format!("{} {}", alert["summary"].as_str().unwrap(), alert["reason"].as_str().unwrap())).collect()
    };
    let replayed = told(&desk.tool(&["replay"]).stdin_records(&history).run().expect_code(0));
    let wanted = [
        "lab: 1 critical: tool.ml-derive would be sent (firing, 2025-01-08T03:00:00.000Z)",
        "lab: 1 resolved: tool.ml-derive would be sent (resolved, 2025-01-08T04:00:00.000Z)",
        "lab: 1 critical: tool.ml-derive would be sent (firing, 2025-01-08T05:00:00.000Z)",
    ];
    assert_eq!(replayed, wanted);
    // The runs themselves told the same.
    for (minutes, died) in [(0, false), (60, true), (120, false), (180, true)] {
        desk.run(&night(minutes, died), &[]);
    }
    assert_eq!(titles(&hook), ["lab: 1 critical: tool.ml-derive", "lab: 1 resolved: tool.ml-derive", "lab: 1 critical: tool.ml-derive"]);
}

#[test]
fn a_dry_run_prints_the_payloads_and_writes_nothing() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let bad = run(0, &[("redis.ping", "crit", 0.0)]);
    let output = desk.run(&bad, &["--dry-run"]).expect_code(0);
    let planned = output.kind("alert").next().unwrap();
    let mut payload: Value = serde_json::from_str(planned["payload"].as_str().unwrap()).unwrap();
    assert_eq!((planned["status"].as_str(), hook.requests().len(), desk.state().exists()), (Some("planned"), 0, false));
    // It is what is sent then.
    desk.run(&bad, &[]).expect_code(0);
    let sent = bodies(&hook).remove(0);
    payload["key"] = sent["key"].clone();
    assert_eq!(payload, sent);
}

#[test]
fn an_absence_is_seen_without_any_record() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(
        &hook.url("/in"),
        "[[rule]]\nname = \"night-missing\"\nid = \"tool.ml-health\"\nabsent_for = \"26h\"\nseverity = \"critical\"\n",
    );
    let now = jiff::Timestamp::now();
    let hours = |hours: i64| (now - jiff::SignedDuration::from_hours(hours)).to_string();
    desk.run(&[record(&hours(20), "ok", "end", json!({"exit": 0}))], &[]).expect_code(0);
    desk.tool(&["--tick"]).run().expect_code(0);
    assert_eq!(hook.requests().len(), 0);
    // Nobody had called since.
    std::fs::remove_dir_all(desk.state()).unwrap();
    desk.run(&[record(&hours(30), "ok", "end", json!({"exit": 0}))], &[]).expect_code(0);
    desk.tool(&["--tick"]).run().expect_code(0);
    desk.tool(&["--tick"]).run().expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: tool.ml-health"]);
    desk.run(&[record(&hours(0), "ok", "end", json!({"exit": 0}))], &[]).expect_code(0);
    assert_eq!(titles(&hook).len(), 2);
}

#[test]
fn a_watch_is_told_of_while_it_goes_on() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[alerts]\ngroup_wait = \"0s\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    let mut running = desk.tool(&[]).stdin_open().spawn();
    let check = |status: &str| record(&jiff::Timestamp::now().to_string(), status, "check", json!({"id": "redis.ping", "summary": "s"}));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    for (status, count) in [("crit", 1), ("ok", 2)] {
        while hook.requests().len() < count {
            assert!(std::time::Instant::now() < until, "nothing was told: {}", running.stdout_so_far());
            running.feed(&check(status));
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
    assert!(running.is_running());
    running.close_stdin();
    running.wait().expect_code(0);
    assert_eq!(titles(&hook), ["lab: 1 critical: redis.ping", "lab: 1 resolved: redis.ping"]);
}

#[test]
fn a_storm_is_one_message() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), BAD);
    let ids: Vec<String> = (0..10_000).map(|n| format!("table.{n}")).collect();
    let checks: Vec<(&str, &str, f64)> = ids.iter().map(|id| (id.as_str(), "crit", 1.0)).collect();
    desk.run(&run(0, &checks), &[]).expect_code(0);
    let told = bodies(&hook);
    assert_eq!((told.len(), told[0]["items"].as_array().unwrap().len(), told[0]["more"].as_u64()), (1, 20, Some(9_980)));
    assert!(told[0]["title"].as_str().unwrap().starts_with("lab: 10000 critical: table.0, "));
    let well: Vec<(&str, &str, f64)> = ids.iter().map(|id| (id.as_str(), "ok", 1.0)).collect();
    desk.run(&run(5, &well), &[]).expect_code(0);
    assert_eq!((hook.requests().len(), desk.remembered()["alerts"].as_object().unwrap().len()), (2, 0));
}

#[test]
fn a_replayed_run_is_judged_at_its_end() {
    let desk = Desk::new("http://127.0.0.1:9/in", "[severity.critical]\nescalate_after = \"30m\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    let mut history = run(0, &[("a", "crit", 1.0), ("b", "crit", 1.0)]);
    history.extend(run(600, &[("a", "ok", 1.0), ("b", "ok", 1.0)]));
    let replayed = desk.tool(&["replay"]).stdin_records(&history).run().expect_code(0);
    let summaries: Vec<&str> = replayed.kind("alert").map(|alert| alert["summary"].as_str().unwrap()).collect();
    assert_eq!(summaries, ["lab: 2 critical: a, b", "lab: 2 resolved: a, b"]);
}

#[test]
fn nobody_is_told_where_the_settings_say_so_nor_by_a_sink_that_is_left_out() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), &format!("[sink.chat]\nkind = \"chat\"\nurl = \"${{NO_SUCH_WEBHOOK}}\"\n{BAD}"));
    let bad = run(0, &[("redis.ping", "crit", 0.0)]);
    let output = desk.tool(&[]).env("ALERT_ENABLED", "false").stdin_records(&bad).run().expect_code(0);
    assert_eq!((fates(&output), hook.requests().len()), (vec!["suppressed", "suppressed"], 0));
    assert!(output.kind("alert").all(|alert| alert["reason"] == "ALERT_ENABLED is not true"));
    assert_eq!(desk.remembered()["outbox"], json!([]));
    // Another event, told by the sink that is complete.
    let output = desk.run(&run(5, &[("db.size", "crit", 0.0)]), &[]).expect_code(0);
    let mut told: Vec<(&str, Option<&str>)> =
        output.kind("alert").map(|alert| (alert["fate"].as_str().unwrap(), alert["reason"].as_str())).collect();
    told.sort_unstable();
    assert_eq!(told, [("sent", None), ("suppressed", Some("NO_SUCH_WEBHOOK is not set"))]);
    assert_eq!(hook.requests().len(), 1);
}

#[test]
fn a_replay_says_what_was_kept_back_and_why() {
    let rules = "[[rule]]\nname = \"down\"\nid = \"db.ping\"\nfor = \"10m\"\n\
                 [[rule]]\nname = \"slow\"\nid = \"db.size\"\ninhibited_by = \"down\"\n\
                 [[quiet]]\nzone = \"UTC\"\nfrom = \"04:00\"\nto = \"05:00\"\n";
    let desk = Desk::new("http://127.0.0.1:9/in", rules);
    let history: Vec<Value> = [
        (0, [("db.ping", "crit", 0.0), ("db.size", "ok", 1.0)]),
        (5, [("db.ping", "ok", 1.0), ("db.size", "ok", 1.0)]),
        (60, [("db.ping", "crit", 0.0), ("db.size", "ok", 1.0)]),
        (70, [("db.ping", "crit", 0.0), ("db.size", "warn", 1.0)]),
        (75, [("db.ping", "crit", 0.0), ("db.size", "warn", 1.0)]),
        (80, [("db.ping", "ok", 1.0), ("db.size", "ok", 1.0)]),
        (125, [("db.ping", "ok", 1.0), ("db.size", "warn", 1.0)]),
    ]
    .iter()
    .flat_map(|(minute, checks)| run(*minute, checks))
    .collect();
    let replayed = || desk.tool(&["replay"]).stdin_records(&history).run().expect_code(0);
    let output = replayed();
    let told: Vec<String> = output
        .kind("alert")
        .map(|alert| {
            let what = ["summary", "id"].iter().find_map(|key| alert[*key].as_str().filter(|text| !text.is_empty())).unwrap();
            format!("{} {what}: {}", alert["fate"].as_str().unwrap(), alert["reason"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "suppressed down lab db.ping: was over before it fired (2025-01-08T02:05:00.000Z)",
            "suppressed slow lab db.size: not told while down fires (2025-01-08T03:10:00.000Z)",
            "suppressed lab: 1 critical: db.ping: would be sent (firing, 2025-01-08T03:10:00.000Z)",
            "suppressed lab: 1 resolved: db.ping: would be sent (resolved, 2025-01-08T03:20:00.000Z)",
            "held slow lab db.size: waits for the end of the quiet hours (2025-01-08T04:05:00.000Z)",
        ]
    );
    let end = output.end();
    assert_eq!((end["metrics"]["kept_back"].as_u64(), end["metrics"]["deduplicated"].as_u64()), (Some(3), Some(2)), "{end}");
    let records = |output: &ml_tests::Output| output.kind("alert").map(|alert| alert["reason"].clone()).collect::<Vec<_>>();
    assert_eq!(records(&output), records(&replayed()), "the same history gives the same");
}

#[test]
fn two_sets_of_rules_differ_in_what_they_keep_back_and_why() {
    let common = "[alerts]\ngroup_wait = \"1m\"\n[[rule]]\nname = \"down\"\nid = \"db.ping\"\n";
    let old = format!("{common}[[rule]]\nname = \"slow\"\nid = \"db.size\"\n");
    let quiet = "[[quiet]]\nzone = \"UTC\"\nfrom = \"04:00\"\nto = \"05:00\"\n";
    let new = format!("{common}[[rule]]\nname = \"slow\"\nid = \"db.size\"\ninhibited_by = \"down\"\n{quiet}");
    let desk = Desk::new("http://127.0.0.1:9/in", &old);
    let other = Desk::new("http://127.0.0.1:9/in", &new);
    let mut history: Vec<Value> = [
        (0, [("db.ping", "crit", 0.0), ("db.size", "warn", 1.0)]),
        (5, [("db.ping", "ok", 1.0), ("db.size", "ok", 1.0)]),
        (130, [("db.ping", "ok", 1.0), ("db.size", "warn", 1.0)]),
        (200, [("db.ping", "ok", 1.0), ("db.size", "ok", 1.0)]),
    ]
    .iter()
    .flat_map(|(minute, checks)| run(*minute, checks))
    .collect();
    // A watch in which something lasts half a minute, and then more than one.
    let watch = |second: u32, status: &str| {
        let mut check = record(
            &format!("2025-01-08T09:{:02}:{:02}.000Z", second / 60, second % 60),
            status,
            "check",
            json!({"id": "db.ping", "summary": "s"}),
        );
        check["run"] = json!("watch");
        check
    };
    history.extend(
        [(0, "crit"), (15, "crit"), (30, "ok"), (60, "crit"), (90, "crit"), (125, "crit"), (140, "crit"), (160, "ok")]
            .map(|(s, how)| watch(s, how)),
    );
    let against = |rules: &Desk, old: &Desk| {
        tool(&rules.file(), &rules.state(), &["replay", "--against", old.file().to_str().unwrap()])
            .stdin_records(&history)
            .run()
            .expect_code(0)
    };
    let output = against(&other, &desk);
    let told: Vec<String> = output
        .kind("alert")
        .map(|alert| {
            let what = ["summary", "id"].iter().find_map(|key| alert[*key].as_str().filter(|text| !text.is_empty())).unwrap();
            format!("{} {what}: {}", alert["fate"].as_str().unwrap(), alert["reason"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            "suppressed lab: 1 critical, 1 low: db.ping, db.size: only with the old rules (firing, 2025-01-08T02:00:00.000Z)",
            "suppressed lab: 1 critical: db.ping: only with the new rules (firing, 2025-01-08T02:00:00.000Z)",
            "suppressed slow lab db.size: only with the new rules: not told while down fires (2025-01-08T02:00:00.000Z)",
            "suppressed lab: 1 resolved: db.ping: only with the new rules (resolved, 2025-01-08T02:05:00.000Z)",
            "suppressed lab: 2 resolved: db.ping, db.size: only with the old rules (resolved, 2025-01-08T02:05:00.000Z)",
            "suppressed lab: 1 low: db.size: only with the old rules (firing, 2025-01-08T04:10:00.000Z)",
            "held slow lab db.size: only with the new rules: waits for the end of the quiet hours (2025-01-08T04:10:00.000Z)",
            "suppressed lab: 1 resolved: db.size: only with the old rules (resolved, 2025-01-08T05:20:00.000Z)",
        ]
    );
    let rule = output.record("step", "rule.slow");
    let counts =
        |side: &str| ["fired", "resolved", "told", "kept_back"].map(|what| rule["metrics"][format!("{side}_{what}")].as_u64().unwrap());
    assert_eq!((counts("old"), counts("new")), ([2, 2, 2, 0], [2, 2, 0, 2]));
    assert_eq!(output.end()["metrics"]["added_kept_back"].as_u64(), Some(2), "{}", output.end());
    // What waits for its group is kept back, too, under both.
    let alone = tool(&desk.file(), &desk.state(), &["replay"]).stdin_records(&history).run().expect_code(0);
    let kept: Vec<&str> =
        alone.kind("alert").filter(|alert| alert["id"] == "down lab db.ping").map(|alert| alert["reason"].as_str().unwrap()).collect();
    assert_eq!(
        kept,
        [
            "was over before anybody was told (2025-01-08T09:00:30.000Z)",
            "waited for its group until 2025-01-08T09:02:05.000Z (2025-01-08T09:01:00.000Z)",
        ]
    );
    assert_eq!(against(&desk, &desk).kind("alert").count(), 0, "the same rules do not differ");
}

#[test]
fn it_is_explained_when_something_is_told_again() {
    let hook = HttpStandIn::answering(Response::status(200));
    let desk = Desk::new(&hook.url("/in"), "[severity.critical]\nescalate_after = \"30m\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\n");
    let explained = || desk.tool(&["explain", "a"]).run().expect_code(0).record("step", "group")["summary"].as_str().unwrap().to_owned();
    desk.run(&run(0, &[("a", "crit", 1.0)]), &[]).expect_code(0);
    assert!(explained().ends_with("; the next contact is told at 2025-01-08T02:30:00.000Z"), "{}", explained());
    for minute in [30, 60] {
        desk.run(&run(minute, &[("a", "crit", 1.0)]), &[]).expect_code(0);
    }
    assert!(explained().ends_with("; told again at 2025-01-08T07:00:00.000Z"), "{}", explained());
    assert_eq!(hook.requests().len(), 3);
}
