//! A real pm2: one that runs, one that is stopped, one that crashes until pm2 gives it up; and their logs.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Pm2, Tool, skip};
use support::site::{Site, shipped};

/// Runs until it is told to crash; says what comes in as a file.
const API: &str = "const fs = require('fs');
console.log('listening'); console.error('warning: API_TOKEN=t0kenOfTheApi is not rotated');
setInterval(() => {
  if (fs.existsSync('crash')) { fs.unlinkSync('crash'); throw new Error('out of luck'); }
  if (fs.existsSync('say')) { const said = fs.readFileSync('say', 'utf8'); fs.unlinkSync('say'); console.log(said); fs.writeFileSync('said', ''); }
}, 20);";
const IDLE: &str = "setInterval(() => {}, 1000);";

const NO_PM2: &str = "pm2 is not installed: scripts/install-deps.sh --test fetches it where there is npm";

/// As the user of pm2.
fn of(pm2: &Pm2, tool: Tool) -> Tool {
    let path = format!("{}:/usr/bin:/bin", Pm2::program().parent().unwrap().display());
    tool.env("PM2_HOME", pm2.home()).env("PATH", path)
}

#[test]
fn crashes_stops_and_what_was_given_up_are_told_by_the_profile_of_twzrd() {
    let Some(pm2) = Pm2::new() else { skip!("{NO_PM2}") };
    let state = ml_tests::TempDir::new().unwrap();
    let look = |code: i32| {
        let tool = of(&pm2, shipped("twzrd", state.path())).env("SERVICES", "2").env("HIDDEN_KEY", "s3cretOfTheApi");
        let output = tool.args(["--only", "pm2"]).run().expect_code(code);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains("s3cretOfTheApi"), "{}", output.stdout);
        output
    };
    pm2.start("api", API, &[]);
    pm2.start("worker", IDLE, &[]);
    let well = look(0);
    let (crashes, online) = (well.record("check", "pm2.crashes"), well.record("check", "pm2.online"));
    assert_eq!((&crashes["value"], &online["value"]), (&0.into(), &2.into()), "{crashes} {online}");
    assert_eq!(online["summary"], "2 of 2 services online, 0 restarts");

    let logged = |code: i32| {
        let output = of(&pm2, shipped("twzrd", state.path())).args(["--only", "logs.errors"]).run().expect_code(code);
        output.record("check", "logs.errors").clone()
    };
    assert_eq!(logged(0)["value"], 0);

    // pm2 starts it anew; that it is up again does not hide the crash.
    std::fs::write(pm2.home().join("crash"), "").unwrap();
    while pm2.home().join("crash").exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let restarted = || pm2.run(&["jlist"]).contains("\"restart_time\":1");
    while !restarted() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    pm2.wait_for_status("api", "online");
    let crashed = look(1);
    let check = crashed.record("check", "pm2.crashes");
    assert_eq!((&check["status"], &check["value"]), (&"warn".into(), &1.into()), "{check}");
    let evidence = check["evidence"].to_string();
    assert!(evidence.contains("api: online") && evidence.contains("1 restart, 1 of them new"), "{check}");
    assert_eq!(look(0).record("check", "pm2.crashes")["value"], 0, "it is over");
    // pm2 itself writes the file, a moment later.
    while !std::fs::read_to_string(pm2.home().join("logs/api-error.log")).unwrap_or_default().contains("Error: out of luck") {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let said = logged(1);
    assert!(said["evidence"].to_string().contains("Error: out of luck"), "{said}");
    assert_eq!(logged(0)["value"], 0, "told once");

    // Stopped by somebody, and one that pm2 gives up.
    pm2.run(&["stop", "worker"]);
    pm2.start("broken", "process.exit(3);", &["--max-restarts", "2"]);
    pm2.wait_for_status("broken", "errored");
    let bad = look(1);
    let (crashes, online) = (bad.record("check", "pm2.crashes"), bad.record("check", "pm2.online"));
    assert_eq!((&crashes["status"], &online["status"]), (&"warn".into(), &"warn".into()));
    assert_eq!((&crashes["metrics"]["crashed"], &online["metrics"]["total"]), (&1.into(), &3.into()), "{crashes} {online}");
    let evidence = crashes["evidence"].to_string();
    assert!(evidence.contains("worker: stopped") && evidence.contains("broken: errored"), "{crashes}");

    // All at once by their owner is no crash.
    pm2.run(&["delete", "broken"]);
    pm2.run(&["restart", "all"]);
    pm2.wait_for_status("api", "online");
    pm2.wait_for_status("worker", "online");
    assert_eq!(look(0).record("check", "pm2.online")["value"], 2);
    pm2.run(&["restart", "all"]);
    pm2.wait_for_status("worker", "online");
    let all = look(0);
    assert!(all.record("check", "pm2.crashes")["summary"].as_str().unwrap().contains("all restarted together"), "{:?}", all.records);
}

#[test]
fn what_processes_of_pm2_write_is_counted_once_and_their_secrets_are_found() {
    let Some(pm2) = Pm2::new() else { skip!("{NO_PM2}") };
    let site = Site::new(
        "[probe.log]\nkind = \"logs\"\npm2 = \"^api$\"\n[probe.all]\nkind = \"logs\"\npm2 = \"^api$\"\nfrom = \"start\"\n\
         [[check]]\nid = \"errors\"\nprobe = \"log.count\"\nargs = { patterns = { errors = \"ERROR\", paid = \"paid\" } }\nvalue = \"errors\"\n\
         warn = \"> 0\"\n[[check]]\nid = \"secrets\"\nprobe = \"all.secrets\"\nvalue = \"secrets\"\ncrit = \"> 0\"\n",
    );
    let look = |code: i32| {
        let output = of(&pm2, site.tool(&[])).run().expect_code(code);
        assert!(!output.stdout.contains("t0kenOfTheApi"), "{}", output.stdout);
        output
    };
    pm2.start("api", API, &[]);
    pm2.start("other", "console.log('an ERROR of another'); setInterval(() => {}, 1000);", &[]);
    let logs = pm2.home().join("logs");
    while std::fs::read_to_string(logs.join("api-error.log")).unwrap_or_default().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let first = look(5);
    assert_eq!((&first.record("check", "errors")["value"], &first.record("check", "secrets")["value"]), (&0.into(), &1.into()));

    let say = |text: &str| {
        std::fs::write(pm2.home().join("say.new"), text).unwrap();
        std::fs::rename(pm2.home().join("say.new"), pm2.home().join("say")).unwrap();
        // pm2 itself writes the file, a moment later.
        let last = text.lines().last().unwrap();
        while !std::fs::read_to_string(logs.join("api-out.log")).unwrap_or_default().contains(last) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    say("ERROR one\nERROR two\npaid");
    let second = look(1);
    let errors = second.record("check", "errors");
    assert_eq!((&errors["value"], &errors["metrics"]["errors"]), (&2.into(), &2.into()), "{errors}");
    assert!(errors["evidence"].to_string().contains("ERROR two"), "{errors}");
    assert_eq!(second.record("check", "secrets")["value"], 0, "told once");
    assert_eq!(look(0).record("check", "errors")["value"], 0);

    // pm2 empties its logs.
    say("ERROR before the flush");
    assert_eq!(look(1).record("check", "errors")["value"], 1);
    pm2.run(&["flush"]);
    say("ERROR after the flush");
    assert_eq!(look(1).record("check", "errors")["value"], 1);

    let nobody = of(&pm2, site.tool(&["--only", "errors"])).env("PATH", "/nowhere").run().expect_code(0);
    assert_eq!(nobody.record("check", "errors")["status"], "skipped");
}
