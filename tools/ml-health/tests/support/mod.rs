//! What all tests of ml-health share: servers to look at, and what holds for whatever it prints.
#![allow(dead_code, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "what a test cannot do fails it")]

pub mod site;

use jiff::{SignedDuration, Timestamp};
use ml_dump::{Manifest, Proof};
use ml_tests::{Cluster, HttpStandIn, Output, RedisServer, Response, TempDir, TestDb, TestRole, Tool, closed_port};
use serde_json::Value;

/// The API as it is now.
pub const HEALTHY: &str = r#"{"status":"healthy","timestamp":"2025-01-08T02:00:00Z"}"#;
pub const METRICS: &str = r#"{"generated_at":"x","proofs":{"total":40,"success":37,"failure":3,"success_rate":0.925},
    "statements":{"total":9,"max_depth":3},"blocks":{"count":1,"height":1},"queue_length":4,"first_organism":null}"#;
/// The API as it was.
pub const OLDER_HEALTHY: &str = r#"{"ok":true}"#;
pub const OLDER_METRICS: &str = r#"{"statements":{"total":1},"proofs":{"success_rate":92.5,"by_status":{"success":37,"error":3},
    "recent_hour":12},"queue":{"length":4}}"#;

/// A folder with a backup that began so many hours ago and was perhaps proven so many hours ago.
pub fn backups(hours: i64, proven: Option<i64>) -> TempDir {
    let folder = TempDir::new().unwrap();
    let ago = |hours| (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
    let dump = folder.path().join("mathledger-20250108-020000.dump");
    let sha256 = "0a".repeat(32);
    let (system, file) = ("mathledger".to_owned(), "mathledger-20250108-020000.dump".to_owned());
    let manifest = Manifest { format: 1, system, file, sha256: sha256.clone(), bytes: 4, started: ago(hours), ..Manifest::default() };
    manifest.write(&dump).unwrap().publish().unwrap();
    std::fs::write(&dump, "dump").unwrap();
    if let Some(hours) = proven {
        let proof = Proof { format: 1, sha256, proven: ago(hours), ..Proof::default() };
        proof.write(&dump).unwrap();
    }
    folder
}

/// Everything that ml-health looks at, well.
pub struct World {
    pub db: TestDb,
    pub redis: RedisServer,
    pub api: HttpStandIn,
    /// The owner's rights and pg_monitor: what other tests do on the same server is not hidden.
    pub operator: TestRole,
    /// A folder with a backup that is of today and proven.
    pub backups: TempDir,
    /// Overrides of what [`World::tool`] sets.
    pub env: Vec<(&'static str, String)>,
}

impl World {
    /// A second-generation ledger with which nothing is wrong.
    pub fn new(hint: &str) -> World {
        let db = Cluster::shared().database(hint);
        ml_tests::ledger::second_generation(&mut db.client());
        all_well(&db);
        World::around(db)
    }

    /// Redis and an API beside this database.
    pub fn around(db: TestDb) -> World {
        let api = HttpStandIn::routes([("/health", Response::json(HEALTHY)), ("/metrics", Response::json(METRICS))]);
        let operator = db.role("operator", "GRANT ml, pg_monitor TO {role}");
        World { db, redis: RedisServer::start(), api, operator, backups: backups(1, Some(1)), env: Vec::new() }
    }

    /// The same with one setting different.
    pub fn with(mut self, key: &'static str, value: impl Into<String>) -> World {
        self.env.push((key, value.into()));
        self
    }

    /// ml-health with all of it set. The disk of the machine is nothing that a test may depend on.
    pub fn tool(&self) -> Tool {
        let settings = [
            ("DATABASE_URL", self.db.url_as(&self.operator.name, &self.operator.password)),
            ("REDIS_URL", self.redis.url()),
            ("HEALTH_URL", self.api.url("/health")),
            ("METRICS_URL", self.api.url("/metrics")),
            ("BACKUP_DIR", self.backups.path().display().to_string()),
            ("DISK_FREE_MIN_MB", "0".into()),
            ("DISK_FREE_WARN_PERCENT", "0".into()),
        ];
        let tool = settings.iter().fold(Tool::new("ml-health"), |tool, (key, value)| tool.env(key, value));
        self.env.iter().fold(tool, |tool, (key, value)| tool.env(key, value))
    }

    /// Runs it, and holds it to what is so on every run.
    #[track_caller]
    pub fn run(&self, exit: i32) -> Output {
        let output = self.tool().run().expect_code(exit);
        self.holds(&output);
        output
    }

    /// No secret, nothing on stderr, every planned check told once and in order, one end with the code of the process.
    pub fn holds(&self, output: &Output) {
        let said = format!("{}{}", output.stdout, output.stderr);
        for secret in [self.db.password(), self.redis.password(), &self.operator.password] {
            assert!(!said.contains(secret), "a password in:\n{said}");
        }
        assert_eq!(output.stderr, "");
        let start = output.kind("start").next().expect("a start");
        let told: Vec<&Value> = output.kind("check").map(|check| &check["id"]).collect();
        let planned: Vec<&Value> = start["planned_ids"].as_array().expect("a list").iter().collect();
        assert_eq!(told, planned);
        assert_eq!(output.end()["exit"], output.code);
        assert!(output.end().get("error_class").is_none(), "to find something bad is no failure");
        for check in output.kind("check").filter(|check| ["warn", "crit", "unknown"].contains(&status(check))) {
            assert!(check["hint"].is_string() && check["summary"].is_string(), "{check}");
        }
    }
}

/// No failed proofs, and all proven just now.
pub fn all_well(db: &TestDb) {
    db.client().batch_execute("DELETE FROM proofs WHERE NOT success; UPDATE proofs SET created_at = now()").unwrap();
}

pub fn status(record: &Value) -> &str {
    record["status"].as_str().unwrap_or_default()
}

/// `id status` of every check that is not ok, in order.
pub fn not_ok(output: &Output) -> Vec<String> {
    let checks = output.kind("check").filter(|check| status(check) != "ok");
    checks.map(|check| format!("{} {}", check["id"].as_str().unwrap_or_default(), status(check))).collect()
}

/// The same without those that are only skipped.
pub fn bad(output: &Output) -> Vec<String> {
    not_ok(output).into_iter().filter(|line| !line.ends_with(" skipped")).collect()
}

/// Ids of the gates that are critical.
pub fn failed_gates(output: &Output) -> Vec<&str> {
    let checks = output.kind("check").filter(|check| check["gate"] == true && status(check) == "crit");
    checks.map(|check| check["id"].as_str().unwrap_or_default()).collect()
}

/// A server that takes connections and never says a word.
pub struct Silent(std::net::TcpListener);

impl Silent {
    pub fn start() -> Silent {
        Silent(std::net::TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port"))
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().expect("a bound socket has an address").port()
    }
}

/// `127.0.0.1:PORT` where nobody listens.
pub fn nobody() -> String {
    format!("127.0.0.1:{}", closed_port())
}
