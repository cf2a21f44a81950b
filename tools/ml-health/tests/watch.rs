//! The watch: beats in time beside what hangs, one run, ends and mends.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{HttpStandIn, Response, Tool};
use serde_json::Value;
use support::site::{Site, file_probe};

fn site() -> Site {
    let silent = "[probe.silent]\nkind = \"json\"\nurl = \"${SILENT_URL}\"\nmetrics = { a = \".a\" }\n[[check]]\nid = \"silent\"\nprobe = \"silent\"\n\
                  timeout = \"200ms\"\non_error = \"crit\"\n";
    let own = "[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"delta(a)\"\n[[check]]\nid = \"rare\"\nprobe = \"m\"\ninterval = \"1h\"\nneeds = [\"a\"]\n";
    let site = Site::new(&format!("{}{silent}{own}", file_probe("a = \".a\"")));
    site.write("m.json", r#"{"a": 1}"#);
    site
}

fn of<'a>(records: &'a [Value], id: &str) -> Vec<&'a Value> {
    records.iter().filter(|record| record["id"] == id).collect()
}

#[test]
fn beats_go_on_beside_what_hangs_and_are_one_run() {
    let hung = HttpStandIn::answering(Response::hang());
    let site = site();
    let output = site.tool(&["--watch", "250ms", "--for", "2s"]).env("SILENT_URL", hung.url("/")).run().expect_code(5);
    assert_eq!((output.kind("start").count(), output.kind("end").count()), (1, 1));
    assert!(of(&output.records, "a").len() >= 3 && of(&output.records, "a").iter().all(|check| check["status"] == "ok"));
    assert!(of(&output.records, "silent").len() >= 2 && of(&output.records, "silent").iter().all(|check| check["status"] == "crit"));
    assert_eq!(of(&output.records, "rare").len(), 1, "it has an interval of its own");
    assert_eq!(of(&output.records, "a")[1]["value"], 0, "differences are those between beats");
    assert!(site.state()["value"]["checks"]["a"].is_object());
}

#[test]
fn a_watch_mends_when_the_server_is_back() {
    let site = site();
    let mut running = site.tool(&["--watch", "100ms", "--only", "a"]).spawn();
    running.wait_for_stdout("no earlier run");
    std::fs::remove_file(site.path("m.json")).unwrap();
    running.wait_for_stdout("\"status\":\"unknown\"");
    let before = running.stdout_so_far().len();
    site.write("m.json", r#"{"a": 5}"#);
    running.wait_for_stdout("\"value\":4");
    assert!(running.stdout_so_far().len() > before);
    running.signal(2);
    let output = running.wait().expect_code(130);
    assert_eq!(output.end()["error_class"], "interrupted");
    assert_eq!(site.state()["value"]["checks"]["a"]["values"]["a"], 5, "what was seen last is remembered");
}

#[test]
fn a_state_that_can_be_kept_again_is_told() {
    let site = site();
    // A folder stands where the file is to be.
    std::fs::create_dir_all(site.path("state")).unwrap();
    let mut running = site.tool(&["--watch", "100ms", "--only", "a"]).spawn();
    running.wait_for_stdout("no earlier run");
    std::fs::create_dir_all(site.path("state/health-demo.json/x")).unwrap();
    running.wait_for_stdout("\"id\":\"state\"");
    std::fs::remove_dir_all(site.path("state/health-demo.json")).unwrap();
    running.wait_for_stdout("remembered again");
    running.signal(15);
    let output = running.wait().expect_code(143);
    let told = of(&output.records, "state");
    assert_eq!((&told[0]["status"], &told[told.len() - 1]["status"]), (&"warn".into(), &"ok".into()));
}

#[test]
fn a_watch_ends_when_nobody_reads_it() {
    let site = site();

    let command = "ml-health --profile demo --watch 50ms --only a | head -n 3; echo ended";
    let output = Tool::foreign("sh").args(["-c", command]).cwd(site.path("")).run().expect_code(0);
    assert!(output.stdout.ends_with("ended\n"), "{}", output.stdout);
}

#[test]
fn the_compiled_in_checks_are_watched_too() {
    let mut running = Tool::new("ml-health").args(["--watch", "100ms", "--only", "disk.exports"]).spawn();
    running.wait_for_stdout("disk.exports");
    running.signal(15);
    running.wait().expect_code(143);
}
