//! One alert: what an observation makes of it.

use super::length;
use super::seen::{SHORT, Seen, TEXT, cut, short};
use super::state::Alert;
use crate::notification::Severity;
use crate::rules::Rule;
use jiff::Timestamp;
use ml_common::Status;

impl Alert {
    /// Bytes of its texts.
    pub(super) fn size(&self) -> usize {
        let options = [&self.value, &self.threshold, &self.hint].into_iter().flatten().map(String::len).sum::<usize>();
        let labels = self.labels.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let rows = self.evidence.iter().map(String::len).sum::<usize>();
        [&self.rule, &self.system, &self.id, &self.run, &self.host, &self.tool, &self.summary].map(String::len).iter().sum::<usize>()
            + options
            + labels
            + rows
    }

    /// Nothing is the matter with it, and nobody waits for it.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_none() && self.firing.is_none() && self.resolved.is_none() && !self.absence
    }

    /// It is over.
    pub(super) fn end(&mut self, at: Timestamp) {
        (self.firing, self.resolved) = (None, Some(at));
        (self.told, self.kept_back) = (None, None);
    }

    /// Takes one observation.
    pub(super) fn take(&mut self, rule: &Rule, seen: &Seen<'_>, alarming: bool) {
        let at = seen.at;
        // A clock that went back: what lies in the future began now.
        for moment in [&mut self.pending, &mut self.firing, &mut self.alarming, &mut self.heard, &mut self.told].into_iter().flatten() {
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
            self.was = seen.text(change).map(|is| short(&is, SHORT).into_owned());
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
            self.end(at);
        }
    }

    /// Since when it would be over, were it not kept firing.
    pub(super) fn kept(&self, rule: &Rule, now: Timestamp) -> Option<Timestamp> {
        self.alarming.filter(|alarming| now.duration_since(*alarming) < length(rule.keep_firing_for))
    }

    fn describe(&mut self, rule: &Rule, seen: &Seen<'_>) {
        self.belongs(rule, seen);
        seen.id.as_ref().clone_into(&mut self.id);
        self.severity = Some(rule.severity.unwrap_or_else(|| by_status(seen.status)));
        cut(rule.summary.as_deref().unwrap_or(seen.summary), TEXT).clone_into(&mut self.summary);
        self.hint = rule.hint.as_deref().or(seen.hint).map(|hint| cut(hint, TEXT).to_owned());
        self.value = seen.value_shown().map(|value| cut(&value, SHORT).to_owned());
        self.threshold = rule.when.as_ref().map(ToString::to_string).or_else(|| seen.threshold_shown());
        self.threshold = self.threshold.take().map(|threshold| cut(&threshold, SHORT).to_owned());
        self.labels = seen.labels();
        self.evidence = seen.evidence();
    }

    /// Whose it is, and of which run.
    pub(super) fn belongs(&mut self, rule: &Rule, seen: &Seen<'_>) {
        rule.name.clone_into(&mut self.rule);
        seen.system.clone_into(&mut self.system);
        seen.run.clone_into(&mut self.run);
        seen.host.clone_into(&mut self.host);
        seen.tool.clone_into(&mut self.tool);
    }
}

fn by_status(status: Status) -> Severity {
    match status {
        Status::Crit => Severity::Critical,
        Status::Unknown => Severity::Medium,
        _ => Severity::Low,
    }
}
