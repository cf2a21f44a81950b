//! MathLedger: the compiled-in checks and the profile's own, over a real ledger.

use crate::watched::{Watched, tells};
use ml_tests::{Cluster, RedisServer, Response, TestDb, boot, closed_port, ledger};
use std::time::Duration;

const HEALTHY: &str = r#"{"status":"healthy","timestamp":"2025-01-08T02:00:00Z"}"#;

fn metrics(success: u32, queue: u32) -> Response {
    let body = format!(
        r#"{{"generated_at":"x","proofs":{{"total":100,"success":{success},"failure":{},"success_rate":{}}},"statements":{{"total":9,"max_depth":3}},
        "blocks":{{"count":1,"height":1}},"queue_length":{queue},"first_organism":null}}"#,
        100 - success,
        f64::from(success) / 100.0
    );
    Response::json(body)
}

pub fn mathledger() -> (Watched, TestDb, RedisServer) {
    on(Cluster::shared())
}

fn on(cluster: &Cluster) -> (Watched, TestDb, RedisServer) {
    let db = cluster.database("mathledger");
    ledger::second_generation(&mut db.client());
    db.client().batch_execute("DELETE FROM proofs WHERE NOT success; UPDATE proofs SET created_at = now()").unwrap();
    let operator = db.role("operator", "GRANT ml, pg_monitor TO {role}");
    let redis = RedisServer::start();
    let mut system = Watched::new("mathledger");
    system.set("DATABASE_URL", db.url_as(&operator.name, &operator.password));
    system.set("REDIS_URL", redis.url());
    system.set("HEALTH_URL", system.service.url("/health"));
    system.set("METRICS_URL", system.service.url("/metrics"));
    system.set("DISK_FREE_MIN_MB", "1");
    system.set("DISK_FREE_WARN_PERCENT", "0");
    system.set("BACKUP_MAX_AGE_HOURS", "0");
    system.set("BACKUP_PROOF_MAX_AGE_DAYS", "0");
    system.service.set("/health", Response::json(HEALTHY));
    system.service.set("/metrics", metrics(85, 1000));
    system.commands.docker(&[("infra-postgres-1", "running", ""), ("infra-redis-1", "running", ""), ("other", "exited", "")]);
    (system, db, redis)
}

#[test]
fn healthy_degraded_critical_and_absent() {
    let (mut system, db, redis) = mathledger();
    system.has_no_mistake();
    // The private server of the tests does without fsync.
    let fast = ("db.settings", "warn");
    let seen = system.is("healthy", &[fast]);
    system.tells_of_a_tool_that_failed(&seen);

    system.service.set("/metrics", metrics(84, 1001));
    db.client().batch_execute("UPDATE proofs SET created_at = now() - interval '61 minutes'").unwrap();
    let jobs: Vec<String> = (0..1001).map(|job| job.to_string()).collect();
    redis::cmd("RPUSH").arg("ml:jobs").arg(&jobs).query::<i64>(&mut redis.connection()).unwrap();
    let degraded = [fast, ("api.success-rate", "warn"), ("api.queue", "warn"), ("redis.queue", "warn"), ("ledger.recent-proofs", "warn")];
    let seen = system.is("degraded", &degraded);
    let told = seen.told.join("\n");
    assert!(degraded[1..].iter().all(|(id, _)| tells(&told, "high", id)), "{told}");

    db.client().batch_execute("UPDATE blocks SET merkle_root = repeat('0', 64) WHERE block_number = 1").unwrap();
    system.service.set("/health", Response::status(500));
    system.commands.docker(&[("infra-postgres-1", "running", ""), ("infra-redis-1", "exited", "")]);
    let critical = [("ledger.chain", "crit"), ("api.health", "crit"), ("containers.running", "warn")];
    system.is("critical", &[degraded.as_slice(), critical.as_slice()].concat());

    for (name, scheme) in [("HEALTH_URL", "http"), ("METRICS_URL", "http"), ("REDIS_URL", "redis"), ("DATABASE_URL", "postgresql")] {
        system.set(name, format!("{scheme}://127.0.0.1:{}/0", closed_port()));
    }
    let seen = system.look(&[]);
    assert_eq!(seen.code, 5);
    for id in ["postgres.connect", "redis.ping", "api.health", "api.metrics"] {
        assert_eq!(seen.bad().get(id), Some(&"crit"), "{id}: {:#?}", seen.summaries());
    }
}

/// The thresholds of the guide, on both sides.
#[test]
fn rates_jobs_and_the_last_hour_are_judged_as_in_the_guide() {
    let (system, db, redis) = mathledger();
    let proofs = || db.client().query_one("SELECT count(*) FROM proofs", &[]).unwrap().get::<_, i64>(0);
    let missing = usize::try_from(100 - proofs()).unwrap();
    ledger::add_failed_proofs(&mut db.client(), &vec![0; missing]);
    let only = ["--only", "ledger.success-rate,ledger.error-rate,ledger.recent-proofs,redis.queue"];
    for (succeeded, success, error) in [(90, "ok", "ok"), (89, "ok", "warn"), (85, "ok", "warn"), (84, "warn", "warn")] {
        let set = format!(
            "UPDATE proofs SET success = rank <= {succeeded}, status = CASE WHEN rank <= {succeeded} THEN 'success' ELSE 'failure' END
            FROM (SELECT id AS known, row_number() OVER (ORDER BY proof_hash NULLS LAST, id) AS rank FROM proofs) ranked WHERE id = known"
        );
        db.client().batch_execute(&set).unwrap();
        system.forget_alerts();
        let seen = system.look(&only);
        let bad = seen.bad();
        let status = |id: &str| bad.get(id).copied().unwrap_or("ok");
        assert_eq!((status("ledger.success-rate"), status("ledger.error-rate")), (success, error), "{succeeded}: {:#?}", seen.summaries());
        assert_eq!(seen.check("ledger.success-rate")["value"], f64::from(succeeded), "{}", seen.check("ledger.success-rate"));
        let told = seen.told.join("\n");
        assert_eq!(tells(&told, "high", "ledger.error-rate"), error == "warn", "{told}");
        assert_eq!(tells(&told, "high", "ledger.success-rate"), success == "warn", "{told}");
    }
    let jobs: Vec<String> = (0..1000).map(|job| job.to_string()).collect();
    redis::cmd("RPUSH").arg("ml:jobs").arg(&jobs).query::<i64>(&mut redis.connection()).unwrap();
    for (minutes, status) in [(59, "ok"), (61, "warn")] {
        db.client().execute("UPDATE proofs SET created_at = now() - make_interval(mins => $1)", &[&minutes]).unwrap();
        let seen = system.look(&only);
        assert_eq!(seen.check("ledger.recent-proofs")["status"], status, "{minutes} minutes");
        assert_eq!((&seen.check("redis.queue")["status"], &seen.check("redis.queue")["value"]), (&"ok".into(), &1000.into()));
    }
}

#[test]
fn containers_lean_logs_and_a_full_queue_are_told() {
    let (mut system, _db, redis) = mathledger();
    let mut connection = redis.connection();
    system.commands.script("lake", "echo 'error: build failed'; exit 1");
    system.write("lean/lakefile.lean", "");
    system.set("LEAN_PROJECT_DIR", system.path().join("lean").display().to_string());
    system.write("log/api.log", "INFO ready\n");
    system.set("LOG_FILES", system.path().join("log/*.log").display().to_string());
    let before = [("db.settings", "warn"), ("lean.build", "warn")];
    system.is("at first", &before);

    // One of the two was removed: those that are there run.
    system.commands.docker(&[("infra-postgres-1", "running", ""), ("other", "running", "")]);
    system.write("log/api.log", "INFO ready\nINFO: \"GET /metrics HTTP/1.1\" 401 Unauthorized\nERROR: no more memory\n");
    redis::cmd("SET").arg("k").arg("v").query::<()>(&mut connection).unwrap();
    std::fs::create_dir(redis.dir().join("dump.rdb")).unwrap();
    redis::cmd("BGSAVE").query::<String>(&mut connection).unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").query::<()>(&mut connection).unwrap();
    redis::cmd("SET").arg("k").arg("more").query::<()>(&mut connection).unwrap_err();
    while !redis::cmd("INFO").arg("persistence").query::<String>(&mut connection).unwrap().contains("rdb_last_bgsave_status:err") {
        std::thread::sleep(Duration::from_millis(20));
    }
    let worse = [
        ("containers.running", "warn"),
        ("logs.errors", "warn"),
        ("redis.memory", "crit"),
        ("queue.evictions", "warn"),
        ("queue.persistence", "warn"),
    ];
    let seen = system.is("then", &[before.as_slice(), worse.as_slice()].concat());
    assert_eq!(seen.check("logs.errors")["summary"], "1 errors, 1 refused requests in 2 lines");
    assert_eq!(seen.check("containers.running")["summary"], "1 of 2 containers run, 0 unhealthy");
}

/// Two sessions that wait for each other; the server ends one of them.
fn deadlock(db: &TestDb) {
    let (mut one, mut two) = (db.superuser(), db.superuser());
    one.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE theories SET name = name").unwrap();
    two.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE policy_settings SET key = key").unwrap();
    let waiting = std::thread::spawn(move || two.batch_execute("UPDATE theories SET name = name; COMMIT").is_ok());
    let went = one.batch_execute("UPDATE policy_settings SET key = key").is_ok();
    one.batch_execute("ROLLBACK").unwrap();
    assert_ne!(went, waiting.join().unwrap());
}

/// Waits until the server's statistics say so.
fn until(db: &TestDb, condition: &str) {
    let told = || db.superuser().query_one(&format!("SELECT {condition}"), &[]).unwrap().get::<_, bool>(0);
    let seen = (0..600).any(|_| {
        told() || {
            std::thread::sleep(Duration::from_millis(50));
            false
        }
    });
    assert!(seen, "{condition} never came");
}

#[test]
fn what_stops_a_server_unseen_is_told() {
    let settings = "wal_level = logical\nmax_prepared_transactions = 5\narchive_mode = on\narchive_command = 'true'\nshared_buffers = 1MB\nautovacuum = off\n";
    let cluster = Cluster::private_with(boot::bin(), settings);
    let (system, db, _redis) = on(&cluster);
    let mut client = db.superuser();
    client.batch_execute("CREATE TABLE wide (id int PRIMARY KEY, filler text) WITH (fillfactor = 10)").unwrap();
    client.batch_execute("INSERT INTO wide SELECT n, repeat('x', 900) FROM generate_series(1, 12000) n").unwrap();
    let fast = ("db.settings", "warn");
    system.is("healthy", &[fast]);

    // What takes minutes, millions of transactions or gigabytes until it is told, is told here after less.
    let path = "config/profiles/mathledger.toml";
    let mut text = std::fs::read_to_string(system.path().join(path)).unwrap();
    for (usual, less) in
        [("\"> 10m\"", "\"> 0\""), ("\"> 5000000\"", "\"> 50\""), ("\"> 5m\"", "\"> 0\""), ("\"> 10GiB\"", "\"> 1GiB or retained > 1MiB\"")]
    {
        assert_eq!(text.matches(usual).count(), 1, "{usual}");
        text = text.replace(usual, less);
    }
    system.write(path, &text);
    client.batch_execute("CREATE TABLE keyless (id int); INSERT INTO keyless VALUES (1), (1)").unwrap();
    // It waits for transactions that go on: first.
    client.execute("CREATE UNIQUE INDEX CONCURRENTLY twice ON keyless (id)", &[]).unwrap_err();
    let standby = cluster.standby();
    let mut idle = db.client();
    idle.batch_execute("BEGIN; SELECT count(*) FROM proofs").unwrap();
    client.batch_execute("BEGIN; INSERT INTO keyless VALUES (2); PREPARE TRANSACTION 'left behind'").unwrap();
    client.execute("SELECT pg_create_physical_replication_slot('forgotten', true)", &[]).unwrap();
    standby.superuser("postgres").batch_execute("SELECT pg_wal_replay_pause()").unwrap();
    client
        .batch_execute("CREATE TABLE dead (id int PRIMARY KEY); INSERT INTO dead SELECT generate_series(1, 100001); DELETE FROM dead")
        .unwrap();
    db.client().batch_execute("CREATE TABLE counted (id serial PRIMARY KEY); SELECT setval('counted_id_seq', 2000000000)").unwrap();
    for _ in 0..60 {
        client.batch_execute("INSERT INTO keyless VALUES (3)").unwrap();
    }
    deadlock(&db);
    client.batch_execute("ALTER SYSTEM SET archive_command = 'false'").unwrap();
    client.batch_execute("SELECT pg_reload_conf(); SELECT pg_stat_force_next_flush()").unwrap();
    // 600 million transactions ago, of 2^31.
    let old = "UPDATE pg_database SET datfrozenxid = (txid_current() - 600000000 + 4294967296)::text::xid WHERE datname = 'template1'";
    client.batch_execute(old).unwrap();
    until(&db, "(SELECT deadlocks > 0 FROM pg_stat_database WHERE datname = current_database())");
    until(&db, "(SELECT n_dead_tup > 100000 FROM pg_stat_user_tables WHERE relname = 'dead')");
    // The archiver may have had the segment before it read the new setting; then the next one fails.
    let fails = |client: &mut postgres::Client| {
        client.batch_execute("INSERT INTO keyless VALUES (4); SELECT pg_switch_wal()").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        client.query_one("SELECT failed_count > 0 FROM pg_stat_archiver", &[]).unwrap().get::<_, bool>(0)
    };
    assert!((0..300).any(|_| fails(&mut client)), "no segment fails to be archived");
    // From here on nearly all blocks come from the disk.
    system.look(&["--only", "db.cache"]);
    client.batch_execute("SELECT count(filler) FROM wide; SELECT pg_stat_force_next_flush()").unwrap();
    client.batch_execute("SELECT 1").unwrap();
    let bad = [
        fast,
        ("db.idle-in-transaction", "warn"),
        ("db.xmin", "warn"),
        ("db.freeze", "warn"),
        ("db.replication", "warn"),
        ("db.slots", "crit"),
        ("db.archiver", "crit"),
        ("db.cache", "warn"),
        ("db.deadlocks", "warn"),
        ("db.dead-rows", "warn"),
        ("db.primary-keys", "warn"),
        ("db.invalid-indexes", "warn"),
        ("db.sequences", "crit"),
    ];
    let seen = system.is("then", &bad);
    assert!(seen.check("db.xmin")["evidence"][0].as_str().unwrap().contains("'left behind'"), "{}", seen.check("db.xmin"));
}
