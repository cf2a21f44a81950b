//! Restoring beside, whole and in part; and what `clean` finds in a server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, ledger};
use ml_tests::Cluster;

fn count(database: &str, table: &str) -> i64 {
    let mut client = Cluster::shared().superuser(database);
    client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).unwrap().get(0)
}

fn drop(name: &str) {
    Cluster::shared().superuser("postgres").batch_execute(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).unwrap();
}

fn beside(sample: &Sample, name: &str) -> ml_tests::Tool {
    sample.restore().arg(&sample.dump).args(["--to-database", name])
}

#[test]
fn a_new_database_beside() {
    let sample = ledger("beside");
    let name = format!("{} It's \"new\"", sample.db.name());
    let out = beside(&sample, &name).arg("--dry-run").run().expect_code(0);
    assert_eq!(out.record("step", "plan")["status"], "planned");
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    let out = beside(&sample, &name).run().expect_code(0);
    assert_eq!(out.record("check", "verify.chain")["status"], "ok");
    assert_eq!((count(&name, "statements"), sample.leftovers()), (7, vec![name.clone()]));
    // A second time it is there: not without being told, and all or nothing.
    let out = beside(&sample, &name).run().expect_code(64);
    assert!(out.stderr.contains("--force"), "{}", out.stderr);
    let out = beside(&sample, &name).arg("--force").run().expect_code(2);
    assert!(out.stderr.contains("already exists"), "{}", out.stderr);
    assert_eq!(count(&name, "statements"), 7);
    drop(&name.replace('"', "\"\""));
}

#[test]
fn the_tables_first_and_the_rows_later() {
    let sample = ledger("parts");
    let name = format!("{}_parts", sample.db.name());
    let out = beside(&sample, &name).arg("--schema-only").run().expect_code(0);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    assert_eq!(count(&name, "statements"), 0);
    let out = beside(&sample, &name).args(["--data-only", "--force"]).run().expect_code(0);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    assert_eq!(count(&name, "statements"), 7);
    // The keys are taken: nothing of it stays.
    beside(&sample, &name).args(["--data-only", "--force"]).run().expect_code(4);
    assert_eq!((count(&name, "statements"), count(&name, "theories")), (7, count(sample.db.name(), "theories")));
    sample.drill(&sample.dump).arg("--data-only").run().expect_code(64);
    drop(&name);
}

#[test]
fn what_killed_runs_left_is_listed_and_removed() {
    let sample = ledger("clean");
    let name = sample.db.name();
    let left = [
        format!("{}_scratch_20250108_020000_1f3a9c02", sample.system),
        format!("{name}_restore_20250108_020000"),
        format!("{name}_old_20250108_020000"),
    ];
    let mut server = Cluster::shared().superuser("postgres");
    for name in &left {
        server.batch_execute(&format!("CREATE DATABASE \"{name}\" OWNER ml")).unwrap();
    }
    let clean = || sample.restore().arg("clean").arg("--force");
    let ids = |out: &ml_tests::Output| -> Vec<String> {
        let steps = out.kind("step").filter_map(|step| step["id"].as_str().unwrap().strip_prefix("clean.").map(str::to_owned));
        let mut ids: Vec<String> = steps.filter(|id| id.contains(name)).collect();
        ids.sort();
        ids
    };
    let mut wanted = left[..2].to_vec();
    wanted.sort();
    assert_eq!(ids(&clean().arg("--dry-run").run().expect_code(0)), wanted);
    assert_eq!(sample.leftovers().len(), 3);
    // Nobody to ask.
    let out = sample.restore().arg("clean").run().expect_code(64);
    assert!(out.stderr.contains("--force"), "{}", out.stderr);
    // One that is in use stays, and that is said.
    let session = Cluster::shared().superuser(&left[1]);
    let out = clean().run().expect_code(1);
    assert_eq!(out.record("step", &format!("clean.{}", left[1]))["status"], "warn");
    std::mem::drop(session);
    let out = clean().run();
    assert_eq!((out.code, ids(&out)), (0, vec![left[1].clone()]), "{}", out.stderr);
    assert_eq!(sample.leftovers(), [left[2].clone()]);
    assert_eq!(ids(&clean().arg("--old").run().expect_code(0)), [left[2].clone()]);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
    let down = format!("postgresql://ml@127.0.0.1:{}/x", ml_tests::closed_port());
    clean().env("DATABASE_URL", down).run().expect_code(2);
}
