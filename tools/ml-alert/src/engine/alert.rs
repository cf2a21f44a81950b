//! One alert: what an observation makes of it.

use super::length;
use super::seen::Seen;
use super::state::Alert;
use crate::notification::Severity;
use crate::rules::Rule;
use jiff::Timestamp;
use ml_common::Status;

impl Alert {
    /// Whether this rule made it.
    pub(super) fn is_by(&self, rule: &Rule) -> bool {
        self.rule == rule.name && rule.is_of(&self.system)
    }

    /// Takes one observation.
    pub(super) fn take(&mut self, rule: &Rule, seen: &Seen<'_>, alarming: bool) {
        let at = seen.at;
        // A clock that went back: what lies in the future began now.
        for moment in [&mut self.pending, &mut self.firing, &mut self.alarming, &mut self.heard].into_iter().flatten() {
            *moment = (*moment).min(at);
        }
        self.heard = Some(at);
        let bad = alarming;
        self.window = self.window << 1 | u64::from(alarming);
        self.filled = (self.filled + 1).min(64);
        let (mut alarming, mut rate) = (alarming, None);
        if let Some((x, y)) = rule.of {
            let recent = if y >= 64 { self.window } else { self.window & ((1 << y) - 1) };
            alarming = recent.count_ones() >= x;
        }
        if let Some(burn) = &rule.burn {
            self.observe(!bad, at, burn);
            rate = self.burns(at, burn);
            alarming = rate.is_some();
        }
        if let Some(change) = &rule.changed {
            self.was = seen.text(change);
        }
        if alarming {
            // A good one among bad ones says nothing of what is wrong.
            if bad || self.rule.is_empty() {
                self.describe(rule, seen);
            }
            if let (Some(burn), Some(rate)) = (&rule.burn, rate) {
                self.explain(rule, burn, rate);
            }
            let since = *self.pending.get_or_insert(at);
            self.alarming = Some(at);
            if self.firing.is_none() && at.duration_since(since) >= length(rule.lasting) {
                (self.firing, self.resolved) = (Some(at), None);
            }
            return;
        }
        self.pending = None;
        if self.firing.is_some() && self.kept(rule, at).is_none() {
            (self.firing, self.resolved) = (None, Some(at));
        }
    }

    /// Since when it would be over, were it not kept firing.
    pub(super) fn kept(&self, rule: &Rule, now: Timestamp) -> Option<Timestamp> {
        self.alarming.filter(|alarming| now.duration_since(*alarming) < length(rule.keep_firing_for))
    }

    fn describe(&mut self, rule: &Rule, seen: &Seen<'_>) {
        (self.rule, self.system, self.id) = (rule.name.clone(), seen.system.to_owned(), seen.id.clone().into_owned());
        (self.run, self.host) = (seen.run.to_owned(), seen.host.to_owned());
        self.severity = Some(rule.severity.unwrap_or_else(|| by_status(seen.status)));
        self.summary = rule.summary.clone().unwrap_or_else(|| seen.summary.to_owned());
        self.hint = rule.hint.clone().or_else(|| seen.hint.map(str::to_owned));
        self.value = seen.value_shown();
        self.threshold = rule.when.as_ref().map(ToString::to_string).or_else(|| seen.threshold_shown());
        self.labels = seen.labels();
        self.evidence = seen.evidence();
    }
}

fn by_status(status: Status) -> Severity {
    match status {
        Status::Crit => Severity::Critical,
        Status::Unknown => Severity::Medium,
        _ => Severity::Low,
    }
}
