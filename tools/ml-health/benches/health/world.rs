//! What is looked at: a primary with a standby and two hundred tables, Redis, an API; all private.

use crate::{beside, watch};
use ml_tests::{Cluster, HttpStandIn, RedisServer, Response, TempDir, TestDb, boot};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

/// Tables beside the ledger's, with two indexes and a sequence each.
const TABLES: usize = 200;

/// The servers. Fields end in this order: the standby before its primary.
pub struct World {
    _standby: Cluster,
    db: TestDb,
    cluster: Cluster,
    redis: RedisServer,
    api: HttpStandIn,
    folder: TempDir,
    url: String,
    postmaster: String,
}

impl World {
    pub fn new() -> World {
        let settings = "archive_mode = on\narchive_command = 'true'\nautovacuum = off\nmax_prepared_transactions = 5\n";
        let cluster = Cluster::private_with(boot::bin(), settings);
        let db = cluster.database("bench");
        ml_tests::ledger::second_generation(&mut db.client());
        for table in 0..TABLES {
            let sql = format!(
                "CREATE TABLE t{table} (id bigserial PRIMARY KEY, word text, made timestamptz DEFAULT now()); CREATE INDEX ON t{table} (made);
                 INSERT INTO t{table} (word) SELECT md5(i::text) FROM generate_series(1, 500) i"
            );
            db.client().batch_execute(&sql).unwrap();
        }
        db.superuser().batch_execute("VACUUM ANALYZE").unwrap();
        // A role without expiry and with all rights, as check_pgactivity's archiver wants a superuser.
        let url = db.url_as("postgres", cluster.password());
        let health = r#"{"status":"healthy","timestamp":"2025-01-08T02:00:00Z"}"#;
        let metrics = r#"{"generated_at":"x","proofs":{"total":40,"success":37,"failure":3,"success_rate":0.925},
            "statements":{"total":9,"max_depth":3},"blocks":{"count":1,"height":1},"queue_length":4,"first_organism":null}"#;
        let api = HttpStandIn::start(move |request| match request.path.as_str() {
            "/slow" => {
                std::thread::sleep(Duration::from_millis(beside::SLOW_MS));
                Response::json(health)
            }
            "/metrics" => Response::json(metrics),
            _ => Response::json(health),
        });
        let pid_file = std::fs::read_to_string(cluster.dir().join("data/postmaster.pid")).unwrap();
        let postmaster = pid_file.lines().next().unwrap().trim().to_owned();
        let standby = cluster.standby();
        let told = "SELECT count(replay_lsn) FROM pg_stat_replication";
        while db.superuser().query_one(told, &[]).unwrap().get::<_, i64>(0) == 0 {
            std::thread::sleep(Duration::from_millis(50));
        }
        World { _standby: standby, db, cluster, redis: RedisServer::start(), api, folder: TempDir::new().unwrap(), url, postmaster }
    }

    pub fn describe(&self) -> String {
        format!("one PostgreSQL server with a standby, {TABLES} tables and a ledger")
    }

    pub fn port(&self) -> u16 {
        self.cluster.port()
    }

    pub fn database(&self) -> &str {
        self.db.name()
    }

    pub fn password(&self) -> &str {
        self.cluster.password()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Seconds that sessions of the server which are over were on processors.
    pub fn server_cpu(&self) -> f64 {
        watch::ended_children(&self.postmaster)
    }

    /// Writes a profile.
    pub fn profile(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&path, text).unwrap();
        path
    }

    fn call(&self, profile: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ml-health"));
        command.arg("--profile").arg(profile).env_clear().env("PATH", "/usr/bin:/bin").env("DATABASE_URL", &self.url);
        command.env("REDIS_URL", self.redis.url()).env("HEALTH_URL", self.api.url("/health")).env("METRICS_URL", self.api.url("/metrics"));
        command
            .env("BASE_URL", self.api.url(""))
            .env("STATE_DIR", self.folder.path().join("state"))
            .env("BACKUP_DIR", self.folder.path().join("backups"));
        command.stdin(Stdio::null()).output().expect("ml-health starts")
    }

    /// The records of ml-health with that profile; no check fails.
    pub fn records(&self, profile: &Path) -> Vec<Value> {
        let output = self.call(profile);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(!told.contains("\"status\":\"unknown\"") && !told.contains("\"status\":\"crit\""), "{told}");
        told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// ml-health with that profile; every check is made and is well.
    pub fn health(&self, profile: &Path) {
        let output = self.call(profile);
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.code() == Some(0) && !told.contains("\"status\":\"skipped\""),
            "{told}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// The profile of MathLedger, as it comes. What is not on this machine (containers) it says.
    pub fn mathledger(&self) {
        let output = self.call(Path::new(MATHLEDGER));
        let code = output.status.code().unwrap_or(-1);
        assert!(
            [0, 1, 5].contains(&code),
            "{code}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }

    /// How many checks of it are made here.
    pub fn mathledger_checks(&self) -> usize {
        let output = self.call(Path::new(MATHLEDGER));
        let records =
            String::from_utf8_lossy(&output.stdout).lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>();
        records.iter().filter(|record| record["kind"] == "check" && record["status"] != "skipped").count()
    }
}

const MATHLEDGER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/profiles/mathledger.toml");
