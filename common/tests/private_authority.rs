//! HTTPS and rediss:// to a server whose authority only SSL_CERT_FILE knows. The variable belongs to the process, so the asking is done
//! by this test program started again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use ml_common::{http, redis};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;

/// A TLS server that speaks enough of HTTP and of Redis; its port and its authority's certificate.
fn server() -> (u16, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".into()]).unwrap().signed_by(&key, &root).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key).unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            std::thread::spawn(move || answer(StreamOwned::new(ServerConnection::new(config).unwrap(), socket)));
        }
    });
    (port, root.pem())
}

fn answer(mut stream: impl Read + Write) {
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        let text = String::from_utf8_lossy(&buffer[..read]);
        let reply = if text.starts_with("GET") {
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsafe".to_owned()
        } else {
            "+OK\r\n".repeat(text.lines().filter(|line| line.starts_with('*')).count())
        };
        let _ = stream.write_all(reply.as_bytes()).and_then(|()| stream.flush());
    }
}

#[test]
#[ignore = "run by the other test, in an environment of its own"]
fn ask() {
    let port = std::env::var("ML_TEST_TLS_PORT").unwrap();
    let answer = http::Client::new(http::Options { attempts: 1, ..http::Options::default() }, &|_| None)
        .get(&format!("https://localhost:{port}/"), &[]);
    let ping = redis::Target::parse(&format!("rediss://localhost:{port}")).unwrap().connect().and_then(|mut session| session.ping());
    println!("https: {:?}", answer.map(|answer| answer.text()).map_err(|failure| failure.for_people()));
    println!("rediss: {:?}", ping.map_err(|failure| failure.for_people()));
}

#[test]
fn only_a_known_authority_is_trusted() {
    let (port, root) = server();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("root.crt");
    std::fs::write(&file, root).unwrap();
    let (_, stranger) = server();
    let other = folder.path().join("other.crt");
    std::fs::write(&other, stranger).unwrap();
    let ask = |roots| {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "ask", "--nocapture"]).env("ML_TEST_TLS_PORT", port.to_string());
        let output = child.env("SSL_CERT_FILE", roots).env_remove("SSL_CERT_DIR").output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let known = ask(&file);
    assert!(known.contains("https: Ok(\"safe\")") && known.contains("rediss: Ok(())"), "{known}");
    let unknown = ask(&other);
    assert!(unknown.contains("https: Err(\"GET https://localhost:") && unknown.contains("TLS: "), "{unknown}");
    assert_eq!(unknown.matches("SSL_CERT_FILE").count(), 2, "both say what to do: {unknown}");
}
