//! Profiles from the file to the record: judging, needs, what hangs, memory, outputs, mistakes.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{HttpStandIn, Output, Response, prometheus, skip};
use serde_json::{Value, json};
use std::time::Duration;
use support::site::{Site, file_probe};

const POOL: &str = "[[check]]\nid = \"pool\"\nprobe = \"m\"\nvalue = \"busy / total * 100\"\nunit = \"%\"\nwarn = \"> 80\"\ncrit = \"> 90\"\n\
                    summary = \"{busy} of {total} busy\"\nhint = \"scale it\"\nlabels = { incident = \"slow\" }\n";

fn pool() -> Site {
    let site = Site::new(&format!("{}{POOL}", file_probe("busy = \".busy\", total = \".total\"")));
    site.write("m.json", r#"{"busy": 1, "total": 10}"#);
    site
}

fn told(output: &Output) -> Vec<String> {
    let line = |check: &Value| format!("{} {}", check["id"].as_str().unwrap(), check["status"].as_str().unwrap());
    output.kind("check").map(line).collect()
}

#[test]
fn a_check_is_judged_as_the_profile_says() {
    let site = pool();
    for (busy, status, code) in [(8, "ok", 0), (9, "warn", 1), (10, "crit", 5)] {
        site.write("m.json", &json!({"busy": busy, "total": 10}).to_string());
        let output = site.tool(&[]).run().expect_code(code);
        let check = output.record("check", "pool");
        assert_eq!((&check["status"], &check["system"], &check["value"]), (&status.into(), &"demo".into(), &(busy * 10).into()));
        assert_eq!(check["summary"], format!("{busy} of 10 busy"));
        assert_eq!((&check["labels"]["incident"], &check["metrics"]["busy"]), (&"slow".into(), &busy.into()));
        assert_eq!(check["hint"].is_string(), status != "ok");
    }
    assert!(!site.path("state").exists(), "nothing is remembered of what needs no memory");
}

#[test]
fn the_profile_may_stand_in_the_settings_or_be_a_path() {
    let site = pool();
    site.write("config/nightly.env", "PROFILE=demo\nSITE_WORD=x\n");
    let tool = || ml_tests::Tool::new("ml-health").cwd(site.path(""));
    assert_eq!(told(&tool().run().expect_code(0)), ["pool ok"]);
    let path = site.path("config/profiles/demo.toml");
    assert_eq!(told(&tool().args(["--profile", path.to_str().unwrap()]).run().expect_code(0)), ["pool ok"]);
    let output = tool().args(["--profile", "dema"]).run().expect_code(78);
    assert!(output.stderr.contains("did you mean demo?"), "{}", output.stderr);
}

#[test]
fn variables_come_from_the_environment_the_settings_and_the_file_in_this_order() {
    let text =
        format!("[vars]\nLIMIT = \"5\"\n{}[[check]]\nid = \"a\"\nprobe = \"m\"\nwarn = \"> ${{LIMIT}}\"\n", file_probe("a = \".a\""));
    let site = Site::new(&text);
    site.write("m.json", r#"{"a": 6}"#);
    let warn = |limit: Option<&str>| {
        let tool = limit.iter().fold(site.tool(&[]), |tool, limit| tool.env("LIMIT", limit));
        tool.run().record("check", "a")["warn"].clone()
    };
    assert_eq!((warn(None), warn(Some("7"))), (5.into(), 7.into()));
    site.write("config/nightly.env", "LIMIT=6\n");
    assert_eq!((warn(None), warn(Some("7"))), (6.into(), 7.into()));
}

#[test]
fn what_hangs_costs_its_own_time_and_what_needs_it_is_blocked() {
    let silent = HttpStandIn::answering(Response::hang());
    let drip = HttpStandIn::answering(
        Response::json("{\"a\": 1, \"long\": \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}").dripping(Duration::from_secs(1)),
    );
    let probe = |name: &str, url: String| format!("[probe.{name}]\nkind = \"json\"\nurl = \"{url}\"\nmetrics = {{ a = \".a\" }}\n");
    let check = |id: &str, probe: &str, more: &str| format!("[[check]]\nid = \"{id}\"\nprobe = \"{probe}\"\n{more}\n");
    let text = [
        probe("silent", silent.url("/")),
        probe("drip", drip.url("/")),
        // As a mount that is stuck: it never returns, and does not end when it is told to.
        "[probe.stuck]\nkind = \"command\"\ncommand = [\"sh\", \"-c\", \"trap '' TERM INT; while :; do sleep 600; done\"]\n".to_owned(),
        file_probe("a = \".a\""),
        check("stuck", "stuck", "timeout = \"300ms\""),
        check("needs-stuck", "stuck", "needs = [\"stuck\"]"),
        check("silent", "silent", "timeout = \"300ms\"\non_error = \"crit\""),
        check("drip", "drip", "timeout = \"300ms\""),
        check("needs-drip", "m", "needs = [\"drip\"]"),
        check("needs-fine", "m", "needs = [\"fine\"]"),
        check("fine", "m", ""),
    ];
    let site = Site::new(&text.concat());
    site.write("m.json", r#"{"a": 6}"#);
    let output = site.tool(&[]).run().expect_code(5);
    assert_eq!(
        told(&output),
        ["stuck unknown", "needs-stuck skipped", "silent crit", "drip unknown", "needs-drip skipped", "needs-fine ok", "fine ok"]
    );
    assert_eq!(
        (&output.record("check", "silent")["error_class"], &output.record("check", "drip")["error_class"]),
        (&"timeout".into(), &"timeout".into())
    );
    assert_eq!(output.record("check", "needs-drip")["blocked_by"], "drip");
}

#[test]
fn tiers_and_filters_choose() {
    let check = |id: &str, tier: &str, more: &str| format!("[[check]]\nid = \"{id}\"\nprobe = \"m\"\ntier = \"{tier}\"\n{more}\n");
    let text =
        [file_probe("a = \".a\""), check("a.fast", "fast", ""), check("a.slow", "expensive", "needs = [\"b\"]"), check("b", "normal", "")];
    let site = Site::new(&text.concat());
    site.write("m.json", r#"{"a": 6}"#);
    let ids = |args: &[&str]| told(&site.tool(args).run().expect_code(0));
    assert_eq!(ids(&["--tier", "fast,normal"]), ["a.fast ok", "b ok"]);
    assert_eq!(ids(&["--tier", "expensive"]), ["a.slow ok", "b ok"]);
    assert_eq!(ids(&["--only", "a", "--skip", "b"]), ["a.fast ok"]);
    let output = site.tool(&["--only", "redis"]).run().expect_code(64);
    assert!(output.stderr.contains("a.slow"), "{}", output.stderr);
}

fn growing() -> Site {
    let text = format!("{}[[check]]\nid = \"a\"\nprobe = \"m\"\nvalue = \"delta(a)\"\nwarn = \"> 3\"\n", file_probe("a = \".a\""));
    let site = Site::new(&text);
    site.write("m.json", r#"{"a": 6}"#);
    site
}

#[test]
fn differences_are_told_between_runs_and_a_dry_run_remembers_nothing() {
    let site = growing();
    site.tool(&["--dry-run"]).run().expect_code(0);
    assert!(!site.path("state").exists());
    let first = site.tool(&[]).run().expect_code(0);
    assert!(first.record("check", "a")["summary"].as_str().unwrap().ends_with("(no earlier run to compare with)"));
    site.write("m.json", r#"{"a": 16}"#);
    let before = site.read("state/health-demo.json");
    assert_eq!(site.tool(&["--dry-run"]).run().expect_code(1).record("check", "a")["value"], 10);
    assert_eq!(site.read("state/health-demo.json"), before);
    assert_eq!(site.tool(&[]).run().expect_code(1).record("check", "a")["value"], 10);
    assert_eq!(site.tool(&[]).run().expect_code(0).record("check", "a")["value"], 0);
    assert_eq!(site.state()["version"], 1);
}

#[test]
fn a_state_that_cannot_be_used_is_told_and_all_is_looked_at() {
    let site = growing();
    site.tool(&[]).run().expect_code(0);
    site.write("state/health-demo.json", "{\"version\":1,");
    let output = site.tool(&[]).run().expect_code(1);
    assert_eq!(told(&output), ["state warn", "a ok"]);
    assert!(output.record("check", "state")["summary"].as_str().unwrap().contains(".corrupt-"));
    assert_eq!(told(&site.tool(&[]).run().expect_code(0)), ["a ok"], "it began anew");
    site.write("state/health-demo.json", "{\"version\":7}");
    let newer = site.tool(&[]).run().expect_code(1);
    assert!(newer.record("check", "state")["summary"].as_str().unwrap().contains("version 7"));
    assert_eq!(site.read("state/health-demo.json"), "{\"version\":7}");
}

#[test]
fn a_log_is_never_well_where_nothing_can_be_remembered() {
    let log = "[probe.log]\nkind = \"logs\"\nfiles = \"app.log\"\n[[check]]\nid = \"log\"\nprobe = \"log\"\nargs = { patterns = { bad = \"ERROR\" } }\n\
               value = \"bad\"\nwarn = \"> 0\"\n";
    let site = Site::new(log);
    site.write("app.log", "ERROR of old\n");
    std::fs::create_dir(site.path("state")).unwrap();
    site.write("state/health-demo.json", "{\"version\":7}");
    for _ in 0..2 {
        let output = site.tool(&[]).run().expect_code(1);
        let check = output.record("check", "log");
        assert!(check["status"] == "unknown" && check["summary"].as_str().unwrap().contains("version 7"), "{check}");
    }
    std::fs::remove_file(site.path("state/health-demo.json")).unwrap();
    assert_eq!(told(&site.tool(&[]).run().expect_code(0)), ["log ok"]);
}

#[test]
fn a_second_run_looks_beside_the_first() {
    let site = growing();
    let mut first = site.tool(&["--watch", "1h"]).spawn();
    first.wait_for_stdout("no earlier run");
    let second = site.tool(&[]).run().expect_code(0);
    assert_eq!(told(&second), ["a ok", "state skipped"]);
    first.signal(15);
    first.wait().expect_code(143);
    assert_eq!(told(&site.tool(&[]).run().expect_code(0)), ["a ok"]);
}

#[test]
fn the_compiled_in_checks_can_be_needed_and_what_cannot_be_kept_is_told() {
    let world = support::World::new("profile");
    let site = growing();
    let text = site
        .read("config/profiles/demo.toml")
        .replace("system =", "home = true\nsystem =")
        .replace("[[check]]", "[[check]]\nneeds = [\"postgres.connect\"]");
    site.write("config/profiles/demo.toml", &text);
    let path = site.path("config/profiles/demo.toml");
    let tool = |state: &str| world.tool().env("STATE_DIR", state).args(["--profile", path.to_str().unwrap(), "--only", "a"]);
    let state = site.path("state");
    site.write("m.json", r#"{"a": 1}"#);
    // The file is named by the settings' folder, and there are no settings here.
    let file = text.replace("m.json", site.path("m.json").to_str().unwrap());
    site.write("config/profiles/demo.toml", &file);
    assert_eq!(told(&tool(state.to_str().unwrap()).run().expect_code(0)), ["postgres.connect ok", "a ok"]);
    let unkept = tool("/proc/nowhere").run().expect_code(1);
    assert_eq!(told(&unkept), ["postgres.connect ok", "a ok", "state warn"]);
}

#[test]
fn a_profile_with_mistakes_is_a_configuration_error() {
    let site = Site::new(
        "[probe.m]\nkind = \"jason\"\n[[check]]\nid = \"a\"\nprobe = \"m\"\nwran = \"> 3\"\n[[check]]\nprobe = \"n\"\n[rule]\nx = 1\n",
    );
    let output = site.tool(&[]).run().expect_code(78);
    assert!(output.stderr.contains("demo.toml:5:8: there is no kind of probe called jason"), "{}", output.stderr);
    let table = site.tool(&["--output", "table"]).raw().run().expect_code(78).stdout;
    assert!(table.lines().any(|line| line.contains("config") && line.contains("demo.toml:5:8: ")), "{table}");
    let nagios = site.tool(&["--output", "nagios"]).raw().run().expect_code(3).stdout;
    assert!(nagios.starts_with("ML-HEALTH UNKNOWN - ") && nagios.lines().count() == 1, "{nagios}");
    let output = site.tool(&["--check-config"]).run().expect_code(78);
    let check = output.kind("check").next().unwrap();
    assert!(check["summary"].as_str().unwrap().contains("demo.toml:5:8: ") && check["hint"] == "did you mean json?", "{check}");
    // What only opening a probe finds.
    let broken = Site::new("[probe.m]\nkind = \"json\"\nfile = \"x\"\nmetrics = { a = \".a |\" }\n[[check]]\nid = \"a\"\nprobe = \"m\"\n");
    let output = broken.tool(&["--check-config"]).run().expect_code(78);
    assert!(output.kind("check").next().unwrap()["summary"].as_str().unwrap().contains("demo.toml:4:1: probe.m: "), "{:?}", output.records);
    let output = pool().tool(&["--check-config"]).run().expect_code(0);
    assert_eq!(output.end()["summary"], "config is fine: 1 check");
    // What would be skipped is told, and is no mistake.
    let unset = "[probe.a]\nkind = \"dns\"\nname = \"${NO_SUCH_HOST}\"\n[[check]]\nid = \"a\"\nprobe = \"a\"\n";
    let more = "[[check]]\nid = \"b\"\nprobe = \"a\"\n[[check]]\nid = \"c\"\nprobe = \"m\"\ncrit = \"> ${LIMIT_OF_C}\"\n";
    let output = Site::new(&format!("{}{unset}{more}", file_probe("x = \".x\""))).tool(&["--check-config"]).run().expect_code(0);
    let said: Vec<_> = output.kind("check").map(|check| (check["status"].clone(), check["summary"].clone())).collect();
    let skipped = |what: &str| (json!("skipped"), json!(what));
    assert_eq!(said, [skipped("LIMIT_OF_C is not set: c skipped"), skipped("NO_SUCH_HOST is not set: a, b skipped")]);
}

#[test]
fn nagios_and_junit_say_the_same() {
    let site = pool();
    site.write("m.json", r#"{"busy": 9, "total": 10}"#);
    let nagios = site.tool(&["--output", "nagios"]).raw().run().expect_code(1);
    assert_eq!(nagios.stdout, "ML-HEALTH WARNING - pool: 9 of 10 busy | 'pool'=90%;80;90\n");
    let junit = site.tool(&["--output", "junit"]).raw().run().expect_code(1);
    assert!(junit.stdout.contains("<failure type=\"warn\" message=\"9 of 10 busy\">scale it</failure>"), "{}", junit.stdout);
    site.tool(&["--output", "junit", "--watch", "1s"]).raw().run().expect_code(64);
}

#[test]
fn prometheus_gets_a_page_and_a_textfile() {
    let site = pool();
    let page = site.tool(&["--output", "prometheus"]).raw().run().expect_code(0).stdout;
    assert!(page.contains("ml_check_status{system=\"demo\",") && page.contains("id=\"pool\",unit=\"%\"} 10\n"), "{page}");
    let path = site.path("metrics/health.prom");
    let output = site.tool(&["--textfile", path.to_str().unwrap()]).run().expect_code(4);
    let told = output.record("check", "textfile");
    assert!(told["status"] == "warn" && told["summary"].as_str().unwrap().starts_with("there is no folder"), "{told}");
    std::fs::create_dir(site.path("metrics")).unwrap();
    site.tool(&["--textfile", path.to_str().unwrap(), "--dry-run"]).run().expect_code(0);
    assert!(!path.exists());
    site.tool(&["--textfile", path.to_str().unwrap()]).run().expect_code(0);
    let textfile = site.read("metrics/health.prom");
    assert_eq!(textfile.lines().count(), page.lines().count());
    if !prometheus::promtool_is_content(&page) || !prometheus::promtool_is_content(&textfile) {
        skip!("promtool is not installed");
    }
}

#[test]
fn a_secret_of_the_environment_is_never_shown() {
    let text = "[probe.m]\nkind = \"json\"\nurl = \"http://127.0.0.1:1/${API_TOKEN}\"\nheaders = { Authorization = \"Bearer ${API_TOKEN}\" }\n\
                metrics = { a = \".a\" }\n[[check]]\nid = \"a\"\nprobe = \"m\"\nsummary = \"with ${API_TOKEN}\"\nhint = \"${API_TOKEN}\"\n";
    let site = Site::new(text);
    let output = site.tool(&["--verbose"]).env("API_TOKEN", "s3cr3t-t0ken").raw().run().expect_code(1);
    assert!(!output.stdout.contains("s3cr3t") && !output.stderr.contains("s3cr3t"), "{}{}", output.stdout, output.stderr);
    let unset = site.tool(&[]).run().expect_code(0);
    assert_eq!(unset.record("check", "a")["summary"], "API_TOKEN is not set");
}

#[test]
fn what_a_probe_says_back_holds_no_secret_and_is_remembered_without() {
    let secret = "tok-abcdef-123456";
    let hook = HttpStandIn::answering(Response::json(json!({"message": format!("bad token {secret}")}).to_string()));
    let site = Site::new(&format!(
        "[probe.m]\nkind = \"json\"\nurl = \"{}\"\n\
         headers = {{ Authorization = \"Bearer ${{SVC_TOKEN}}\" }}\nmetrics = {{ message = \".message\" }}\n\
         [[check]]\nid = \"said\"\nprobe = \"m\"\nvalue = \"message\"\ncrit = \"changed(message)\"\n",
        hook.url("/")
    ));
    for _ in 0..2 {
        let output = site.tool(&[]).env("SVC_TOKEN", secret).run();
        assert!(!output.stdout.contains(secret) && !output.stderr.contains(secret), "{}", output.stdout);
        assert_eq!(output.record("check", "said")["value"], "bad token ***");
    }
    let state = std::fs::read_to_string(site.path("state/health-demo.json")).unwrap();
    assert!(state.contains("bad token") && !state.contains(secret), "{state}");
}

#[test]
fn a_rate_limit_is_kept_from_run_to_run_by_whatever_probe() {
    let hook = HttpStandIn::answering(Response::json(r#"{"a": 1}"#));
    let site = Site::new(&format!(
        "[probe.m]\nkind = \"json\"\nrate_limit = \"2/d\"\nurl = \"{}\"\n\
         metrics = {{ a = \".a\" }}\n[[check]]\nid = \"a\"\nprobe = \"m\"\n",
        hook.url("/")
    ));
    let seen: Vec<String> = (0..4).flat_map(|_| told(&site.tool(&[]).run())).collect();
    assert_eq!(seen, ["a ok", "a ok", "a skipped", "a skipped"]);
    assert_eq!(hook.requests().len(), 2);
}

#[test]
fn no_time_at_all_is_a_mistake() {
    let output = pool().tool(&["--set", "CHECK_DEADLINE_MS=0"]).run().expect_code(78);
    assert!(output.stderr.contains("CHECK_DEADLINE_MS"), "{}", output.stderr);
}
