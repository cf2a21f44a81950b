//! Real containers of podman, through its command and through its socket, which speaks as docker's.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use ml_tests::{Output, Podman, TempDir, skip};
use serde_json::Value;
use support::site::{Site, shipped};

/// How containers are asked in a profile: by the command, and through the socket.
fn ways(podman: &mut Podman) -> [String; 2] {
    [format!("program = \"{}\"", podman.program().display()), format!("socket = \"{}\"", podman.socket().display())]
}

fn value(output: &Output, id: &str) -> f64 {
    output.record("check", id)["value"].as_f64().unwrap_or_else(|| panic!("{id} has no value: {}", output.record("check", id)))
}

const CHECKS: &str = "
[[check]]
id = \"all\"
probe = \"c.status\"
value = \"running\"
warn = \"running < total\"
[[check]]
id = \"failed\"
probe = \"c.status\"
value = \"failed\"
warn = \"> 0\"
[[check]]
id = \"unhealthy\"
probe = \"c.status\"
value = \"unhealthy\"
crit = \"> 0\"
[[check]]
id = \"restarts\"
probe = \"c.status\"
value = \"restarts\"
warn = \"> 1\"
[[check]]
id = \"youngest\"
probe = \"c.status\"
args = { name = \"^db$\" }
value = \"oldest_s\"
crit = \"> 600\"
[[check]]
id = \"cpu.busy\"
probe = \"c.usage\"
args = { name = \"^busy$\" }
value = \"cpu_percent\"
warn = \"> 5\"
timeout = \"30s\"
[[check]]
id = \"cpu.idle\"
probe = \"c.usage\"
args = { name = \"^db$\" }
value = \"cpu_percent\"
warn = \"> 5\"
timeout = \"30s\"
[[check]]
id = \"memory\"
probe = \"c.usage\"
args = { name = \"^full$\" }
value = \"memory_percent\"
warn = \"> 20\"
timeout = \"30s\"
[[check]]
id = \"secrets\"
probe = \"c.environment\"
value = \"exposed\"
warn = \"> 0\"
[[check]]
id = \"writable\"
probe = \"c.writable\"
args = { container = \"db\", path = \"/app\", files = \"*.py\" }
value = \"files\"
warn = \"> 0\"
[[check]]
id = \"writable.nowhere\"
probe = \"c.writable\"
args = { container = \"db\", path = \"/nowhere\" }
value = \"files\"
";

#[test]
fn states_restarts_usage_secrets_and_writable_files_by_command_and_socket() {
    let mut podman = match Podman::start() {
        Ok(podman) => podman,
        Err(why) => skip!("{why}"),
    };
    let secret = ml_tests::random_word();
    let app = "echo 1 > /app/open.py; echo 1 > /app/closed.py; echo 1 > /app/open.txt; chmod 666 /app/open.py /app/open.txt; \
               chmod 644 /app/closed.py; touch /tmp/ready; sleep 600";
    podman.detached("db", &["--env", &format!("DB_PASSWORD={secret}"), "--env", "PLAIN=1"], app);
    podman.detached("busy", &[], "while :; do :; done");
    // It keeps 24 of its 64 MiB.
    podman.detached("full", &["--memory", "64m", "--tmpfs", "/big"], "busybox dd if=/dev/zero of=/big/x bs=1M count=24; sleep 600");
    podman.detached("sick", &["--health-cmd", "exit 1", "--health-retries", "1", "--health-interval", "disable"], "sleep 600");
    podman.detached("gone", &["--restart", "on-failure:2"], "exit 3");
    podman.detached("done", &[], "exit 0");
    let _ = ml_tests::Tool::foreign(podman.program()).args(["healthcheck", "run", "sick"]).run();
    podman.wait_for("gone", "{{.State.Status}} {{.RestartCount}}", "exited 2");
    podman.wait_for("done", "{{.State.Status}}", "exited");
    while ml_tests::Tool::foreign(podman.program()).args(["exec", "db", "find", "/tmp/ready"]).run().code != 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    for way in ways(&mut podman) {
        let site = Site::new(&format!("[probe.c]\nkind = \"container\"\n{way}\n{CHECKS}"));
        let output = site.tool(&["--verbose"]).raw().run().expect_code(5);
        assert!(!format!("{}{}", output.stdout, output.stderr).contains(&secret), "{way}: the secret is in a record");
        let output = site.tool(&[]).run().expect_code(5);
        assert!(!output.stdout.contains(&secret), "{way}: the secret is in a record");
        let status = |id: &str| output.record("check", id)["status"].as_str().unwrap().to_owned();
        let evidence = |id: &str| output.record("check", id)["evidence"].to_string();
        assert_eq!((value(&output, "all"), status("all")), (4.0, "warn".into()), "{way}");
        assert_eq!((value(&output, "failed"), value(&output, "unhealthy")), (1.0, 1.0), "{way}");
        assert_eq!((status("unhealthy"), value(&output, "restarts")), ("crit".into(), 2.0), "{way}");
        assert!(evidence("failed").contains("gone: exited with code 3, 2 restarts"), "{way}: {}", evidence("failed"));
        assert!(evidence("unhealthy").contains("sick: running for ") && evidence("unhealthy").contains(", unhealthy, 0 restarts"));
        assert!(value(&output, "youngest") < 600.0, "{way}");
        // The machine may be busy; idle ones use next to nothing in any case.
        assert!(value(&output, "cpu.busy") > 5.0 && value(&output, "cpu.busy") < 150.0, "{way}: {}", value(&output, "cpu.busy"));
        assert!(value(&output, "cpu.idle") < 5.0, "{way}: {}", value(&output, "cpu.idle"));
        let memory = value(&output, "memory");
        assert!(memory > 20.0 && memory < 60.0, "{way}: 24 of 64 MiB are {memory} %");
        assert_eq!((value(&output, "secrets"), status("secrets")), (1.0, "warn".into()), "{way}");
        assert!(evidence("secrets").contains("db: DB_PASSWORD"), "{way}: {}", evidence("secrets"));
        assert_eq!(value(&output, "writable"), 1.0, "{way}: {}", evidence("writable"));
        assert!(evidence("writable").contains("/app/open.py"), "{way}");
        let nowhere = output.record("check", "writable.nowhere");
        assert_eq!(nowhere["status"], "unknown", "a folder that is not there is never fine: {way} {nowhere}");
    }
}

#[test]
fn the_checks_of_the_causal_gym_on_real_containers() {
    let podman = match Podman::start() {
        Ok(podman) => podman,
        Err(why) => skip!("{why}"),
    };
    let state = TempDir::new().unwrap();
    let secret = ml_tests::random_word();
    let look = |code: i32| {
        let only = ["--only", "containers,log.errors,audit.secrets"];
        let tool = shipped("causal-gym", state.path()).args(only).env("DOCKER", podman.program());
        let output = tool.run().expect_code(code);
        assert!(!output.stdout.contains(&secret), "the secret is in a record");
        output
    };
    let script =
        "echo 'INFO listening'; echo 'ERROR slow_request of 4 s'; echo 'anthropic API error, api_key=hunter2hunter2' >&2; sleep 600";
    podman.detached("causal-interface-gym", &["--env", "PORT=1"], script);
    podman.detached("postgres", &[], "sleep 600");
    podman.detached("redis", &[], "sleep 600");
    podman.detached("unrelated", &[], "exit 1");
    let lines = || podman.command(&["logs", "causal-interface-gym"]).contains("slow_request");
    while !lines() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let well = look(0);
    assert_eq!(well.record("check", "containers")["value"], 3);
    let log = well.record("check", "log.errors");
    assert_eq!((&log["metrics"]["errors"], &log["metrics"]["slow"], &log["metrics"]["llm"]), (&1.into(), &1.into(), &1.into()), "{log}");
    assert!(!log.to_string().contains("hunter2hunter2"), "{log}");
    assert_eq!(well.record("check", "audit.secrets")["value"], 0);

    podman.command(&["stop", "--time", "0", "redis"]);
    podman.command(&["rm", "--force", "--time", "0", "causal-interface-gym"]);
    podman.detached("causal-interface-gym", &["--env", &format!("OPENAI_API_KEY={secret}")], "sleep 600");
    let bad = look(1);
    let containers = bad.record("check", "containers");
    assert_eq!((&containers["status"], &containers["value"]), (&"warn".into(), &2.into()), "{containers}");
    assert!(containers["evidence"].to_string().contains("redis: exited with code 137"), "{containers}");
    assert_eq!(bad.record("check", "audit.secrets")["status"], "warn");

    podman.command(&["stop", "--time", "0", "causal-interface-gym", "postgres"]);
    assert_eq!(look(5).record("check", "containers")["status"], "crit");
    podman.command(&["rm", "--all", "--force", "--time", "0"]);
    let none = look(5);
    assert_eq!(none.record("check", "containers")["value"], 0, "none is not fine");
    assert_eq!(none.record("check", "log.errors")["status"], "unknown", "{}", none.record("check", "log.errors"));
}

#[test]
fn the_log_of_a_container_is_counted_once_and_since_a_time() {
    let podman = match Podman::start() {
        Ok(podman) => podman,
        Err(why) => skip!("{why}"),
    };
    // Says what is put into a file, on both streams.
    let script = "echo 'ERROR of the start'; while :; do if [ -e /tmp/say ]; then busybox cat /tmp/say; busybox cat /tmp/say >&2; \
                  busybox rm /tmp/say; fi; busybox usleep 20000; done";
    podman.detached("web", &[], script);
    let say = |text: &str, lines: usize| {
        podman.command(&["exec", "web", "sh", "-c", &format!("echo '{text}' > /tmp/say.new; busybox mv /tmp/say.new /tmp/say")]);
        while podman.command(&["logs", "web"]).lines().count() + podman_err(&podman) < lines {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    };
    say("hello", 3);
    let site = Site::new(&format!(
        "[probe.new]\nkind = \"logs\"\ncontainer = \"web\"\nprogram = \"{}\"\n[[check]]\nid = \"errors\"\nprobe = \"new.count\"\n\
         args = {{ patterns = {{ errors = \"ERROR\" }} }}\nvalue = \"errors\"\nwarn = \"> 0\"\n",
        podman.program().display()
    ));
    let errors = |args: &[&str]| site.tool(args).run().record("check", "errors")["value"].clone();
    assert_eq!(errors(&[]), Value::from(0), "the first look remembers");
    say("ERROR one", 5);
    assert_eq!(errors(&[]), Value::from(2), "of both streams");
    assert_eq!(errors(&[]), Value::from(0), "told once");
    say("ERROR two", 7);
    assert_eq!(errors(&["--since", "1h"]), Value::from(5), "since a time: all");
    assert_eq!(errors(&[]), Value::from(2), "a look back does not change what is new");
    podman.command(&["rm", "--force", "--time", "0", "web"]);
    let gone = site.tool(&[]).run().expect_code(1);
    assert_eq!(gone.record("check", "errors")["status"], "unknown");
    assert!(gone.record("check", "errors")["summary"].as_str().unwrap().contains("web"), "{:?}", gone.records);
}

/// Lines that the container wrote to stderr.
fn podman_err(podman: &Podman) -> usize {
    ml_tests::Tool::foreign(podman.program()).args(["logs", "web"]).run().expect_code(0).stderr.lines().count()
}
