//! Each thing down, silent or refusing: its check is critical, what rests on it is skipped, all else is looked at as ever.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_tests::{Cluster, HttpStandIn, RedisServer, Response};
use std::time::Duration;
use support::{Silent, World, bad, failed_gates, nobody, not_ok, status};

const SHORT: &str = "700";

#[test]
fn postgres_down_is_a_critical_gate_and_the_rest_is_looked_at() {
    let world = World::new("pg_down");
    let password = world.db.password().to_owned();
    let world = world.with("DATABASE_URL", format!("postgresql://ml:{password}@{}/x", nobody()));
    let output = world.run(5);
    assert_eq!(bad(&output), ["postgres.connect crit"]);
    assert_eq!(failed_gates(&output), ["postgres.connect"]);
    let connect = output.record("check", "postgres.connect");
    assert_eq!(connect["error_class"], "database");
    for check in output.kind("check").filter(|check| status(check) == "skipped") {
        assert_eq!(check["blocked_by"], "postgres.connect", "{check}");
    }
    assert_eq!(status(output.end()), "crit");
    assert_eq!(status(output.record("check", "redis.queue")), "ok");
    assert_eq!(status(output.record("check", "disk.backups")), "ok");
}

#[test]
fn a_postgres_that_is_silent_is_critical_in_time() {
    let silent = Silent::start();
    let world = World::new("pg_silent").with("CHECK_DEADLINE_MS", SHORT);
    let world = world.with("DATABASE_URL", format!("postgresql://ml:x@127.0.0.1:{}/x", silent.port()));
    let output = world.run(5);
    assert_eq!(bad(&output), ["postgres.connect crit"]);
    assert_eq!(output.record("check", "postgres.connect")["error_class"], "timeout");
}

#[test]
fn a_session_that_is_lost_in_the_middle_is_told() {
    let world = World::new("lost").with("LOCK_TIMEOUT_MS", "60000").with("CHECK_DEADLINE_MS", "60000");
    let mut holder = world.db.superuser();
    holder.batch_execute("BEGIN; LOCK TABLE proofs IN ACCESS EXCLUSIVE MODE").unwrap();
    let running = world.tool().args(["--only", "ledger"]).spawn();
    let end =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while holder.query_one(end, &[]).unwrap().get::<_, i64>(0) == 0 {
        std::thread::sleep(Duration::from_millis(20));
        holder.batch_execute("SELECT pg_stat_clear_snapshot()").unwrap();
    }
    let output = running.wait().expect_code(5);
    // The chain is a gate: it could not be read, and for no lack of time.
    assert_eq!(bad(&output), ["ledger.statements unknown", "ledger.chain crit"]);
    assert_eq!(failed_gates(&output), ["ledger.chain"]);
    world.holds(&output);
}

#[test]
fn a_wrong_password_and_a_missing_database_say_so() {
    let world = World::new("refused");
    let wrong = world.db.url_as("ml", "not-the-password");
    let missing = world.db.url().replace(world.db.name(), "no_such_database");
    for (url, sqlstate) in [(wrong, "28P01"), (missing, "3D000")] {
        let world = World { env: vec![("DATABASE_URL", url)], ..World::around(Cluster::shared().database("refused")) };
        let output = world.run(5);
        let connect = output.record("check", "postgres.connect");
        assert!(connect["summary"].as_str().unwrap().contains(sqlstate), "{connect}");
        assert_eq!(failed_gates(&output), ["postgres.connect"]);
        assert!(!output.stdout.contains("not-the-password"));
    }
}

#[test]
fn redis_down_or_silent_is_critical_and_no_gate() {
    let silent = Silent::start();
    let silent = format!("redis://:secret-of-redis@127.0.0.1:{}/0", silent.port());
    for (url, class) in [(format!("redis://:secret-of-redis@{}/0", nobody()), "network"), (silent, "timeout")] {
        let world = World::new("redis_down").with("REDIS_URL", url).with("CHECK_DEADLINE_MS", "5000");
        let output = world.run(5);
        assert_eq!(not_ok(&output), ["redis.ping crit", "redis.memory skipped", "redis.queue skipped"]);
        assert_eq!(output.record("check", "redis.ping")["error_class"], class);
        assert!(failed_gates(&output).is_empty() && !output.stdout.contains("secret-of-redis"));
    }
}

#[test]
fn a_redis_that_wants_another_password_is_critical() {
    let server = RedisServer::start();
    let world = World::new("redis_auth").with("REDIS_URL", format!("redis://:not-the-password@127.0.0.1:{}/0", server.port()));
    let output = world.run(5);
    assert_eq!(bad(&output), ["redis.ping crit"]);
    assert!(output.record("check", "redis.ping")["hint"].as_str().unwrap().contains("REDIS_URL"));
    assert!(!output.stdout.contains("not-the-password"));
}

#[test]
fn an_api_that_is_down_silent_or_wrong_is_critical_and_no_gate() {
    let world = World::new("api_down");
    let answers = [
        (HttpStandIn::answering(Response::hang()), "timeout"),
        (HttpStandIn::answering(Response::status(500)), "network"),
        (HttpStandIn::answering(Response::json("<html>")), "network"),
    ];
    let urls = answers.iter().map(|(api, class)| (api.url("/"), *class)).chain([(format!("http://{}/", nobody()), "network")]);
    for (url, class) in urls {
        let mut tool = world.tool().env("HEALTH_URL", &url).env("METRICS_URL", &url);
        if class == "timeout" {
            tool = tool.env("CHECK_DEADLINE_MS", "5000");
        }
        let output = tool.run().expect_code(5);
        world.holds(&output);
        let expected = ["api.health crit", "api.metrics crit", "api.success-rate skipped", "api.queue skipped"];
        assert_eq!(not_ok(&output), expected, "{url}");
        assert_eq!(output.record("check", "api.health")["error_class"], class, "{url}");
        assert!(failed_gates(&output).is_empty());
    }
}

#[test]
fn a_signal_ends_the_wait() {
    let silent = Silent::start();
    let world = World::new("signal").with("DATABASE_URL", format!("postgresql://ml:x@127.0.0.1:{}/x", silent.port()));
    for (signal, code) in [(2, 130), (15, 143)] {
        let mut running = world.tool().env("CHECK_DEADLINE_MS", "100000").spawn();
        running.wait_for_stdout("\"id\":\"settings\"");
        running.signal(signal);
        let output = running.wait().expect_code(code);
        assert_eq!(output.end()["exit"], code);
    }
}
