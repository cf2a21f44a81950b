//! Alertmanager's API, version 2. It takes an alert for over when nobody tells it again, so what stands there is remembered and told by every run.

use super::{Kind, Request, Sink};
use crate::deliver::{SinkState, Standing};
use crate::notification::{Item, Notification, Severity, Why};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// So long a resolved alert is told again, in case its receiver was restarted.
const RESOLVED_AGAIN: Duration = Duration::from_secs(300);
/// A test is over by itself.
const TEST_LASTS: Duration = Duration::from_secs(300);
/// Characters of one annotation.
const ANNOTATION: usize = 4_000;

/// Tells of the items; an alert whose labels have changed ends under its old ones.
pub(super) fn request(url: &str, interval: Duration, told: &Notification, state: &SinkState, now: Timestamp) -> Request {
    let lasts = if told.why == Why::Test { TEST_LASTS } else { interval * 3 };
    let mut posts = Vec::new();
    for item in &told.items {
        let labels = labels(&told.system, item);
        if let Some(old) = state.standing.get(&item.alert)
            && self::labels(&old.system, &old.item) != labels
        {
            posts.push(post(&old.item, &old.system, now, now));
        }
        posts.push(with_notes(post(item, &told.system, ends_at(item, lasts, now), now), told));
    }
    Request::json(&address(url), Vec::new(), &Value::Array(posts))
}

/// What stands there, told again; None when nothing does, or for another kind of sink.
pub fn refresh(sink: &Sink, state: &SinkState, now: Timestamp) -> Option<Request> {
    let Kind::Alertmanager(url, interval) = &sink.kind else { return None };
    let again = |standing: &Standing| {
        let ends_at = standing.resolved_at.unwrap_or(now + *interval * 3);
        post(&standing.item, &standing.system, ends_at, now)
    };
    let posts: Vec<Value> = state.standing.values().map(again).collect();
    (!posts.is_empty()).then(|| Request::json(&address(url), Vec::new(), &Value::Array(posts)))
}

/// Remembers what it was told.
pub fn remember(state: &mut SinkState, told: &Notification, now: Timestamp) {
    if told.why == Why::Test {
        return;
    }
    for item in &told.items {
        let resolved_at = item.resolved.then_some(now);
        // What only people of chats read need not stay in the state.
        let item = Item { evidence: Vec::new(), ..item.clone() };
        state.standing.insert(item.alert.clone(), Standing { item, system: told.system.clone(), resolved_at });
    }
}

/// Forgets what has been over for long enough.
pub fn forget(state: &mut SinkState, now: Timestamp) {
    let fresh = |at: Timestamp| now.duration_since(at).unsigned_abs() <= RESOLVED_AGAIN;
    state.standing.retain(|_, standing| standing.resolved_at.is_none_or(fresh));
}

fn address(url: &str) -> String {
    let base = url.trim_end_matches('/');
    if base.ends_with("/api/v2/alerts") { base.to_owned() } else { format!("{base}/api/v2/alerts") }
}

fn ends_at(item: &Item, lasts: Duration, now: Timestamp) -> Timestamp {
    if item.resolved { now } else { now + lasts }
}

/// What makes it the same alert.
fn labels(system: &str, item: &Item) -> Map<String, Value> {
    let mut labels = Map::new();
    for (name, value) in &item.labels {
        labels.insert(label_name(name), json!(value));
    }
    let rule = if item.rule.is_empty() { &item.id } else { &item.rule };
    let severity = item.severity.map_or("none", Severity::name);
    for (name, value) in [("alertname", rule.as_str()), ("system", system), ("id", &item.id), ("severity", severity)] {
        labels.insert(name.to_owned(), json!(value));
    }
    // An empty label is none, and would be refused in some versions.
    labels.retain(|_, value| value.as_str().is_some_and(|text| !text.is_empty()));
    labels
}

/// Letters, digits and `_`, as every version takes them.
fn label_name(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if clean.starts_with(|c: char| c.is_ascii_digit()) || clean.is_empty() { format!("_{clean}") } else { clean }
}

fn post(item: &Item, system: &str, ends_at: Timestamp, now: Timestamp) -> Value {
    // One that begins after it ends is refused: clocks of the stream and of this machine may differ.
    let starts_at = item.since.parse::<Timestamp>().unwrap_or(now).min(ends_at);
    let mut annotations = Map::new();
    let notes = [("value", &item.value), ("threshold", &item.threshold), ("hint", &item.hint)];
    annotations.insert("summary".into(), json!(cut(&item.summary)));
    for (name, value) in notes {
        if let Some(value) = value {
            annotations.insert(name.into(), json!(cut(value)));
        }
    }
    if !item.evidence.is_empty() {
        annotations.insert("evidence".into(), json!(cut(&item.evidence.join("\n"))));
    }
    json!({ "labels": labels(system, item), "annotations": annotations, "startsAt": starts_at.to_string(), "endsAt": ends_at.to_string() })
}

/// With what the whole notification says.
fn with_notes(mut post: Value, told: &Notification) -> Value {
    let within = told.respond_within.map(|seconds| format!("{seconds} s"));
    let notes = [("log", &told.log), ("look_again", &told.look_again), ("contact", &told.contact), ("respond_within", &within)];
    for (name, value) in notes {
        if let Some(value) = value {
            post["annotations"][name] = json!(cut(value));
        }
    }
    post["annotations"]["run"] = json!(told.run);
    post
}

fn cut(text: &str) -> String {
    text.chars().take(ANNOTATION).collect()
}
