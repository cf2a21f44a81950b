//! Against a real S3-compatible server, over a line that is good or bad.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "what a test cannot do fails it")]

mod common;

use common::{Line, Trouble, dump, names, noise, push_to};
use ml_tests::{S3Server, TempDir, Tool};
use std::fs;
use std::time::{Duration, Instant};

const LARGE: usize = 20 << 20;

const ABSENT: &str = "the S3 server is not installed (scripts/install-deps.sh --test)";

#[test]
fn files_go_there_and_come_back() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let (here, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let name = "mathledger-20250108-020000.dump";
    let bytes = noise(LARGE, 7);
    let path = dump(here.path(), name, &bytes);
    let empty = here.path().join("empty ü");
    fs::write(&empty, "").unwrap();
    let out = push_to(&server, &server.endpoint(), "a/b").arg(&path).arg(&empty).run().expect_code(0);
    let sent: Vec<&str> = out.kind("step").map(|step| step["id"].as_str().unwrap()).collect();
    let expected = [".globals.sql", ".proof.json", ".json", ""].map(|ending| format!("push.{name}{ending}"));
    assert_eq!(sent[..4], expected, "the dump comes last");
    let step = out.record("step", &format!("push.{name}"));
    assert_eq!((step["bytes"].as_u64(), step["labels"]["verified"].as_str()), (Some(LARGE as u64), Some("read back")));
    assert_eq!(step["labels"]["destination"], "s3://ledger/a/b/");
    assert!(!out.stdout.contains(server.secret()) && !out.stderr.contains(server.secret()));
    let again = push_to(&server, &server.endpoint(), "a/b").arg(&path).arg(&empty).run().expect_code(0);
    assert!(again.kind("step").all(|step| step["status"] == "skipped"), "{}", again.stdout);
    for wanted in ["latest", "empty ü"] {
        let out = push_to(&server, &server.endpoint(), "a/b").args(["--fetch", wanted, "--into"]).arg(back.path()).run().expect_code(0);
        assert!(out.kind("step").all(|step| step["status"] == "ok"));
    }
    assert!(names(back.path()) == names(here.path()) && names(back.path()).len() == 5);
    assert!(fs::read(back.path().join(name)).unwrap() == bytes);
    let out = push_to(&server, &server.endpoint(), "a/b").args(["--fetch", "nothing.dump", "--into"]).arg(back.path()).run().expect_code(4);
    assert!(out.stderr.contains(name), "what is there is named: {}", out.stderr);
}

#[test]
fn another_file_of_that_name_is_never_overwritten() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let (here, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let old = dump(here.path(), "x.dump", b"old");
    push_to(&server, &server.endpoint(), "").arg(&old).run().expect_code(0);
    fs::write(here.path().join("x.dump.proof.json"), "a later proof").unwrap();
    let other = here.path().join("y");
    fs::write(&other, "y").unwrap();
    let out = push_to(&server, &server.endpoint(), "").arg(&old).run().expect_code(0);
    assert_eq!(out.record("step", "push.x.dump.proof.json")["status"], "ok", "evidence of a later drill takes its place");
    dump(here.path(), "x.dump", b"new");
    let out = push_to(&server, &server.endpoint(), "").arg(&old).arg(&other).run().expect_code(4);
    assert_eq!(out.record("step", "push.x.dump")["status"], "crit");
    assert_eq!(out.record("step", "push.y")["status"], "ok", "what has nothing to do with it goes");
    push_to(&server, &server.endpoint(), "").args(["--fetch", "x.dump", "--into"]).arg(back.path()).run().expect_code(0);
    assert_eq!(fs::read(back.path().join("x.dump")).unwrap(), b"old");
}

#[test]
fn wrong_keys_cost_nothing_but_the_push() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let here = TempDir::new().unwrap();
    let path = dump(here.path(), "x.dump", b"rows");
    let before = names(here.path());
    let wrong = push_to(&server, &server.endpoint(), "").env("AWS_SECRET_ACCESS_KEY", "wrong-secret-key").arg(&path).run().expect_code(4);
    assert!(wrong.stderr.contains("SignatureDoesNotMatch") && wrong.stderr.contains("AWS_SECRET_ACCESS_KEY"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("wrong-secret-key") && !wrong.stdout.contains("wrong-secret-key"));
    assert_eq!((wrong.end()["error_class"].as_str(), names(here.path())), (Some("storage"), before));
    let file = here.path().join("secret");
    fs::write(&file, format!("{}\n", server.secret())).unwrap();
    let from_file = || push_to(&server, &server.endpoint(), "").env("AWS_SECRET_ACCESS_KEY", "").env("AWS_SECRET_ACCESS_KEY_FILE", &file);
    from_file().arg(&path).run().expect_code(0);
    let none = Tool::new("ml-push").env("PUSH_S3_ENDPOINT", server.endpoint()).arg("s3://ledger").arg(&path).run().expect_code(4);
    assert!(none.stderr.contains("AWS_ACCESS_KEY_ID is not set"), "{}", none.stderr);
    let down = push_to(&server, &format!("http://127.0.0.1:{}", ml_tests::closed_port()), "").arg(&path).run().expect_code(4);
    assert!(down.stderr.contains("connection refused"), "{}", down.stderr);
    let out = Tool::new("ml-push")
        .env("PUSH_S3_ENDPOINT", server.endpoint())
        .env("AWS_ACCESS_KEY_ID", ml_tests::s3_server::KEY)
        .env("AWS_SECRET_ACCESS_KEY", server.secret())
        .arg("s3://no-such-bucket")
        .arg(&path)
        .run()
        .expect_code(4);
    assert!(out.stderr.contains("NoSuchBucket") && out.stderr.contains("make the bucket"), "{}", out.stderr);
}

#[test]
fn a_bad_line_is_tried_again() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let (here, back) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let bytes = noise(LARGE, 9);
    let path = here.path().join("large");
    fs::write(&path, &bytes).unwrap();
    let troubles = [Trouble::Busy, Trouble::Cut(3 << 20), Trouble::Busy, Trouble::Cut(12 << 20)];
    let line = Line::to(&server.endpoint(), &troubles);
    push_to(&server, &line.endpoint, "").arg(&path).run().expect_code(0);
    let line = Line::to(&server.endpoint(), &troubles[..1]);
    push_to(&server, &line.endpoint, "").args(["--fetch", "large", "--into"]).arg(back.path()).run().expect_code(0);
    assert!(fs::read(back.path().join("large")).unwrap() == bytes);
}

#[test]
fn a_byte_that_changes_on_the_way_is_seen_and_the_copy_removed() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let here = TempDir::new().unwrap();
    for (length, at) in [(1 << 20, 500_000), (LARGE, 9 << 20)] {
        let path = here.path().join(format!("of-{length}"));
        fs::write(&path, noise(length, 3)).unwrap();
        let line = Line::to(&server.endpoint(), &[Trouble::Flip(at)]);
        let out = push_to(&server, &line.endpoint, "").arg(&path).run().expect_code(4);
        assert!(out.stderr.contains("other bytes") && out.stderr.contains("removed there"), "{}", out.stderr);
        let out = push_to(&server, &server.endpoint(), "").arg("--fetch").arg(format!("of-{length}")).run().expect_code(4);
        assert!(out.stderr.contains("has no of-"), "{}", out.stderr);
    }
}

#[test]
fn a_push_that_is_killed_or_stopped_leaves_nothing_under_the_name() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let here = TempDir::new().unwrap();
    let path = dump(here.path(), "x.dump", &noise(LARGE, 5));
    for (signal, code) in [(9, None), (2, Some(130))] {
        let line = Line::to(&server.endpoint(), &[Trouble::Hang(11 << 20)]);
        let mut running = push_to(&server, &line.endpoint, "").arg(&path).spawn();
        let until = Instant::now() + Duration::from_secs(60);
        while !line.hangs() {
            assert!(Instant::now() < until && running.is_running(), "it never came to the second part");
            std::thread::sleep(Duration::from_millis(20));
        }
        let began = Instant::now();
        running.signal(signal);
        let out = running.wait();
        if let Some(code) = code {
            out.expect_code(code);
            assert!(began.elapsed() < Duration::from_secs(30), "a hanging server does not hold the signal up");
        }
        let out = push_to(&server, &server.endpoint(), "").args(["--fetch", "x.dump"]).run().expect_code(4);
        assert!(out.stderr.contains("has no x.dump"), "{}", out.stderr);
    }
    push_to(&server, &server.endpoint(), "").arg(&path).run().expect_code(0);
}

#[test]
fn what_is_too_old_there_goes_and_the_newest_good_one_stays() {
    let Some(server) = S3Server::start() else { ml_tests::skip!("{ABSENT}") };
    let here = TempDir::new().unwrap();
    let name = |day: u32| format!("mathledger-202001{day:02}-020000.dump");
    for day in 1..=3 {
        let path = dump(here.path(), &name(day), b"rows");
        if day != 2 {
            fs::remove_file(here.path().join(format!("{}.proof.json", name(day)))).unwrap();
        }
        push_to(&server, &server.endpoint(), "").arg(&path).run().expect_code(0);
    }
    let notes = here.path().join("notes");
    fs::write(&notes, "n").unwrap();
    let push = || push_to(&server, &server.endpoint(), "").env("PUSH_RETENTION_DAYS", "30").arg(&notes);
    let planned = push().arg("--dry-run").run().expect_code(0);
    let first = format!("retention.{}", name(1));
    assert_eq!(planned.record("step", &first)["status"], "planned");
    assert!(planned.record("step", &format!("retention.{}", name(2)))["reason"].as_str().unwrap().contains("proven"));
    let out = push().run().expect_code(0);
    assert_eq!(out.record("step", &first)["status"], "ok");
    assert_eq!(out.end()["metrics"]["removed"], 1);
    for (day, code) in [(1, 4), (2, 0), (3, 0)] {
        push_to(&server, &server.endpoint(), "").args(["--fetch", &name(day), "--into", "back"]).run().expect_code(code);
    }
    assert_eq!(push().run().expect_code(0).end()["metrics"]["removed"], 0);
}
