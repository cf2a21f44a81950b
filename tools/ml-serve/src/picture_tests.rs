//! Order, counts and freshness; and what /health and /metrics make of them.

use super::*;
use crate::{health, metrics};
use ml_common::record::{Body, Check, Head, Record};

fn record(system: &str, id: &str, status: Status) -> Record {
    let head = Head {
        v: 1,
        tool: "ml-health".into(),
        stage: "s".into(),
        system: system.into(),
        run: "r".into(),
        ts: "2025-01-08T02:00:00.000Z".into(),
        host: "h".into(),
        status,
    };
    let check = Check { id: id.into(), hint: Some("mend it".into()), value: Some(7u64.into()), ..Check::default() };
    Record { head, body: Body::Check(check) }
}

const STALE: Duration = Duration::from_secs(300);

fn picture(records: &[Record], age: Duration, ended: bool) -> Picture {
    let begin = Instant::now();
    let mut keep = Keep::new(Duration::from_secs(100_000));
    for record in records {
        keep.take(record, begin);
    }
    if ended {
        keep.end(begin);
    }
    Picture::of(&keep, "2025-01-08T02:03:20Z".parse().unwrap(), begin + age, STALE)
}

fn answer(picture: &Picture) -> (bool, String, serde_json::Value) {
    let json: serde_json::Value = serde_json::from_str(&health::json(picture)).unwrap();
    (picture.healthy(), json["status"].as_str().unwrap().to_owned(), json)
}

#[test]
fn the_worst_system_and_the_worst_check_come_first() {
    let records = [
        record("alpha", "z", Status::Ok),
        record("beta", "b", Status::Ok),
        record("beta", "c", Status::Crit),
        record("beta", "a", Status::Warn),
        record("gamma", "a", Status::Unknown),
    ];
    let picture = picture(&records, Duration::ZERO, false);
    let order: Vec<_> = picture.things.iter().map(|thing| (thing.head.system.as_str(), thing.check.id.as_str())).collect();
    assert_eq!(order, [("beta", "c"), ("beta", "a"), ("beta", "b"), ("gamma", "a"), ("alpha", "z")]);
    let bad: Vec<_> = picture.bad().iter().map(|thing| thing.head.status).collect();
    assert_eq!(bad, [Status::Crit, Status::Unknown, Status::Warn]);
    let counts: Vec<_> = picture.counts.all().collect();
    assert_eq!(counts, [(Status::Crit, 1), (Status::Unknown, 1), (Status::Warn, 1), (Status::Ok, 2)]);
}

#[test]
fn a_monitor_hears_503_only_when_something_is_critical_or_old() {
    let (ok, warn, crit) = (record("l", "a", Status::Ok), record("l", "b", Status::Warn), record("l", "c", Status::Crit));
    let fresh = Duration::from_secs(10);
    for (records, age, ended, expected) in [
        (vec![ok.clone()], fresh, false, (true, "ok")),
        (vec![ok.clone(), warn.clone()], fresh, false, (true, "warn")),
        (vec![record("l", "u", Status::Unknown)], fresh, false, (true, "unknown")),
        (vec![ok.clone(), crit.clone()], fresh, false, (false, "crit")),
        (vec![ok.clone()], STALE + fresh, false, (false, "unknown")),
        (vec![ok.clone()], fresh, true, (false, "unknown")),
        (vec![crit], fresh, true, (false, "crit")),
        (vec![], fresh, false, (false, "unknown")),
    ] {
        let (healthy, status, json) = answer(&picture(&records, age, ended));
        assert_eq!((healthy, status.as_str()), expected, "{json}");
        assert_eq!(json["reason"].is_string(), ended || records.is_empty() || age > STALE, "{json}");
    }
}

#[test]
fn health_names_what_is_bad() {
    let records: Vec<Record> = (0..150).map(|n| record("l", &format!("c{n:03}"), Status::Warn)).collect();
    let (_, _, json) = answer(&picture(&records, Duration::ZERO, false));
    assert_eq!((json["bad"].as_array().unwrap().len(), &json["more_bad"]), (100, &serde_json::json!(50)));
    let first = &json["bad"][0];
    assert_eq!((first["id"].as_str(), first["hint"].as_str(), first["age_s"].as_u64()), (Some("c000"), Some("mend it"), Some(200)));
    assert_eq!(json["counts"], serde_json::json!({"warn": 150}));
}

#[test]
fn metrics_tell_whether_the_stream_is_open() {
    let open = metrics::text(&picture(&[record("l", "a", Status::Crit)], Duration::ZERO, false));
    assert!(open.contains("\nml_serve_stream_open 1\n") && open.contains("ml_check_status{system=\"l\""), "{open}");
    assert!(open.contains("ml_serve_checks{status=\"crit\"} 1"), "{open}");
    let ended = metrics::text(&picture(&[record("l", "a", Status::Ok)], Duration::ZERO, true));
    assert!(ended.contains("\nml_serve_stream_open 0\n"), "{ended}");
    let waiting = metrics::text(&picture(&[], Duration::ZERO, false));
    assert!(waiting.contains("\nml_serve_stream_open 0\n") && !waiting.contains("silent"), "{waiting}");
}

#[test]
fn a_record_of_a_clock_ahead_is_now() {
    let mut ahead = record("l", "a", Status::Ok);
    ahead.head.ts = "2099-01-01T00:00:00Z".into();
    let picture = picture(&[ahead], Duration::ZERO, false);
    assert_eq!(picture.since(picture.things[0].at), Duration::ZERO);
}
