//! What a drill leaves: evidence, or none; the application's own test; a private server; what `clean` removes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{ledger, sample, wait_until};
use ml_tests::{Cluster, Pipeline, TempDir, Tool};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn proof_of(dump: &Path) -> Option<Value> {
    let text = fs::read_to_string(format!("{}.proof.json", dump.display())).ok()?;
    Some(serde_json::from_str(&text).unwrap())
}

#[test]
fn evidence_is_written_when_everything_was_verified() {
    let sample = ledger("proof");
    sample.drill(&sample.dump).arg("--dry-run").run().expect_code(0);
    assert_eq!(proof_of(&sample.dump), None);
    let out = sample.drill(&sample.dump).args(["--sample", "all"]).run().expect_code(0);
    let proof = proof_of(&sample.dump).unwrap();
    let manifest: Value = serde_json::from_str(&fs::read_to_string(sample.manifest()).unwrap()).unwrap();
    assert_eq!((&proof["format"], &proof["sha256"], &proof["rows"]), (&1.into(), &manifest["sha256"], &manifest["rows"]));
    assert_eq!(proof["file"], "sample.dump");
    assert_eq!(proof["check_command"], Value::Null);
    let checks: Vec<&str> = proof["checks"].as_array().unwrap().iter().map(|check| check.as_str().unwrap()).collect();
    for check in ["counts", "fingerprints", "sequences", "indexes", "constraints", "base-theory", "chain", "theorems"] {
        assert!(checks.contains(&check), "{checks:?}");
    }
    assert!(out.record("step", "proof")["path"].as_str().unwrap().ends_with("sample.dump.proof.json"));
    // A later one takes its place; a folder that cannot be written to is a warning, as the backup is proven all the same.
    sample.drill(&sample.dump).run().expect_code(0);
    assert_ne!(proof_of(&sample.dump).unwrap()["proven"], proof["proven"]);
}

#[test]
fn there_is_no_evidence_for_what_does_not_check_out() {
    let sample = ledger("noproof");
    let out = sample.drill(&sample.dump).args(["--check-command", "exit 3"]).run().expect_code(4);
    let check = out.record("check", "check-command");
    assert_eq!(check["status"], "crit");
    assert!(check["summary"].as_str().unwrap().starts_with("exit 3 in"), "{check}");
    assert!(out.end()["summary"].as_str().unwrap().contains("the check command failed"), "{}", out.end());
    assert_eq!(proof_of(&sample.dump), None);
    let out = sample.drill(&sample.dump).args(["--check-command", "sleep 60", "--check-timeout", "1s"]).run().expect_code(4);
    assert!(out.record("check", "check-command")["summary"].as_str().unwrap().contains("was ended after 1s"));
    sample.change_manifest(|manifest| *manifest.tables.get_mut("public.statements").unwrap() = 8);
    let out = sample.drill(&sample.dump).args(["--check-command", "true"]).run().expect_code(4);
    assert_eq!(out.kind("check").filter(|check| check["id"] == "check-command").count(), 0);
    assert_eq!(proof_of(&sample.dump), None);
    fs::remove_file(sample.manifest()).unwrap();
    sample.drill(&sample.dump).run().expect_code(1);
    assert_eq!((proof_of(&sample.dump), sample.leftovers()), (None, Vec::new()));
}

#[test]
fn the_check_command_reaches_the_scratch_database_and_tells_no_secret() {
    let sample = ledger("command");
    let bin = Cluster::shared().bin().display().to_string();
    let command = format!(
        "PATH={bin}:$PATH; test \"$(psql -XAtc 'SELECT count(*) FROM statements')\" = 7 && \
         psql -XAtd \"$DATABASE_URL\" -c 'SELECT current_database()' && env"
    );
    let out = sample.drill(&sample.dump).args(["--check-command", &command]).run().expect_code(0);
    let check = out.record("check", "check-command");
    assert_eq!(check["status"], "ok");
    let proof = proof_of(&sample.dump).unwrap();
    assert!(proof["check_command"].as_str().unwrap().starts_with("exit 0 in"), "{proof}");
    assert!(!format!("{}{}{proof}", out.stdout, out.stderr).contains(sample.db.password()));
    let name = "psql -XAtd \"$DATABASE_URL\" -c 'SELECT current_database()'";
    let out = sample.drill(&sample.dump).args(["--check-command", &format!("PATH={bin}:$PATH; {name}")]).run().expect_code(0);
    let summary = out.record("check", "check-command")["summary"].as_str().unwrap().to_owned();
    assert!(summary.contains(&format!("{}_scratch_", sample.system)), "{summary}");
}

#[test]
fn the_latest_by_its_word() {
    let sample = ledger("latest");
    let folder = TempDir::new().unwrap();
    let tool =
        |name: &str| Tool::new(name).env("DATABASE_URL", sample.db.url()).env("BACKUP_DIR", folder.path()).env("SYSTEM", &sample.system);
    let out = tool("ml-restore").args(["--scratch", "latest"]).run().expect_code(4);
    assert!(out.stderr.contains("no good backup"), "{}", out.stderr);
    tool("ml-backup").run().expect_code(0);
    let out = tool("ml-restore").args(["--scratch", "latest"]).run().expect_code(0);
    let dump = PathBuf::from(out.record("step", "validate")["path"].as_str().unwrap());
    assert!(proof_of(&dump).is_some());
}

#[test]
fn the_line_of_the_night() {
    let sample = ledger("night");
    let folder = TempDir::new().unwrap();
    let tool =
        |name: &str| Tool::new(name).env("DATABASE_URL", sample.db.url()).env("BACKUP_DIR", folder.path()).env("SYSTEM", &sample.system);
    let alert = tool("ml-alert").env("STATE_DIR", folder.path().join("state"));
    let out = Pipeline::new().stage(tool("ml-backup")).stage(tool("ml-restore").arg("--scratch")).stage(alert).run();
    assert_eq!(out.codes, [0, 0, 0], "{}", out.stderrs.concat());
    assert_eq!(out.last.record("step", "proof")["status"], "ok");
}

fn drill_folders(root: &Path) -> Vec<PathBuf> {
    fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

/// A folder for private servers whose path is short enough for a socket, and that their user may enter.
fn root() -> TempDir {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::Builder::new().prefix("mlc").tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    root
}

#[test]
fn a_private_server_has_the_roles_that_policies_name() {
    let db = Cluster::shared().database("private");
    let role = Cluster::shared().role("only here", "");
    Cluster::shared().superuser("postgres").batch_execute(&format!("ALTER ROLE {} SET search_path TO 'of the role'", role.name)).unwrap();
    ml_tests::ledger::second_generation(&mut db.client());
    let policy = format!("ALTER TABLE theories ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON theories TO {}, ml USING (true)", role.name);
    db.client().batch_execute(&policy).unwrap();
    let sample = sample(db, &[]);
    let root = root();
    let flag = format!("--cluster={}", root.path().display());
    // No server is named: none is needed.
    let bin = Cluster::shared().bin().display().to_string();
    let command = format!("{bin}/psql -XAtc \"SELECT rolconfig FROM pg_roles WHERE rolname = '{}'\"", role.name.trim_matches('"'));
    let drill = Tool::new("ml-restore").env("SYSTEM", &sample.system).args(["--scratch", &flag, "--check-command", &command]);
    let out = drill.arg(&sample.dump).run().expect_code(0);
    assert_eq!(out.record("check", "verify.chain")["status"], "ok");
    // With its settings, from the file of globals beside the dump.
    let said = out.record("check", "check-command")["summary"].as_str().unwrap().to_owned();
    assert!(said.contains("of the role"), "{said}");
    assert_eq!(drill_folders(root.path()), Vec::<PathBuf>::new());
}

#[test]
fn rows_that_row_level_security_hides_from_the_role_prove_nothing_and_the_remedy_is_said() {
    let forced = |table| format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY; ALTER TABLE {table} FORCE ROW LEVEL SECURITY");
    let rows = "CREATE TABLE hidden AS SELECT g AS id FROM generate_series(1, 10) g;".to_owned() + &forced("hidden");
    // It stops pg_restore where it checks a foreign key, and otherwise us where rows are compared.
    for (with_keys, sql) in [(true, forced("theories")), (false, rows)] {
        let db = Cluster::shared().database("forced");
        if with_keys {
            ml_tests::ledger::second_generation(&mut db.client());
        }
        db.client().batch_execute(&sql).unwrap();
        let superuser = db.url_as("postgres", Cluster::shared().password());
        let sample = sample(db, &[("DATABASE_URL", &superuser)]);
        let blind = sample.drill(&sample.dump).run().expect_code(2);
        assert!(blind.stderr.contains("BYPASSRLS"), "{}", blind.stderr);
        assert!(proof_of(&sample.dump).is_none());
        sample.drill(&sample.dump).env("DATABASE_URL", &superuser).run().expect_code(0);
        assert!(proof_of(&sample.dump).is_some());
    }
}

#[test]
fn a_private_server_leaves_nothing_whatever_happens() {
    let sample = ledger("cluster");
    let root = root();
    let flag = format!("--cluster={}", root.path().display());
    let drill = || Tool::new("ml-restore").env("SYSTEM", &sample.system).args(["--scratch", &flag]).arg(&sample.dump);
    let out = drill().args(["--check-command", "echo $PGHOST"]).run().expect_code(0);
    assert_eq!(out.stderr, "");
    assert_eq!(out.record("step", "cluster")["status"], "ok");
    let said = out.record("check", "check-command")["summary"].as_str().unwrap().to_owned();
    assert!(said.contains(root.path().to_str().unwrap()), "{said}");
    assert!(proof_of(&sample.dump).is_some());
    assert_eq!(drill_folders(root.path()), Vec::<PathBuf>::new());
    // Interrupted in the middle.
    let running = drill().args(["--check-command", "sleep 100"]).spawn();
    wait_until("the server runs", || drill_folders(root.path()).iter().any(|folder| folder.join("s/.s.PGSQL.5432").exists()));
    running.signal(15);
    assert_eq!(running.wait().code, 143);
    assert_eq!(drill_folders(root.path()), Vec::<PathBuf>::new());
    // Killed: the server ends with it, and `clean` removes the folder.
    let running = drill().args(["--check-command", "sleep 100"]).spawn();
    wait_until("the server runs", || drill_folders(root.path()).iter().any(|folder| folder.join("s/.s.PGSQL.5432").exists()));
    let clean = || sample.restore().args(["clean", "--force", "--cluster-in"]).arg(root.path());
    let busy = clean().run();
    assert_eq!(busy.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("clean.ml-drill-")).count(), 0, "{}", busy.stdout);
    running.signal(9);
    drop(running);
    wait_until("the server is gone", || !drill_folders(root.path()).iter().any(|folder| folder.join("data/postmaster.pid").exists()));
    let folder = drill_folders(root.path()).pop().unwrap();
    let dry = clean().arg("--dry-run").run().expect_code(0);
    let id = format!("clean.{}", folder.file_name().unwrap().to_str().unwrap());
    assert_eq!(dry.record("step", &id)["status"], "planned");
    assert!(folder.exists());
    let out = clean().run().expect_code(0);
    assert_eq!(out.record("step", &id)["status"], "ok");
    assert_eq!(drill_folders(root.path()), Vec::<PathBuf>::new());
    assert_eq!(clean().run().expect_code(0).end()["status"], "skipped");
}
