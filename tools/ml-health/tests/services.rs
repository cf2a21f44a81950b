//! Redis, the API, the disks and the settings, apart from their being down.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_tests::{HttpStandIn, Response, TempDir, full_disk, skip};
use std::time::Duration;
use support::{METRICS, OLDER_HEALTHY, OLDER_METRICS, World, backups, bad, failed_gates, not_ok, status};

#[test]
fn a_queue_over_its_limit_is_a_warning() {
    let world = World::new("queue").with("QUEUE_MAX", "2");
    let mut redis = world.redis.connection();
    redis::cmd("RPUSH").arg("ml:jobs").arg(&["a", "b", "c"]).query::<i64>(&mut redis).unwrap();
    // The API says 4 of the same queue.
    let output = world.run(1);
    assert_eq!(bad(&output), ["redis.queue warn", "api.queue warn"]);
    let queue = output.record("check", "redis.queue");
    assert_eq!((&queue["value"], &queue["warn"]), (&3.into(), &2.into()));
    let other = world.tool().env("QUEUE_KEY", "other").args(["--only", "redis"]).run().expect_code(0);
    assert_eq!(other.record("check", "redis.queue")["value"], 0);
}

#[test]
fn a_key_that_is_no_list_is_unknown_with_what_to_do() {
    let world = World::new("no_list");
    redis::cmd("SET").arg("ml:jobs").arg("x").query::<()>(&mut world.redis.connection()).unwrap();
    let output = world.run(1);
    assert_eq!(bad(&output), ["redis.queue unknown"]);
    assert!(output.record("check", "redis.queue")["hint"].as_str().unwrap().contains("QUEUE_KEY"));
}

#[test]
fn memory_near_its_limit_is_told() {
    let world = World::new("memory");
    let set = |limit: u64| redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(limit).query::<()>(&mut world.redis.connection()).unwrap();
    set(1 << 40);
    assert_eq!(status(world.run(0).record("check", "redis.memory")), "ok");
    set(1000);
    let output = world.run(5);
    assert_eq!(bad(&output), ["redis.memory crit"]);
    assert!(failed_gates(&output).is_empty());
}

#[test]
fn both_forms_of_the_api_are_understood() {
    let world = World::new("older");
    let older = HttpStandIn::routes([("/health", Response::json(OLDER_HEALTHY)), ("/metrics", Response::json(OLDER_METRICS))]);
    let tool = world.tool().env("HEALTH_URL", older.url("/health")).env("METRICS_URL", older.url("/metrics"));
    let (new, old) = (world.run(0), tool.run().expect_code(0));
    for output in [&new, &old] {
        assert_eq!(output.record("check", "api.success-rate")["value"], 92.5);
        assert_eq!(output.record("check", "api.queue")["value"], 4);
    }
    assert_eq!(new.record("check", "api.metrics")["labels"]["form"], "current");
    assert_eq!(old.record("check", "api.metrics")["labels"]["form"], "older");
}

#[test]
fn an_api_of_an_empty_ledger_is_no_alert() {
    let world = World::new("api_empty");
    let empty = METRICS.replace("40", "0").replace("37", "0").replace("0.925", "0.0").replace("\"queue_length\":4", "\"queue_length\":-1");
    let api = HttpStandIn::answering(Response::json(empty));
    let output = world.tool().env("METRICS_URL", api.url("/")).run().expect_code(0);
    assert_eq!(not_ok(&output), ["api.success-rate skipped", "api.queue skipped"]);
}

#[test]
fn a_slow_api_is_a_warning() {
    let world = World::new("api_slow").with("TIMEOUT_THRESHOLD_MS", "20");
    let slow = HttpStandIn::answering(Response::json(OLDER_HEALTHY).after(Duration::from_millis(60)));
    let output = world.tool().env("HEALTH_URL", slow.url("/")).args(["--only", "api.health"]).run().expect_code(1);
    let health = output.record("check", "api.health");
    assert_eq!((status(health), &health["warn"], &health["unit"]), ("warn", &20.into(), &"ms".into()));
    assert_eq!(slow.requests().len(), 1, "asked once, for its time is what matters");
}

#[test]
fn what_is_not_set_is_skipped_with_the_reason() {
    let world = World::new("not_set").with("REDIS_URL", "").with("HEALTH_URL", "").with("METRICS_URL", "");
    let output = world.run(0);
    let skipped = ["redis.ping", "redis.memory", "redis.queue", "api.health", "api.metrics", "api.success-rate", "api.queue"];
    assert_eq!(not_ok(&output), skipped.map(|id| format!("{id} skipped")));
    assert_eq!(output.record("check", "redis.queue")["summary"], "REDIS_URL is not set");
    assert_eq!(output.record("check", "api.queue")["summary"], "METRICS_URL is not set");
}

#[test]
fn a_full_disk_is_a_critical_gate() {
    let disk = match full_disk(1 << 20) {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    // The folder is not there yet: its disk is that of the folder above.
    let folder = disk.path().join("a/b").display().to_string();
    let world = World::new("disk").with("BACKUP_DIR", folder).with("DISK_FREE_MIN_MB", "200");
    let output = world.tool().env("EXPORTS_DIR", "/proc").env("DISK_FREE_MIN_MB", "2").args(["--only", "disk.backups"]).run();
    let output = output.expect_code(5);
    assert_eq!(failed_gates(&output), ["disk.backups"]);
    assert_eq!(output.record("check", "disk.backups")["crit"], "2097152:");
    assert!(!disk.path().join("a").exists(), "looking makes no folder");
}

#[test]
fn a_disk_with_little_left_is_a_warning() {
    let world = World::new("disk_warn").with("DISK_FREE_WARN_PERCENT", "100");
    let output = world.run(1);
    assert_eq!(bad(&output), ["disk.exports warn", "disk.backups warn"]);
    assert!(failed_gates(&output).is_empty());
}

#[test]
fn settings_that_need_mending_are_a_warning_without_their_secrets() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new("settings");
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("nightly.env");
    std::fs::write(&file, "DATABSE_URL=x\nALERT_WEBHOOK=https://hooks.slack.com/services/YOUR/WEBHOOK/URL\nPGPASSWORD=pw-of-the-file\n")
        .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let output = world.tool().arg("--config").arg(&file).run().expect_code(1);
    assert_eq!(bad(&output), ["settings warn"]);
    let settings = output.record("check", "settings");
    assert_eq!(settings["value"], 3, "{settings}");
    let told = settings["evidence"].to_string();
    for part in ["did you mean DATABASE_URL?", "placeholder", "chmod 600"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(!output.stdout.contains("pw-of-the-file"));
}

#[test]
fn malformed_settings_are_a_configuration_error() {
    let world = World::new("malformed");
    for (key, value) in [
        ("QUEUE_MAX", "many"),
        ("CHECK_DEADLINE_MS", "0"),
        ("SUCCESS_RATE_THRESHOLD", "850"),
        ("REDIS_URL", "http://:secret-word@h"),
        ("HEALTH_URL", "localhost:8000/health"),
        ("DATABASE_URL", "postgresql://ml:secret-word@localhost:port/db"),
    ] {
        let output = world.tool().env(key, value).run().expect_code(78);
        assert_eq!((output.kind("check").count(), &output.end()["error_class"]), (0, &"config".into()), "{key}");
        assert!(output.end()["hint"].is_string() && !output.stderr.is_empty(), "{key}");
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("secret-word"), "{key}");
    }
    world.tool().args(["--config", "nowhere.env"]).run().expect_code(78);
}

#[test]
fn backups_grow_old_and_proofs_too() {
    let (old, unproven, none) = (backups(49, Some(36 * 24)), backups(36 * 24, None), TempDir::new().unwrap());
    let world = World::new("backups").with("CHECK_DEADLINE_MS", "60000");
    let look = |folder: &TempDir, code: i32| {
        let output = world.tool().env("BACKUP_DIR", folder.path()).args(["--only", "backup"]).run().expect_code(code);
        (not_ok(&output), output.record("check", "backup.proven")["summary"].as_str().unwrap().to_owned())
    };
    assert_eq!(look(&world.backups, 0).1, "last proven backup 1 h old: mathledger-20250108-020000.dump");
    assert_eq!(look(&old, 1).0, ["backup.newest warn", "backup.proven warn"]);
    assert_eq!(look(&unproven, 1).1, "no drill has proven a backup, and the oldest is 36 days old");
    assert_eq!(look(&none, 0).0, ["backup.newest skipped", "backup.proven skipped"]);
    // Evidence about another file is none.
    let manifest = world.backups.path().join("mathledger-20250108-020000.dump.proof.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("0a0a", "0b0b")).unwrap();
    assert_eq!(look(&world.backups, 0).0, ["backup.proven skipped"]);
}
