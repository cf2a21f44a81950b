//! MathLedger: the compiled-in checks and the profile's own, over a real ledger.

use crate::watched::Watched;
use ml_tests::{Cluster, RedisServer, Response, TestDb, closed_port, ledger};

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
    let db = Cluster::shared().database("mathledger");
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
    system.is("healthy", &[fast]);

    system.service.set("/metrics", metrics(84, 1001));
    db.client().batch_execute("UPDATE proofs SET created_at = now() - interval '61 minutes'").unwrap();
    let jobs: Vec<String> = (0..1001).map(|job| job.to_string()).collect();
    redis::cmd("RPUSH").arg("ml:jobs").arg(&jobs).query::<i64>(&mut redis.connection()).unwrap();
    let degraded = [fast, ("api.success-rate", "warn"), ("api.queue", "warn"), ("redis.queue", "warn"), ("ledger.recent-proofs", "warn")];
    system.is("degraded", &degraded);

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
