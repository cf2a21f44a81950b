//! Files with ages and modes, and backups with manifests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::super::probing::{Probing, text};
use super::*;
use crate::kind::Arg;
use ml_common::record::Scalar;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

fn file(folder: &Path, name: &str, hours: u64, mode: u32) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, "1234567890").unwrap();
    let written = SystemTime::now() - Duration::from_secs(hours * 3600);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn hours(value: &Scalar) -> i64 {
    match value {
        Scalar::Int(seconds) => (*seconds as f64 / 3600.0).round() as i64,
        Scalar::Float(seconds) => (seconds / 3600.0).round() as i64,
        other => panic!("{other:?}"),
    }
}

#[test]
fn age_size_and_number() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "export/a.json", 30, 0o600);
    file(dir.path(), "export/b.json", 3, 0o644);
    file(dir.path(), "export/deep/er/c.json", 1, 0o640);
    file(dir.path(), "export/.d.json", 0, 0o666);
    file(dir.path(), "export/e.txt", 0, 0o666);
    std::fs::create_dir(dir.path().join("export/f.json")).unwrap();
    let open = |pattern: &str| Probing::open(&KIND, &[("path", text(dir.path().join(pattern).to_str().unwrap()))]);
    let flat = open("export/*.json").take("found", &[]).unwrap();
    assert_eq!((&flat.values["count"], &flat.values["total_bytes"]), (&Scalar::Int(2), &Scalar::Int(20)));
    assert_eq!((hours(&flat.values["newest_age_s"]), hours(&flat.values["oldest_age_s"])), (3, 30));
    assert_eq!((&flat.values["mode"], &flat.values["too_open"]), (&Scalar::Int(644), &Scalar::Int(1)));
    assert_eq!(flat.values["newest_name"], Scalar::from("b.json"));
    assert_eq!(flat.rows.len(), 1, "the one that is open too far: {:?}", flat.rows);
    assert!(flat.note.contains("2 files") && flat.note.ends_with("the newest is 3h old"), "{}", flat.note);
    let deep = open("export/**/*.json").take("found", &[]).unwrap();
    assert_eq!(deep.values["count"], Scalar::Int(3));
    let new =
        open("export/**/*.json").take("found", &[("newer", Arg::Duration(Duration::from_secs(7200))), ("mode", text("640"))]).unwrap();
    assert_eq!((&new.values["count"], &new.values["too_open"]), (&Scalar::Int(1), &Scalar::Int(0)));
}

#[test]
fn none_is_no_failure_and_has_no_age() {
    let none = Probing::open(&KIND, &[("path", text("/nowhere/*.json"))]).take("found", &[]).unwrap();
    assert_eq!(none.values["count"], Scalar::Int(0));
    assert!(!none.values.contains_key("newest_age_s"));
    let wrong = Probing::open(&KIND, &[("path", text("/nowhere"))]).take("found", &[("mode", text("rw"))]).unwrap_err();
    assert!(matches!(wrong, Unseen::Failed(failure) if failure.class == Class::Config));
}

#[test]
fn a_folder_without_backups_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Probing::open(&KIND, &[("path", text(dir.path().to_str().unwrap()))]).take("backups", &[]).unwrap();
    assert_eq!((&seen.values["count"], &seen.values["proven"]), (&Scalar::Int(0), &Scalar::Int(0)));
    assert!(seen.note.starts_with("there is no good backup of test"), "{}", seen.note);
}
