//! Every kind of sink against a receiver as strict as the service, from records to what was taken.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use ml_tests::smtp::Line;
use ml_tests::{Alertmanager, HttpStandIn, MailServer, Output, Pki, Response, Strict, TempDir, Tool, skip};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A folder with rules and state.
struct Place(TempDir);

impl Place {
    fn new(sinks: &str) -> Place {
        let place = Place(TempDir::new().unwrap());
        place.rules(sinks);
        place
    }

    fn rules(&self, sinks: &str) {
        let rules =
            "[alerts]\ngroup_wait = \"0s\"\ngroup_interval = \"0s\"\n[[rule]]\nname = \"bad\"\nid = \"*\"\nseverity = \"critical\"\n";
        std::fs::write(self.0.path().join("alerts.toml"), format!("{sinks}\n{rules}")).unwrap();
    }

    fn tool(&self, args: &[&str]) -> Tool {
        let rules = self.0.path().join("alerts.toml");
        let tool = Tool::new("ml-alert").args(args).arg("--rules").arg(rules).env("STATE_DIR", self.0.path().join("state"));
        tool.env("ALERT_BUDGET_SECONDS", "5")
    }

    fn tell(&self, records: &[Value]) -> Output {
        self.tool(&[]).stdin_records(records).run()
    }

    /// The same with time enough on a machine that does other things, too.
    fn tell_patiently(&self, records: &[Value]) -> Output {
        self.tool(&[]).env("ALERT_BUDGET_SECONDS", "120").stdin_records(records).run()
    }

    fn state_file(&self) -> PathBuf {
        let mut files = std::fs::read_dir(self.0.path().join("state")).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|end| end == "json")).unwrap()
    }

    fn state(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.state_file()).unwrap()).unwrap()
    }

    /// Another run later, as if its receiver's pauses were over.
    fn forget_pauses(&self) {
        let mut state = self.state();
        state["value"]["sinks"] = json!({});
        std::fs::write(self.state_file(), state.to_string()).unwrap();
    }
}

fn night(minute: u32, checks: &[(&str, &str)]) -> Vec<Value> {
    let ts = format!("2025-01-08T02:{minute:02}:00.000Z");
    let head = |kind: &str, status: &str| {
        json!({"v": 1, "tool": "ml-health", "stage": format!("ml-health.{minute}"), "system": "lab", "run": "r-1", "ts": ts, "host": "h",
            "status": status, "kind": kind})
    };
    let mut records = vec![head("start", "ok")];
    for (id, status) in checks {
        let mut check = head("check", status);
        (check["id"], check["value"], check["crit"]) = (json!(id), json!(1200), json!(1000));
        (check["summary"], check["hint"]) = (json!("long <!channel> @everyone queue"), json!("start workers"));
        records.push(check);
    }
    let mut end = head("end", "ok");
    (end["exit"], end["records"], end["duration_ms"]) = (json!(0), json!(2), json!(1));
    records.push(end);
    records
}

fn fates(output: &Output) -> Vec<(String, String)> {
    let word = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    output.kind("alert").map(|record| (word(record, "state"), word(record, "fate"))).collect()
}

fn pair(state: &str, fate: &str) -> Vec<(String, String)> {
    vec![(state.to_owned(), fate.to_owned())]
}

/// Firing, again the same, resolved: two messages that the service takes.
fn told_and_resolved(service: &Strict, sink: &str) -> Vec<Value> {
    let place = Place::new(sink);
    let first = place.tell(&night(0, &[("redis.queue", "crit")]));
    assert_eq!(fates(&first), pair("firing", "sent"), "{:?}; {}", service.refused(), first.stderr);
    assert!(!format!("{}{}", first.stdout, first.stderr).contains("secret-path"));
    assert_eq!(fates(&place.tell(&night(1, &[("redis.queue", "crit")]))), vec![]);
    assert_eq!(fates(&place.tell(&night(9, &[("redis.queue", "ok")]))), pair("resolved", "sent"), "{:?}", service.refused());
    assert_eq!((service.taken().len(), service.refused()), (2, vec![]));
    service.taken()
}

#[test]
fn slack_discord_teams_and_ntfy_take_what_is_sent() {
    for (kind, service) in [("slack", Strict::slack()), ("discord", Strict::discord()), ("teams", Strict::teams())] {
        let taken = told_and_resolved(&service, &format!("[sink.a]\nkind = \"{kind}\"\nurl = \"{}\"", service.url("/secret-path")));
        assert!(taken[0].to_string().contains("start workers") && taken[0].to_string().contains("r-1"), "{}", taken[0]);
    }
    let service = Strict::ntfy();
    let taken = told_and_resolved(&service, &format!("[sink.a]\nkind = \"ntfy\"\nurl = \"{}\"\ntopic = \"ops\"", service.url("")));
    assert_eq!((&taken[0]["priority"], &taken[1]["priority"]), (&json!(5), &json!(3)));
}

#[test]
fn pagerduty_opens_and_closes_one_incident() {
    let service = Strict::pagerduty();
    let url = service.url("/v2/enqueue");
    let taken = told_and_resolved(&service, &format!("[sink.a]\nkind = \"pagerduty\"\nrouting_key = \"0123456789\"\nurl = \"{url}\""));
    assert_eq!((&taken[0]["event_action"], &taken[1]["event_action"]), (&json!("trigger"), &json!("resolve")));
    assert_eq!(taken[0]["dedup_key"], taken[1]["dedup_key"]);
}

#[test]
fn a_command_gets_json_and_a_failing_one_is_tried_again() {
    let place = Place::new("");
    let out = place.0.path().join("out");
    let sink =
        |exit: u8| format!("[sink.a]\nkind = \"command\"\ncommand = [\"/bin/sh\", \"-c\", \"cat >> {}; exit {exit}\"]", out.display());
    place.rules(&sink(1));
    let output = place.tell(&night(0, &[("redis.queue", "crit")]));
    assert_eq!((output.code, fates(&output)), (3, pair("firing", "held")));
    place.rules(&sink(0));
    place.forget_pauses();
    std::fs::remove_file(&out).unwrap();
    assert_eq!(fates(&place.tell(&night(1, &[("redis.queue", "crit")]))), pair("firing", "sent"));
    let body: Value = serde_json::from_slice(&std::fs::read(&out).unwrap()).unwrap();
    assert_eq!((&body["why"], &body["items"][0]["id"]), (&json!("firing"), &json!("redis.queue")));
}

#[test]
fn a_429_is_honoured_within_a_run_and_by_the_next() {
    let service = Strict::slack();
    let place = Place::new(&format!("[sink.a]\nkind = \"slack\"\nurl = \"{}\"", service.url("/x")));
    service.next(Response::status(429).header("Retry-After", "1"));
    let began = Instant::now();
    assert_eq!(fates(&place.tell(&night(0, &[("a", "crit")]))), pair("firing", "sent"));
    assert!(began.elapsed() >= Duration::from_secs(1) && service.requests().len() == 2);
    service.next(Response::status(429).header("Retry-After", "3600"));
    let output = place.tell(&night(9, &[("a", "ok")]));
    assert_eq!((output.code, fates(&output)), (3, pair("resolved", "held")));
    let again = place.tell(&night(10, &[("a", "ok")]));
    assert_eq!((fates(&again), service.requests().len()), (pair("resolved", "held"), 3), "the service is left alone");
    place.forget_pauses();
    assert_eq!(fates(&place.tell(&night(11, &[("a", "ok")]))), pair("resolved", "sent"));
    assert_eq!(service.taken().len(), 2, "who was told that it fires is told that it is over, once");
}

#[test]
fn refusals_are_kept_aside_and_dead_addresses_wait_for_people() {
    let service = Strict::slack();
    let place = Place::new(&format!("[sink.a]\nkind = \"slack\"\nurl = \"{}\"", service.url("/x")));
    service.next(Response::status(400).body("invalid_payload"));
    let output = place.tell(&night(0, &[("a", "crit")]));
    assert_eq!((output.code, fates(&output)), (3, pair("firing", "suppressed")));
    assert!(output.kind("alert").next().unwrap()["reason"].as_str().unwrap().contains("invalid_payload"));
    assert_eq!(place.state()["value"]["outbox"][0]["refused"], json!(true));
    service.down(Some(Response::status(410)));
    let output = place.tell(&night(9, &[("a", "ok")]));
    assert_eq!(fates(&output), pair("resolved", "held"));
    assert!(output.kind("alert").next().unwrap()["hint"].as_str().unwrap().contains("correct the address"));
    service.down(None);
    assert_eq!(fates(&place.tell(&night(10, &[("a", "ok")]))), pair("resolved", "sent"));
}

#[test]
fn a_test_goes_to_one_sink_and_a_dry_one_shows_the_payload() {
    let (one, other) = (Strict::slack(), Strict::webhook());
    let sinks = format!(
        "[sink.a]\nkind = \"slack\"\nurl = \"{}\"\n[sink.b]\nkind = \"webhook\"\nurl = \"{}\"\nsecret = \"hush\"",
        one.url("/secret-path"),
        other.url("/x")
    );
    let place = Place::new(&sinks);
    let dry = place.tool(&["test", "--sink", "a", "--dry-run"]).run();
    let payload: Value = serde_json::from_str(dry.kind("alert").next().unwrap()["payload"].as_str().unwrap()).unwrap();
    assert!(payload["text"].as_str().unwrap().contains("test alert"));
    assert!(one.requests().is_empty() && !place.0.path().join("state").exists());
    let sent = place.tool(&["test", "--sink", "b"]).run();
    assert_eq!((sent.code, one.taken().len(), other.taken().len()), (0, 0, 1), "{}", sent.stderr);
    one.down(Some(Response::status(404)));
    let gone = place.tool(&["test", "--sink", "a"]).run();
    assert_eq!(gone.code, 3);
    assert!(gone.stderr.contains("hint:") && !gone.stderr.contains("secret-path"), "{}", gone.stderr);
    assert_eq!(place.tool(&["test", "--sink", "c"]).run().code, 64);
}

#[test]
fn letters_go_out_by_starttls_and_by_tls_with_a_login() {
    let pki = Pki::new();
    let certificate = pki.issue(&["localhost", "127.0.0.1"], 30);
    let plain = "AG9wcwBodXNoLXdvcmQ=";
    for (line, word) in [(Line::Starttls, "starttls"), (Line::Implicit, "implicit")] {
        let server = MailServer::start(line, Some(&certificate), Some(plain));
        let place = Place::new("");
        let ca = place.0.path().join("ca.pem");
        std::fs::write(&ca, pki.pem()).unwrap();
        let sink = |password: &str, ca_file: &str| {
            format!(
                "[sink.a]\nkind = \"email\"\nserver = \"localhost:{}\"\ntls = \"{word}\"\nuser = \"ops\"\npassword = \"{password}\"\n\
                 from = \"Ops <ops@example.org>\"\nto = [\"you@example.org\", \"me@example.org\"]\n{ca_file}",
                server.port()
            )
        };
        let trusted = format!("ca_file = \"{}\"", ca.display());
        place.rules(&sink("hush-word", ""));
        let output = place.tool(&["test", "--sink", "a"]).run();
        assert!(output.code == 3 && server.letters().is_empty(), "a stranger's certificate: {}", output.stderr);
        place.rules(&sink("wrong-word", &trusted));
        let output = place.tool(&["test", "--sink", "a"]).run();
        assert!(output.code == 3 && output.stderr.contains("correct user, password"), "{}", output.stderr);
        assert!(!output.stderr.contains("wrong-word"));
        place.rules(&sink("hush-word", &trusted));
        assert_eq!(fates(&place.tell(&night(0, &[("redis.queue", "crit")]))), pair("firing", "sent"));
        let [letter] = &server.letters()[..] else { panic!("one letter, not {}", server.letters().len()) };
        assert_eq!((letter.to.len(), letter.encrypted, letter.login.is_some()), (2, true, true));
        for part in ["Message-ID: <", "Auto-Submitted: auto-generated", "X-Priority: 1", "start workers"] {
            assert!(letter.data.contains(part), "{part} is not in {}", letter.data);
        }
        server.answer_to_data(Some("552 5.3.4 too big"));
        let refused = place.tell(&night(9, &[("redis.queue", "ok")]));
        assert_eq!(fates(&refused), pair("resolved", "suppressed"));
    }
}

#[test]
fn a_dead_mans_switch_hears_of_whole_runs_that_are_told() {
    let (service, switch) = (Strict::slack(), HttpStandIn::answering(Response::status(200).body("OK")));
    let sinks = format!(
        "[sink.a]\nkind = \"slack\"\nurl = \"{}\"\n[sink.alive]\nkind = \"deadman\"\nurl = \"{}\"",
        service.url("/x"),
        switch.url("/ping/uuid")
    );
    let place = Place::new(&sinks);
    let pings = || switch.requests().iter().map(|request| request.path.clone()).collect::<Vec<_>>();
    place.tell(&night(0, &[("a", "crit")]));
    assert_eq!(pings(), ["/ping/uuid/start", "/ping/uuid"]);
    service.down(Some(Response::status(410)));
    place.tell(&night(9, &[("a", "ok")]));
    assert_eq!(pings()[2..], ["/ping/uuid/start", "/ping/uuid/fail"], "somebody was not told");
    service.down(None);
    let mut died = night(10, &[("a", "ok")]);
    died.pop();
    place.tell(&died);
    assert_eq!(pings()[4..], ["/ping/uuid/start", "/ping/uuid/fail"], "the run is not complete");
    place.tool(&["--tick"]).run();
    assert_eq!(pings().len(), 6, "no run, no ping");
}

#[test]
fn a_real_alertmanager_receives_groups_and_resolves() {
    let hook = HttpStandIn::answering(Response::status(200));
    let Some(server) = Alertmanager::telling(&hook.url("/")) else { skip!("prometheus-alertmanager is not installed") };
    let place = Place::new(&format!("[sink.am]\nkind = \"alertmanager\"\nurl = \"{}\"\ninterval = \"10m\"", server.url()));
    let wait = |what: &str, until: &dyn Fn() -> bool| {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !until() {
            assert!(Instant::now() < deadline, "{what}: {:?}; {}", hook.requests(), server.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let test = place.tool(&["test", "--sink", "am"]).run();
    assert_eq!(test.code, 0, "{}", test.stderr);
    wait("the test alert stands", &|| server.alerts().iter().any(|alert| alert["labels"]["alertname"] == "TestAlert"));
    place.tell(&night(0, &[("redis.queue", "crit"), ("db.size", "crit")]));
    let standing = || server.alerts().into_iter().filter(|alert| alert["labels"]["alertname"] == "bad").collect::<Vec<_>>();
    wait("both stand", &|| standing().len() == 2);
    let alert = &standing()[0];
    assert_eq!((&alert["labels"]["system"], &alert["labels"]["severity"]), (&json!("lab"), &json!("critical")));
    assert_eq!(alert["annotations"]["hint"], json!("start workers"));
    let bodies = || hook.requests().iter().map(|request| serde_json::from_str::<Value>(&request.body).unwrap()).collect::<Vec<_>>();
    let of = |body: &Value, status: &str| {
        let alerts = body["alerts"].as_array().unwrap();
        alerts.iter().filter(|alert| alert["status"] == status && alert["labels"]["alertname"] == "bad").count()
    };
    wait("one group tells of both", &|| bodies().iter().any(|body| of(body, "firing") == 2));
    place.tell(&night(9, &[("redis.queue", "ok"), ("db.size", "ok")]));
    wait("it is over", &|| standing().is_empty());
    wait("that is told", &|| bodies().iter().any(|body| of(body, "resolved") == 2));
    assert!(bodies().iter().all(|body| of(body, "firing") + of(body, "resolved") == 0 || body["groupLabels"]["system"] == "lab"));
}

#[test]
fn a_real_alertmanager_gets_each_alert_of_a_storm_and_the_end_of_each() {
    let hook = HttpStandIn::answering(Response::status(200));
    let Some(server) = Alertmanager::telling(&hook.url("/")) else { skip!("prometheus-alertmanager is not installed") };
    let place = Place::new(&format!("[sink.am]\nkind = \"alertmanager\"\nurl = \"{}\"", server.url()));
    let ids: Vec<String> = (0..5_000).map(|n| format!("table.{n}")).collect();
    let all = |status: &'static str| ids.iter().map(|id| (id.as_str(), status)).collect::<Vec<_>>();
    let output = place.tell_patiently(&night(0, &all("crit")));
    assert_eq!(output.code, 0, "{}", output.stderr);
    let standing = server.alerts();
    let named: std::collections::BTreeSet<&str> = standing.iter().map(|alert| alert["labels"]["id"].as_str().unwrap()).collect();
    assert_eq!((standing.len(), named.len()), (5_000, 5_000), "{}", server.log());
    // Without a word about how often there is a run, they outlast some nights.
    let in_two_days = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_string();
    assert!(standing.iter().all(|alert| alert["endsAt"].as_str().unwrap() > in_two_days.as_str()), "{}", standing[0]);
    // One begins, one grows no worse, one ends: each of the others is left alone by the engine and stands all the same.
    place.tell_patiently(&night(5, &[("table.5000", "crit"), ("table.0", "ok")]));
    let ids: Vec<String> = server.alerts().iter().map(|alert| alert["labels"]["id"].as_str().unwrap().to_owned()).collect();
    assert!(ids.len() == 5_000 && ids.contains(&"table.5000".to_owned()) && !ids.contains(&"table.0".to_owned()), "{}", ids.len());
    let mut well = all("ok");
    well.push(("table.5000", "ok"));
    assert_eq!(place.tell_patiently(&night(9, &well)).code, 0);
    assert_eq!(server.alerts().len(), 0, "{:?}", server.alerts().first());
}

#[test]
fn killed_twenty_times_nothing_is_lost_and_twice_means_the_same_key() {
    // Every other request is not taken, and told so late: a kill in between must not pass for a delivery.
    let (count, taken) = (AtomicUsize::new(0), Arc::new(Mutex::new(Vec::new())));
    let takes = Arc::clone(&taken);
    let hook = HttpStandIn::start(move |request| {
        if count.fetch_add(1, Ordering::SeqCst) % 2 == 0 {
            return Response::status(503).header("Retry-After", "0.01").after(Duration::from_millis(20));
        }
        // Cut off by a kill in its middle: nobody waits for the answer, and no server takes half a request.
        if serde_json::from_str::<Value>(&request.body).is_err() {
            return Response::status(400);
        }
        takes.lock().unwrap().push(request.clone());
        Response::status(204).after(Duration::from_millis(5))
    });
    // Twenty groups are no storm yet; for three sinks they are sixty messages.
    let sink = |name: &str| format!("[sink.{name}]\nkind = \"webhook\"\nurl = \"{}\"\n", hook.url(&format!("/{name}")));
    let place = Place::new(&["a", "b", "c"].map(sink).concat());
    let rules = std::fs::read_to_string(place.0.path().join("alerts.toml")).unwrap();
    std::fs::write(place.0.path().join("alerts.toml"), format!("{rules}group_by = [\"id\"]\n")).unwrap();
    let ids: Vec<String> = (0..20).map(|n| format!("check.{n}")).collect();
    let checks: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "crit")).collect();
    let records = night(0, &checks);
    for kill in 0..20_usize {
        let before = hook.requests().len();
        let mut running = place.tool(&[]).stdin_records(&records).spawn();
        if kill % 4 == 3 {
            // Anywhere, also before anything was sent.
            std::thread::sleep(Duration::from_millis(3 * kill as u64));
        } else {
            while hook.requests().len() < before + 1 + kill % 3 && running.is_running() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        running.signal(9);
        drop(running);
    }
    let last = place.tell_patiently(&records);
    assert_eq!(last.code, 0, "{}", last.stderr);
    let mut keys = std::collections::BTreeMap::<String, std::collections::BTreeSet<String>>::new();
    for request in taken.lock().unwrap().iter() {
        let body: Value = serde_json::from_str(&request.body).unwrap();
        assert_eq!(body["key"].as_str(), request.headers.get("idempotency-key").map(String::as_str));
        for item in body["items"].as_array().unwrap() {
            keys.entry(format!("{} {}", request.path, item["id"])).or_default().insert(body["key"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(keys.len(), 60, "nothing is lost");
    assert!(keys.values().all(|keys| keys.len() == 1), "{keys:?}");
    assert_eq!(place.state()["value"]["outbox"], json!([]));
}
