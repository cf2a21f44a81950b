use super::*;
use ml_common::fold::Finding;
use ml_common::record::{Check, End};
use ml_ledger::shape::expected::{Expected, FIRST, SECOND};
use ml_ledger::shape::{Column, Table};

fn shape(expected: &[Expected]) -> Shape {
    let column = |name: &&str| Column { name: (*name).to_owned(), type_name: "text".into(), not_null: false };
    let table = |columns: &[&str]| Table { columns: columns.iter().map(column).collect(), primary_key: vec!["id".into()] };
    Shape::of("public".into(), expected.iter().map(|(name, columns)| ((*name).to_owned(), table(columns))).collect())
}

fn backup(edit: impl Fn(&mut StageState)) -> Verdict {
    let mut stage =
        StageState { tool: "ml-backup".into(), has_start: true, ended: Some((Status::Ok, End::default())), ..StageState::default() };
    edit(&mut stage);
    Verdict { stages: vec![stage], ..Verdict::default() }
}

fn gate(id: &str, gate: bool) -> Verdict {
    let check = Check { id: id.into(), gate, ..Check::default() };
    let finding = Finding { tool: "ml-health".into(), stage: "ml-health.1".into(), status: Status::Crit, check, ts: String::new() };
    Verdict { findings: vec![finding], ..Verdict::default() }
}

#[test]
fn it_prunes_only_when_told_and_only_a_ledger() {
    let none = Verdict::default();
    for ledger in [shape(FIRST), shape(SECOND)] {
        assert_eq!(prune(Some(30), &ledger, &none), Ok(30));
        assert_eq!(prune(Some(u64::MAX), &ledger, &none), Ok(MAX_DAYS));
        for days in [None, Some(0)] {
            assert!(prune(days, &ledger, &none).unwrap_err().reason.contains("not set"));
        }
    }
    let other = prune(Some(30), &shape(&FIRST[..2]), &none).unwrap_err();
    assert!(other.reason.contains("no ledger") && other.reason.contains("proofs"), "{}", other.reason);
    let mut keyless = shape(SECOND);
    keyless.tables.get_mut("proofs").unwrap().primary_key.clear();
    assert!(prune(Some(30), &keyless, &none).is_err());
    let mut undated = shape(SECOND);
    undated.tables.get_mut("proofs").unwrap().columns.retain(|column| column.name != "created_at");
    assert!(prune(Some(30), &undated, &none).is_err());
}

#[test]
fn a_backup_in_doubt_keeps_every_row() {
    let ledger = shape(SECOND);
    let failed = End { exit: 4, error_class: Some("storage".into()), summary: "disk full".into(), ..End::default() };
    let doubtful = [
        backup(|stage| stage.ended = None),
        backup(|stage| stage.ended = Some((Status::Crit, failed.clone()))),
        backup(|stage| stage.ended = Some((Status::Skipped, End { exit: 1, ..End::default() }))),
        backup(|stage| stage.worst = Some(Status::Crit)),
        Verdict { garbage: 1, ..backup(|_| ()) },
        gate("upstream-silent", true),
    ];
    for verdict in doubtful {
        let refused = prune(Some(30), &ledger, &verdict).unwrap_err();
        assert!(refused.hint.is_some() && refused.blocked_by.as_deref() == Some("ml-backup"), "{refused:?}");
    }
    let warned = backup(|stage| (stage.worst, stage.ended) = (Some(Status::Warn), Some((Status::Warn, End { exit: 1, ..End::default() }))));
    for verdict in [backup(|_| ()), warned, Verdict::default()] {
        assert_eq!(prune(Some(30), &ledger, &verdict), Ok(30));
    }
}

#[test]
fn only_gates_stop_it() {
    assert_eq!(blocked_by(&gate("ledger.chain", true), None).as_deref(), Some("ledger.chain"));
    assert_eq!(blocked_by(&gate("ledger.chain", true), Some(After::Any)), None);
    assert_eq!(blocked_by(&gate("proofs.rate", false), None), None);
    assert_eq!(blocked_by(&backup(|stage| stage.ended = None), None), None);
}

#[test]
fn the_most_pressing_reason_is_told() {
    let base = Need { live: 100, vacuumed: true, analysed: true, age_limit: 200_000_000, ..Need::default() };
    for (need, said) in [
        (base, "routine"),
        (Need { changed: 7, ..base }, "7 changes since it was analysed"),
        (Need { analysed: false, ..base }, "never analysed"),
        (Need { vacuumed: false, analysed: false, ..base }, "never vacuumed"),
        (Need { dead: 25, live: 75, vacuumed: false, ..base }, "25 dead rows, 25%"),
        (Need { dead: 25, age: 100_000_001, ..base }, "100000001 transactions since it was frozen, of 200000000 allowed"),
    ] {
        assert_eq!(reason(&need), said);
    }
}
