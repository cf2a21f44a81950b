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

fn open(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// ml-rotate as nobody, with its state in the folder of that name.
fn as_nobody(site: &TempDir, path: &Path) -> Tool {
    let program = site.path().join("ml-rotate");
    if !program.exists() {
        // Another program copies it: a file that this one has written may still be open in what another test starts just now.
        Tool::foreign("cp").arg(ml_tests::tool::bin_dir().join("ml-rotate")).arg(&program).run().expect_code(0);
        open(&program, 0o755);
    }
    let state = format!("STATE_DIR={}", site.path().join("state").display());
    let nobody = Tool::foreign("setpriv").args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    nobody.arg(program).arg("--rules").arg(path).args(["--set", &state]).cwd(site.path())
}

#[test]
fn without_permission_nothing_changes_and_that_is_told() {
    let site = TempDir::new_in("/var/tmp").unwrap();
    for folder in ["logs", "state"] {
        fs::create_dir(site.path().join(folder)).unwrap();
    }
    fs::write(site.path().join("logs/app.log"), "x\n").unwrap();
    for (path, mode) in [("", 0o755), ("logs", 0o755), ("state", 0o777)] {
        open(&site.path().join(path), mode);
    }
    let path = rules(&site, "[[rotate]]\nfiles = \"logs/*.log\"\n[[clean]]\nunder = \"logs\"\nfiles = \"*\"\nolder = \"1d\"\n");
    open(&path, 0o644);
    let before = tree(&site.path().join("logs"));
    let out = as_nobody(&site, &path).run();
    if out.stderr.contains("setpriv:") {
        skip!("becoming another user needs root");
    }
    let out = out.expect_code(4);
    assert!(out.stderr.contains("Permission denied") && out.stderr.contains("hint:"), "{}", out.stderr);
    assert_eq!(tree(&site.path().join("logs")), before);
    open(&site.path().join("logs"), 0o700);
    as_nobody(&site, &path).run().expect_code(4);
    // As root, a folder that everybody may change is no place to work in.
    open(&site.path().join("logs"), 0o777);
    let trap = rotate(&site).arg("--rules").arg(&path).run().expect_code(78);
    assert!(trap.stderr.contains("everybody may write"), "{}", trap.stderr);
    assert_eq!(names(&site.path().join("logs")), ["app.log"]);
}

#[test]
fn a_log_of_another_user_is_not_compressed_before_its_writer_has_a_new_one() {
    let site = TempDir::new_in("/var/tmp").unwrap();
    for folder in ["logs", "state"] {
        fs::create_dir(site.path().join(folder)).unwrap();
        open(&site.path().join(folder), 0o777);
    }
    open(site.path(), 0o755);
    let path = rules(&site, "[[rotate]]\nfiles = \"logs/app.log\"\n");
    open(&path, 0o644);
    let log = site.path().join("logs/app.log");
    let mut writer = File::create(&log).unwrap();
    writer.write_all(b"one\n").unwrap();
    open(&log, 0o644);
    let first = as_nobody(&site, &path).run();
    if first.stderr.contains("setpriv:") {
        skip!("becoming another user needs root");
    }
    let rotated = || names(&site.path().join("logs")).into_iter().find(|name| name.starts_with("app.log-")).unwrap();
    let plain = site.path().join("logs").join(rotated());
    // A day later it still waits, and what comes is not lost.
    for minutes in [0, 24 * 60] {
        let at = std::time::SystemTime::now() - Duration::from_secs(minutes * 60);
        writer.set_modified(at).unwrap();
        let again = as_nobody(&site, &path).run().expect_code(0);
        assert!(again.stdout.contains("nobody says whether it is still being written"), "{}", again.stdout);
    }
    writer.write_all(b"two\n").unwrap();
    drop(writer);
    assert_eq!(fs::read_to_string(&plain).unwrap(), "one\ntwo\n");
    fs::write(&log, "three\n").unwrap();
    open(&log, 0o644);
    as_nobody(&site, &path).run().expect_code(0);
    assert!(plain.exists(), "it was written a moment ago");
    support::age(&plain, 1);
    as_nobody(&site, &path).run().expect_code(0);
    assert!(!plain.exists());
    assert_eq!(everything(&site.path().join("logs"), "app.log"), "one\ntwo\nthree\n");
}

#[test]
fn what_a_killed_run_left_is_brought_to_an_end_and_planned_as_it_will_be() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    let text = "[[rotate]]\nfiles = [\"a.json\", \"b.json\"]\nhow = \"copytruncate\"\nleave = \"{}\\n\"\ncompress = \"none\"\nmin_size = \"1MiB\"\n\
        [[rotate]]\nfiles = \"c.log\"\ncreate = \"640\"\nevery = \"monthly\"\n\
        [[clean]]\nunder = \"old\"\nfiles = \"*.log\"\nolder = \"1d\"\ncompress = \"gzip\"\n";
    fs::create_dir(root.join("old")).unwrap();
    // Killed after the copy, after the log was emptied, after the rename, and while it compressed.
    let files = [
        ("a.json", "all\n"),
        (".a.json-20250108-020000.copied", "all\n"),
        ("b.json", ""),
        (".b.json-20250108-020000.copied", "all\n"),
        ("c.log-20250108-020000", "x\n"),
        ("old/.x.log.gz.AbC123.partial", "half"),
        ("old/.y.txt.gz.AbC123.partial", "of somebody else"),
    ];
    for (name, text) in files {
        fs::write(root.join(name), text).unwrap();
        support::age(&root.join(name), 1);
    }
    open(&root.join("c.log-20250108-020000"), 0o600);
    let path = rules(&site, text);
    let call = || rotate(&site).arg("--rules").arg(&path);
    let steps = |out: &ml_tests::Output| -> Vec<(String, String)> {
        let steps = out.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("recover."));
        steps.map(|step| (step["id"].as_str().unwrap().to_owned(), step["reason"].as_str().unwrap().to_owned())).collect()
    };
    let before = tree(root);
    let planned = call().arg("--dry-run").run().expect_code(0);
    assert_eq!(tree(root), before);
    let done = call().run().expect_code(0);
    assert_eq!((steps(&planned), steps(&done).len()), (steps(&done), 3));
    assert_eq!(
        (fs::read_to_string(root.join("a.json")).unwrap(), fs::read_to_string(root.join("b.json")).unwrap()),
        ("all\n".into(), "{}\n".into())
    );
    assert_eq!(fs::metadata(root.join("c.log")).unwrap().permissions().mode() & 0o777, 0o640);
    let here: Vec<String> = names(root).into_iter().filter(|name| name.contains(".json")).collect();
    assert_eq!(here, ["a.json", "b.json", "b.json-20250108-020000"]);
    assert_eq!(names(&root.join("old")), [".y.txt.gz.AbC123.partial"]);
    // What was left in an emptied log is nothing to rotate.
    let out = rotate(&site).args(["b.json", "--copytruncate", "--force"]).cwd(root).run().expect_code(0);
    assert!(out.stdout.contains("rotate."), "without a rule it is a text as any: {}", out.stdout);
}
