//! The state of the stream: last words, changes, deaths, bounds.

use super::*;
use ml_common::record::{End, Start, Step};

fn record(id: &str, status: Status) -> Record {
    let check = Check { id: id.into(), summary: format!("{id} is {}", status.name()), ..Check::default() };
    told("ml-health", status, Body::Check(check))
}

fn told(tool: &str, status: Status, body: Body) -> Record {
    let head = Head {
        v: 1,
        tool: tool.into(),
        stage: format!("{tool}.1"),
        system: "lab".into(),
        run: "r".into(),
        ts: "2025-01-08T02:00:00.000Z".into(),
        host: "h".into(),
        status,
    };
    Record { head, body }
}

fn keep() -> Keep {
    Keep::new(Duration::from_secs(100))
}

fn statuses(keep: &Keep) -> Vec<(String, Status)> {
    let mut all: Vec<_> = keep.things().map(|thing| (thing.check.id.clone(), thing.head.status)).collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn the_last_word_counts_and_changes_are_told() {
    let (mut keep, now) = (keep(), Instant::now());
    for (id, status) in [("a", Status::Ok), ("b", Status::Crit), ("a", Status::Ok), ("a", Status::Warn), ("b", Status::Ok)] {
        keep.take(&record(id, status), now);
    }
    assert_eq!(statuses(&keep), [("a".into(), Status::Warn), ("b".into(), Status::Ok)]);
    let changes: Vec<_> = keep.changes().map(|change| (change.id.as_str(), change.from, change.to)).collect();
    assert_eq!(changes, [("b", Some(Status::Crit), Status::Ok), ("a", Some(Status::Ok), Status::Warn), ("b", None, Status::Crit)]);
    assert_eq!(keep.records, 5);
}

#[test]
fn two_hosts_and_two_tools_have_their_own_words() {
    let (mut keep, now) = (keep(), Instant::now());
    let other_tool = told("ml-alert", Status::Ok, Body::Check(Check { id: "a".into(), ..Check::default() }));
    let mut other_host = record("a", Status::Ok);
    other_host.head.host = "h2".into();
    for record in [record("a", Status::Crit), other_tool, other_host] {
        keep.take(&record, now);
    }
    assert_eq!(keep.things().count(), 3);
}

#[test]
fn a_tool_that_failed_or_never_ended_is_critical_and_one_that_found_something_is_not() {
    let (mut keep, now) = (keep(), Instant::now());
    let end = |class: Option<&str>| Body::End(End { exit: 1, error_class: class.map(Into::into), ..End::default() });
    for tool in ["ml-health", "ml-backup", "ml-derive"] {
        keep.take(&told(tool, Status::Ok, Body::Start(Start::default())), now);
    }
    keep.take(&told("ml-health", Status::Crit, end(None)), now);
    keep.take(&told("ml-backup", Status::Crit, end(Some("storage"))), now);
    keep.end(now);
    let expected = [("tool.ml-backup", Status::Crit), ("tool.ml-derive", Status::Crit), ("tool.ml-health", Status::Ok)];
    assert_eq!(statuses(&keep), expected.map(|(id, status)| (id.to_owned(), status)));
    assert!(keep.things().any(|thing| thing.check.summary == "began and never ended"));
}

#[test]
fn a_check_named_as_its_tool_keeps_its_word() {
    let (mut keep, now) = (keep(), Instant::now());
    keep.take(&record("ml-health", Status::Crit), now);
    keep.take(&told("ml-health", Status::Ok, Body::End(End::default())), now);
    assert_eq!(statuses(&keep), [("ml-health".into(), Status::Crit), ("tool.ml-health".into(), Status::Ok)]);
}

#[test]
fn a_step_is_a_thing_too() {
    let mut keep = keep();
    let step = Step { id: "dump".into(), reason: Some("disk full".into()), ..Step::default() };
    keep.take(&told("ml-backup", Status::Crit, Body::Step(step)), Instant::now());
    assert_eq!(keep.things().next().unwrap().check.summary, "disk full");
}

#[test]
fn what_is_not_heard_of_is_forgotten() {
    let (mut keep, now) = (keep(), Instant::now());
    keep.take(&record("a", Status::Crit), now);
    keep.take(&record("b", Status::Ok), now + Duration::from_secs(60));
    keep.forget_old(now + Duration::from_secs(101));
    assert_eq!(statuses(&keep), [("b".into(), Status::Ok)]);
}

#[test]
fn ever_new_ids_and_endless_texts_have_bounds() {
    let (mut keep, now) = (keep(), Instant::now());
    for n in 0..10_000u64 {
        keep.take(&record(&format!("id{n}"), Status::Crit), now + Duration::from_millis(n / 1000));
    }
    assert!((MAX_THINGS - GO_AT_ONCE..=MAX_THINGS).contains(&keep.things().count()));
    assert_eq!(keep.left_out as usize + keep.things().count(), 10_000);
    assert!(statuses(&keep).iter().any(|(id, _)| id == "id9999"), "the newest stays");
    assert_eq!(keep.changes().count(), MAX_CHANGES);
    let long = "\u{fc}".repeat(100_000);
    let check = Check { id: long.clone(), summary: long.clone(), evidence: vec![long.clone(); 50], ..Check::default() };
    keep.take(&told("ml-health", Status::Crit, Body::Check(check)), now + Duration::from_secs(50));
    let thing = keep.things().max_by_key(|thing| thing.check.id.len()).unwrap();
    assert!(thing.check.id.chars().count() < 700 && thing.check.evidence.len() == MAX_ROWS);
    for n in 0..1000 {
        let mut start = told("ml-health", Status::Ok, Body::Start(Start::default()));
        start.head.stage = format!("s{n}");
        keep.take(&start, now);
    }
    assert_eq!(keep.running.len(), MAX_STAGES);
}
