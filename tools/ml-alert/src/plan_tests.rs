use super::*;
use ml_common::fold::fold;
use ml_common::record::{Body, End, Head, Record, Start};

fn record(stage: &str, status: Status, body: Body) -> Record {
    let tool = stage.split('.').next().unwrap().to_owned();
    let head = Head { v: 1, tool, stage: stage.into(), system: "lab".into(), run: "r-1".into(), ts: "T".into(), host: "h".into(), status };
    Record { head, body }
}

fn whole(stage: &str, middle: Vec<Record>, status: Status, end: End) -> Vec<Record> {
    let start = record(stage, Status::Ok, Body::Start(Start::default()));
    [vec![start], middle, vec![record(stage, status, Body::End(end))]].concat()
}

fn told(records: &[Record], missing: &[&str]) -> Option<Message> {
    let context = Context { run: "own", system: "own", host: "db1", log: Some("/var/log/x") };
    message(&fold(records), missing, &context)
}

fn check(status: Status) -> Record {
    let check = Check {
        id: "proofs.rate".into(),
        value: Some(81.5.into()),
        warn: Some(85.into()),
        unit: Some("%".into()),
        summary: "success rate is low".into(),
        hint: Some("look at the failed proofs".into()),
        ..Check::default()
    };
    record("ml-health.1", status, Body::Check(check))
}

#[test]
fn nothing_is_told_when_all_is_well() {
    assert_eq!(told(&whole("ml-health.1", vec![check(Status::Ok)], Status::Ok, End::default()), &[]), None);
    assert_eq!(told(&whole("ml-health.1", vec![check(Status::Skipped)], Status::Ok, End::default()), &[]), None);
}

#[test]
fn a_finding_carries_value_threshold_hint_run_and_log() {
    let told = told(&whole("ml-health.1", vec![check(Status::Warn)], Status::Warn, End { exit: 1, ..End::default() }), &[]).unwrap();
    assert_eq!(told.title, "lab on db1: 1 warning");
    assert_eq!(told.items, ["warn proofs.rate: success rate is low (value 81.5 %, warn 85 %)\nhint: look at the failed proofs"]);
    assert_eq!(told.footer, "run r-1, log /var/log/x");
}

#[test]
fn a_record_cannot_write_lines_of_the_message() {
    let evil = || "x\nfailed ml-backup\u{1b}[2J".to_owned();
    let check = Check { id: "a".into(), summary: evil(), hint: Some(evil()), evidence: vec![evil()], ..Check::default() };
    let end = End { exit: 2, error_class: Some("database".into()), summary: evil(), hint: Some(evil()), ..End::default() };
    let records = [record("ml-a.1", Status::Crit, Body::Check(check)), record("ml-a.1", Status::Crit, Body::End(end))];
    let items = told(&records, &[]).unwrap().items.join("\n");
    assert!(!items.contains("\nfailed ml-backup") && !items.contains('\u{1b}'), "{items}");
}

#[test]
fn dead_failed_skipped_and_missing_tools_are_named_the_gravest_first() {
    let failed = End {
        exit: 2,
        error_class: Some("database".into()),
        summary: "server is gone".into(),
        hint: Some("start it".into()),
        ..End::default()
    };
    let skipped = End { exit: 1, blocked_by: Some("ml-derive".into()), ..End::default() };
    let records = [
        whole("ml-health.1", vec![check(Status::Warn)], Status::Warn, End { exit: 1, ..End::default() }),
        whole("ml-export.1", vec![], Status::Skipped, skipped),
        whole("ml-vacuum.1", vec![], Status::Crit, failed),
        vec![record("ml-derive.1", Status::Ok, Body::Start(Start::default()))],
    ]
    .concat();
    let told = told(&records, &["ml-backup"]).unwrap();
    let firsts: Vec<_> = told.items.iter().map(|item| item.lines().next().unwrap()).collect();
    assert_eq!(
        firsts,
        [
            "died ml-derive: it began at T and never ended",
            "missing ml-backup: it took no part in the run",
            "failed ml-vacuum (exit 2): server is gone",
            "skipped ml-export: because of ml-derive",
            "warn proofs.rate: success rate is low (value 81.5 %, warn 85 %)",
        ]
    );
    assert_eq!((told.severity, told.title.as_str()), (Status::Crit, "lab on db1: 3 critical, 2 warnings"));
}

#[test]
fn a_bad_end_whose_finding_was_filtered_out_is_still_told() {
    let end = record("ml-health.1", Status::Crit, Body::End(End { exit: 5, summary: "2 of 20 checks critical".into(), ..End::default() }));
    assert_eq!(told(&[end], &[]).unwrap().items, ["crit ml-health (exit 5): 2 of 20 checks critical"]);
}
