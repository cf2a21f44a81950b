//! Killed, without room, without permission: no line is lost, and nothing half-made has a name.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{TempDir, Tool, full_disk, skip};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;
use support::{everything, names, rotate, rules, tree};

/// What no compression makes smaller, as lines.
fn noise(bytes: u64) -> Vec<u8> {
    let mut noise = Vec::new();
    File::open("/dev/urandom").unwrap().take(bytes).read_to_end(&mut noise).unwrap();
    noise
}

#[test]
fn killed_at_any_moment_the_next_run_goes_on() {
    let site = TempDir::new().unwrap();
    let text = "[[rotate]]\nfiles = \"a.log\"\n[[rotate]]\nfiles = \"b.log\"\nhow = \"copytruncate\"\n\
        [[rotate]]\nfiles = \"c.log\"\ndelay_compress = true\n";
    let path = rules(&site, text);
    let (mut written, mut number, mut killed) = (String::new(), 0, 0);
    for round in 0..40 {
        let mut more = String::new();
        for _ in 0..4000 {
            number += 1;
            more.push_str(&format!("line {number} of all those that are written\n"));
        }
        written.push_str(&more);
        for log in ["a.log", "b.log", "c.log"] {
            File::options().create(true).append(true).open(site.path().join(log)).unwrap().write_all(more.as_bytes()).unwrap();
        }
        let mut run = rotate(&site).arg("--rules").arg(&path).spawn();
        std::thread::sleep(Duration::from_millis(round * 2 % 50));
        if run.is_running() {
            run.signal(9);
            killed += 1;
        }
        run.wait();
    }
    assert!(killed > 5, "{killed}");
    rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    for log in ["a.log", "b.log", "c.log"] {
        assert!(everything(site.path(), log) == written, "{log}: {:?}", names(site.path()));
    }
    let left: Vec<String> = names(site.path()).into_iter().filter(|name| name.starts_with('.')).collect();
    assert!(left.iter().all(|name| name.ends_with(".partial")), "{left:?}");
    for name in &left {
        support::age(&site.path().join(name), 1);
    }
    rotate(&site).arg("--rules").arg(&path).arg("--force").run().expect_code(0);
    assert!(names(site.path()).iter().all(|name| !name.starts_with('.')), "{:?}", names(site.path()));
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let disk = match full_disk(4 << 20) {
        Ok(disk) => disk,
        Err(why) => skip!("{why}"),
    };
    let site = TempDir::new().unwrap();
    let folder = disk.path().join("logs");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    let (log, bytes) = (folder.join("app.log"), noise(3 << 20));
    fs::write(&log, &bytes).unwrap();
    let full = rotate(&site).arg(&log).arg("--copytruncate").run().expect_code(4);
    assert!(full.stderr.contains("No space left") && full.stderr.contains("free space"), "{}", full.stderr);
    assert_eq!(names(&folder), ["app.log"]);
    assert!(fs::read(&log).unwrap() == bytes);
    // Renamed, it stays whole and waits for room.
    for _ in 0..2 {
        rotate(&site).arg(&log).run().expect_code(4);
        assert!(names(&folder).len() == 1 && names(&folder)[0].starts_with("app.log-"), "{:?}", names(&folder));
    }
    let rotated = folder.join(&names(&folder)[0]);
    assert!(fs::read(&rotated).unwrap() == bytes);
    // Onto another disk there is room.
    let elsewhere = site.path().join("archive");
    rotate(&site).arg(&log).arg("--to").arg(&elsewhere).run().expect_code(0);
    assert!(names(&folder).is_empty() && names(&elsewhere).len() == 1, "{:?}", names(&elsewhere));
    let mut packed = flate2::read::MultiGzDecoder::new(File::open(elsewhere.join(&names(&elsewhere)[0])).unwrap());
    let mut back = Vec::new();
    packed.read_to_end(&mut back).unwrap();
    assert!(back == bytes);
}

#[test]
fn without_permission_nothing_changes_and_that_is_told() {
    let site = TempDir::new_in("/var/tmp").unwrap();
    let open = |path: &Path, mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    fs::copy(ml_tests::tool::bin_dir().join("ml-rotate"), site.path().join("ml-rotate")).unwrap();
    for folder in ["logs", "state"] {
        fs::create_dir(site.path().join(folder)).unwrap();
    }
    fs::write(site.path().join("logs/app.log"), "x\n").unwrap();
    for (path, mode) in [("", 0o755), ("logs", 0o755), ("state", 0o777), ("ml-rotate", 0o755)] {
        open(&site.path().join(path), mode);
    }
    let path = rules(&site, "[[rotate]]\nfiles = \"logs/*.log\"\n[[clean]]\nunder = \"logs\"\nfiles = \"*\"\nolder = \"1d\"\n");
    open(&path, 0o644);
    let before = tree(&site.path().join("logs"));
    let as_nobody = |arguments: &[&str]| {
        Tool::foreign("setpriv")
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(site.path().join("ml-rotate"))
            .arg("--rules")
            .arg(&path)
            .args(["--set"])
            .arg(format!("STATE_DIR={}", site.path().join("state").display()))
            .args(arguments)
            .cwd(site.path())
            .run()
    };
    let out = as_nobody(&[]);
    if out.stderr.contains("setpriv:") {
        skip!("becoming another user needs root");
    }
    let out = out.expect_code(4);
    assert!(out.stderr.contains("Permission denied") && out.stderr.contains("hint:"), "{}", out.stderr);
    assert_eq!(tree(&site.path().join("logs")), before);
    open(&site.path().join("logs"), 0o700);
    as_nobody(&[]).expect_code(4);
    // As root, a folder that everybody may change is no place to work in.
    open(&site.path().join("logs"), 0o777);
    let trap = rotate(&site).arg("--rules").arg(&path).run().expect_code(78);
    assert!(trap.stderr.contains("everybody may write"), "{}", trap.stderr);
    assert_eq!(names(&site.path().join("logs")), ["app.log"]);
}
