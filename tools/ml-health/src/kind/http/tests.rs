//! The http kind against stand-ins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::*;
use crate::kind::Arg;
use crate::kind::probing::{Probing, args, text, texts};
use ml_common::record::Scalar;
use ml_common::settings::Settings;
use ml_common::{Class, Failure};
use ml_tests::{HttpStandIn, Pki, Response as Answer};
use std::time::{Duration, Instant};

fn table(pairs: &[(&str, &str)]) -> Arg {
    Arg::Table(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
}

fn failure(unseen: Unseen) -> Failure {
    match unseen {
        Unseen::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

fn refused(given: &[(&'static str, Arg)]) -> Failure {
    let settings = Settings::default();
    let opening = Opening { settings: &settings, system: "test", application: "test", root: std::path::Path::new("/") };
    (KIND.open)(&args(KIND.params, given), &opening).err().unwrap()
}

#[test]
fn status_latency_and_numbers_of_an_answer() {
    let server = HttpStandIn::answering(Answer::json(r#"{"status": "ok", "pool": {"busy": 2}}"#).after(Duration::from_millis(30)));
    let metrics = table(&[("busy", ".pool.busy"), ("said", ".status"), ("list", ".pool")]);
    let mut probe = Probing::open(&KIND, &[("url", text(server.url("/health?key=secret"))), ("metrics", metrics)]);
    let seen = probe.take("get", &[]).unwrap();
    assert_eq!(
        (&seen.values["status"], &seen.values["ok"], &seen.values["bytes"]),
        (&Scalar::Int(200), &Scalar::Bool(true), &Scalar::Int(37))
    );
    assert_eq!((&seen.values["busy"], &seen.values["said"]), (&Scalar::Int(2), &Scalar::Text("ok".into())));
    assert_eq!(seen.values["content_type"], Scalar::Text("application/json".into()));
    let Scalar::Float(latency) = seen.values["latency_ms"] else { panic!("{seen:?}") };
    assert!(latency >= 30.0, "{latency}");
    assert!(!seen.values.contains_key("certificate_days") && !seen.values.contains_key("words"));
    assert!(seen.note.starts_with(&format!("GET {}: HTTP 200 in ", server.url(""))), "{}", seen.note);
    assert_eq!(seen.rows, ["list: its filter gives an object; name a field of it"]);
    assert_eq!(server.requests()[0].path, "/health?key=secret");
}

#[test]
fn headers_of_the_answer_are_metrics() {
    let answer =
        Answer::json("{}").header("X-RateLimit-Remaining", "4987").header("Age", " 0.5").header("X-Cache", "HIT").header("Odd", "NaN");
    let server = HttpStandIn::answering(answer);
    let metrics = [
        ("left", "header:x-ratelimit-remaining"),
        ("age", "header: Age"),
        ("cache", "header:X-Cache"),
        ("odd", "header:Odd"),
        ("none", "header:None"),
    ];
    let seen = Probing::open(&KIND, &[("url", text(server.url("/"))), ("metrics", table(&metrics))]).take("get", &[]).unwrap();
    for (name, value) in [
        ("left", Scalar::Int(4987)),
        ("age", Scalar::Float(0.5)),
        ("cache", Scalar::Text("HIT".into())),
        ("odd", Scalar::Text("NaN".into())),
    ] {
        assert_eq!(seen.values[name], value, "{name}");
    }
    assert!(!seen.values.contains_key("none"));
}

#[test]
fn a_bad_status_is_seen_and_not_a_failure() {
    let server = HttpStandIn::answering(Answer::status(503).body("<html>secret of the page</html>"));
    let given = [("url", text(server.url("/token"))), ("metrics", table(&[("ok_", ".ok")])), ("contains", texts(&["ready", "html"]))];
    let seen = Probing::open(&KIND, &given).take("get", &[]).unwrap();
    assert_eq!((&seen.values["status"], &seen.values["ok"]), (&Scalar::Int(503), &Scalar::Bool(false)));
    assert_eq!((&seen.values["words"], &seen.values["words_missing"]), (&Scalar::Int(1), &Scalar::Int(1)));
    assert!(!seen.values.contains_key("ok_"));
    let said = format!("{} {}", seen.note, seen.rows.join(" "));
    assert!(said.contains("HTTP 503: look at the service's log") && said.contains("\"ready\"") && said.contains("is not JSON"), "{said}");
    assert!(!said.contains("token") && !said.contains("secret"), "{said}");
}

#[test]
fn a_synthetic_request_is_signed_and_carries_its_headers() {
    let server = HttpStandIn::start(|request| match request.headers.get("x-signature") {
        Some(_) => Answer::json(r#"{"ok": true}"#),
        None => Answer::status(401),
    });
    let goal = r#"{"goal": "BOX(A -> A)"}"#;
    let request = [("url", text(server.url("/prove"))), ("body", text(goal)), ("metrics", table(&[("proved", ".ok")]))];
    let mut signed = request.to_vec();
    signed.push(("hmac", table(&[("secret", "hunter2")])));
    signed.push(("headers", table(&[("Authorization", "Bearer token\n"), ("Content-Type", "application/vnd.goal+json")])));
    assert_eq!(Probing::open(&KIND, &signed).take("get", &[]).unwrap().values["proved"], Scalar::Bool(true));

    let mut unsigned = request.to_vec();
    unsigned.push(("expect", text("401")));
    let seen = Probing::open(&KIND, &unsigned).take("get", &[]).unwrap();
    assert_eq!((&seen.values["ok"], &seen.values["status"]), (&Scalar::Bool(true), &Scalar::Int(401)));

    let asked = server.requests();
    let (first, second) = (&asked[0], &asked[1]);
    assert_eq!((first.method.as_str(), first.body.as_str()), ("POST", goal));
    assert_eq!(
        (first.headers["authorization"].as_str(), first.headers["content-type"].as_str()),
        ("Bearer token", "application/vnd.goal+json")
    );
    assert_eq!(second.headers["content-type"], "application/json");
    // What the service's own documentation has its clients do.
    let signed = format!("{}:{}:{goal}", first.headers["x-timestamp"], first.headers["x-nonce"]);
    assert_eq!(first.headers["x-signature"], sign::hex_of("hunter2", &signed));
}

#[test]
fn redirects_are_followed_only_when_asked_for() {
    let target = HttpStandIn::answering(Answer::json("{}"));
    let there = target.url("/secret");
    let server = HttpStandIn::start(move |_| Answer::status(302).header("Location", &there));
    let url = ("url", text(server.url("/")));
    let seen = Probing::open(&KIND, std::slice::from_ref(&url)).take("get", &[]).unwrap();
    assert_eq!(seen.values["status"], Scalar::Int(302));
    assert!(seen.rows.contains(&format!("it redirects to {}", target.url(""))), "{:?}", seen.rows);
    let mut following = Probing::open(&KIND, &[url.clone(), ("follow", Arg::Switch(true))]);
    assert_eq!(following.take("get", &[]).unwrap().values["status"], Scalar::Int(200));
    let headers = ("headers", table(&[("X-Api-Key", "hunter2")]));
    let mistake = refused(&[url, ("follow", Arg::Switch(true)), headers]);
    assert!(mistake.class == Class::Config && !mistake.for_people().contains("hunter2"), "{mistake}");
}

#[test]
fn a_hang_a_drip_and_an_absent_server_cost_the_deadline_and_no_more() {
    let hanging = HttpStandIn::answering(Answer::hang());
    let dripping = HttpStandIn::answering(Answer::json("x".repeat(100_000)).dripping(Duration::from_millis(10)));
    for (server, said) in [(&hanging, "no answer within"), (&dripping, "no answer within")] {
        let mut probe = Probing::open(&KIND, &[("url", text(server.url("/secret")))]);
        probe.limit = Duration::from_millis(300);
        let began = Instant::now();
        let failure = failure(probe.take("get", &[]).unwrap_err());
        assert!(failure.class == Class::Network && failure.message.contains(said), "{failure}");
        assert!(began.elapsed() < Duration::from_secs(10) && !failure.for_people().contains("secret"), "{failure}");
    }
    let absent = format!("http://127.0.0.1:{}/secret", ml_tests::closed_port());
    let failure = failure(Probing::open(&KIND, &[("url", text(absent))]).take("get", &[]).unwrap_err());
    assert!(failure.message.ends_with("connection refused") && failure.hint.is_some(), "{failure}");
}

#[test]
fn a_body_without_end_is_read_up_to_its_limit() {
    let server = HttpStandIn::answering(Answer::json("1".repeat(5 << 20)).chunked());
    let seen = Probing::open(&KIND, &[("url", text(server.url("/")))]).take("get", &[]).unwrap();
    assert_eq!(seen.values["bytes"], Scalar::Int(4 << 20));
}

#[test]
fn the_certificate_is_told_and_a_private_authority_can_be_trusted() {
    let pki = Pki::new();
    let server = HttpStandIn::secure(&pki.issue(&["127.0.0.1"], 20), |_| Answer::json("{}"));
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(ca.path(), pki.pem()).unwrap();
    let url = ("url", text(server.url("/secret")));
    let mut probe = Probing::open(&KIND, &[url.clone(), ("ca", text(ca.path().to_str().unwrap()))]);
    let Scalar::Float(days) = probe.take("get", &[]).unwrap().values["certificate_days"] else { panic!() };
    assert!((19.9..20.1).contains(&days), "{days}");
    let failure = failure(Probing::open(&KIND, &[url]).take("get", &[]).unwrap_err());
    assert!(failure.message.contains("TLS: ") && !failure.for_people().contains("secret"), "{failure}");
}

/// Answers so many requests on each connection, closes it without a word and says that it has.
fn keeping_alive(answers: usize, connections: usize) -> (String, std::sync::mpsc::Receiver<()>) {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (closed, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..answers {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
            }
            drop(stream);
            closed.send(()).unwrap();
        }
    });
    (url, told)
}

#[test]
fn a_connection_is_used_again_and_one_that_the_server_closed_is_not() {
    let (url, closed) = keeping_alive(3, 2);
    let mut probe = Probing::open(&KIND, &[("url", text(url))]);
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(probe.take("get", &[]).unwrap().values["status"], Scalar::Int(200));
        }
        closed.recv().unwrap();
    }
}

#[test]
fn mistakes_of_the_profile_are_found_before_anything_is_asked() {
    let url = ("url", text("http://user:hunter2@localhost/hunter2"));
    for given in [
        vec![("url", text("localhost/hunter2"))],
        vec![url.clone(), ("metrics", table(&[("a", ".a |")]))],
        vec![url.clone(), ("expect", text("fine"))],
        vec![url.clone(), ("hmac", table(&[("key", "hunter2")]))],
        vec![url.clone(), ("body", text("{}")), ("body_file", text("/goal.json"))],
        vec![url.clone(), ("body", text("{}")), ("method", text("GET"))],
        vec![url.clone(), ("ca", text("/nowhere/ca.pem"))],
    ] {
        let mistake = refused(&given);
        assert!(mistake.class == Class::Config && mistake.hint.is_some(), "{mistake}");
        assert!(!mistake.for_people().contains("hunter2"), "{mistake}");
    }
    let header = [url, ("headers", table(&[("X-Key", "hunter2\u{7}")]))];
    let wrong = failure(Probing::open(&KIND, &header).take("get", &[]).unwrap_err());
    assert!(wrong.class == Class::Config && !wrong.for_people().contains("hunter2"), "{wrong}");
}
