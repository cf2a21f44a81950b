//! What a group is told, in a notification, or in several where the receiver wants each alert.

use super::Place;
use super::groups::News;
use super::state::{self, Alert, Group, State};
use crate::notification::{Item, Notification, Severity, Why};
use crate::rules::{Index, Rules, SEVERITIES};
use jiff::Timestamp;
use ml_common::record;
use std::collections::BTreeSet;

/// So many alerts are told one by one; of more, their number.
const TOLD: usize = 20;

/// A receiver that wants each alert gets so many bytes of them at once, roughly: proxies take a megabyte, and in JSON it grows.
const BATCH: usize = 400_000;
/// What an alert takes beside its texts.
const AROUND: usize = 350;

/// What a notification is made of.
pub(super) struct Told<'a> {
    pub(super) rules: &'a Rules,
    pub(super) index: &'a Index,
    pub(super) key: &'a str,
    pub(super) sink: &'a str,
    pub(super) news: &'a News,
    pub(super) now: Timestamp,
    pub(super) place: &'a Place<'a>,
}

/// The notifications of a group to its sink.
pub(super) fn notifications(told: &Told<'_>, state: &mut State, group: &Group) -> Vec<Notification> {
    if !told.rules.sinks.get(told.sink).is_some_and(|sink| sink.takes_each()) {
        return vec![notification(told, state, group, &told.news.all, TOLD)];
    }
    // It repeats by itself, and is told all the time what stands.
    if told.news.why == Why::Repeat {
        return Vec::new();
    }
    let (mut batches, mut room) = (Vec::new(), 0);
    for name in &told.news.fresh {
        let size = state.alerts.get(name).map_or(0, |alert| AROUND + alert.size());
        if size > room || batches.is_empty() {
            batches.push(BTreeSet::new());
            room = BATCH;
        }
        room = room.saturating_sub(size);
        if let Some(batch) = batches.last_mut() {
            batch.insert(name.clone());
        }
    }
    batches.iter().map(|names| notification(told, state, group, names, usize::MAX)).collect()
}

fn notification(told: &Told<'_>, state: &mut State, group: &Group, names: &BTreeSet<String>, most: usize) -> Notification {
    let Told { rules, index, key, sink, news, now, place } = told;
    let why = news.why;
    state.made += 1;
    let mut alerts: Vec<&Alert> = names.iter().filter_map(|name| state.alerts.get(name)).collect();
    alerts.sort_by(|a, b| {
        let gravity = |alert: &Alert| (alert.firing.is_none(), std::cmp::Reverse(alert.severity));
        gravity(a).cmp(&gravity(b)).then_with(|| a.id.cmp(&b.id))
    });
    let severity = alerts.iter().filter(|alert| alert.firing.is_some() || why == Why::Resolved).filter_map(|alert| alert.severity).max();
    let severity = severity.or(group.severity).unwrap_or(Severity::Low);
    let first = alerts.first().copied().cloned().unwrap_or_default();
    let rule = |alert: &Alert| index.rule(rules, &alert.rule, &alert.system);
    let incident = rule(&first).and_then(|rule| rule.incident.as_deref()).or(first.labels.get("incident").map(String::as_str));
    let shown: Vec<&Alert> = alerts.iter().filter(|alert| alert.firing.is_some() || why == Why::Resolved).copied().collect();
    let systems: BTreeSet<&str> = alerts.iter().map(|alert| alert.system.as_str()).collect();
    let mut title = format!("{}: {}{}: {}", several(&systems), prefix(why), counts(&shown, why, state.crowded_out), named(&shown));
    if shown.len() < alerts.len() {
        // A message that only says what is left would read as if that began.
        let over: Vec<&Alert> = alerts.iter().filter(|alert| alert.firing.is_none()).copied().collect();
        title.push_str(&format!("; {} resolved: {}", over.len(), named(&over)));
    }
    let look: BTreeSet<&str> = alerts
        .iter()
        .filter(|alert| !alert.id.starts_with("tool.") && !alert.id.contains('*'))
        // What another tool has told is not looked at again by ml-health.
        .filter(|alert| alert.labels.get("tool").is_none_or(|tool| tool == "ml-health"))
        .map(|alert| alert.id.as_str())
        .take(5)
        .collect();
    let moment = |at: Option<Timestamp>| at.map(record::timestamp);
    let items = alerts.iter().take(most).map(|alert| Item {
        alert: state::name(&alert.rule, &alert.system, &alert.id),
        system: alert.system.clone(),
        rule: alert.rule.clone(),
        id: alert.id.clone(),
        resolved: alert.firing.is_none(),
        severity: alert.severity,
        summary: alert.summary.clone(),
        value: alert.value.clone(),
        threshold: alert.threshold.clone(),
        hint: alert.hint.clone(),
        since: moment(alert.firing.or(alert.alarming).or(alert.resolved)).unwrap_or_default(),
        until: moment(alert.resolved.filter(|_| alert.firing.is_none())),
        labels: alert.labels.clone(),
        evidence: alert.evidence.clone(),
    });
    let items: Vec<Item> = items.collect();
    Notification {
        key: format!("{}-{}-{}", record::timestamp(*now).replace([':', '-', '.'], ""), state.made, sink),
        group: key.replace('\t', "/"),
        sink: (*sink).to_owned(),
        why,
        severity,
        system: first.system.clone(),
        run: first.run.clone(),
        host: if first.host.is_empty() { place.host.to_owned() } else { first.host.clone() },
        at: record::timestamp(*now),
        title,
        more: (alerts.len() - items.len()) as u64 + state.crowded_out,
        items,
        log: place.log.map(str::to_owned),
        look_again: (!look.is_empty()).then(|| format!("ml-health --only {}", look.into_iter().collect::<Vec<_>>().join(","))),
        contact: rules.contact(incident, news.level).map(str::to_owned),
        respond_within: rules.urgency(severity).respond_within.map(|limit| limit.as_secs()),
    }
}

/// `1 critical, 3 low`, of what is over `4 resolved`.
fn counts(alerts: &[&Alert], why: Why, more: u64) -> String {
    if why == Why::Resolved {
        return format!("{} resolved", alerts.len());
    }
    let count = |severity| alerts.iter().filter(|alert| alert.severity == Some(severity)).count();
    let mut parts: Vec<String> = SEVERITIES
        .iter()
        .map(|(word, severity)| (count(*severity), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    parts.extend((more > 0).then(|| format!("{more} more")));
    parts.join(", ")
}

/// Names of systems, the first few.
fn several(systems: &BTreeSet<&str>) -> String {
    let named: Vec<&str> = systems.iter().take(3).copied().collect();
    format!("{}{}", named.join(", "), if systems.len() > 3 { ", ..." } else { "" })
}

fn named(alerts: &[&Alert]) -> String {
    let ids: Vec<&str> = alerts.iter().take(4).map(|alert| alert.id.as_str()).collect();
    format!("{}{}", ids.join(", "), if alerts.len() > 4 { ", ..." } else { "" })
}

fn prefix(why: Why) -> &'static str {
    match why {
        Why::Repeat => "still ",
        Why::Escalated => "escalated, ",
        Why::Firing | Why::Resolved | Why::Test => "",
    }
}

pub(super) fn word(why: Why) -> &'static str {
    match why {
        Why::Firing => "told",
        Why::Repeat => "told again",
        Why::Escalated => "escalated",
        Why::Resolved => "told that it is over",
        Why::Test => "test",
    }
}
