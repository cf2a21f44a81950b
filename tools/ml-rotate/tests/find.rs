//! Which logs are meant: folders with odd names, folders of rotated files below the same pattern, folders that cannot be read.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Output, TempDir, Tool, skip};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use support::{names, rotate, rules, tree};

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// The steps of a run that are of these words.
fn ids(out: &Output, what: &str) -> usize {
    out.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with(what)).count()
}

#[test]
fn letters_of_patterns_in_the_names_of_folders_and_logs_mean_themselves() {
    let site = TempDir::new().unwrap();
    let root = site.path().join("a[1]*?");
    for name in ["logs/app[1].log", "logs/app1.log", "logs/other.log", "logs/.hidden.log"] {
        write(&root.join(name), "x");
    }
    fs::create_dir(root.join("config")).unwrap();
    let settings = root.join("config/nightly.env");
    fs::write(&settings, "SYSTEM=test\n").unwrap();
    fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
    let call = || Tool::new("ml-rotate").cwd(&root).arg("--config").arg(&settings);
    let there = |name: &str| root.join("logs").join(name).exists();
    // By its name, and once more when it was rotated: no other is meant.
    for _ in 0..2 {
        call().arg("logs/app[1].log").run().expect_code(0);
        assert!(!there("app[1].log") && there("app1.log"));
    }
    call().arg("./logs/app[1].log").arg("logs/app?.log").run().expect_code(0);
    assert!(!there("app1.log") && there("other.log"));
    // In rules, too; a path that was escaped is one path, and a missing one a warning.
    let path = rules(&site, "[[rotate]]\nfiles = [\"logs/*.log\", \"logs/app[[]1].log\", \"logs/none[*].log\"]\n");
    let out = call().arg("--rules").arg(&path).run().expect_code(1);
    assert!(!there("other.log") && there(".hidden.log") && ids(&out, "rotate.") == 1, "{}", out.stdout);
    assert!(out.stdout.contains("app[1].log: nobody has written it") && out.stdout.contains("none*.log: there is no such log"));
}

#[test]
fn a_folder_of_rotated_files_below_the_same_pattern_is_none_of_logs() {
    for (pattern, to) in [("logs/**/*.log", "archive"), ("logs/*/*.log", "../archive"), ("logs/**/*.log", "../aside/")] {
        let site = TempDir::new().unwrap();
        for log in ["logs/sub/a.log", "logs/sub/b.log"] {
            write(&site.path().join(log), "1\n");
        }
        let path = rules(
            &site,
            &format!(
                "[[rotate]]\nfiles = \"{pattern}\"\nto = \"{to}\"\nname = \"{{stem}}-{{stamp}}{{ext}}\"\ncompress = \"none\"\nkeep = 2\n"
            ),
        );
        let home = site.path().join("logs/sub").join(to);
        let call = || rotate(&site).arg("--rules").arg(&path);
        call().run().expect_code(0);
        // One is written anew, and the other is not.
        for _ in 0..3 {
            fs::write(site.path().join("logs/sub/a.log"), "more\n").unwrap();
            let out = call().run().expect_code(0);
            assert_eq!(ids(&out, "move."), 1, "{pattern} {to}: {}", out.stdout);
            assert_eq!(names(&home).len(), 3, "{:?}", names(&home));
        }
        let before = tree(&home);
        let out = call().run().expect_code(0);
        assert!(tree(&home) == before && ids(&out, "move.") == 0, "{pattern} {to}: {}", out.stdout);
    }
}

#[test]
fn logs_that_are_gone_are_cared_for_in_the_first_folder_as_in_those_below() {
    let site = TempDir::new().unwrap();
    for name in ["logs/a.log", "logs/sub/a.log"] {
        for day in 1..4 {
            write(&site.path().join(format!("{name}-2025010{day}-000000")), "x");
        }
    }
    let path = rules(&site, "[[rotate]]\nfiles = \"logs/**/*.log\"\nkeep = 1\n");
    rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    assert_eq!(names(&site.path().join("logs")), ["a.log-20250103-000000.gz", "sub"]);
    assert_eq!(names(&site.path().join("logs/sub")), ["a.log-20250103-000000.gz"]);
}

#[test]
fn a_folder_that_cannot_be_read_is_told_and_the_others_are_done() {
    let site = TempDir::new_in("/var/tmp").unwrap();
    fs::copy(ml_tests::tool::bin_dir().join("ml-rotate"), site.path().join("ml-rotate")).unwrap();
    for folder in ["", "state", "logs", "logs/open", "logs/closed", "logs/open/kept"] {
        let folder = site.path().join(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(if folder.ends_with("closed") { 0o700 } else { 0o777 })).unwrap();
    }
    fs::set_permissions(site.path().join("ml-rotate"), fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["logs/closed/a.log", "logs/open/a.log"] {
        write(&site.path().join(name), "x\n");
    }
    let path = rules(&site, "[[rotate]]\nfiles = [\"logs/*/*.log\", \"logs/**/*.log\", \"logs/closed/a.log\"]\ncompress = \"none\"\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let out = Tool::foreign("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(site.path().join("ml-rotate"))
        .arg("--rules")
        .arg(&path)
        .arg("--set")
        .arg(format!("STATE_DIR={}", site.path().join("state").display()))
        .cwd(site.path())
        .run();
    if out.stderr.contains("setpriv:") {
        skip!("becoming another user needs root");
    }
    let out = out.expect_code(4);
    let told = |text: &str| out.stdout.matches(text).count();
    assert_eq!((told("\"status\":\"crit\",\"kind\":\"step\""), told("\"error_class\":\"storage\"")), (2, 3), "{}", out.stdout);
    assert!(!site.path().join("logs/open/a.log").exists() && site.path().join("logs/closed/a.log").exists(), "{}", out.stdout);
}

#[test]
fn a_rotation_that_is_yet_to_come_is_told_and_delays_none() {
    let site = TempDir::new().unwrap();
    for name in ["app.log", "app.log-20990101-000000"] {
        write(&site.path().join(name), "x");
    }
    let path = rules(&site, "[[rotate]]\nfiles = \"app.log\"\nevery = \"1h\"\n");
    let call = || rotate(&site).arg("--rules").arg(&path);
    call().run().expect_code(1);
    assert!(site.path().join("app.log").exists(), "put there in this hour");
    let path = rules(&site, "[[rotate]]\nfiles = \"app.log\"\nevery = \"1ms\"\n");
    let out = rotate(&site).arg("--rules").arg(&path).run().expect_code(1);
    assert!(out.stdout.contains("2099-01-01T00:00:00Z") && out.stdout.contains("see whether the clock is right"), "{}", out.stdout);
    assert!(site.path().join("app.log-20990101-000001.gz").exists(), "{:?}", names(site.path()));
}
