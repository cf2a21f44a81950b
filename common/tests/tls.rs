//! Certificates: refused by the HTTP client, told of by the look.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use jiff::Timestamp;
use ml_common::Class;
use ml_common::http::{Client, Options};
use ml_common::tls::{Authorities, Looked, look};
use ml_tests::{HttpStandIn, Issued, Pki, Response};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// The authorities in a file of these certificates.
fn trusting(pem: &str) -> Authorities {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    Authorities::file(file.path()).unwrap()
}

fn serving(certificate: &Issued) -> HttpStandIn {
    HttpStandIn::secure(certificate, |_| Response::json("{}"))
}

fn client(authorities: Authorities) -> Client {
    Client::trusting(Options { attempts: 1, ..Options::default() }, &|_| None, Some(authorities))
}

fn looked(server: &HttpStandIn, authorities: Authorities) -> Looked {
    look("127.0.0.1", server.port(), "127.0.0.1", authorities, Instant::now() + Duration::from_secs(20)).unwrap()
}

#[test]
fn a_certificate_of_a_trusted_authority_is_accepted_and_told() {
    let pki = Pki::new();
    let server = serving(&pki.issue(&["127.0.0.1"], 30));
    let client = client(trusting(pki.pem()));
    assert_eq!(client.certificate(), None);
    assert_eq!(client.get(&server.url("/"), &[]).unwrap().status, 200);
    let days = client.certificate().unwrap().days_left(Timestamp::now());
    assert!((29.9..30.1).contains(&days), "{days}");

    let seen = looked(&server, trusting(pki.pem()));
    assert_eq!((seen.distrusted, seen.for_name, seen.protocol.as_str()), (None, true, "TLSv1.3"));
    assert_eq!(seen.chain[0].subject, "CN=127.0.0.1");
    assert!(seen.chain[0].issuer.starts_with("CN=Test Authority") && !seen.chain[0].self_signed);
}

#[test]
fn what_cannot_be_trusted_is_refused_by_the_client_and_still_looked_at() {
    let (pki, other) = (Pki::new(), Pki::new());
    for (certificate, authorities, problem, for_name) in [
        (pki.issue(&["127.0.0.1"], -3), pki.pem(), Some("expired"), true),
        (pki.issue(&["127.0.0.1"], 30), other.pem(), Some("not signed by a trusted authority"), true),
        (pki.issue(&["elsewhere.example"], 30), pki.pem(), None, false),
        (Issued::self_signed(&["127.0.0.1"], 30), pki.pem(), Some("signed by itself alone"), true),
    ] {
        let server = serving(&certificate);
        let failure = client(trusting(authorities)).get(&server.url("/secret"), &[]).unwrap_err();
        assert!(failure.class == Class::Network && failure.message.contains("TLS: "), "{failure}");
        assert!(!failure.for_people().contains("secret"), "{failure}");
        let seen = looked(&server, trusting(authorities));
        assert_eq!(seen.distrusted.as_deref(), problem);
        assert_eq!((seen.for_name, seen.chain.len()), (for_name, 1));
    }
}

#[test]
fn a_listed_certificate_is_its_own_authority() {
    let certificate = Issued::self_signed(&["127.0.0.1"], 30);
    let server = serving(&certificate);
    assert_eq!(client(trusting(&certificate.pem)).get(&server.url("/"), &[]).unwrap().status, 200);
    let seen = looked(&server, trusting(&certificate.pem));
    assert!(seen.distrusted.is_none() && seen.chain[0].self_signed);
    let elsewhere = Issued::self_signed(&["elsewhere.example"], 30);
    let server = serving(&elsewhere);
    let failure = client(trusting(&elsewhere.pem)).get(&server.url("/"), &[]).unwrap_err();
    assert!(failure.message.contains("not valid for name"), "{failure}");
}

#[test]
fn a_port_without_tls_is_told_and_a_silent_one_meets_the_deadline() {
    let plain = HttpStandIn::answering(Response::status(200));
    let until = || Instant::now() + Duration::from_millis(300);
    let spoken = look("127.0.0.1", plain.port(), "127.0.0.1", Authorities::system(), until()).unwrap_err();
    assert!(spoken.class == Class::Network && spoken.hint.unwrap().contains("speaks TLS"), "{}", spoken.message);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let waited = look("127.0.0.1", silent.local_addr().unwrap().port(), "127.0.0.1", Authorities::system(), until()).unwrap_err();
    assert!(waited.message.contains("no answer in time"), "{}", waited.message);
    let refused = look("127.0.0.1", ml_tests::closed_port(), "127.0.0.1", Authorities::system(), until()).unwrap_err();
    assert!(refused.message.contains("connection refused"), "{}", refused.message);
}

#[test]
fn a_file_without_certificates_is_a_mistake() {
    let failure = Authorities::file(std::path::Path::new("/nowhere/ca.pem")).unwrap_err();
    assert!(failure.class == Class::Config && failure.message.contains("/nowhere/ca.pem"), "{failure}");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert_eq!(Authorities::file(file.path()).unwrap_err().class, Class::Config);
}

#[test]
fn a_body_that_drips_costs_its_deadline_and_no_more() {
    let server = HttpStandIn::answering(Response::json("x".repeat(10_000)).dripping(Duration::from_millis(20)));
    let limited = Client::new(Options { attempts: 1, ..Options::default() }, &|_| None).within(Duration::from_millis(400));
    let began = Instant::now();
    let failure = limited.get(&server.url("/"), &[]).unwrap_err();
    assert_eq!(failure.message, format!("GET {}: no answer within 0.4 s", server.url("")));
    assert!(began.elapsed() < Duration::from_secs(20), "it took {:?}", began.elapsed());
}

#[test]
fn a_body_in_chunks_comes_whole() {
    let server = HttpStandIn::answering(Response::json(format!("\"{}\"", "x".repeat(5000))).chunked());
    let answer = Client::new(Options::default(), &|_| None).get(&server.url("/"), &[]).unwrap();
    assert_eq!(answer.json().unwrap().as_str().unwrap().len(), 5000);
}
