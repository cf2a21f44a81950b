//! The views against a real server.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, text};
use super::KIND;
use crate::kind::{Arg, Sample, Unseen};
use ml_common::record::Scalar;
use ml_common::settings::Settings;
use ml_tests::RedisServer;
use std::collections::BTreeSet;
use std::time::Duration;

fn probing(server: &RedisServer) -> Probing {
    Probing::open(&KIND, &[("url", text(server.url()))])
}

fn run(connection: &mut redis::Connection, words: &[&str]) -> redis::Value {
    let mut command = redis::cmd(words[0]);
    for word in &words[1..] {
        command.arg(*word);
    }
    command.query(connection).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

#[track_caller]
fn seen(probing: &mut Probing, view: &str, args: &[(&'static str, Arg)]) -> Sample {
    probing.take(view, args).unwrap_or_else(|unseen| panic!("{view}: {unseen:?}"))
}

#[track_caller]
fn number(sample: &Sample, name: &str) -> f64 {
    match sample.values.get(name) {
        Some(Scalar::Int(int)) => *int as f64,
        Some(Scalar::Float(float)) => *float,
        other => panic!("{name} is {other:?} in {sample:?}"),
    }
}

#[track_caller]
fn until(probing: &mut Probing, view: &str, so: impl Fn(&Sample) -> bool) -> Sample {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    loop {
        let sample = seen(probing, view, &[]);
        if so(&sample) {
            return sample;
        }
        assert!(std::time::Instant::now() < deadline, "{sample:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn every_view_keeps_its_word() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    run(&mut connection, &["RPUSH", "ml:jobs", "x"]);
    run(&mut connection, &["GET", "nothing"]);
    let mut probing = probing(&server);
    for view in KIND.views {
        let sample = seen(&mut probing, view.name, &[]);
        let given: BTreeSet<&str> = sample.values.keys().map(String::as_str).collect();
        let named: BTreeSet<&str> = view.metrics.iter().map(|metric| metric.name).collect();
        let missing: Vec<&&str> = named.difference(&given).filter(|name| **name != "age").collect();
        assert!(given.is_subset(&named) && missing.is_empty() && !sample.note.is_empty(), "{}: {given:?}, {named:?}", view.name);
    }
}

#[test]
fn memory_evictions_and_refusals_are_counted() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let mut probing = probing(&server);
    let free = seen(&mut probing, "memory", &[]);
    assert!(number(&free, "limit") == 0.0 && number(&free, "percent") < 50.0 && free.values["policy"] == "noeviction".into(), "{free:?}");
    run(&mut connection, &["CONFIG", "SET", "maxmemory", "1"]);
    redis::cmd("SET").arg("k").arg("v").query::<()>(&mut connection).unwrap_err();
    let full = seen(&mut probing, "memory", &[]);
    assert!(number(&full, "percent") > 100.0 && number(&full, "limit") == 1.0, "{full:?}");
    assert_eq!(number(&seen(&mut probing, "evictions", &[]), "refused"), 1.0);
    run(&mut connection, &["CONFIG", "SET", "maxmemory", "0"]);
    run(&mut connection, &["SET", "k", "v"]);
    run(&mut connection, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    run(&mut connection, &["CONFIG", "SET", "maxmemory", "1"]);
    redis::cmd("SET").arg("k2").arg("v").query::<()>(&mut connection).unwrap_err();
    assert_eq!(number(&until(&mut probing, "evictions", |sample| number(sample, "evicted") > 0.0), "evicted"), 1.0);
}

#[test]
fn hits_misses_and_clients_are_counted() {
    let server = RedisServer::start();
    let mut probing = probing(&server);
    assert!(!seen(&mut probing, "hits", &[]).values.contains_key("hit_rate"), "nothing was asked for");
    let mut connection = server.connection();
    run(&mut connection, &["SET", "k", "v"]);
    for key in ["k", "k", "k", "none"] {
        run(&mut connection, &["GET", key]);
    }
    let hits = seen(&mut probing, "hits", &[]);
    assert_eq!((number(&hits, "hit_rate"), number(&hits, "hits"), number(&hits, "misses")), (75.0, 3.0, 1.0));
    let waiting = std::thread::spawn(move || redis::cmd("BLPOP").arg("queue").arg(0).query::<(String, String)>(&mut connection));
    let clients = until(&mut probing, "clients", |sample| number(sample, "blocked") == 1.0);
    assert!(number(&clients, "connected") >= 2.0 && number(&clients, "percent") < 100.0 && number(&clients, "limit") > 0.0, "{clients:?}");
    run(&mut server.connection(), &["RPUSH", "queue", "go"]);
    waiting.join().unwrap().unwrap();
}

#[test]
fn a_snapshot_that_fails_is_told() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let mut probing = probing(&server);
    run(&mut connection, &["SET", "k", "v"]);
    let unsaved = seen(&mut probing, "persistence", &[]);
    assert_eq!((unsaved.values["failing"].clone(), number(&unsaved, "changes")), (false.into(), 1.0));
    // The snapshot cannot take its place.
    std::fs::create_dir(server.dir().join("dump.rdb")).unwrap();
    run(&mut connection, &["BGSAVE"]);
    let failing = until(&mut probing, "persistence", |sample| sample.values["failing"] == true.into());
    assert_eq!(failing.rows, ["the last snapshot failed"]);
    std::fs::remove_dir(server.dir().join("dump.rdb")).unwrap();
    run(&mut connection, &["SAVE"]);
    let saved = seen(&mut probing, "persistence", &[]);
    assert_eq!((saved.values["failing"].clone(), number(&saved, "changes")), (false.into(), 0.0), "{saved:?}");
}

#[test]
fn a_replica_and_its_primary_know_of_each_other() {
    let (primary, replica) = (RedisServer::start(), RedisServer::start());
    let mut connection = replica.connection();
    run(&mut connection, &["CONFIG", "SET", "masterauth", primary.password()]);
    run(&mut connection, &["REPLICAOF", "127.0.0.1", &primary.port().to_string()]);
    let (mut of_primary, mut of_replica) = (probing(&primary), probing(&replica));
    until(&mut of_replica, "replication", |sample| sample.values["link_down"] == false.into());
    let seen_by_primary = until(&mut of_primary, "replication", |sample| sample.rows.iter().any(|row| row.contains("online")));
    assert_eq!((number(&seen_by_primary, "replicas"), seen_by_primary.values["role"].clone()), (1.0, "master".into()));
    drop(primary);
    let down = until(&mut of_replica, "replication", |sample| sample.values["link_down"] == true.into());
    assert_eq!(down.values["role"], "slave".into());
}

#[test]
fn queues_of_every_kind_have_a_length_and_a_key_that_is_none_is_a_mistake() {
    let server = RedisServer::start();
    let mut connection = server.connection();
    let settings = Settings::load(None, &["QUEUE_KEY=jobs".to_owned()], &|name| (name == "REDIS_URL").then(|| server.url())).unwrap();
    let mut probing = Probing::open_with(&KIND, &[], &settings);
    let mut queue = |key: Option<&str>, field: Option<&str>| {
        let args = [("key", key), ("field", field)];
        probing.take("queue", &args.into_iter().filter_map(|(name, value)| Some((name, text(value?)))).collect::<Vec<_>>())
    };
    let empty = queue(None, Some("at")).unwrap();
    assert_eq!((number(&empty, "length"), number(&empty, "age"), empty.values["type"].clone()), (0.0, 0.0, "none".into()));
    let hour_ago = jiff::Timestamp::now().as_second() - 3600;
    for entry in [format!("{{\"at\":{hour_ago}}}"), "{\"secret\":\"payload\"}".into(), "{}".into()] {
        run(&mut connection, &["RPUSH", "jobs", &entry]);
    }
    let jobs = queue(None, Some("at")).unwrap();
    assert!(number(&jobs, "length") == 3.0 && (3600.0..3700.0).contains(&number(&jobs, "age")), "{jobs:?}");
    assert!(!format!("{jobs:?}").contains("payload") && !queue(None, None).unwrap().values.contains_key("age"));
    run(&mut connection, &["XADD", "stream", &format!("{}-1", (hour_ago + 3000) * 1000), "a", "b"]);
    run(&mut connection, &["ZADD", "sorted", "1", "a"]);
    run(&mut connection, &["SADD", "set", "a", "b"]);
    let stream = queue(Some("stream"), None).unwrap();
    assert!(number(&stream, "length") == 1.0 && (600.0..700.0).contains(&number(&stream, "age")), "{stream:?}");
    assert_eq!(number(&queue(Some("sorted"), None).unwrap(), "length"), 1.0);
    assert_eq!(number(&queue(Some("set"), None).unwrap(), "length"), 2.0);
    run(&mut connection, &["SET", "word", "x"]);
    let wrong = queue(Some("word"), None).unwrap_err();
    assert!(matches!(&wrong, Unseen::Failed(failure) if failure.message == "the key word holds a string, which is no queue"), "{wrong:?}");
}

#[test]
fn what_the_user_may_not_do_is_a_privilege() {
    let server = RedisServer::start();
    run(&mut server.connection(), &["ACL", "SETUSER", "watcher", "on", ">pw", "+ping", "+type", "+client", "~other:*"]);
    let url = format!("redis://watcher:pw@127.0.0.1:{}/0", server.port());
    let mut probing = Probing::open(&KIND, &[("url", text(url))]);
    assert!(number(&seen(&mut probing, "ping", &[]), "ms") > 0.0);
    for view in ["memory", "replication", "queue"] {
        let unseen = probing.take(view, &[]).unwrap_err();
        assert!(matches!(&unseen, Unseen::Privilege { hint, .. } if hint.contains("ACL SETUSER")), "{view}: {unseen:?}");
    }
    assert_eq!(seen(&mut probing, "ping", &[]).values["opened"], false.into(), "what is denied ends no connection");
}

#[test]
fn a_connection_that_was_ended_is_opened_again_and_a_silent_server_is_asked_once_a_tick() {
    let server = RedisServer::start();
    let mut probing = probing(&server);
    assert_eq!(seen(&mut probing, "ping", &[]).values["opened"], true.into());
    assert_eq!(seen(&mut probing, "ping", &[]).values["opened"], false.into());
    run(&mut server.connection(), &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    assert_eq!(seen(&mut probing, "ping", &[]).values["opened"], true.into());
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let mut of_silent = Probing::open(&KIND, &[("url", text(format!("redis://{}", silent.local_addr().unwrap())))]);
    of_silent.limit = Duration::from_millis(200);
    let first = format!("{:?}", of_silent.take("ping", &[]).unwrap_err());
    assert!(first.contains("does not answer within"), "{first}");
    assert_eq!(format!("{:?}", of_silent.take_in_tick("memory", &[]).unwrap_err()), first);
}

#[test]
fn without_a_url_there_is_no_probe() {
    let settings = Settings::default();
    let opening = crate::kind::Opening { settings: &settings, system: "test", application: "t", root: std::path::Path::new("/") };
    let Err(failure) = (KIND.open)(&crate::kind::Args::default(), &opening) else { panic!("it opened") };
    assert!(failure.class == ml_common::Class::Config && failure.hint.is_some());
}
