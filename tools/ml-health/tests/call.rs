//! The ways to call it: filters, outputs, dry run, input.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "test code")]

mod support;

use ml_tests::{TempDir, Tool};
use serde_json::json;
use support::{World, bad, nobody, not_ok};

#[test]
fn filters_choose_with_what_is_needed() {
    let world = World::new("filters");
    let ids = |args: &[&str]| {
        let output = world.tool().args(args).run().expect_code(0);
        world.holds(&output);
        output.kind("check").map(|check| check["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--only", "postgres.size,disk"]), ["postgres.connect", "postgres.size", "disk.exports", "disk.backups"]);
    let without = ids(&["--skip", "postgres,ledger", "--skip", "api"]);
    assert_eq!(
        without,
        ["settings", "redis.ping", "redis.memory", "redis.queue", "disk.exports", "disk.backups", "backup.newest", "backup.proven"]
    );
}

#[test]
fn a_call_that_does_not_look_at_the_database_does_not_name_it() {
    let world = World::new("target");
    let target = |args: &[&str]| world.tool().args(args).run().kind("start").next().unwrap()["target"].clone();
    assert!(target(&[]).as_str().unwrap().contains(world.db.name()));
    assert!(target(&["--only", "disk"]).is_null());
}

#[test]
fn wrong_names_are_wrong_usage() {
    let output = Tool::new("ml-health").args(["--only", "postgres.sise"]).run().expect_code(64);
    assert!(output.stderr.contains("postgres.size") && output.kind("check").next().is_none());
    Tool::new("ml-health").args(["--only", "disk", "--skip", "disk"]).run().expect_code(64);
    Tool::new("ml-health").args(["--output", "raw"]).raw().run().expect_code(64);
}

#[test]
fn nagios_gets_one_line_and_its_own_codes() {
    let world = World::new("nagios");
    let nagios = |env: &[(&str, String)]| {
        let tool = env.iter().fold(world.tool(), |tool, (key, value)| tool.env(key, value));
        let output = tool.args(["--output", "nagios"]).raw().run();
        assert_eq!((output.stdout.lines().count(), output.stderr.as_str()), (1, ""), "{}", output.stdout);
        assert!(!output.stdout.contains(&world.operator.password) && !output.stdout.contains(world.redis.password()));
        (output.code, output.stdout)
    };
    let (code, line) = nagios(&[]);
    assert!(code == 0 && line.starts_with("ML-HEALTH OK - ") && line.contains(" ok | ") && line.contains("'postgres.connect'="), "{line}");
    assert!(line.contains(" 'redis.queue'=0;1000 "), "{line}");
    let (code, line) = nagios(&[("QUEUE_MAX", "3".into())]);
    assert!(code == 1 && line.starts_with("ML-HEALTH WARNING - api.queue: 4 jobs"), "{code} {line}");
    let (code, line) = nagios(&[("DATABASE_URL", format!("postgresql://ml:x@{}/x", nobody()))]);
    assert!(code == 2 && line.starts_with("ML-HEALTH CRITICAL - postgres.connect: "), "{code} {line}");
    let (code, line) = nagios(&[("QUEUE_MAX", "x".into())]);
    assert!(code == 3 && line.starts_with("ML-HEALTH UNKNOWN - QUEUE_MAX must be"), "{code} {line}");
}

#[test]
fn a_table_is_for_people() {
    let world = World::new("table").with("QUEUE_MAX", "3");
    let table = |quiet: &[&str]| world.tool().args(["--output", "table"]).args(quiet).raw().run().expect_code(1).stdout;
    let all = table(&[]);
    assert!(all.contains("postgres.version") && all.contains("hint: see that the workers run"), "{all}");
    let quiet = table(&["--quiet"]);
    assert_eq!(quiet.lines().count(), 3, "the finding, its hint and the end:\n{quiet}");
    assert!(!format!("{all}{quiet}").contains(&world.operator.password));
}

#[test]
fn a_dry_run_looks_as_ever_and_says_that_it_is_one() {
    let world = World::new("dry").with("QUEUE_MAX", "3");
    let folder = TempDir::new().unwrap();
    let output = world.tool().arg("--dry-run").cwd(folder.path()).run().expect_code(1);
    world.holds(&output);
    assert_eq!(output.kind("start").next().unwrap()["dry_run"], true);
    assert_eq!(bad(&output), ["api.queue warn"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn standard_input_is_read_only_on_request() {
    let world = World::new("input");
    // A pipe that nobody closes would be waited for.
    world.tool().stdin_open().run().expect_code(0);
    let head = |kind: &str, more: serde_json::Value| {
        let mut record = json!({"v": 1, "kind": kind, "tool": "ml-x", "stage": "ml-x.1", "system": "s", "run": "up-1",
            "ts": "2025-01-08T02:00:00.000Z", "host": "h", "status": "ok"});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record
    };
    let start = head("start", json!({"planned_ids": [], "dry_run": false}));
    let end = head("end", json!({"exit": 2, "records": 2, "duration_ms": 1, "error_class": "database"}));
    let output = world.tool().args(["--input", "-"]).stdin_records(&[start, end]).run().expect_code(2);
    assert!(output.records.iter().all(|record| record["run"] == "up-1"));
    assert_eq!((output.kind("end").count(), &output.end()["exit"], not_ok(&output)), (2, &0.into(), vec![]));
}
