//! Ledgers and derivations, checked in one pipeline with the tools that write them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{Cluster, Pipeline, PipelineOutput, TempDir, TestDb, Tool, ledger};
use serde_json::{Value, json};

/// A ledger as a night leaves it: derived by ml-derive, with its proofs.
fn night(hint: &str) -> TestDb {
    let db = Cluster::shared().database(hint);
    let mut client = db.client();
    ledger::second_generation(&mut client);
    client.batch_execute("TRUNCATE statements, proofs, dependencies, proof_parents, runs, blocks, lemma_cache, axioms CASCADE").unwrap();
    let args = ["--no-input", "--steps", "20", "--max-breadth", "40", "--max-total", "100"];
    Tool::new("ml-derive").env("DATABASE_URL", db.url()).args(args).run().expect_code(0);
    db
}

fn export(db: &TestDb) -> Tool {
    Tool::new("ml-export").env("DATABASE_URL", db.url()).args(["statements", "-o", "-"])
}

fn check(args: &[&str]) -> Tool {
    Tool::new("ml-check").args(args)
}

fn exported(db: &TestDb, args: &[&str]) -> PipelineOutput {
    Pipeline::new().stage(export(db)).stage(check(args)).run()
}

/// The checks that are not ok, and their verdicts.
fn bad(output: &PipelineOutput) -> Vec<(&Value, &str)> {
    let bad = output.last.kind("check").filter(|check| check["status"] != "ok");
    bad.map(|check| (check, check["labels"]["verdict"].as_str().unwrap())).collect()
}

#[test]
fn a_sound_ledger_passes_and_every_statement_gets_its_verdict() {
    let db = night("sound");
    for args in [&[][..], &["--axioms", "frege"]] {
        let output = exported(&db, args);
        assert_eq!(output.codes, [0, 0], "{:?}", output.last.stdout);
        assert!(bad(&output).is_empty());
        let statements: Vec<&Value> = output.last.kind("statement").map(|statement| &statement["hash"]).collect();
        let checks: Vec<&Value> = output.last.kind("check").map(|check| &check["id"]).collect();
        assert!(statements.len() >= 100 && statements == checks, "in the order of the input");
        let end = output.last.end();
        let total = statements.len();
        let metrics = json!({"checked": total, "ok": total, "more_general": 0, "wrong": 0, "without_proof": 0, "undecided": 0});
        assert_eq!(end["metrics"], metrics);
        assert_eq!(end["labels"]["axioms"], "(p->q->r)->(p->q)->p->r, (~p->~q)->q->p, p->q->p");
    }
}

#[test]
fn what_was_changed_in_the_ledger_is_found() {
    let db = night("changed");
    let theorem = "(SELECT id FROM statements WHERE content_norm = 'p->p')";
    for (change, verdict, says) in [
        ("UPDATE proofs SET proof_term = replace(proof_term, 'DD211', 'DD221')", "wrong", "proof"),
        ("UPDATE proofs SET proof_term = replace(proof_term, 'DD221', 'DD231')", "wrong", "proof"),
        // No longer a term at all: the export must not take it for somebody else's.
        ("UPDATE proofs SET proof_term = replace(proof_term, 'DD231', 'DD2?1')", "wrong", "not a symbol of D-notation"),
        ("UPDATE proofs SET proof_term = 'DD211 axioms=CpCqp,CCpCqrCCpqCp'", "wrong", "its axioms cannot be read"),
        ("UPDATE proofs SET proof_term = '1 axioms=Cpp'", "wrong", "p->p"),
        ("UPDATE proofs SET proof_term = 'DD211 axioms=CpCqp,CCpCqrCCpqCpr'", "", ""),
        ("UPDATE statements SET content_norm = 'p->q'", "wrong-hash", "p->q"),
    ] {
        let column = if change.contains("proofs") { "statement_id" } else { "id" };
        assert_eq!(db.client().execute(&format!("{change} WHERE {column} = {theorem}"), &[]).unwrap(), 1, "{change}");
        let output = exported(&db, &["--axioms", "frege"]);
        if verdict.is_empty() {
            assert_eq!(output.codes, [0, 0]);
            continue;
        }
        assert_eq!(output.codes, [0, 5], "{change}");
        let found = bad(&output);
        assert_eq!(found.len(), 1, "{change}: {found:?}");
        let (check, word) = found[0];
        assert_eq!(check["id"], "224ae6d0ae04e5b9b5cf9948beb8744d4b4d8bc8faae70d4b43fdfc97e949732");
        assert!(word == verdict && check["status"] == "crit" && check["gate"] == true, "{check}");
        assert!(check["summary"].as_str().unwrap().contains(says) && check["hint"].is_string(), "{check}");
        let end = output.last.end();
        assert!(end["metrics"]["wrong"] == 1 && end["exit"] == 5 && end["status"] == "crit" && end.get("error_class").is_none(), "{end}");
    }
}

#[test]
fn proofs_of_others_are_skipped_and_open_statements_too() {
    for make in [ledger::first_generation as fn(&mut _), ledger::second_generation] {
        let db = Cluster::shared().database("foreign");
        make(&mut db.client());
        let output = exported(&db, &[]);
        assert_eq!(output.codes, [0, 0]);
        let (skipped, end) = (bad(&output), output.last.end());
        assert!(skipped.iter().all(|(check, verdict)| check["status"] == "skipped" && *verdict == "no-proof"));
        assert_eq!((skipped.len(), &end["metrics"]["ok"], &end["metrics"]["without_proof"]), (4, &json!(3), &json!(4)));
    }
}

#[test]
fn a_refused_proof_is_a_gate() {
    let db = night("gate");
    let change = "UPDATE proofs SET proof_term = replace(proof_term, 'DD211', 'DD221') WHERE proof_term LIKE 'DD211 %'";
    assert_eq!(db.client().execute(change, &[]).unwrap(), 1);
    let derive = Tool::new("ml-derive").args(["--no-ledger", "--max-length", "3"]);
    let output = Pipeline::new().stage(export(&db)).stage(check(&["--quiet"])).stage(derive).run();
    assert_eq!(output.codes, [0, 5, 5]);
    let end = output.last.end();
    assert!(end["tool"] == "ml-derive" && end["status"] == "skipped", "{end}");
}

#[test]
fn what_ml_derive_writes_without_a_ledger() {
    let folder = TempDir::new().unwrap();
    let derive = |args: &[&str]| Tool::new("ml-derive").args(["--no-ledger", "--axioms"]).args(args);
    for (system, length, least) in [("frege", "11", 300), ("s5", "6", 200), ("walsh3", "31", 3000)] {
        let output = Pipeline::new().stage(derive(&[system, "--max-length", length])).stage(check(&["--axioms", system])).run();
        assert_eq!(output.codes, [0, 0], "{system}");
        let metrics = &output.last.end()["metrics"];
        assert!(metrics["ok"] == metrics["checked"] && metrics["ok"].as_u64().unwrap() > least, "{metrics}");
    }
    let dir = folder.path().display().to_string();
    derive(&["s5", "--max-length", "6", "--counts", "--dproofs", &dir]).run().expect_code(0);
    let files: Vec<String> = (1..=6).map(|length| format!("{dir}/dProofs{length}.txt")).collect();
    let output = check(&["--axioms", "s5"]).args(&files).run().expect_code(0);
    assert_eq!((output.end()["metrics"]["ok"].as_u64(), output.kind("check").count()), (Some(202), 202));
    // Without necessitation, by another system's axioms.
    let output = check(&["--axioms", "frege"]).args(&files).run().expect_code(5);
    assert!(output.kind("check").any(|check| check["summary"].as_str().unwrap().contains("necessitation is not a rule")));
    let raw = derive(&["frege", "--max-length", "9", "--output", "raw"]).raw();
    let output = Pipeline::new().stage(raw).stage(check(&["--axioms", "frege"])).run();
    assert_eq!((output.codes.as_slice(), &output.last.end()["metrics"]["ok"]), (&[0, 0][..], &json!(148)));
}
