//! Backups that ml-backup made of a real database and ml-restore proved: old, damaged, encrypted, of others.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use jiff::{SignedDuration, Timestamp};
use ml_dump::Manifest;
use ml_tests::{Cluster, Output, TestDb, Tool, skip};
use serde_json::Value;
use std::path::{Path, PathBuf};
use support::site::{Site, shipped};

const CHECKS: &str = "[probe.b]\nkind = \"files\"\npath = \"backups\"\n\
    [[check]]\nid = \"newest\"\nprobe = \"b.backups\"\nargs = { system = \"shop\" }\nvalue = \"newest_age_s\"\nwarn = \"> 26h\"\n\
    [[check]]\nid = \"proven\"\nprobe = \"b.backups\"\nargs = { system = \"shop\" }\nvalue = \"proven\"\nwarn = \"proven == 0 or proven_age_s > 7d\"\n\
    [[check]]\nid = \"count\"\nprobe = \"b.backups\"\nargs = { system = \"shop\" }\nvalue = \"count\"\ncrit = \"< 1\"\nsummary = \"{newest_proven}\"\n";

struct World {
    site: Site,
    db: TestDb,
}

impl World {
    fn new(hint: &str) -> World {
        let db = Cluster::shared().database(hint);
        ml_tests::ledger::second_generation(&mut db.client());
        let site = Site::new(CHECKS);
        std::fs::create_dir(site.path("backups")).unwrap();
        World { site, db }
    }

    fn with(&self, tool: &str, system: &str) -> Tool {
        Tool::new(tool).env("DATABASE_URL", self.db.url()).env("SYSTEM", system).env("BACKUP_DIR", self.site.path("backups"))
    }

    /// A backup made now; its file.
    fn backup(&self, system: &str, settings: &[(&str, &str)]) -> PathBuf {
        let tool = settings.iter().fold(self.with("ml-backup", system), |tool, (key, value)| tool.env(key, value));
        let output = tool.run().expect_code(0);
        let steps = output.kind("step").filter_map(|step| step["path"].as_str());
        let mut files = steps.filter(|path| path.ends_with(".dump") || path.ends_with(".dump.age"));
        PathBuf::from(files.next().expect("it says where the dump is"))
    }

    fn drill(&self, dump: &Path) -> Tool {
        self.with("ml-restore", "shop").arg("--scratch").arg(dump)
    }

    fn look(&self, code: i32) -> Output {
        self.site.tool(&[]).run().expect_code(code)
    }
}

/// As if it had been made so many hours ago.
fn age(dump: &Path, hours: i64) {
    let mut manifest = Manifest::of(dump).unwrap().unwrap();
    manifest.started = (Timestamp::now() - SignedDuration::from_hours(hours)).to_string();
    std::fs::remove_file(format!("{}.json", dump.display())).unwrap();
    manifest.write(dump).unwrap().publish().unwrap();
}

fn status(output: &Output) -> [&str; 3] {
    ["newest", "proven", "count"].map(|id| output.record("check", id)["status"].as_str().unwrap())
}

fn count(output: &Output) -> &Value {
    &output.record("check", "count")["value"]
}

/// Whether the newest is proven, as the summary says.
fn newest_proven(output: &Output) -> &Value {
    &output.record("check", "count")["summary"]
}

#[test]
fn the_newest_and_the_newest_proven_of_real_backups() {
    let world = World::new("health_backups");
    let none = world.look(5);
    assert_eq!((status(&none), count(&none)), (["unknown", "warn", "crit"], &0.into()), "{}", none.stdout);

    // Another system's is none of ours.
    world.backup("other", &[]);
    assert_eq!(count(&world.look(5)), 0);

    let first = world.backup("shop", &[]);
    let made = world.look(1);
    assert_eq!((status(&made), count(&made), newest_proven(&made)), (["ok", "warn", "ok"], &1.into(), &"false".into()), "{}", made.stdout);
    assert!(made.record("check", "proven")["evidence"].to_string().contains("not proven"), "{}", made.stdout);
    world.drill(&first).run().expect_code(0);
    let proven = world.look(0);
    assert_eq!((status(&proven), newest_proven(&proven)), (["ok"; 3], &"true".into()), "{}", proven.stdout);

    // It grows old, and with it what is proven.
    age(&first, 30);
    assert_eq!(status(&world.look(1)), ["warn", "ok", "ok"]);
    let proof = PathBuf::from(format!("{}.proof.json", first.display()));
    let text = std::fs::read_to_string(&proof).unwrap();
    let mut old: Value = serde_json::from_str(&text).unwrap();
    old["proven"] = (Timestamp::now() - SignedDuration::from_hours(24 * 8)).to_string().into();
    std::fs::write(&proof, old.to_string()).unwrap();
    assert_eq!(status(&world.look(1)), ["warn", "warn", "ok"], "a proof of eight days ago is too old");
    std::fs::write(&proof, text).unwrap();

    // A new one that is not proven yet; the proof of the older one counts.
    let second = world.backup("shop", &[]);
    let two = world.look(0);
    assert_eq!((status(&two), count(&two), newest_proven(&two)), (["ok"; 3], &2.into(), &"false".into()));

    // One whose bytes changed cannot be proven: the drill says so and leaves no proof.
    let whole = std::fs::read(&second).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    std::fs::write(&second, &flipped).unwrap();
    assert_ne!(world.drill(&second).run().code, 0);
    let damaged = world.look(0);
    assert_eq!((count(&damaged), newest_proven(&damaged)), (&2.into(), &"false".into()));

    // One that was cut is no backup.
    std::fs::write(&second, &whole[..whole.len() - 1]).unwrap();
    let cut = world.look(1);
    assert_eq!((status(&cut), count(&cut), newest_proven(&cut)), (["warn", "ok", "ok"], &1.into(), &"true".into()), "{}", cut.stdout);

    // A proof of another file proves nothing; nor does one that cannot be read.
    std::fs::write(&second, &whole).unwrap();
    std::fs::copy(&proof, format!("{}.proof.json", second.display())).unwrap();
    assert_eq!(newest_proven(&world.look(0)), "false");
    std::fs::write(&proof, "{").unwrap();
    assert_eq!(status(&world.look(1)), ["ok", "warn", "ok"]);
    world.drill(&second).run().expect_code(0);
    let again = world.look(0);
    assert_eq!((status(&again), newest_proven(&again)), (["ok"; 3], &"true".into()));
}

#[test]
fn an_encrypted_one_counts_and_is_proven_by_who_has_the_key() {
    let world = World::new("health_sealed");
    let key = world.site.path("key");
    if !Path::new("/usr/bin/age-keygen").exists() {
        skip!("age is not installed");
    }
    Tool::foreign("age-keygen").arg("-o").arg(&key).run().expect_code(0);
    let text = std::fs::read_to_string(&key).unwrap();
    let public = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let sealed = world.backup("shop", &[("BACKUP_AGE_RECIPIENTS", public)]);
    assert!(sealed.to_string_lossy().ends_with(".dump.age"));
    assert_eq!(status(&world.look(1)), ["ok", "warn", "ok"]);
    assert_ne!(world.drill(&sealed).run().code, 0, "without its key");
    assert_eq!(newest_proven(&world.look(1)), "false");
    world.drill(&sealed).env("BACKUP_AGE_IDENTITY_FILE", &key).run().expect_code(0);
    let proven = world.look(0);
    assert_eq!((status(&proven), newest_proven(&proven)), (["ok"; 3], &"true".into()), "{}", proven.stdout);
}

#[test]
fn a_folder_that_is_not_there_is_never_fine() {
    let world = World::new("health_nowhere");
    std::fs::remove_dir(world.site.path("backups")).unwrap();
    let output = world.look(5);
    assert_eq!(status(&output), ["unknown", "warn", "crit"], "{}", output.stdout);
}

#[test]
fn the_archives_of_angles() {
    let (folder, state) = (ml_tests::TempDir::new().unwrap(), ml_tests::TempDir::new().unwrap());
    let archives = folder.path().join("archives");
    let look = |code: i32| {
        let tool = shipped("angles", state.path()).args(["--only", "backups"]).env("ARCHIVE_DIR", &archives);
        tool.run().expect_code(code).record("check", "backups").clone()
    };
    assert_eq!(look(1)["value"], 0);
    std::fs::write(folder.path().join("settings.toml"), "a = 1").unwrap();
    let archive = Tool::new("ml-archive").arg(folder.path().join("settings.toml")).env("ARCHIVE_DIR", &archives);
    archive.env("SYSTEM", "angles").run().expect_code(0);
    let made = look(0);
    assert!(made["value"].as_u64().unwrap() > 0, "{made}");
    for entry in std::fs::read_dir(&archives).unwrap() {
        let file = std::fs::File::options().append(true).open(entry.unwrap().path()).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(27 * 3600)).unwrap();
    }
    assert_eq!(look(1)["status"], "warn", "backups are daily");
}
