//! A place where nights run: a folder with settings, a migrated ledger, a queue, a webhook.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, reason = "each test program uses a part of it, and fails where it fails")]

use ml_tests::schema::check_line;
use ml_tests::{Cluster, HttpStandIn, Output, RedisServer, Response, TempDir, TestDb, Tool};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Everything that a night touches.
pub struct Site {
    pub db: TestDb,
    pub redis: RedisServer,
    pub hook: HttpStandIn,
    pub folder: TempDir,
    /// Where the tools are taken from; a test may put others there.
    pub bin: PathBuf,
}

impl Site {
    /// An empty database and the settings of a small night.
    pub fn empty(hint: &str) -> Site {
        let folder = TempDir::new().unwrap();
        let db = Cluster::shared().database(hint);
        let redis = RedisServer::start();
        let hook = HttpStandIn::answering(Response::status(200).body("ok"));
        std::fs::create_dir(folder.path().join("config")).unwrap();
        let settings = format!(
            "DATABASE_URL={}\nREDIS_URL={}\nALERT_ENABLED=true\nALERT_WEBHOOK={}\nDERIVE_STEPS=3\nDERIVE_DEPTH_MAX=3\n\
             DERIVE_MAX_BREADTH=20\nDERIVE_MAX_TOTAL=40\nPRUNE_FAILED_PROOFS_DAYS=14\nDISK_FREE_MIN_MB=1\nDISK_FREE_WARN_PERCENT=0\n",
            db.url(),
            redis.url(),
            hook.url("/services/T/B/secret-of-the-webhook")
        );
        let path = folder.path().join("config/nightly.env");
        std::fs::write(&path, settings).unwrap();
        private(&path);
        Site { db, redis, hook, folder, bin: ml_tests::tool::bin_dir() }
    }

    /// The same with a ledger.
    pub fn with_ledger(hint: &str) -> Site {
        let site = Site::empty(hint);
        site.tool("ml-migrate").arg("up").run().expect_code(0);
        site
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn config(&self) -> PathBuf {
        self.path().join("config/nightly.env")
    }

    /// One of the tools with this site's settings.
    pub fn tool(&self, name: &str) -> Tool {
        Tool::new(name).arg("--config").arg(self.config())
    }

    /// The nightly wrapper.
    pub fn wrapper(&self) -> Tool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/run-nightly.sh").canonicalize().unwrap();
        Tool::foreign(script)
            .arg("--config")
            .arg(self.config())
            .env("ML_BIN", &self.bin)
            .env("PATH", "/usr/bin:/bin")
            .timeout(std::time::Duration::from_secs(300))
    }

    /// The folder of the newest night.
    pub fn last_log(&self) -> PathBuf {
        let logs = std::fs::read_dir(self.path().join("logs")).unwrap().map(|entry| entry.unwrap().path());
        logs.max().unwrap()
    }

    /// The stream of the newest night, every line checked against the closed schema.
    pub fn stream(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.last_log().join("stream.jsonl")).unwrap();
        assert!(text.is_ascii());
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.inspect(check_line).collect()
    }

    /// A folder with links to all tools but those in `without`.
    pub fn other_bin(&mut self, without: &[&str]) -> PathBuf {
        let other = self.path().join("bin");
        std::fs::create_dir_all(&other).unwrap();
        for entry in std::fs::read_dir(&self.bin).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("ml-") && path.is_file() && !name.ends_with(".d") && !without.contains(&name.as_str()) {
                std::os::unix::fs::symlink(&path, other.join(&name)).unwrap();
            }
        }
        self.bin = other.clone();
        other
    }

    /// One number of the ledger.
    pub fn number(&self, sql: &str) -> i64 {
        self.db.client().query_one(sql, &[]).unwrap().get(0)
    }

    /// The files below the site's folder, with what is in them.
    pub fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        collect(self.path(), &mut found);
        found.sort();
        found
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.push((path.clone(), Vec::new()));
            collect(&path, found);
        } else {
            found.push((path.clone(), std::fs::read(&path).unwrap()));
        }
    }
}

fn private(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// The only record of that tool and kind (and id, when given).
pub fn one<'a>(records: &'a [Value], tool: &str, kind: &str, id: Option<&str>) -> &'a Value {
    let of = |record: &&Value| record["tool"] == tool && record["kind"] == kind && id.is_none_or(|id| record["id"] == id);
    let found: Vec<&Value> = records.iter().filter(of).collect();
    assert_eq!(found.len(), 1, "{tool} {kind} {id:?}: {found:?}");
    found[0]
}

/// The end of a tool: status and exit.
pub fn ended(records: &[Value], tool: &str) -> (String, i64) {
    let end = one(records, tool, "end", None);
    (end["status"].as_str().unwrap().to_owned(), end["exit"].as_i64().unwrap())
}

/// Everything that a program printed.
pub fn printed(output: &Output) -> String {
    format!("{}{}", output.stdout, output.stderr)
}
