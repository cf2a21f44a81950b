//! Which number of a record is followed, and what is left out.

use super::*;
use ml_common::record::Head;

const DAY_1: i64 = 1_736_294_400;

fn record(day: i64, status: Status, check: Check) -> Record {
    let ts = jiff::Timestamp::from_second(DAY_1 + day * DAY).unwrap().to_string();
    let head =
        Head { v: 1, tool: "ml-health".into(), stage: "s".into(), system: "lab".into(), run: "r".into(), ts, host: "h".into(), status };
    Record { head, body: Body::Check(check) }
}

fn check(id: &str, value: f64, unit: &str, metrics: &[(&str, f64)]) -> Check {
    let metrics = metrics.iter().map(|(name, value)| ((*name).to_owned(), Scalar::Float(*value))).collect();
    Check { id: id.into(), value: Some(value.into()), unit: Some(unit.into()), metrics, ..Check::default() }
}

fn history(only: &[&str]) -> History {
    History::new(only.iter().map(|only| (*only).to_owned()).collect(), 3600, DAY_1 + 100 * DAY)
}

fn one(check: Check) -> (f64, String, Option<f64>) {
    let mut history = history(&[]);
    history.take(&record(0, Status::Ok, check));
    let series = history.series.values().next().unwrap();
    (series.figure.points()[0].value, series.unit.clone(), series.capacity)
}

#[test]
fn what_fills_up_is_followed_where_the_record_tells_it() {
    const GIB: f64 = 1_073_741_824.0;
    assert_eq!(one(check("a", 12.0, "ms", &[])), (12.0, "ms".into(), None));
    assert_eq!(one(check("a", 50.0, "%", &[("used", GIB), ("total", 2.0 * GIB)])), (GIB, "bytes".into(), Some(2.0 * GIB)));
    assert_eq!(one(check("a", 50.0, "%", &[("used", 40.0), ("limit", 80.0)])), (40.0, String::new(), Some(80.0)));
    assert_eq!(one(check("a", 40.0, "jobs", &[("used", 40.0), ("total", 80.0)])), (40.0, "jobs".into(), Some(80.0)));
    assert_eq!(one(check("a", 40.0, "", &[("used", 40.0), ("limit", 0.0)])), (40.0, String::new(), None), "a limit of 0 is none");
    let disk = check("disk.backups", GIB, "bytes", &[("total_bytes", 4.0 * GIB), ("free_percent", 25.0)]);
    assert_eq!(one(disk), (3.0 * GIB, "bytes".into(), Some(4.0 * GIB)));
}

#[test]
fn what_is_not_asked_for_not_known_or_not_ours_is_left_out() {
    let mut history = history(&["disk", "a.b"]);
    for id in ["disk", "disk.backups", "diskette", "a", "a.b", "a.bc"] {
        history.take(&record(0, Status::Ok, check(id, 1.0, "", &[])));
    }
    let ids: Vec<_> = history.series.keys().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["a.b", "disk", "disk.backups"]);
    let mut own = record(0, Status::Ok, check("disk.x", 1.0, "", &[]));
    own.head.tool = "ml-trend".into();
    history.take(&own);
    for id in ["disk.trend", "disk.availability"] {
        history.take(&record(0, Status::Ok, check(id, 1.0, "", &[])));
    }
    history.take(&record(0, Status::Skipped, check("disk.y", 1.0, "", &[])));
    history.take(&record(102, Status::Ok, check("disk.z", 1.0, "", &[])));
    assert_eq!((history.series.len(), history.ahead, history.records), (3, 1, 11));
}

#[test]
fn another_unit_begins_anew_and_machines_are_apart() {
    let mut history = history(&[]);
    history.take(&record(0, Status::Ok, check("a", 1.0, "s", &[])));
    history.take(&record(1, Status::Ok, check("a", 1000.0, "ms", &[])));
    let mut other = record(1, Status::Ok, check("a", 5.0, "ms", &[]));
    other.head.host = "h2".into();
    history.take(&other);
    let points: Vec<_> = history.series.values().map(|series| series.figure.points().len()).collect();
    assert_eq!(points, [1, 1]);
}

#[test]
fn ever_new_ids_are_counted_and_not_kept() {
    let mut history = history(&[]);
    for n in 0..MAX_CHECKS + 10 {
        history.take(&record(0, Status::Ok, check(&format!("id{n}"), 1.0, "", &[])));
    }
    history.take(&record(1, Status::Ok, check("id0", 1.0, "", &[])));
    assert_eq!((history.series.len(), history.left_out), (MAX_CHECKS, 10));
}
