//! What can go wrong with a backup: each with its exit code and its hint, and nothing half-written under a final name.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{alive, backup, dumps, fake_bin, hang_pg_dump, ledger, names, pg_dump_of, script, wait_until};
use ml_tests::{Cluster, TempDir, Tool, closed_port, full_disk};
use std::fs;
use std::path::Path;

fn nothing_published(folder: &Path) {
    assert_eq!(names(folder), Vec::<String>::new());
}

#[test]
fn a_server_that_is_not_there_or_refuses() {
    let (db, folder) = (ledger("refused"), TempDir::new().unwrap());
    let closed = format!("postgresql://ml:pass-word-1@127.0.0.1:{}/x", closed_port());
    let cases = [
        (closed, "connection refused"),
        (db.url().replace(db.password(), "wrong-password"), "password authentication failed"),
        (format!("{}_none", db.url()), "does not exist"),
    ];
    for (url, said) in cases {
        let out = backup(&url, folder.path()).run().expect_code(2);
        assert!(out.stderr.contains(said) && out.stderr.contains("hint: "), "{}", out.stderr);
        assert_eq!(out.end()["error_class"], "database");
        for secret in ["pass-word-1", "wrong-password", db.password()] {
            assert!(!format!("{}{}", out.stdout, out.stderr).contains(secret));
        }
    }
    nothing_published(folder.path());
}

#[test]
fn a_folder_that_cannot_be_written() {
    let (db, folder) = (ledger("unwritable"), TempDir::new().unwrap());
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let out = backup(&db.url(), &file.join("inside")).run().expect_code(4);
    assert!(out.stderr.contains("hint: "), "{}", out.stderr);
    assert_eq!(out.end()["error_class"], "storage");
    let system = backup(&db.url(), folder.path()).env("SYSTEM", "a/b").run().expect_code(78);
    assert!(system.stderr.contains("SYSTEM"), "{}", system.stderr);
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn a_disk_that_is_too_small_is_seen_before() {
    let db = ledger("space");
    let big = "CREATE TABLE big AS SELECT i, md5(i::text) || md5((-i)::text) AS a FROM generate_series(1, 60000) i";
    db.client().batch_execute(big).unwrap();
    let disk = match full_disk(1 << 20) {
        Ok(disk) => disk,
        Err(why) => ml_tests::skip!("{why}"),
    };
    let out = backup(&db.url(), disk.path()).run().expect_code(4);
    assert!(out.stderr.contains("the dump needs about") && out.stderr.contains("nothing was begun"), "{}", out.stderr);
    nothing_published(disk.path());
}

#[test]
fn a_disk_that_fills_up_on_the_way() {
    let db = ledger("full");
    // Rows that compress well in the table (TOAST) make a dump that is larger than the table.
    let big = "CREATE TABLE big AS SELECT repeat(md5(i::text), 3000) AS a FROM generate_series(1, 400) i";
    db.client().batch_execute(big).unwrap();
    let disk = match full_disk(4 << 20) {
        Ok(disk) => disk,
        Err(why) => ml_tests::skip!("{why}"),
    };
    let out = backup(&db.url(), disk.path()).env("BACKUP_COMPRESSION", "false").run().expect_code(4);
    assert!(out.stderr.contains("No space left") && out.stderr.contains("free space"), "{}", out.stderr);
    nothing_published(disk.path());
}

#[test]
fn killed_it_leaves_nothing_under_a_final_name_and_no_pg_dump() {
    let (db, folder) = (ledger("killed"), TempDir::new().unwrap());
    let _lock = hang_pg_dump(&db);
    let tool = backup(&db.url(), folder.path()).spawn();
    let child = pg_dump_of(&tool);
    let list = ml_tests::tool::process_list();
    assert!(!list.contains(db.password()), "the password is in the process list");
    tool.signal(9);
    tool.wait().expect_code(137);
    wait_until("pg_dump ends with its parent", || !alive(child));
    assert_eq!(dumps(folder.path()).len(), 0);
    assert!(names(folder.path()).iter().all(|name| name.starts_with('.') && name.ends_with(".partial")));
}

#[test]
fn interrupted_and_terminated_it_cleans_up() {
    let (db, folder) = (ledger("interrupted"), TempDir::new().unwrap());
    let _lock = hang_pg_dump(&db);
    for (signal, code) in [(2, 130), (15, 143)] {
        let tool = backup(&db.url(), folder.path()).spawn();
        let child = pg_dump_of(&tool);
        tool.signal(signal);
        let out = tool.wait().expect_code(code);
        assert_eq!(out.end()["exit"], code);
        assert!(!alive(child));
        nothing_published(folder.path());
    }
}

#[test]
fn a_second_backup_at_the_same_time_is_refused() {
    let (db, folder) = (ledger("twice"), TempDir::new().unwrap());
    let lock = hang_pg_dump(&db);
    let first = backup(&db.url(), folder.path()).spawn();
    pg_dump_of(&first);
    let second = backup(&db.url(), folder.path()).run().expect_code(75);
    assert!(second.stderr.contains("held by ml-backup"), "{}", second.stderr);
    drop(lock);
    first.wait().expect_code(0);
    assert_eq!(dumps(folder.path()).len(), 1);
}

#[test]
fn a_server_that_dies_in_the_middle() {
    let mut cluster = Cluster::private();
    let (db, folder) = (cluster.database("dies"), TempDir::new().unwrap());
    ml_tests::ledger::second_generation(&mut db.client());
    let _lock = hang_pg_dump(&db);
    let tool = backup(&db.url(), folder.path()).spawn();
    pg_dump_of(&tool);
    cluster.kill();
    let out = tool.wait().expect_code(2);
    assert_eq!(out.end()["error_class"], "database");
    nothing_published(folder.path());
}

#[test]
fn a_table_that_stays_locked() {
    let (db, folder) = (ledger("locked"), TempDir::new().unwrap());
    let mut other = db.client();
    other.batch_execute("BEGIN; LOCK TABLE proofs").unwrap();
    let out = backup(&db.url(), folder.path()).env("LOCK_TIMEOUT_MS", "300").run().expect_code(2);
    assert!(out.stderr.contains("locking the tables") && out.stderr.contains("pg_locks"), "{}", out.stderr);
    nothing_published(folder.path());
}

#[test]
fn somebody_who_changes_a_table_at_this_moment_is_let_through() {
    let (db, folder) = (ledger("ddl"), TempDir::new().unwrap());
    // Our locks are taken, pg_dump's not yet; in between somebody wants to add a column and waits for us, and pg_dump would wait for him.
    let bin = fake_bin("touch \"$0.begun\"; while [ ! -e \"$0.go\" ]; do sleep 0.05; done; exec \"$REAL/pg_dump\" \"$@\"");
    let tool = backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).env("LOCK_TIMEOUT_MS", "1000").spawn();
    wait_until("pg_dump begins", || bin.path().join("pg_dump.begun").exists());
    let mut other = db.client();
    std::thread::scope(|scope| {
        scope.spawn(|| other.batch_execute("ALTER TABLE proofs ADD COLUMN added int DEFAULT 5").unwrap());
        let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let mut client = db.client();
        wait_until("the change waits", || client.query_one(waiting, &[]).unwrap().get::<_, i64>(0) == 1);
        fs::write(bin.path().join("pg_dump.go"), "").unwrap();
    });
    let out = tool.wait().expect_code(0);
    assert_eq!(dumps(folder.path()).len(), 1);
    assert_eq!(names(folder.path()).len(), 4, "{}", out.stdout);
}

#[test]
fn a_dump_that_lost_rows_is_never_published() {
    let (db, folder) = (ledger("lost"), TempDir::new().unwrap());
    // A pg_dump that succeeds but leaves a table's rows out.
    let bin = fake_bin("exec \"$REAL/pg_dump\" --exclude-table-data=blocks \"$@\"");
    let out = backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).run().expect_code(4);
    assert!(out.record("step", "verify")["summary"].as_str().unwrap().contains("public.blocks is missing and should have 2 rows"));
    assert_eq!(out.record("step", "verify")["status"], "crit");
    assert_eq!(out.kind("step").filter(|step| step["id"] == "dump").count(), 0);
    nothing_published(folder.path());
    // One that reports success after half of the file.
    let cut = "for a; do case $p in --file) f=$a;; esac; p=$a; done; \"$REAL/pg_dump\" \"$@\" && truncate -s -2000 \"$f\"";
    let out = backup(&db.url(), folder.path()).arg("--stock").env("PG_BIN", fake_bin(cut).path()).run().expect_code(4);
    assert!(out.stderr.contains("cannot be read whole"), "{}", out.stderr);
    nothing_published(folder.path());
}

#[test]
fn old_backups_stand_when_the_new_one_fails() {
    let (db, folder) = (ledger("stand"), TempDir::new().unwrap());
    let old = folder.path().join("mathledger-20200101-000000.dump");
    fs::write(&old, "x").unwrap();
    let bin = fake_bin("echo 'pg_dump: error: something' >&2; exit 1");
    backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).run().expect_code(2);
    assert_eq!(names(folder.path()), ["mathledger-20200101-000000.dump"]);
}

#[test]
fn a_pg_dump_of_the_wrong_version_or_none() {
    let (db, folder, bin) = (ledger("version"), TempDir::new().unwrap(), TempDir::new().unwrap());
    let out = backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).run().expect_code(78);
    assert!(out.stderr.contains("no usable pg_dump in PG_BIN"), "{}", out.stderr);
    script(bin.path(), "pg_dump", "echo 'pg_dump (PostgreSQL) 9.6.24'");
    let out = backup(&db.url(), folder.path()).env("PG_BIN", bin.path()).run().expect_code(78);
    assert!(out.stderr.contains("and there is only 9.6.24") && out.stderr.contains("docker:NAME"), "{}", out.stderr);
}

#[test]
fn the_password_is_nowhere() {
    let (db, folder) = (ledger("secret"), TempDir::new().unwrap());
    let out = backup(&db.url(), folder.path()).arg("--verbose").run().expect_code(0);
    let manifest = fs::read_to_string(format!("{}.json", dumps(folder.path())[0].display())).unwrap();
    assert!(![out.stdout, out.stderr, manifest].concat().contains(db.password()));
}

#[test]
fn through_a_container() {
    let (db, folder, path) = (ledger("docker"), TempDir::new().unwrap(), TempDir::new().unwrap());
    let cluster = Cluster::shared();
    // What docker does with `exec`: the named variables and nothing else reach the program, which finds the server by itself.
    let (bin, port, args) = (cluster.bin().display(), cluster.port(), path.path().join("args"));
    let fake = format!(
        r#"echo "$@" >>{args}
        shift 2
        while [ "$1" = --env ]; do names="$names $2 "; shift 2; done
        [ "$1" = infra-postgres-1 ] || {{ echo 'Error: No such container' >&2; exit 1; }}
        shift
        for name in $(env | sed 's/=.*//'); do case "$names" in *" $name "*) ;; *) unset "$name" ;; esac; done
        PATH={bin}:/usr/bin:/bin PGHOST=127.0.0.1 PGPORT={port} exec "$@""#,
        args = args.display()
    );
    script(path.path(), "docker", &fake);
    let search = format!("{}:/usr/bin:/bin", path.path().display());
    let call = |name: &str| -> Tool { backup(&db.url(), folder.path()).env("PATH", &search).args(["--via", name]) };
    let out = call("docker:infra-postgres-1").run().expect_code(0);
    assert_eq!(out.record("step", "dump")["rows"], out.record("step", "verify")["rows"]);
    let seen = fs::read_to_string(args).unwrap();
    assert!(seen.contains("--env PGPASSWORD") && !seen.contains(db.password()), "{seen}");
    let out = call("docker:no-such").run().expect_code(1);
    assert!(out.stderr.contains("No such container") && out.stderr.contains("docker ps"), "{}", out.stderr);
    call("podman").run().expect_code(64);
    let nobody = backup(&db.url(), folder.path()).env("PATH", "/nowhere").args(["--via", "docker:x"]).run().expect_code(1);
    assert!(nobody.stderr.contains("cannot start docker"), "{}", nobody.stderr);
    assert_eq!(dumps(folder.path()).len(), 1);
}

#[test]
fn a_disk_that_is_mounted_read_only() {
    let (db, disk) = (ledger("rofs"), full_disk(1 << 20));
    let disk = match disk {
        Ok(disk) => disk,
        Err(why) => ml_tests::skip!("{why}"),
    };
    Tool::foreign("mount").args(["-o", "remount,ro"]).arg(disk.path()).run().expect_code(0);
    let out = backup(&db.url(), &disk.path().join("backups")).run().expect_code(4);
    assert!(out.stderr.contains("Read-only file system") && out.stderr.contains("hint: "), "{}", out.stderr);
}
