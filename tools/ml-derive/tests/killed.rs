//! Runs that are killed at any moment and taken up again leave what a run leaves that nobody has killed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "test code")]

mod support;

use ml_tests::{TempDir, Tool};
use std::path::Path;
use std::time::{Duration, Instant};
use support::store::{files, generation, segments};

/// SHA-256 of pmGenerator's published dProofs files.
const PUBLISHED: [(usize, &str); 2] = [
    (17, "0fddb62b34a2a4518e6c5040344bc879eca196384b077840a598c5377c74e160"),
    (19, "befe8801c08785562ddfe6461c74ceb19af837ea44ee8b0ce10d2bce5f5dc507"),
];

const KILLS: usize = 60;

/// Generates to 19 symbols in `folder`.
fn run(folder: &Path) -> Tool {
    generation("frege", 19, &folder.join("store")).arg("--dproofs").arg(folder.join("proofs"))
}

/// Numbers that look random, the same in each run.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

#[test]
fn killed_and_resumed_is_a_clean_run() {
    let clean = TempDir::new().unwrap();
    let began = Instant::now();
    run(clean.path()).run().expect_code(0);
    let whole = began.elapsed();
    let (expected, proofs) = (segments(&clean.path().join("store")), files(&clean.path().join("proofs")));
    assert_eq!((expected.len(), proofs.len()), (19, 10));
    let mut random = Random(19);
    let (mut kills, mut rounds, mut in_progress, mut unfinished) = (0, 0, 0, 0);
    while kills < KILLS {
        let folder = TempDir::new().unwrap();
        rounds += 1;
        // Each run comes a little further than the one before.
        loop {
            let mut running = run(folder.path()).raw().spawn();
            let until = Instant::now() + whole.mul_f64(random.share().powi(2) * 0.8) + Duration::from_millis(2);
            while Instant::now() < until && running.is_running() {
                std::thread::sleep(Duration::from_micros(300));
            }
            if !running.is_running() {
                running.wait().expect_code(0);
                break;
            }
            running.signal(9);
            running.wait();
            kills += 1;
            let names: Vec<String> = files(&folder.path().join("store")).into_iter().map(|(name, _)| name).collect();
            in_progress += usize::from(names.iter().any(|name| name.contains(".progress/")));
            unfinished += usize::from(names.iter().any(|name| name.ends_with(".partial")));
        }
        assert_eq!(segments(&folder.path().join("store")), expected);
        let names: Vec<String> = files(&folder.path().join("store")).into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| !name.contains(".progress") && !name.contains(".partial")), "{names:?}");
        let found = files(&folder.path().join("proofs")).into_iter().filter(|(name, _)| !name.ends_with(".partial"));
        assert_eq!(found.collect::<Vec<_>>(), proofs);
        for (length, sha256) in PUBLISHED {
            let path = folder.path().join(format!("proofs/dProofs{length}.txt"));
            assert_eq!(ml_common::files::sha256(&path).unwrap().0, sha256);
        }
    }
    // Not all of them came before the first candidates were written down.
    println!("{kills} kills in {rounds} rounds: {in_progress} with a length in progress, {unfinished} with an unnamed file");
    assert!(in_progress > KILLS / 6, "{in_progress} of {kills}");
}

#[test]
fn a_store_is_taken_further() {
    let (further, clean) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for length in [1, 11, 13, 15, 15, 9] {
        let output = generation("frege", length, further.path()).run().expect_code(0);
        let expected: usize = length.div_ceil(2);
        assert_eq!(output.kind("step").count(), expected);
    }
    let from_store = generation("frege", 15, further.path()).run().expect_code(0);
    assert!(from_store.kind("step").all(|step| step["summary"].as_str().unwrap().ends_with(", from the store")));
    let fresh = generation("frege", 15, clean.path()).run().expect_code(0);
    assert_eq!(segments(further.path()), segments(clean.path()));
    // Whoever reads the records sees the same.
    let told = |output: &ml_tests::Output| -> Vec<serde_json::Value> {
        output.kind("step").map(|step| [&step["id"], &step["rows"]].into_iter().cloned().chain(counts(step)).collect()).collect()
    };
    assert_eq!(told(&from_store), told(&fresh));
}

fn counts(step: &serde_json::Value) -> impl Iterator<Item = serde_json::Value> {
    ["kept", "removed", "candidates", "duplicates", "invalid", "bounded"].map(|name| step["metrics"][name].clone()).into_iter()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let mut runs = Vec::new();
    for threads in ["1", "2", "8"] {
        let folder = TempDir::new().unwrap();
        let output = run(folder.path()).args(["--threads", threads]).run().expect_code(0);
        let steps: Vec<Vec<serde_json::Value>> =
            output.kind("step").map(|step| counts(step).chain([step["sha256"].clone()]).collect()).collect();
        runs.push((segments(&folder.path().join("store")), files(&folder.path().join("proofs")), steps));
    }
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
}
