//! Logs that begin with the same words, many of them, and those that go: no new line is passed over, no old one counted again.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::Probing;
use super::tests::{Log, count, errors, int};
use super::*;
use crate::kind::Arg;
use std::fs::{self, OpenOptions};
use std::io::Write;

/// The same at each start of a service.
fn banner(lines: u32) -> String {
    (0..lines).map(|line| format!("{line} service 1.4.2 starts, with workers and threads and a listener on port 8080\n")).collect()
}

fn append(log: &Log, name: &str, text: &str) {
    OpenOptions::new().create(true).append(true).open(log.path(name)).unwrap().write_all(text.as_bytes()).unwrap();
}

fn rename(log: &Log, from: &str, to: &str) {
    fs::rename(log.path(from), log.path(to)).unwrap();
}

#[test]
fn a_service_that_starts_anew_says_the_same_words() {
    for lines in [3, 40] {
        for pattern in ["*.log", "app.log*"] {
            let log = Log::new();
            let mut probe = log.probe(pattern, &[]);
            append(&log, "app.log", &banner(lines));
            assert_eq!(count(&mut probe), (0, 0));
            rename(&log, "app.log", "app.log.1");
            append(&log, "app.log", &(banner(lines) + "ERROR boom\n"));
            assert_eq!(count(&mut probe), (1, 0), "{lines} {pattern}: renamed");
            assert_eq!(count(&mut probe), (0, 0));
            // Copied and emptied, both with something of their own.
            append(&log, "app.log", "ERROR one\n");
            fs::copy(log.path("app.log"), log.path("app.log.2")).unwrap();
            fs::write(log.path("app.log"), banner(lines) + "ERROR two\nERROR three\n").unwrap();
            assert_eq!(count(&mut probe), (3, 0), "{lines} {pattern}: copied");
            assert_eq!(count(&mut probe), (0, 0));
            // Rotated, the last one removed, and begun anew.
            rename(&log, "app.log.1", "app.log.2");
            rename(&log, "app.log", "app.log.1");
            append(&log, "app.log", &(banner(lines) + "ERROR four\n"));
            assert_eq!(count(&mut probe), (1, 0), "{lines} {pattern}: removed");
            assert_eq!(count(&mut probe), (0, 0));
        }
    }
}

#[test]
fn a_copy_is_read_on_from_where_it_is_alike_no_more() {
    let log = Log::new();
    append(&log, "app.log", &banner(3));
    let mut probe = log.probe("app.log", &[]);
    count(&mut probe);
    append(&log, "app.log", "ERROR a\n");
    log.compress("app.log", "app.log.1.gz");
    // By the clock of a file server, before the last look.
    let before = std::time::SystemTime::now() - std::time::Duration::from_secs(1);
    fs::File::options().write(true).open(log.path("app.log.1.gz")).unwrap().set_modified(before).unwrap();
    // What was read until then is still there.
    fs::write(log.path("app.log"), banner(3) + "ERROR b\nERROR c\n").unwrap();
    let seen = probe.take("count", &errors()).unwrap();
    assert_eq!((int(&seen, "errors"), int(&seen, "lines")), (3, 3));
    assert_eq!(count(&mut probe), (0, 0));
}

#[test]
fn a_second_worker_says_the_same_words() {
    for lines in [3, 40] {
        let log = Log::new();
        append(&log, "w1.log", &banner(lines));
        let mut probe = log.probe("*.log", &[]);
        count(&mut probe);
        append(&log, "w2.log", &(banner(lines) + "ERROR boom\n"));
        assert_eq!(count(&mut probe), (1, 0), "{lines}");
        append(&log, "w3.log", &(banner(lines) + "ERROR boom\n"));
        append(&log, "w1.log", "ERROR boom\n");
        assert_eq!(count(&mut probe), (2, 0), "{lines}: the very same line");
        assert_eq!(count(&mut probe), (0, 0));
    }
}

#[test]
fn a_log_that_is_emptied_at_the_start_is_read_from_its_begin() {
    let log = Log::new();
    let old: String = (0..1000).map(|line| format!("{line}\n")).collect();
    append(&log, "c.log", &(banner(20) + &old));
    let mut probe = log.probe("*.log", &[]);
    count(&mut probe);
    fs::write(log.path("c.log"), banner(20) + "ERROR boom\n").unwrap();
    assert_eq!(count(&mut probe), (1, 1));
    assert_eq!(count(&mut probe), (0, 0));
}

#[test]
fn looking_back_two_that_are_written_are_never_the_same() {
    let log = Log::new();
    let line = format!("{} ERROR disk full\n", jiff::Timestamp::now());
    for name in ["w1.log", "w2.log", "w3.log"] {
        append(&log, name, &line);
    }
    append(&log, "v1.log", &banner(40));
    append(&log, "v2.log", &(banner(40) + &line));
    let mut given = errors().to_vec();
    given.push(("since", Arg::Duration(Duration::from_secs(3600))));
    let mut probe = log.probe("*.log", &[]);
    let back = |probe: &mut Probing| int(&probe.take("count", &given).unwrap(), "errors");
    assert_eq!(back(&mut probe), 4);
    // Copies are counted once, whether they are compressed or not.
    log.compress("v2.log", "v2.log.1.gz");
    fs::copy(log.path("w1.log"), log.path("w1.log.1")).unwrap();
    assert_eq!(back(&mut probe), 4);
    rename(&log, "v2.log", "v2.log.1");
    append(&log, "v2.log", &(banner(40) + "ERROR other\n" + &line));
    assert_eq!(back(&mut probe), 6);
}

#[test]
fn what_was_read_to_its_end_is_not_missed_and_a_last_line_counts() {
    let mut log = Log::new();
    log.write(1);
    let mut probe = log.probe("app.log", &[]);
    count(&mut probe);
    log.write(1);
    rename(&log, "app.log", "app.log.1");
    log.write(1);
    assert_eq!(count(&mut probe), (2, 0));
    fs::remove_file(log.path("app.log.1")).unwrap();
    assert_eq!(count(&mut probe), (0, 0));
    // The service died in the middle of a line.
    append(&log, "app.log", "ERROR without an end");
    rename(&log, "app.log", "app.log.2");
    log.write(1);
    assert_eq!((0..4).map(|_| count(&mut probe).0).sum::<i64>(), 2);
    fs::remove_file(log.path("app.log.2")).unwrap();
    assert_eq!(count(&mut probe), (0, 0));
}

#[test]
fn more_logs_than_can_be_followed_are_told_and_old_rotated_ones_are_left_out() {
    let log = Log::new();
    for number in 0..401 {
        append(&log, &format!("f{number}.log"), &format!("ERROR {number}\n"));
    }
    let wrong = log.probe("*.log", &[]).take("count", &errors()).unwrap_err();
    assert!(matches!(&wrong, Unseen::Failed(failure) if failure.message.contains("401 logs are too many")), "{wrong:?}");
    // The live ones stay, however old they are beside the rotated.
    let old = std::time::SystemTime::now() - Duration::from_secs(200_000);
    OpenOptions::new().append(true).open(log.path("f7.log")).unwrap().set_modified(old).unwrap();
    for number in 0..401 {
        append(&log, &format!("f7.log.{number}"), &format!("ERROR old {number}\n"));
    }
    let mut probe = log.probe("f7.log", &[]);
    assert_eq!(count(&mut probe), (0, 0));
    append(&log, "f7.log", "fine line\n");
    assert_eq!(count(&mut probe), (0, 0));
}

#[test]
fn two_names_of_one_log_are_one() {
    let mut log = Log::new();
    log.write(1);
    let mut probe = log.probe("*.log", &[]);
    count(&mut probe);
    std::os::unix::fs::symlink(log.path("app.log"), log.path("current.log")).unwrap();
    log.write(1);
    assert_eq!(count(&mut probe), (1, 0));
}
