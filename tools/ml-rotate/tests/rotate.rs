//! The manuals' rules, what is refused, and what is told.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{TempDir, Tool};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::symlink;
use support::{age, content, names, rotate, rules, tree};

/// The last block of a page with this in it.
fn documented(page: &str, mark: &str) -> String {
    let page = fs::read_to_string(format!("{}/../../docs/{page}.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let blocks = page.split("```toml\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned());
    blocks.filter(|block| block.contains(mark)).last().unwrap()
}

#[test]
fn the_rotation_of_the_logos_manual() {
    let site = TempDir::new().unwrap();
    let logs = site.path().join("app/logs");
    fs::create_dir_all(logs.join("archive")).unwrap();
    fs::write(logs.join("performance.json"), "{\"endpoints\":[]}").unwrap();
    let mut server = File::options().create(true).append(true).open(logs.join("pxl-server.log")).unwrap();
    server.write_all(b"POST /prove 200\n").unwrap();
    for (name, days) in [("pxl-server_20250101.log.gz", 60), ("performance_20250101.json", 60), ("other_20250101.log.gz", 60)] {
        fs::write(logs.join("archive").join(name), "old").unwrap();
        age(&logs.join("archive").join(name), days);
    }
    let path = rules(&site, &documented("rotating", "APP_DIR"));
    let call = || rotate(&site).env("APP_DIR", site.path().join("app")).arg("--rules").arg(&path);
    call().arg("--check-config").run().expect_code(0);
    let before = tree(site.path());
    let planned = call().arg("--dry-run").run().expect_code(0);
    assert_eq!(tree(site.path()), before);
    let does = |out: &ml_tests::Output, status: &str| -> Vec<String> {
        let steps = out.kind("step").filter(|step| step["status"] == status);
        steps.map(|step| step["id"].as_str().unwrap().to_owned()).collect()
    };
    // The last rotation was long ago, by the dates in the names.
    let out = call().run().expect_code(0);
    assert_eq!(does(&planned, "planned"), does(&out, "ok"));
    assert_eq!(does(&out, "ok").len(), 5, "{}", out.stdout);
    assert!(logs.join("archive/other_20250101.log.gz").exists(), "that of another log");
    assert_eq!(does(&call().run().expect_code(0), "ok"), [""; 0], "once a day");
    let day = jiff::Timestamp::now().strftime("%Y%m%d").to_string();
    let (packed, kept) = (logs.join(format!("archive/pxl-server_{day}.log.gz")), logs.join(format!("archive/performance_{day}.json")));
    assert_eq!((content(&packed).as_str(), content(&kept).as_str()), ("POST /prove 200\n", "{\"endpoints\":[]}"));
    assert_eq!(fs::read_to_string(logs.join("performance.json")).unwrap(), "{}\n");
    assert_eq!(fs::read_to_string(logs.join("pxl-server.log")).unwrap(), "");
    let step = out.kind("step").find(|step| step["id"].as_str().unwrap().starts_with("compress.")).unwrap();
    assert_eq!(step["sha256"].as_str().unwrap(), ml_common::files::sha256(&packed).unwrap().0);
    assert_eq!(fs::canonicalize(step["path"].as_str().unwrap()).unwrap(), fs::canonicalize(&packed).unwrap());
    // The writer goes on in the same file, and the second rotation of the day has a name of its own.
    server.write_all(b"GET /health\n").unwrap();
    call().arg("--force").run().expect_code(0);
    let all = names(&logs.join("archive"));
    // In performance.json stands what was left there, and nothing since.
    assert!(all.len() == 4 && all.iter().any(|name| name.starts_with(&format!("pxl-server_{day}-"))), "{all:?}");
}

#[test]
fn the_maintenance_of_the_angles_guide() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for (name, days) in [
        ("logs/active/scheduler.log", 0),
        ("logs/active/sync.log.old", 20),
        ("logs/archive/backup-20250101-020000.log", 20),
        ("export/a.json", 31),
        ("export/deep/b.json", 40),
        ("export/new.json", 1),
        ("export/c.csv", 90),
        ("elsewhere.json", 90),
    ] {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, name).unwrap();
        age(&path, days);
    }
    let path = rules(&site, &documented("rotating", "export"));
    let out = rotate(&site).arg("--rules").arg(&path).arg("--force").run().expect_code(0);
    let all = || -> Vec<String> { tree(root).into_iter().map(|(name, _)| name).filter(|name| !name.starts_with("state")).collect() };
    for there in ["logs/archive/backup-20250101-020000.log.gz", "export/new.json", "export/c.csv", "elsewhere.json"] {
        assert!(all().iter().any(|name| name == there), "{there}: {:?}", all());
    }
    for gone in ["export/a.json", "export/deep/b.json", "logs/active/scheduler.log", "logs/active/sync.log.old"] {
        assert!(!all().iter().any(|name| name == gone), "{gone}: {:?}", all());
    }
    assert!(all().iter().any(|name| name.starts_with("logs/archive/scheduler-") && name.ends_with(".log")), "{:?}", all());
    assert_eq!((&out.end()["metrics"]["rotated"], &out.end()["metrics"]["removed"]), (&2.into(), &2.into()));
    // Again and again, also when the disk is full.
    for (page, mark, packed) in [("rotating", "export", 2), ("operations/angles", "weekly", 3), ("operations/angles", "\"7d\"", 4)] {
        let path = rules(&site, &documented(page, mark));
        for name in ["logs/active/sync.log.old", "logs/active/late.log"] {
            fs::write(root.join(name), name).unwrap();
            age(&root.join(name), 20);
        }
        rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
        let old = all().into_iter().filter(|name| name.starts_with("logs/active/sync.log.old-") && name.ends_with(".gz"));
        assert_eq!(old.count(), packed, "{page} {mark}: {:?}", all());
    }
    // The shipped rules, too.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/rotate.toml");
    for (rules, name) in [(fs::read_to_string(shipped).unwrap(), "shipped"), (documented("rotating", "twzrd"), "twzrd")] {
        let path = support::rules(&site, &rules);
        rotate(&site).arg("--rules").arg(&path).arg("--check-config").run().expect_code(0);
        assert!(!name.is_empty());
    }
}

#[test]
fn mistakes_have_their_place() {
    let site = TempDir::new().unwrap();
    let text = "[[rotate]]\nfiles = \"${NOWHERE}/a.log\"\nevery = \"dayly\"\nkeep = 0\nleave = \"x\"\ncompres = \"gzip\"\n[[clean]]\nunder = \"x\"\n\
        files = \"*\"\nsize = 3\n[[rotate]]\nfiles = \"a.log\"\nevery = \"hourly\"\nname = \"{stem}_{date}{ext}\"\nsignal = \"HUP\"\n";
    let text = format!(
        "{text}[[rotate]]\nfiles = \"b.log\"\nname = \"{{name}}-{{date}}\"\nkeep_for = \"23h\"\n\
        [[rotate]]\nfiles = \"c.log\"\nevery = \"monthly\"\nkeep_for = \"1month\"\n\
        [[rotate]]\nfiles = []\nnotify = []\n[[rotate]]\nfiles = [\"\"]\n[[clean]]\nunder = \"x\"\nfiles = []\nolder = \"1d\"\n"
    );
    let path = rules(&site, &text);
    let out = rotate(&site).arg("--rules").arg(&path).arg("--check-config").run().expect_code(78);
    for said in [
        ":19:12: keep_for is 23h",
        ":23:12: keep_for is 30d 10h",
        "write 31d or more",
        ":25:9: files is empty",
        ":26:10: notify is empty",
        ":28:10: files holds an empty text",
        ":31:9: files is empty",
        "NOWHERE is not set",
        ":3:9: every is 'dayly'",
        ":4:8: keep is 0",
        "leave has no meaning",
        "compres",
        "has no older",
        "size",
        "{date} does not say",
        "who is to be told",
    ] {
        assert!(out.stderr.contains(said), "{said}: {}", out.stderr);
    }
    assert_eq!(out.stderr.matches("files is empty").count(), 2, "what is not set is not empty: {}", out.stderr);
    rotate(&site).run().expect_code(64);
    rotate(&site).args(["a.log", "--keep-for", "0s"]).run().expect_code(64);
    rotate(&site).args(["a.log", "--every", "daily", "--keep-for", "1h"]).run().expect_code(64);
    rotate(&site).args(["--rules", "none.toml"]).run().expect_code(78);
}

#[test]
fn backups_and_states_are_not_its_business() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for folder in ["kept", "backups", "state", "fine"] {
        fs::create_dir(root.join(folder)).unwrap();
        for name in ["a.dump", "b.dump"] {
            fs::write(root.join(folder).join(name), "x").unwrap();
            age(&root.join(folder).join(name), 90);
        }
    }
    fs::write(root.join("kept/a.dump.json"), "{\n \"format\": 1, \"tool\": \"ml-backup 0.1.0\", \"sha256\": \"00\"}").unwrap();
    let table = |under: &str| format!("[[clean]]\nunder = \"{under}\"\nfiles = \"*.dump\"\nolder = \"30d\"\n");
    let text = format!(
        "{}{}{}{}[[rotate]]\nfiles = [\"kept/a.dump\", \"state/a.dump\"]\n",
        table("kept"),
        table("backups"),
        table("state"),
        table("fine")
    );
    let path = rules(&site, &text);
    let out = rotate(&site).env("BACKUP_DIR", "backups").arg("--rules").arg(&path).run().expect_code(78);
    assert_eq!(out.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with("refuse.")).count(), 5, "{}", out.stdout);
    assert!(out.stderr.contains("BACKUP_RETENTION_DAYS"), "{}", out.stderr);
    assert_eq!(names(&root.join("fine")).len(), 1, "the rest is done, and the newest stays");
    for (folder, count) in [("kept", 3), ("backups", 2), ("state", 3)] {
        assert_eq!(names(&root.join(folder)).len(), count, "{folder}");
    }
}

#[test]
fn links_and_special_files_are_traps_that_do_not_work() {
    let site = TempDir::new().unwrap();
    let (root, outside) = (site.path().join("logs"), TempDir::new().unwrap());
    for name in ["a.log", "b.log", "deep/c.log"] {
        let path = outside.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "theirs").unwrap();
        age(&path, 90);
    }
    fs::create_dir(&root).unwrap();
    symlink(outside.path().join("a.log"), root.join("link.log")).unwrap();
    symlink(outside.path().join("deep"), root.join("folder")).unwrap();
    symlink(outside.path().join("none"), root.join("dangling.log")).unwrap();
    Tool::foreign("mkfifo").arg(root.join("pipe.log")).run().expect_code(0);
    fs::write(root.join("own.log"), "ours").unwrap();
    let before = tree(outside.path());
    let text = "[[rotate]]\nfiles = [\"logs/*.log\", \"logs/*/*.log\", \"logs/**/*.log\"]\n\
        [[clean]]\nunder = \"logs\"\nfiles = [\"*.log\", \"**/*.log\"]\nolder = \"1d\"\nempty_folders = true\n";
    let path = rules(&site, text);
    let out = rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    assert_eq!(tree(outside.path()), before);
    let all = names(&root);
    assert!(["link.log", "folder", "dangling.log", "pipe.log"].iter().all(|name| all.iter().any(|there| there == name)), "{all:?}");
    assert!(all.iter().any(|name| name.starts_with("own.log-") && name.ends_with(".gz")) && all.len() == 5, "{all:?}");
    assert!(out.stdout.contains("links are not followed") && out.stdout.contains("a link leads to it out of"), "{}", out.stdout);
}

#[test]
fn one_run_at_a_time_and_a_missing_log_is_told() {
    let site = TempDir::new().unwrap();
    fs::create_dir(site.path().join("state")).unwrap();
    let lock = File::create(site.path().join("state/rotate.lock")).unwrap();
    lock.lock().unwrap();
    fs::write(site.path().join("a.log"), "x").unwrap();
    let call = || rotate(&site).arg(site.path().join("a.log"));
    call().run().expect_code(75);
    call().arg("--dry-run").run().expect_code(0);
    drop(lock);
    call().run().expect_code(0);
    // It was there; nobody has written it since.
    call().run().expect_code(0);
    let missing = rotate(&site).arg(site.path().join("none.log")).run().expect_code(1);
    assert!(missing.stdout.contains("there is no such log"), "{}", missing.stdout);
}

#[test]
fn a_writer_that_is_told_opens_its_log_anew() {
    let site = TempDir::new().unwrap();
    let script = "cd \"$1\"; exec 3>>app.log; trap 'exec 3>>app.log' HUP; echo $$ >pid.new; mv pid.new pid\n\
        n=0; while [ ! -e stop ]; do n=$((n+1)); echo \"line $n\" >&3; sleep 0.01; done; echo $n >count";
    let writer = Tool::foreign("sh").args(["-c", script, "writer"]).arg(site.path()).spawn();
    while !site.path().join("pid").exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let path = rules(&site, "[[rotate]]\nfiles = \"app.log\"\nsignal = \"HUP\"\npid_file = \"pid\"\nmin_size = \"1B\"\n");
    for _ in 0..4 {
        while fs::metadata(site.path().join("app.log")).is_ok_and(|meta| meta.len() < 40) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    }
    fs::write(site.path().join("stop"), "").unwrap();
    writer.wait();
    let count: usize = fs::read_to_string(site.path().join("count")).unwrap().trim().parse().unwrap();
    let expected: String = (1..=count).map(|n| format!("line {n}\n")).collect();
    assert_eq!(support::everything(site.path(), "app.log"), expected);
    assert!(names(site.path()).iter().filter(|name| name.ends_with(".gz")).count() >= 3, "{:?}", names(site.path()));
    // And one that is not there is told.
    fs::write(site.path().join("app.log"), "more\n").unwrap();
    fs::write(site.path().join("pid"), "no number").unwrap();
    let out = rotate(&site).arg("--rules").arg(&path).run().expect_code(1);
    assert!(out.stderr.contains("holds no process id"), "{}", out.stderr);
}

#[test]
fn what_is_in_use_or_would_be_mixed_up_stays() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for folder in ["a", "b", "old"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    for name in ["a/x.log", "b/x.log", "old/1.tmp", "old/2.tmp", "old/3.tmp"] {
        fs::write(root.join(name), "x").unwrap();
        age(&root.join(name), 50);
    }
    let mixed = "[[rotate]]\nfiles = [\"a/x.log\", \"b/x.log\"]\nto = \"../kept\"\nkeep = 1\n\
        [[rotate]]\nfiles = \"old/1.tmp\"\nsize = \"1MiB\"\n[[rotate]]\nfiles = \"old/1.*\"\n";
    let out = rotate(&site).arg("--rules").arg(rules(&site, mixed)).run().expect_code(78);
    assert!(out.stdout.contains("rotated files of the same names") && out.stdout.contains("is in two tables"), "{}", out.stdout);
    assert!(root.join("b/x.log").exists() && names(&root.join("kept")).len() == 1);
    let open = File::options().append(true).open(root.join("old/1.tmp")).unwrap();
    let text = "[[clean]]\nunder = \"old\"\nfiles = \"*.tmp\"\nolder = \"30d\"\n";
    rotate(&site).arg("--rules").arg(rules(&site, text)).run().expect_code(0);
    let left = names(&root.join("old"));
    assert_eq!(left, if cfg!(target_os = "linux") { vec!["1.tmp", "3.tmp"] } else { vec!["3.tmp"] });
    drop(open);
    rotate(&site).arg("--rules").arg(rules(&site, text)).run().expect_code(0);
    assert_eq!(names(&root.join("old")), ["3.tmp"]);
}

#[test]
fn how_much_it_is_together_is_counted_compressed() {
    let site = TempDir::new().unwrap();
    let log = site.path().join("app.log");
    let path = rules(&site, "[[rotate]]\nfiles = \"app.log\"\nmax_total = \"4KiB\"\n");
    for _ in 0..3 {
        fs::write(&log, "the same line again and again\n".repeat(1000)).unwrap();
        rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    }
    assert_eq!(names(site.path()).iter().filter(|name| name.starts_with("app.log-")).count(), 3, "30 kB are less when they are compressed");
    let small = rules(&site, "[[rotate]]\nfiles = \"app.log\"\nmax_total = \"1B\"\n");
    rotate(&site).arg("--rules").arg(&small).run().expect_code(0);
    assert_eq!(names(site.path()).iter().filter(|name| name.starts_with("app.log-")).count(), 1, "the newest stays");
}

#[cfg(target_os = "linux")]
#[test]
fn names_that_are_no_text_stop_nothing_and_stay_where_they_are() {
    use std::os::unix::ffi::OsStrExt;
    let site = TempDir::new().unwrap();
    let logs = site.path().join("logs");
    let odd = logs.join(std::ffi::OsStr::from_bytes(b"sub\xff"));
    fs::create_dir_all(&odd).unwrap();
    fs::write(logs.join(std::ffi::OsStr::from_bytes(b"caf\xe9.txt")), "").unwrap();
    fs::write(logs.join(".hidden.log"), "h").unwrap();
    for log in [logs.join("app.log"), odd.join("a.log")] {
        fs::write(log, "line\n").unwrap();
    }
    let out = rotate(&site).arg(format!("{}/*.log", logs.display())).arg(logs.join("app.log")).run().expect_code(0);
    assert!(!logs.join("app.log").exists() && logs.join(".hidden.log").exists(), "{}", out.stdout);
    age(&odd.join("a.log"), 40);
    let path = rules(&site, "[[clean]]\nunder = \"logs\"\nfiles = \"a.log\"\nolder = \"14d\"\ncompress = \"gzip\"\n");
    rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
    assert_eq!(content(&odd.join("a.log.gz")), "line\n");
    assert!(!odd.join("a.log").exists());
}

#[test]
fn empty_folders_of_others_stay() {
    let site = TempDir::new().unwrap();
    let logs = site.path().join("logs");
    for folder in ["backups", "repo/.git/refs", "nightly-1"] {
        fs::create_dir_all(logs.join(folder)).unwrap();
    }
    fs::write(logs.join("nightly-1/run.jsonl"), "{}").unwrap();
    for path in ["nightly-1/run.jsonl", "nightly-1", "backups", "repo/.git/refs", "repo/.git", "repo"] {
        let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(100 * 86_400);
        File::open(logs.join(path)).unwrap().set_times(fs::FileTimes::new().set_modified(long_ago)).unwrap();
    }
    let path = rules(&site, "[[clean]]\nunder = \"logs\"\nfiles = \"nightly-*/*\"\nolder = \"90d\"\nkeep = 1\nempty_folders = true\n");
    let backups = logs.join("backups");
    rotate(&site).env("BACKUP_DIR", &backups).arg("--rules").arg(&path).run().expect_code(0);
    assert!(backups.exists() && logs.join("repo/.git/refs").exists());
    // Nor are logs rotated into the folder of the backups.
    fs::write(logs.join("app.log"), "x").unwrap();
    let path = rules(&site, "[[clean]]\nunder = \"logs/backups/sub\"\nfiles = \"*\"\nolder = \"1d\"\n");
    fs::create_dir(backups.join("sub")).unwrap();
    for name in ["a", "b"] {
        fs::write(backups.join("sub").join(name), "x").unwrap();
        age(&backups.join("sub").join(name), 100);
    }
    rotate(&site).env("BACKUP_DIR", &backups).arg("--rules").arg(&path).run().expect_code(78);
    assert_eq!(names(&backups.join("sub")), ["a", "b"]);
}
