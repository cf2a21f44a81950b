//! TWZRD off-chain services: the database of every day, the services after the restart of Fridays.

use crate::watched::{Seen, Watched, tells};
use ml_tests::{Cluster, Response, TestDb, closed_port};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

const SCHEMA: &str =
    "CREATE TABLE epochs (id int PRIMARY KEY); CREATE TABLE channels (id int PRIMARY KEY); CREATE TABLE proofs (id int PRIMARY KEY);
    CREATE TABLE schema_migrations (version int PRIMARY KEY); INSERT INTO schema_migrations SELECT generate_series(1, 12)";

/// The eleven services, of which the first was restarted so often.
fn eleven(restarts: u64) -> Vec<(&'static str, &'static str, u64)> {
    let names = ["api", "worker", "epochs", "channels", "proofs", "keeper", "relay", "index", "cron", "mail", "web"];
    names.iter().map(|name| (*name, "online", if *name == "api" { restarts } else { 0 })).collect()
}

pub fn twzrd(hint: &str) -> (Watched, TestDb) {
    let db = Cluster::shared().database(hint);
    db.client().batch_execute(SCHEMA).unwrap();
    let operator = db.role("operator", "GRANT ml, pg_monitor TO {role}");
    let mut system = Watched::new("twzrd");
    system.set("DATABASE_URL", db.url_as(&operator.name, &operator.password));
    system.set("HEALTH_URL", system.service.url("/health"));
    system.service.set("/health", Response::json(r#"{"status":"ok"}"#));
    system.machine(7, 71, 2.83);
    system.commands.pm2(&eleven(0));
    system.write("bin/pm2.d/api-error.log", "ready\n");
    (system, db)
}

#[test]
fn healthy_degraded_critical_and_absent() {
    let (mut system, db) = twzrd("twzrd");
    system.has_no_mistake();
    let seen = system.is("healthy", &[]);
    assert_eq!(seen.check("db.migrations")["value"], 12);
    assert!(seen.check("db.growth")["summary"].as_str().unwrap().contains("no earlier run"), "{}", seen.check("db.growth"));

    db.client().batch_execute("CREATE TABLE events (id int)").unwrap();
    system.is("a table without primary key", &[("db.primary-keys", "warn")]);
    let seen = system.look(&["--only", "db.primary-keys"]);
    assert!(seen.check("db.primary-keys")["evidence"][0].as_str().unwrap().contains("events"));

    db.client().batch_execute("DELETE FROM schema_migrations WHERE version = 12; DROP TABLE channels").unwrap();
    system.service.set("/health", Response::status(503));
    let critical = [("db.primary-keys", "warn"), ("db.migrations", "crit"), ("db.tables", "crit"), ("services.health", "crit")];
    let seen = system.is("critical", &critical);
    let told = seen.told.join("\n");
    assert!(told.contains("pm2 restart all"), "each alert has its remedy: {told}");
    assert!(tells(&told, "high", "db.tables") && tells(&told, "high", "services.health"), "{told}");
    assert!(told.contains("contact: Off-Chain Infrastructure"), "{told}");

    system.set("DATABASE_URL", format!("postgresql://x:y@127.0.0.1:{}/x", closed_port()));
    system.set("HEALTH_URL", format!("http://127.0.0.1:{}/health", closed_port()));
    system.is("absent", &[("db.connect", "crit"), ("services.health", "crit")]);
}

#[test]
fn crashes_and_errors_since_the_last_look_are_alerts() {
    let (system, _db) = twzrd("twzrd_pm2");
    system.is("at first", &[]);
    system.commands.pm2(&eleven(1));
    system.write("bin/pm2.d/api-error.log", "ready\nError: connection lost\n");
    let seen = system.is("a crash", &[("pm2.crashes", "warn"), ("logs.errors", "warn")]);
    assert!(seen.told.join("\n").contains("pm2 restart NAME") && tells(&seen.told.join("\n"), "medium", "pm2.crashes"), "{:?}", seen.told);
    system.is("no new one", &[]);
    let mut ten = eleven(1);
    ten[3].1 = "errored";
    system.commands.pm2(&ten);
    system.is("given up", &[("pm2.crashes", "warn"), ("pm2.online", "warn")]);
}

/// The server at this port, from which every answer comes so much later.
fn slow(port: u16, by: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = listener.local_addr().unwrap().port();
    let pass = |mut from: TcpStream, mut to: TcpStream, by: Duration| {
        std::thread::spawn(move || {
            let mut buffer = [0; 8192];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                std::thread::sleep(by);
                if to.write_all(&buffer[..count]).is_err() {
                    break;
                }
            }
            to.shutdown(Shutdown::Both).ok();
        })
    };
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            pass(client.try_clone().unwrap(), server.try_clone().unwrap(), Duration::ZERO);
            pass(server, client, by);
        }
    });
    ours
}

#[test]
fn a_database_that_takes_fifty_milliseconds_is_an_alert() {
    let (mut system, db) = twzrd("twzrd_slow");
    let port = Cluster::shared().port();
    let far = db.url().replace(&format!(":{port}/"), &format!(":{}/", slow(port, Duration::from_millis(50))));
    system.set("DATABASE_URL", far);
    let seen = system.look(&["--only", "db.connect"]);
    let found = seen.check("db.connect");
    assert_eq!((&found["status"], &found["warn"]), (&"warn".into(), &">= 50".into()), "{found}");
    assert!(tells(&seen.told.join("\n"), "high", "db.connect"), "{:?}", seen.told);
}

#[test]
fn a_job_that_does_not_come_is_an_alert() {
    let (system, _db) = twzrd("twzrd_absent");
    let all = system.look(&[]);
    let only = |ids: &[&str]| {
        let is_of = |id: &str| ids.iter().any(|begin| id.starts_with(begin));
        let records = all.records.iter().filter(|record| record["kind"] != "check" || is_of(record["id"].as_str().unwrap()));
        Seen { records: records.cloned().collect(), told: Vec::new(), code: 0 }
    };
    system.tells_of_a_tool_that_failed(&all);
    // What still comes, after so many minutes; who is missed then.
    let (hourly, daily) = (["host.load", "host.swap", "pm2"], ["db"]);
    let day = 24 * 60;
    let cases: [(&[&str], i64, &[&str]); 6] = [
        (&daily, 119, &[]),
        (&daily, 121, &["host.load"]),
        (&hourly, 26 * 60 - 1, &[]),
        (&hourly, 26 * 60 + 1, &["db.connect"]),
        (&["host.load", "db"], 8 * day - 1, &[]),
        (&["host.load", "db"], 8 * day + 1, &["host.memory", "tool.ml-vacuum"]),
    ];
    for (comes, minutes, missed) in cases {
        system.forget_alerts();
        assert!(system.later(&all, 0).is_empty(), "all is well");
        let told = system.later(&only(comes), minutes).join("\n");
        let named: Vec<&str> = ["host.load", "db.connect", "host.memory", "tool.ml-vacuum"]
            .into_iter()
            .filter(|id| told.contains(&format!("nothing was heard of {id} ")))
            .collect();
        assert_eq!(named, missed, "{comes:?} after {minutes} minutes: {told}");
        assert!(missed.is_empty() || told.contains("crontab -l"), "{told}");
    }
}

#[test]
fn swap_and_load_are_alerts_and_emergencies_as_in_the_framework() {
    let (mut system, _db) = twzrd("twzrd_host");
    let cases = [(20, 8.0, "ok", "ok"), (21, 8.1, "warn", "warn"), (80, 12.0, "warn", "warn"), (81, 12.1, "crit", "crit")];
    for (swap, load, of_swap, of_load) in cases {
        system.machine(swap, 71, load);
        system.forget_alerts();
        let seen = system.look(&["--tier", "fast", "--skip", "services"]);
        let status = |id: &str| seen.check(id)["status"].as_str().unwrap().to_owned();
        assert_eq!((status("host.swap").as_str(), status("host.load").as_str()), (of_swap, of_load), "swap {swap}, load {load}");
        let told = seen.told.join("\n");
        match of_swap {
            "ok" => assert!(told.is_empty(), "silent unless an alert: {told}"),
            "warn" => assert!(tells(&told, "medium", "host.swap") && told.contains("threshold 20"), "{told}"),
            _ => assert!(tells(&told, "critical", "host.load") && told.contains("threshold 12"), "{told}"),
        }
    }
}

#[test]
fn more_than_a_hundred_thousand_dead_rows_are_an_alert() {
    let (system, db) = twzrd("twzrd_dead");
    let mut client = db.client();
    client.batch_execute("ALTER TABLE epochs SET (autovacuum_enabled = false)").unwrap();
    client.batch_execute("INSERT INTO epochs SELECT generate_series(1, 100001); DELETE FROM epochs WHERE id <= 100000").unwrap();
    client.batch_execute("SELECT pg_stat_force_next_flush()").unwrap();
    drop(client);
    let dead = || system.look(&["--only", "db.dead-rows"]).check("db.dead-rows").clone();
    let found = dead();
    assert_eq!((&found["status"], &found["value"]), (&"ok".into(), &100_000.into()), "{found}");
    db.client().batch_execute("DELETE FROM epochs WHERE id = 100001").unwrap();
    let seen = (0..50).map(|_| dead()).inspect(|_| std::thread::sleep(std::time::Duration::from_millis(100)));
    let found = seen.into_iter().find(|found| found["value"] == 100_001).expect("the server counts it");
    assert_eq!(found["status"], "warn", "{found}");
}
