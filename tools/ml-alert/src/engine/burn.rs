//! Error budgets: how fast they burn, over a long window and a short one (the multiwindow alerts of Google's SRE workbook).

use super::length;
use super::state::Alert;
use crate::rules::{Burn, Rule};
use jiff::Timestamp;
use std::time::Duration;

impl Alert {
    /// Counts an observation in its minute, and forgets those beyond the long window.
    pub(super) fn observe(&mut self, good: bool, at: Timestamp, burn: &Burn) {
        let minute = first(minute(at), burn);
        if !self.minutes.contains_key(&minute) {
            let oldest = minute - length(burn.long).as_secs() / 60;
            // A clock that went back: what lies in the future was never.
            self.minutes.retain(|at, _| (oldest..=minute).contains(at));
        }
        let count = self.minutes.entry(minute).or_default();
        count.0 += 1;
        count.1 += u64::from(!good);
    }

    /// How many times too fast the budget burns over the long window, when it does so over both.
    pub(super) fn burns(&self, at: Timestamp, burn: &Burn) -> Option<f64> {
        let budget = (100.0 - burn.target) / 100.0;
        let rate = |window: Duration| {
            let from = first(minute(at) - length(window).as_secs() / 60, burn);
            let (all, bad) = self.minutes.range(from..).fold((0, 0), |(all, bad), (_, (some, wrong))| (all + some, bad + wrong));
            (all, if all == 0 || budget <= 0.0 { 0.0 } else { bad as f64 / all as f64 / budget })
        };
        let ((samples, long), (_, short)) = (rate(burn.long), rate(burn.short));
        (samples >= burn.samples && long >= burn.factor && short >= burn.factor).then_some(long)
    }

    /// Says what burns, where the rule says nothing of its own.
    pub(super) fn explain(&mut self, rule: &Rule, burn: &Burn, rate: f64) {
        let (long, short) = (humantime::format_duration(burn.long), humantime::format_duration(burn.short));
        self.value = Some(format!("{rate:.1} times"));
        self.threshold = Some(format!("{} times, over {long} and {short}", burn.factor));
        if rule.summary.is_none() {
            self.summary = format!("errors use up what {}% leaves them {rate:.1} times too fast", burn.target);
        }
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// The first of the minutes that are counted together with this one: a fifth of the short window, so that a month is not 44,640 numbers.
fn first(minute: i64, burn: &Burn) -> i64 {
    let together = (length(burn.short).as_secs() / 300).max(1);
    minute.div_euclid(together) * together
}
