use super::*;
use ml_common::fold::fold;
use ml_common::record::{End, Start};

fn record(stage: &str, status: Status, body: Body) -> Record {
    let tool = stage.split('.').next().unwrap().to_owned();
    let ts = "2025-01-08T02:00:00.000Z".into();
    let head = Head { v: 1, tool, stage: stage.into(), system: "lab".into(), run: "r-1".into(), ts, host: "h".into(), status };
    Record { head, body }
}

fn whole(stage: &str, middle: Vec<Record>, status: Status, end: End) -> Vec<Record> {
    let start = record(stage, Status::Ok, Body::Start(Start::default()));
    [vec![start], middle, vec![record(stage, status, Body::End(end))]].concat()
}

fn told(records: &[Record], missing: &[&str]) -> Vec<Record> {
    let context = Context { run: "own", system: "own", host: "db1", at: "2025-01-08T03:00:00Z".parse().unwrap() };
    super::records(&fold(records), missing, &context)
}

fn check_of(record: &Record) -> &Check {
    let Body::Check(check) = &record.body else { panic!("{record:?}") };
    check
}

fn lines(records: &[Record]) -> Vec<String> {
    let line = |record: &Record| format!("{} {}: {}", record.head.status.name(), check_of(record).id, check_of(record).summary);
    records.iter().map(line).collect()
}

fn check(status: Status) -> Record {
    let check = Check {
        id: "proofs.rate".into(),
        value: Some(81.5.into()),
        warn: Some(85.into()),
        summary: "success rate is low".into(),
        gate: status == Status::Crit,
        ..Check::default()
    };
    record("ml-health.1", status, Body::Check(check))
}

#[test]
fn nothing_is_told_when_all_is_well() {
    for status in [Status::Ok, Status::Skipped] {
        assert_eq!(told(&whole("ml-health.1", vec![check(status)], Status::Ok, End::default()), &[]), []);
    }
}

#[test]
fn a_finding_is_told_as_it_was_found_and_a_gate_says_so() {
    let warned = told(&whole("ml-health.1", vec![check(Status::Warn)], Status::Warn, End { exit: 1, ..End::default() }), &[]);
    assert_eq!(lines(&warned), ["warn proofs.rate: success rate is low"]);
    let (head, found) = (&warned[0].head, check_of(&warned[0]));
    assert_eq!((&*head.system, &*head.run, &*head.ts, &*head.host), ("lab", "r-1", "2025-01-08T02:00:00.000Z", "db1"));
    assert_eq!((&found.value, &found.warn), (&Some(81.5.into()), &Some(85.into())));
    let gate = told(&whole("ml-health.1", vec![check(Status::Crit)], Status::Crit, End { exit: 5, ..End::default() }), &[]);
    assert_eq!(lines(&gate), ["crit proofs.rate: [gate] success rate is low"]);
}

#[test]
fn dead_failed_skipped_and_missing_tools_are_named() {
    let failed = End { exit: 2, error_class: Some("database".into()), summary: "server is gone".into(), ..End::default() };
    let skipped = End { exit: 1, blocked_by: Some("ml-derive".into()), ..End::default() };
    let records = [
        whole("ml-export.1", vec![], Status::Skipped, skipped),
        whole("ml-vacuum.1", vec![], Status::Crit, failed),
        vec![record("ml-derive.1", Status::Ok, Body::Start(Start::default()))],
    ]
    .concat();
    assert_eq!(
        lines(&told(&records, &["ml-backup"])),
        [
            "crit tool.ml-derive: died: it began at 2025-01-08T02:00:00.000Z and never ended",
            "crit tool.ml-backup: it took no part in the run",
            "crit tool.ml-vacuum: failed (exit 2): server is gone",
            "warn tool.ml-export: skipped because of ml-derive",
        ]
    );
}

#[test]
fn a_bad_end_whose_finding_was_filtered_out_is_still_told() {
    let end = record("ml-health.1", Status::Crit, Body::End(End { exit: 5, summary: "2 of 20 checks critical".into(), ..End::default() }));
    assert_eq!(lines(&told(&[end], &[])), ["crit tool.ml-health: crit (exit 5): 2 of 20 checks critical"]);
}

#[test]
fn of_two_that_found_the_same_id_bad_the_graver_is_told_and_the_other_is_not_lost() {
    let again = |stage: &str, status| {
        let found = Check { id: "redis.ping".into(), summary: format!("as {stage} saw it"), ..Check::default() };
        record(stage, status, Body::Check(found))
    };
    for order in [["ml-a.1", "ml-b.1"], ["ml-b.1", "ml-a.1"]] {
        let status = |stage: &str| if stage == "ml-b.1" { Status::Crit } else { Status::Warn };
        let records = order.map(|stage| again(stage, status(stage)));
        let all = told(&records, &[]);
        assert_eq!(lines(&all)[0], "crit redis.ping: as ml-b.1 saw it");
        assert_eq!(check_of(&all[0]).evidence, ["also warn of ml-a: as ml-a.1 saw it"]);
    }
    // Another stage that finds it well does not take the word back: exit codes and gates do not either.
    let records = [again("ml-a.1", Status::Crit), again("ml-b.1", Status::Ok)];
    assert_eq!(lines(&told(&records, &[])), ["crit redis.ping: as ml-a.1 saw it"]);
}
