//! Logs that grow and are rotated in every usual way: nothing is lost, nothing counted twice.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, text};
use super::*;
use crate::kind::Arg;
use ml_common::record::Scalar;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

pub(super) struct Log {
    dir: tempfile::TempDir,
    next: u32,
}

impl Log {
    pub(super) fn new() -> Log {
        Log { dir: tempfile::tempdir().unwrap(), next: 0 }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// So many lines, each of its own.
    pub(super) fn write(&mut self, count: u32) {
        let mut file = OpenOptions::new().create(true).append(true).open(self.path("app.log")).unwrap();
        for _ in 0..count {
            self.next += 1;
            writeln!(file, "2025-01-08 02:00:00 ERROR number {} of them all", self.next).unwrap();
        }
    }

    pub(super) fn probe(&self, pattern: &str, more: &[(&'static str, Arg)]) -> Probing {
        let mut given = vec![("files", text(self.path(pattern).to_str().unwrap()))];
        given.extend(more.iter().cloned());
        Probing::open(&KIND, &given)
    }

    pub(super) fn compress(&self, from: &str, to: &str) {
        let bytes = fs::read(self.path(from)).unwrap();
        let file = fs::File::create(self.path(to)).unwrap();
        if to.ends_with(".zst") {
            zstd::stream::copy_encode(&bytes[..], file, 3).unwrap();
        } else {
            let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
            gz.write_all(&bytes).unwrap();
            gz.finish().unwrap();
        }
    }
}

fn table(pairs: &[(&str, &str)]) -> Arg {
    Arg::Table(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

pub(super) fn errors() -> [(&'static str, Arg); 1] {
    [("patterns", table(&[("errors", "ERROR"), ("ok", "completed")]))]
}

pub(super) fn int(sample: &Sample, name: &str) -> i64 {
    match sample.values[name] {
        Scalar::Int(number) => number,
        ref other => panic!("{name}: {other:?}"),
    }
}

pub(super) fn count(probe: &mut Probing) -> (i64, i64) {
    let seen = probe.take("count", &errors()).unwrap();
    (int(&seen, "errors"), int(&seen, "missed"))
}

#[test]
fn only_what_is_new_is_read_and_a_line_is_one_when_it_is_whole() {
    let mut log = Log::new();
    log.write(50);
    let mut probe = log.probe("app.log", &[]);
    assert_eq!(count(&mut probe), (0, 0), "the first look remembers");
    log.write(3);
    let mut file = OpenOptions::new().append(true).open(log.path("app.log")).unwrap();
    file.write_all(b"an ERROR half").unwrap();
    let seen = probe.take("count", &errors()).unwrap();
    assert_eq!((int(&seen, "errors"), int(&seen, "lines")), (3, 3));
    assert!(seen.rows.last().unwrap().ends_with("number 53 of them all"), "{:?}", seen.rows);
    file.write_all(b" \xff\xfe written password=swordfish\n").unwrap();
    let seen = probe.take("count", &errors()).unwrap();
    assert_eq!(int(&seen, "errors"), 1);
    assert!(seen.rows[0].starts_with("an ERROR half") && seen.rows[0].ends_with("password=***"), "{:?}", seen.rows);
    assert_eq!(count(&mut probe), (0, 0));
    let mut all = log.probe("app.log", &[("from", text("start"))]);
    assert_eq!(count(&mut all).0, 54);
}

#[test]
fn a_look_without_time_for_everything_says_so_and_the_next_ones_catch_up() {
    let mut log = Log::new();
    let line = "2025-01-08 02:00:00 ERROR one of very many lines in a log that is far too long for one look\n";
    fs::write(log.path("app.log"), line.repeat(60_000)).unwrap();
    log.write(1);
    let size = fs::metadata(log.path("app.log")).unwrap().len();
    let mut probe = log.probe("app.log", &[("from", text("start"))]);
    // Room for the first piece of a file and no more.
    probe.limit = Duration::ZERO;
    let (mut errors_seen, mut read, mut looks) = (0, 0, 0);
    loop {
        let seen = probe.take("count", &errors()).unwrap();
        looks += 1;
        errors_seen += int(&seen, "errors");
        read += int(&seen, "bytes");
        assert_eq!(read + int(&seen, "behind"), i64::try_from(size).unwrap());
        if seen.unseen.is_none() {
            break;
        }
        assert!(int(&seen, "bytes") > 0 && seen.unseen.as_ref().unwrap().starts_with("there was no time for the rest, "), "{seen:?}");
    }
    assert_eq!(errors_seen, 60_001);
    assert!(looks > 1);
    probe.limit = Duration::from_secs(20);
    assert_eq!(count(&mut probe), (0, 0));
}

#[test]
fn renamed_copied_and_compressed_logs_lose_and_double_nothing() {
    for pattern in ["app.log", "app.log*"] {
        let mut log = Log::new();
        log.write(40);
        let mut probe = log.probe(pattern, &[]);
        count(&mut probe);
        // Renamed, while the service still writes to the old name for a moment.
        log.write(2);
        fs::rename(log.path("app.log"), log.path("app.log.1")).unwrap();
        log.write(3);
        assert_eq!(count(&mut probe), (5, 0), "{pattern}: renamed");
        let mut old = OpenOptions::new().append(true).open(log.path("app.log.1")).unwrap();
        old.write_all(b"an ERROR too late\n").unwrap();
        assert_eq!(count(&mut probe), (1, 0), "{pattern}: written under the old name");
        // Copied and emptied.
        log.write(4);
        fs::rename(log.path("app.log.1"), log.path("app.log.2")).unwrap();
        fs::copy(log.path("app.log"), log.path("app.log.1")).unwrap();
        fs::write(log.path("app.log"), "").unwrap();
        log.write(5);
        assert_eq!(count(&mut probe), (9, 0), "{pattern}: copied and emptied");
        assert_eq!(count(&mut probe), (0, 0), "{pattern}: once");
        // A look between the copy and the emptying.
        log.write(2);
        fs::copy(log.path("app.log"), log.path("app.log.3")).unwrap();
        assert_eq!(count(&mut probe), (2, 0), "{pattern}: copied");
        fs::write(log.path("app.log"), "").unwrap();
        log.write(1);
        assert_eq!(count(&mut probe), (1, 0), "{pattern}: and emptied");
        // Compressed at once.
        log.write(6);
        log.compress("app.log", "app.log.4.gz");
        fs::remove_file(log.path("app.log")).unwrap();
        log.write(1);
        assert_eq!(count(&mut probe), (7, 0), "{pattern}: compressed");
        log.write(2);
        log.compress("app.log", "app.log.5.zst");
        fs::write(log.path("app.log"), "").unwrap();
        assert_eq!(count(&mut probe), (2, 0), "{pattern}: zst");
        // What was seen is compressed later.
        log.compress("app.log.2", "app.log.2.gz");
        fs::remove_file(log.path("app.log.2")).unwrap();
        assert_eq!(count(&mut probe), (0, 0), "{pattern}: compressed later");
        log.write(1);
        assert_eq!(count(&mut probe), (1, 0));
    }
}

#[test]
fn several_rotations_between_two_looks_and_one_into_another_folder() {
    let mut log = Log::new();
    fs::create_dir(log.path("archive")).unwrap();
    log.write(30);
    let rotated = text(log.path("archive/app_*.log.gz").to_str().unwrap());
    let mut probe = log.probe("app.log", &[("rotated", rotated)]);
    count(&mut probe);
    for day in 1..=3 {
        log.write(day);
        log.compress("app.log", &format!("archive/app_2025010{day}.log.gz"));
        fs::write(log.path("app.log"), "").unwrap();
    }
    log.write(4);
    assert_eq!(count(&mut probe), (1 + 2 + 3 + 4, 0));
    assert_eq!(count(&mut probe), (0, 0));
    log.write(2);
    fs::remove_file(log.path("app.log")).unwrap();
    log.write(1);
    assert_eq!(count(&mut probe), (1, 1), "what is gone is told");
}

#[test]
fn a_time_to_look_back_to() {
    let log = Log::new();
    let ago = |hours: i64| (jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours)).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let (old, new) = (ago(30), ago(2));
    fs::write(log.path("app.log.1"), format!("{old} ERROR a\n  ERROR of its stack\n{new} ERROR b\n")).unwrap();
    log.compress("app.log.1", "app.log.1.gz");
    fs::write(log.path("app.log"), format!("{new} ERROR c\n  ERROR of its stack\n{new} completed\n")).unwrap();
    let mut given = errors().to_vec();
    given.push(("since", Arg::Duration(Duration::from_secs(86_400))));
    let mut probe = log.probe("app.log", &[]);
    for _ in 0..2 {
        let seen = probe.take("count", &given).unwrap();
        assert_eq!((int(&seen, "errors"), int(&seen, "ok")), (3, 1));
    }
    probe.since = Some(jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48));
    assert_eq!(int(&probe.take("count", &errors()).unwrap(), "errors"), 5);
}

#[test]
fn the_most_frequent_values_and_credentials() {
    let log = Log::new();
    fs::write(log.path("access.log"), "").unwrap();
    let mut probe = log.probe("access.log", &[]);
    let top = [("field", text(r"^(\S+)")), ("only", text("POST /prove"))];
    probe.take("top", &top).unwrap();
    probe.take("secrets", &[]).unwrap();
    let lines = "10.0.0.1 POST /prove 200\n10.0.0.2 POST /prove 401\n10.0.0.1 POST /prove 200\n10.0.0.3 GET /\napi_key=q1w2e3r4t5\n";
    fs::write(log.path("access.log"), lines).unwrap();
    let seen = probe.take("top", &top).unwrap();
    assert_eq!((int(&seen, "top"), int(&seen, "total"), int(&seen, "distinct")), (2, 3, 2));
    assert_eq!(seen.rows, ["2 10.0.0.1", "1 10.0.0.2"]);
    let seen = probe.take("secrets", &[]).unwrap();
    assert_eq!(int(&seen, "secrets"), 1);
    assert!(!format!("{seen:?}").contains("q1w2e3r4t5"), "{seen:?}");
}

#[test]
fn what_is_not_there_and_what_is_no_pattern() {
    let log = Log::new();
    assert!(matches!(log.probe("app.log", &[]).take("count", &errors()), Err(Unseen::Failed(_))));
    fs::write(log.path("app.log"), "").unwrap();
    let wrong = log.probe("app.log", &[]).take("count", &[("patterns", table(&[("errors", "(")]))]).unwrap_err();
    assert!(matches!(&wrong, Unseen::Failed(failure) if failure.message.contains("errors is no regular expression")), "{wrong:?}");
}

fn stand_in(log: &Log, name: &str, script: &str) -> Arg {
    let path = log.path(name);
    fs::write(&path, format!("#!/bin/sh\ncd \"${{0%/*}}\"\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    text(path.to_str().unwrap())
}

#[test]
fn the_journal_goes_on_after_its_cursor() {
    let log = Log::new();
    let program = stand_in(&log, "journalctl", "echo \"$@\" >> asked\ncat out");
    let mut probe = Probing::open(&KIND, &[("journal", text("app.service")), ("program", program)]);
    fs::write(log.path("out"), "an old ERROR\n-- cursor: s=1\n").unwrap();
    assert_eq!(count(&mut probe), (0, 0));
    fs::write(log.path("out"), "a new ERROR\nanother ERROR\n-- cursor: s=2\n").unwrap();
    assert_eq!(count(&mut probe), (2, 0));
    fs::write(log.path("out"), "").unwrap();
    assert_eq!(count(&mut probe), (0, 0));
    count(&mut probe);
    let asked = fs::read_to_string(log.path("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert!(asked[0].ends_with("--unit=app.service --lines=1"), "{asked:?}");
    assert!(asked[1].ends_with("--after-cursor=s=1") && asked[3].ends_with("--after-cursor=s=2"), "{asked:?}");
}

#[test]
fn the_log_of_a_container_goes_on_after_its_last_line() {
    let log = Log::new();
    let program = stand_in(&log, "docker", "echo \"$@\" >> asked\ncat out\ncat err >&2");
    let mut probe = Probing::open(&KIND, &[("container", text("web")), ("program", program)]);
    fs::write(log.path("out"), "").unwrap();
    fs::write(log.path("err"), "").unwrap();
    assert_eq!(count(&mut probe), (0, 0));
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_secs(5)).to_string();
    fs::write(log.path("err"), format!("{later} an ERROR of stderr\n")).unwrap();
    assert_eq!(count(&mut probe), (1, 0));
    assert_eq!(count(&mut probe), (0, 0), "the last line comes again and is not counted");
    let asked = fs::read_to_string(log.path("asked")).unwrap();
    assert!(asked.lines().nth(2).unwrap().contains(&format!("--since={later} web")), "{asked}");
    stand_in(&log, "docker", "echo 'Error: No such container: web' >&2; exit 1");
    assert!(matches!(probe.take("count", &errors()), Err(Unseen::Failed(failure)) if failure.message.contains("No such container")));
}

#[test]
fn a_log_of_utf_16_is_never_ok() {
    let log = Log::new();
    for mark in [[0xff, 0xfe], [0xfe, 0xff]] {
        fs::write(log.path("app.log"), [&mark[..], b"E\0R\0R\0O\0R\0\n\0"].concat()).unwrap();
        let unseen = log.probe("app.log", &[]).take("count", &errors()).unwrap_err();
        assert!(
            matches!(&unseen, Unseen::Failed(failure) if failure.message.ends_with("app.log is UTF-16, and no line of it would fit")),
            "{unseen:?}"
        );
    }
}
