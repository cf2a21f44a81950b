//! What is told together, when, and to whom.

use super::gather::{Members, gather, sink_of};
use super::state::{Entry, Group, State, Turn};
use super::told::{Told, notifications, word};
use super::{Place, length};
use crate::notification::{Notification, Severity, Why};
use crate::rules::{Index, Pace, Rules};
use crate::sinks::Sink;
use jiff::Timestamp;
use std::collections::{BTreeSet, HashSet};

/// Steps of escalation after the first contact.
const STEPS: usize = 2;

/// The notifications that are due, written into the outbox, too.
pub(super) fn due(rules: &Rules, index: &Index, state: &mut State, now: Timestamp, last: bool, place: &Place<'_>) -> Vec<Notification> {
    // A sink that went out of the rules is told nothing any more, not even that something is over.
    let goes_nowhere = !rules.sinks.values().any(Sink::takes_notifications);
    state.groups.retain(|key, _| goes_nowhere || rules.sinks.contains_key(sink_of(key)));
    let groups = gather(rules, index, state, now);
    let mut made = Vec::new();
    let keys: BTreeSet<String> = groups.keys().chain(state.groups.keys()).cloned().collect();
    let empty = Members::default();
    for key in &keys {
        let members = groups.get(key).unwrap_or(&empty);
        let mut group = state.groups.remove(key).unwrap_or_default();
        let pace = members.pace.unwrap_or(rules.pace);
        if let Some(news) = decide(rules, state, &mut group, members, Moment { now, last }, pace) {
            let sink = if members.sink.is_empty() { sink_of(key) } else { &members.sink };
            let told = Told { rules, index, key, sink, news: &news, now, place };
            for notification in notifications(&told, state, &group) {
                state.decided(now, key, format!("{} to {sink}: {}", word(news.why), notification.title), Turn::Other);
                state.outbox.push(Entry {
                    notification: notification.clone(),
                    attempts: 0,
                    first_tried: None,
                    reason: None,
                    in_flight: false,
                    refused: false,
                });
                made.push(notification);
            }
            for name in &members.firing {
                if state.alerts.get(name).is_some_and(|alert| alert.told.is_none()) {
                    state.alerts.with(name, |alert| alert.told = Some(now));
                }
            }
            group.told.clone_from(&members.firing);
            (group.at, group.waiting, group.severity) = (Some(now), None, worst(state, &members.firing));
        }
        if group.told.is_empty() && group.waiting.is_none() && members.firing.is_empty() {
            continue;
        }
        state.groups.insert(key.clone(), group);
    }
    forget(rules, index, state);
    made
}

/// What is over and everybody knows it is forgotten.
fn forget(rules: &Rules, index: &Index, state: &mut State) {
    let told: HashSet<&String> = state.groups.values().flat_map(|group| &group.told).collect();
    let gone = state.alerts.busy().filter(|(name, alert)| alert.resolved.is_some() && !told.contains(name));
    for name in gone.map(|(name, _)| name.clone()).collect::<BTreeSet<_>>() {
        let keep = state.alerts.with(&name, |alert| {
            alert.resolved = None;
            index.rule(rules, &alert.rule, &alert.system).is_some_and(|rule| rule.remembers() || rule.absent_for.is_some())
        });
        if !keep {
            state.alerts.remove(&name);
        }
    }
    if state.alerts.busy().all(|(_, alert)| alert.firing.is_none()) {
        state.crowded_out = 0;
    }
}

/// When it is decided.
#[derive(Clone, Copy)]
struct Moment {
    now: Timestamp,
    /// Nobody comes back soon.
    last: bool,
}

/// What a group is told.
pub(super) struct News {
    pub(super) why: Why,
    /// All that the group is about: what fires, and what is over since it was told last.
    pub(super) all: BTreeSet<String>,
    /// Of these what it does not know yet.
    pub(super) fresh: BTreeSet<String>,
    /// Step of escalation: whom it concerns.
    pub(super) level: usize,
}

/// Whether a group is told now, and what.
fn decide(rules: &Rules, state: &State, group: &mut Group, members: &Members, moment: Moment, pace: Pace) -> Option<News> {
    let Moment { now, last } = moment;
    // A clock that went back.
    for moment in [&mut group.at, &mut group.waiting].into_iter().flatten() {
        *moment = (*moment).min(now);
    }
    let passed = |since: Option<Timestamp>, wait| since.is_none_or(|since| now.duration_since(since) >= length(wait));
    let loud: BTreeSet<String> = members.firing.difference(&members.muted).cloned().collect();
    let severity = worst(state, &loud);
    let worse = group.severity.is_some_and(|told| severity.is_some_and(|severity| severity > told));
    let begun: BTreeSet<String> = loud.difference(&group.told).cloned().collect();
    let over: BTreeSet<String> = group.told.difference(&members.firing).cloned().collect();
    if members.firing.is_empty() {
        (group.waiting, group.level) = (None, 0);
        return (!over.is_empty()).then(|| News { why: Why::Resolved, all: over.clone(), fresh: over, level: 0 });
    }
    let all: BTreeSet<String> = members.firing.union(&over).cloned().collect();
    let news = |why, level| {
        let fresh = if worse || matches!(why, Why::Repeat | Why::Escalated) { all.clone() } else { begun.union(&over).cloned().collect() };
        Some(News { why, all: all.clone(), fresh, level })
    };
    if worse || !begun.is_empty() {
        let waiting = *group.waiting.get_or_insert(now);
        let ready = if group.told.is_empty() { passed(Some(waiting), pace.group_wait) } else { passed(group.at, pace.group_interval) };
        // What begins is the first contact's, however far something else in its group has come.
        return if ready || last { news(Why::Firing, if begun.is_empty() { group.level } else { 0 }) } else { None };
    }
    group.waiting = None;
    let steps = |names: &BTreeSet<String>| names.iter().map(|name| steps(rules, state, name, now)).max().unwrap_or_default();
    let (reached, due) = (steps(&members.firing), steps(&loud));
    group.level = group.level.min(reached);
    if due > group.level {
        group.level += 1;
        return news(Why::Escalated, group.level);
    }
    if !over.is_empty() && passed(group.at, pace.group_interval) {
        return news(Why::Firing, group.level);
    }
    if !loud.is_empty() && passed(group.at, pace.repeat_interval) { news(Why::Repeat, group.level) } else { None }
}

/// How many steps an alert has come by itself since somebody was told of it.
fn steps(rules: &Rules, state: &State, name: &str, now: Timestamp) -> usize {
    (1..=STEPS).take_while(|step| escalates(rules, state, name, *step).is_some_and(|at| at <= now)).count()
}

/// When an alert is so many steps on.
fn escalates(rules: &Rules, state: &State, name: &str, step: usize) -> Option<Timestamp> {
    let alert = state.alerts.get(name).filter(|alert| alert.firing.is_some())?;
    let after = rules.urgency(alert.severity?).escalate_after?;
    let after = after.saturating_mul(u32::try_from(step).unwrap_or(u32::MAX));
    alert.told.or(alert.firing)?.checked_add(length(after)).ok()
}

/// When a group is told again if nothing changes, and why then.
pub fn next(rules: &Rules, state: &State, group: &Group) -> Option<(Timestamp, Why)> {
    let alerts = group.told.iter().filter_map(|name| state.alerts.get(name)).filter(|alert| alert.firing.is_some());
    let paces = alerts
        .filter_map(|alert| rules.rules.iter().find(|rule| rule.name == alert.rule && rule.is_of(&alert.system)))
        .map(|rule| rule.pace(rules.pace));
    let repeat = group.at?.checked_add(length(paces.map(|pace| pace.repeat_interval).min()?)).ok()?;
    let step = group.level + 1;
    let escalated = group.told.iter().filter(|_| step <= STEPS).filter_map(|name| escalates(rules, state, name, step)).min();
    Some(escalated.filter(|at| *at < repeat).map_or((repeat, Why::Repeat), |at| (at, Why::Escalated)))
}

/// The gravest of these.
fn worst(state: &State, names: &BTreeSet<String>) -> Option<Severity> {
    names.iter().filter_map(|name| state.alerts.get(name)?.severity).max()
}
