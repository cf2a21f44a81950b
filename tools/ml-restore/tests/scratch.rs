//! The recovery drill.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{Sample, ledger, sample};
use ml_tests::{Cluster, Output, Pipeline, TempDir, Tool};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const VERIFIED: [&str; 8] = [
    "verify.counts",
    "verify.fingerprints",
    "verify.sequences",
    "verify.indexes",
    "verify.constraints",
    "verify.base-theory",
    "verify.chain",
    "verify.theorems",
];

fn all_good(out: &Output, sample: &Sample) {
    for id in VERIFIED {
        let status = &out.record("check", id)["status"];
        // A backup by stock pg_dump may lack fingerprints.
        assert!(status == "ok" || (id == "verify.fingerprints" && status == "skipped"), "{id} {status}: {}", out.stdout);
    }
    for id in ["validate", "create", "load", "drop"] {
        assert_eq!(out.record("step", id)["status"], "ok", "{}", out.stdout);
    }
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn a_ledger_of_the_second_generation_by_its_path() {
    let sample = ledger("drill");
    // A stdin that never ends must not be waited for: the call names its input.
    let out = sample.drill(&sample.dump).stdin_open().run().expect_code(0);
    all_good(&out, &sample);
    assert_eq!(out.stderr, "");
    assert_eq!(out.record("check", "verify.chain")["metrics"]["blocks"], 2);
    assert_eq!(out.record("check", "verify.theorems")["metrics"]["axioms"], 3);
    let summary = out.end()["summary"].as_str().unwrap();
    assert!(summary.contains("sample.dump restored") && summary.contains("2 blocks intact"), "{summary}");
    assert!(!format!("{}{}", out.stdout, out.stderr).contains(sample.db.password()));
}

#[test]
fn a_ledger_of_the_first_generation_and_a_database_that_is_none() {
    let db = Cluster::shared().database("drill_first");
    ml_tests::ledger::first_generation(&mut db.client());
    let first = sample(db, &[("BACKUP_COMPRESSION", "false")]);
    all_good(&first.drill(&first.dump).run().expect_code(0), &first);
    let db = Cluster::shared().database("drill_none");
    db.client().batch_execute("CREATE TABLE \"Ta ble\" (a bytea); INSERT INTO \"Ta ble\" VALUES ('\\x00'); CREATE TABLE zero (); INSERT INTO zero DEFAULT VALUES").unwrap();
    let none = sample(db, &[]);
    let out = none.drill(&none.dump).run().expect_code(0);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    assert_eq!(out.record("check", "verify.chain")["status"], "skipped");
    assert_eq!(none.leftovers(), Vec::<String>::new());
}

#[test]
fn the_dump_of_the_stream() {
    let sample = ledger("stream");
    let folder = TempDir::new().unwrap();
    let backup =
        || Tool::new("ml-backup").env("DATABASE_URL", sample.db.url()).env("BACKUP_DIR", folder.path()).env("SYSTEM", &sample.system);
    let out = Pipeline::new().stage(backup()).stage(sample.restore().arg("--scratch")).run();
    assert_eq!(out.codes, [0, 0], "{}{}", out.last.stdout, out.stderrs.concat());
    all_good(&out.last, &sample_for(&sample));
    let dump = out.last.kind("step").find(|step| step["id"] == "dump").unwrap().clone();
    let validated = out.last.record("step", "validate");
    assert_eq!((&validated["path"], &validated["sha256"]), (&dump["path"], &dump["sha256"]));
    // Between the two, the file was changed: the stream's hash tells, even when the manifest was changed with it.
    let path = dump["path"].as_str().unwrap();
    let records: Vec<_> = out.last.records.iter().filter(|record| record["tool"] == "ml-backup").cloned().collect();
    fs::write(path, "other").unwrap();
    fs::remove_file(format!("{path}.json")).unwrap();
    let out = sample.restore().arg("--scratch").stdin_records(&records).run().expect_code(4);
    assert!(out.stderr.contains("other bytes than ml-backup upstream"), "{}", out.stderr);
    // A failed backup upstream: nothing is taken from elsewhere.
    let bad = backup().env("DATABASE_URL", format!("{}_none", sample.db.url()));
    let out = Pipeline::new().stage(bad).stage(sample.restore().arg("--scratch")).run();
    assert_eq!(out.codes, [2, 2]);
    assert_eq!(out.last.end()["status"], "skipped");
    assert_eq!(out.last.end()["exit"], 0);
    let dry = Pipeline::new().stage(backup().arg("--dry-run")).stage(sample.restore().arg("--scratch")).run();
    assert_eq!(dry.codes, [0, 0]);
    assert!(dry.last.end()["reason"].as_str().unwrap().contains("dry run"));
}

/// The leftovers of a stream's test are looked for under the same names.
fn sample_for(sample: &Sample) -> Sample {
    let other = Cluster::shared().database("unused");
    Sample { db: other, folder: TempDir::new().unwrap(), dump: sample.dump.clone(), system: sample.system.clone() }
}

#[test]
fn every_change_of_the_file_is_found() {
    let sample = ledger("flips");
    let whole = fs::read(&sample.dump).unwrap();
    let damaged = sample.folder.path().join("damaged.dump");
    fs::copy(sample.manifest(), sample.folder.path().join("damaged.dump.json")).unwrap();
    let step = whole.len() / 24;
    for i in 0..24 {
        let mut bytes = whole.clone();
        bytes[i * step + 3] ^= 1 << (i % 8);
        fs::write(&damaged, &bytes).unwrap();
        let out = sample.drill(&damaged).run().expect_code(4);
        assert!(out.stderr.contains("other bytes than its manifest says"), "{}", out.stderr);
    }
    for i in 0..12 {
        fs::write(&damaged, &whole[..i * whole.len() / 12]).unwrap();
        let out = sample.drill(&damaged).run().expect_code(4);
        assert!(out.stderr.contains("and its manifest says"), "{}", out.stderr);
    }
    fs::write(&damaged, [&whole[..], b"x"].concat()).unwrap();
    sample.drill(&damaged).run().expect_code(4);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn a_manifest_that_is_swapped_damaged_or_missing() {
    let (sample, other) = (ledger("manifests"), ledger("manifests_other"));
    fs::copy(other.manifest(), sample.manifest()).unwrap();
    sample.drill(&sample.dump).run().expect_code(4);
    fs::write(sample.manifest(), "{").unwrap();
    let out = sample.drill(&sample.dump).run().expect_code(4);
    assert!(out.stderr.contains("not a manifest"), "{}", out.stderr);
    // Rows that the manifest claims and the dump has not are found in the restored database.
    other.change_manifest(|manifest| *manifest.tables.get_mut("public.statements").unwrap() = 8);
    let out = other.drill(&other.dump).run().expect_code(4);
    let check = out.record("check", "verify.counts");
    assert_eq!((check["status"].as_str(), check["value"].as_u64()), (Some("crit"), Some(1)));
    assert!(check["summary"].as_str().unwrap().contains("public.statements has 7 rows and should have 8") && check["hint"].is_string());
    assert_eq!(out.end()["exit"], 4);
    assert_eq!(out.record("step", "drop")["status"], "ok");
    // As many rows, but not the same.
    other.change_manifest(|manifest| {
        *manifest.tables.get_mut("public.statements").unwrap() = 7;
        manifest.data.get_mut("public.statements").unwrap().fingerprint = "0".repeat(32);
    });
    let out = other.drill(&other.dump).run().expect_code(4);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    let check = out.record("check", "verify.fingerprints");
    assert_eq!((check["status"].as_str(), check["value"].as_u64()), (Some("crit"), Some(1)));
    assert!(check["summary"].as_str().unwrap().contains("public.statements has other rows than were backed up, as many (7)"));
    // Without one, the file is held against itself, and that is said.
    fs::remove_file(sample.manifest()).unwrap();
    let out = sample.drill(&sample.dump).run().expect_code(1);
    assert_eq!(out.record("step", "validate")["status"], "warn");
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    sample.drill(&sample.dump).args(["--fail-on", "crit"]).run().expect_code(0);
    let whole = fs::read(&sample.dump).unwrap();
    for part in [1, 2, 3, 5, 8] {
        fs::write(&sample.dump, &whole[..whole.len() * part / 9]).unwrap();
        sample.drill(&sample.dump).run().expect_code(4);
    }
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn what_is_no_dump_is_told() {
    let sample = ledger("nodump");
    let folder = sample.folder.path();
    for (name, text, said) in
        [("sql", "--\n-- PostgreSQL database dump\n", "cut off"), ("empty", "", "it is empty"), ("noise", "PGDMP\u{1}\u{e}", "cut off")]
    {
        fs::write(folder.join(name), text).unwrap();
        let out = sample.drill(&folder.join(name)).run().expect_code(4);
        assert!(out.stderr.contains(said) && out.stderr.contains("hint: "), "{}", out.stderr);
    }
    let out = sample.drill(&folder.join("none.dump")).run().expect_code(4);
    assert!(out.stderr.contains("No such file"), "{}", out.stderr);
    sample.drill(folder).run().expect_code(4);
    sample.restore().run().expect_code(64);
    sample.restore().arg(&sample.dump).run().expect_code(64);
    sample.restore().arg("--scratch").arg(&sample.dump).arg("--force").run().expect_code(64);
    let silent = sample.restore().arg("--scratch").stdin("").run().expect_code(70);
    assert_eq!(silent.end()["exit"], 70);
}

#[test]
fn an_unsound_ledger_is_told_apart_from_a_bad_backup() {
    let db = Cluster::shared().database("unsound");
    ml_tests::ledger::second_generation(&mut db.client());
    let spoil = "UPDATE blocks SET merkle_root = repeat('0', 64) WHERE block_number = 1; DELETE FROM theories WHERE false;
        UPDATE theories SET name = 'Other', slug = 'other'; UPDATE proofs SET proof_term = 'DD212' WHERE proof_term = 'DD211'";
    db.client().batch_execute(spoil).unwrap();
    let sample = sample(db, &[]);
    let out = sample.drill(&sample.dump).run().expect_code(4);
    assert_eq!(out.record("check", "verify.counts")["status"], "ok");
    for id in ["verify.base-theory", "verify.chain"] {
        let check = out.record("check", id);
        assert_eq!(check["status"], "crit");
        assert!(check["hint"].as_str().unwrap().contains("look at the ledger itself"));
    }
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

#[test]
fn a_role_that_may_make_databases_is_enough_and_one_that_may_not_is_told() {
    let sample = ledger("roles");
    let cluster = Cluster::shared();
    let able = cluster.role("able", "CREATEDB");
    let url = sample.db.url_as(&able.name, &able.password);
    sample.drill(&sample.dump).env("DATABASE_URL", url).run().expect_code(0);
    let unable = cluster.role("unable", "");
    let url = sample.db.url_as(&unable.name, &unable.password);
    let out = sample.drill(&sample.dump).env("DATABASE_URL", url).run().expect_code(2);
    assert!(out.stderr.contains("may not create databases") && out.stderr.contains("CREATEDB"), "{}", out.stderr);
    let wrong = sample.db.url().replace(sample.db.password(), "wrong-pass");
    sample.drill(&sample.dump).env("DATABASE_URL", wrong).run().expect_code(2);
    let down = format!("postgresql://ml@127.0.0.1:{}/x", ml_tests::closed_port());
    sample.drill(&sample.dump).env("DATABASE_URL", down).run().expect_code(2);
    // The database of the settings need not be there: that is when a backup is wanted.
    sample.drill(&sample.dump).env("DATABASE_URL", format!("{}_gone", sample.db.url())).run().expect_code(0);
}

#[test]
fn a_dry_run_makes_nothing() {
    let sample = ledger("drydrill");
    let out = sample.drill(&sample.dump).arg("--dry-run").run().expect_code(0);
    assert_eq!(out.record("step", "load")["status"], "planned");
    let closed = format!("postgresql://ml@127.0.0.1:{}/x", ml_tests::closed_port());
    sample.drill(&sample.dump).env("DATABASE_URL", closed).arg("--dry-run").run().expect_code(0);
}

#[test]
fn the_line_of_the_manual() {
    let sample = ledger("line");
    fs::copy(&sample.dump, sample.folder.path().join("bad.dump")).unwrap();
    fs::write(
        sample.folder.path().join("bad.dump.json"),
        fs::read_to_string(sample.manifest()).unwrap().replace("\"bytes\": ", "\"bytes\": 1"),
    )
    .unwrap();
    fs::copy(&sample.dump, sample.folder.path().join("z good.dump")).unwrap();
    fs::copy(sample.manifest(), sample.folder.path().join("z good.dump.json")).unwrap();
    let line = "find . -name '*.dump' | while read -r f; do ml-restore --scratch \"$f\" >/dev/null || echo \"BAD $f\"; done";
    let shell = Tool::foreign("sh").args(["-c", line]).cwd(sample.folder.path());
    let out = shell.env("DATABASE_URL", sample.db.url()).env("SYSTEM", &sample.system).run().expect_code(0);
    assert_eq!(out.stdout, "BAD ./bad.dump\n", "{}", out.stderr);
}

#[test]
fn through_a_container() {
    let sample = ledger("docker");
    let (cluster, path) = (Cluster::shared(), TempDir::new().unwrap());
    // What docker does with `exec`: the named variables and nothing else reach the program, which finds the server by itself.
    let fake = format!(
        r#"#!/bin/sh
        shift 2
        while [ "$1" = --env ]; do names="$names $2 "; shift 2; done
        shift
        for name in $(env | sed 's/=.*//'); do case "$names" in *" $name "*) ;; *) unset "$name" ;; esac; done
        PATH={}:/usr/bin:/bin PGHOST=127.0.0.1 PGPORT={} exec "$@""#,
        cluster.bin().display(),
        cluster.port()
    );
    fs::write(path.path().join("docker"), fake).unwrap();
    fs::set_permissions(path.path().join("docker"), fs::Permissions::from_mode(0o755)).unwrap();
    let search = format!("{}:/usr/bin:/bin", path.path().display());
    let drill = || sample.drill(&sample.dump).env("PATH", &search).args(["--via", "docker:infra-postgres-1"]);
    all_good(&drill().run().expect_code(0), &sample);
    fs::remove_file(sample.manifest()).unwrap();
    drill().run().expect_code(1);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}

/// A worker of autovacuum is in the scratch database when it is dropped, and a role that is no superuser may not end it.
#[test]
fn a_worker_of_the_server_does_not_hold_up_the_drop() {
    let cluster = Cluster::private();
    let mut superuser = cluster.superuser("postgres");
    // It comes at once, and takes long.
    for setting in [
        "autovacuum = on",
        "autovacuum_naptime = 1",
        "autovacuum_vacuum_cost_delay = 100",
        "autovacuum_vacuum_cost_limit = 1",
        "autovacuum_analyze_threshold = 0",
        "autovacuum_analyze_scale_factor = 0",
    ] {
        superuser.batch_execute(&format!("ALTER SYSTEM SET {setting}")).unwrap();
    }
    superuser.batch_execute("SELECT pg_reload_conf(); GRANT pg_monitor TO ml").unwrap();
    let db = cluster.database("worker");
    db.client().batch_execute("CREATE TABLE t AS SELECT i, repeat('x', 500) AS x FROM generate_series(1, 20000) i").unwrap();
    let sample = sample(db, &[]);
    let seen = "SELECT 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum worker' AND datname = current_database()";
    let wait = format!("until {}/psql -Atc \"{seen}\" | grep -q 1; do sleep 0.1; done", cluster.bin().display());
    let out = sample.drill(&sample.dump).args(["--check-command", &wait, "--check-timeout", "60s"]).run().expect_code(0);
    assert_eq!(out.record("step", "drop")["status"], "ok", "{}", out.stdout);
    assert_eq!(sample.leftovers(), Vec::<String>::new());
}
