//! Standard output: statements as records, naked rows, readers that go away; and what stops an export.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod support;

use ml_tests::{Cluster, Pipeline, Tool, ledger};
use serde_json::{Value, json};
use support::{assert_json_equals, export, folder, large_ledger, names};

#[test]
fn statements_are_records_between_start_and_end() {
    for (make, hint) in [(ledger::first_generation as fn(&mut postgres::Client), "first"), (ledger::second_generation, "second")] {
        let db = Cluster::shared().database(hint);
        make(&mut db.client());
        let term = "UPDATE proofs SET proof_term = 'DD211 axioms=CpCqp,CCpCqrCCpqCpr' WHERE proof_term = 'DD211'";
        db.client().batch_execute(term).unwrap();
        let exports = folder();
        let output = export(&db, exports.path()).args(["statements", "-o", "-"]).run().expect_code(0);
        assert_eq!(output.kind("statement").count(), ledger::SAMPLES.len());
        assert_eq!((output.records[0]["kind"].as_str(), output.end()["metrics"]["rows"].as_u64()), (Some("start"), Some(7)));
        let one = |text: &str| output.kind("statement").find(|record| record["statement"] == text).unwrap().clone();
        let theorem = one("p->p");
        let hash = "224ae6d0ae04e5b9b5cf9948beb8744d4b4d8bc8faae70d4b43fdfc97e949732";
        assert_eq!((theorem["hash"].as_str(), theorem["depth"].as_u64(), theorem["rule"].as_str()), (Some(hash), Some(2), Some("mp")));
        assert_eq!((theorem["proof"].as_str(), theorem["proof_length"].as_u64()), (Some("DD211"), Some(5)));
        assert_eq!(theorem["axioms"], json!(["p->q->p", "(p->q->r)->(p->q)->p->r"]));
        assert_eq!(
            (theorem["label"].as_str(), one("p->q->p")["label"].as_str()),
            (Some("proof of length 5 known"), Some("minimal up to 1"))
        );
        assert_eq!(theorem["name"], "*2.08 Id, identity; has the instance *2.11, *2.53, *2.54");
        assert_eq!((theorem["parents"].as_array().unwrap().len(), theorem["theory"].as_str()), (2, Some("Propositional")));
        let axiom = one("p->q->p");
        assert_eq!((axiom["rule"].as_str(), axiom["proof"].as_str(), &axiom["axioms"]), (Some("axiom"), Some("1"), &json!(["p->q->p"])));
        let (foreign, open) = (one("~~p->p"), one("(p->q)->r"));
        assert_eq!((foreign.get("proof"), foreign.get("label"), foreign["truth"].as_str()), (None, None, Some("proven")));
        assert_eq!((open.get("proof"), open["truth"].as_str()), (None, Some("open")));
        assert!(names(exports.path()).is_empty());
    }
}

#[test]
fn naked_rows_are_nothing_else_and_upstream_is_consumed() {
    let db = Cluster::shared().database("raw");
    ledger::second_generation(&mut db.client());
    let upstream = json!({"v": 1, "kind": "start", "tool": "ml-a", "stage": "ml-a.1", "system": "s", "run": "r", "ts": "t", "host": "h", "status": "ok"});
    let mut end = upstream.clone();
    (end["kind"], end["exit"]) = ("end".into(), 0.into());
    for args in [&["proofs", "--output", "raw"][..], &["proofs", "--output", "raw", "-o", "-"]] {
        let output = export(&db, folder().path()).args(args).stdin_records(&[upstream.clone(), end.clone()]).raw().run().expect_code(0);
        assert_json_equals(&db, "proofs", "id", &output.stdout);
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_export_quietly() {
    let db = Cluster::shared().database("closed");
    large_ledger(&db, 20_000);
    for args in [&["statements", "--output", "raw"][..], &["statements", "-o", "-"]] {
        let head = Tool::foreign("head").args(["-n", "1"]);
        let output = Pipeline::new().stage(export(&db, folder().path()).args(args)).stage(head).run();
        assert_eq!((output.codes, output.stderrs[0].as_str()), (vec![1, 0], ""), "{args:?}");
        assert_eq!(output.last.stdout.lines().count(), 1);
    }
}

#[test]
fn a_file_can_be_named_and_is_never_replaced() {
    let db = Cluster::shared().database("file");
    ledger::first_generation(&mut db.client());
    let exports = folder();
    let file = exports.path().join("b.csv.zst");
    let run = || export(&db, exports.path()).args(["blocks", "-o"]).arg(&file).run();
    let output = run().expect_code(0);
    assert_eq!((output.record("step", "export.blocks")["rows"].as_u64(), names(exports.path())), (Some(2), vec!["b.csv.zst".to_owned()]));
    assert!(support::text(&file).starts_with("id,run_id,root_hash,counts,created_at\n"));
    let before = std::fs::read(&file).unwrap();
    let refused = run().expect_code(4);
    assert!(refused.end()["hint"].is_string() && std::fs::read(&file).unwrap() == before && names(exports.path()).len() == 1);
}

fn record(kind: &str, status: &str, more: Value) -> Value {
    let mut record = json!({"v": 1, "kind": kind, "tool": "ml-health", "stage": "ml-health.1", "system": "s", "run": "r", "ts": "t", "host": "h", "status": status});
    for (key, value) in more.as_object().unwrap() {
        record[key] = value.clone();
    }
    record
}

#[test]
fn a_failed_gate_stops_it_and_an_alert_does_not() {
    let db = Cluster::shared().database("gates");
    ledger::second_generation(&mut db.client());
    let night = |gate: bool| {
        let check = record("check", "crit", json!({"id": "ledger.chain", "gate": gate, "summary": "broken"}));
        [record("start", "ok", json!({})), check, record("end", "crit", json!({"exit": 5}))]
    };
    let exports = folder();
    let output = export(&db, exports.path()).stdin_records(&night(true)).run().expect_code(5);
    let end = output.end();
    assert_eq!(
        (end["status"].as_str(), end["exit"].as_u64(), end["blocked_by"].as_str()),
        (Some("skipped"), Some(1), Some("ledger.chain"))
    );
    assert!(names(exports.path()).is_empty());
    let output = export(&db, exports.path()).stdin_records(&night(false)).run().expect_code(5);
    assert_eq!((output.end()["exit"].as_u64(), names(exports.path()).len()), (Some(0), 6));
    let more = folder();
    export(&db, more.path()).args(["--after", "any"]).stdin_records(&night(true)).run().expect_code(5);
    assert_eq!(names(more.path()).len(), 6);
}

#[test]
fn a_dry_run_writes_nothing_and_says_what_it_would() {
    let db = Cluster::shared().database("dry");
    large_ledger(&db, 100);
    let exports = folder();
    let place = exports.path().join("new");
    for tool in [
        export(&db, &place).arg("--dry-run"),
        export(&db, &place).stdin_records(&[record("start", "ok", json!({"dry_run": true})), record("end", "ok", json!({"exit": 0}))]),
    ] {
        let output = tool.run().expect_code(0);
        let step = output.record("step", "export.statements");
        assert_eq!((step["status"].as_str(), step["metrics"]["estimated_rows"].as_u64()), (Some("planned"), Some(107)));
        assert_eq!((output.end()["status"].as_str(), step.get("rows")), (Some("planned"), None));
        assert!(names(exports.path()).is_empty());
    }
}
