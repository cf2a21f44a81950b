//! PostgreSQL sessions against a real private server: settings, deadlines, refusals, locks, cancelling, children.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use ml_common::pg::{self, Options, Target, lock};
use ml_common::{Class, Failure};
use ml_tests::{Cluster, TestDb};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::process::Command;
use std::time::Duration;

/// Nothing of the machine's environment.
fn nothing(name: &str) -> Option<String> {
    (name == "HOME").then(|| "/nonexistent".to_owned())
}

fn target(url: &str) -> Target {
    Target::resolve(Some(url), &nothing).unwrap()
}

fn options() -> Options {
    Options::new("ml-test 20250108T020000Z-3f9a1c")
}

fn quick() -> Options {
    Options { connect_deadline: Duration::from_millis(300), ..options() }
}

#[track_caller]
fn refusal(target: &Target, options: &Options) -> Failure {
    match target.connect(options) {
        Ok(_) => panic!("connected to {}", target.describe()),
        Err(failure) => failure,
    }
}

fn one(client: &mut postgres::Client, sql: &str) -> String {
    client.query_one(sql, &[]).unwrap().get(0)
}

fn database() -> TestDb {
    Cluster::shared().database("conn")
}

#[test]
fn a_session_is_what_the_options_say() {
    let db = database();
    let options = Options { lock_timeout: None, idle_in_transaction: Some(Duration::ZERO), read_only: true, ..options() };
    for url in [db.url(), db.socket_url()] {
        let mut client = target(&url).connect(&options).unwrap();
        for (setting, value) in [
            ("application_name", "ml-test 20250108T020000Z-3f9a1c"),
            ("statement_timeout", "5min"),
            ("lock_timeout", "0"),
            ("idle_in_transaction_session_timeout", "0"),
            ("default_transaction_read_only", "on"),
        ] {
            assert_eq!(one(&mut client, &format!("SELECT current_setting('{setting}')")), value, "{setting}");
        }
        assert_eq!(one(&mut client, "SELECT current_database()::text"), db.name());
    }
}

#[test]
fn server_options_of_the_url_are_passed_on() {
    let db = database();
    let mut client = target(&format!("{}?options=-c%20work_mem%3D7MB", db.url())).connect(&options()).unwrap();
    assert_eq!(one(&mut client, "SHOW work_mem"), "7MB");
}

#[test]
fn refusals_are_told_with_state_place_and_remedy() {
    let (db, port) = (database(), Cluster::shared().port());
    let at = format!("127.0.0.1:{port}");
    for (url, code, hint) in [
        (db.url_as("ml", "hunter2"), "(28P01)", "correct the password"),
        (db.url_as("nobody_of_that_name", "hunter2"), "(28P01)", "correct the password"),
        (format!("postgresql://ml:{}@{at}/nowhere", db.password()), "(3D000)", "createdb"),
        (format!("postgresql://ml@{at}/{}", db.name()), "asks for a password", "PGPASSWORD"),
        (format!("postgresql://ml:hunter2@{at}/x?sslmode=require"), "does not offer TLS", "sslmode"),
        (format!("postgresql://ml:hunter2@127.0.0.1:{}/x", ml_tests::closed_port()), "connection refused", "start the server"),
        ("postgresql://ml:hunter2@no.such.host.invalid/x".to_owned(), "no.such.host.invalid", "DATABASE_URL"),
        ("postgresql://ml:hunter2@%2Fno%2Fsuch%2Ffolder/x".to_owned(), "no database server socket", "DATABASE_URL"),
    ] {
        let target = target(&url);
        let failure = refusal(&target, &options());
        assert_eq!(failure.class, Class::Database, "{failure:?}");
        assert!(failure.message.contains(code) && failure.message.contains(&target.host()), "{failure:?}");
        assert!(failure.hint.clone().unwrap_or_default().contains(hint), "{failure:?}");
        assert!(!failure.for_people().contains("hunter2") && !failure.for_people().contains(db.password()), "{failure:?}");
    }
}

#[test]
fn the_password_file_opens_the_door_and_only_while_it_is_private() {
    let (db, home) = (database(), tempfile::tempdir().unwrap());
    let file = home.path().join(".pgpass");
    std::fs::write(&file, format!("127.0.0.1:*:{}:ml:{}\n", db.name(), db.password())).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let env = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
    let url = format!("postgresql://ml@127.0.0.1:{}/{}", Cluster::shared().port(), db.name());
    let resolve = || Target::resolve(Some(&url), &env).unwrap();
    resolve().connect(&options()).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    assert!(refusal(&resolve(), &options()).message.contains("asks for a password"));
}

#[test]
fn a_silent_listener_meets_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let socket = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
    let port = listener.local_addr().unwrap().port();
    for (url, at) in [
        (format!("postgresql://ml@127.0.0.1:{port}/x"), format!("127.0.0.1:{port}")),
        (format!("postgresql://ml@127.0.0.1:{port}/x?sslmode=disable"), format!("127.0.0.1:{port}")),
        (format!("postgresql://ml@127.0.0.1:{port}/x?sslmode=require&sslnegotiation=direct"), format!("127.0.0.1:{port}")),
        (format!("host={} user=ml dbname=x", folder.path().display()), format!("{}:5432", folder.path().display())),
    ] {
        let failure = refusal(&target(&url), &quick());
        assert_eq!(failure.message, format!("database server {at} does not answer within 0.3 s"), "{url}");
        assert_eq!(failure.class, Class::Database);
    }
    drop((listener, socket));
}

#[test]
fn the_next_host_is_tried_after_silence_and_refusal_but_not_after_a_wrong_password() {
    let (db, port) = (database(), Cluster::shared().port());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let (mute, closed) = (silent.local_addr().unwrap().port(), ml_tests::closed_port());
    let url = |password: &str, ports: &str| {
        let hosts = ports.split(',').map(|port| format!("127.0.0.1:{port}")).collect::<Vec<_>>().join(",");
        format!("postgresql://ml:{password}@{hosts}/{}", db.name())
    };
    target(&url(db.password(), &format!("{closed},{mute},{port}"))).connect(&quick()).unwrap();
    let failure = refusal(&target(&url("hunter2", &format!("{port},{closed}"))), &quick());
    assert!(failure.message.contains("28P01") && !failure.message.contains("refused"), "{failure}");
    let failure = refusal(&target(&url("hunter2", &format!("{closed},{mute}"))), &quick());
    assert!(failure.message.contains("connection refused; database server"), "{failure}");
}

#[test]
fn the_kind_of_session_is_chosen() {
    let db = database();
    let with = |attrs: &str| target(&format!("{}?target_session_attrs={attrs}", db.url()));
    for attrs in ["any", "read-write", "primary", "prefer-standby"] {
        with(attrs).connect(&options()).unwrap_or_else(|failure| panic!("{attrs}: {failure}"));
    }
    for attrs in ["read-only", "standby"] {
        assert!(refusal(&with(attrs), &options()).message.contains("a primary and writable"), "{attrs}");
    }
}

#[test]
fn a_lock_is_held_once_and_its_holder_named() {
    let db = database();
    let target = target(&db.url());
    let mut guard = lock::try_lock(&target, "ml-backup", "20250108T020000Z-aaaaaa").unwrap();
    guard.still_held().unwrap();
    let snapshots = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE '%aaaaaa' AND backend_xmin IS NOT NULL";
    assert_eq!(db.superuser().query_one(snapshots, &[]).unwrap().get::<_, i64>(0), 0, "a lock holds back no vacuum");
    let Err(failure) = lock::try_lock(&target, "ml-backup", "20250108T020001Z-bbbbbb") else { panic!("taken twice") };
    assert_eq!(failure.class, Class::Locked);
    assert!(failure.message.starts_with("the lock ml-backup is held by ml-backup 20250108T020000Z-aaaaaa (server process "), "{failure}");
    assert!(failure.message.contains(", since 20"), "{failure}");
    lock::try_lock(&target, "ml-vacuum", "20250108T020001Z-bbbbbb").unwrap();
    drop(guard);
    let mut guard = lock::try_lock(&target, "ml-backup", "20250108T020002Z-cccccc").unwrap();
    let mut superuser = db.superuser();
    superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE '%cccccc'", &[]).unwrap();
    assert_eq!(guard.still_held().unwrap_err().class, Class::Database);
}

#[test]
fn a_lock_outlives_the_limits_of_idle_transactions() {
    let db = database();
    db.superuser().batch_execute(&format!("ALTER DATABASE {} SET idle_in_transaction_session_timeout = 50", db.name())).unwrap();
    let target = target(&db.url());
    let mut guard = lock::try_lock(&target, "ml-backup", "a").unwrap();
    let mut other = target.connect(&options()).unwrap();
    other.batch_execute("BEGIN; SELECT 1").unwrap();
    // The server ends the other session by that limit; when it has, the lock's would have ended too.
    let ended = (0..200).any(|_| {
        std::thread::sleep(Duration::from_millis(20));
        other.batch_execute("").is_err()
            || db
                .superuser()
                .query(
                    "SELECT 1 FROM pg_stat_activity WHERE application_name = $1 AND datname = $2",
                    &[&options().application_name, &db.name()],
                )
                .unwrap()
                .is_empty()
    });
    assert!(ended, "the limit is in force");
    guard.still_held().unwrap();
}

#[test]
fn a_running_query_is_cancelled() {
    let db = database();
    for url in [db.url(), db.socket_url()] {
        let target = target(&url);
        let mut client = target.connect(&options()).unwrap();
        let cancel = pg::canceller(&client, &target);
        let mut superuser = db.superuser();
        let watcher = std::thread::spawn(move || {
            let sql = "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%' AND state = 'active' AND datname = current_database()";
            while superuser.query(sql, &[]).unwrap().is_empty() {
                std::thread::sleep(Duration::from_millis(10));
            }
            cancel();
        });
        let error = client.batch_execute("SELECT pg_sleep(600)").unwrap_err();
        watcher.join().unwrap();
        let failure = pg::failure(&error, "sleeping");
        assert!(failure.message.starts_with("sleeping: ") && failure.message.contains("(57014)"), "{failure}");
    }
}

#[test]
fn statement_failures_have_state_detail_and_remedy() {
    let db = database();
    let mut client = target(&db.url()).connect(&Options { statement_timeout: Some(Duration::from_millis(50)), ..options() }).unwrap();
    client.batch_execute("CREATE TABLE t (id int PRIMARY KEY)").unwrap();
    for (sql, message, hint) in [
        ("SELECT pg_sleep(600)", "(57014)", "longer than its limit"),
        ("INSERT INTO t VALUES (1), (1)", "(23505); Key (id)=(1) already exists", ""),
        ("SELECT * FROM nowhere", "(42P01)", "ml-migrate"),
        ("SELECT pg_read_file('/etc/passwd')", "(42501)", "GRANT"),
        ("BEGIN READ ONLY; DELETE FROM t", "(25006)", "primary"),
    ] {
        let failure = pg::failure(&client.batch_execute(sql).unwrap_err(), "trying");
        assert!(failure.class == Class::Database && failure.message.starts_with("trying: "), "{failure:?}");
        assert!(failure.message.contains(message), "{failure:?}");
        assert!(failure.hint.clone().unwrap_or_default().contains(hint), "{failure:?}");
    }
    let mut holder = db.client();
    let mut waiter = target(&db.url()).connect(&Options { lock_timeout: Some(Duration::from_millis(50)), ..options() }).unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE t").unwrap();
    let failure = pg::failure(&waiter.batch_execute("SELECT * FROM t").unwrap_err(), "reading");
    assert!(failure.message.contains("(55P03)") && failure.hint.unwrap().contains("pg_locks"));
    let mut superuser = db.superuser();
    // Other tests have sessions of that name, too, in their own databases.
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1 AND datname = $2";
    superuser.execute(end, &[&options().application_name, &db.name()]).unwrap();
    let failure = pg::failure(&waiter.batch_execute("SELECT 1").unwrap_err(), "reading");
    assert!(failure.class == Class::Database && failure.hint.is_some(), "{failure:?}");
}

#[test]
fn children_reach_the_same_database_without_arguments() {
    let db = database();
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(".pgpass");
    std::fs::write(&file, format!("*:*:{}:ml:{}\n", db.name(), db.password())).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
    let env = |name: &str| (name == "HOME").then(|| home.path().display().to_string());
    let by_file = Target::resolve(Some(&format!("postgresql://ml@127.0.0.1:{}/{}", Cluster::shared().port(), db.name())), &env).unwrap();
    let options = target(&format!("{}?options=-c%20work_mem%3D7MB", db.url()));
    for (target, memory) in [(target(&db.url()), "4MB"), (target(&db.socket_url()), "4MB"), (by_file, "4MB"), (options, "7MB")] {
        let mut psql = Command::new(Cluster::shared().bin().join("psql"));
        // What would lead the child astray is removed.
        psql.env("PGSERVICE", "elsewhere").env("PGHOSTADDR", "203.0.113.1").env("PGSSLMODE", "verify-full");
        target.prepare(&mut psql);
        let output = psql
            .args(["-XAtc", "SELECT current_database() || ' ' || current_user || ' ' || current_setting('work_mem')"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), format!("{} ml {memory}", db.name()), "{output:?}");
    }
}
