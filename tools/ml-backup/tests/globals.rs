//! Roles beside the dump: with their passwords, without, and not at all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, fake_bin, ledger, manifest, names};
use ml_tests::{Cluster, TempDir, Tool};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn globals(folder: &Path) -> PathBuf {
    PathBuf::from(format!("{}.globals.sql", dumps(folder)[0].display()))
}

#[test]
fn roles_are_there_with_their_passwords_for_those_who_may_read_them() {
    let (db, folder) = (ledger("roles"), TempDir::new().unwrap());
    let cluster = Cluster::shared();
    let superuser = format!("postgresql://postgres:{}@127.0.0.1:{}/{}", cluster.password(), cluster.port(), db.name());
    let out = backup(&superuser, folder.path()).run().expect_code(0);
    let path = globals(folder.path());
    let step = out.record("step", "globals");
    assert_eq!((step["path"].as_str(), step["status"].as_str()), (path.to_str(), Some("ok")));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("CREATE ROLE ml;") && text.contains("SCRAM-SHA-256$"), "{text}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let manifest = manifest(&dumps(folder.path())[0]);
    assert_eq!(manifest["globals"]["sha256"], step["sha256"]);
    assert_eq!(manifest["globals"]["file"], path.file_name().unwrap().to_str().unwrap());
    assert_eq!(manifest["globals"]["bytes"], text.len());
    assert_eq!(manifest["excluded"], serde_json::json!([]));
    assert!(!format!("{}{}", out.stdout, out.stderr).contains("SCRAM-SHA-256$"));
    // psql takes it: the roles that are there already are all that it complains of.
    let psql = Tool::foreign(cluster.bin().join("psql")).args(["-X", "-q", "-f"]).arg(&path).arg(&superuser).run();
    let complaints: Vec<&str> = psql.stderr.lines().filter(|line| line.contains("ERROR") && !line.contains("already exists")).collect();
    assert_eq!(complaints, Vec::<&str>::new());
}

#[test]
fn a_role_that_may_not_read_the_passwords_gets_the_rest() {
    let (db, folder) = (ledger("plainroles"), TempDir::new().unwrap());
    let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}";
    let role = db.role("reader", grants);
    let out = backup(&db.url_as(&role.name, &role.password), folder.path()).run().expect_code(0);
    assert!(out.record("step", "globals")["reason"].as_str().unwrap().contains("without the passwords"), "{}", out.stdout);
    let text = fs::read_to_string(globals(folder.path())).unwrap();
    assert!(text.contains(&role.name) && !text.contains("SCRAM"), "{text}");
    assert_eq!(manifest(&dumps(folder.path())[0])["excluded"], serde_json::json!(["passwords of the server's roles"]));
}

#[test]
fn what_is_left_of_another_backup_is_seen_before_the_work() {
    let (db, folder) = (ledger("leftroles"), TempDir::new().unwrap());
    let to = folder.path().join("x.dump");
    fs::write(folder.path().join("x.dump.globals.sql"), "another's").unwrap();
    let out = backup(&db.url(), folder.path()).arg("-o").arg(&to).run().expect_code(4);
    assert!(out.stderr.contains("x.dump.globals.sql exists and is never replaced"), "{}", out.stderr);
    assert_eq!(names(folder.path()), ["x.dump.globals.sql"]);
}

#[test]
fn without_them_the_backup_stands_and_says_so() {
    let (db, folder) = (ledger("noroles"), TempDir::new().unwrap());
    let dir = folder.path();
    backup(&db.url(), dir).env("BACKUP_GLOBALS", "false").run().expect_code(0);
    assert_eq!(names(dir).len(), 3, "dump, manifest, pointer");
    assert!(manifest(&dumps(dir)[0])["excluded"][0].as_str().unwrap().starts_with("roles, passwords"));
    let bin = fake_bin("exec \"$REAL/pg_dump\" \"$@\"");
    for said in ["echo 'pg_dumpall: error: something' >&2; exit 1", "echo '-- and no end'"] {
        fs::remove_file(bin.path().join("pg_dumpall")).unwrap();
        common::script(bin.path(), "pg_dumpall", said);
        let out = backup(&db.url(), dir).env("PG_BIN", bin.path()).run().expect_code(1);
        assert_eq!(out.record("step", "globals")["status"], "warn");
        assert!(out.record("step", "globals")["hint"].as_str().unwrap().contains("BACKUP_GLOBALS"));
        assert_eq!(out.record("step", "dump")["status"], "ok");
    }
    assert!(names(dir).iter().all(|name| !name.contains("globals")), "{:?}", names(dir));
}
