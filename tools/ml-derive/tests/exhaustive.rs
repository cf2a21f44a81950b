//! The mode without a ledger, as it is called.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_logic::checker::{Verdict, check};
use ml_logic::{Formula, Limits, System, hash};
use ml_tests::{TempDir, Tool};
use support::metric;

fn derive(args: &[&str]) -> Tool {
    Tool::new("ml-derive").args(["--no-ledger"]).args(args)
}

/// SHA-256 of pmGenerator's published dProofs files.
const PUBLISHED: [(usize, &str); 3] = [
    (17, "0fddb62b34a2a4518e6c5040344bc879eca196384b077840a598c5377c74e160"),
    (19, "befe8801c08785562ddfe6461c74ceb19af837ea44ee8b0ce10d2bce5f5dc507"),
    (21, "74327c90d1123aeccebff3a2d7e2208423027fb18ae1687940e5870903364ff1"),
];

#[test]
fn files_are_those_that_are_published() {
    let folder = TempDir::new().unwrap();
    let args = ["--axioms", "frege", "--max-length", "21", "--counts", "--dproofs", folder.path().to_str().unwrap()];
    let output = derive(&args).run().expect_code(0);
    assert_eq!(output.kind("statement").count(), 0);
    for (length, sha256) in PUBLISHED {
        let step = output.record("step", &format!("length-{length}"));
        assert_eq!(step["sha256"], sha256);
        assert_eq!(ml_common::files::sha256(step["path"].as_str().unwrap().as_ref()).unwrap().0, sha256);
    }
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 11, "{names:?}");
    assert_eq!(std::fs::read_to_string(folder.path().join("dProofs3.txt")).unwrap(), "D11\nD12\nD13\nD21\nD22\nD23");

    // The same files again are no conflict, others are.
    derive(&["--max-length", "3", "--counts", "--dproofs", folder.path().to_str().unwrap()]).run().expect_code(0);
    let other = derive(&["--axioms", "meredith", "--max-length", "3", "--counts", "--dproofs", folder.path().to_str().unwrap()])
        .run()
        .expect_code(4);
    assert!(other.end()["hint"].is_string());
    assert_eq!(std::fs::read_to_string(folder.path().join("dProofs3.txt")).unwrap(), "D11\nD12\nD13\nD21\nD22\nD23");
}

#[test]
fn statements_carry_all_that_a_checker_needs() {
    for (system, length) in [("frege", "9"), ("s5", "5"), ("meredith", "21")] {
        let output = derive(&["--axioms", system, "--max-length", length]).run().expect_code(0);
        assert_eq!(output.kind("statement").count() as i64, metric(output.end(), "kept"));
        let named = System::named(system).unwrap();
        for record in output.kind("statement") {
            let axioms: Vec<Formula> =
                record["axioms"].as_array().unwrap().iter().map(|axiom| axiom.as_str().unwrap().parse().unwrap()).collect();
            assert_eq!(axioms, named.axioms);
            let (text, proof) = (record["statement"].as_str().unwrap(), record["proof"].as_str().unwrap());
            assert_eq!(record["hash"], hash::statement_text(text));
            let formula: Formula = text.parse().unwrap();
            assert_eq!(check(&named.rules(), proof, &formula, &Limits::default()), Ok(Verdict::Exact));
            assert_eq!(
                (record["proof_length"].as_u64(), record["label"].as_str()),
                (Some(proof.len() as u64), Some(&*format!("minimal up to {}", proof.len())))
            );
        }
    }
}

#[test]
fn axioms_come_from_anywhere() {
    let kept = |tool: Tool| metric(tool.run().expect_code(0).end(), "kept");
    let named = kept(derive(&["--axioms", "frege", "--max-length", "9", "--counts"]));
    assert_eq!(named, 148);
    assert_eq!(kept(derive(&["--axioms", "CpCqp,CCpCqrCCpqCpr,CCNpNqCqp", "--max-length", "9", "--counts"])), named);
    let text = "# Lukasiewicz\np -> (q -> p)\n(p->q->r)->(p->q)->p->r\n(~a -> ~b) -> b -> a\n";
    assert_eq!(kept(derive(&["--axioms", "-", "--max-length", "9", "--counts"]).stdin(text)), named);
    derive(&["--axioms", "-", "--max-length", "9"]).stdin("").run().expect_code(64);
    let modal = kept(derive(&["--axioms", "frege", "--necessitation", "--max-length", "4", "--counts"]));
    assert_eq!(modal, 3 + 3 + 9 + 12);
}

#[test]
fn raw_output_is_the_proofs_alone() {
    let output = derive(&["--axioms", "frege", "--max-length", "3", "--output", "raw"]).raw().run().expect_code(0);
    assert_eq!(output.stdout, "1\n2\n3\nD11\nD12\nD13\nD21\nD22\nD23\n");
}

#[test]
fn an_interrupted_generation_leaves_whole_lengths() {
    let folder = TempDir::new().unwrap();
    let args = ["--axioms", "frege", "--max-length", "99", "--counts", "--dproofs", folder.path().to_str().unwrap()];
    let mut running = derive(&args).spawn();
    running.wait_for_stdout("\"id\":\"length-13\"");
    running.signal(2);
    let output = running.wait().expect_code(130);
    assert_eq!(output.end()["error_class"], "interrupted");
    for step in output.kind("step") {
        let (sha256, bytes) = ml_common::files::sha256(step["path"].as_str().unwrap().as_ref()).unwrap();
        assert_eq!((step["sha256"].as_str(), step["bytes"].as_u64()), (Some(&*sha256), Some(bytes)));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), output.kind("step").count(), "no part of a file");
}

#[test]
fn a_full_disk_is_said_and_leaves_no_part() {
    let disk = match ml_tests::full_disk(256 * 1024) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let folder = disk.path().join("proofs");
    let args = ["--axioms", "frege", "--max-length", "21", "--counts", "--dproofs", folder.to_str().unwrap()];
    let output = derive(&args).run().expect_code(4);
    assert!(output.end()["hint"].as_str().unwrap().contains("space"), "{}", output.stdout);
    for entry in std::fs::read_dir(folder).unwrap() {
        assert!(entry.unwrap().file_name().to_str().unwrap().starts_with("dProofs"));
    }
}

#[test]
fn a_dry_run_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new");
    let output = derive(&["--max-length", "9", "--dproofs", path.to_str().unwrap(), "--dry-run"]).run().expect_code(0);
    assert_eq!(output.kind("step").filter(|step| step["status"] == "planned").count(), 5);
    assert!(!path.exists());
}
