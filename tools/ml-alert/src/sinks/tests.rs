//! Payloads: within the limits whatever is in a notification, calling nobody, telling no secret.

use super::alertmanager::Again;
use super::*;
use crate::engine::state::{Alert, Alerts};
use crate::notification::{Item, Severity, Why};
use ml_watch::conf::File;
use proptest::prelude::*;
use serde_json::Value;
use std::path::Path;

const NOW: &str = "2025-01-08T02:00:00Z";

fn item(id: &str, summary: &str) -> Item {
    Item {
        alert: format!("rule lab {id}"),
        rule: "rule".into(),
        id: id.into(),
        severity: Some(Severity::Critical),
        summary: summary.into(),
        value: Some("1200".into()),
        threshold: Some("> 1000".into()),
        hint: Some("start workers".into()),
        since: "2025-01-08T01:00:00Z".into(),
        ..Item::default()
    }
}

fn told(items: Vec<Item>) -> Notification {
    Notification {
        key: "k-1".into(),
        group: "g".into(),
        sink: "s".into(),
        why: Why::Firing,
        severity: Severity::Critical,
        system: "lab".into(),
        run: "r-1".into(),
        host: "h".into(),
        at: NOW.into(),
        title: "lab: 1 critical: redis.queue".into(),
        items,
        more: 0,
        log: Some("/var/log/night".into()),
        look_again: Some("ml-health --only redis.queue".into()),
        contact: Some("DevOps Lead".into()),
        respond_within: Some(900),
    }
}

fn mail() -> Mail {
    Mail {
        host: "localhost".into(),
        port: 25,
        encryption: Encryption::None,
        login: None,
        from: "ops@example.org".into(),
        to: vec!["you@example.org".into()],
        authority: None,
    }
}

fn all() -> Vec<Sink> {
    let url = || "https://example.org/secret".to_owned();
    let webhook = Webhook { url: url(), secret: Some("hush".into()), headers: vec![("x-team".into(), "ops".into())] };
    let kinds = [
        Kind::Slack(url()),
        Kind::Slack(format!("{}/slack", url())),
        Kind::Discord(url()),
        Kind::Alertmanager(url(), Some(Duration::from_secs(600))),
        Kind::Email(mail()),
        Kind::Webhook(webhook),
        Kind::Command(vec!["/bin/true".into()]),
        Kind::Pagerduty(url(), "key".into()),
        Kind::Teams(url()),
        Kind::Ntfy(url(), "ops".into(), Some("token".into())),
    ];
    kinds.into_iter().map(|kind| Sink::new("s", kind)).collect()
}

fn request(sink: &Sink, told: &Notification, note: &str) -> Request {
    sink.request(told, note, &SinkState::default(), NOW.parse().unwrap()).unwrap()
}

fn json(sink: &Sink, told: &Notification) -> Value {
    match request(sink, told, "") {
        Request::Http { body, .. } => serde_json::from_str(&body).unwrap(),
        other => panic!("{other:?} is no HTTP"),
    }
}

fn utf16(value: &Value) -> usize {
    value.as_str().unwrap().encode_utf16().count()
}

/// What each service documents.
fn check_limits(sink: &Sink, told: &Notification) {
    match &sink.kind {
        Kind::Slack(_) => assert!(utf16(&json(sink, told)["text"]) <= 40_000),
        Kind::Discord(_) => {
            let body = json(sink, told);
            assert!(utf16(&body["content"]) <= 2_000 && utf16(&body["content"]) > 0);
            assert_eq!(body["allowed_mentions"]["parse"], serde_json::json!([]));
        }
        Kind::Pagerduty(..) => {
            let body = json(sink, told);
            assert!(utf16(&body["dedup_key"]) <= 255 && body.to_string().len() < 512 * 1024);
            assert!(told.why == Why::Resolved || (1..=1_024).contains(&utf16(&body["payload"]["summary"])));
        }
        Kind::Teams(_) => assert!(json(sink, told).to_string().len() <= 28 * 1024, "{}", json(sink, told).to_string().len()),
        Kind::Ntfy(..) => {
            let body = json(sink, told);
            assert!(body["message"].as_str().unwrap().len() <= 4_096 && body["title"].as_str().unwrap().len() <= 250);
        }
        Kind::Email(_) => {
            let Request::Mail(letter) = request(sink, told, "") else { panic!("a letter") };
            assert!(letter.subject.len() <= 998 && !letter.subject.contains(['\n', '\r']));
        }
        _ => {}
    }
}

#[test]
fn a_message_carries_run_log_command_contact_and_time() {
    let told = told(vec![item("redis.queue", "long queue")]);
    for sink in all() {
        let shown = request(&sink, &told, "").shown();
        if matches!(sink.kind, Kind::Webhook(_) | Kind::Command(_)) {
            let body: Value = serde_json::from_str(&shown).unwrap();
            assert_eq!((&body["version"], &body["key"], &body["respond_within"]), (&1.into(), &"k-1".into(), &900.into()));
            continue;
        }
        for part in ["long queue", "1200", "1000", "start workers", "r-1", "/var/log/night", "DevOps Lead"] {
            // Markdown escapes a `>`, and JSON its backslash.
            assert!(shown.contains(part), "{} lacks {part}: {shown}", sink.kind_name());
        }
        assert!(shown.contains("redis.queue") && (shown.contains("15 min") || shown.contains("900 s")), "{shown}");
    }
}

impl Sink {
    fn kind_name(&self) -> String {
        self.shown().split(' ').next().unwrap_or_default().to_owned()
    }
}

#[test]
fn mentions_call_nobody_and_texts_mean_themselves() {
    let told = told(vec![item("a", "<!channel> <@U1> @everyone & **b** [x](http://y)")]);
    let slack = json(&all()[0], &told)["text"].as_str().unwrap().to_owned();
    assert!(slack.contains("&lt;!channel&gt; &lt;@U1&gt; @everyone &amp;"), "{slack}");
    let discord_slack = json(&all()[1], &told)["text"].as_str().unwrap().to_owned();
    assert!(!discord_slack.contains("@everyone"), "{discord_slack}");
    let discord = json(&all()[2], &told)["content"].as_str().unwrap().to_owned();
    assert!(discord.contains(r"\*\*b\*\* \[x\]"), "{discord}");
}

#[test]
fn a_record_writes_no_lines_and_no_direction_of_its_own() {
    let told = told(vec![item("a", "one\nrun r-2 is fine\r\u{2028}two\u{202e}three")]);
    let text = json(&all()[0], &told)["text"].as_str().unwrap().to_owned();
    assert!(!text.lines().any(|line| line.starts_with("run r-2")) && !text.contains('\u{202e}'), "{text}");
}

#[test]
fn what_does_not_fit_is_counted() {
    let many: Vec<Item> = (0..500).map(|n| item(&format!("id.{n}"), &"x".repeat(300))).collect();
    let told = Notification { more: 9_500, ..told(many) };
    for sink in all() {
        let Request::Http { body, .. } = request(&sink, &told, "") else { continue };
        check_limits(&sink, &told);
        if matches!(sink.kind, Kind::Webhook(_) | Kind::Alertmanager(..)) {
            continue;
        }
        let shown = body.matches("] id.").count();
        assert!(shown > 0 && body.contains(&format!("\u{2026} {} more", 10_000 - shown)), "{}: {shown}", sink.kind_name());
        assert!(body.contains("r-1"), "the foot stays");
    }
}

#[test]
fn secrets_are_blacked_out_everywhere() {
    ml_common::redact::register("hunter2-of-sinks");
    let mut one = item("a", "login with hunter2-of-sinks");
    one.evidence = vec!["hunter2-of-sinks".into()];
    one.labels.insert("dsn".into(), "hunter2-of-sinks".into());
    let told = Notification { log: Some("/x/hunter2-of-sinks".into()), ..told(vec![one]) };
    for sink in all() {
        assert!(!request(&sink, &told, "").shown().contains("hunter2"), "{}", sink.kind_name());
    }
}

#[test]
fn a_possible_repetition_is_told_where_people_read_it() {
    let told = told(vec![item("a", "b")]);
    for sink in all() {
        let marked = request(&sink, &told, " (possibly repeated)").shown().contains("possibly repeated");
        assert_eq!(marked, !sink.knows_keys(), "{}", sink.kind_name());
    }
}

#[test]
fn a_webhook_is_signed_and_has_its_key() {
    let sink = &all()[5];
    let Request::Http { headers, body, .. } = request(sink, &told(vec![]), "") else { panic!("HTTP") };
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap();
    assert_eq!((header("idempotency-key"), header("x-team")), ("k-1", "ops"));
    let output = std::process::Command::new("openssl").args(["dgst", "-sha256", "-hmac", "hush", "-r"]).stdin(file(&body)).output();
    let Ok(output) = output else { return assert!(header("x-signature-256").starts_with("sha256=")) };
    let expected = String::from_utf8(output.stdout).unwrap();
    assert_eq!(header("x-signature-256").strip_prefix("sha256=").unwrap(), expected.split(' ').next().unwrap());
}

fn file(text: &str) -> std::fs::File {
    use std::io::{Seek, Write};
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file.rewind().unwrap();
    file
}

fn like(item: &Item) -> Alert {
    Alert { severity: item.severity, labels: item.labels.clone(), ..Alert::default() }
}

#[test]
fn an_alertmanagers_address_may_have_a_query() {
    let of = |url: &str| {
        let sink = Sink::new("am", Kind::Alertmanager(url.into(), None));
        let request = sink.request(&told(vec![item("a", "b")]), "", &SinkState::default(), NOW.parse().unwrap()).unwrap();
        let Request::Http { url, .. } = request else { panic!("{request:?}") };
        url
    };
    assert_eq!(of("http://am:9093/?token=x"), "http://am:9093/api/v2/alerts?token=x");
    assert_eq!(of("http://am:9093/api/v2/alerts?token=x"), "http://am:9093/api/v2/alerts?token=x");
}

#[test]
fn an_alertmanager_learns_when_things_end() {
    let now: Timestamp = NOW.parse().unwrap();
    let sink = &all()[3];
    let firing = told(vec![item("a", "b")]);
    let body = json(sink, &firing);
    assert_eq!((&body[0]["endsAt"], &body[0]["startsAt"]), (&"2025-01-08T02:30:00Z".into(), &"2025-01-08T01:00:00Z".into()));
    let mut state = SinkState::default();
    remember(sink, &mut state, &firing, now);
    let body = |again: &Again| serde_json::from_str::<Value>(&again.request.shown()).unwrap();
    let ends = |state: &SinkState, now| {
        refresh(sink, state, &Alerts::default(), now).first().map(|again| body(again)[0]["endsAt"].as_str().unwrap().to_owned())
    };
    assert_eq!(ends(&state, now + Duration::from_secs(1)), None, "it was told a moment ago");
    let later = now + Duration::from_secs(600);
    assert_eq!(ends(&state, later).unwrap(), "2025-01-08T02:40:00Z");
    // What it is now is told again, with what else there was to say of it.
    let live = Alert { firing: Some(now), summary: "worse".into(), value: Some("9".into()), ..like(&firing.items[0]) };
    let again = refresh(sink, &state, &Alerts::from_iter([(firing.items[0].alert.clone(), live)]), later);
    let notes = &body(&again[0])[0]["annotations"];
    assert_eq!((&notes["summary"], &notes["value"], &notes["run"]), (&"worse".into(), &"9".into(), &firing.run.as_str().into()));
    assert_eq!(body(&again[0]).as_array().unwrap().len(), 1);
    // It is another alert there once it is graver: the one before ends.
    let graver = Alert { firing: Some(now), severity: Some(Severity::Low), hint: Some("h2".into()), ..like(&firing.items[0]) };
    let again_graver = refresh(sink, &state, &Alerts::from_iter([(firing.items[0].alert.clone(), graver)]), later);
    let posts = body(&again_graver[0]);
    let of = |at: usize| (posts[at]["labels"]["severity"].as_str().unwrap(), posts[at]["endsAt"].as_str().unwrap());
    assert_eq!((of(0).0, posts[0]["annotations"]["hint"].as_str()), ("low", Some("h2")));
    assert_ne!(of(1).0, "low");
    assert_eq!(of(1).1.parse::<Timestamp>().unwrap(), later);
    let mut told_so = state.clone();
    refreshed(&mut told_so, &again_graver[0], later);
    let next = refresh(sink, &told_so, &Alerts::default(), later + Duration::from_secs(600));
    assert_eq!((body(&next[0]).as_array().unwrap().len(), &body(&next[0])[0]["labels"]["severity"]), (1, &"low".into()));
    refreshed(&mut state, &again[0], later);
    assert_eq!(ends(&state, later + Duration::from_secs(1)), None);
    let over = told(vec![Item { resolved: true, ..item("a", "b") }]);
    remember(sink, &mut state, &over, later);
    forget(&mut state, later + Duration::from_secs(299));
    assert_eq!(ends(&state, later + Duration::from_secs(299)).unwrap(), "2025-01-08T02:10:00Z");
    forget(&mut state, later + Duration::from_secs(301));
    assert_eq!(ends(&state, later), None);
}

#[test]
fn without_an_interval_an_alert_outlasts_three_nights_and_in_a_watch_three_times_five_minutes() {
    let now: Timestamp = NOW.parse().unwrap();
    let sink = Sink::new("am", Kind::Alertmanager("http://localhost:9093".into(), None));
    let firing = told(vec![item("a", "b")]);
    let mut state = SinkState { soon: true, ..SinkState::default() };
    let ends = |state: &SinkState| {
        let body: Value = serde_json::from_str(&sink.request(&firing, "", state, now).unwrap().shown()).unwrap();
        body[0]["endsAt"].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(now).as_secs()
    };
    assert_eq!(ends(&state), 900);
    remember(&sink, &mut state, &firing, now);
    assert!(refresh(&sink, &state, &Alerts::default(), now).is_empty());
    // The watch ends: nobody knows when the next run comes.
    state.soon = false;
    assert_eq!((ends(&state), refresh(&sink, &state, &Alerts::default(), now).len()), (3 * 86_400, 1));
}

#[test]
fn what_stands_is_told_again_in_parts_that_a_proxy_takes() {
    let now: Timestamp = NOW.parse().unwrap();
    let sink = &all()[3];
    let items = (0..5_000).map(|n| Item { alert: format!("bad lab t.{n}"), ..item(&format!("t.{n}"), &"x".repeat(900)) }).collect();
    let mut state = SinkState::default();
    remember(sink, &mut state, &told(items), now);
    let parts = refresh(sink, &state, &Alerts::default(), now + Duration::from_secs(600));
    let sizes: Vec<usize> = parts.iter().map(|part| part.request.shown().len()).collect();
    let count: usize = parts.iter().map(|part| serde_json::from_str::<Vec<Value>>(&part.request.shown()).unwrap().len()).sum();
    assert!(count == 5_000 && sizes.len() > 2 && sizes.iter().all(|size| *size < 1_000_000), "{count} in {sizes:?}");
}

#[test]
fn an_alert_whose_labels_change_ends_under_the_old_ones() {
    let now: Timestamp = NOW.parse().unwrap();
    let sink = &all()[3];
    let mut state = SinkState::default();
    remember(sink, &mut state, &told(vec![item("a", "b")]), now);
    let graver = told(vec![Item { severity: Some(Severity::Low), ..item("a", "b") }]);
    let body = sink.request(&graver, "", &state, now).unwrap().shown();
    let body: Value = serde_json::from_str(&body).unwrap();
    let severities: Vec<&str> = body.as_array().unwrap().iter().map(|post| post["labels"]["severity"].as_str().unwrap()).collect();
    assert_eq!((severities, &body[0]["endsAt"]), (vec!["critical", "low"], &NOW.into()));
}

#[test]
fn a_dead_mans_switch_hears_how_a_run_went() {
    let url = |ping, outcomes| {
        let sink = Sink::new("d", Kind::Deadman("https://hc.example/uuid?create=1".into(), outcomes));
        assert!(sink.request(&told(vec![]), "", &SinkState::default(), NOW.parse().unwrap()).is_none());
        sink.ping(ping, "done").map(|request| match request {
            Request::Http { url, .. } => url,
            other => panic!("{other:?}"),
        })
    };
    let at = |path: &str| Some(format!("https://hc.example/uuid{path}?create=1"));
    assert_eq!([url(Ping::Start, true), url(Ping::Alive, true), url(Ping::Fail, true)], [at("/start"), at(""), at("/fail")]);
    assert_eq!([url(Ping::Start, false), url(Ping::Alive, false), url(Ping::Fail, false)], [None, at(""), None]);
    assert_eq!([Ping::at_end(true, true), Ping::at_end(true, false), Ping::at_end(false, true)], [Ping::Alive, Ping::Fail, Ping::Fail]);
}

fn read(text: &str) -> Result<Sink, String> {
    let file = File::parse(Path::new("alerts.toml"), format!("[sink.a]\n{text}\n")).unwrap();
    file.fill(Box::new(|_| None));
    let tables = file.root().named_tables("sink");
    let sink = Sink::read("a", &tables[0].1);
    match file.mistakes().first() {
        Some(mistake) => Err(mistake.to_string()),
        None => Ok(sink.unwrap()),
    }
}

#[test]
fn sinks_are_read_and_mistakes_have_their_place() {
    for (text, shown) in [
        ("kind = \"chat\"\nurl = \"https://discord.com/api/webhooks/1/x\"", "discord https://discord.com"),
        ("kind = \"chat\"\nurl = \"https://discord.com/api/webhooks/1/x/slack\"", "slack https://discord.com"),
        ("kind = \"discord\"\nurl = \"https://example.org/1/slack\"", "slack https://example.org"),
        ("kind = \"ntfy\"\ntopic = \"ops\"", "ntfy https://ntfy.sh/ops"),
        ("kind = \"command\"\ncommand = [\"/bin/true\", \"-x\"]", "command /bin/true"),
        ("kind = \"slack\"\nurl = \"${NO_SUCH}\"", "NO_SUCH is not set"),
        ("kind = \"email\"\nserver = \"mail.example.org\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"", "email b@example.org"),
    ] {
        assert_eq!(read(text).unwrap().shown(), shown);
    }
    for (text, mistake) in [
        ("kind = \"slak\"", "alerts.toml:2:8: kind is 'slak'"),
        ("kind = \"slack\"", "alerts.toml:1:1: sink.a has no url"),
        ("kind = \"slack\"\nurl = \"hooks/x\"", "alerts.toml:3:7: an HTTP URL is not valid"),
        ("kind = \"slack\"\nurl = \"https://x/y\"\nulr = 1", "alerts.toml:4:1: "),
        ("kind = \"command\"\ncommand = []", "command is empty"),
        ("kind = \"email\"\nserver = \"m:x\"\nfrom = \"a@b.c\"\nto = \"a@b.c\"", "'m:x' is no mail server"),
        ("kind = \"email\"\nserver = \"m\"\nfrom = \"a\"\nto = \"a@b.c\"", "'a' is no mail address"),
        (
            "kind = \"email\"\nserver = \"m\"\nfrom = \"a@b.c\"\nto = \"a@b.c\"\ntls = \"none\"\nuser = \"u\"\npassword = \"secretword\"",
            "the password would go over the network in the clear",
        ),
    ] {
        let said = read(text).unwrap_err();
        assert!(said.contains(mistake), "{text}: {said}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn limits_hold_for_any_text(
        title in ".{0,3000}",
        summaries in proptest::collection::vec("(\\PC|[<>&*@\"\\\\\n]){0,1500}", 0..8),
        group in "\\PC{0,600}",
        more in 0u64..1_000_000,
        resolved: bool,
    ) {
        let items = summaries.iter().map(|summary| item("id", summary)).collect();
        let why = if resolved { Why::Resolved } else { Why::Firing };
        // A notification always has a title.
        let told = Notification { title: format!("t{title}"), group, more, why, ..told(items) };
        for sink in all() {
            check_limits(&sink, &told);
        }
    }
}

#[test]
fn the_examples_of_the_documentation_are_read() {
    let (docs, config) = (include_str!("../../../../docs/sinks.md"), include_str!("../../../../config/alerts.toml"));
    let example = docs.split("```toml").nth(1).unwrap().split("```").next().unwrap().to_owned();
    let commented = config[config.find("#[sink.").unwrap()..].lines().map(|line| format!("{}\n", line.trim_start_matches('#'))).collect();
    for text in [example, commented] {
        let file = File::parse(Path::new("example.toml"), text).unwrap();
        file.fill(Box::new(|name| Some(format!("https://example.org/{name}"))));
        let sinks = file.root().named_tables("sink").into_iter().filter_map(|(name, table)| Sink::read(name.value, &table)).count();
        assert_eq!((file.mistakes(), sinks), (vec![], 9));
    }
}
