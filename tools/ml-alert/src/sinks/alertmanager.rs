//! Alertmanager's API, version 2. It takes an alert for over when nobody tells it again, so what stands there is remembered and told by every run.

use super::text::scrubbed;
use super::{Kind, Request, Sink};
use crate::deliver::{SinkState, Standing};
use crate::engine::state::{Alert, Alerts, MAX_ALERTS};
use crate::notification::{Item, Notification, Severity, Why};
use jiff::Timestamp;
use ml_common::redact::scrub;
use serde_json::{Map, Value, json};
use std::time::Duration;

/// So long a resolved alert is told again, in case its receiver was restarted.
const RESOLVED_AGAIN: Duration = Duration::from_secs(300);
/// What was told so shortly before is not told again by the same run.
const JUST: Duration = Duration::from_secs(50);
/// A test is over by itself.
const TEST_LASTS: Duration = Duration::from_secs(300);
/// Characters of one annotation.
const ANNOTATION: usize = 4_000;

/// So much goes out at once: proxies take a megabyte.
const BATCH: usize = 900_000;

/// How long an alert stands that nobody tells again. An Alertmanager ends what says nothing of that after five minutes; what still stands has to
/// outlast the pause between two runs, three times to be sure. Nothing is known of that pause: while a watch goes on (`soon`) all is told again each
/// minute, and the end of a run may be that of a night.
fn lasts(interval: Option<Duration>, soon: bool) -> Duration {
    let usual = if soon { Duration::from_secs(300) } else { Duration::from_secs(86_400) };
    interval.unwrap_or(usual) * 3
}

/// Tells of the items; an alert whose labels have changed ends under its old ones.
pub(super) fn request(url: &str, interval: Option<Duration>, told: &Notification, state: &SinkState, now: Timestamp) -> Request {
    let lasts = if told.why == Why::Test { TEST_LASTS } else { lasts(interval, state.soon) };
    let mut posts = Vec::new();
    for standing in told.items.iter().map(|item| Standing::of(told, item, now, lasts)) {
        if let Some(old) = state.standing.get(&standing.item.alert)
            && labels(&old.system, &old.item) != labels(&standing.system, &standing.item)
        {
            posts.push(post(&Standing { until: Some(now), ..old.clone() }, now));
        }
        posts.push(post(&standing, now));
    }
    Request::json(&address(url), Vec::new(), &Value::Array(posts))
}

/// Alerts by name, as they are told.
type Told = Vec<(String, Item)>;

/// A part of what stands there, to be told again.
pub struct Again {
    /// What to send.
    pub request: Request,
    /// What is in it.
    told: Told,
    until: Timestamp,
}

/// What stands there and has to be told again, in as many requests as it takes; for other kinds of sinks nothing. What changed meanwhile is told as
/// it is now.
pub fn refresh(sink: &Sink, state: &SinkState, alerts: &Alerts, now: Timestamp) -> Vec<Again> {
    let Kind::Alertmanager(url, interval) = &sink.kind else { return Vec::new() };
    let until = now + lasts(*interval, state.soon);
    let mut batches: Vec<(Vec<Value>, Told)> = Vec::new();
    let mut room = 0;
    for (name, known) in state.standing.iter().filter(|(_, standing)| !standing.was_just_told(until, now)) {
        let mut standing = Standing { until: if known.resolved_at.is_some() { known.resolved_at } else { Some(until) }, ..known.clone() };
        if let Some(alert) = alerts.get(name).filter(|alert| alert.firing.is_some()) {
            standing.item = as_it_is(&known.item, alert);
        }
        let mut new = vec![post(&standing, now)];
        if labels(&known.system, &known.item) != labels(&standing.system, &standing.item) {
            new.push(post(&Standing { until: Some(now), ..known.clone() }, now));
        }
        let bytes = new.iter().map(|post| post.to_string().len() + 1).sum();
        if bytes > room || batches.is_empty() {
            batches.push((Vec::new(), Vec::new()));
            room = BATCH;
        }
        room = room.saturating_sub(bytes);
        if let Some((posts, told)) = batches.last_mut() {
            posts.append(&mut new);
            told.push((name.clone(), standing.item));
        }
    }
    let request = |posts| Request::json(&address(url), Vec::new(), &Value::Array(posts));
    batches.into_iter().map(|(posts, told)| Again { request: request(posts), told, until }).collect()
}

/// What stands there, with what is known of it now.
fn as_it_is(item: &Item, alert: &Alert) -> Item {
    let clean = |text: &String| scrub(text).into_owned();
    Item {
        severity: alert.severity,
        summary: clean(&alert.summary),
        value: alert.value.as_ref().map(clean),
        threshold: alert.threshold.as_ref().map(clean),
        hint: alert.hint.as_ref().map(clean),
        labels: alert.labels.iter().map(|(name, value)| (clean(name), clean(value))).collect(),
        evidence: alert.evidence.iter().map(clean).collect(),
        ..item.clone()
    }
}

/// It has taken that.
pub fn refreshed(state: &mut SinkState, again: &Again, now: Timestamp) {
    for (name, item) in &again.told {
        if let Some(standing) = state.standing.get_mut(name) {
            standing.item.clone_from(item);
            (standing.told_at, standing.until) = (Some(now), Some(standing.resolved_at.unwrap_or(again.until)));
        }
    }
}

/// Remembers what it was told.
pub fn remember(sink: &Sink, state: &mut SinkState, told: &Notification, now: Timestamp) {
    let Kind::Alertmanager(_, interval) = &sink.kind else { return };
    if told.why == Why::Test {
        return;
    }
    let (told, lasts) = (scrubbed(told), lasts(*interval, state.soon));
    for item in &told.items {
        state.standing.insert(item.alert.clone(), Standing::of(&told, item, now, lasts));
    }
}

impl Standing {
    fn of(told: &Notification, item: &Item, now: Timestamp, lasts: Duration) -> Standing {
        let within = told.respond_within.map(|seconds| format!("{seconds} s"));
        let run = Some(told.run.clone());
        let notes =
            [("log", &told.log), ("look_again", &told.look_again), ("contact", &told.contact), ("respond_within", &within), ("run", &run)];
        Standing {
            system: if item.system.is_empty() { told.system.clone() } else { item.system.clone() },
            notes: notes.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text.clone()?))).collect(),
            resolved_at: item.resolved.then_some(now),
            until: Some(if item.resolved { now } else { now + lasts }),
            told_at: Some(now),
            item: item.clone(),
        }
    }

    /// Moments ago it was told to stand as long as it is to stand now.
    fn was_just_told(&self, until: Timestamp, now: Timestamp) -> bool {
        let just = self.told_at.is_some_and(|told| now.duration_since(told).unsigned_abs() < JUST);
        just && (self.resolved_at.is_some() || self.until.is_some_and(|told| until.duration_since(told).unsigned_abs() <= JUST))
    }
}

/// Forgets what has been over for long enough, and of too much of it the oldest.
pub fn forget(state: &mut SinkState, now: Timestamp) {
    let fresh = |at: Timestamp| now.duration_since(at).unsigned_abs() <= RESOLVED_AGAIN;
    state.standing.retain(|_, standing| standing.resolved_at.is_none_or(fresh));
    let over = state.standing.values().filter(|standing| standing.resolved_at.is_some()).count();
    if over > MAX_ALERTS {
        state.standing.retain(|_, standing| standing.resolved_at.is_none());
    }
}

fn address(url: &str) -> String {
    let (base, query) = url.split_once('?').map_or((url, String::new()), |(base, query)| (base, format!("?{query}")));
    let base = base.trim_end_matches('/');
    if base.ends_with("/api/v2/alerts") { format!("{base}{query}") } else { format!("{base}/api/v2/alerts{query}") }
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

fn post(standing: &Standing, now: Timestamp) -> Value {
    let Standing { item, system, notes, until, .. } = standing;
    let ends_at = until.unwrap_or(now);
    // One that begins after it ends is refused: clocks of the stream and of this machine may differ.
    let starts_at = item.since.parse::<Timestamp>().unwrap_or(now).min(ends_at);
    let mut annotations = Map::new();
    annotations.insert("summary".into(), json!(cut(&item.summary)));
    let own = [("value", &item.value), ("threshold", &item.threshold), ("hint", &item.hint)];
    for (name, text) in own.into_iter().filter_map(|(name, text)| Some((name, text.as_ref()?))) {
        annotations.insert(name.into(), json!(cut(text)));
    }
    if !item.evidence.is_empty() {
        annotations.insert("evidence".into(), json!(cut(&item.evidence.join("\n"))));
    }
    for (name, text) in notes {
        annotations.insert(name.clone(), json!(cut(text)));
    }
    json!({ "labels": labels(system, item), "annotations": annotations, "startsAt": starts_at.to_string(), "endsAt": ends_at.to_string() })
}

fn cut(text: &str) -> String {
    text.chars().take(ANNOTATION).collect()
}
