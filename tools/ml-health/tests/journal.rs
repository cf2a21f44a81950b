//! A real journal, read by the real journalctl: units, priorities, what is new, a time to look back to, and no journal at all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Journal, TempDir, skip};
use serde_json::Value;
use std::path::Path;
use support::site::Site;

/// A check of the lines with a word, of an own probe with these parameters.
fn check(id: &str, directory: &Path, more: &str) -> String {
    format!(
        "[probe.{id}]\nkind = \"logs\"\ndirectory = \"{}\"\n{more}\n[[check]]\nid = \"{id}\"\nprobe = \"{id}.count\"\n\
         args = {{ patterns = {{ errors = \"ERROR\" }} }}\nvalue = \"errors\"\nwarn = \"> 0\"\n",
        directory.display()
    )
}

#[test]
fn what_is_new_of_a_unit_is_counted_once() {
    let journal = match Journal::new() {
        Ok(journal) => journal,
        Err(why) => skip!("{why}"),
    };
    let at = journal.path();
    let site = Site::new(
        &[
            check("api", &at, "journal = \"api.service\""),
            check("urgent", &at, "journal = \"\"\npriority = \"err\""),
            check("start", &at, "journal = \"api.service\"\nfrom = \"start\""),
            check("late", &at, "journal = \"late.service\""),
        ]
        .concat(),
    );
    let look = |args: &[&str]| {
        let output = site.tool(args).run();
        let value = |id: &str| output.record("check", id)["value"].clone();
        (["api", "urgent", "start", "late"].map(value), output)
    };
    let numbers = |numbers: [i64; 4]| numbers.map(Value::from);

    // Two hours old, and of another unit.
    journal.write(7200, "api.service", 3, "ERROR of the morning");
    journal.write(900, "web.service", 3, "ERROR of another");
    journal.write(800, "api.service", 6, "listening");
    assert_eq!(look(&[]).0, numbers([0, 0, 1, 0]), "the first look remembers, unless it begins with the start");

    journal.write(700, "api.service", 4, "ERROR one, password=swordfish");
    journal.write(600, "web.service", 2, "ERROR two");
    // The first entry of this unit ever: there was no place to remember.
    journal.write(500, "late.service", 3, "ERROR three");
    let (found, output) = look(&[]);
    assert_eq!(found, numbers([1, 2, 1, 1]), "{}", output.stdout);
    assert!(output.record("check", "urgent")["evidence"].to_string().contains("ERROR three"), "{}", output.stdout);
    assert!(!output.stdout.contains("swordfish"), "{}", output.stdout);
    assert_eq!(look(&[]).0, numbers([0, 0, 0, 0]), "told once");

    assert_eq!(look(&["--since", "1h"]).0, numbers([1, 3, 1, 1]), "an hour back");
    assert_eq!(look(&["--since", "3h"]).0, numbers([2, 4, 2, 1]), "three hours back");
    assert_eq!(look(&["--since", "1m"]).0, numbers([0, 0, 0, 0]), "nothing since is fine, and no failure");
    journal.write(400, "late.service", 3, "ERROR four");
    assert_eq!(look(&[]).0, numbers([0, 1, 0, 1]), "looks back change nothing of what is new");
}

#[test]
fn nothing_to_read_is_never_fine() {
    let journal = match Journal::new() {
        Ok(journal) => journal,
        Err(why) => skip!("{why}"),
    };
    let empty = TempDir::new().unwrap();
    let text = [
        check("empty", empty.path(), "journal = \"\""),
        check("nowhere", Path::new("/nowhere/at/all"), "journal = \"api.service\""),
        check("new", &journal.path(), "journal = \"api.service\""),
    ];
    let site = Site::new(&text.concat());
    let output = site.tool(&[]).run().expect_code(1);
    for id in ["empty", "nowhere", "new"] {
        let record = output.record("check", id);
        assert_eq!((&record["status"], record["value"].is_null()), (&"unknown".into(), true), "{record}");
    }
    assert!(output.record("check", "empty")["summary"].as_str().unwrap().contains("there is no journal in"), "{}", output.stdout);
    assert!(output.record("check", "nowhere")["summary"].as_str().unwrap().contains("No such file"), "{}", output.stdout);
    // What comes once there is a journal is new.
    journal.write(5, "api.service", 3, "ERROR the first");
    assert_eq!(site.tool(&["--only", "new"]).run().record("check", "new")["value"], 0, "as a first look, since none was made");
    journal.write(4, "api.service", 3, "ERROR the second");
    assert_eq!(site.tool(&["--only", "new"]).run().record("check", "new")["value"], 1);

    let misused =
        Site::new("[probe.a]\nkind = \"logs\"\nfiles = \"x\"\npriority = \"err\"\n[[check]]\nid = \"a\"\nprobe = \"a.secrets\"\n");
    let output = misused.tool(&["--check-config"]).run().expect_code(78);
    assert!(output.stdout.contains("directory and priority are for journal"), "{}", output.stdout);
}
