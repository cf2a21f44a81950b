//! Profiles about endpoints, as operators run them: the proof server of one of the systems, stood in.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::{HttpStandIn, Output, Request, Response, TempDir, Tool};

const SECRET: &str = "c0ffee5ec2e7c0ffee";

const PROFILE: &str = r#"
[profile]
version = 1
system = "prover"

[probe.health]
kind = "http"
url = "${BASE_URL}/health"
metrics = { state = ".status", ready = ".ready" }

[probe.metrics]
kind = "json"
url = "${BASE_URL}/metrics"
metrics = { busy = ".pool_busy", total = ".pool_total", ratio = ".verification_ratio_percent" }

[probe.prove]
kind = "http"
url = "${BASE_URL}/prove"
body = '{"goal": "BOX(A -> A)"}'
hmac = { secret = "${HMAC_SECRET_KEY}" }
metrics = { proved = ".ok" }
rate_limit = "2/h"

[probe.unsigned]
kind = "http"
url = "${BASE_URL}/prove"
body = '{"goal": "BOX(A -> A)"}'

[probe.page]
kind = "prometheus"
url = "${BASE_URL}/page"
metrics = { causal = "count(causal_*)" }

[probe.name]
kind = "dns"
name = "localhost"

[[check]]
id = "health"
probe = "health"
value = "ok"
crit = "not ok or state != 'ok' or not ready"

[[check]]
id = "pool"
probe = "metrics"
value = "busy / total * 100"
unit = "%"
warn = "> 80"
crit = "> 90"
needs = ["health"]

[[check]]
id = "ratio"
probe = "metrics"
value = "ratio"
crit = "< 90"

[[check]]
id = "prove"
probe = "prove"
value = "latency_ms"
crit = "not ok or not proved"
on_error = "crit"

[[check]]
id = "unsigned"
probe = "unsigned"
value = "status"
crit = "!= 401"
hint = "set ENABLE_HMAC_AUTH"

[[check]]
id = "page"
probe = "page"
crit = "< 1"

[[check]]
id = "dns"
probe = "name"
crit = "< 1"
"#;

struct World {
    folder: TempDir,
    server: HttpStandIn,
}

fn prover(request: &Request, busy: u32) -> Response {
    match (request.path.as_str(), request.headers.contains_key("x-signature")) {
        ("/health", _) => Response::json(r#"{"status": "ok", "ready": true}"#),
        ("/metrics", _) => Response::json(format!(r#"{{"pool_busy": {busy}, "pool_total": 10, "verification_ratio_percent": 94.5}}"#)),
        ("/prove", true) => Response::json(r#"{"ok": true}"#),
        ("/prove", false) => Response::status(401),
        ("/page", _) => Response::status(200).body("causal_requests_total 3\n"),
        _ => Response::status(404),
    }
}

impl World {
    fn new(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> World {
        World::of(PROFILE, HttpStandIn::start(answer))
    }

    fn of(profile: &str, server: HttpStandIn) -> World {
        let folder = TempDir::new().unwrap();
        std::fs::write(folder.path().join("prover.toml"), profile).unwrap();
        World { folder, server }
    }

    fn tool(&self) -> Tool {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let tool = Tool::new("ml-health").args(["--profile", &path("prover.toml")]).env("STATE_DIR", path("state"));
        tool.env("BASE_URL", self.server.url("")).env("HMAC_SECRET_KEY", SECRET)
    }

    /// Runs it; its secret stands nowhere.
    #[track_caller]
    fn run(&self, exit: i32) -> Output {
        let output = self.tool().run().expect_code(exit);
        let state = std::fs::read_to_string(self.folder.path().join("state/health-prover.json")).unwrap_or_default();
        assert!(!format!("{}{}{state}", output.stdout, output.stderr).contains(SECRET), "{}", output.stdout);
        output
    }
}

fn told(output: &Output) -> Vec<String> {
    let word = |check: &serde_json::Value, key: &str| check[key].as_str().unwrap_or_default().to_owned();
    output.kind("check").map(|check| format!("{} {}", word(check, "id"), word(check, "status"))).collect()
}

#[test]
fn a_prover_that_is_well() {
    let world = World::new(|request| prover(request, 5));
    let output = world.run(0);
    assert_eq!(told(&output), ["health ok", "pool ok", "ratio ok", "prove ok", "unsigned ok", "page ok", "dns ok"]);
    assert_eq!((&output.record("check", "pool")["value"], &output.record("check", "ratio")["value"]), (&50.into(), &94.5.into()));
    // A quota holds from run to run: the third within the hour is not made.
    world.run(0);
    let output = world.run(0);
    let held = output.record("check", "prove");
    assert!(held["status"] == "skipped" && held["summary"].as_str().unwrap().contains("rate_limit is used up"), "{held}");
    let proofs = world.server.requests().iter().filter(|request| request.headers.contains_key("x-signature")).count();
    assert_eq!(proofs, 2);
}

#[test]
fn a_prover_that_is_not() {
    let world = World::new(|request| match (request.path.as_str(), request.headers.contains_key("x-signature")) {
        ("/health", _) => Response::json(r#"{"status": "degraded", "ready": true}"#),
        ("/prove", true) => Response::status(503).body("<html>no session</html>"),
        ("/prove", false) => Response::json(r#"{"ok": true}"#),
        ("/page", _) => Response::json("{}"),
        _ => prover(request, 10),
    });
    let output = world.run(5);
    assert_eq!(told(&output), ["health crit", "pool skipped", "ratio ok", "prove crit", "unsigned crit", "page unknown", "dns ok",]);
    let evidence = output.record("check", "prove").to_string();
    assert!(evidence.contains("HTTP 503: look at the service's log") && !evidence.contains("no session"), "{evidence}");
    assert_eq!(output.record("check", "unsigned")["hint"], "set ENABLE_HMAC_AUTH");
    assert_eq!(output.record("check", "pool")["blocked_by"], "health");
    let page = output.record("check", "page")["summary"].as_str().unwrap();
    assert!(page.contains("not in Prometheus's text format: line 1"), "{page}");
}

#[test]
fn a_prover_that_is_gone_and_a_secret_that_is_not_set() {
    let world = World::new(|request| prover(request, 5));
    let nowhere = format!("http://127.0.0.1:{}", ml_tests::closed_port());
    let output = world.tool().env("BASE_URL", nowhere).env("HMAC_SECRET_KEY", "").run().expect_code(1);
    assert_eq!(
        told(&output),
        ["health unknown", "pool skipped", "ratio unknown", "prove skipped", "unsigned unknown", "page unknown", "dns ok",]
    );
    assert_eq!(output.record("check", "prove")["summary"], "HMAC_SECRET_KEY is not set");
    assert!(output.record("check", "health")["summary"].as_str().unwrap().ends_with("connection refused"));
}

#[test]
fn one_endpoint_that_hangs_and_one_that_drips_hold_up_no_other() {
    let profile = r#"
[profile]
version = 1
system = "prover"
[probe.hang]
kind = "json"
url = "${BASE_URL}/hang"
metrics = { a = ".a" }
[probe.drip]
kind = "http"
url = "${BASE_URL}/drip"
[probe.good]
kind = "http"
url = "${BASE_URL}/good"
[[check]]
id = "hang"
probe = "hang"
timeout = "1s"
[[check]]
id = "drip"
probe = "drip"
timeout = "1s"
[[check]]
id = "good"
probe = "good"
crit = "!= 200"
"#;
    let server = HttpStandIn::start(|request| match request.path.as_str() {
        "/hang" => Response::hang(),
        "/drip" => Response::json("x".repeat(1 << 20)).dripping(std::time::Duration::from_millis(20)),
        _ => Response::status(200),
    });
    let output = World::of(profile, server).run(1);
    let mut lines = told(&output);
    lines.sort();
    assert_eq!(lines, ["drip unknown", "good ok", "hang unknown"]);
    for id in ["hang", "drip"] {
        let check = output.record("check", id);
        assert!(check["error_class"] == "timeout" && check["summary"].as_str().unwrap().contains("no answer within"), "{check}");
    }
}

#[test]
fn mistakes_are_found_before_anything_is_asked() {
    let profile = PROFILE.replace(".ready\" }", ".ready | lenght\" }").replace("count(causal_*)", "mean(causal_*)");
    let world = World::of(&profile, HttpStandIn::answering(Response::status(200)));
    let output = world.tool().arg("--check-config").run().expect_code(78);
    let said = format!("{}{}", output.stdout, output.stderr);
    for mistake in ["the jq filter of ready is not valid: there is no filter lenght", "there is no mean()"] {
        assert!(said.contains(mistake), "{mistake} in {said}");
    }
    assert!(said.contains("prover.toml:6:") && !said.contains(SECRET), "{said}");
    assert!(world.server.requests().is_empty());
}

const LIMITED: &str = r#"
[profile]
version = 1
system = "prover"

[probe.failing]
kind = "json"
url = "${BASE_URL}/metrics"
metrics = { busy = ".busy" }
rate_limit = "1/h"

[probe.audit]
kind = "command"
command = ["sh", "-c", "echo asked >> asked"]
dir = "${DIR}"
rate_limit = "2/h"

[[check]]
id = "failing"
probe = "failing"

[[check]]
id = "audit"
probe = "audit"
crit = "!= 0"
"#;

#[test]
#[cfg(unix)]
fn every_kind_has_a_limit_and_a_look_that_failed_counts() {
    let world = World::of(LIMITED, HttpStandIn::start(|_| Response::status(500)));
    let run = |exit: i32| {
        let output = world.tool().env("DIR", world.folder.path().display().to_string()).run().expect_code(exit);
        let used_up = |id: &str| output.record("check", id)["summary"].as_str().unwrap().contains("rate_limit is used up");
        (told(&output), used_up("failing"), used_up("audit"))
    };
    assert_eq!(run(1), (vec!["failing unknown".to_owned(), "audit ok".into()], false, false));
    assert_eq!(run(0), (vec!["failing skipped".to_owned(), "audit ok".into()], true, false));
    assert_eq!(run(0), (vec!["failing skipped".to_owned(), "audit skipped".into()], true, true));
    assert_eq!(world.server.requests().len(), 1);
    assert_eq!(std::fs::read_to_string(world.folder.path().join("asked")).unwrap().lines().count(), 2);
}

#[test]
fn a_limit_that_is_none_is_told_with_its_place() {
    let world = World::of(&LIMITED.replace("1/h", "often"), HttpStandIn::start(|_| Response::status(500)));
    let output = world.tool().arg("--check-config").run().expect_code(78);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert!(said.contains("prover.toml:10:14: often is not a limit of requests"), "{said}");
}
