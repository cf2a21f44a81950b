//! What the tests of ml-backup share: a call of it, its folder, and programs that hang at the right place.
#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

use ml_tests::{TempDir, TestDb, Tool};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// ml-backup of a database into a folder.
pub fn backup(url: &str, folder: &Path) -> Tool {
    Tool::new("ml-backup").env("DATABASE_URL", url).env("BACKUP_DIR", folder)
}

/// The names in a folder, sorted; none when it is missing.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The dumps under their final names.
pub fn dumps(folder: &Path) -> Vec<PathBuf> {
    names(folder).into_iter().filter(|name| name.ends_with(".dump") && !name.starts_with('.')).map(|name| folder.join(name)).collect()
}

/// The manifest beside a dump.
pub fn manifest(dump: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(format!("{}.json", dump.display())).unwrap()).unwrap()
}

/// A ledger of the second generation.
pub fn ledger(hint: &str) -> TestDb {
    let db = ml_tests::Cluster::shared().database(hint);
    ml_tests::ledger::second_generation(&mut db.client());
    db
}

/// A program made of a shell script.
pub fn script(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder for PG_BIN whose pg_dump does `instead`, `$REAL` being the folder of the real programs.
pub fn fake_bin(instead: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let real = ml_tests::Cluster::shared().bin().display().to_string();
    script(folder.path(), "pg_dump", &format!("REAL={real}\n[ \"$1\" = --version ] && exec \"$REAL/pg_dump\" --version\n{instead}"));
    for name in ["pg_restore", "pg_dumpall"] {
        std::os::unix::fs::symlink(format!("{real}/{name}"), folder.path().join(name)).unwrap();
    }
    folder
}

/// Waits until `ready`; panics after a minute.
pub fn wait_until(what: &str, mut ready: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !ready() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Makes a real pg_dump hang in the middle of its work: it wants to read a sequence that a transaction keeps locked. Held until dropped.
pub fn hang_pg_dump(db: &TestDb) -> postgres::Client {
    let mut client = db.client();
    client.batch_execute("CREATE SEQUENCE zz_hang; BEGIN; ALTER SEQUENCE zz_hang RENAME TO zz_renamed").unwrap();
    client
}

/// The children of a process that run `program`.
pub fn children(parent: u32, program: &str) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let matching = |pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The name may hold blanks and parentheses; after it come the state and the parent.
        let of = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        of == Some(parent) && line.split(|b| *b == 0).next().is_some_and(|first| first.ends_with(program.as_bytes()))
    };
    pids.filter(matching).collect()
}

/// Waits until the tool's pg_dump is at work, and gives its id.
pub fn pg_dump_of(tool: &ml_tests::Running) -> u32 {
    let mut found = Vec::new();
    wait_until("pg_dump works", || {
        found = children(tool.pid(), "pg_dump");
        // Not the one that is only asked for its version.
        found.retain(|pid| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|words| words.contains("--snapshot=")));
        !found.is_empty()
    });
    found[0]
}

/// Whether a process is there.
pub fn alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
