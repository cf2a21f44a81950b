//! The list of named theorems against what the exhaustive mode finds: another program's facts against ours.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

use ml_logic::theorems;
use ml_tests::Tool;
use std::collections::HashMap;

/// Metamath's list says how long the shortest known proofs are; up to 21 symbols they are known to be the shortest.
#[test]
fn shortest_proofs_are_as_long_as_the_list_says() {
    let output = Tool::new("ml-derive").args(["--no-input", "--no-ledger", "--axioms", "frege", "--max-length", "19"]).run().expect_code(0);
    let found: HashMap<&str, u64> = output
        .kind("statement")
        .filter(|statement| statement["name"].is_string())
        .map(|statement| (statement["statement"].as_str().unwrap(), statement["proof_length"].as_u64().unwrap()))
        .collect();
    let mut short = 0;
    for theorem in theorems::principia() {
        let length = found.get(theorem.proved.to_string().as_str()).copied();
        assert_eq!(length, (theorem.shortest <= 19).then_some(u64::from(theorem.shortest)), "{}", theorem.name);
        short += u32::from(length.is_some());
    }
    assert_eq!(short, 32);
}
