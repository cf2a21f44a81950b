//! Alertmanager, PagerDuty, Teams, ntfy.

use super::text;
use crate::notification::{Item, Notification, Severity, Why};
use jiff::{SignedDuration, Timestamp};
use ml_common::record;
use serde_json::{Map, Value, json};

/// PagerDuty's limits, in characters.
const SUMMARY: usize = 1_024;
const DEDUP: usize = 255;
/// ntfy's limit of a message, in bytes; a character has four at most.
const NTFY: usize = 4_096 / 4;
/// A card of Teams has 28 KB as a whole.
const TEAMS: usize = 20_000 / 4;

/// An array of alerts, one an item. Without `endsAt` Alertmanager takes an alert for over after five minutes, so what fires ends some intervals
/// from now; what is over ended.
pub fn alertmanager(told: &Notification, lasting: u64) -> Value {
    let at: Timestamp = told.at.parse().unwrap_or_default();
    let until = at.checked_add(SignedDuration::from_secs(i64::try_from(lasting).unwrap_or(i64::MAX))).unwrap_or(Timestamp::MAX);
    let one = |item: &Item| {
        let mut labels: Map<String, Value> =
            item.labels.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (label(name), json!(value))).collect();
        let fixed = [("alertname", item.rule.as_str()), ("system", &told.system), ("id", &item.id), ("host", &told.host)];
        labels.extend(fixed.into_iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.to_owned(), json!(value))));
        // A severity that changes would make another alert of it: it is the rule's.
        labels.extend(item.severity.map(|severity| ("severity".to_owned(), json!(severity.name()))));
        let mut annotations = Map::new();
        let texts = [
            ("summary", Some(&item.summary)),
            ("value", item.value.as_ref()),
            ("threshold", item.threshold.as_ref()),
            ("hint", item.hint.as_ref()),
        ];
        annotations.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))));
        annotations.extend(
            [("run", Some(&told.run)), ("log", told.log.as_ref()), ("look_again", told.look_again.as_ref())]
                .into_iter()
                .filter_map(|(name, text)| Some((name.to_owned(), json!(text?)))),
        );
        let ends =
            item.until.clone().filter(|_| item.resolved).unwrap_or_else(|| record::timestamp(if item.resolved { at } else { until }));
        json!({ "labels": labels, "annotations": annotations, "startsAt": item.since, "endsAt": ends })
    };
    Value::from(told.items.iter().map(one).collect::<Vec<_>>())
}

/// A name as Prometheus has it.
fn label(name: &str) -> String {
    let mut label: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if label.is_empty() || label.starts_with(|c: char| c.is_ascii_digit()) {
        label.insert(0, '_');
    }
    label
}

/// An event of version 2.
pub fn pagerduty(told: &Notification, key: &str) -> Value {
    let severity = match told.severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "info",
    };
    let resolved = told.why == Why::Resolved;
    let mut event = json!({
        "routing_key": key,
        "event_action": if resolved { "resolve" } else { "trigger" },
        "dedup_key": dedup(&format!("{}/{}", told.system, told.group)),
    });
    if !resolved {
        event["payload"] = json!({
            "summary": text::clip(&told.title, SUMMARY),
            "source": told.host,
            "severity": severity,
            "timestamp": told.at,
            "component": told.system,
            "custom_details": { "text": text::body(told, false, SLACK_LIKE, str::to_owned), "key": told.key },
        });
    }
    event
}

/// PagerDuty takes 512 KB; this much is read.
const SLACK_LIKE: usize = 8_000;

/// What is too long keeps its end in a hash, so that two do not become one.
fn dedup(key: &str) -> String {
    if key.len() <= DEDUP {
        return key.to_owned();
    }
    use sha2::Digest;
    let hash = ml_common::files::hex(&sha2::Sha256::digest(key.as_bytes()));
    let cut: String = key.chars().take(40).collect();
    format!("{cut}-{hash}")
}

/// An adaptive card in the envelope of a workflow.
pub fn teams(told: &Notification, again: bool) -> Value {
    let title = json!({ "type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": true, "text": text::clip(&text::title(told, again), 500) });
    let body = json!({ "type": "TextBlock", "wrap": true, "text": text::body(told, again, TEAMS, |text| text.replace('\n', "\n\n")) });
    let card = json!({ "$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": [title, body] });
    json!({ "type": "message", "attachments": [{ "contentType": "application/vnd.microsoft.card.adaptive", "content": card }] })
}

/// A message as JSON, to the address without the topic.
pub fn ntfy(told: &Notification, topic: &str, again: bool) -> Value {
    let priority = match (told.why, told.severity) {
        (Why::Resolved, _) | (_, Severity::Low) => 2,
        (_, Severity::Medium) => 3,
        (_, Severity::High) => 4,
        (_, Severity::Critical) => 5,
    };
    json!({ "topic": topic, "title": text::clip(&text::title(told, again), 200), "message": text::body(told, again, NTFY, str::to_owned), "priority": priority })
}
