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
fn a_file_of_a_time_that_is_yet_to_come_is_not_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    file(dir.path(), "old.json", 3, 0o600);
    file(dir.path(), "ahead.json", 0, 0o600);
    let ahead = dir.path().join("ahead.json");
    let set = |hours: u64| {
        let written = SystemTime::now() + Duration::from_secs(hours * 3600);
        std::fs::File::options().write(true).open(&ahead).unwrap().set_modified(written).unwrap();
    };
    set(24 * 365);
    let mut probe = Probing::open(&KIND, &[("path", text(dir.path().join("*.json").to_str().unwrap()))]);
    let seen = probe.take("found", &[]).unwrap();
    assert_eq!((hours(&seen.values["newest_age_s"]), hours(&seen.values["oldest_age_s"])), (3, 3));
    assert_eq!((&seen.values["count"], &seen.values["newest_name"]), (&Scalar::Int(2), &Scalar::from("old.json")));
    assert!(seen.note.contains("1 of a time that is yet to come; the newest is 3h old"), "{}", seen.note);
    assert!(seen.rows.iter().any(|row| row.contains("ahead.json: of a time that is yet to come")), "{:?}", seen.rows);
    let day = [("newer", Arg::Duration(Duration::from_secs(86_400)))];
    assert_eq!(probe.take("found", &day).unwrap().values["count"], Scalar::Int(1));
    std::fs::remove_file(dir.path().join("old.json")).unwrap();
    let alone = probe.take("found", &[]).unwrap();
    assert!(!alone.values.contains_key("newest_age_s") && alone.values["count"] == Scalar::Int(1), "{alone:?}");
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

#[test]
fn what_may_not_be_looked_at_is_a_privilege_and_not_nothing() {
    const CLOSED: &str = "ML_HEALTH_TEST_CLOSED";
    if let Ok(closed) = std::env::var(CLOSED) {
        let metrics = Arg::Table(vec![("bad".to_owned(), "length".to_owned())]);
        let json = |name: &str, path: &str| {
            let param = if name == "file" { "file" } else { "files" };
            let given = [(param, text(format!("{closed}/{path}"))), ("metrics", metrics.clone())];
            Probing::open(crate::kind::find("json").unwrap(), &given).take("read", &[])
        };
        let found = |path: &str| Probing::open(&KIND, &[("path", text(format!("{closed}/{path}")))]).take("found", &[]);
        for seen in [json("files", "sub/*.json"), json("files", "sub/a.json"), json("file", "sub/a.json")] {
            assert!(matches!(seen, Err(Unseen::Privilege { .. })), "{seen:?}");
        }
        for path in ["sub/a.json", "sub/*.json", "*/a.json", "**/deep/*.json", "s*/deep/a.json"] {
            assert!(found(path).unwrap().hidden.is_some(), "{path}");
        }
        let exposed = Probing::open(crate::kind::find("exposed").unwrap(), &[("files", text(format!("{closed}/sub/a.json")))]);
        let seen = { exposed }.take("secrets", &[]);
        assert!(matches!(seen, Err(Unseen::Privilege { .. })), "{seen:?}");
        for path in ["none.json", "o*/none/a.json", "open/*/a.json"] {
            assert!(found(path).unwrap().hidden.is_none(), "{path}");
        }
        let backups = |folder: &str| Probing::open(&KIND, &[("path", text(format!("{closed}/{folder}")))]).take("backups", &[]);
        assert!(matches!(backups("sub"), Err(Unseen::Privilege { .. })));
        let hidden = backups("kept").unwrap().hidden.unwrap();
        assert!(hidden.contains("a.dump.json is not allowed"), "{hidden}");
        assert!(backups("open").unwrap().hidden.is_none());
        return;
    }
    // Nothing is closed to root: the test is run again as nobody.
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    let set = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    file(dir.path(), "sub/a.json", 1, 0o666);
    file(dir.path(), "sub/deep/a.json", 1, 0o666);
    file(dir.path(), "kept/a.dump.json", 1, 0);
    file(dir.path(), "open/in/b.json", 1, 0o666);
    set(dir.path(), 0o755);
    set(&dir.path().join("sub"), 0);
    let name = "kind::files::tests::what_may_not_be_looked_at_is_a_privilege_and_not_nothing";
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name]).env(CLOSED, dir.path()).current_dir("/");
    if std::fs::read_dir(dir.path().join("sub")).is_ok() {
        again.uid(65534);
    }
    let ended = again.output().unwrap();
    set(&dir.path().join("sub"), 0o700);
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}");
}
