//! Beside others: logrotate keeps the same, and ml-health counts each line once, however it is rotated.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{TempDir, Tool, skip};
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use support::{content, names, rotate, rules};

fn append(folder: &Path, lines: std::ops::Range<u32>) {
    let mut log = File::options().create(true).append(true).open(folder.join("app.log")).unwrap();
    for number in lines {
        writeln!(log, "2025-01-08 02:00:00 ERROR number {number} of them all").unwrap();
    }
}

/// The rotated files of a folder, the newest first: whether each is compressed, and what is in it.
fn kept(folder: &Path, order: impl Fn(&str) -> i64) -> Vec<(bool, String)> {
    let mut all: Vec<String> =
        names(folder).into_iter().filter(|name| name.starts_with("app.log.") || name.starts_with("app.log-")).collect();
    all.sort_by_key(|name| order(name));
    all.iter().map(|name| (name.ends_with(".gz"), content(&folder.join(name)))).collect()
}

#[test]
fn logrotate_keeps_the_same() {
    if !Path::new("/usr/sbin/logrotate").exists() {
        skip!("logrotate is missing: scripts/install-deps.sh --test");
    }
    for (theirs, ours) in [
        ("rotate 3\ncompress\nnotifempty\nmissingok\n", "keep = 3\n"),
        ("rotate 2\nnocompress\nnotifempty\nmissingok\ncopytruncate\n", "keep = 2\ncompress = \"none\"\nhow = \"copytruncate\"\n"),
        ("rotate 4\ncompress\ndelaycompress\nsize 2k\nmissingok\n", "keep = 4\ndelay_compress = true\nsize = \"2KiB\"\n"),
        ("rotate 9\ncompress\ncreate 640\nsize 1k\nmissingok\n", "keep = 9\ncreate = \"640\"\nsize = \"1KiB\"\n"),
    ] {
        let site = TempDir::new().unwrap();
        let (them, us) = (site.path().join("them"), site.path().join("us"));
        fs::create_dir(&them).unwrap();
        fs::create_dir(&us).unwrap();
        let config = site.path().join("logrotate.conf");
        fs::write(&config, format!("{}/app.log {{\n{theirs}}}\n", them.display())).unwrap();
        let path = rules(&site, &format!("[[rotate]]\nfiles = \"us/*.log\"\n{ours}"));
        let always = !theirs.contains("size");
        let mut number = 0;
        for round in 0..8_u32 {
            // In one round nothing is written.
            let lines = if round == 5 { 0 } else { 7 + round * 13 };
            if lines > 0 {
                append(&them, number..number + lines);
                append(&us, number..number + lines);
                number += lines;
            }
            let run = Tool::foreign("/usr/sbin/logrotate").arg("-s").arg(site.path().join("status"));
            let run = if always { run.arg("-f") } else { run };
            run.arg(&config).run().expect_code(0);
            let run = rotate(&site).arg("--rules").arg(&path);
            if always { run.arg("--force") } else { run }.run().expect_code(0);
            let number_of = |name: &str| name.split('.').find_map(|part| part.parse::<i64>().ok()).unwrap();
            let stamp_of =
                |name: &str| -name.trim_end_matches(".gz").rsplit_once("app.log-").unwrap().1.replace('-', "").parse::<i64>().unwrap();
            assert_eq!(kept(&us, stamp_of), kept(&them, number_of), "{ours} round {round}: {:?} {:?}", names(&us), names(&them));
            let live = |folder: &Path| fs::read_to_string(folder.join("app.log")).unwrap_or_default();
            assert_eq!(live(&us), live(&them), "{ours} round {round}");
        }
    }
}

#[test]
fn ml_health_counts_each_line_once_whatever_is_rotated_between_two_looks() {
    for ours in [
        "",
        "compress = \"none\"\n",
        "compress = \"zstd\"\ndelay_compress = true\n",
        "how = \"copytruncate\"\n",
        "how = \"copytruncate\"\ncompress = \"none\"\n",
        "how = \"copytruncate\"\ncompress = \"zstd\"\nto = \"archive\"\n",
        "to = \"archive\"\nname = \"{stem}_{date}{ext}\"\n",
        "create = \"640\"\nname = \"{stem}.{stamp}{ext}\"\n",
    ] {
        let site = TempDir::new().unwrap();
        let root = site.path().display();
        let path = rules(&site, &format!("[[rotate]]\nfiles = \"*.log\"\n{ours}"));
        let profile = site.path().join("profile.toml");
        let text = format!(
            "[profile]\nversion = 1\nsystem = \"t\"\n[probe.log]\nkind = \"logs\"\nfiles = \"{root}/app.log\"\nrotated = \"{root}/archive/app*\"\n\
             [[check]]\nid = \"log.errors\"\nprobe = \"log.count\"\nargs = {{ patterns = {{ errors = \"ERROR\" }} }}\nvalue = \"errors\"\nwarn = \"> 1000000\"\n"
        );
        fs::write(&profile, text).unwrap();
        let (mut number, mut counted) = (0, 0);
        append(site.path(), 0..3);
        let mut look = |lines: u32| {
            append(site.path(), number..number + lines);
            number += lines;
            let settings = site.path().join("nightly.env");
            let out = Tool::new("ml-health").arg("--config").arg(settings).arg("--profile").arg(&profile).run().expect_code(0);
            let check = out.record("check", "log.errors");
            assert!(!check["summary"].as_str().unwrap_or_default().contains("went before"), "{ours}: {check}");
            counted += check["value"].as_i64().unwrap();
            (number, counted)
        };
        let turn = |force: bool| {
            let run = rotate(&site).arg("--rules").arg(&path);
            if force { run.arg("--force") } else { run }.run().expect_code(0);
        };
        rotate(&site).arg("--rules").arg(&path).arg("--dry-run").run().expect_code(0);
        assert_eq!(look(0), (0, 0), "the first look remembers");
        assert_eq!(look(20), (20, 20), "{ours}: written");
        append(site.path(), 1000..1005);
        turn(true);
        assert_eq!(look(7), (27, 32), "{ours}: before and after a rotation");
        turn(true);
        assert_eq!(look(4), (31, 36), "{ours}: right after one");
        for lines in 0..3 {
            append(site.path(), 2000 + lines * 10..2003 + lines * 10);
            turn(true);
        }
        assert_eq!(look(1), (32, 46), "{ours}: after three");
        assert_eq!(look(5), (37, 51), "{ours}: and on");
    }
}
