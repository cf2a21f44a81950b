//! Which alerts fire for which group of which sink, and what keeps them from being told.

use super::state::{Alert, Group, State};
use crate::notification::Severity;
use crate::rules::{Index, Pace, Rule, Rules, SEVERITIES};
use glob::Pattern;
use jiff::Timestamp;
use ml_common::record::Fate;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What belongs to one group of one sink now.
#[derive(Default)]
pub(super) struct Members {
    pub(super) sink: String,
    /// Alerts that fire and may be told, or were told.
    pub(super) firing: BTreeSet<String>,
    /// Those of them that were told and are not to be told again for now.
    pub(super) muted: BTreeSet<String>,
    /// The pace of that rule which is to be repeated soonest.
    pub(super) pace: Option<Pace>,
}

/// Why nobody is told, and what that makes of it.
type Reason = (String, Fate);

/// What keeps things back at a moment.
struct Calm<'a> {
    /// By severity: it is a quiet hour for it.
    quiet: HashMap<Severity, bool>,
    silences: Vec<(Pattern, String)>,
    /// Rules that fire, by system, and may keep others back.
    firing: HashSet<(&'a str, &'a str)>,
}

impl<'a> Calm<'a> {
    fn of(rules: &'a Rules, state: &'a State, now: Timestamp, known: &HashMap<&str, Vec<&str>>) -> Calm<'a> {
        let holds = |severity| rules.quiet.iter().any(|quiet| quiet.holds(severity, now));
        let quiet: HashMap<Severity, bool> = SEVERITIES.iter().map(|(_, severity)| (*severity, holds(*severity))).collect();
        let silences = state.silences.iter().filter(|silence| now < silence.until).filter_map(|silence| {
            let said = format!("silenced until {} by {}: {}", silence.until, silence.author, silence.reason);
            Some((Pattern::new(&silence.pattern).ok()?, said))
        });
        // What itself waits for the morning keeps nothing graver from being told at night.
        let speaks = |name: &str, alert: &Alert| known.contains_key(name) || !quiet.get(&severity(alert)).is_some_and(|quiet| *quiet);
        let firing = state.alerts.busy().filter(|(name, alert)| alert.firing.is_some() && speaks(name, alert));
        let firing = firing.map(|(_, alert)| (alert.system.as_str(), alert.rule.as_str())).collect();
        Calm { silences: silences.collect(), firing, quiet }
    }

    /// Why an alert is not told.
    fn keeps(&self, alert: &Alert, rule: &Rule) -> Option<Reason> {
        if let Some((other, _)) = rule.inhibited_by.iter().find(|(other, _)| self.firing.contains(&(alert.system.as_str(), other.as_str())))
        {
            return Some((format!("not told while {other} fires"), Fate::Suppressed));
        }
        let covers = |(pattern, _): &&(Pattern, String)| pattern.matches(&alert.id) || pattern.matches(&alert.rule);
        if let Some((_, said)) = self.silences.iter().find(covers) {
            return Some((said.clone(), Fate::Suppressed));
        }
        let quiet = self.quiet.get(&severity(alert)).is_some_and(|quiet| *quiet);
        quiet.then(|| ("waits for the end of the quiet hours".to_owned(), Fate::Held))
    }
}

fn severity(alert: &Alert) -> Severity {
    alert.severity.unwrap_or(Severity::Low)
}

/// The groups with what fires in them, leaving out what is silenced, inhibited, or waits for the morning.
pub(super) fn gather(rules: &Rules, index: &Index, state: &mut State, now: Timestamp) -> BTreeMap<String, Members> {
    let mut groups: BTreeMap<String, Members> = BTreeMap::new();
    let mut changed: Vec<(String, Option<Reason>)> = Vec::new();
    let sinks = rules.sinks.values().filter(|sink| sink.takes_notifications());
    let mut everywhere: Vec<String> = sinks.map(|sink| sink.name.clone()).collect();
    if everywhere.is_empty() {
        // Histories are replayed without sinks, too.
        everywhere.push("nowhere".to_owned());
    }
    let mut known: HashMap<&str, Vec<&str>> = HashMap::new();
    for (key, group) in &state.groups {
        group.told.iter().for_each(|name| known.entry(name).or_default().push(key));
    }
    let calm = Calm::of(rules, state, now, &known);
    for (name, alert) in state.alerts.busy().filter(|(_, alert)| alert.firing.is_some()) {
        let Some(rule) = index.rule(rules, &alert.rule, &alert.system) else { continue };
        let reason = calm.keeps(alert, rule);
        let muted = reason.is_some();
        if alert.kept_back.as_ref() != reason.as_ref().map(|(said, _)| said) {
            changed.push((name.clone(), reason));
        }
        let wanted = if rule.sinks.is_empty() { &everywhere } else { &rule.sinks };
        // Who was told of it before its rule had other sinks is not told that it is over while it goes on.
        let before = known.get(name.as_str()).into_iter().flatten().map(|key| sink_of(key));
        let before: BTreeSet<&str> = before.filter(|sink| !wanted.iter().any(|wanted| wanted == sink)).collect();
        for sink in wanted.iter().map(String::as_str).chain(before) {
            // Who was told of it in a group is told of its end there, whatever it has become meanwhile.
            let told = known.get(name.as_str()).and_then(|keys| keys.iter().find(|key| sink_of(key) == sink));
            // What has been told already stays in its group: it is not over because somebody silences it.
            if muted && told.is_none() {
                continue;
            }
            let members = groups.entry(told.map_or_else(|| key(sink, rule, alert), |key| (*key).to_owned())).or_default();
            sink.clone_into(&mut members.sink);
            members.firing.insert(name.clone());
            if muted {
                members.muted.insert(name.clone());
            }
            let pace = rule.pace(rules.pace);
            if members.pace.is_none_or(|other| pace.repeat_interval < other.repeat_interval) {
                members.pace = Some(pace);
            }
        }
    }
    storms(&mut groups, &state.groups);
    changed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (name, reason) in changed {
        state.alerts.with(&name, |alert| alert.kept_back = reason.as_ref().map(|(said, _)| said.clone()));
        if let Some((said, fate)) = reason {
            state.kept_back(now, &name, said, fate);
        }
    }
    groups
}

/// More new groups than these at a time are one for a sink, however the rules group: nobody reads ten thousand messages.
const STORM: usize = 20;

/// Gathers the new groups of a sink into one when there are too many. An alert stays in the group in which it was told, so that this one has an end.
fn storms(groups: &mut BTreeMap<String, Members>, known: &BTreeMap<String, Group>) {
    let is_new = |key: &String| known.get(key).is_none_or(|group| group.told.is_empty());
    let mut new: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for key in groups.keys().filter(|key| is_new(key)) {
        new.entry(sink_of(key).to_owned()).or_default().push(key.clone());
    }
    for (sink, keys) in new.into_iter().filter(|(_, keys)| keys.len() > STORM) {
        let parts: Vec<Members> = keys.iter().filter_map(|key| groups.remove(key)).collect();
        let storm = groups.entry(format!("{sink}\t{IN_A_STORM}")).or_default();
        storm.sink = sink;
        for part in parts {
            storm.firing.extend(part.firing);
            storm.muted.extend(part.muted);
            storm.pace = [storm.pace, part.pace].into_iter().flatten().min_by_key(|pace| pace.repeat_interval);
        }
    }
}

/// Its name beside the sink's.
const IN_A_STORM: &str = "many at once";

/// The sink of a group.
pub fn sink_of(key: &str) -> &str {
    key.split('\t').next().unwrap_or_default()
}

/// The group that an alert begins in.
fn key(sink: &str, rule: &Rule, alert: &Alert) -> String {
    let mut key = sink.to_owned();
    for by in &rule.group_by {
        key.push('\t');
        key.push_str(match by.as_str() {
            "system" => &alert.system,
            "rule" => &alert.rule,
            "id" => &alert.id,
            "host" => &alert.host,
            "severity" => alert.severity.map_or("", Severity::name),
            label => alert.labels.get(label).map_or("", String::as_str),
        });
    }
    key
}
