//! The lines that people paste, as they stand in the manual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

mod support;

use ml_tests::{Output, Tool};
use serde_json::Value;
use support::Site;

/// Runs a line in a shell, in the site's folder, with the tools on PATH.
fn paste(site: &Site, line: &str) -> Output {
    let path = format!("{}:{}", site.bin.display(), std::env::var("PATH").unwrap());
    Tool::foreign("bash").args(["-c", line]).env("PATH", path).cwd(site.path()).run()
}

fn records(output: &Output) -> Vec<Value> {
    ml_tests::schema::records(&output.stdout)
}

#[test]
fn a_recovery_drill_in_one_line() {
    let site = Site::with_ledger("drill");
    site.tool("ml-derive").run().expect_code(0);
    let drill = paste(&site, "ml-backup | ml-restore --scratch | ml-alert");
    assert_eq!(drill.code, 0, "{}{}", drill.stdout, drill.stderr);
    let records = records(&drill);
    let loaded = support::one(&records, "ml-restore", "end", None);
    assert_eq!(loaded["status"], "ok", "{loaded}");
    let scratch = support::one(&records, "ml-restore", "step", Some("create"))["summary"].as_str().unwrap().to_owned();
    assert!(scratch.contains("_scratch_"), "{scratch}");
    assert_eq!(site.number(&format!("SELECT count(*) FROM pg_database WHERE datname = '{scratch}'")), 0, "it is dropped");
    assert!(site.hook.requests().is_empty(), "all was well, and nobody was told");
    assert!(drill.stderr.is_empty(), "{}", drill.stderr);
}

#[test]
fn bad_news_alone_through_jq() {
    let site = Site::with_ledger("jq");
    let line = "ml-health | jq 'select(.status!=\"ok\")' | ml-alert --dry-run";
    let well = paste(&site, line);
    assert_eq!(well.code, 0, "skipped checks are nothing to tell: {}", well.stdout);
    std::fs::write(site.config(), std::fs::read_to_string(site.config()).unwrap() + "HEALTH_URL=http://127.0.0.1:9/health\n").unwrap();
    let bad = paste(&site, line);
    let payload = records(&bad).into_iter().find(|record| record["kind"] == "alert").unwrap();
    assert!(payload["payload"].as_str().unwrap().contains("api.health"), "{payload}");
    assert!(site.hook.requests().is_empty());
}

#[test]
fn statements_without_a_ledger_through_jq() {
    let site = Site::empty("plain");
    let line = "ml-derive --no-ledger --axioms frege --max-length 9 | jq -r 'select(.kind==\"statement\").statement'";
    let derived = paste(&site, line);
    assert_eq!(derived.code, 0, "{}", derived.stderr);
    let lines: Vec<&str> = derived.stdout.lines().collect();
    // 3 + 6 + 12 + 38 + 89 conclusions are published for lengths 1 to 9.
    assert_eq!(lines.len(), 148);
    assert!(lines.contains(&"p->p") && lines.contains(&"p->q->p"));
    let plain = paste(&site, "ml-derive --no-ledger --axioms frege --max-length 9 | jq -r .statement");
    assert!(plain.code == 0 && plain.stdout.contains("\np->p\n"), "{}", plain.stderr);
}

#[test]
fn a_cron_line() {
    let site = Site::with_ledger("cron");
    let path = format!("{}:/usr/bin:/bin", site.bin.display());
    let line = format!("cd / && ml-health --config {} | ml-alert --quiet", site.config().display());
    // What cron gives: sh, a short PATH, HOME, no terminal; what is printed would be mailed.
    let cron =
        || Tool::foreign("env").args(["-i", &format!("PATH={path}"), "HOME=/nonexistent", "SHELL=/bin/sh", "/bin/sh", "-c", &line]).run();
    let well = cron();
    assert_eq!((well.code, well.stdout.as_str(), well.stderr.as_str()), (0, "", ""));
    std::fs::write(site.config(), std::fs::read_to_string(site.config()).unwrap() + "HEALTH_URL=http://127.0.0.1:9/health\n").unwrap();
    assert_eq!(cron().code, 5);
    assert_eq!(site.hook.requests().len(), 1);
}

#[test]
fn all_backups_tried_in_a_loop() {
    let site = Site::with_ledger("loop");
    site.tool("ml-derive").run().expect_code(0);
    for _ in 0..2 {
        site.tool("ml-backup").run().expect_code(0);
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    let dumps = |site: &Site| {
        let entries = std::fs::read_dir(site.path().join("backups")).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<_> = entries.filter(|path| path.extension().is_some_and(|ext| ext == "dump")).collect();
        found.sort();
        found
    };
    let line = "find backups -name '*.dump' | while read -r f; do ml-restore --scratch \"$f\" >/dev/null || echo \"BAD $f\"; done";
    let well = paste(&site, line);
    assert_eq!((well.code, well.stdout.as_str(), dumps(&site).len()), (0, "", 2), "{}", well.stderr);
    let victim = dumps(&site).remove(0);
    let mut bytes = std::fs::read(&victim).unwrap();
    bytes.truncate(bytes.len() / 2);
    std::fs::write(&victim, bytes).unwrap();
    let bad = paste(&site, line);
    assert_eq!(bad.stdout.trim(), format!("BAD backups/{}", victim.file_name().unwrap().to_string_lossy()), "{}", bad.stderr);
}
