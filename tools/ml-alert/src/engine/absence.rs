//! What time alone brings about: something was not heard of for too long, what was kept firing is over, a rule is gone.

use super::seen::SHORT;
use super::state::{self, Alert, MAX_ABSENCES, Turn};
use super::{Engine, Seen, length};
use crate::notification::Severity;
use crate::rules::Rule;
use glob::Pattern;
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;
use std::time::Duration;

/// Stands for all systems that there is no room to wait for.
const EVERY: &str = "*";

/// What becomes of an alert.
enum Change {
    /// It was heard of after now: a clock that went back.
    Heard,
    /// It was not heard of for so long.
    Absent(Duration, SignedDuration),
    /// It was kept firing for long enough.
    Over,
    /// Its rule is gone, or is about other ids now: nothing would ever end it.
    Orphaned,
}

fn change(alert: &Alert, rule: Option<&Rule>, now: Timestamp) -> Option<Change> {
    let Some(rule) = rule.filter(|rule| alert.is_still(rule)) else { return Some(Change::Orphaned) };
    if let Some(limit) = rule.absent_for {
        let since = alert.heard.map_or(SignedDuration::ZERO, |heard| now.duration_since(heard));
        return match since {
            _ if alert.firing.is_some() => None,
            since if since < SignedDuration::ZERO => Some(Change::Heard),
            since => (since >= length(limit)).then_some(Change::Absent(limit, since)),
        };
    }
    let is_over = !rule.keep_firing_for.is_zero() && alert.pending.is_none() && alert.firing.is_some() && alert.kept(rule, now).is_none();
    is_over.then_some(Change::Over)
}

impl Alert {
    /// Whether its rule would still make it.
    fn is_still(&self, rule: &Rule) -> bool {
        match rule.absent_for {
            Some(_) => self.absence && self.id == rule.subject,
            None => !self.absence && rule.ids.iter().any(|pattern| pattern.matches(&self.id)) && self.fits(rule),
        }
    }

    /// Whether nothing that is known of it is against its rule's tool and labels.
    fn fits(&self, rule: &Rule) -> bool {
        let known = |name: &str| match name {
            "tool" => Some(self.tool.as_str()),
            "host" => Some(self.host.as_str()),
            "id" => Some(self.id.as_str()),
            // Of the record itself, and not kept.
            "value" | "status" | "gate" => None,
            label => self.labels.get(label).map(String::as_str),
        };
        // An earlier version kept no tool, and what was cut may have fitted.
        let fits = |name: &str, pattern: &Pattern| {
            known(name).is_none_or(|text| text.is_empty() || text.len() + 4 > SHORT || pattern.matches(text))
        };
        rule.tool.as_ref().is_none_or(|pattern| fits("tool", pattern)) && rule.labels.iter().all(|(name, pattern)| fits(name, pattern))
    }

    /// Says what was decided.
    fn changes(&mut self, change: Change, rule: Option<&Rule>, now: Timestamp) -> Option<(Turn, String)> {
        match change {
            Change::Heard => {
                self.heard = Some(now);
                None
            }
            Change::Absent(limit, since) => {
                (self.firing, self.resolved) = (Some(now), None);
                self.severity = Some(rule.and_then(|rule| rule.severity).unwrap_or(Severity::High));
                let said = rule.and_then(|rule| rule.summary.clone());
                self.summary = said.unwrap_or_else(|| format!("nothing was heard of {} for {}", self.id, told(since)));
                self.hint = rule.and_then(|rule| rule.hint.clone());
                self.threshold = Some(format!("within {}", humantime::format_duration(limit)));
                Some((Turn::Fired, format!("fires: {}", self.summary)))
            }
            Change::Over => {
                self.end(now);
                Some((Turn::Ended, "is over".to_owned()))
            }
            Change::Orphaned => {
                let was = (self.pending.take().is_some(), std::mem::take(&mut self.absence));
                let turn = if self.firing.is_some() { Turn::Ended } else { Turn::Other };
                if turn == Turn::Ended {
                    self.end(now);
                }
                (was != (false, false)).then(|| (turn, "its rule is gone".to_owned()))
            }
        }
    }
}

fn told(since: SignedDuration) -> String {
    let whole = Duration::from_secs(since.as_secs().unsigned_abs());
    humantime::format_duration(whole).to_string()
}

impl Engine {
    /// Something that a rule on absence is about was heard of.
    pub(super) fn heard(&mut self, rule: &Rule, seen: &Seen<'_>, name: &str) {
        if !self.state.alerts.contains_key(name) && !self.awaits(rule, seen.system, name) {
            return self.overlook(rule, seen, name);
        }
        let ended = self.state.alerts.with(name, |alert| {
            alert.belongs(rule, seen);
            // An older record, of another machine's clock perhaps, takes nothing back.
            alert.heard = alert.heard.max(Some(seen.at));
            let fired = alert.firing.is_some();
            if fired {
                alert.end(seen.at);
            }
            fired
        });
        if ended {
            self.state.decided(seen.at, name, "was heard of again", Turn::Ended);
        }
    }

    /// From now on it is waited for, unless too many are.
    fn awaits(&mut self, rule: &Rule, system: &str, name: &str) -> bool {
        if self.absences >= MAX_ABSENCES || !self.has_room() {
            return false;
        }
        self.absences += 1;
        self.state.alerts.with(name, |alert| {
            rule.name.clone_into(&mut alert.rule);
            system.clone_into(&mut alert.system);
            alert.id.clone_from(&rule.subject);
            alert.absence = true;
        });
        true
    }

    /// There is no room to wait for it; one alert says so for all of them.
    fn overlook(&mut self, rule: &Rule, seen: &Seen<'_>, name: &str) {
        let more = self.overlooked.count(name);
        let overlooked = state::name(&rule.name, EVERY, &rule.subject);
        if !self.state.alerts.contains_key(&overlooked) {
            self.state.decided(seen.at, &overlooked, format!("fires: there is no room to wait for {name}"), Turn::Fired);
        }
        self.state.alerts.with(&overlooked, |alert| {
            alert.belongs(rule, seen);
            EVERY.clone_into(&mut alert.system);
            alert.id.clone_from(&rule.subject);
            (alert.absence, alert.heard) = (true, Some(seen.at));
            alert.firing.get_or_insert(seen.at);
            alert.severity = Some(rule.severity.unwrap_or(Severity::High));
            alert.summary = format!("{MAX_ABSENCES} systems are waited for, and there is no room for {more} more");
            alert.hint = Some("name the systems in profiles of their own, or forget what is gone with the state file".into());
        });
    }

    /// What time alone brings about: absences, the ends of what was kept firing.
    pub fn tick(&mut self, now: Timestamp) {
        self.state.now = Some(now);
        let rules = Arc::clone(&self.rules);
        // What was never heard of is missing from when it was first asked for.
        for rule in rules.rules.iter().filter(|rule| rule.absent_for.is_some()) {
            let Some(system) = &rule.system else { continue };
            let name = state::name(&rule.name, system, &rule.subject);
            if !self.state.alerts.contains_key(&name) && self.awaits(rule, system, &name) {
                self.state.alerts.with(&name, |alert| alert.heard = Some(now));
            }
        }
        let mut changes: Vec<(String, Change)> = Vec::new();
        for (name, alert) in self.state.alerts.busy() {
            let rule = self.index.rule(&rules, &alert.rule, &alert.system);
            changes.extend(change(alert, rule, now).map(|change| (name.clone(), change)));
        }
        changes.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        for (name, change) in changes {
            let (said, gone) = self.state.alerts.with(&name, |alert| {
                let (rule, absence) = (self.index.rule(&rules, &alert.rule, &alert.system), alert.absence);
                let said = alert.changes(change, rule, now);
                self.absences -= usize::from(absence && !alert.absence);
                (said, alert.is_idle())
            });
            if let Some((turn, said)) = said {
                self.state.decided(now, &name, said, turn);
            }
            if gone {
                self.state.alerts.remove(&name);
            }
        }
    }
}
