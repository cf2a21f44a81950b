//! What concerns a whole server: slots, prepared transactions, the archive, standbys, settings. Each on a server of its own.

use super::*;
use crate::kind::probing::texts;
use ml_tests::{Cluster, boot};

const SETTINGS: &str = "wal_level = logical\nmax_prepared_transactions = 5\narchive_mode = on\narchive_command = 'false'\n";

#[test]
fn slots_and_prepared_transactions_hold_the_horizon_and_the_log() {
    let cluster = Cluster::private_with(boot::bin(), SETTINGS);
    let db = cluster.database("held");
    let mut probing = monitor(&db);
    assert_eq!(number(&seen(&mut probing, "slots", &[]), "slots"), 0.0);
    assert_eq!(seen(&mut probing, "xmin", &[]).values["source"], "none".into());
    let mut client = db.superuser();
    client.batch_execute("CREATE TABLE t (id int)").unwrap();
    client.batch_execute("BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'left behind'").unwrap();
    for _ in 0..20 {
        client.batch_execute("INSERT INTO t VALUES (2)").unwrap();
    }
    let prepared = seen(&mut probing, "xmin", &[]);
    assert_eq!(prepared.values["source"], "prepared".into());
    assert!(number(&prepared, "prepared") >= 20.0 && prepared.rows[0].contains("'left behind'"), "{prepared:?}");
    client.batch_execute("ROLLBACK PREPARED 'left behind'").unwrap();
    // Neither of them is read by anybody.
    let slots =
        "SELECT pg_create_logical_replication_slot('logical', 'test_decoding'), pg_create_physical_replication_slot('physical', true)";
    client.query(slots, &[]).unwrap();
    client.batch_execute("INSERT INTO t SELECT generate_series(1, 100000)").unwrap();
    for _ in 0..5 {
        client.batch_execute("INSERT INTO t VALUES (3)").unwrap();
    }
    let kept = seen(&mut probing, "slots", &[]);
    assert_eq!((number(&kept, "slots"), number(&kept, "inactive"), number(&kept, "lost")), (2.0, 2.0, 0.0), "{kept:?}");
    assert!(number(&kept, "retained") > 1e6 && kept.rows.iter().any(|row| row.contains("physical, inactive, keeps")), "{kept:?}");
    let held = seen(&mut probing, "xmin", &[]);
    assert_eq!(held.values["source"], "slot".into());
    assert!(number(&held, "slot") >= 5.0 && held.rows[0].starts_with("slot logical: "), "{held:?}");
    // Everybody may read these.
    assert_eq!(number(&seen(&mut blind(&db), "slots", &[]), "inactive"), 2.0);
}

#[test]
fn an_archive_that_fails_is_told() {
    let cluster = Cluster::private_with(boot::bin(), SETTINGS);
    let db = cluster.database("archive");
    let mut probing = monitor(&db);
    let mut client = db.superuser();
    client.batch_execute("CREATE TABLE t (id int); SELECT pg_switch_wal()").unwrap();
    let failing = until(&mut probing, "archiver", &[], |sample| sample.values["failing"] == true.into());
    assert!(number(&failing, "waiting") >= 1.0 && number(&failing, "failed") >= 1.0 && failing.rows.len() == 1, "{failing:?}");
    assert!(!failing.values.contains_key("since"));
    let unprivileged = seen(&mut blind(&db), "archiver", &[]);
    assert!(unprivileged.hides == ["waiting"] && unprivileged.hidden.is_some() && unprivileged.values["failing"] == true.into());
    client.batch_execute("ALTER SYSTEM SET archive_command = 'true'").unwrap();
    client.batch_execute("SELECT pg_reload_conf()").unwrap();
    let well = until(&mut probing, "archiver", &[], |sample| sample.values["failing"] == false.into() && number(sample, "waiting") == 0.0);
    assert!(number(&well, "archived") >= 1.0 && number(&well, "since") >= 0.0 && well.rows.is_empty(), "{well:?}");
}

#[test]
fn a_standby_is_seen_from_both_sides() {
    let mut primary = Cluster::private_of(boot::bin());
    let db = primary.database("streamed");
    db.client().batch_execute("CREATE TABLE t (id int)").unwrap();
    let mut of_primary = monitor(&db);
    let alone = seen(&mut of_primary, "replication", &[]);
    assert_eq!((number(&alone, "standbys"), number(&alone, "lag"), alone.values.contains_key("receiving")), (0.0, 0.0, false));
    let standby = primary.standby();
    let role = db.role("both", "GRANT pg_monitor TO {role}");
    let of_standby = |role: &ml_tests::TestRole| {
        let url = format!("postgresql://{}:{}@127.0.0.1:{}/{}", role.name, role.password, standby.port(), db.name());
        Probing::open(&KIND, &[("url", text(url))])
    };
    let one = until(&mut of_primary, "replication", &[], |sample| {
        sample.values.get("lag_bytes") == Some(&0.into()) && number(sample, "standbys") == 1.0
    });
    assert!(one.rows[0].contains("(127.0.0.1): streaming, async, "), "{one:?}");
    let hidden = seen(&mut blind(&db), "replication", &[]);
    assert!(
        hidden.hides.contains(&"lag_bytes") && !hidden.values.contains_key("lag_bytes") && number(&hidden, "standbys") == 1.0,
        "{hidden:?}"
    );
    // The role was made on the primary, and has to get there first.
    let replayed = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), min(replay_lsn)) <= 0 FROM pg_stat_replication";
    while !db.superuser().query_one(replayed, &[]).unwrap().get::<_, bool>(0) {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let mut of_standby = of_standby(&role);
    let well = seen(&mut of_standby, "replication", &[]);
    assert_eq!((well.values["standby"].clone(), well.values["receiving"].clone(), number(&well, "lag")), (true.into(), true.into(), 0.0));
    assert!(matches!(of_standby.take("dead-rows", &[]), Err(Unseen::Absent(_))));
    assert_eq!(seen(&mut of_standby, "connect", &[]).values["standby"], true.into());
    for view in ["slots", "xmin", "sequences", "freeze", "tables"] {
        seen(&mut of_standby, view, &[]);
    }
    // It stands still: the log is received and not replayed.
    standby.superuser("postgres").execute("SELECT pg_wal_replay_pause()", &[]).unwrap();
    db.client().batch_execute("INSERT INTO t SELECT generate_series(1, 10000)").unwrap();
    let behind = until(&mut of_primary, "replication", &[], |sample| number(sample, "lag_bytes") > 100_000.0);
    assert!(behind.rows[0].ends_with(" behind"), "{behind:?}");
    until(&mut of_standby, "replication", &[], |sample| number(sample, "lag_bytes") > 100_000.0 && number(sample, "lag") > 0.0);
    // Without its primary it is no longer up to date, though it has replayed all that it got.
    standby.superuser("postgres").execute("SELECT pg_wal_replay_resume()", &[]).unwrap();
    until(&mut of_standby, "replication", &[], |sample| number(sample, "lag_bytes") == 0.0);
    primary.kill();
    let orphan = until(&mut of_standby, "replication", &[], |sample| sample.values["receiving"] == false.into());
    assert!(number(&orphan, "lag") > 0.0, "{orphan:?}");
}

#[test]
fn settings_that_lose_data_are_told_with_whose_they_are() {
    let db = Cluster::shared().database("settings");
    let role = db.role("hasty", "ALTER ROLE {role} SET zero_damaged_pages = on");
    let mut probing = monitor(&db);
    let sample = seen(&mut probing, "settings", &[]);
    // The kit's server is fast, and not safe.
    let names = sample.values["names"].to_string();
    assert!(names.starts_with("fsync,full_page_writes,synchronous_commit"), "{names}");
    assert!(sample.rows.iter().any(|row| row.contains(&format!("zero_damaged_pages = on for role {}", role.name))), "{sample:?}");
    assert_eq!((sample.values["autovacuum"].clone(), sample.values["archive_mode"].clone()), (true.into(), "off".into()));
    let accept = texts(&["fsync", "full_page_writes", "synchronous_commit", "zero_damaged_pages"]);
    assert_eq!(number(&seen(&mut probing, "settings", &[("accept", accept)]), "losing"), 0.0);
    db.superuser().batch_execute(&format!("ALTER ROLE {} RESET ALL", role.name)).unwrap();
}

#[test]
fn counters_are_counters() {
    let db = Cluster::shared().database("counters");
    let mut probing = monitor(&db);
    let before = seen(&mut probing, "deadlocks", &[]);
    assert_eq!(number(&before, "deadlocks"), 0.0);
    deadlock(&db);
    let after = until(&mut probing, "deadlocks", &[], |sample| number(sample, "deadlocks") == 1.0);
    assert!(number(&after, "commits") > number(&before, "commits"), "{after:?}");
    let cache = seen(&mut probing, "cache", &[]);
    assert!(number(&cache, "hits") > 0.0 && (0.0..=100.0).contains(&number(&cache, "ratio")), "{cache:?}");
    let all = seen(&mut probing, "cache", &[("all", Arg::Switch(true))]);
    assert!(number(&all, "hits") > number(&cache, "hits"));
    let size = number(&seen(&mut probing, "size", &[]), "bytes");
    let tables = seen(&mut probing, "tables", &[]);
    assert!(
        number(&tables, "total") < size && number(&tables, "count") == 1.0 && tables.values["table"] == "public.t".into(),
        "{tables:?}"
    );
}

/// Two sessions that wait for each other; the server ends one of them.
fn deadlock(db: &TestDb) {
    let (mut one, mut two) = (db.superuser(), db.superuser());
    one.batch_execute("CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2)").unwrap();
    one.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE t SET id = id WHERE id = 1").unwrap();
    two.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE t SET id = id WHERE id = 2").unwrap();
    let waiting = std::thread::spawn(move || two.batch_execute("UPDATE t SET id = id WHERE id = 1; COMMIT").is_ok());
    let went = one.batch_execute("UPDATE t SET id = id WHERE id = 2").is_ok();
    one.batch_execute("ROLLBACK").unwrap();
    assert_ne!(went, waiting.join().unwrap());
}
