//! URLs, and the client against stand-ins that answer wrongly or not at all. The real server is in `tests/redis_session.rs`.

use super::*;
use std::io::{Read, Write};
use std::net::TcpListener;

/// Answers every command with `answer`.
fn stand_in(userinfo: &str, answer: &'static str) -> Target {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{userinfo}{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            let commands = buffer[..read].split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"*")).count();
            stream.write_all(answer.repeat(commands).as_bytes()).unwrap();
        }
    });
    let limit = Duration::from_millis(300);
    Target { connect_timeout: limit, response_timeout: limit, ..Target::parse(&url).unwrap() }
}

#[test]
fn urls_are_read_and_described_without_secrets() {
    for (url, shown) in [
        ("redis://localhost", "localhost:6379/0"),
        ("redis://:p%40ss@cache:6380/2", "cache:6380/2"),
        ("rediss://user:hunter2@cache", "cache:6379/0"),
        ("redis://[::1]:6379/1", "[::1]:6379/1"),
    ] {
        let target = Target::parse(url).unwrap();
        assert_eq!(target.describe(), shown);
        assert!(!format!("{target:?}").contains("hunter2"));
    }
    let target = Target::parse("redis://us%65r:p%40ss@cache").unwrap();
    assert_eq!(target.info.redis_settings().username(), Some("user"));
    assert_eq!(target.info.redis_settings().password(), Some("p@ss"));
    for url in ["", "cache:6379", "http://:hunter2@cache", "redis://:hunter2@cache/first", "redis://"] {
        let failure = Target::parse(url).unwrap_err();
        assert!(failure.class == Class::Config && !failure.for_people().contains("hunter2"), "{url}: {failure:?}");
    }
}

#[test]
fn a_silent_listener_meets_the_deadline() {
    let failure = stand_in(":hunter2@", "").connect().map(|_| ()).unwrap_err();
    assert_eq!(failure.class, Class::Network);
    assert!(failure.message.contains("does not answer within 0.3 s"), "{failure}");
}

#[test]
fn refusals_have_a_class_and_a_remedy_and_no_secret() {
    for (userinfo, answer, hint) in [
        (":hunter2@", "-WRONGPASS invalid username-password pair\r\n", "correct user and password"),
        ("", "-LOADING Redis is loading the dataset in memory\r\n", "wait and try again"),
        (":hunter2@", "HTTP/1.1 400 Bad Request\r\n\r\n", ""),
    ] {
        let failure = stand_in(userinfo, answer).connect().and_then(|mut session| session.ping()).unwrap_err();
        assert_eq!(failure.class, Class::Network, "{answer}");
        assert!(failure.hint.clone().unwrap_or_default().contains(hint), "{answer}: {failure:?}");
        assert!(!failure.for_people().contains("hunter2"), "{failure:?}");
    }
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let failure = Target::parse(&format!("redis://127.0.0.1:{port}")).unwrap().connect().map(|_| ()).unwrap_err();
    assert_eq!(failure.message, format!("redis at 127.0.0.1:{port} refuses the connection"));
}

#[test]
fn memory_fields_are_found() {
    let text = "# Memory\r\nused_memory:1024\r\nused_memory_rss:4096\r\nmaxmemory:0\r\nmaxmemory_policy:noeviction\r\nmem_fragmentation_ratio:4.00\r\n";
    let found = memory(&fields(text));
    assert_eq!(found.used, 1024);
    assert_eq!((found.rss, found.peak, found.max), (Some(4096), None, None));
    assert_eq!((found.policy.as_deref(), found.fragmentation), (Some("noeviction"), Some(4.0)));
}
