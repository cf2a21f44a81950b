//! Clients that mean no good, or do badly: none keeps the others from their answer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::io::{Read, Write};
use support::{Served, answer};

#[test]
fn only_what_is_asked_well_is_answered() {
    let served = Served::begin(&["--host", "ops.example"]);
    let ask = |line: &str, host: &str| served.ask(&format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    for (line, host, status) in [
        ("GET /health?verbose=1", "localhost", 200),
        ("GET /", "ops.example", 200),
        ("GET /favicon.ico", "localhost", 404),
        ("GET /../etc/passwd", "localhost", 404),
        ("POST /health", "localhost", 405),
        ("DELETE /", "localhost", 405),
        ("GET /", "evil.example", 421),
        ("GET /metrics", "evil.example:5000", 421),
        ("nonsense", "localhost", 400),
    ] {
        assert_eq!(ask(line, host).0, status, "{line} of {host}");
    }
    let (_, head, body) = ask("HEAD /", "localhost");
    assert!(body.is_empty() && !head.contains("Content-Length: 0"), "{head}");
    assert!(head.contains("Content-Security-Policy: default-src 'none'") && head.contains("Cache-Control: no-store"), "{head}");
    assert!(ask("PUT /", "localhost").1.contains("Allow: GET, HEAD"));
}

#[test]
fn a_huge_request_is_refused_and_still_gets_its_answer() {
    let served = Served::begin(&[]);
    let huge = format!("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(served.ask(&huge).0, 431);
    let body = "x".repeat(100_000);
    assert_eq!(served.ask(&format!("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{body}")).0, 405);
    assert_eq!(served.get("/health").0, 200);
}

#[test]
fn however_many_sit_there_whoever_asks_is_answered() {
    let served = Served::begin(&[]);
    let mut idle: Vec<_> = (0..300).map(|_| served.connect()).collect();
    assert_eq!(served.get("/health").0, 200);
    let mut rest = Vec::new();
    // The oldest had to go.
    assert_eq!(idle[0].read_to_end(&mut rest).unwrap_or(0), 0);
    assert_eq!(served.get("/health").0, 200);
}

#[test]
fn idle_and_dripping_clients_lose_their_place() {
    let served = Served::begin(&[]);
    let (mut idle, mut begun, mut drip) = (served.connect(), served.connect(), served.connect());
    begun.write_all(b"GET / HTT").unwrap();
    // A byte now and then does not buy more time.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while drip.write_all(b"x").is_ok() {
        assert!(std::time::Instant::now() < until, "it may go on for ever");
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    assert_eq!(answer(&mut begun).0, 408);
    let mut rest = Vec::new();
    assert_eq!(idle.read_to_end(&mut rest).unwrap(), 0, "who says nothing is told nothing");
}

#[test]
fn a_client_that_goes_away_in_the_middle_harms_nobody() {
    let served = Served::begin(&[]);
    for _ in 0..200 {
        let mut stream = served.connect();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    }
    served.until(|served| served.get("/health").0 == 200);
}
