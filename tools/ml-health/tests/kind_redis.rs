//! Profiles about a Redis server, as operators run them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{Output, RedisServer, TempDir, Tool};

const PROFILE: &str = r#"
[profile]
version = 1
system = "jobs"

[vars]
QUEUE = "ml:jobs"

[probe.redis]
kind = "redis"
url = "${REDIS_URL}"

[[check]]
id = "redis.ping"
probe = "redis"
warn = "> 30000"
on_error = "crit"

[[check]]
id = "redis.memory"
probe = "redis.memory"
warn = "> 80"
crit = "> 95"
hint = "raise maxmemory"
needs = ["redis.ping"]

[[check]]
id = "redis.queue"
probe = "redis.queue"
args = { key = "${QUEUE}", field = "at" }
warn = "length > 1000 or age > 600"
summary = "{length} jobs, the oldest {age} s"
needs = ["redis.ping"]

[[check]]
id = "redis.evictions"
probe = "redis.evictions"
value = "delta(evicted) + delta(refused)"
warn = "> 0"
needs = ["redis.ping"]

[[check]]
id = "redis.saved"
probe = "redis.persistence"
value = "save_age"
unit = "s"
crit = "failing == true"
needs = ["redis.ping"]
"#;

struct World {
    redis: RedisServer,
    folder: TempDir,
}

impl World {
    fn new() -> World {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("jobs.toml"), PROFILE).unwrap();
        World { redis: RedisServer::start(), folder }
    }

    fn tool(&self) -> Tool {
        let tool = Tool::new("ml-health").arg("--profile").arg(self.folder.path().join("jobs.toml"));
        tool.env("REDIS_URL", self.redis.url()).env("STATE_DIR", self.folder.path().join("state"))
    }

    #[track_caller]
    fn run(&self, code: i32) -> Output {
        let output = self.tool().run().expect_code(code);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains(self.redis.password()));
        output
    }

    fn ask(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut command = redis::cmd(words[0]);
        for word in &words[1..] {
            command.arg(*word);
        }
        command.query(&mut self.redis.connection())
    }
}

fn not_ok(output: &Output) -> Vec<String> {
    let checks = output.kind("check").filter(|check| check["status"] != "ok");
    checks.map(|check| format!("{} {}", check["id"].as_str().unwrap(), check["status"].as_str().unwrap())).collect()
}

#[test]
fn a_server_is_well_until_it_is_full_and_its_jobs_are_old() {
    let world = World::new();
    let first = world.run(0);
    assert!(first.record("check", "redis.evictions")["summary"].as_str().unwrap().contains("no earlier run"), "{}", first.stdout);
    let queue = first.record("check", "redis.queue");
    assert_eq!(queue["summary"], "0 jobs, the oldest 0 s");
    world.ask(&["RPUSH", "ml:jobs", "{\"at\":\"2025-01-08T02:00:00Z\"}"]).unwrap();
    world.ask(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();
    world.ask(&["SET", "more", "x"]).unwrap_err();
    let output = world.run(5);
    assert_eq!(not_ok(&output), ["redis.memory crit", "redis.queue warn", "redis.evictions warn"]);
    assert_eq!(
        (&output.record("check", "redis.evictions")["value"], &output.record("check", "redis.memory")["hint"]),
        (&1.into(), &"raise maxmemory".into())
    );
    let queue = output.record("check", "redis.queue");
    assert!(queue["metrics"]["length"] == 1 && queue["metrics"]["age"].as_f64().unwrap() > 1e6, "{queue}");
}

#[test]
fn a_user_without_rights_and_a_server_that_is_not_there_are_told() {
    let world = World::new();
    world.ask(&["ACL", "SETUSER", "watcher", "on", ">pw", "+ping", "+client"]).unwrap();
    let url = format!("redis://watcher:pw@127.0.0.1:{}/0", world.redis.port());
    let output = world.tool().env("REDIS_URL", url).run().expect_code(0);
    assert_eq!(not_ok(&output), ["redis.memory skipped", "redis.queue skipped", "redis.evictions skipped", "redis.saved skipped"]);
    for id in ["redis.memory", "redis.queue"] {
        let check = output.record("check", id);
        assert_eq!(check["error_class"], "privilege", "{check}");
        assert!(check["hint"].as_str().unwrap().contains("ACL SETUSER"), "{check}");
    }
    let nobody = format!("redis://:pw@127.0.0.1:{}/0", ml_tests::closed_port());
    let output = world.tool().env("REDIS_URL", nobody).run().expect_code(5);
    assert_eq!(not_ok(&output)[0], "redis.ping crit");
    assert_eq!(output.record("check", "redis.saved")["blocked_by"], "redis.ping");
    let output = world.tool().env("REDIS_URL", "").run().expect_code(0);
    assert!(
        output
            .kind("check")
            .all(|check| check["status"] == "skipped" && check["summary"].as_str().unwrap().contains("REDIS_URL is not set")),
        "{}",
        output.stdout
    );
}
