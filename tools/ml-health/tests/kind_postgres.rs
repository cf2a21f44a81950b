//! Profiles about a PostgreSQL server, as operators run them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{Cluster, Output, TempDir, TestDb, Tool};

/// A profile about one server, whose URL is in DATABASE_URL.
const PROFILE: &str = r#"
[profile]
version = 1
system = "shop"

[probe.db]
kind = "postgres"

[[check]]
id = "db.connect"
probe = "db.connect"
value = "query_ms"
unit = "ms"
warn = "> 30000"
gate = true
on_error = "crit"
hint = "start the server"

[[check]]
id = "db.connections"
probe = "db.connections"
warn = "> 80"
crit = "> 95"
needs = ["db.connect"]

[[check]]
id = "db.busy"
probe = "db.connections"
value = "active + idle_in_transaction"
warn = "> 1000"
needs = ["db.connect"]

[[check]]
id = "db.xmin"
probe = "db.xmin"
warn = "age > 1000000000"
summary = "held back by {source}"
needs = ["db.connect"]

[[check]]
id = "db.keys"
probe = "db.primary-keys"
args = { except = ["log"] }
warn = "> 0"
hint = "give them a key"
needs = ["db.connect"]

[[check]]
id = "db.tables"
probe = "db.required-tables"
args = { tables = ["epochs", "channels"] }
crit = "> 0"
hint = "restore them, or run the migrations"
needs = ["db.connect"]

[[check]]
id = "db.migrations"
probe = "db.migrations"
args = { expected = 2 }
value = "applied"
warn = "missing > 0"
needs = ["db.connect"]

[[check]]
id = "db.deadlocks"
probe = "db.deadlocks"
value = "delta(deadlocks)"
warn = "> 0"
hint = "look into the server's log"
needs = ["db.connect"]

[[check]]
id = "db.open"
probe = "db.query"
args = { sql = "SELECT count(*) AS open, max(made) AS newest FROM epochs" }
value = "open"
warn = "> 2"
needs = ["db.connect"]
"#;

/// A server with what the profile wants, and a folder for profile and state.
struct World {
    db: TestDb,
    folder: TempDir,
    url: String,
    secret: String,
}

impl World {
    fn new(hint: &str) -> World {
        let db = Cluster::shared().database(hint);
        let sql = "CREATE TABLE epochs (id int PRIMARY KEY, made timestamptz DEFAULT now()); CREATE TABLE channels (id int PRIMARY KEY);
            CREATE TABLE log (line text); CREATE TABLE schema_migrations (version text PRIMARY KEY); INSERT INTO schema_migrations VALUES ('1'), ('2')";
        db.client().batch_execute(sql).unwrap();
        let role = db.role("monitor", "GRANT ml, pg_monitor TO {role}");
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("shop.toml"), PROFILE).unwrap();
        World { url: db.url_as(&role.name, &role.password), secret: role.password, db, folder }
    }

    fn tool(&self) -> Tool {
        let tool = Tool::new("ml-health").arg("--profile").arg(self.folder.path().join("shop.toml"));
        tool.env("DATABASE_URL", &self.url).env("STATE_DIR", self.folder.path().join("state"))
    }

    #[track_caller]
    fn run(&self, code: i32) -> Output {
        self.holds(self.tool().run(), code)
    }

    #[track_caller]
    fn holds(&self, output: Output, code: i32) -> Output {
        let said = format!("{}{}", output.stdout, output.stderr);
        assert!(!said.contains(&self.secret) && !said.contains(self.db.password()), "a password in {said}");
        output.expect_code(code)
    }
}

/// `id status` of what is not ok, in order.
fn not_ok(output: &Output) -> Vec<String> {
    let checks = output.kind("check").filter(|check| check["status"] != "ok");
    checks.map(|check| format!("{} {}", check["id"].as_str().unwrap(), check["status"].as_str().unwrap())).collect()
}

#[test]
fn a_healthy_server_is_ok_and_every_check_is_told() {
    let world = World::new("healthy");
    let output = world.run(0);
    assert_eq!(not_ok(&output), [""; 0]);
    assert_eq!(output.kind("check").count(), 9);
    assert_eq!((&output.record("check", "db.migrations")["value"], &output.record("check", "db.open")["value"]), (&2.into(), &0.into()));
    assert_eq!(output.record("check", "db.keys")["value"], 0);
    assert_eq!(output.record("check", "db.connections")["unit"], "%");
}

#[test]
fn what_is_wrong_is_told_with_its_rows_and_what_to_do() {
    let world = World::new("wrong");
    let sql = "DROP TABLE channels; DELETE FROM schema_migrations WHERE version = '2'; CREATE TABLE keyless (x int);
        INSERT INTO epochs SELECT generate_series(1, 3)";
    world.db.client().batch_execute(sql).unwrap();
    let output = world.run(5);
    assert_eq!(not_ok(&output), ["db.keys warn", "db.tables crit", "db.migrations warn", "db.open warn"]);
    let keys = output.record("check", "db.keys");
    assert_eq!((&keys["value"], &keys["hint"], &keys["warn"]), (&1.into(), &"give them a key".into(), &0.into()));
    assert!(keys["evidence"][0].as_str().unwrap().starts_with("public.keyless: "), "{keys}");
    assert_eq!(output.record("check", "db.tables")["evidence"][0], "channels: not there");
    assert_eq!(output.record("check", "db.migrations")["metrics"]["missing"], 1);
}

#[test]
fn counters_are_compared_with_the_last_run() {
    let world = World::new("compared");
    let first = world.run(0);
    let summary = first.record("check", "db.deadlocks")["summary"].as_str().unwrap();
    assert!(summary.contains("no earlier run to compare with"), "{summary}");
    assert_eq!(world.run(0).record("check", "db.deadlocks")["value"], 0);
    deadlock(&world.db);
    let told = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    while world.db.superuser().query_one(told, &[]).unwrap().get::<_, i64>(0) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let third = world.run(1);
    assert_eq!((not_ok(&third), &third.record("check", "db.deadlocks")["value"]), (vec!["db.deadlocks warn".to_owned()], &1.into()));
    assert_eq!(not_ok(&world.run(0)), [""; 0], "it is over");
}

/// Two sessions that wait for each other; the server ends one of them.
fn deadlock(db: &TestDb) {
    let (mut one, mut two) = (db.superuser(), db.superuser());
    one.batch_execute("INSERT INTO channels VALUES (1), (2)").unwrap();
    one.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE channels SET id = id WHERE id = 1").unwrap();
    two.batch_execute("SET deadlock_timeout = 1; BEGIN; UPDATE channels SET id = id WHERE id = 2").unwrap();
    let waiting = std::thread::spawn(move || two.batch_execute("UPDATE channels SET id = id WHERE id = 1; COMMIT").is_ok());
    let went = one.batch_execute("UPDATE channels SET id = id WHERE id = 2").is_ok();
    one.batch_execute("ROLLBACK").unwrap();
    assert_ne!(went, waiting.join().unwrap());
}

#[test]
fn a_role_that_may_not_look_is_never_told_that_all_is_well() {
    let world = World::new("blind");
    let mut other = world.db.superuser();
    other.batch_execute("BEGIN; SELECT 1 FROM epochs").unwrap();
    let role = world.db.role("blind", "");
    let output = world.tool().env("DATABASE_URL", world.db.url_as(&role.name, &role.password)).run();
    assert_eq!(not_ok(&output), ["db.busy skipped", "db.xmin skipped", "db.migrations skipped", "db.open skipped"]);
    for id in ["db.busy", "db.xmin", "db.migrations", "db.open"] {
        let check = output.record("check", id);
        assert_eq!(check["error_class"], "privilege", "{check}");
        assert!(check["hint"].as_str().is_some_and(|hint| hint.contains("GRANT")), "{check}");
    }
    assert!(output.record("check", "db.connections")["value"].is_number(), "how many there are is no secret");
}

#[test]
fn a_server_that_is_not_there_is_one_finding() {
    let world = World::new("down");
    let others = ["db.connections", "db.busy", "db.xmin", "db.keys", "db.tables", "db.migrations", "db.deadlocks", "db.open"];
    let expected: Vec<String> =
        std::iter::once("db.connect crit".to_owned()).chain(others.iter().map(|id| format!("{id} skipped"))).collect();
    let nobody = format!("postgresql://ml:{}@127.0.0.1:{}/shop", world.secret, ml_tests::closed_port());
    let wrong = world.url.replace(&world.secret, "wrong-password");
    let nowhere = world.url.replace(world.db.name(), "nowhere");
    for (url, word) in [(nobody, "refused"), (wrong, "28P01"), (nowhere, "3D000")] {
        let output = world.holds(world.tool().env("DATABASE_URL", url).run(), 5);
        assert_eq!(not_ok(&output), expected);
        let connect = output.record("check", "db.connect");
        assert!(connect["summary"].as_str().unwrap().contains(word), "{connect}");
        assert_eq!((&connect["hint"], &connect["gate"]), (&"start the server".into(), &true.into()));
        assert_eq!(output.record("check", "db.keys")["blocked_by"], "db.connect");
    }
}

#[test]
fn a_server_that_hangs_costs_its_deadline_and_says_so() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("shop.toml"), PROFILE).unwrap();
    let silent = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let url = format!("postgresql://ml:x@127.0.0.1:{}/shop", silent.local_addr().unwrap().port());
    let tool = || {
        Tool::new("ml-health")
            .arg("--profile")
            .arg(folder.path().join("shop.toml"))
            .env("CHECK_DEADLINE_MS", "400")
            .env("STATE_DIR", folder.path())
    };
    let output = tool().env("DATABASE_URL", url).run().expect_code(5);
    let connect = output.record("check", "db.connect");
    assert_eq!((&connect["status"], &connect["error_class"]), (&"crit".into(), &"timeout".into()), "{connect}");
}

#[test]
fn a_statement_that_takes_too_long_is_ended_on_the_server_too() {
    let world = World::new("slow");
    let slow = PROFILE.replace("SELECT count(*) AS open, max(made) AS newest FROM epochs", "SELECT 1 AS open FROM pg_sleep(62)");
    std::fs::write(world.folder.path().join("shop.toml"), slow.replace("id = \"db.open\"", "id = \"db.open\"\ntimeout = \"300ms\""))
        .unwrap();
    let output = world.run(1);
    let open = output.record("check", "db.open");
    assert_eq!((not_ok(&output), &open["error_class"]), (vec!["db.open unknown".to_owned()], &"timeout".into()), "{open}");
    let running =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(62)%' AND state = 'active' AND pid <> pg_backend_pid()";
    assert_eq!(world.db.superuser().query_one(running, &[]).unwrap().get::<_, i64>(0), 0);
}
