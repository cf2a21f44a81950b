//! Proofs for people, from the stream and from a ledger.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_logic::{Formula, hash};
use ml_tests::{Cluster, Output, TestDb, Tool, ledger};
use support::{derive, empty, metric};

/// Of p->p.
const IDENTITY: &str = "224ae6d0ae04e5b9b5cf9948beb8744d4b4d8bc8faae70d4b43fdfc97e949732";

fn explain(args: &[&str]) -> Tool {
    Tool::new("ml-derive").arg("explain").args(args)
}

fn in_ledger(db: &TestDb, args: &[&str]) -> Tool {
    explain(args).env("DATABASE_URL", db.url())
}

fn refused(output: &Output, message: &str) {
    assert!(output.end()["summary"].as_str().unwrap().contains(message), "{}", output.stdout);
    assert!(output.end()["hint"].is_string(), "{}", output.stdout);
}

/// The lines that the records tell: what is proved, and by which rule from what.
fn lines(output: &Output) -> Vec<Formula> {
    let lines: Vec<_> = output.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("line-")).collect();
    let formulas: Vec<Formula> = lines.iter().map(|line| line["labels"]["statement"].as_str().unwrap().parse().unwrap()).collect();
    for (at, line) in lines.iter().enumerate() {
        assert_eq!(line["id"], format!("line-{}", at + 1));
        assert_eq!(line["labels"]["hash"], hash::statement(&formulas[at]));
        for premise in ["major", "minor", "premise"] {
            assert!(line["metrics"][premise].as_u64().is_none_or(|number| (number as usize) <= at), "{line}");
        }
    }
    formulas
}

#[test]
fn a_d_proof_is_explained() {
    let output = explain(&["--proof", "DD211", "--axioms", "frege"]).run().expect_code(0);
    let shown: Vec<String> = lines(&output).iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["(p->q->r)->(p->q)->p->r", "p->q->p", "(p->q)->p->p", "p->p"]);
    let last = output.record("step", "line-4");
    assert_eq!((metric(last, "major"), metric(last, "minor")), (3, 2));
    assert_eq!(last["labels"]["major_substitution"], "p := p, q := p -> p");
    let text = explain(&["--proof", "N1", "--axioms", "s5", "--output", "raw"]).raw().run().expect_code(0).stdout;
    assert!(text.starts_with("[](p -> q -> p)\n") && text.contains("\n   from 1 by necessitation\n"), "{text}");
    for (proof, axioms, code, message) in [
        ("DD21", "frege", 64, "no D-proof"),
        ("D33", "frege", 1, "the proof proves nothing"),
        ("N1", "frege", 1, "necessitation is not a rule"),
        ("DD211", "meredith", 1, "there is no axiom 2"),
        ("DD211", "nobody", 64, "no axiom system"),
        ("DD211", "-", 64, "both come on standard input"),
    ] {
        refused(&explain(&["--proof", proof, "--axioms", axioms]).run().expect_code(code), message);
    }
}

#[test]
fn what_nobody_could_read_is_not_printed() {
    // Each step makes the formula longer by more than half.
    let growing = format!("{}2", "D2".repeat(60));
    refused(&explain(&["--proof", &growing, "--axioms", "frege"]).run().expect_code(1), "too large");
    let long = format!("{}1", "D1".repeat(30_000));
    refused(&explain(&["--proof", &long, "--axioms", "frege"]).run().expect_code(1), "too large");
}

#[test]
fn a_statement_of_the_stream_is_explained() {
    let stream = |args: &[&str]| Tool::new("ml-derive").args(["--no-ledger"]).args(args).run().expect_code(0).stdout;
    let frege = stream(&["--axioms", "frege", "--max-length", "9"]);
    for given in ["224ae6", "224AE6", IDENTITY] {
        let output = explain(&[given]).stdin(frege.clone()).run().expect_code(0);
        assert_eq!(lines(&output).last().unwrap().to_string(), "p->p", "{given}");
    }
    refused(&explain(&["ffffffffff"]).stdin(frege.clone()).run().expect_code(1), "among the 148 statements");
    refused(&explain(&["2"]).stdin(frege.clone()).run().expect_code(64), "several statements with a hash 2...");
    refused(&explain(&["xyz"]).stdin(frege.clone()).run().expect_code(64), "is no hash");
    refused(&explain(&["--axioms", "meredith", "224ae6"]).stdin(frege.clone()).run().expect_code(1), "from other axioms");
    refused(
        &explain(&["224ae6"]).stdin(frege.replace("\"proof\":\"DD211\"", "\"proof\":\"D11\"")).run().expect_code(1),
        "proves another statement",
    );
    let without = frege.replace("\"proof\":\"DD211\",", "");
    refused(&explain(&["224ae6"]).stdin(without).run().expect_code(1), "came without a proof");
    // The statements say their axioms; the settings need not.
    let meredith = stream(&["--axioms", "meredith", "--max-length", "3"]);
    let proved = meredith.lines().rev().find(|line| line.contains("\"proof\":\"D11\"")).unwrap();
    let hash = serde_json::from_str::<serde_json::Value>(proved).unwrap()["hash"].as_str().unwrap().to_owned();
    assert_eq!(lines(&explain(&[&hash]).stdin(meredith).run().expect_code(0)).len(), 2);
}

#[test]
fn a_statement_of_the_ledger_is_explained() {
    let db = empty("explain");
    derive(&db, &[]).run().expect_code(0);
    let mut client = db.client();
    let rows = client.query("SELECT hash, content_norm FROM statements", &[]).unwrap();
    for row in rows.iter().step_by(9) {
        let (hash, text): (String, String) = (row.get(0), row.get(1));
        let output = in_ledger(&db, &[&hash]).run().expect_code(0);
        assert_eq!(lines(&output).last().unwrap().to_string(), text);
    }
    let axiom = in_ledger(&db, &["248e2c30", "--output", "raw"]).raw().run().expect_code(0).stdout;
    assert!(axiom.ends_with("1  p -> q -> p\n   axiom 1\n"), "{axiom}");
    refused(&in_ledger(&db, &["ffffffffffffff"]).run().expect_code(1), "is in the ledger");
    let theorem =
        "SELECT s.hash FROM statements s JOIN proofs p ON p.statement_id = s.id WHERE content_norm <> 'p->q->r->q' ORDER BY 1 LIMIT 1";
    let theorem: String = client.query_one(theorem, &[]).unwrap().get(0);
    refused(&in_ledger(&db, &["--axioms", "meredith", &theorem]).run().expect_code(1), "from other axioms");
    let change = |sql: &str| assert!(db.client().execute(sql, &[]).unwrap() > 0, "{sql}");
    change("UPDATE proofs SET proof_term = 'by tauto', prover = 'lean4'");
    refused(&in_ledger(&db, &[&theorem]).run().expect_code(1), "by lean4 of");
    change("UPDATE proofs SET proof_term = 'D11 axioms=CpCqp,CCpCqrCCpqCpr,CCNpNqCqp'");
    refused(&in_ledger(&db, &[&theorem]).run().expect_code(1), "proves another statement");
    change("DELETE FROM proofs");
    refused(&in_ledger(&db, &[&theorem]).run().expect_code(1), "the ledger holds no proof");
    change("UPDATE statements SET status = 'open' WHERE NOT is_axiom");
    refused(&in_ledger(&db, &[&theorem]).run().expect_code(1), "its status is open");
}

#[test]
fn an_older_ledger_and_none() {
    let db = Cluster::shared().database("explain_first");
    ledger::first_generation(&mut db.client());
    let axiom = "SELECT encode(hash, 'hex') FROM statements WHERE is_axiom ORDER BY hash LIMIT 1";
    let hash: String = db.client().query_one(axiom, &[]).unwrap().get(0);
    assert_eq!(lines(&in_ledger(&db, &[&hash[..12]]).run().expect_code(0)).len(), 1);
    let none = Cluster::shared().database("explain_none");
    refused(&in_ledger(&none, &["224ae6"]).run().expect_code(2), "no tables");
    let down = format!("postgresql://127.0.0.1:{}/x", ml_tests::closed_port());
    refused(&explain(&["224ae6"]).env("DATABASE_URL", down).run().expect_code(2), "cannot connect");
}
