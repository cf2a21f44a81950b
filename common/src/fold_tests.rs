use super::*;
use crate::record::{Head, Start};

/// A record of `stage` (`ml-derive.1`), written as the tests read best.
fn record(stage: &str, status: Status, body: Body) -> Record {
    let tool = stage.split('.').next().unwrap().to_owned();
    let head = Head { v: 1, tool, stage: stage.into(), system: "s".into(), run: "r".into(), ts: "t".into(), host: "h".into(), status };
    Record { head, body }
}

fn start(stage: &str) -> Record {
    record(stage, Status::Ok, Body::Start(Start::default()))
}

fn check(stage: &str, id: &str, gate: bool, status: Status) -> Record {
    record(stage, status, Body::Check(Check { id: id.into(), gate, ..Check::default() }))
}

fn end(stage: &str, exit: u8, status: Status, error: Option<&str>) -> Record {
    record(stage, status, Body::End(End { exit, error_class: error.map(str::to_owned), ..End::default() }))
}

#[test]
fn only_gates_and_failed_tools_stop_work() {
    let gate = |gate, status| vec![start("a.1"), check("a.1", "db", gate, status), end("a.1", 5, Status::Crit, None)];
    for (name, records, blocked) in [
        ("nothing", vec![], None),
        ("a critical gate", gate(true, Status::Crit), Some("db")),
        ("a gate that warns", gate(true, Status::Warn), None),
        ("a gate that is unknown", gate(true, Status::Unknown), None),
        ("a critical check that is no gate", gate(false, Status::Crit), None),
        ("a tool that failed", vec![start("b.1"), end("b.1", 2, Status::Crit, Some("database"))], Some("b")),
        ("a failed tool whose start was filtered out", vec![end("b.1", 2, Status::Crit, Some("database"))], Some("b")),
        ("a tool that died", vec![start("b.1")], Some("b")),
        ("a tool that was skipped", vec![start("b.1"), end("b.1", 1, Status::Skipped, None)], None),
        ("a gate that recovered", [gate(true, Status::Crit), vec![check("a.1", "db", true, Status::Ok)]].concat(), None),
    ] {
        assert_eq!(fold(&records).blocked_by().as_deref(), blocked, "{name}");
    }
}

#[test]
fn the_exit_is_the_worst_seen() {
    let warned = end("a.1", 1, Status::Warn, None);
    for (name, records, exit, unless_warn) in [
        ("nothing", vec![], 0, 0),
        ("a warning", vec![warned.clone()], 1, 0),
        ("a general failure", vec![end("a.1", 1, Status::Crit, Some("general"))], 1, 1),
        ("skipped", vec![end("a.1", 1, Status::Skipped, None)], 1, 1),
        ("locked and database", vec![end("a.1", 75, Status::Crit, Some("locked")), end("b.1", 2, Status::Crit, Some("database"))], 2, 2),
        ("a warning and a dead stage", vec![warned, start("b.1")], 70, 70),
        ("a dead stage and an interrupted one", vec![start("b.1"), end("a.1", 130, Status::Crit, Some("interrupted"))], 130, 130),
    ] {
        let verdict = fold(&records);
        assert_eq!((verdict.exit, verdict.exit_unless_warn), (Exit(exit), Exit(unless_warn)), "{name}");
    }
}

#[test]
fn start_and_end_pair_by_run_and_stage() {
    let mut other = end("a.1", 0, Status::Ok, None);
    other.head.run = "r2".into();
    let verdict = fold(&[start("a.1"), start("a.2"), end("a.2", 0, Status::Ok, None), other]);
    let died: Vec<_> = verdict.died().map(|stage| (stage.run.as_str(), stage.stage.as_str())).collect();
    assert_eq!(died, [("r", "a.1")]);
}

#[test]
fn dry_run_is_contagious_and_missing_tools_are_named() {
    let dry = record("a.1", Status::Ok, Body::Start(Start { dry_run: true, ..Start::default() }));
    let verdict = fold(&[start("c.1"), dry]);
    assert!(verdict.dry_run);
    assert_eq!(verdict.missing(&["a".into(), "b".into(), "c".into()]), ["b"]);
    // As after `jq 'select(.status!="ok")'`, which drops the start.
    assert!(fold(&[record("a.1", Status::Planned, Body::Step(Step::default()))]).dry_run);
}

#[test]
fn memory_is_bounded_and_the_rest_is_counted() {
    let records: Vec<_> = (0..MAX_FINDINGS + 7).map(|i| check("a.1", &format!("id{i}"), false, Status::Warn)).collect();
    let verdict = fold(&records);
    assert_eq!((verdict.findings.len(), verdict.more_findings), (MAX_FINDINGS, 7));
    let gate = check("b.1", "db", true, Status::Crit);
    assert_eq!(fold(records.iter().chain([&gate])).blocked_by().as_deref(), Some("db"), "a gate is not crowded out");
    let stages = (0..=MAX_STAGES).map(|i| end(&format!("a.{i}"), if i == MAX_STAGES { 5 } else { 0 }, Status::Ok, None));
    let mut fold = Fold::default();
    stages.for_each(|end| fold.push(&end));
    assert_eq!((fold.verdict().stages.len(), fold.verdict().exit), (MAX_STAGES, Exit(5)), "an exit counts, whoever's it is");
}

#[test]
fn the_latest_word_on_an_id_counts() {
    let verdict = fold(&[
        check("a.1", "x", false, Status::Warn),
        check("a.1", "y", false, Status::Warn),
        check("a.1", "x", false, Status::Ok),
        check("a.1", "x", false, Status::Crit),
        check("a.1", "y", false, Status::Ok),
    ]);
    let found: Vec<_> = verdict.findings.iter().map(|f| (f.check.id.as_str(), f.status)).collect();
    assert_eq!(found, [("x", Status::Crit)]);
    assert_eq!(verdict.stages[0].worst, Some(Status::Crit));
}

#[test]
fn equal_names_in_two_runs_are_two_stages() {
    let mut other = check("a.1", "x", false, Status::Ok);
    other.head.run = "r2".into();
    assert_eq!(fold(&[check("a.1", "x", false, Status::Warn), other]).findings.len(), 1);
}

#[test]
fn stages_stand_in_the_order_of_the_pipeline() {
    let verdict = fold(&[start("c.1"), start("b.1"), start("a.1"), end("a.1", 0, Status::Ok, None)]);
    let order: Vec<_> = verdict.in_order().iter().map(|stage| stage.tool.as_str()).collect();
    assert_eq!(order, ["a", "b", "c"]);
}
