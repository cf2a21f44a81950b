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
fn single_tables_with_what_is_theirs() {
    let sample = ledger("tables");
    let client = &mut sample.db.client();
    client
        .batch_execute(
            "CREATE SCHEMA \"S s\"; CREATE TYPE \"S s\".colour AS ENUM ('red', 'blue');
        CREATE FUNCTION \"S s\".touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
        CREATE TABLE \"S s\".\"T t\" (id serial PRIMARY KEY, c \"S s\".colour, other uuid REFERENCES theories);
        CREATE TRIGGER t BEFORE INSERT ON \"S s\".\"T t\" FOR EACH ROW EXECUTE FUNCTION \"S s\".touch();
        INSERT INTO \"S s\".\"T t\" (c) VALUES ('red'), ('blue'), ('red'); CREATE INDEX ON \"S s\".\"T t\" (c);",
        )
        .unwrap();
    let dump = sample.folder.path().join("two.dump");
    ml_tests::Tool::new("ml-backup").env("DATABASE_URL", sample.db.url()).arg("-o").arg(&dump).run().expect_code(0);
    let name = format!("{}_tables", sample.db.name());
    let restore = |table: &str| sample.restore().arg(&dump).args(["--to-database", &name, "--force", "--table", table]);
    let out = restore("S s.T t").run().expect_code(0);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    assert!(out.record("step", "plan")["summary"].as_str().unwrap().contains("without FK CONSTRAINT"), "{}", out.stdout);
    assert_eq!(count(&name, "\"S s\".\"T t\""), 3);
    let next: i64 = Cluster::shared().superuser(&name).query_one("SELECT nextval('\"S s\".\"T t_id_seq\"')", &[]).unwrap().get(0);
    assert_eq!(next, 4);
    let tables = "pg_class WHERE relkind IN ('r', 'i') AND relnamespace IN ('public'::regnamespace, '\"S s\"'::regnamespace)";
    assert_eq!(count(&name, tables), 3);
    // Into the database that is there now: what it has of schema, type and function is left as it is.
    Cluster::shared().superuser(&name).batch_execute("DROP TABLE \"S s\".\"T t\"").unwrap();
    restore("S s.T t").run().expect_code(0);
    restore("S s.T t").run().expect_code(2);
    restore("public.theories").run().expect_code(0);
    assert_eq!((count(&name, "theories"), count(&name, "\"S s\".\"T t\"")), (count(sample.db.name(), "theories"), 3));
    restore("public.none").run().expect_code(64);
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
