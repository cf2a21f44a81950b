//! Shorter proofs from known ones, as the command is called.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_logic::checker::{Verdict, check};
use ml_logic::theorems::principia;
use ml_logic::{Formula, Limits, System};
use ml_tests::{Output, TempDir, Tool};

const PUBLISHED: &str = include_str!("data/pmproofs.txt");

/// Proof, length and statement of each published fact.
fn published() -> Vec<(String, usize, Formula)> {
    let lines = PUBLISHED.lines().filter(|line| !line.starts_with('#'));
    let fact = |line: &str| {
        let (proof, rest) = line.split_once(" # ").unwrap();
        let mut words = rest.split(' ');
        let length = words.next().unwrap().parse().unwrap();
        (proof.to_owned(), length, words.nth(1).unwrap().parse().unwrap())
    };
    lines.map(fact).collect()
}

fn shorten(args: &[&str], proofs: impl Into<Vec<u8>>) -> Output {
    Tool::new("ml-derive").args(["shorten", "--axioms", "frege"]).args(args).stdin(proofs).run()
}

/// What came out: proof and statement, each seen by the checker.
fn results(output: &Output) -> Vec<(String, Formula)> {
    let frege = System::named("frege").unwrap();
    let result = |record: &serde_json::Value| {
        let (proof, formula): (&str, Formula) = (record["proof"].as_str().unwrap(), record["statement"].as_str().unwrap().parse().unwrap());
        assert_eq!(check(&frege.rules(), proof, &formula, &Limits::default()), Ok(Verdict::Exact));
        assert_eq!(record["proof_length"].as_u64(), Some(proof.len() as u64));
        (proof.to_owned(), formula)
    };
    output.kind("statement").map(result).collect()
}

/// All proofs of up to so many symbols.
fn tables(length: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let args = ["--no-ledger", "--axioms", "frege", "--max-length", length, "--counts", "--dproofs", folder.path().to_str().unwrap()];
    Tool::new("ml-derive").args(args).run().expect_code(0);
    folder
}

/// The proof with a longer way at every `every`th of its parts: what they prove is detached from identity, or identity has a longer proof.
fn detours(proof: &str, every: usize, identity: &str) -> String {
    let mut stack: Vec<String> = Vec::new();
    for (count, letter) in proof.chars().rev().enumerate() {
        let part = match letter {
            'D' => format!("D{}{}", stack.pop().unwrap(), stack.pop().unwrap()),
            axiom => axiom.to_string(),
        };
        stack.push(if count % every == 0 { format!("D{identity}{part}") } else { part });
    }
    stack.pop().unwrap()
}

#[test]
fn the_published_facts_are_so() {
    let frege = System::named("frege").unwrap();
    assert_eq!(published().len(), 87);
    for (proof, length, formula) in published() {
        assert!(principia().iter().any(|known| known.proved == formula && known.shortest as usize == length), "{formula}");
        assert_eq!((check(&frege.rules(), &proof, &formula, &Limits::default()), proof.len()), (Ok(Verdict::Exact), length), "{formula}");
    }
}

#[test]
fn published_proofs_are_not_made_longer() {
    let tables = tables("17");
    let output = shorten(&["--from", tables.path().to_str().unwrap()], PUBLISHED).expect_code(0);
    let results = results(&output);
    assert_eq!(results.len(), published().len());
    for ((before, length, formula), (proof, proved)) in published().into_iter().zip(&results) {
        assert_eq!(*proved, formula, "{before}");
        assert!(proof.len() <= length, "{before} became {proof}");
        // An exhaustive search has shown that there is nothing shorter.
        assert!(length > 21 || proof.len() == length, "{before} became {proof}");
    }
}

#[test]
fn detours_are_taken_out() {
    for every in [1, 2, 5] {
        let longer: String = published().iter().map(|(proof, ..)| detours(proof, every, "DD211") + "\n").collect();
        let output = shorten(&[], longer).expect_code(0);
        for ((before, length, formula), (proof, proved)) in published().into_iter().zip(results(&output)) {
            assert_eq!(proved, formula, "{before}");
            assert!(proof.len() <= length, "{before} became {proof}");
        }
    }
}

/// Here nothing that is given has the short way: it has to be known.
#[test]
fn known_proofs_take_the_place_of_longer_ones() {
    let tables = tables("15");
    // (p->q)->p->p, detached from p->q->p->q in a roundabout way.
    let longer: String = published().iter().map(|(proof, ..)| proof.replace("DD211", "DDD21D11DD21D12") + "\n").collect();
    let output = shorten(&["--from", tables.path().to_str().unwrap()], longer.clone()).expect_code(0);
    let results = results(&output);
    let mut shorter = 0;
    for (((_, length, formula), (proof, proved)), before) in published().into_iter().zip(&results).zip(longer.lines()) {
        assert_eq!(*proved, formula);
        assert!(proof.len() <= length, "{before} became {proof}");
        shorter += usize::from(proof.len() < before.len());
    }
    assert!(shorter > 3, "{shorter}");
    assert_eq!(output.end()["metrics"]["shortened"].as_u64(), Some(shorter as u64));
}

#[test]
fn each_output_has_its_form() {
    let tool = |output: &str| {
        let args = ["shorten", "--axioms", "frege", "--output", output];
        Tool::new("ml-derive").args(args).stdin("DDD2111\nD1DD211\n").raw().run().expect_code(0).stdout
    };
    assert_eq!(tool("raw"), "1\nD1DD211\n");
    let table = tool("table");
    assert!(table.starts_with("7 -> 1  1  p->q->p\n7 -> 7  D1DD211  p->q->q\n"), "{table}");
    assert!(table.contains("1 of 2 proofs shortened, 14 symbols to 8"), "{table}");
    // Statements in, statements out: what was given is forwarded before what came of it.
    let derived = Tool::new("ml-derive").args(["--no-ledger", "--axioms", "frege", "--max-length", "5"]).run().expect_code(0);
    let output = Tool::new("ml-derive").arg("shorten").stdin(derived.stdout).run().expect_code(0);
    assert_eq!(output.kind("statement").count(), 42);
    assert_eq!(output.end()["metrics"]["shortened"], 0);
}

#[test]
fn what_is_wrong_is_said() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(path("bad.txt"), "DD211\nDD\n").unwrap();
    std::fs::write(path("other.txt"), "D44\n").unwrap();
    for (args, stdin, code, message) in [
        (vec![], "DD21\n", 64, "line 1: no D-proof"),
        (vec![], "\u{0}\u{1}\u{2}", 64, "line 1: no D-proof"),
        (vec![], "D33\n", 1, "no proof proves what it should: line 1"),
        (vec![], "D14\n", 1, "there is no axiom 4 among 3"),
        (vec!["--from".to_owned(), path("")], "1\n", 64, "no file dProofsN.txt"),
        (vec!["--from".to_owned(), path("none")], "1\n", 64, "cannot read"),
        (vec!["--from".to_owned(), path("bad.txt")], "1\n", 64, "line 2 of"),
        (vec!["--from".to_owned(), path("other.txt")], "1\n", 64, "there is no axiom 4"),
    ] {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = shorten(&args, stdin).expect_code(code);
        assert!(output.end()["summary"].as_str().unwrap().contains(message), "{}", output.stdout);
        assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    }
    // The rest is done all the same.
    let output = shorten(&[], "D33\nDDD2111\n").expect_code(1);
    assert_eq!((results(&output).len(), output.record("check", "checker")["status"].as_str()), (1, Some("warn")));
    let derived = Tool::new("ml-derive").args(["--no-ledger", "--axioms", "frege", "--max-length", "5"]).run().expect_code(0).stdout;
    let wrong = derived.replace("\"statement\":\"p->p\"", "\"statement\":\"p->q\"");
    let output = Tool::new("ml-derive").arg("shorten").stdin(wrong).run().expect_code(1);
    assert!(output.record("check", "checker")["evidence"][0].as_str().unwrap().contains("it proves p->p instead"), "{}", output.stdout);
    let growing = format!("{}2\n", "D2".repeat(60));
    assert!(shorten(&[], growing).expect_code(1).end()["summary"].as_str().unwrap().contains("too large"));
    shorten(&[], "").expect_code(70);
}
