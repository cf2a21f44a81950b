//! What of old backups stays and goes, with real ones and a real server.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod common;

use common::{backup, dumps, ledger, names};
use ml_tests::TempDir;
use std::path::Path;

/// Copies the newest dump and its manifest to the name of another time.
fn copy(folder: &Path, stamp: &str) -> String {
    let dump = dumps(folder).pop().unwrap();
    let name = format!("mathledger-{stamp}.dump");
    for ending in ["", ".json"] {
        std::fs::copy(format!("{}{ending}", dump.display()), folder.join(format!("{name}{ending}"))).unwrap();
    }
    name
}

#[test]
fn each_file_has_its_reason_and_what_is_proven_stays() {
    let (db, folder) = (ledger("reasons"), TempDir::new().unwrap());
    let dir = folder.path();
    backup(&db.url(), dir).run().expect_code(0);
    let stamps = ["20200106-120000", "20200107-120000", "20200108-120000", "20210105-120000", "20210106-120000"];
    let [first, proven, third, fourth, fifth] = stamps.map(|stamp| copy(dir, stamp));
    let sha256 = common::manifest(&dir.join(&proven))["sha256"].as_str().unwrap().to_owned();
    let proof = ml_dump::Proof { format: 1, sha256, proven: "2020-01-08T00:00:00Z".into(), ..ml_dump::Proof::default() };
    proof.write(&dir.join(&proven)).unwrap();
    std::fs::write(dir.join(format!("{first}.globals.sql")), "").unwrap();
    let before = names(dir);
    let call = || backup(&db.url(), dir).env("BACKUP_KEEP_WEEKLY", "2").env("BACKUP_KEEP_MONTHLY", "3");
    let dry = call().arg("--dry-run").run().expect_code(0);
    assert_eq!(names(dir), before);
    let reason = |name: &str| dry.record("step", &format!("retention.{name}"))["reason"].as_str().unwrap().to_owned();
    assert!(reason(&first).starts_with("removed: ") && reason(&third).starts_with("kept: monthly 2020-01"), "{}", dry.stdout);
    assert_eq!(reason(&proven), "kept: newest proven, proven last");
    assert!(reason(&fourth).starts_with("removed: "), "{}", dry.stdout);
    assert_eq!(reason(&fifth), "kept: weekly 2021-W01, monthly 2021-01");
    assert_eq!(dry.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("retention.")).count(), 5 + 2);
    let out = call().run().expect_code(0);
    assert_eq!(out.end()["metrics"]["removed"], 2);
    let left = names(dir);
    assert!(![&first, &fourth].iter().any(|gone| left.iter().any(|name| name.starts_with(gone.as_str()))), "{left:?}");
    assert!([&proven, &third, &fifth].iter().all(|kept| left.contains(kept)), "{left:?}");
    assert!(left.contains(&format!("{proven}.proof.json")));
}

#[test]
fn a_clock_that_was_set_back_costs_no_backup() {
    let (db, folder) = (ledger("clock"), TempDir::new().unwrap());
    let dir = folder.path();
    backup(&db.url(), dir).run().expect_code(0);
    // Made while the clock was years ahead.
    let future = copy(dir, "20990101-020000");
    std::fs::remove_file(&dumps(dir)[0]).unwrap();
    let out = backup(&db.url(), dir).env("BACKUP_RETENTION_DAYS", "1").run().expect_code(0);
    let new = out.record("step", "dump")["path"].as_str().unwrap().to_owned();
    assert!(dir.join(&future).exists() && Path::new(&new).exists());
    assert_eq!(ml_dump::latest::find(dir, "mathledger").unwrap(), Path::new(&new), "not the one whose name is the highest");
    // When the clock is right again much later, what it made last is kept by the pointer, and the other one as the newest by its name.
    let old = dir.join("mathledger-20200101-020000.dump");
    for ending in ["", ".json", ".globals.sql"] {
        std::fs::rename(format!("{new}{ending}"), format!("{}{ending}", old.display())).unwrap();
    }
    let mut pointer = ml_dump::latest::Latest::of(dir, "mathledger").unwrap().unwrap();
    pointer.file = "mathledger-20200101-020000.dump".into();
    pointer.write(dir, "mathledger").unwrap();
    let dry = backup(&db.url(), dir).arg("--dry-run").run().expect_code(0);
    let reason = |name: &str| dry.record("step", &format!("retention.{name}"))["reason"].as_str().unwrap().to_owned();
    assert!(reason(&future).starts_with("kept: newest good"), "{}", dry.stdout);
    assert!(reason("mathledger-20200101-020000.dump").starts_with("removed: "), "the new one will be the latest: {}", dry.stdout);
}

#[test]
fn names_follow_the_pattern_and_only_they_are_removed() {
    let (db, folder) = (ledger("pattern"), TempDir::new().unwrap());
    let dir = folder.path();
    let call = |pattern: &str| backup(&db.url(), dir).env("BACKUP_NAME", pattern);
    for wrong in ["{system}.dump", "{date}/{time}", "{what}-{date}-{time}", "{date}{time}.json"] {
        let out = call(wrong).run().expect_code(78);
        assert!(out.stderr.contains("BACKUP_NAME is ") && out.stderr.contains("{system}-{date}-{time}.dump"), "{}", out.stderr);
    }
    assert_eq!(names(dir), Vec::<String>::new());
    std::fs::write(dir.join(format!("{}_20200101T000000.backup", db.name())), "x").unwrap();
    std::fs::write(dir.join("mathledger-20200101-000000.dump"), "x").unwrap();
    let out = call("{database}_{date}T{time}.backup").run().expect_code(0);
    let name = out.record("step", "dump")["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    assert!(name.starts_with(&format!("{}_2", db.name())) && name.ends_with(".backup"), "{name}");
    assert!(!dir.join(format!("{}_20200101T000000.backup", db.name())).exists());
    assert!(dir.join("mathledger-20200101-000000.dump").exists());
}

#[test]
fn old_backups_go_only_after_the_new_one_is_good() {
    let (db, folder) = (ledger("retention"), TempDir::new().unwrap());
    let dir = folder.path();
    let old = ["mathledger-20200101-000000.dump", "mathledger-20200101-000000.dump.json", "mathledger-20200102-000000.dump"];
    let others = ["mathledger-before.dump", "other-20200101-000000.dump", "notes.txt"];
    for name in old.iter().chain(&others) {
        std::fs::write(dir.join(name), "x").unwrap();
    }
    let partial = dir.join(".mathledger-20200103-000000.dump.AbCdEf.partial");
    std::fs::File::create(&partial).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let before = names(dir);
    let dry = backup(&db.url(), dir).arg("--dry-run").run().expect_code(0);
    assert_eq!(names(dir), before);
    for id in ["dump", "retention.mathledger-20200101-000000.dump", "retention.mathledger-20200102-000000.dump"] {
        assert_eq!(dry.record("step", id)["status"], "planned");
    }
    backup(&db.url().replace(db.password(), "wrong"), dir).run().expect_code(2);
    assert_eq!(names(dir), before);
    let kept = backup(&db.url(), dir).env("BACKUP_RETENTION_DAYS", "0").run().expect_code(0);
    let removed: Vec<_> = kept.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("retention.")).collect();
    assert_eq!((removed.len(), partial.exists()), (1, false), "the half-written file only: {}", kept.stdout);
    let out = backup(&db.url(), dir).run().expect_code(0);
    assert!(out.record("step", "retention.mathledger-20200101-000000.dump")["reason"].as_str().unwrap().contains("kept for 30"));
    assert_eq!(dumps(dir).len(), 2 + 2, "two new ones, and the two that are none of ours");
    assert!(others.iter().all(|name| dir.join(name).exists()));
}
