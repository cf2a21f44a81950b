//! What is told together, when, and to whom.

use super::state::{Alert, Entry, Group, State};
use super::{Place, length};
use crate::notification::{Item, Notification, Severity, Why};
use crate::rules::{Pace, Rule, Rules, SEVERITIES};
use jiff::Timestamp;
use ml_common::record::{self, Fate};
use std::collections::{BTreeMap, BTreeSet};

/// So many alerts are told one by one; of more, their number.
const TOLD: usize = 20;

/// What belongs to one group of one sink now.
#[derive(Default)]
struct Members<'a> {
    sink: String,
    /// Alerts that fire and may be told.
    firing: BTreeSet<String>,
    /// Those of them that were told and are not to be told again for now.
    muted: BTreeSet<String>,
    /// Its rules: the shortest repetition counts.
    rules: Vec<&'a Rule>,
}

/// The notifications that are due, written into the outbox, too.
pub(super) fn due(rules: &Rules, state: &mut State, now: Timestamp, last: bool, place: &Place<'_>) -> Vec<Notification> {
    let groups = gather(rules, state, now);
    let mut made = Vec::new();
    let known: Vec<String> = state.groups.keys().cloned().collect();
    let empty = Members::default();
    for key in groups.keys().chain(known.iter().filter(|key| !groups.contains_key(*key))) {
        let members = groups.get(key).unwrap_or(&empty);
        let mut group = state.groups.remove(key).unwrap_or_default();
        let sink = if members.sink.is_empty() { key.split('\t').next().unwrap_or_default() } else { &members.sink };
        let pace = members.rules.iter().map(|rule| rule.pace(rules.pace)).min_by_key(|pace| pace.repeat_interval).unwrap_or(rules.pace);
        if let Some((why, shown)) = decide(rules, state, &mut group, members, now, last, pace) {
            let notification = notification(rules, state, &group, Told { key, sink, why, shown: &shown, now, place });
            state.decided(now, key, format!("{} to {sink}: {}", word(why), notification.title));
            state.outbox.push(Entry {
                notification: notification.clone(),
                attempts: 0,
                first_tried: None,
                reason: None,
                in_flight: false,
                refused: false,
            });
            made.push(notification);
            group.told.clone_from(&members.firing);
            (group.at, group.waiting, group.severity) = (Some(now), None, worst(state, &members.firing));
        }
        if group.told.is_empty() && group.waiting.is_none() && members.firing.is_empty() {
            continue;
        }
        state.groups.insert(key.clone(), group);
    }
    // What is over and everybody knows it is forgotten.
    let told: BTreeSet<&String> = state.groups.values().flat_map(|group| &group.told).collect();
    let gone: Vec<String> = state
        .alerts
        .iter()
        .filter(|(name, alert)| alert.resolved.is_some() && !told.contains(name))
        .map(|(name, _)| name.clone())
        .collect();
    for name in gone {
        let keep = state.alerts.get_mut(&name).is_some_and(|alert| {
            alert.resolved = None;
            rules.rules.iter().any(|rule| alert.is_by(rule) && (rule.remembers() || rule.absent_for.is_some()))
        });
        if !keep {
            state.alerts.remove(&name);
        }
    }
    if state.alerts.values().all(|alert| alert.firing.is_none()) {
        state.crowded_out = 0;
    }
    made
}

/// Which alerts fire for which group, leaving out what is silenced, inhibited, or waits for the morning.
fn gather<'a>(rules: &'a Rules, state: &mut State, now: Timestamp) -> BTreeMap<String, Members<'a>> {
    let firing: BTreeSet<(String, String)> =
        state.alerts.values().filter(|alert| alert.firing.is_some()).map(|alert| (alert.system.clone(), alert.rule.clone())).collect();
    let mut groups: BTreeMap<String, Members<'a>> = BTreeMap::new();
    let told: BTreeSet<&String> = state.groups.values().flat_map(|group| &group.told).collect();
    let mut kept_back: Vec<(String, String, Fate)> = Vec::new();
    let sinks = rules.sinks.values().filter(|sink| sink.takes_notifications());
    let mut everywhere: Vec<String> = sinks.map(|sink| sink.name.clone()).collect();
    if everywhere.is_empty() {
        // Histories are replayed without sinks, too.
        everywhere.push("nowhere".to_owned());
    }
    for (name, alert) in &state.alerts {
        let Some(since) = alert.firing else { continue };
        let Some(rule) = rules.rules.iter().find(|rule| alert.is_by(rule)) else {
            continue;
        };
        let told = told.contains(name);
        let by = rule.inhibited_by.iter().find(|(other, _)| firing.contains(&(alert.system.clone(), other.clone())));
        let severity = alert.severity.unwrap_or(Severity::Low);
        let why_not = if let Some((other, _)) = by {
            Some((format!("not told while {other} fires"), Fate::Suppressed))
        } else if let Some(silence) = state.silence(alert, now) {
            Some((format!("silenced until {} by {}: {}", silence.until, silence.author, silence.reason), Fate::Suppressed))
        } else if rules.quiet.iter().any(|quiet| quiet.holds(severity, now)) {
            Some(("waits for the end of the quiet hours".to_owned(), Fate::Held))
        } else {
            None
        };
        let muted = why_not.is_some();
        if let Some((why_not, fate)) = why_not {
            if since == now || state.log.back().is_none_or(|last| last.of != *name || last.said != why_not) {
                kept_back.push((name.clone(), why_not, fate));
            }
            // What has been told already stays in its group: it is not over because somebody silences it.
            if !told {
                continue;
            }
        }
        for sink in if rule.sinks.is_empty() { &everywhere } else { &rule.sinks } {
            let members = groups.entry(key(sink, rule, alert)).or_default();
            members.sink.clone_from(sink);
            members.firing.insert(name.clone());
            if muted {
                members.muted.insert(name.clone());
            }
            members.rules.push(rule);
        }
    }
    for (name, why_not, fate) in kept_back {
        if !state.log.iter().rev().take(200).any(|line| line.of == name && line.said == why_not) {
            state.kept_back(now, &name, why_not, Some(fate));
        }
    }
    groups
}

fn key(sink: &str, rule: &Rule, alert: &Alert) -> String {
    let mut key = sink.to_owned();
    for by in &rule.group_by {
        let value = match by.as_str() {
            "system" => alert.system.clone(),
            "rule" => alert.rule.clone(),
            "id" => alert.id.clone(),
            "host" => alert.host.clone(),
            "severity" => alert.severity.map_or(String::new(), |severity| severity.name().to_owned()),
            label => alert.labels.get(label).cloned().unwrap_or_default(),
        };
        key.push('\t');
        key.push_str(&value);
    }
    key
}

/// Whether a group is told now, why, and what it is shown.
fn decide(
    rules: &Rules,
    state: &State,
    group: &mut Group,
    members: &Members<'_>,
    now: Timestamp,
    last: bool,
    pace: Pace,
) -> Option<(Why, BTreeSet<String>)> {
    // A clock that went back.
    for moment in [&mut group.at, &mut group.waiting, &mut group.since].into_iter().flatten() {
        *moment = (*moment).min(now);
    }
    let passed = |since: Option<Timestamp>, wait| since.is_none_or(|since| now.duration_since(since) >= length(wait));
    let loud: BTreeSet<String> = members.firing.difference(&members.muted).cloned().collect();
    let severity = worst(state, &loud);
    let worse = group.severity.is_some_and(|told| severity.is_some_and(|severity| severity > told));
    let new = worse || loud.iter().any(|name| !group.told.contains(name));
    let over: BTreeSet<String> = group.told.difference(&members.firing).cloned().collect();
    let all = || members.firing.union(&over).cloned().collect();
    if members.firing.is_empty() {
        (group.waiting, group.since, group.level) = (None, None, 0);
        return (!over.is_empty()).then_some((Why::Resolved, over));
    }
    if new {
        let waiting = *group.waiting.get_or_insert(now);
        group.since.get_or_insert(now);
        let ready = if group.told.is_empty() { passed(Some(waiting), pace.group_wait) } else { passed(group.at, pace.group_interval) };
        return (ready || last).then(|| (Why::Firing, all()));
    }
    group.waiting = None;
    if let Some(after) = severity.and_then(|severity| rules.urgency(severity).escalate_after) {
        let step = after.saturating_mul(u32::try_from(group.level + 1).unwrap_or(u32::MAX));
        if group.level < 2 && passed(group.since, step) {
            group.level += 1;
            return Some((Why::Escalated, all()));
        }
    }
    let changed = !over.is_empty() && passed(group.at, pace.group_interval);
    (changed || (!loud.is_empty() && passed(group.at, pace.repeat_interval)))
        .then(|| (if changed { Why::Firing } else { Why::Repeat }, all()))
}

/// When a group is told again if nothing changes, and why then.
pub fn next(rules: &Rules, state: &State, group: &Group) -> Option<(Timestamp, Why)> {
    let alerts = group.told.iter().filter_map(|name| state.alerts.get(name)).filter(|alert| alert.firing.is_some());
    let paces = alerts.filter_map(|alert| rules.rules.iter().find(|rule| alert.is_by(rule))).map(|rule| rule.pace(rules.pace));
    let repeat = group.at?.checked_add(length(paces.map(|pace| pace.repeat_interval).min()?)).ok()?;
    let after = worst(state, &group.told).and_then(|severity| rules.urgency(severity).escalate_after).filter(|_| group.level < 2);
    let step = after.map(|after| after.saturating_mul(u32::try_from(group.level + 1).unwrap_or(u32::MAX)));
    let escalated = step.zip(group.since).and_then(|(step, since)| since.checked_add(length(step)).ok());
    Some(escalated.filter(|at| *at < repeat).map_or((repeat, Why::Repeat), |at| (at, Why::Escalated)))
}

/// The gravest of these.
fn worst(state: &State, names: &BTreeSet<String>) -> Option<Severity> {
    names.iter().filter_map(|name| state.alerts.get(name)?.severity).max()
}

/// What a notification is made of.
struct Told<'a> {
    key: &'a str,
    sink: &'a str,
    why: Why,
    shown: &'a BTreeSet<String>,
    now: Timestamp,
    place: &'a Place<'a>,
}

fn notification(rules: &Rules, state: &mut State, group: &Group, told: Told<'_>) -> Notification {
    let Told { key, sink, why, shown, now, place } = told;
    state.made += 1;
    let mut alerts: Vec<&Alert> = shown.iter().filter_map(|name| state.alerts.get(name)).collect();
    alerts.sort_by_key(|alert| (alert.firing.is_none(), std::cmp::Reverse(alert.severity), alert.id.clone()));
    let severity = alerts.iter().filter(|alert| alert.firing.is_some() || why == Why::Resolved).filter_map(|alert| alert.severity).max();
    let severity = severity.unwrap_or(Severity::Low);
    let first = alerts.first().copied().cloned().unwrap_or_default();
    let rule = |alert: &Alert| rules.rules.iter().find(|rule| alert.is_by(rule));
    let incident = rule(&first).and_then(|rule| rule.incident.as_deref()).or(first.labels.get("incident").map(String::as_str));
    let shown: Vec<&Alert> = alerts.iter().filter(|alert| alert.firing.is_some() || why == Why::Resolved).copied().collect();
    let title = format!("{}: {}{}: {}", first.system, prefix(why), counts(&shown, why, state.crowded_out), named(&shown));
    let look: BTreeSet<&str> = alerts
        .iter()
        .filter(|alert| !alert.id.starts_with("tool.") && !alert.id.contains('*'))
        .map(|alert| alert.id.as_str())
        .take(5)
        .collect();
    let moment = |at: Option<Timestamp>| at.map(record::timestamp);
    let items = alerts.iter().take(TOLD).map(|alert| Item {
        alert: super::name(&alert.rule, &alert.system, &alert.id),
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
        key: format!("{}-{}-{}", record::timestamp(now).replace([':', '-', '.'], ""), state.made, sink),
        group: key.replace('\t', "/"),
        sink: sink.to_owned(),
        why,
        severity,
        system: first.system.clone(),
        run: first.run.clone(),
        host: if first.host.is_empty() { place.host.to_owned() } else { first.host.clone() },
        at: record::timestamp(now),
        title,
        more: (alerts.len() - items.len()) as u64 + state.crowded_out,
        items,
        log: place.log.map(str::to_owned),
        look_again: (!look.is_empty()).then(|| format!("ml-health --only {}", look.into_iter().collect::<Vec<_>>().join(","))),
        contact: rules.contact(incident, group.level).map(str::to_owned),
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

fn word(why: Why) -> &'static str {
    match why {
        Why::Firing => "told",
        Why::Repeat => "told again",
        Why::Escalated => "escalated",
        Why::Resolved => "told that it is over",
        Why::Test => "test",
    }
}
