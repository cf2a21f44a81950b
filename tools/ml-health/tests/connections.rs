//! However many checks and probes ask a server, there is one connection to it, also when it refuses or says nothing; all else is side by side.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{Cluster, HttpStandIn, RedisServer, Response, TempDir, TestDb, Tool, ledger};
use std::net::TcpListener;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};

/// The compiled-in checks, and two probes of each server.
const PROFILE: &str = r#"
[profile]
version = 1
system = "shared"
home = true
[probe.a]
kind = "postgres"
[probe.b]
kind = "postgres"
url = "${DATABASE_URL}"
[probe.c]
kind = "redis"
[probe.d]
kind = "redis"
url = "${REDIS_URL}"
[[check]]
id = "a"
probe = "a.connect"
crit = "opened == true"
[[check]]
id = "b"
probe = "b.size"
timeout = "20s"
[[check]]
id = "a.again"
probe = "a.settings"
[[check]]
id = "c"
probe = "c.ping"
crit = "opened == true"
[[check]]
id = "d"
probe = "d.memory"
"#;

fn tool(profile: &str, folder: &Path, database: &str, redis: &str) -> Tool {
    let state = folder.join("state").display().to_string();
    let tool = Tool::new("ml-health").args(["--profile", profile]).env("STATE_DIR", state).env("DISK_FREE_MIN_MB", "1");
    tool.env("DATABASE_URL", database).env("REDIS_URL", redis).env("CHECK_DEADLINE_MS", "3000")
}

/// Connections that Redis has taken, ours too.
fn connections(eye: &mut redis::Connection) -> i64 {
    let stats: String = redis::cmd("INFO").arg("stats").query(eye).unwrap();
    let line = stats.lines().find_map(|line| line.strip_prefix("total_connections_received:")).unwrap();
    line.trim().parse().unwrap()
}

/// Sessions of a database that have ended, once all have.
fn sessions(db: &TestDb, eye: &TestDb) -> i64 {
    let mut client = eye.client();
    for _ in 0..200 {
        let sql = "SELECT sessions, numbackends FROM pg_stat_database WHERE datname = $1";
        let row = client.query_one(sql, &[&db.name()]).unwrap();
        if row.get::<_, i32>(1) == 0 {
            return row.get(0);
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("a session stays open");
}

#[test]
fn all_who_ask_a_server_share_one_connection() {
    let cluster = Cluster::shared();
    let (db, eye, redis) = (cluster.database("shared"), cluster.database("eye"), RedisServer::start());
    ledger::second_generation(&mut db.client());
    let folder = TempDir::new().unwrap();
    let ours = folder.path().join("shared.toml").display().to_string();
    std::fs::write(&ours, PROFILE).unwrap();
    let mathledger = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/profiles/mathledger.toml").display().to_string();
    let mut queue = redis.connection();
    for profile in [ours, mathledger] {
        let before = (sessions(&db, &eye), connections(&mut queue));
        let output = tool(&profile, folder.path(), &db.url(), &redis.url()).run();
        let after = (sessions(&db, &eye), connections(&mut queue));
        assert_eq!((after.0 - before.0, after.1 - before.1), (1, 1), "{profile}: {}", output.stdout);
        let unwell = |id: &str| !["ok", "warn"].contains(&output.record("check", id)["status"].as_str().unwrap());
        assert!(!unwell("postgres.connect") && !unwell("ledger.schema") && !unwell("redis.ping"), "{}", output.stdout);
        if profile.ends_with("shared.toml") {
            assert!(!["a", "b", "a.again", "c", "d"].into_iter().any(unwell), "{}", output.stdout);
        }
    }
}

/// A server that takes connections and says nothing; how many it took.
fn silent() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let (port, taken) = (listener.local_addr().unwrap().port(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&taken);
    std::thread::spawn(move || {
        let mut all = Vec::new();
        for stream in listener.incoming() {
            count.fetch_add(1, Ordering::SeqCst);
            all.push(stream);
        }
    });
    (port, taken)
}

#[test]
fn a_server_that_says_nothing_is_waited_for_once() {
    let folder = TempDir::new().unwrap();
    let ours = folder.path().join("shared.toml").display().to_string();
    std::fs::write(&ours, PROFILE).unwrap();
    let ((database, databases), (redis, queues)) = (silent(), silent());
    let urls = (format!("postgresql://ml@127.0.0.1:{database}/ledger?sslmode=disable"), format!("redis://127.0.0.1:{redis}"));
    let output = tool(&ours, folder.path(), &urls.0, &urls.1).env("CHECK_DEADLINE_MS", "700").run().expect_code(5);
    assert_eq!((databases.load(Ordering::SeqCst), queues.load(Ordering::SeqCst)), (1, 1), "{}", output.stdout);
    for id in ["a", "b", "a.again", "c", "d"] {
        let told = output.record("check", id);
        assert!(told["status"] == "unknown" && told["hint"].is_string(), "{told}");
    }
}

#[test]
fn all_probes_look_side_by_side() {
    const PROBES: usize = 24;
    let barrier = Arc::new(Barrier::new(PROBES));
    // Nobody is answered before everybody has asked.
    let server = HttpStandIn::start(move |_| {
        barrier.wait();
        Response::json("{}")
    });
    let folder = TempDir::new().unwrap();
    let ours = folder.path().join("many.toml").display().to_string();
    let mut profile = "[profile]\nversion = 1\nsystem = \"many\"\n".to_owned();
    for number in 0..PROBES {
        let probe = format!("[probe.p{number}]\nkind = \"http\"\nurl = \"{}\"\n", server.url("/"));
        profile.push_str(&format!("{probe}[[check]]\nid = \"p{number}\"\nprobe = \"p{number}\"\ncrit = \"not ok\"\n"));
    }
    std::fs::write(&ours, profile).unwrap();
    let output = tool(&ours, folder.path(), "", "").env("CHECK_DEADLINE_MS", "30000").run().expect_code(0);
    assert_eq!(output.kind("check").filter(|check| check["status"] == "ok").count(), PROBES);
}
