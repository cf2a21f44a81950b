//! Error budgets: how fast they burn, over a long window and a short one (the multiwindow alerts of Google's SRE workbook).

use super::length;
use super::state::Alert;
use crate::rules::Burn;
use jiff::Timestamp;
use std::time::Duration;

impl Alert {
    /// Counts an observation in its minute, and forgets those beyond the long window.
    pub(super) fn observe(&mut self, good: bool, at: Timestamp, burn: &Burn) {
        let minute = minute(at);
        let count = self.minutes.entry(minute).or_default();
        count.0 += 1;
        count.1 += u64::from(!good);
        let oldest = minute - length(burn.long).as_secs() / 60;
        // A clock that went back: what lies in the future was never.
        self.minutes.retain(|at, _| (oldest..=minute).contains(at));
    }

    /// Whether the budget burns too fast in both windows.
    pub(super) fn burns(&self, at: Timestamp, burn: &Burn) -> bool {
        let budget = (100.0 - burn.target) / 100.0;
        let rate = |window: Duration| {
            let from = minute(at) - length(window).as_secs() / 60;
            let (all, bad) = self.minutes.range(from..).fold((0, 0), |(all, bad), (_, (some, wrong))| (all + some, bad + wrong));
            (all, if all == 0 || budget <= 0.0 { 0.0 } else { bad as f64 / all as f64 / budget })
        };
        let ((samples, long), (_, short)) = (rate(burn.long), rate(burn.short));
        samples >= burn.samples && long >= burn.factor && short >= burn.factor
    }
}

fn minute(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}
