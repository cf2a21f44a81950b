//! Logs that whoever runs the check may not read: that is told at the first look, and is not as if nothing were in them.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::skip;
use serde_json::Value;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::Command;
use support::site::Site;

/// Who is nobody on most systems.
const OTHER: u32 = 65_534;

fn check(files: &str) -> String {
    format!(
        "[probe.log]\nkind = \"logs\"\nfiles = \"{files}\"\n[[check]]\nid = \"log\"\nprobe = \"log.count\"\n\
         args = {{ patterns = {{ errors = \"ERROR\" }} }}\nvalue = \"errors\"\nwarn = \"> 0\"\n"
    )
}

fn close(path: &std::path::Path) {
    fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap();
}

/// The check's record, of a first look by one who is not root.
fn first_look(site: &Site) -> Option<Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ml-health"));
    command.args(["--profile", "demo"]).current_dir(site.path(""));
    if rustix::process::getuid().is_root() {
        fs::create_dir_all(site.path("state")).unwrap();
        for name in ["", "state"] {
            chown(site.path(name), Some(OTHER), Some(OTHER)).unwrap();
        }
        command.uid(OTHER).gid(OTHER);
    }
    let output = command.output().ok()?;
    let records = String::from_utf8(output.stdout).unwrap();
    let mut records = records.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Some(records.find(|record| record["kind"] == "check" && record["id"] == "log").expect("a record of the check"))
}

#[test]
fn a_log_that_may_not_be_read_is_told_at_the_first_look() {
    for (files, beside) in [("logs/a.log", false), ("logs/*.log", true), ("closed/a.log", false)] {
        let site = Site::new(&check(files));
        for folder in ["logs", "closed"] {
            fs::create_dir(site.path(folder)).unwrap();
            site.write(&format!("{folder}/a.log"), "ERROR of old\n");
        }
        if beside {
            site.write("logs/b.log", "fine\n");
        }
        close(&site.path("logs/a.log"));
        close(&site.path("closed"));
        let record = first_look(&site);
        fs::set_permissions(site.path("closed"), Permissions::from_mode(0o700)).unwrap();
        let Some(record) = record else { skip!("another user cannot run the program here") };
        let told = record.to_string();
        assert!(told.contains("privilege") && told.contains("not allowed"), "{files}: {told}");
    }
}
