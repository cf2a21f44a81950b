//! The test kit holds what it promises.

use ml_tests::ledger::{self, SAMPLES};
use ml_tests::{Cluster, HttpStandIn, Pipeline, RedisServer, Response, Tool, full_disk, skip};
use std::path::Path;
use std::time::{Duration, Instant};

fn sh(script: &str) -> Tool {
    Tool::foreign("sh").args(["-c", script])
}

#[test]
fn two_databases_are_apart_and_gone_afterwards() {
    let cluster = Cluster::shared();
    let (one, two) = (cluster.database("one"), cluster.database("two"));
    one.client().batch_execute("CREATE TABLE t (x int); INSERT INTO t VALUES (1)").unwrap();
    assert!(two.client().query("SELECT * FROM t", &[]).is_err());
    let name = one.name().to_owned();
    drop(one);
    let left = cluster.superuser("postgres").query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).unwrap();
    assert!(left.is_empty());
}

#[test]
fn the_owner_may_create_the_extensions_and_a_reader_may_only_read() {
    let db = Cluster::shared().database("roles");
    db.client().batch_execute("CREATE EXTENSION pgcrypto; CREATE EXTENSION pg_trgm; CREATE TABLE t (x int)").unwrap();
    let mut reader = postgres::Client::connect(&db.read_only_url(), postgres::NoTls).unwrap();
    assert!(reader.query("SELECT * FROM t", &[]).unwrap().is_empty());
    assert!(reader.execute("INSERT INTO t VALUES (1)", &[]).is_err());
    let mut over_socket = postgres::Client::connect(&db.socket_url(), postgres::NoTls).unwrap();
    assert_eq!(over_socket.execute("INSERT INTO t VALUES (1)", &[]).unwrap(), 1);
}

#[test]
fn nobody_connects_without_the_password() {
    let db = Cluster::shared().database("password");
    assert!(postgres::Client::connect(&db.url_as("ml", "wrong"), postgres::NoTls).is_err());
}

#[test]
fn a_private_cluster_can_be_killed_and_leaves_no_folder() {
    let mut cluster = Cluster::private();
    let mut client = cluster.superuser("postgres");
    let dir = cluster.dir().to_owned();
    cluster.kill();
    assert!(client.query("SELECT 1", &[]).is_err());
    drop(cluster);
    assert!(!dir.exists());
}

#[test]
fn a_killed_test_program_leaves_nothing() {
    let mut running = Tool::foreign(env!("CARGO_BIN_EXE_kit-waits")).spawn();
    running.wait_for_stdout("all started");
    running.signal(9);
    let output = running.wait();
    let folders: Vec<&str> = output.stdout.lines().filter_map(|line| line.strip_prefix("folder ")).collect();
    assert_eq!((output.code, folders.len()), (137, 3));
    let deadline = Instant::now() + Duration::from_secs(30);
    let left = || folders.iter().any(|folder| Path::new(folder).exists());
    while left() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(!left(), "left behind: {folders:?}");
    let processes = ml_tests::tool::process_list();
    assert!(!folders.iter().any(|folder| { processes.lines().any(|line| line.contains(folder) && line.contains("postgres")) }));
}

#[test]
fn redis_wants_its_password() {
    let server = RedisServer::start();
    let length: i64 = redis::cmd("RPUSH").arg("k").arg("v").query(&mut server.connection()).unwrap();
    assert_eq!(length, 1);
    let stranger = redis::Client::open(format!("redis://127.0.0.1:{}/", server.port())).unwrap();
    let refused = redis::cmd("GET").arg("k").query::<String>(&mut stranger.get_connection().unwrap());
    assert!(refused.unwrap_err().to_string().contains("NOAUTH"));
    assert!(!ml_tests::tool::process_list().contains(server.password()));
}

#[test]
fn a_tool_sees_only_the_environment_that_it_was_given() {
    let output = sh("env | cut -d= -f1 | sort | tr '\\n' ' '; exit 3").env("GIVEN", "1").run();
    assert_eq!(output.code, 3);
    let names: Vec<&str> = output.stdout.split_whitespace().filter(|name| !["PWD", "SHLVL", "OLDPWD", "_"].contains(name)).collect();
    assert_eq!(names, ["GIVEN", "HOME", "PATH"]);
}

#[test]
#[should_panic(expected = "took too long")]
fn a_tool_that_hangs_fails_the_test() {
    sh("exec sleep 60").timeout(Duration::from_millis(300)).run();
}

#[test]
#[should_panic(expected = "not JSON")]
fn a_line_that_is_not_a_record_fails_the_test() {
    ml_tests::schema::records("hello\n");
}

#[test]
fn a_pipeline_has_every_code_and_every_stderr() {
    let killed = sh("cat; kill -9 $$");
    let output = Pipeline::new().stage(sh("cat; exit 5").stdin("a\nb\n")).stage(killed).stage(sh("cat; echo said >&2; exit 0")).run();
    assert_eq!(output.codes, [5, 137, 0]);
    assert_eq!(output.last.stdout, "a\nb\n");
    assert_eq!(output.stderrs, ["", "", "said\n"]);
}

#[test]
fn a_running_tool_can_be_waited_for_and_signalled() {
    let mut running = sh("trap 'echo bye; exit 9' INT; echo ready; while :; do sleep 0.05; done").spawn();
    running.wait_for_stdout("ready");
    running.signal(2);
    let output = running.wait();
    assert_eq!((output.code, output.stdout.as_str()), (9, "ready\nbye\n"));
}

#[test]
fn the_stand_in_answers_and_remembers() {
    let server =
        HttpStandIn::routes([("/health", Response::json(r#"{"ok":true}"#)), ("/busy", Response::status(429).header("Retry-After", "2"))]);
    let ask = |path: &str| Tool::foreign("curl").args(["-sS", "-i", "-d", "payload", &server.url(path)]).run().stdout;
    assert!(ask("/health").ends_with(r#"{"ok":true}"#));
    assert!(ask("/busy").contains("429"));
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].method.as_str(), requests[1].path.as_str(), requests[1].body.as_str()), ("POST", "/busy", "payload"));
}

#[test]
fn a_full_disk_takes_no_more() {
    let disk = match full_disk(64 * 1024) {
        Ok(disk) => disk,
        Err(reason) => skip!("{reason}"),
    };
    let path = disk.path().to_owned();
    let error = std::fs::write(path.join("file"), vec![0u8; 256 * 1024]).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    drop(disk);
    assert!(!path.exists());
}

#[test]
fn both_generations_of_the_ledger_hold_the_same_statements() {
    let cluster = Cluster::shared();
    let (first, second) = (cluster.database("first"), cluster.database("second"));
    ledger::first_generation(&mut first.client());
    ledger::second_generation(&mut second.client());
    let hashes = |rows: Vec<postgres::Row>| -> Vec<String> { rows.iter().map(|row| row.get(0)).collect() };
    let old = first.client().query("SELECT encode(hash, 'hex') FROM statements ORDER BY 1", &[]).unwrap();
    let new = second.client().query("SELECT hash FROM statements ORDER BY 1", &[]).unwrap();
    let (old, new) = (hashes(old), hashes(new));
    assert_eq!(old, new);
    assert_eq!(old.len(), SAMPLES.len());
    for db in [first, second] {
        let counts = "SELECT (SELECT count(*) FROM proofs WHERE success), (SELECT count(*) FROM proofs WHERE NOT success),
            (SELECT count(*) FROM dependencies), (SELECT count(*) FROM blocks)";
        let row = db.client().query_one(counts, &[]).unwrap();
        assert_eq!([0, 1, 2, 3].map(|column| row.get::<_, i64>(column)), [3, 4, 5, 2]);
    }
}
