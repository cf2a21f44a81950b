//! What stops whom, and that nothing that dies goes unseen.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

mod support;

use ml_tests::{Pipeline, Tool};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use support::{Site, ended, one};

fn script(path: &Path, text: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the webhook was told last.
fn told(site: &Site) -> String {
    let request = site.hook.requests().pop().expect("a message was sent");
    serde_json::from_str::<Value>(&request.body).unwrap()["text"].as_str().unwrap().to_owned()
}

#[test]
fn a_failed_gate_stops_derive_and_export_but_not_backup() {
    let site = Site::with_ledger("gate");
    site.wrapper().run().expect_code(0);
    site.db.superuser().execute("UPDATE blocks SET merkle_root = repeat('0', 64)", &[]).unwrap();
    let before = site.number("SELECT count(*) FROM statements");
    let night = site.wrapper().run();
    let records = site.stream();
    assert_eq!(night.code, 5, "{}", night.stderr);
    assert_eq!(one(&records, "ml-health", "check", Some("ledger.chain"))["status"], "crit");
    for tool in ["ml-derive", "ml-export"] {
        assert_eq!(ended(&records, tool), ("skipped".into(), 1), "{tool}");
        assert_eq!(one(&records, tool, "end", None)["blocked_by"], "ledger.chain");
    }
    assert_eq!(ended(&records, "ml-backup").1, 0);
    assert_eq!(one(&records, "ml-backup", "step", Some("dump"))["status"], "ok");
    assert_eq!(site.number("SELECT count(*) FROM statements"), before);
    assert!(told(&site).contains("[critical] ledger.chain: [gate]"), "{}", told(&site));
}

#[test]
fn a_low_success_rate_is_told_and_stops_nothing() {
    let site = Site::with_ledger("rate");
    site.wrapper().run().expect_code(0);
    site.db
        .client()
        .execute(
            "INSERT INTO proofs (id, statement_id, system_id, prover, method, status, success, created_at)
             SELECT gen_random_uuid(), s.id, s.system_id, 'x', 'x', 'failure', false, now() FROM statements s, generate_series(1, 9)",
            &[],
        )
        .unwrap();
    let night = site.wrapper().run();
    let records = site.stream();
    assert_eq!(one(&records, "ml-health", "check", Some("ledger.success-rate"))["status"], "warn");
    assert_eq!((ended(&records, "ml-derive").1, ended(&records, "ml-export").1), (0, 0));
    assert_eq!(night.code, 0, "warnings alone are 0 for the wrapper: {}", night.stderr);
    assert!(told(&site).contains("ledger.success-rate"), "{}", told(&site));
}

#[test]
fn a_killed_stage_is_named_and_the_night_exits_seventy() {
    let mut site = Site::with_ledger("killed");
    let bin = site.other_bin(&["ml-derive"]);
    // It begins as a stage does, and is killed as the kernel kills.
    let real = ml_tests::tool::bin_dir().join("ml-derive");
    script(&bin.join("ml-derive"), &format!("exec 3<&0\n'{}' \"$@\" <&3 &\npid=$!\nsleep 1\nkill -9 $pid\nwait $pid", real.display()));
    std::fs::remove_file(bin.join("ml-health")).unwrap();
    let health = ml_tests::tool::bin_dir().join("ml-health");
    script(&bin.join("ml-health"), &format!("'{}' \"$@\"\nsleep 4", health.display()));
    let night = site.wrapper().run();
    assert_eq!(night.code, 70, "{}", night.stderr);
    let records = site.stream();
    assert_eq!(ended(&records, "ml-export"), ("skipped".into(), 1));
    assert_eq!(ended(&records, "ml-backup").1, 0, "the backup is made all the same");
    assert!(records.iter().any(|record| record["tool"] == "ml-backup" && record["id"] == "dump" && record["status"] == "ok"));
    let told = told(&site);
    assert!(told.contains("ml-derive"), "{told}");
}

#[test]
fn a_stage_that_does_not_exist_is_named_and_the_night_exits_seventy() {
    let mut site = Site::with_ledger("absent");
    site.other_bin(&["ml-export"]);
    let night = site.wrapper().run();
    assert_eq!(night.code, 70, "{}", night.stderr);
    let told = told(&site);
    for part in ["upstream-silent", "tool.ml-export: it took no part"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn a_truncated_stream_is_seen() {
    let site = Site::with_ledger("cut");
    let health = site.tool("ml-health").run();
    let cut = &health.stdout[..health.stdout.len() / 2];
    let alert = site.tool("ml-alert").stdin(cut).run();
    assert_eq!(alert.code, 70, "{}", alert.stdout);
    let told = told(&site);
    assert!(told.contains("tool.ml-health: died") && told.contains("is not a record"), "{told}");
}

#[test]
fn the_second_of_two_nights_exits_seventy_five() {
    let mut site = Site::with_ledger("twice");
    let bin = site.other_bin(&["ml-health"]);
    let real = ml_tests::tool::bin_dir().join("ml-health");
    script(&bin.join("ml-health"), &format!("sleep 4\nexec '{}' \"$@\"", real.display()));
    let first = site.wrapper().spawn();
    std::thread::sleep(Duration::from_secs(1));
    let second = site.wrapper().run();
    assert_eq!(second.code, 75, "{}", second.stderr);
    assert!(second.stderr.contains("another night is running"));
    let first = first.wait();
    assert_eq!(first.code, 0, "{}\n{}", first.stdout, first.stderr);
    // A lock whose holder is gone holds nothing.
    std::fs::create_dir_all(site.path().join("state/nightly.lock")).unwrap();
    std::fs::write(site.path().join("state/nightly.lock/pid"), "999999999").unwrap();
    assert_eq!(site.wrapper().run().code, 0);
}

#[test]
fn a_tool_holds_its_lock_against_another() {
    let site = Site::with_ledger("lock");
    let target = ml_common::pg::Target::resolve(Some(&site.db.url()), &|_| None).unwrap();
    let _held = ml_common::pg::lock::try_lock(&target, "ml-vacuum", "other-run").unwrap();
    let refused = site.tool("ml-vacuum").run();
    assert!(refused.code == 75 && refused.stderr.contains("hint:"), "{} {}", refused.code, refused.stderr);
}

#[test]
fn a_dry_stage_makes_all_after_it_dry() {
    let site = Site::with_ledger("contagion");
    let night = Pipeline::new()
        .stage(site.tool("ml-health"))
        .stage(site.tool("ml-derive").arg("--dry-run"))
        .stage(site.tool("ml-backup"))
        .stage(site.tool("ml-report"))
        .run();
    let starts = night.last.records.iter().filter(|record| record["kind"] == "start");
    let dry: Vec<(String, bool)> =
        starts.map(|record| (record["tool"].as_str().unwrap().to_owned(), record["dry_run"].as_bool().unwrap())).collect();
    assert_eq!(
        dry,
        [("ml-report", true), ("ml-backup", true), ("ml-derive", true), ("ml-health", false)].map(|(tool, dry)| (tool.to_owned(), dry))
    );
    assert!(!site.path().join("backups").exists() && !site.path().join("docs").exists());
}

#[test]
fn a_stopped_night_still_tells() {
    let mut site = Site::with_ledger("stopped");
    let bin = site.other_bin(&["ml-derive"]);
    let real = ml_tests::tool::bin_dir().join("ml-derive");
    // A derivation that hangs: the deadline of its share of the night ends it.
    script(
        &bin.join("ml-derive"),
        &format!(
            "exec '{}' \"$@\" --deadline 1s --set DERIVE_STEPS=100000 --set DERIVE_DEPTH_MAX=60 --set DERIVE_MAX_BREADTH=100000 --set DERIVE_MAX_TOTAL=10000000",
            real.display()
        ),
    );
    let night = site.wrapper().run();
    let records = site.stream();
    assert_eq!(night.code, 143, "{}", night.stderr);
    assert_eq!(one(&records, "ml-derive", "end", None)["error_class"], "terminated");
    assert_eq!(one(&records, "ml-backup", "step", Some("dump"))["status"], "ok");
    assert!(told(&site).contains("tool.ml-derive: failed (exit 143)"), "{}", told(&site));
    assert_eq!(site.number("SELECT count(*) FROM blocks"), 0);
}

#[test]
fn streams_that_shells_have_mangled_are_understood() {
    let site = Site::with_ledger("mangled");
    let health = site.tool("ml-health").run();
    let utf16: Vec<u8> =
        std::iter::once(0xfeff_u16).chain(health.stdout.replace('\n', "\r\n").encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let pretty: String = health.records.iter().map(|record| serde_json::to_string_pretty(record).unwrap() + "\n").collect();
    for (name, bytes) in [("utf-16", utf16), ("pretty", pretty.into_bytes())] {
        let report = site.tool("ml-report").args(["--no-progress", "--after", "any"]).stdin(bytes).run();
        assert_eq!(report.records.len(), health.records.len() + 2, "{name}");
    }
    let jq = Pipeline::new().stage(Tool::foreign("cat").stdin(health.stdout.clone())).stage(Tool::foreign("jq").arg(".")).run();
    let report = site.tool("ml-report").arg("--no-progress").stdin(jq.last.stdout).run();
    assert_eq!(report.records.len(), health.records.len() + 2);
}
