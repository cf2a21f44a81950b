//! Parts that cannot be done, and what is said of it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{Output, TempDir};
use std::path::Path;
use support::parts::{command, done, names, store};
use support::store::{files, generation};

const STEPS: [&str; 4] = ["shard candidates --part 1/2", "merge candidates", "shard instances --part 1/2", "merge instances"];

/// Its end has a hint, and these words.
#[track_caller]
fn says(output: &Output, words: &str) {
    let end = output.end();
    assert!(end["summary"].as_str().unwrap().contains(words) && end["hint"].is_string(), "{end}");
}

#[test]
fn nonsense_on_the_command_line_is_refused() {
    let (_folder, store) = store("frege", 3);
    for part in ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "1/9999999999"] {
        command("shard candidates", &store, &["--part", part]).raw().run().expect_code(64);
    }
    for words in
        ["shard", "shard nonsense --part 1/2", "shard candidates", "merge", "shard candidates --part 1/2 --length 0", "work --parts 2"]
    {
        command(words, &store, &[]).raw().run().expect_code(64);
    }
    for (parts, lease) in [("0", "60s"), ("2", "0s"), ("2", "soon"), ("9999999999", "60s")] {
        command("work", &store, &["--max-length", "5", "--parts", parts, "--lease", lease]).raw().run().expect_code(64);
    }
    // A command derives nothing by itself.
    ml_tests::Tool::new("ml-derive")
        .args(["--no-ledger", "--max-length", "5", "merge", "candidates", "--store"])
        .arg(&store)
        .run()
        .expect_code(64);
}

#[test]
fn a_store_that_is_none_or_of_something_else() {
    let folder = TempDir::new().unwrap();
    let none = folder.path().join("none");
    for words in STEPS.iter().chain(&["work --max-length 5 --parts 2"]) {
        says(&command(words, &none, &[]).run().expect_code(4), "no store");
        assert!(!none.exists());
    }
    let (_other, store) = store("frege", 5);
    for words in STEPS {
        for more in [&["--axioms", "meredith"][..], &["--necessitation"], &["--axioms", "frege", "--necessitation", "2"]] {
            says(&command(words, &store, more).run().expect_code(4), "of other axioms or rules");
        }
    }
    done("shard candidates", &store, &["--part", "1/1", "--axioms", "frege"]);
    std::fs::write(store.join("store.json"), "{}").unwrap();
    says(&command("merge candidates", &store, &[]).run().expect_code(4), "damaged");
}

#[test]
fn lengths_before_that_are_missing_or_damaged() {
    let (_folder, store) = store("frege", 9);
    for words in STEPS {
        says(&command(words, &store, &["--length", "13"]).run().expect_code(1), "length 11 is not in the store, and 13 comes after it");
    }
    let path = store.join("length-7.seg");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 8]).unwrap();
    says(&command(STEPS[0], &store, &[]).run().expect_code(4), "length-7.seg is damaged");
    std::fs::remove_file(&path).unwrap();
    says(&command(STEPS[0], &store, &["--length", "11"]).run().expect_code(1), "length 7 is not in the store");
}

#[test]
fn a_dry_run_touches_nothing() {
    let (_folder, store) = store("frege", 9);
    let planned = |words: &str, more: &[&str], id: &str| {
        let before = files(&store);
        let output = command(words, &store, more).arg("--dry-run").run().expect_code(0);
        assert_eq!(output.record("step", id)["status"], "planned");
        assert_eq!(files(&store), before);
    };
    let lock = store.join("lock");
    std::fs::remove_file(&lock).unwrap();
    planned("shard candidates", &["--part", "2/2"], "candidates-11-2-of-2");
    planned("work", &["--max-length", "13", "--parts", "3"], "length-13");
    for part in ["1/2", "2/2"] {
        done("shard candidates", &store, &["--part", part]);
    }
    planned("merge candidates", &[], "candidates-11");
    assert!(!lock.exists(), "nor is anything locked");
    done("merge candidates", &store, &[]);
    planned("shard instances", &["--part", "1/1"], "instances-11-1-of-1");
    done("shard instances", &store, &["--part", "1/1"]);
    planned("merge instances", &[], "length-11");
}

#[test]
fn a_disk_that_is_full_or_must_not_be_written() {
    let disk = match ml_tests::full_disk(512 * 1024) {
        Ok(disk) => disk,
        Err(reason) => ml_tests::skip!("{reason}"),
    };
    let store = disk.path().join("store");
    generation("frege", 17, &store).run().expect_code(0);
    let room: u64 = 400 * 1024 - used(&store);
    std::fs::write(disk.path().join("filler"), vec![0; usize::try_from(room).unwrap()]).unwrap();
    let output = command("shard candidates", &store, &["--part", "1/1"]).run().expect_code(4);
    assert!(output.end()["hint"].as_str().unwrap().contains("space"), "{}", output.stdout);
    assert_eq!(names(&store.join("length-19.progress")), Vec::<String>::new());
    std::fs::remove_file(disk.path().join("filler")).unwrap();
    done("shard candidates", &store, &["--part", "1/1"]);
    let remounted = std::process::Command::new("mount").args(["-o", "remount,ro"]).arg(disk.path()).status().unwrap();
    assert!(remounted.success());
    says(&command("merge candidates", &store, &[]).run().expect_code(4), "");
    says(&command("shard candidates", &store, &["--part", "1/2"]).run().expect_code(4), "");
    // Reading is all that a part needs that is there.
    done("shard candidates", &store, &["--part", "1/1"]);
}

fn used(folder: &Path) -> u64 {
    files(folder).iter().map(|(_, bytes)| (bytes.len() as u64).next_multiple_of(4096)).sum()
}

#[test]
fn a_length_that_needs_too_much_memory_is_not_begun() {
    let (_folder, store) = store("frege", 15);
    let output = command("shard candidates", &store, &["--part", "1/1", "--memory-limit", "1MB"]).run().expect_code(1);
    assert!(output.end()["hint"].as_str().unwrap().contains("--memory-limit"), "{}", output.stdout);
    assert_eq!(names(&store.join("length-17.progress")), Vec::<String>::new());
}

#[test]
fn one_writes_at_a_time_and_parts_do_not_wait() {
    let (_folder, store) = store("frege", 15);
    let lock = std::fs::File::options().write(true).open(store.join("lock")).unwrap();
    lock.lock().unwrap();
    done("shard candidates", &store, &["--part", "1/1"]);
    says(&command("merge candidates", &store, &[]).run().expect_code(75), "another process writes");
    drop(lock);
    done("merge candidates", &store, &[]);
}

#[test]
fn ctrl_c_leaves_no_part_of_a_part() {
    let (_folder, store) = store("frege", 21);
    let mut running = command("shard candidates", &store, &["--part", "1/1"]).spawn();
    running.wait_for_stdout("\"kind\":\"start\"");
    running.signal(2);
    let output = running.wait();
    assert!(output.code == 130 || names(&store.join("length-23.progress")) == ["candidates-1-of-1"], "{}", output.stdout);
    if output.code == 130 {
        assert_eq!(names(&store.join("length-23.progress")), Vec::<String>::new());
    }
}
