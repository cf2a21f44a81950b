//! ml-serve as a program: what it answers while a stream runs, is silent, is over; and how it ends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{TempDir, Tool, closed_port};
use serde_json::json;
use std::net::TcpListener;
use support::{Served, check, record};

#[test]
fn the_page_follows_the_stream() {
    let mut served = Served::begin(&[]);
    assert_eq!(served.health().0, 200);
    served.check("disk", "ok");
    served.check("pool", "warn");
    let (code, health) = served.health();
    assert_eq!((code, &health["status"], &health["bad"][0]["id"]), (200, &json!("warn"), &json!("pool")));
    served.check("disk", "crit");
    let (code, health) = served.health();
    assert_eq!((code, &health["status"], &health["bad"][0]["id"]), (503, &json!("crit"), &json!("disk")));
    assert_eq!(health["counts"], json!({"crit": 1, "warn": 1}));
    served.check("disk", "ok");
    assert_eq!(served.health().0, 200);
    let (_, page) = served.get("/");
    assert!(page.contains("crit &rarr; ok") && page.contains("<b>warn</b> one thing is not well"), "{page}");
    assert!(page.starts_with("<!doctype html>") && !page.contains("<script"), "{page}");
    served.tool.signal(15);
    let output = served.tool.wait().expect_code(143);
    assert_eq!(output.stderr, "ml-serve: terminated\n");
    assert_eq!(output.kind("check").count(), 4, "all is handed on");
}

#[test]
fn after_the_end_it_is_stale_for_a_while_and_then_over() {
    let mut served = Served::begin(&["--linger", "1h"]);
    served.check("disk", "ok");
    served.tool.feed(&record("end", "ok", &json!({"exit": 0, "records": 3, "duration_ms": 5})));
    served.tool.close_stdin();
    served.until(|served| served.health().0 == 503);
    let (_, health) = served.health();
    assert_eq!((&health["stream"], &health["status"]), (&json!("ended"), &json!("unknown")));
    assert!(health["reason"].as_str().unwrap().starts_with("the stream ended"), "{health}");
    assert!(served.get("/").1.contains("the stream ended"));
    served.tool.signal(2);
    served.tool.wait().expect_code(130);
    let stream = [record("start", "ok", &json!({})), check("disk", "warn"), record("end", "ok", &json!({"exit": 1}))];
    let output = Tool::new("ml-serve").args(["127.0.0.1:0", "--linger", "0s"]).stdin_records(&stream).run().expect_code(1);
    assert_eq!(output.end()["metrics"]["records"], 3);
}

#[test]
fn a_stage_that_died_is_critical() {
    let mut served = Served::begin(&["--linger", "1h"]);
    served.check("disk", "ok");
    served.tool.close_stdin();
    served.until(|served| served.get("/").1.contains("began and never ended"));
    assert_eq!(served.health().1["bad"][0]["id"], "tool.ml-health");
    served.tool.signal(15);
    served.tool.wait().expect_code(143);
}

#[test]
fn a_silent_stream_is_stale() {
    let served = Served::begin(&["--stale", "0s"]);
    served.until(|served| served.health().1["stream"] == "stale");
    assert_eq!(served.health().0, 503);
    assert!(served.get("/metrics").1.contains("ml_serve_stream_open 0"));
}

#[test]
fn before_the_first_record_it_answers_and_a_signal_ends_it() {
    let port = closed_port();
    let mut tool = Tool::new("ml-serve").arg(port.to_string()).stdin_open().spawn();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let answer = loop {
        if let Ok(mut stream) = std::net::TcpStream::connect(("127.0.0.1", port)) {
            std::io::Write::write_all(&mut stream, b"GET /health HTTP/1.0\r\n\r\n").unwrap();
            break support::answer(&mut stream);
        }
        assert!(std::time::Instant::now() < deadline && tool.is_running());
    };
    assert_eq!((answer.0, answer.2.contains("no record has come yet")), (503, true), "{}", answer.2);
    tool.signal(15);
    let output = tool.wait().expect_code(143);
    assert_eq!(output.kind("check").count(), 0, "silence is nobody's fault then: {}", output.stdout);
}

#[test]
fn what_cannot_begin_says_so_at_once_and_reads_nothing() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (args, code, words) in [
        (vec![&*address], 3, "another program has that port"),
        (vec!["0.0.0.0:0"], 64, "or say --public"),
        (vec!["192.0.2.1:0", "--public"], 3, "this machine does not have that address"),
        (vec!["nonsense"], 64, "expected ADDRESS:PORT"),
        (vec!["127.0.0.1:0", "--config", "/nowhere/nightly.env"], 78, "cannot read the settings file"),
    ] {
        let output = Tool::new("ml-serve").args(&args).stdin_open().run().expect_code(code);
        assert!(output.stderr.contains(words) && output.stdout.is_empty(), "{args:?}: {output:?}");
    }
}

#[test]
fn settings_of_the_stage_before_that_cannot_be_read_end_it_though_the_stream_goes_on() {
    let folder = TempDir::new().unwrap();
    let settings = folder.path().join("nightly.env");
    std::fs::write(&settings, "DATABASE_URL_FILE=/nowhere/secret\n").unwrap();
    let host = Tool::foreign("uname").arg("-n").run().stdout.trim().to_owned();
    let mut tool = Tool::new("ml-serve").arg("127.0.0.1:0").stdin_open().spawn();
    tool.feed(&record("start", "ok", &json!({"host": host, "settings": settings})));
    let output = tool.wait().expect_code(78);
    assert!(output.stderr.contains("taking the settings of the stage before"), "{}", output.stderr);
}

#[test]
fn a_dry_run_opens_no_port() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = [record("start", "ok", &json!({})), check("disk", "ok"), record("end", "ok", &json!({"exit": 0}))];
    let tool = Tool::new("ml-serve").arg(taken.local_addr().unwrap().to_string()).arg("--dry-run").stdin_records(&stream);
    let output = tool.run().expect_code(0);
    assert_eq!(output.record("step", "serve")["status"], "planned");
}

#[test]
fn an_input_without_a_record_is_a_failure_and_nothing_is_waited_for() {
    let output = Tool::new("ml-serve").arg("127.0.0.1:0").stdin("").run().expect_code(70);
    assert_eq!(output.record("check", "upstream-silent")["status"], "crit");
}
