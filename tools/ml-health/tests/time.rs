//! Clocks that are set: what is remembered of a future that never came, differences, growth and trends over the gap, a watch that goes on.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::clock::{Clock, unsettable};
use ml_tests::skip;
use serde_json::{Value, json};
use support::site::{Site, file_probe};

/// A moment so many days (and minutes) after noon of the first of June.
fn day(days: i64, minutes: i64) -> String {
    let noon: jiff::Timestamp = "2026-06-01T12:00:00Z".parse().unwrap();
    (noon + jiff::SignedDuration::from_mins(days * 1440 + minutes)).to_string()
}

fn check<'a>(records: &'a [Value], id: &str) -> &'a Value {
    records.iter().find(|record| record["kind"] == "check" && record["id"] == id).unwrap_or_else(|| panic!("no {id} in {records:?}"))
}

#[test]
fn rates_and_growth_are_never_negative_over_a_clock_that_was_set() {
    if let Some(why) = unsettable("ml-health") {
        skip!("{why}");
    }
    let one =
        |id: &str, value: &str, warn: &str| format!("[[check]]\nid = \"{id}\"\nprobe = \"m\"\nvalue = \"{value}\"\nwarn = \"{warn}\"\n");
    let text = [
        file_probe("a = \".a\""),
        // A counter that grows by one a second, 86400 a day: less or more is an alarm.
        one("rate", "rate(a)", "@-1e12:-0.001"),
        one("fast", "rate(a)", "> 1.5"),
        one("growth", "per_day(a)", "> 100000"),
        one("shrinks", "per_day(a)", "< 0"),
        one("delta", "delta(a)", "< 0"),
    ];
    let site = Site::new(&text.concat());
    // Looks as (by the clock, by the counter in seconds): a day on, an hour back, a year ahead, back again, days on.
    let looks: [(String, i64); 8] = [
        (day(0, 0), 0),
        (day(1, 0), 86_400),
        (day(0, 1380), 86_460),
        (day(366, 0), 86_520),
        (day(1, 2), 86_580),
        (day(1, 3), 86_640),
        (day(2, 0), 172_800),
        (day(3, 0), 259_200),
    ];
    for (at, (moment, counter)) in looks.iter().enumerate() {
        site.write("m.json", &json!({"a": counter}).to_string());
        let output = site.tool(&[]).at(moment).run();
        let bad: Vec<&Value> = output.kind("check").filter(|check| check["status"] != "ok").collect();
        assert_eq!((output.code, bad), (0, vec![]), "look {at}");
        for check in output.kind("check").filter(|check| check["value"].is_number()) {
            assert!(check["value"].as_f64().unwrap() >= 0.0, "look {at}: {check}");
        }
        // Nothing can be said of a rate over time that ran backwards, and it is said again with the next look.
        let rate = check(&output.records, "rate");
        match at {
            0 | 2 | 4 => {
                assert!(rate["value"].is_null() && rate["summary"].as_str().unwrap().contains("no earlier run"), "look {at}: {rate}")
            }
            5 => assert_eq!(rate["value"].as_f64().map(f64::round), Some(1.0), "{rate}"),
            _ => assert!(rate["value"].is_number(), "look {at}: {rate}"),
        }
        let growth = check(&output.records, "growth");
        if at >= 6 {
            let a_day = growth["value"].as_f64().unwrap();
            assert!((86_300.0..86_500.0).contains(&a_day), "what was noted in the future is no growth: {growth}");
        }
    }
}

#[test]
fn trend_and_availability_go_on_after_a_look_in_the_future() {
    if let Some(why) = unsettable("ml-health") {
        skip!("{why}");
    }
    let text = "[[check]]\nid = \"disk\"\nprobe = \"m\"\nvalue = \"used\"\ncrit = \"> 950\"\n\
                [check.trend]\nof = \"used\"\ncapacity = \"total\"\nwarn = \"< 30d\"\n\
                [check.availability]\nwindow = \"30d\"\ntarget = 50\n";
    let site = Site::new(&format!("{}{text}", file_probe("used = \".used\", total = \".total\"")));
    let look = |moment: &str, used: i64| {
        site.write("m.json", &json!({"used": used, "total": 1000}).to_string());
        site.tool(&[]).at(moment).run()
    };
    // It grows by ten a day and is full in 40 days. While the clock was a year ahead it was nearly full for a while.
    for days in 0..5 {
        look(&day(days, 0), 500 + days * 10).expect_code(0);
    }
    look(&day(365, 0), 940);
    let mut output = look(&day(5, 0), 550);
    for days in 6..=10 {
        output = look(&day(days, 0), 500 + days * 10);
    }
    let trend = check(&output.expect_code(0).records, "disk.trend").clone();
    assert_eq!((&trend["status"], trend["value"].as_f64().map(f64::round)), (&"ok".into(), Some(40.0)), "{trend}");
    // From then on it is broken: each look counts.
    let mut last = look(&day(11, 0), 960);
    for days in 12..41 {
        last = look(&day(days, 0), 960);
    }
    let availability = check(&last.records, "disk.availability");
    assert_eq!(availability["status"], "warn", "{availability}");
    assert_eq!(availability["metrics"]["samples"], 31, "{availability}");
}

#[test]
fn a_watch_goes_on_over_a_clock_that_is_set() {
    if let Some(why) = unsettable("ml-health") {
        skip!("{why}");
    }
    let clock = Clock::default();
    let own = "[[check]]\nid = \"rate\"\nprobe = \"m\"\nvalue = \"rate(a)\"\ncrit = \"@-1e12:-0.001\"\n\
               [[check]]\nid = \"often\"\nprobe = \"m\"\ninterval = \"150ms\"\n";
    let site = Site::new(&format!("{}{own}", file_probe("a = \".a\"")));
    site.write("m.json", "{\"a\": 1}");
    let mut running = clock.on(site.tool(&["--watch", "100ms"])).spawn();
    let looks = |text: &str| text.matches("\"id\":\"rate\"").count();
    let year = jiff::Timestamp::now().strftime("%Y").to_string();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 400)).strftime("%Y").to_string();
    let mut counter = 1;
    for (shift, year) in [("+0", &year), ("-2h", &year), ("+400d", &later), ("+0", &year)] {
        clock.shift(shift);
        let (before, until) = (looks(&running.stdout_so_far()), std::time::Instant::now() + std::time::Duration::from_secs(60));
        while looks(&running.stdout_so_far()) < before + 5 {
            assert!(std::time::Instant::now() < until && running.is_running(), "no look after {shift}: {}", running.stdout_so_far());
            counter += 1;
            site.write("m.json", &json!({"a": counter}).to_string());
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
        let last = running.stdout_so_far().lines().rev().find(|line| line.contains("\"id\":\"rate\"")).unwrap_or_default().to_owned();
        assert!(last.contains(&format!("\"ts\":\"{year}-")), "the clock reaches the watch: {last}");
    }
    running.signal(2);
    let output = running.wait().expect_code(130);
    assert!(output.kind("check").all(|check| check["status"] == "ok"), "{}", output.stdout);
    assert!(output.kind("check").filter(|check| check["id"] == "rate").all(|check| check["value"].as_f64().is_none_or(|rate| rate >= 0.0)));
    let often = output.kind("check").filter(|check| check["id"] == "often").count();
    assert!(often >= 8, "intervals are of real time: {often}");
}
