//! What can happen while many sessions copy: killed, the server gone, tables changed, the disk full, a writer at full speed.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, manifest, names, wait_until};
use ml_tests::{Cluster, TempDir, TestDb, Tool, full_disk, torture};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

fn large(cluster: &Cluster, rows: u32) -> TestDb {
    let db = cluster.database("large");
    torture::large(&mut db.client(), rows);
    db
}

/// Bytes written so far under a name that is none yet.
fn begun(folder: &Path) -> u64 {
    let partial = |name: &String| name.ends_with(".partial");
    names(folder).iter().filter(|name| partial(name)).map(|name| fs::metadata(folder.join(name)).map_or(0, |meta| meta.len())).sum()
}

/// Rows and fingerprint of each table.
fn prints(dump: &Path) -> BTreeMap<String, (u64, String)> {
    let data = manifest(dump)["data"].as_object().unwrap().clone();
    let print = |table: &serde_json::Value| (table["rows"].as_u64().unwrap(), table["fingerprint"].as_str().unwrap().to_owned());
    data.iter().map(|(name, table)| (name.clone(), print(table))).collect()
}

#[test]
fn killed_at_thirty_moments() {
    let (db, folder) = (large(Cluster::shared(), 60_000), TempDir::new().unwrap());
    let began = Instant::now();
    backup(&db.url(), folder.path()).arg("-j3").run().expect_code(0);
    let whole = began.elapsed();
    let first = dumps(folder.path());
    let expected = prints(&first[0]);
    let random = u64::from_str_radix(&ml_tests::random_word()[..8], 16).unwrap();
    for moment in 0..30 {
        let tool = backup(&db.url(), folder.path()).arg("-j3").env("BACKUP_RETENTION_DAYS", "0").spawn();
        // Spread over the whole run, and a little beyond.
        let share = (f64::from(moment) + (random >> moment & 7) as f64 / 8.0) / 27.0;
        std::thread::sleep(whole.mul_f64(share));
        tool.signal(9);
        tool.wait();
        for dump in dumps(folder.path()) {
            assert_eq!(prints(&dump), expected, "{}", dump.display());
            assert_eq!(fs::metadata(&dump).unwrap().len(), manifest(&dump)["bytes"].as_u64().unwrap());
        }
        assert!(first[0].exists());
    }
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
    let mut client = db.client();
    wait_until("the sessions of those killed end", || client.query_one(busy, &[]).unwrap().get::<_, i64>(0) == 0);
    for name in names(folder.path()).iter().filter(|name| name.ends_with(".partial")) {
        fs::File::options().append(true).open(folder.path().join(name)).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    backup(&db.url(), folder.path()).run().expect_code(0);
    assert!(names(folder.path()).iter().all(|name| !name.ends_with(".partial")), "{:?}", names(folder.path()));
    let out = Tool::new("ml-backup").arg("verify").args(dumps(folder.path())).run().expect_code(0);
    assert_eq!(out.end()["exit"], 0);
}

#[test]
fn a_server_that_dies_while_rows_are_copied() {
    let mut cluster = Cluster::private();
    let (db, folder) = (large(&cluster, 200_000), TempDir::new().unwrap());
    let tool = backup(&db.url(), folder.path()).args(["-j", "4"]).spawn();
    wait_until("rows are written", || begun(folder.path()) > 100_000);
    cluster.kill();
    let out = tool.wait().expect_code(2);
    assert_eq!(out.end()["error_class"], "database");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
fn tables_truncated_and_altered_meanwhile() {
    let (db, folder) = (large(Cluster::shared(), 200_000), TempDir::new().unwrap());
    let mut client = db.client();
    client.batch_execute("CREATE TABLE other (a int); INSERT INTO other SELECT generate_series(1, 1000)").unwrap();
    let rows: i64 = client.query_one("SELECT count(*) FROM large", &[]).unwrap().get(0);
    let tool = backup(&db.url(), folder.path()).spawn();
    wait_until("rows are written", || begun(folder.path()) > 0);
    std::thread::scope(|scope| {
        scope.spawn(|| db.client().batch_execute("TRUNCATE large").unwrap());
        scope.spawn(|| db.client().batch_execute("ALTER TABLE other ADD COLUMN b int DEFAULT 7; DELETE FROM other WHERE a > 10").unwrap());
    });
    tool.wait().expect_code(0);
    let manifest = manifest(&dumps(folder.path())[0]);
    assert_eq!(manifest["tables"]["public.large"], rows);
    // The change came before the snapshot or after the dump, never in between.
    let other =
        (manifest["tables"]["public.other"].as_i64().unwrap(), manifest["data"]["public.other"]["columns"].as_array().unwrap().len());
    assert!([(1000, 1), (10, 2)].contains(&other), "{other:?}");
    assert_eq!(client.query_one("SELECT count(*) FROM large", &[]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn a_disk_that_is_full_sooner_or_later() {
    let db = Cluster::shared().database("full");
    // Rows that compress well in the table (TOAST) make a dump that is larger than the table.
    db.client().batch_execute("CREATE TABLE big AS SELECT repeat(md5(i::text), 3000) AS a FROM generate_series(1, 400) i").unwrap();
    for size in [1_300_000, 2_500_000, 5_000_000, 12_000_000] {
        let disk = match full_disk(size) {
            Ok(disk) => disk,
            Err(why) => ml_tests::skip!("{why}"),
        };
        let out = backup(&db.url(), disk.path()).env("BACKUP_COMPRESSION", "none").run().expect_code(4);
        assert!(out.stderr.contains("No space left") && out.stderr.contains("free space"), "{}", out.stderr);
        assert_eq!(names(disk.path()), Vec::<String>::new());
    }
}

#[test]
fn a_database_that_is_written_at_full_speed() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let db = cluster.database("pgbench");
    let pgbench = |args: &[&str]| Tool::foreign(cluster.bin().join("pgbench")).args(args).arg(db.url());
    pgbench(&["-i", "-q", "-s", "3"]).run().expect_code(0);
    let writer = pgbench(&["-c", "4", "-T", "60", "-n"]).spawn();
    let history = || db.client().query_one("SELECT count(*) FROM pgbench_history", &[]).unwrap().get::<_, i64>(0);
    wait_until("transactions are made", || history() > 100);
    let before = history();
    for number in 0..3 {
        backup(&db.url(), folder.path()).args(["-j", "4", "-o"]).arg(folder.path().join(format!("{number}.dump"))).run().expect_code(0);
    }
    assert!(history() > before, "nothing was written meanwhile");
    writer.signal(15);
    writer.wait();
    for number in 0..3 {
        let dump = folder.path().join(format!("{number}.dump"));
        let restored = cluster.database("restored");
        let restore =
            Tool::foreign(cluster.bin().join("pg_restore")).args(["--exit-on-error", "--no-owner", "-j2", "-d"]).arg(restored.url());
        restore.arg(&dump).run().expect_code(0);
        // One moment: the sums of all four tables are the same.
        let sums = "SELECT (SELECT sum(abalance) FROM pgbench_accounts) = all(ARRAY[(SELECT sum(tbalance) FROM pgbench_tellers), \
            (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history)])";
        assert!(restored.client().query_one(sums, &[]).unwrap().get::<_, bool>(0));
        let again = folder.path().join(format!("{number} again.dump"));
        backup(&restored.url(), folder.path()).arg("-o").arg(&again).run().expect_code(0);
        assert_eq!(prints(&again), prints(&dump));
    }
}

#[test]
fn a_role_with_few_connections_gets_fewer_sessions() {
    let (cluster, folder) = (Cluster::shared(), TempDir::new().unwrap());
    let db = large(cluster, 50_000);
    let role = cluster.role("few", "CONNECTION LIMIT 4");
    db.superuser().batch_execute(&format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {}", role.name)).unwrap();
    backup(&db.url_as(&role.name, &role.password), folder.path()).args(["--jobs", "8"]).run().expect_code(0);
    assert_eq!(manifest(&dumps(folder.path())[0])["engine"], "parallel");
}

#[test]
fn interrupted_while_rows_are_copied() {
    let (db, folder) = (large(Cluster::shared(), 200_000), TempDir::new().unwrap());
    let tool = backup(&db.url(), folder.path()).spawn();
    wait_until("rows are written", || begun(folder.path()) > 100_000);
    let began = Instant::now();
    tool.signal(2);
    tool.wait().expect_code(130);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(names(folder.path()), Vec::<String>::new());
}

#[test]
#[cfg(target_os = "linux")]
fn memory_is_bounded_however_many_sessions_there_are() {
    let (db, folder) = (Cluster::shared().database("memory"), TempDir::new().unwrap());
    // 400 MB as text, of some megabytes in TOAST: whoever kept what waits for its turn would be seen.
    let sql = "CREATE TABLE wide AS SELECT i, repeat(md5(i::text), 6000) AS a FROM generate_series(1, 2000) i";
    db.client().batch_execute(sql).unwrap();
    let mut tool = backup(&db.url(), folder.path()).args(["-j", "32"]).spawn();
    let mut peak = 0;
    while tool.is_running() {
        let status = fs::read_to_string(format!("/proc/{}/status", tool.pid())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(5));
    }
    tool.wait().expect_code(0);
    assert!((1..200 * 1024).contains(&peak), "{peak} KiB");
    assert_eq!(manifest(&dumps(folder.path())[0])["engine"], "parallel");
}
