//! Whom ml-rotate tells and waits for, and where it puts nothing.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Output, TempDir, skip};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use support::{names, rotate, rules};

fn summaries(out: &Output, what: &str) -> Vec<String> {
    let steps = out.kind("step").filter(|step| step["id"].as_str().unwrap().starts_with(what));
    steps.map(|step| format!("{} {}", step["status"].as_str().unwrap(), step["summary"].as_str().unwrap())).collect()
}

#[test]
fn rotated_files_go_to_no_folder_of_others_and_nothing_is_renamed_before_that_is_known() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for folder in ["logs", "backups", "open", "real"] {
        fs::create_dir(root.join(folder)).unwrap();
    }
    for log in ["logs/app.log", "backups/x.log"] {
        fs::write(root.join(log), "x\n").unwrap();
    }
    fs::set_permissions(root.join("open"), fs::Permissions::from_mode(0o777)).unwrap();
    std::os::unix::fs::symlink("real", root.join("link")).unwrap();
    let is_root = std::os::unix::fs::lchown(root.join("link"), Some(65534), Some(65534)).is_ok();
    let mut refused = vec![
        ("files = \"backups/x.log\"", "it is BACKUP_DIR"),
        ("files = \"logs/app.log\"\nto = \"../backups\"", "it is BACKUP_DIR"),
        ("files = \"logs/app.log\"\nto = \"../backups/logs\"", "it is in BACKUP_DIR"),
    ];
    if is_root {
        refused.push(("files = \"logs/app.log\"\nto = \"../open\"", "everybody may write in"));
        refused.push(("files = \"logs/app.log\"\nto = \"../link\"", "is a link of another user"));
    }
    for (table, why) in refused {
        let path = rules(&site, &format!("[[rotate]]\n{table}\n"));
        for flag in ["--dry-run", "--verbose"] {
            let out = rotate(&site).env("BACKUP_DIR", root.join("backups")).arg("--rules").arg(&path).arg(flag).run().expect_code(78);
            assert!(out.stderr.contains(why) && out.stderr.contains("hint:"), "{table}: {}", out.stderr);
        }
        assert_eq!((names(&root.join("logs")), names(&root.join("backups"))), (vec!["app.log".to_owned()], vec!["x.log".to_owned()]));
    }
    if !is_root {
        skip!("folders and links of others need root");
    }
    // One's own link is one's own choice, and a new folder is that one's who owns the log's.
    std::os::unix::fs::lchown(root.join("link"), Some(0), Some(0)).unwrap();
    std::os::unix::fs::chown(root.join("logs"), Some(65534), Some(65534)).unwrap();
    for (to, folder) in [("../link", "real"), ("new", "logs/new")] {
        let path = rules(&site, &format!("[[rotate]]\nfiles = \"logs/app.log\"\nto = \"{to}\"\n"));
        rotate(&site).arg("--rules").arg(&path).run().expect_code(0);
        assert_eq!(names(&root.join(folder)).len(), 1, "{to}");
        fs::write(root.join("logs/app.log"), "x\n").unwrap();
    }
    assert_eq!(std::os::unix::fs::MetadataExt::uid(&fs::metadata(root.join("logs/new")).unwrap()), 65534);
}

#[test]
fn a_writer_that_could_not_be_told_is_told_by_the_next_run() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for more in ["", "delay_compress = true\n", "compress = \"none\"\n"] {
        let log = root.join("app.log");
        let mut writer = Some(File::create(&log).unwrap());
        writer.as_mut().unwrap().write_all(b"one\n").unwrap();
        let table = |notify: &str| format!("[[rotate]]\nfiles = \"app.log\"\nmin_size = \"1MiB\"\n{more}{notify}");
        let call = |notify: &str| rotate(&site).arg("--rules").arg(rules(&site, &table(notify)));
        call("notify = [\"./told\"]\n").arg("--force").run().expect_code(1);
        // It goes on in the same file, which is told, also without a way to tell it.
        let out = call("").run().expect_code(1);
        let waits = summaries(&out, "waits.");
        assert!(waits.len() == 1 && waits[0].starts_with("warn ") && waits[0].contains("long after it was rotated"), "{more}{waits:?}");
        let dry = call("").arg("--dry-run").run();
        assert!(summaries(&dry, "compress.").is_empty() && summaries(&dry, "waits.").len() == 1, "{more}{}", dry.stdout);
        // The next run tells it; here it hears at once.
        fs::write(root.join("told"), "#!/bin/sh\necho told >> heard\n").unwrap();
        fs::set_permissions(root.join("told"), fs::Permissions::from_mode(0o755)).unwrap();
        let hears = {
            let (heard, writer) = (root.join("heard"), writer.take());
            std::thread::spawn(move || {
                while !heard.exists() {
                    std::thread::sleep(std::time::Duration::from_millis(5));
                }
                drop(writer);
            })
        };
        let notify = format!("notify = [\"sh\", \"-c\", \"cd {} && ./told\"]\n", root.display());
        let out = call(&notify).run().expect_code(0);
        hears.join().unwrap();
        assert!(summaries(&out, "notify.").len() == 1 && summaries(&out, "waits.").is_empty(), "{more}{}", out.stdout);
        assert!(summaries(&call(&notify).run().expect_code(0), "notify.").is_empty(), "once is enough");
        for name in names(root).into_iter().filter(|name| name.starts_with("app.log") || name.contains("told") || name == "heard") {
            fs::remove_file(root.join(name)).unwrap();
        }
    }
}

#[test]
fn what_would_be_emptied_or_mixed_up_is_told_by_a_dry_run_too() {
    let site = TempDir::new().unwrap();
    let root = site.path();
    for log in ["ap", "app"] {
        fs::write(root.join(log), "x\n").unwrap();
    }
    let mixed = "[[rotate]]\nfiles = \"app\"\n[[rotate]]\nfiles = \"ap\"\nname = \"{name}p-{stamp}\"\n";
    let path = rules(&site, mixed);
    let out = rotate(&site).arg("--rules").arg(&path).arg("--dry-run").run().expect_code(78);
    assert!(out.stderr.contains("rotated files of the same names"), "{}", out.stderr);
    fs::hard_link(root.join("app"), root.join("other")).unwrap();
    let path = rules(&site, "[[rotate]]\nfiles = \"app\"\nhow = \"copytruncate\"\n");
    for flag in ["--dry-run", "--verbose"] {
        let out = rotate(&site).arg("--rules").arg(&path).arg(flag).run().expect_code(4);
        assert!(out.stderr.contains("app has another name, whose file would be emptied as well"), "{}", out.stderr);
    }
    assert_eq!(fs::read_to_string(root.join("other")).unwrap(), "x\n");
}
