//! Nights on which something is down, and ledgers that MathLedger made.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

mod support;

use ml_tests::{closed_port, ledger};
use postgres::Client;
use serde_json::Value;
use support::{Site, ended, one, printed};

/// The night of a site whose settings end with these lines.
fn night_with(site: &Site, lines: &str) -> (ml_tests::Output, Vec<Value>) {
    std::fs::write(site.config(), std::fs::read_to_string(site.config()).unwrap() + lines).unwrap();
    let night = site.wrapper().run();
    (night, site.stream())
}

fn told(site: &Site) -> String {
    let request = site.hook.requests().pop().expect("a message was sent");
    serde_json::from_str::<Value>(&request.body).unwrap()["text"].as_str().unwrap().to_owned()
}

/// Every failed end and every bad check says what to do.
fn all_have_hints(records: &[Value]) {
    for record in records {
        let bad = matches!(record["status"].as_str().unwrap(), "crit" | "warn");
        let explains = record["kind"] == "check" || (record["kind"] == "end" && record["error_class"].is_string());
        assert!(!(bad && explains) || record["hint"].is_string(), "no hint: {record}");
    }
}

#[test]
fn a_night_without_postgresql() {
    let site = Site::with_ledger("nopg");
    let (night, records) =
        night_with(&site, &format!("DATABASE_URL=postgresql://ml:{}@127.0.0.1:{}/x\n", site.db.password(), closed_port()));
    assert_eq!(night.code, 5, "{}", night.stderr);
    assert_eq!(one(&records, "ml-health", "check", Some("postgres.connect"))["status"], "crit");
    assert_eq!((ended(&records, "ml-derive"), ended(&records, "ml-export")), (("skipped".into(), 1), ("skipped".into(), 1)));
    assert_eq!((ended(&records, "ml-backup").1, ended(&records, "ml-vacuum").1), (2, 2));
    assert!(told(&site).contains("[critical] postgres.connect: [gate]") && told(&site).contains("tool.ml-backup: failed (exit 2)"));
    all_have_hints(&records);
    assert!(!printed(&night).contains(site.db.password()));
    assert!(!site.path().join("backups").exists() || std::fs::read_dir(site.path().join("backups")).unwrap().next().is_none());
}

#[test]
fn a_night_without_redis_and_without_the_api() {
    let site = Site::with_ledger("noredis");
    let lines = format!("REDIS_URL=redis://:secret-of-redis@127.0.0.1:{0}\nHEALTH_URL=http://127.0.0.1:{0}/health\n", closed_port());
    let (night, records) = night_with(&site, &lines);
    assert_eq!(night.code, 5, "{}", night.stderr);
    assert_eq!(one(&records, "ml-health", "check", Some("redis.ping"))["status"], "crit");
    assert_eq!(one(&records, "ml-health", "check", Some("api.health"))["status"], "crit");
    // Neither is a gate: the theorems are derived and kept, and that they wait for the queue is a warning.
    assert_eq!(ended(&records, "ml-derive"), ("warn".into(), 1));
    assert!(site.number("SELECT count(*) FROM statements") > 3);
    assert_eq!((ended(&records, "ml-export").1, ended(&records, "ml-backup").1), (0, 0));
    all_have_hints(&records);
    assert!(!printed(&night).contains("secret-of-redis") && !told(&site).contains("secret-of-redis"));
}

#[test]
fn a_night_with_a_wrong_password_a_missing_database_and_a_reader() {
    let site = Site::with_ledger("refused");
    // What pg_dump reads, too: the sequences' values.
    let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}; GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}";
    let role = site.db.role("reader", grants);
    let reader = site.db.url_as(&role.name, &role.password);
    let port = site.db.url().rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    for (url, backup) in [
        (format!("postgresql://ml:not-the-password@127.0.0.1:{port}/{}", site.db.name()), 2),
        (format!("postgresql://ml:{}@127.0.0.1:{port}/nowhere", site.db.password()), 2),
        (reader, 0),
    ] {
        std::thread::sleep(std::time::Duration::from_millis(1100)); // a log folder a second
        let (night, records) = night_with(&site, &format!("DATABASE_URL={url}\n"));
        assert_eq!(night.code, 5, "{url}: {}", night.stderr);
        assert_eq!(ended(&records, "ml-derive"), ("skipped".into(), 1), "{url}");
        assert_eq!(ended(&records, "ml-backup").1, backup, "{url}");
        all_have_hints(&records);
        assert!(!printed(&night).contains("not-the-password"));
    }
    assert_eq!(site.number("SELECT count(*) FROM statements"), 0);
}

#[test]
fn ledgers_of_both_generations_are_operated() {
    for (name, make) in [("first", ledger::first_generation as fn(&mut Client)), ("second", ledger::second_generation)] {
        let site = Site::empty(name);
        make(&mut site.db.client());
        let failed_before = site.number("SELECT count(*) FROM proofs WHERE NOT success AND created_at < now() - interval '14 days'");
        let rows = site.number("SELECT count(*) FROM statements");
        let night = site.wrapper().arg("--skip-derivation").run();
        let records = site.stream();
        assert_eq!(night.code, 0, "{name}: {}\n{}", night.stdout, night.stderr);
        let schema = one(&records, "ml-health", "check", Some("ledger.schema"));
        assert!(schema["status"] == "ok" && schema["summary"].as_str().unwrap().contains(name), "{schema}");
        let exported = one(&records, "ml-export", "step", Some("export.statements"));
        assert_eq!(exported["rows"], rows, "{name}");
        assert_eq!((ended(&records, "ml-backup").1, ended(&records, "ml-vacuum").1), (0, 0), "{name}");
        assert!(failed_before > 0, "the sample has old failed proofs");
        assert_eq!(site.number("SELECT count(*) FROM proofs WHERE NOT success AND created_at < now() - interval '14 days'"), 0, "{name}");
        let dump = one(&records, "ml-backup", "step", Some("dump"))["path"].as_str().unwrap();
        let drill = site.tool("ml-restore").arg("--scratch").arg(dump).run();
        assert!(drill.code <= 1, "{name}: {}", drill.stdout);
        assert_eq!(site.number("SELECT count(*) FROM statements"), rows);
    }
    // The engine writes the second generation alone, and says so.
    let site = Site::empty("refusal");
    ledger::first_generation(&mut site.db.client());
    let refused = site.tool("ml-derive").run();
    assert!(refused.code == 2 && refused.stderr.contains("hint:") && refused.stderr.contains("first"), "{}", refused.stderr);
}
