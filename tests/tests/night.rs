//! A night runs end to end, on real servers, through the wrapper that people schedule.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

mod support;

use ml_common::signal::Cancel;
use ml_ledger::chain::verify_chain;
use ml_ledger::reprove::reprove;
use ml_ledger::shape::Shape;
use ml_ledger::statements::Sample;
use ml_tests::Tool;
use serde_json::Value;
use std::collections::BTreeMap;
use support::{Site, ended, one, printed};

const TOOLS: [&str; 7] = ["ml-health", "ml-derive", "ml-export", "ml-backup", "ml-vacuum", "ml-alert", "ml-report"];

/// The theorems are re-proven, the chain is whole, nothing stands twice.
fn ledger_is_sound(site: &Site) {
    let mut client = site.db.client();
    let shape = Shape::discover(&mut client).unwrap();
    let report = reprove(&mut client, &shape, Sample::All, &Cancel::default()).unwrap();
    assert!(report.failed.is_empty() && report.proven + report.axioms == report.checked && report.proven > 0, "{report:?}");
    let chain = verify_chain(&mut client, &shape, &Cancel::default()).unwrap();
    assert!(chain.is_intact(), "{chain:?}");
    assert_eq!(site.number("SELECT count(*) - count(DISTINCT hash) FROM statements"), 0);
}

/// The exported file of every table holds what the table holds.
fn export_equals_database(site: &Site, records: &[Value]) {
    let steps = records.iter().filter(|record| record["tool"] == "ml-export" && record["kind"] == "step" && record["rows"].is_u64());
    let mut tables = BTreeMap::new();
    for step in steps {
        let id = step["id"].as_str().unwrap();
        if let Some(table) = id.strip_prefix("export.") {
            let text = std::fs::read_to_string(step["path"].as_str().unwrap()).unwrap();
            let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).collect::<Vec<_>>();
            assert_eq!(step["rows"].as_u64().unwrap(), rows.len() as u64, "{table}");
            assert_eq!(site.number(&format!("SELECT count(*) FROM {table}")), rows.len() as i64, "{table}");
            tables.insert(table.to_owned(), rows);
        }
    }
    assert_eq!(tables.keys().map(String::as_str).collect::<Vec<_>>(), ["blocks", "dependencies", "lemma_cache", "proofs", "statements"]);
    let mut hashes: Vec<&str> = tables["statements"].iter().map(|row| row["hash"].as_str().unwrap()).collect();
    hashes.sort_unstable();
    let stored = site.db.client().query("SELECT hash FROM statements ORDER BY hash COLLATE \"C\"", &[]).unwrap();
    assert_eq!(hashes, stored.iter().map(|row| row.get::<_, &str>(0)).collect::<Vec<_>>());
}

#[test]
fn two_nights_from_an_empty_ledger() {
    let site = Site::with_ledger("nights");
    let first = site.wrapper().run();
    let records = site.stream();
    assert_eq!(first.code, 0, "{}\n{}", first.stdout, first.stderr);
    for tool in TOOLS {
        let (status, exit) = ended(&records, tool);
        assert!(exit == 0 || (tool == "ml-health" && status == "warn" && exit == 1), "{tool}: {status} {exit}");
    }
    let derived = &one(&records, "ml-derive", "end", None)["metrics"];
    let new = derived["new_statements"].as_i64().unwrap();
    assert!(new > 0 && new <= 40, "{derived}");
    assert_eq!(site.number("SELECT count(*) FROM blocks"), 1);
    assert_eq!(redis_length(&site), derived["enqueued"].as_i64().unwrap());
    ledger_is_sound(&site);
    export_equals_database(&site, &records);
    assert!(first.stdout.contains("new") && first.stdout.contains(".dump"), "{}", first.stdout);

    let dump = one(&records, "ml-backup", "step", Some("dump"))["path"].as_str().unwrap().to_owned();
    let drill = site.tool("ml-restore").arg("--scratch").arg(&dump).run().expect_code(0);
    assert_eq!(drill.end()["status"], "ok");

    let before = site.number("SELECT count(*) FROM statements");
    let second = site.wrapper().run();
    let records = site.stream();
    assert_eq!(second.code, 0, "{}\n{}", second.stdout, second.stderr);
    let new = one(&records, "ml-derive", "end", None)["metrics"]["new_statements"].as_i64().unwrap();
    assert!(new > 0, "the second night continues");
    assert_eq!(site.number("SELECT count(*) FROM statements"), before + new);
    assert_eq!(site.number("SELECT max(block_number) - min(block_number) + 1 - count(*) FROM blocks"), 0);
    ledger_is_sound(&site);
    export_equals_database(&site, &records);
    let progress = std::fs::read_to_string(site.path().join("docs/progress.md")).unwrap();
    assert_eq!(progress.matches("## ").count(), 2, "{progress}");
}

fn redis_length(site: &Site) -> i64 {
    let mut redis = site.redis.connection();
    redis::cmd("LLEN").arg("ml:jobs").query(&mut redis).unwrap()
}

#[test]
fn a_dry_night_changes_nothing() {
    let site = Site::with_ledger("dry");
    site.wrapper().run().expect_code(0);
    let dump = || {
        let program = ml_tests::Cluster::shared().bin().join("pg_dump");
        // The password in the environment: another test looks for it in the process list.
        let url = site.db.url().replace(&format!(":{}@", site.db.password()), "@");
        let dump = Tool::foreign(program).arg("--inserts").arg(url).env("PGPASSWORD", site.db.password()).run().expect_code(0).stdout;
        // Each dump carries a random token of its own.
        dump.lines().filter(|line| !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")).collect::<Vec<_>>().join("\n")
    };
    let before = (dump(), site.files(), redis_length(&site), site.hook.requests().len());
    let night = site.wrapper().arg("--dry-run").run();
    assert_eq!(night.code, 0, "{}\n{}", night.stdout, night.stderr);
    let after = (dump(), site.files(), redis_length(&site), site.hook.requests().len());
    assert!(before.0 == after.0, "the database changed");
    let names = |files: &[(std::path::PathBuf, Vec<u8>)]| files.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(&before.1), names(&after.1));
    assert!(before.1 == after.1 && before.2 == after.2 && before.3 == after.3, "a file, the queue or the webhook changed");
}

#[test]
fn no_secret_is_printed_kept_or_in_the_process_list() {
    let site = Site::with_ledger("secrets");
    let mut running = site.wrapper().arg("--verbose").spawn();
    let mut processes = String::new();
    while running.is_running() {
        processes.push_str(&ml_tests::tool::process_list());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let night = running.wait().expect_code(0);
    let mut seen = printed(&night) + &processes;
    for (path, bytes) in site.files() {
        // The settings hold the secrets; the dump holds data alone, and none of them either.
        if path != site.config() {
            seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    assert!(processes.contains("ml-backup") && seen.len() > 10_000);
    for secret in [site.db.password(), site.redis.password(), "secret-of-the-webhook"] {
        assert!(!seen.contains(secret), "a secret is in the open: {:?}", seen.lines().find(|line| line.contains(secret)));
    }
}

#[test]
fn the_wrapper_takes_the_old_flags_and_refuses_nonsense() {
    let site = Site::with_ledger("flags");
    let night = site.wrapper().args(["--skip-health-check", "--skip-derivation", "--skip-snapshot", "--skip-maintenance"]).run();
    let records = site.stream();
    assert_eq!(night.code, 0, "{}\n{}", night.stdout, night.stderr);
    let mut tools: Vec<&str> =
        records.iter().filter(|record| record["kind"] == "start").map(|record| record["tool"].as_str().unwrap()).collect();
    tools.sort_unstable();
    assert_eq!(tools, ["ml-alert", "ml-backup", "ml-report"]);
    for (args, code) in [(&["--nonsense"][..], 64), (&["--config", "/nowhere/nightly.env"], 78), (&["--config"], 64)] {
        let refused = site.wrapper().args(args).run();
        assert!(refused.code == code && refused.stderr.contains("hint:"), "{args:?}: {} {}", refused.code, refused.stderr);
    }
    assert_eq!(site.wrapper().arg("--help").run().code, 0);
    let short = site.wrapper().env("NIGHT_DEADLINE", "tomorrow").run();
    assert_eq!(short.code, 78, "{}", short.stderr);
}

#[test]
fn with_somewhere_to_push_to_a_night_takes_backup_and_archive_there() {
    let site = Site::with_ledger("elsewhere");
    let elsewhere = site.config().parent().unwrap().with_file_name("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let flags = ["--skip-health-check", "--skip-derivation", "--skip-snapshot", "--skip-maintenance"];
    let night = || site.wrapper().args(flags).env("PUSH_TO", &elsewhere).env("ARCHIVE_PATHS", site.config());
    let kept = || {
        let mut names: Vec<String> =
            std::fs::read_dir(&elsewhere).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    };
    let dry = night().arg("--dry-run").run();
    assert_eq!((dry.code, kept()), (0, vec![]), "{}\n{}", dry.stdout, dry.stderr);
    let done = night().run();
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    for end in [".dump", ".dump.json", ".tar.gz", ".tar.gz.json"] {
        assert!(kept().iter().any(|name| name.ends_with(end)), "no {end} in {:?}", kept());
    }
    let left = night().arg("--skip-push").arg("--skip-backup").run();
    assert_eq!(left.code, 64, "nothing is left to do: {}", left.stderr);
}

#[test]
fn with_rules_a_night_rotates_logs_and_cleans_up() {
    let site = Site::with_ledger("rotated");
    let base = site.config().parent().unwrap().parent().unwrap().to_owned();
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/rotate.toml");
    std::fs::copy(shipped, base.join("config/rotate.toml")).unwrap();
    let old = base.join("logs/nightly-20200101-020000");
    std::fs::create_dir_all(&old).unwrap();
    std::fs::write(base.join("logs/health.jsonl"), vec![b'\n'; 101 << 20]).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100 * 86_400);
    for name in ["stream.jsonl", "ml-health.log"] {
        let file = std::fs::File::create(old.join(name)).unwrap();
        file.set_times(std::fs::FileTimes::new().set_modified(long_ago)).unwrap();
    }
    let flags = ["--skip-health-check", "--skip-derivation", "--skip-snapshot", "--skip-backup"];
    let night = || site.wrapper().args(flags).env("ROTATE_RULES", "config/rotate.toml").env("VACUUM_ANALYZE", "false");
    let dry = night().arg("--dry-run").run();
    assert!(dry.code == 0 && old.join("stream.jsonl").exists(), "{}\n{}", dry.stdout, dry.stderr);
    let done = night().run();
    assert_eq!(done.code, 0, "{}\n{}", done.stdout, done.stderr);
    assert!(!old.exists() && !base.join("logs/health.jsonl").exists(), "{}", done.stdout);
    let logs: Vec<String> =
        std::fs::read_dir(base.join("logs")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(logs.iter().any(|name| name.starts_with("health.jsonl-") && name.ends_with(".gz")), "{logs:?}");
    let left = night().arg("--skip-maintenance").run();
    assert_eq!(left.code, 64, "nothing is left to do: {}", left.stderr);
}
