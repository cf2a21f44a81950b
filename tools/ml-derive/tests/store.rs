//! Stores that are damaged, of something else, in use, or on a full disk; and limits that make no sense.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_tests::{Output, TempDir, Tool};
use std::fs;
use std::path::PathBuf;
use support::store::{files, generation, segments};

/// The failure names what, and what to do.
fn refused(tool: Tool, code: i32, words: &[&str]) -> Output {
    let output = tool.run().expect_code(code);
    let said = output.end()["summary"].as_str().unwrap();
    assert!(words.iter().all(|word| said.contains(word)), "{words:?}: {}", output.stdout);
    assert!(output.end()["hint"].is_string(), "{}", output.stdout);
    output
}

#[test]
fn a_damaged_segment_is_told_and_never_used() {
    let folder = TempDir::new().unwrap();
    generation("frege", 11, folder.path()).run().expect_code(0);
    let path = |length: usize| folder.path().join(format!("length-{length}.seg"));
    let again = || generation("frege", 13, folder.path());
    let damaged = |length: usize, bytes: &[u8]| {
        let whole = fs::read(path(length)).unwrap();
        fs::write(path(length), bytes).unwrap();
        refused(again(), 4, &[&format!("length-{length}.seg")]);
        assert!(!path(13).exists());
        fs::write(path(length), whole).unwrap();
    };
    for length in [1, 2, 7, 10, 11] {
        let whole = fs::read(path(length)).unwrap();
        // In the header, in its hash, in the proofs: wherever a bit is flipped.
        for at in (0..whole.len()).step_by(whole.len() / 9) {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            damaged(length, &bytes);
        }
        for end in [0, 1, whole.len() / 2, whole.len() - 1] {
            damaged(length, &whole[..end]);
        }
        damaged(length, &[&whole[..], b"\0"].concat());
        damaged(length, &[&whole[..], &whole[..]].concat());
    }
    // Two in each other's place.
    let (seven, nine) = (fs::read(path(7)).unwrap(), fs::read(path(9)).unwrap());
    fs::write(path(7), &nine).unwrap();
    fs::write(path(9), &seven).unwrap();
    refused(again(), 4, &["length-7.seg", "does not follow"]);
    fs::write(path(7), &seven).unwrap();
    fs::write(path(9), &nine).unwrap();
    // One of another run: whole, of the same length, and after another one.
    let other = TempDir::new().unwrap();
    generation("meredith", 9, other.path()).run().expect_code(0);
    damaged(9, &fs::read(other.path().join("length-9.seg")).unwrap());
    // What was refused was not touched, and goes on once it is whole.
    again().run().expect_code(0);
    let clean = TempDir::new().unwrap();
    generation("frege", 13, clean.path()).run().expect_code(0);
    assert_eq!(segments(folder.path()), segments(clean.path()));
    // As the hint says: without it and those after it they are generated again.
    for length in 9..=13 {
        fs::remove_file(path(length)).unwrap();
    }
    again().run().expect_code(0);
    assert_eq!(segments(folder.path()), segments(clean.path()));
}

/// A length in progress that is damaged is done again, and nobody need know.
#[test]
fn damaged_progress_is_done_again() {
    let clean = TempDir::new().unwrap();
    generation("frege", 21, clean.path()).run().expect_code(0);
    let folder = TempDir::new().unwrap();
    generation("frege", 17, folder.path()).run().expect_code(0);
    let progress = folder.path().join("length-19.progress");
    let (mut tried, mut runs) = (0, 0);
    while tried < 6 {
        runs += 1;
        assert!(runs < 100, "the length is always over before it can be killed");
        let mut running = generation("frege", 19, folder.path()).raw().spawn();
        while running.is_running() && !progress.join("answers-0").exists() {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
        running.signal(9);
        running.wait();
        if folder.path().join("length-19.seg").exists() {
            // It was faster.
            fs::remove_file(folder.path().join("length-19.seg")).unwrap();
            continue;
        }
        for (name, mut bytes) in files(&progress) {
            match tried {
                0 | 1 => bytes.iter_mut().skip(tried * 400).step_by(1000).for_each(|byte| *byte ^= 0x11),
                2 => bytes.truncate(bytes.len() / 2),
                3 => bytes.clear(),
                4 if name.starts_with("answers") => bytes.iter_mut().for_each(|byte| *byte = !*byte),
                _ => bytes.extend([0; 8]),
            }
            fs::write(progress.join(name), bytes).unwrap();
        }
        tried += 1;
        generation("frege", 21, folder.path()).run().expect_code(0);
        assert_eq!(segments(folder.path()), segments(clean.path()), "{tried}");
        for length in 18..=21 {
            fs::remove_file(folder.path().join(format!("length-{length}.seg"))).unwrap();
        }
    }
}

#[test]
fn a_store_of_something_else_is_refused() {
    let folder = TempDir::new().unwrap();
    generation("frege", 7, folder.path()).run().expect_code(0);
    let before = files(folder.path());
    for args in [
        &["--axioms", "meredith"][..],
        &["--axioms", "CpCqp,CCpCqrCCpqCpr"],
        &["--axioms", "CCpCqrCCpqCpr,CpCqp,CCNpNqCqp"],
        &["--necessitation"],
        &["--necessitation", "2"],
        &["--unfiltered-from", "5"],
        &["--conclusion-symbols", "20"],
        &["--consequent-symbols", "20"],
    ] {
        let axioms = if args[0] == "--axioms" { args[1] } else { "frege" };
        let more = if args[0] == "--axioms" { &[][..] } else { args };
        refused(generation(axioms, 9, folder.path()).args(more), 4, &["is of something else"]);
    }
    assert_eq!(files(folder.path()), before);
    // The same axioms in other words are the same.
    generation("p->(q->p), CCpCqrCCpqCpr, (~a->~b)->b->a", 9, folder.path()).run().expect_code(0);
    fs::write(folder.path().join("store.json"), "{}").unwrap();
    refused(generation("frege", 9, folder.path()), 4, &["store.json is damaged"]);
    let (_, identity) = before.into_iter().find(|(name, _)| name == "store.json").unwrap();
    let newer = String::from_utf8(identity).unwrap().replace("\"format\":1", "\"format\":9");
    fs::write(folder.path().join("store.json"), newer).unwrap();
    refused(generation("frege", 9, folder.path()), 4, &["is of format 9"]);
}

#[test]
fn a_store_is_written_by_one_process() {
    let folder = TempDir::new().unwrap();
    let mut first = generation("frege", 99, folder.path()).spawn();
    first.wait_for_stdout("\"id\":\"length-11\"");
    refused(generation("frege", 9, folder.path()), 75, &["another process writes"]);
    // Who only reads does not wait.
    let store = folder.path().to_str().unwrap().to_owned();
    Tool::new("ml-derive").args(["find", "p->p", "--max-length", "9", "--store", &store]).run().expect_code(0);
    first.signal(2);
    first.wait().expect_code(130);
    generation("frege", 9, folder.path()).run().expect_code(0);
}

#[test]
fn a_full_disk_stops_and_a_larger_one_goes_on() {
    let disk = match ml_tests::full_disk(160 * 1024) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let store = disk.path().join("store");
    let output = generation("frege", 21, &store).run().expect_code(4);
    assert!(output.end()["hint"].as_str().unwrap().contains("space"), "{}", output.stdout);
    let names: Vec<String> = files(&store).into_iter().map(|(name, _)| name).collect();
    assert!(names.contains(&"length-11.seg".to_owned()) && names.iter().all(|name| !name.ends_with(".partial")), "{names:?}");
    // What was there is taken to a larger disk.
    let larger = TempDir::new().unwrap();
    for (name, bytes) in files(&store) {
        let path: PathBuf = larger.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    generation("frege", 21, larger.path()).run().expect_code(0);
    let clean = TempDir::new().unwrap();
    generation("frege", 21, clean.path()).run().expect_code(0);
    assert_eq!(segments(larger.path()), segments(clean.path()));
}

#[test]
fn limits_stop_cleanly() {
    let folder = TempDir::new().unwrap();
    let output = generation("frege", 65535, folder.path()).args(["--memory-limit", "1MiB"]).run().expect_code(1);
    let reason = output.end()["reason"].as_str().unwrap();
    assert!(reason.contains("MiB may be used") && output.end()["hint"].is_string(), "{}", output.stdout);
    assert_eq!(output.end()["status"], "warn");
    // Each length that was told is there; with more memory it goes on.
    let reached = segments(folder.path()).len();
    assert_eq!(output.end()["metrics"]["lengths"], reached);
    let length = reached + 2 + reached % 2;
    generation("frege", length, folder.path()).args(["--memory-limit", "1GiB"]).run().expect_code(0);
    let clean = TempDir::new().unwrap();
    generation("frege", length, clean.path()).run().expect_code(0);
    assert_eq!(segments(folder.path()), segments(clean.path()));
    // A store that is too large to be read.
    let output = generation("frege", length + 2, folder.path()).args(["--memory-limit", "100KiB"]).run().expect_code(1);
    assert!(output.stdout.contains("may be used"), "{}", output.stdout);
    for args in [
        ["--max-length", "0"],
        ["--max-length", "65536"],
        ["--threads", "0"],
        ["--threads", "99999"],
        ["--conclusion-symbols", "0"],
        ["--consequent-symbols", "0"],
        ["--unfiltered-from", "0"],
        ["--necessitation", "0"],
        ["--memory-limit", "much"],
        ["--memory-limit", "1 horse"],
    ] {
        let mut all = vec!["--no-ledger", "--counts"];
        all.extend(if args[0] == "--max-length" { vec![] } else { vec!["--max-length", "3"] });
        let output = Tool::new("ml-derive").args(all).args(args).raw().run().expect_code(64);
        assert!(output.stderr.contains(args[0]), "{}", output.stderr);
    }
}

/// What a run expects of memory it learns from the lengths before, also from those that it finds in the store.
#[test]
fn a_run_taken_up_expects_the_memory_that_a_run_from_nothing_does() {
    let (folder, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    generation("frege", 17, folder.path()).run().expect_code(0);
    let expected = |folder: &TempDir| {
        let output = generation("frege", 19, folder.path()).run().expect_code(0);
        output.record("step", "length-19")["metrics"]["memory_expected_bytes"].as_f64().unwrap()
    };
    let (taken_up, whole) = (expected(&folder), expected(&other));
    assert!((taken_up / whole - 1.0).abs() < 0.2, "{taken_up} and {whole}");
}
