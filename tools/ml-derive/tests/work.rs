//! Workers that share a store, with leases in Redis and without: what they make is what one machine makes, whatever becomes of them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "test code")]

mod support;

use ml_tests::{RedisServer, Running, Tool};
use std::path::Path;
use std::time::{Duration, Instant};
use support::parts::{assert_same, command, done, names, store};
use support::store::files;

/// A worker that goes on to length 21, with leases there if anywhere.
fn worker(store: &Path, redis: Option<&RedisServer>) -> Tool {
    let tool = command("work", store, &["--max-length", "21", "--parts", "5", "--lease", "1s"]);
    match redis {
        Some(redis) => tool.env("REDIS_URL", redis.url()),
        None => tool,
    }
}

/// Keys and holders of all leases.
fn leases(redis: &RedisServer) -> Vec<(String, String)> {
    let mut connection = redis.connection();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let holder = |key: String| Some((key.clone(), redis::cmd("GET").arg(&key).query::<Option<String>>(&mut connection).unwrap()?));
    keys.into_iter().filter_map(holder).collect()
}

/// Waits until a worker has a lease.
fn until_it_holds(redis: &RedisServer, worker: &mut Running) {
    let (pid, deadline) = (format!(":{}:", worker.pid()), Instant::now() + Duration::from_secs(60));
    while !leases(redis).iter().any(|(_, holder)| holder.contains(&pid)) {
        assert!(worker.is_running() && Instant::now() < deadline, "it never took a lease");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn workers_take_over_from_one_that_died() {
    let (_folder, shared) = store("frege", 15);
    let (_other, single) = store("frege", 21);
    let redis = RedisServer::start();
    let mut dying = worker(&shared, Some(&redis)).spawn();
    until_it_holds(&redis, &mut dying);
    dying.signal(9);
    assert_eq!(dying.wait().code, 137);
    assert!(leases(&redis).iter().all(|(key, _)| key.starts_with("ml:shard:")) && !leases(&redis).is_empty());
    let others: Vec<Running> = (0..2).map(|_| worker(&shared, Some(&redis)).spawn()).collect();
    let pids: Vec<String> = others.iter().map(|other| format!(":{}:", other.pid())).collect();
    let outputs: Vec<_> = others.into_iter().map(|other| other.wait().expect_code(0)).collect();
    assert_same(&shared, &single);
    // That of the dead one may not have run out yet, when nobody needed it.
    let left = leases(&redis);
    assert!(left.iter().all(|(_, holder)| !pids.iter().any(|pid| holder.contains(pid))), "all are given back: {left:?}");
    // Each step of a length was done by somebody, the merges by one.
    let steps = |id: &str| outputs.iter().flat_map(|output| output.kind("step")).filter(|step| step["id"] == id).count();
    for id in ["candidates-21", "length-19", "length-21"] {
        assert_eq!(steps(id), 1, "{id}");
    }
    for part in 1..=5 {
        assert!(steps(&format!("candidates-21-{part}-of-5")) >= 1 && steps(&format!("instances-21-{part}-of-5")) >= 1);
    }
    for output in outputs {
        assert!(!output.stdout.contains(redis.password()) && !output.stderr.contains(redis.password()));
    }
}

#[test]
fn a_worker_that_has_lost_its_lease_does_no_harm() {
    let (_folder, shared) = store("frege", 19);
    let (_other, single) = store("frege", 21);
    let redis = RedisServer::start();
    let mut stopped = worker(&shared, Some(&redis)).spawn();
    // Not while it merges: then the others wait for it.
    loop {
        until_it_holds(&redis, &mut stopped);
        stopped.signal(19);
        let (pid, held) = (format!(":{}:", stopped.pid()), leases(&redis));
        if held.iter().any(|(key, holder)| holder.contains(&pid) && !key.contains("merge")) {
            break;
        }
        stopped.signal(18);
    }
    worker(&shared, Some(&redis)).run().expect_code(0);
    assert_same(&shared, &single);
    stopped.signal(18);
    stopped.wait().expect_code(0);
    assert_same(&shared, &single);
}

#[test]
fn without_redis_locks_on_files_are_leases() {
    let (_folder, shared) = store("frege", 15);
    let (_other, single) = store("frege", 21);
    let mut dying = worker(&shared, None).spawn();
    dying.wait_for_stdout("\"kind\":\"step\"");
    dying.signal(9);
    dying.wait();
    let others: Vec<Running> = (0..3).map(|_| worker(&shared, None).spawn()).collect();
    for other in others {
        other.wait().expect_code(0);
    }
    assert_same(&shared, &single);
    // Once more is no work.
    let before = files(&shared);
    let output = worker(&shared, None).run().expect_code(0);
    assert_eq!((output.kind("step").count(), output.end()["metrics"]["steps"].as_i64()), (0, Some(0)));
    assert_eq!(files(&shared), before);
}

#[test]
fn workers_repair_what_is_damaged() {
    let (_folder, shared) = store("frege", 15);
    let (_other, single) = store("frege", 21);
    done("shard candidates", &shared, &["--part", "2/5"]);
    let part = shared.join("length-17.progress/candidates-2-of-5");
    let mut bytes = std::fs::read(&part).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&part, bytes).unwrap();
    worker(&shared, None).run().expect_code(0);
    assert_same(&shared, &single);
}

#[test]
fn workers_and_parts_of_a_scheduler_work_together() {
    let (_folder, shared) = store("s5", 4);
    let (_other, single) = store("s5", 7);
    for part in ["1/2", "2/2"] {
        done("shard candidates", &shared, &["--part", part]);
    }
    done("merge candidates", &shared, &[]);
    done("shard instances", &shared, &["--part", "2/3"]);
    let output = done("work", &shared, &["--max-length", "7", "--parts", "2"]);
    assert_eq!(output.end()["metrics"]["lengths"], 3);
    assert_same(&shared, &single);
}

#[test]
fn a_redis_that_is_down_is_said() {
    let (_folder, shared) = store("frege", 3);
    let url = format!("redis://:secret@127.0.0.1:{}/0", ml_tests::closed_port());
    let before = files(&shared);
    let output = worker(&shared, None).env("REDIS_URL", &url).run().expect_code(3);
    assert!(output.end()["hint"].is_string() && !output.stdout.contains("secret") && !output.stderr.contains("secret"));
    worker(&shared, None).env("REDIS_URL", "nonsense").run().expect_code(78);
    assert_eq!(files(&shared), before);
    // One that goes away takes no work with it.
    let redis = RedisServer::start();
    let mut running = worker(&shared, Some(&redis)).spawn();
    running.wait_for_stdout("candidates-13");
    drop(redis);
    let output = running.wait();
    assert!(output.code == 3 || output.code == 0, "{}", output.stdout);
    worker(&shared, None).run().expect_code(0);
    let (_other, single) = store("frege", 21);
    assert_same(&shared, &single);
}

#[test]
fn ctrl_c_gives_the_lease_back() {
    let (_folder, shared) = store("frege", 21);
    let redis = RedisServer::start();
    let mut running = command("work", &shared, &["--max-length", "99", "--parts", "1"]).env("REDIS_URL", redis.url()).spawn();
    until_it_holds(&redis, &mut running);
    running.signal(2);
    let output = running.wait().expect_code(130);
    assert_eq!(output.end()["error_class"], "interrupted");
    assert_eq!(leases(&redis), Vec::new());
    let progress = names(&shared.join("length-23.progress"));
    assert!(progress.iter().all(|name| !name.ends_with(".partial")), "{progress:?}");
}
