//! Verdicts on histories that are known.

use super::*;
use ml_watch::trend::Daily;
use ml_watch::uptime::{DAY, Seen, Uptime};

const GIB: f64 = 1_073_741_824.0;

fn wanted() -> Wanted {
    Wanted {
        history: 90,
        capacities: HashMap::new(),
        floor: 1_048_576.0,
        full_warn: 30.0,
        full_crit: 7.0,
        window: 30,
        target: 99.9,
        target_crit: 99.0,
        min_samples: 20,
    }
}

fn key() -> Key {
    Key { system: "lab".into(), host: "h".into(), id: "disk".into() }
}

fn series(per_day: f64, days: i64, unit: &str, capacity: Option<f64>) -> Series {
    let (mut figure, mut uptime) = (Daily::default(), Uptime::default());
    for day in 0..days {
        figure.add(day * DAY, 10.0 * GIB + per_day * day as f64);
        uptime.saw(day * DAY, Seen::Up);
    }
    Series { figure, unit: unit.into(), capacity, uptime }
}

#[test]
fn a_large_count_that_fills_up_is_no_standstill() {
    // Rows of a licence, told in per cent: nobody says that they are no bytes.
    let (mut figure, mut uptime) = (Daily::default(), Uptime::default());
    for day in 0..20 {
        figure.add(day * DAY, 1_500_000.0 + 100_000.0 * day as f64);
        uptime.saw(day * DAY, Seen::Up);
    }
    let rows = Series { figure, unit: "bytes".into(), capacity: Some(4_000_000.0), uptime };
    let told = trend(&key(), &rows, &wanted());
    assert_eq!(told.status, Status::Crit, "{}", told.check.summary);
}

fn metric(finding: &Finding, name: &str) -> Option<f64> {
    match finding.check.metrics.get(name) {
        Some(Scalar::Float(value)) => Some(*value),
        _ => None,
    }
}

#[test]
fn a_disk_that_fills_up_is_told_in_time() {
    for (capacity, status) in [(60.0, Status::Ok), (49.0, Status::Warn), (26.0, Status::Crit), (20.0, Status::Crit)] {
        let found = trend(&key(), &series(GIB, 20, "bytes", Some(capacity * GIB)), &wanted());
        assert_eq!(found.status, status, "{capacity}: {found:?}");
        assert_eq!(found.check.hint.is_some(), status != Status::Ok);
        assert_eq!(metric(&found, "full_in_days"), Some((capacity - 29.0).max(0.0)), "{found:?}");
    }
    let found = trend(&key(), &series(GIB, 20, "bytes", Some(49.0 * GIB)), &wanted());
    assert_eq!(
        found.check.summary,
        "29.0 GiB now, +1.0 GiB a day, 59.0 GiB in 30 days, 119.0 GiB in 90 days; full in 20 days (49.0 GiB in all)"
    );
    assert_eq!((found.check.id.as_str(), found.check.unit.as_deref()), ("trend.disk", Some("bytes/day")));
}

#[test]
fn small_growth_and_no_capacity_alarm_nobody() {
    let slow = trend(&key(), &series(1000.0, 20, "bytes", Some(10.0 * GIB + 30_000.0)), &wanted());
    assert_eq!((slow.status, slow.check.summary.ends_with("not growing (10.0 GiB in all)")), (Status::Ok, true), "{slow:?}");
    let free = trend(&key(), &series(GIB, 20, "bytes", None), &wanted());
    assert_eq!((free.status, free.check.warn), (Status::Ok, None));
    let given = Wanted { capacities: [("disk".to_owned(), 30.0 * GIB)].into(), ..wanted() };
    assert_eq!(trend(&key(), &series(GIB, 20, "bytes", None), &given).status, Status::Crit);
}

#[test]
fn a_short_history_is_skipped_and_says_so() {
    let found = trend(&key(), &series(GIB, 5, "bytes", Some(20.0 * GIB)), &wanted());
    assert_eq!((found.status, found.check.summary.starts_with("insufficient history: 5 days")), (Status::Skipped, true));
    let found = availability(&key(), &series(GIB, 5, "", None), &wanted(), 5 * DAY);
    assert_eq!(found.check.summary, "insufficient history: 5 observations in 30 days, 20 are needed");
    assert_eq!((found.status, found.check.value), (Status::Skipped, None));
}

#[test]
fn availability_is_held_against_its_target() {
    // Of 43,200 looks, so many failed: a minute each.
    for (down, status, value) in [(0, Status::Ok, 100.0), (43, Status::Ok, 99.9), (44, Status::Warn, 99.898), (433, Status::Crit, 98.997)] {
        let mut all = series(0.0, 0, "", None);
        for minute in 0..43_200 {
            all.uptime.saw(minute * 60, if minute < down { Seen::Down } else { Seen::Up });
        }
        let found = availability(&key(), &all, &wanted(), 30 * DAY);
        assert_eq!((found.status, found.check.value.clone()), (status, Some(value.into())), "{down}: {found:?}");
        assert!(!found.check.summary.contains("not known"), "{found:?}");
    }
    let nightly = availability(&key(), &series(0.0, 30, "", None), &wanted(), 30 * DAY);
    assert_eq!(nightly.check.summary, "100% in 30 days, 30 observations; 96% of the time is not known");
}
