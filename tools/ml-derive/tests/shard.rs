//! A length in parts: whoever does them, in whatever order, how often, it is the length of a run without parts.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{Output, Running, TempDir};
use std::path::Path;
use std::time::{Duration, Instant};
use support::parts::{assert_same, command, done, names, store};
use support::store::{files, generation, segments};

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }

    fn shuffled(&mut self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (1..=count).collect();
        (1..count).rev().for_each(|at| all.swap(at, self.below(at + 1)));
        all
    }
}

/// Does the next length in parts: each step in another number of them, in any order, some of them twice.
fn next_length(store: &Path, dice: &mut Dice) -> Output {
    for what in ["candidates", "instances"] {
        let of = [1, 2, 3, 4, 5, 6, 7, 9, 12, 16][dice.below(10)];
        for part in dice.shuffled(of) {
            let part = format!("{part}/{of}");
            let first = done(&format!("shard {what}"), store, &["--part", &part]);
            if dice.below(3) == 0 && first.kind("step").next().unwrap()["status"] == "ok" {
                let again = done(&format!("shard {what}"), store, &["--part", &part]);
                assert_eq!(again.kind("step").next().unwrap()["status"], "skipped", "{}", again.stdout);
            }
        }
        if what == "candidates" {
            done("merge candidates", store, &[]);
        }
    }
    done("merge instances", store, &[])
}

#[test]
fn parts_make_the_same_as_one_run() {
    for (axioms, first, last, seed) in [("frege", 1, 9, 1), ("frege", 11, 17, 2), ("s5", 3, 6, 3), ("meredith", 13, 17, 4)] {
        let (_folder, sharded) = store(axioms, first);
        let (_other, single) = store(axioms, last);
        let mut dice = Dice(seed);
        while !sharded.join(format!("length-{last}.seg")).exists() {
            next_length(&sharded, &mut dice);
        }
        assert_same(&sharded, &single);
    }
}

/// With so many that each part looks among a slice, and a division given up for another.
#[test]
fn slices_of_different_divisions_go_together() {
    let (_folder, sharded) = store("frege", 15);
    let (_other, single) = store("frege", 17);
    let shard = |what: &str, part: usize, of: usize| done(what, &sharded, &["--part", &format!("{part}/{of}")]);
    shard("shard candidates", 1, 1);
    done("merge candidates", &sharded, &[]);
    (1..=9).for_each(|part| drop(shard("shard instances", part, 9)));
    let progress = sharded.join("length-17.progress");
    std::fs::remove_file(progress.join("answers-0-of-slice-2-of-3")).unwrap();
    let refused = command("merge instances", &sharded, &[]).run().expect_code(1);
    assert!(refused.end()["summary"].as_str().unwrap().ends_with("1 of 9 parts of the instances of length 17 are missing or damaged: 4"));
    // The first third of the candidates, among all.
    shard("shard instances", 1, 3);
    done("merge instances", &sharded, &[]);
    assert_same(&sharded, &single);
}

#[test]
fn a_run_takes_up_what_parts_began_and_the_reverse() {
    let (_folder, single) = store("frege", 17);
    let (_other, sharded) = store("frege", 15);
    let run = |length| drop(generation("frege", length, &sharded).run().expect_code(0));
    // Parts alone are nothing to a run; merged candidates are, and answers are wherever they begin.
    done("shard candidates", &sharded, &["--part", "1/2"]);
    done("shard candidates", &sharded, &["--part", "2/2"]);
    done("merge candidates", &sharded, &["--length", "17"]);
    done("shard instances", &sharded, &["--part", "2/3"]);
    done("shard instances", &sharded, &["--part", "11/16"]);
    run(17);
    assert_same(&sharded, &single);

    let (_further, single) = store("frege", 21);
    // A run that is killed once its first answers are written down.
    let mut running = generation("frege", 21, &sharded).spawn();
    let progress = sharded.join("length-21.progress");
    until(&mut running, || names(&progress).iter().any(|name| name.starts_with("answers-")));
    running.signal(9);
    running.wait();
    if !sharded.join("length-21.seg").exists() {
        let skipped = done("shard candidates", &sharded, &["--part", "1/2"]);
        assert_eq!(skipped.record("step", "candidates-21-1-of-2")["status"], "skipped");
        (1..=5).for_each(|part| drop(done("shard instances", &sharded, &["--part", &format!("{part}/5")])));
        done("merge instances", &sharded, &[]);
    }
    assert_same(&sharded, &single);
}

/// Waits for something that a program does; panics when it ends before.
fn until(running: &mut Running, there: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !there() && running.is_running() {
        assert!(Instant::now() < deadline, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_part_that_was_killed_is_done_again() {
    let (_folder, sharded) = store("frege", 19);
    let (_other, single) = store("frege", 21);
    let mut running = command("shard candidates", &sharded, &["--part", "2/2"]).spawn();
    running.wait_for_stdout("\"kind\":\"start\"");
    running.signal(9);
    running.wait();
    for part in ["2/2", "1/2"] {
        done("shard candidates", &sharded, &["--part", part]);
    }
    let merged = done("merge candidates", &sharded, &[]);
    let all = merged.record("step", "candidates-21")["rows"].as_i64().unwrap();
    let mut running = command("shard instances", &sharded, &["--part", "1/1"]).spawn();
    let progress = sharded.join("length-21.progress");
    until(&mut running, || names(&progress).iter().any(|name| name.starts_with("answers-")));
    running.signal(9);
    if running.wait().code == 137 {
        let rest = done("shard instances", &sharded, &["--part", "1/1"]);
        let rows = rest.record("step", "instances-21-1-of-1")["rows"].as_i64().unwrap();
        assert!(rows < all, "what it had written down is not done again: {rows} of {all}");
    }
    done("merge instances", &sharded, &[]);
    assert_same(&sharded, &single);
}

#[test]
fn a_merge_names_what_is_missing_and_changes_nothing() {
    let (_folder, store) = store("frege", 11);
    let refused = |words: &str, message: &str, hint: &str| {
        let before = files(&store);
        let output = command(words, &store, &[]).run().expect_code(1);
        assert_eq!(files(&store), before);
        let end = output.end();
        assert!(end["summary"].as_str().unwrap().contains(message), "{end}");
        assert!(end["hint"].as_str().unwrap().contains(hint), "{end}");
    };
    refused("merge candidates", "there is no part", "shard candidates");
    refused("merge instances", "not merged", "merge candidates");
    refused("shard instances --part 1/2", "not merged", "merge candidates");
    done("shard candidates", &store, &["--part", "1/3"]);
    done("shard candidates", &store, &["--part", "1/2"]);
    done("shard candidates", &store, &["--part", "3/3"]);
    refused("merge candidates", "1 of 3 parts of the candidates of length 13 are missing or damaged: 2", "--part 2/3");
    done("shard candidates", &store, &["--part", "2/3"]);
    let step = done("merge candidates", &store, &[]);
    assert_eq!(step.record("step", "candidates-13")["rows"], 843);
    done("shard instances", &store, &["--part", "2/4"]);
    refused("merge instances", "3 of 4 parts of the instances of length 13 are missing or damaged: 1, 3, 4", "--part 1/4");
}

#[test]
fn what_is_damaged_or_foreign_is_replaced() {
    let (_folder, sharded) = store("frege", 11);
    let (_other, single) = store("frege", 13);
    let progress = sharded.join("length-13.progress");
    let part = progress.join("candidates-1-of-2");
    let ruin = |path: &Path, ruin: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = std::fs::read(path).unwrap();
        ruin(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    };
    for part in ["1/2", "2/2"] {
        done("shard candidates", &sharded, &["--part", part]);
    }
    let sound = std::fs::read(&part).unwrap();
    let truncate = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() - 3);
    let empty = |bytes: &mut Vec<u8>| bytes.clear();
    let flip_last = |bytes: &mut Vec<u8>| *bytes.last_mut().unwrap() ^= 1;
    let flip_header = |bytes: &mut Vec<u8>| bytes[20] ^= 1;
    for way in [&truncate as &dyn Fn(&mut Vec<u8>), &empty, &flip_last, &flip_header] {
        ruin(&part, way);
        let output = command("merge candidates", &sharded, &[]).run().expect_code(1);
        assert!(output.end()["summary"].as_str().unwrap().contains("missing or damaged: 1"), "{}", output.stdout);
        let again = done("shard candidates", &sharded, &["--part", "1/2"]);
        assert_eq!(again.record("step", "candidates-13-1-of-2")["status"], "ok");
        assert_eq!(std::fs::read(&part).unwrap(), sound);
    }
    // A part of another store, and another part of this one.
    let (_third, foreign) = store("meredith", 11);
    done("shard candidates", &foreign, &["--part", "1/2"]);
    for other in [foreign.join("length-13.progress/candidates-1-of-2"), progress.join("candidates-2-of-2")] {
        std::fs::copy(other, &part).unwrap();
        command("merge candidates", &sharded, &[]).run().expect_code(1);
        done("shard candidates", &sharded, &["--part", "1/2"]);
        assert_eq!(std::fs::read(&part).unwrap(), sound);
    }
    done("merge candidates", &sharded, &[]);
    done("shard instances", &sharded, &["--part", "1/1"]);
    ruin(&progress.join("answers-0"), &|bytes| *bytes.last_mut().unwrap() ^= 1);
    command("merge instances", &sharded, &[]).run().expect_code(1);
    done("shard instances", &sharded, &["--part", "1/1"]);
    // Merged candidates that are damaged are as if they were not there.
    let merged = progress.join("candidates");
    let bytes = std::fs::read(&merged).unwrap();
    ruin(&merged, &|bytes| bytes.truncate(bytes.len() - 8));
    command("merge instances", &sharded, &[]).run().expect_code(1);
    done("shard candidates", &sharded, &["--part", "1/1"]);
    done("merge candidates", &sharded, &[]);
    assert_eq!(std::fs::read(&merged).unwrap(), bytes);
    done("merge instances", &sharded, &[]);
    assert_same(&sharded, &single);
}

#[test]
fn lengths_without_candidates_need_no_parts() {
    let (_folder, sharded) = store("frege", 3);
    let (_other, single) = store("frege", 6);
    // 4 is not there and needs not be.
    for (words, part) in [("shard candidates", "1/1"), ("merge candidates", ""), ("shard instances", "1/1"), ("merge instances", "")] {
        let more = if part.is_empty() { vec!["--length", "5"] } else { vec!["--length", "5", "--part", part] };
        let nothing: Vec<&str> = more.iter().map(|word| if *word == "5" { "4" } else { word }).collect();
        if words != "merge instances" {
            let output = done(words, &sharded, &nothing);
            assert_eq!(output.kind("step").next().unwrap()["status"], "skipped", "{}", output.stdout);
        }
        done(words, &sharded, &more);
    }
    done("merge instances", &sharded, &["--length", "6"]);
    assert_same(&sharded, &single);
    // And what there is, is not done again.
    let before = files(&sharded);
    for words in ["shard candidates --part 1/1", "merge candidates", "shard instances --part 1/1", "merge instances"] {
        let output = done(words, &sharded, &["--length", "5"]);
        assert_eq!(output.record("step", "length-5")["status"], "skipped");
    }
    assert_eq!(files(&sharded), before);
}

#[test]
fn nothing_follows_where_nothing_is_left() {
    // Detachment gives nothing from this axiom but itself.
    let (_folder, store) = store("Cpp", 3);
    let output = command("shard candidates", &store, &["--part", "1/2"]).run().expect_code(1);
    assert!(output.end()["summary"].as_str().unwrap().contains("nothing new"), "{}", output.stdout);
}

#[test]
fn instances_that_are_kept_are_not_looked_for() {
    let folder = TempDir::new().unwrap();
    let (sharded, single) = (folder.path().join("sharded"), folder.path().join("single"));
    let limits = ["--unfiltered-from", "9", "--conclusion-symbols", "20"];
    generation("frege", 7, &sharded).args(limits).run().expect_code(0);
    generation("frege", 11, &single).args(limits).run().expect_code(0);
    (0..2).for_each(|seed| drop(next_length(&sharded, &mut Dice(seed))));
    assert_same(&sharded, &single);
    assert!(segments(&sharded)[10].1["bounded"].as_i64().unwrap() > 0);
}
