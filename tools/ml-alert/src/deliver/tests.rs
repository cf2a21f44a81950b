//! The drain against receivers and a clock of its own: nothing here waits.

use super::memory::Store;
use super::*;
use crate::engine::state::Entry;
use crate::engine::state::State;
use crate::notification::Severity;
use crate::sinks::{Kind, Request};
use std::collections::VecDeque;

/// Receivers that answer by a script, then take everything; time passes only in pauses.
struct Simulated {
    now: Timestamp,
    passed: Duration,
    script: BTreeMap<String, VecDeque<Outcome>>,
    got: Vec<(String, String, Timestamp)>,
    kill_after: Option<usize>,
}

impl Simulated {
    fn new() -> Simulated {
        let now = "2025-01-08T02:00:00Z".parse().unwrap();
        Simulated { now, passed: Duration::ZERO, script: BTreeMap::new(), got: Vec::new(), kill_after: None }
    }

    fn then(mut self, sink: &str, outcome: Outcome) -> Simulated {
        self.script.entry(sink.into()).or_default().push_back(outcome);
        self
    }

    fn keys(&self) -> Vec<String> {
        self.got.iter().map(|(_, body, _)| key(body)).collect()
    }
}

impl Wire for Simulated {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn elapsed(&self) -> Duration {
        self.passed
    }

    fn pause(&mut self, pause: Duration) -> Result<()> {
        self.now += pause;
        self.passed += pause;
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        Ok(())
    }

    fn send(&mut self, sink: &Sink, request: &Request) -> Outcome {
        if let Some(outcome) = self.script.get_mut(&sink.name).and_then(VecDeque::pop_front) {
            return outcome;
        }
        self.got.push((sink.name.clone(), request.shown(), self.now));
        if self.kill_after == Some(self.got.len()) {
            // The process ends here: the receiver has it, and nobody writes down that it has.
            std::panic::resume_unwind(Box::new("killed"));
        }
        Outcome::Sent
    }
}

/// A disk: what was saved last is what a killed run leaves.
#[derive(Default)]
struct Disk {
    state: State,
    saved: State,
    full: bool,
}

impl Store for Disk {
    fn state(&mut self) -> &mut State {
        &mut self.state
    }

    fn save(&mut self) -> Result<()> {
        if self.full {
            return Err(Failure::new(Class::Storage, "no space left on device"));
        }
        self.saved = self.state.clone();
        Ok(())
    }
}

fn key(body: &str) -> String {
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    match body["key"].as_str() {
        Some(key) => key.to_owned(),
        None => body["text"].as_str().unwrap().lines().next().unwrap().trim_start_matches("\u{1f7e1} ").to_owned(),
    }
}

fn told(sink: &str, key: &str) -> Entry {
    let notification = Notification {
        key: key.into(),
        group: "g".into(),
        sink: sink.into(),
        why: Why::Firing,
        severity: Severity::Medium,
        system: "lab".into(),
        run: "r".into(),
        host: "h".into(),
        at: "2025-01-08T02:00:00Z".into(),
        title: key.into(),
        items: Vec::new(),
        more: 0,
        log: None,
        look_again: None,
        contact: None,
        respond_within: None,
    };
    Entry { notification, attempts: 0, first_tried: None, reason: None, in_flight: false, refused: false }
}

fn disk(entries: &[(&str, &str)]) -> Disk {
    let mut disk = Disk::default();
    disk.state.outbox = entries.iter().map(|(sink, key)| told(sink, key)).collect();
    disk.saved = disk.state.clone();
    disk
}

fn sinks() -> Sinks {
    let webhook = crate::sinks::Webhook { url: "https://example.org/x".into(), secret: None, headers: Vec::new() };
    let slack = Kind::Slack("https://example.org/y".into());
    [Sink::new("hook", Kind::Webhook(webhook)), Sink::new("slack", slack)].into_iter().map(|sink| (sink.name.clone(), sink)).collect()
}

fn run(disk: &mut Disk, wire: &mut Simulated, seconds: u64) -> (Delivered, Vec<(String, Fate)>) {
    let mut fates = Vec::new();
    let pass = Pass { budget: Duration::from_secs(seconds), last: true };
    let done = drain(disk, &sinks(), wire, pass, &mut |told| fates.push((told.notification.key.clone(), told.fate))).unwrap();
    (done, fates)
}

fn later(after: Option<u64>) -> Outcome {
    Outcome::Later { after: after.map(Duration::from_secs), reason: "busy".into(), maybe: false }
}

#[test]
fn what_waits_goes_out_in_order_at_the_services_pace() {
    let mut disk = disk(&[("slack", "a"), ("slack", "b"), ("hook", "c"), ("slack", "d")]);
    let mut wire = Simulated::new();
    let (done, _) = run(&mut disk, &mut wire, 30);
    assert_eq!((done.sent, done.held, disk.saved.outbox.len()), (4, 0, 0));
    assert_eq!(wire.keys(), ["a", "c", "b", "d"]);
    let at: Vec<i64> = wire.got.iter().filter(|(sink, ..)| sink == "slack").map(|(.., at)| at.as_second() % 60).collect();
    assert_eq!(at, [0, 1, 2], "one a second, and the other sink waits for nobody");
}

#[test]
fn a_pace_is_kept_across_runs() {
    let mut first = disk(&[("slack", "a")]);
    let mut wire = Simulated::new();
    run(&mut first, &mut wire, 30);
    let mut second = Disk { state: first.saved.clone(), ..Disk::default() };
    second.state.outbox = vec![told("slack", "b")];
    run(&mut second, &mut wire, 30);
    assert_eq!(wire.got[1].2.as_second() - wire.got[0].2.as_second(), 1);
}

#[test]
fn a_service_that_asks_for_a_pause_gets_it_also_from_the_next_run() {
    let mut disk = disk(&[("slack", "a"), ("hook", "b")]);
    let mut wire = Simulated::new().then("slack", later(Some(120)));
    let (done, fates) = run(&mut disk, &mut wire, 30);
    assert_eq!((done.sent, done.held, wire.keys()), (1, 1, vec!["b".to_owned()]));
    assert_eq!(fates, [("b".into(), Fate::Sent), ("a".into(), Fate::Held)]);
    assert!(wire.passed < Duration::from_secs(30), "a night is not held up");
    wire.now += Duration::from_secs(60);
    let mut next = Disk { state: disk.saved.clone(), saved: disk.saved, full: false };
    assert_eq!(run(&mut next, &mut wire, 30).0.held, 1, "too early");
    wire.now += Duration::from_secs(60);
    assert_eq!(run(&mut next, &mut wire, 30).0.sent, 1);
    assert_eq!(key(&wire.got[1].1), "a", "tried again, not late enough to be called delayed");
}

#[test]
fn a_service_that_is_down_for_hours_gets_everything_once_in_order_and_late() {
    let mut disk = disk(&[]);
    let mut wire = Simulated::new();
    wire.script.insert("slack".into(), std::iter::repeat_n(later(None), 10_000).collect());
    for minute in 0..180 {
        if minute % 30 == 0 {
            disk.state.outbox.push(told("slack", &format!("k{minute}")));
            disk.save().unwrap();
        }
        run(&mut disk, &mut wire, 5);
        wire.now += Duration::from_secs(60);
    }
    assert!(wire.got.is_empty());
    assert!(wire.script["slack"].len() > 10_000 - 60, "asked {} times in three hours", 10_000 - wire.script["slack"].len());
    wire.script.clear();
    wire.now += Duration::from_secs(900);
    let (done, _) = run(&mut disk, &mut wire, 30);
    assert_eq!((done.sent, done.held), (6, 0));
    let keys = wire.keys();
    for (n, key) in keys.iter().enumerate() {
        assert!(key.starts_with(&format!("k{}", n * 30)), "{keys:?}");
    }
    assert!(keys[0].ends_with("(delayed since 2025-01-08T02:00:00.000Z)"), "{keys:?}");
}

#[test]
fn what_is_refused_is_kept_aside_and_holds_up_nothing() {
    let mut disk = disk(&[("slack", "a"), ("slack", "b")]);
    let mut wire = Simulated::new().then("slack", Outcome::Refused { reason: "400: invalid_payload".into() });
    let (done, fates) = run(&mut disk, &mut wire, 30);
    assert_eq!((done.sent, done.refused, done.held), (1, 1, 0));
    assert_eq!(fates, [("a".into(), Fate::Suppressed), ("b".into(), Fate::Sent)]);
    let kept = &disk.saved.outbox[0];
    assert_eq!((kept.refused, kept.reason.as_deref()), (true, Some("400: invalid_payload")));
    run(&mut disk, &mut wire, 30);
    assert_eq!(wire.keys(), ["b"], "never again");
}

#[test]
fn refused_ones_do_not_fill_the_state() {
    let entries: Vec<(String, String)> = (0..300).map(|n| ("hook".to_owned(), format!("k{n}"))).collect();
    let entries: Vec<(&str, &str)> = entries.iter().map(|(sink, key)| (sink.as_str(), key.as_str())).collect();
    let mut disk = disk(&entries);
    let mut wire = Simulated::new();
    wire.script.insert("hook".into(), std::iter::repeat_n(Outcome::Refused { reason: "no".into() }, 300).collect());
    run(&mut disk, &mut wire, 30);
    assert_eq!(disk.saved.outbox.len(), 100);
    assert_eq!(disk.saved.outbox[99].notification.key, "k299");
}

#[test]
fn what_a_person_must_mend_waits_and_is_tried_by_each_run() {
    let held = || Outcome::Held { reason: "404".into(), hint: "make a new one".into() };
    let mut disk = disk(&[("slack", "a"), ("slack", "b"), ("hook", "c"), ("gone", "d")]);
    let mut wire = Simulated::new().then("slack", held()).then("slack", held());
    for _ in 0..2 {
        let (done, _) = run(&mut disk, &mut wire, 30);
        assert_eq!(done.held, 3);
    }
    assert!(wire.script["slack"].is_empty(), "one attempt a run");
    assert_eq!(run(&mut disk, &mut wire, 30).0.sent, 2);
    assert_eq!(disk.saved.outbox[0].reason.as_deref(), Some("there is no sink gone in the rules"));
}

#[test]
fn a_cut_line_is_told_where_the_receiver_knows_no_keys() {
    let cut = || Outcome::Later { after: None, reason: "cut".into(), maybe: true };
    let mut disk = disk(&[("slack", "a"), ("hook", "b")]);
    let mut wire = Simulated::new().then("slack", cut()).then("hook", cut());
    run(&mut disk, &mut wire, 30);
    let mut keys = wire.keys();
    keys.sort();
    assert_eq!(keys, ["a (possibly repeated)", "b"]);
}

#[test]
fn a_full_disk_keeps_no_alarm_back() {
    let mut disk = Disk { full: true, ..disk(&[("hook", "a")]) };
    let mut wire = Simulated::new();
    let (done, _) = run(&mut disk, &mut wire, 30);
    assert_eq!((done.sent, wire.keys()), (1, vec!["a".to_owned()]));
    assert_eq!(done.unsaved.unwrap().class, Class::Storage);
}

#[test]
fn a_clock_that_jumps_holds_nothing_back_for_ever() {
    let mut disk = disk(&[("slack", "a")]);
    let mut wire = Simulated::new();
    let far = SinkState { not_before: "2125-01-01T00:00:00Z".parse().ok(), ..SinkState::default() };
    disk.state.sinks.insert("slack".into(), far);
    assert_eq!(run(&mut disk, &mut wire, 90_000).0.sent, 1);
    assert!(wire.passed <= Duration::from_secs(86_400));
}

#[test]
fn a_watch_does_not_wait_and_tells_only_what_was_tried() {
    let mut disk = disk(&[("slack", "a"), ("slack", "b")]);
    let mut wire = Simulated::new();
    let mut fates = Vec::new();
    let pass = Pass { budget: Duration::ZERO, last: false };
    let done = drain(&mut disk, &sinks(), &mut wire, pass, &mut |told| fates.push((told.notification.key.clone(), told.fate))).unwrap();
    assert_eq!((done.sent, fates, wire.passed), (1, vec![("a".into(), Fate::Sent)], Duration::ZERO));
}

#[test]
fn killed_after_any_attempt_nothing_is_lost_and_repetitions_are_known() {
    for kill in 1..=6 {
        let mut wire = Simulated { kill_after: Some(kill), ..Simulated::new() };
        let mut disk = disk(&[("slack", "a"), ("hook", "b"), ("slack", "c"), ("hook", "d"), ("slack", "e"), ("hook", "f")]);
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&mut disk, &mut wire, 30)));
        assert!(killed.is_err());
        wire.kill_after = None;
        let mut next = Disk { state: disk.saved.clone(), saved: disk.saved, full: false };
        assert_eq!(run(&mut next, &mut wire, 30).0.held, 0);
        let keys = wire.keys();
        assert_eq!(keys.len(), 7, "one of six is sent twice: {keys:?}");
        for one in ["a", "b", "c", "d", "e", "f"] {
            let of_it: Vec<&String> = keys.iter().filter(|key| key.starts_with(one)).collect();
            let marked = of_it.iter().any(|key| key.ends_with("(possibly repeated)"));
            let slack = ["a", "c", "e"].contains(&one);
            assert!((1..=2).contains(&of_it.len()) && marked == (slack && of_it.len() == 2), "{keys:?}");
        }
    }
}
