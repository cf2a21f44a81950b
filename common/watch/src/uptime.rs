//! For which share of the time something was well, from observations at any distance.
//!
//! Each observation stands for the time until the next, but for no more than its hold (an hour): a look every 30 seconds counts time, a look every
//! night counts looks, and hours in which nobody looked are a gap that is told and counted neither way.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Seconds of a day.
pub const DAY: i64 = 86_400;

/// An observation stands for at most so many seconds, unless said otherwise.
pub const HOLD: i64 = 3600;

/// Fewer observations give no availability.
pub const MIN_SAMPLES: u64 = 20;

/// So many days are kept.
const MAX_DAYS: usize = 400;

/// What an observation saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Seen {
    /// It works; a warning still works.
    Up,
    /// It does not.
    Down,
    /// It could not be found out; counted neither way, and told.
    Unknown,
}

/// A day, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Day {
    up: i64,
    down: i64,
    unknown: i64,
    gap: i64,
    samples: u64,
}

/// The history of one thing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Uptime {
    hold: i64,
    days: BTreeMap<i64, Day>,
    last: Option<(i64, Seen)>,
    /// The seconds that the last but one observation stood for; the last one is taken to stand for as long.
    step: i64,
    longest_gap: i64,
    disordered: u64,
}

impl Default for Uptime {
    fn default() -> Uptime {
        Uptime::new(HOLD)
    }
}

impl Uptime {
    /// Nothing seen yet; an observation stands for at most `hold` seconds.
    pub fn new(hold: i64) -> Uptime {
        Uptime { hold: hold.max(1), days: BTreeMap::new(), last: None, step: hold.max(1), longest_gap: 0, disordered: 0 }
    }

    /// Takes what was seen in the second `at`. One that is older than the last is counted and left out.
    pub fn saw(&mut self, at: i64, seen: Seen) {
        if let Some((before, what)) = self.last {
            if at < before {
                self.disordered += 1;
                return;
            }
            let (step, gap) = ((at - before).min(self.hold), (at - before - self.hold).max(0));
            let day = self.days.entry(before.div_euclid(DAY)).or_default();
            day.add(what, step);
            day.gap += gap;
            self.longest_gap = self.longest_gap.max(gap);
            self.step = step;
        }
        self.last = Some((at, seen));
        self.days.entry(at.div_euclid(DAY)).or_default().samples += 1;
        while self.days.len() > MAX_DAYS {
            self.days.pop_first();
        }
    }

    /// The clock was set back to before the last observation: the next one stands for itself, and is not taken for an old one.
    pub fn set_back(&mut self, now: i64) {
        self.last = self.last.filter(|(at, _)| *at <= now);
    }

    /// Observations that were older than the one before them.
    pub fn disordered(&self) -> u64 {
        self.disordered
    }

    /// The last `days` whole days (UTC) before the second `now`, and its own day; what a clock noted in the future does not count.
    pub fn over(&self, days: i64, now: i64) -> Availability {
        let today = now.div_euclid(DAY);
        let window = today - days..=today;
        let mut sum = Day::default();
        for day in self.days.range(window.clone()).map(|(_, day)| day) {
            sum.up += day.up;
            sum.down += day.down;
            sum.unknown += day.unknown;
            sum.gap += day.gap;
            sum.samples += day.samples;
        }
        if let Some((_, what)) = self.last.filter(|(at, _)| window.contains(&at.div_euclid(DAY))) {
            sum.add(what, self.step);
        }
        let Day { up, down, unknown, gap, samples } = sum;
        Availability { up, down, unknown, gap, samples }
    }

    /// The longest time without any observation, in seconds.
    pub fn longest_gap(&self) -> i64 {
        self.longest_gap
    }
}

impl Day {
    fn add(&mut self, seen: Seen, seconds: i64) {
        match seen {
            Seen::Up => self.up += seconds,
            Seen::Down => self.down += seconds,
            Seen::Unknown => self.unknown += seconds,
        }
    }
}

/// What a window holds, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Availability {
    /// It worked.
    pub up: i64,
    /// It did not.
    pub down: i64,
    /// It could not be found out.
    pub unknown: i64,
    /// Nobody looked.
    pub gap: i64,
    /// Observations.
    pub samples: u64,
}

impl Availability {
    /// The share of the known time in which it worked, in per cent; None with fewer than `min_samples` observations.
    pub fn percent(&self, min_samples: u64) -> Option<f64> {
        let known = self.up + self.down;
        (known > 0 && self.samples >= min_samples).then(|| self.up as f64 / known as f64 * 100.0)
    }

    /// The share of the time that is known at all, in per cent.
    pub fn covered(&self) -> f64 {
        let known = self.up + self.down;
        let all = known + self.unknown + self.gap;
        if all == 0 { 0.0 } else { known as f64 / all as f64 * 100.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 20_000 * DAY;

    #[test]
    fn frequent_looks_count_time() {
        let mut uptime = Uptime::default();
        for tick in 0..2880 {
            let seen = if (100..130).contains(&tick) { Seen::Down } else { Seen::Up };
            uptime.saw(NOW + tick * 30, seen);
        }
        let day = uptime.over(1, NOW + DAY);
        assert_eq!((day.up, day.down, day.gap, day.samples), (2850 * 30, 900, 0, 2880));
        assert!((day.percent(MIN_SAMPLES).unwrap() - 98.958).abs() < 0.001);
        assert_eq!(day.covered(), 100.0);
    }

    #[test]
    fn nightly_looks_count_looks_and_the_time_between_is_a_gap() {
        let mut uptime = Uptime::default();
        for night in 0..30 {
            uptime.saw(NOW + night * DAY, if night == 7 { Seen::Down } else { Seen::Up });
        }
        let month = uptime.over(30, NOW + 30 * DAY);
        assert!((month.percent(MIN_SAMPLES).unwrap() - 29.0 / 30.0 * 100.0).abs() < 1e-9);
        assert_eq!((month.gap, uptime.longest_gap()), (29 * (DAY - HOLD), DAY - HOLD));
        assert!(month.covered() < 5.0);
    }

    #[test]
    fn what_is_not_known_is_neither_up_nor_down() {
        let mut uptime = Uptime::default();
        for tick in 0..100 {
            uptime.saw(NOW + tick * 60, if tick < 50 { Seen::Up } else { Seen::Unknown });
        }
        let seen = uptime.over(1, NOW);
        assert_eq!((seen.percent(1), seen.unknown, seen.covered()), (Some(100.0), 3000, 50.0));
    }

    #[test]
    fn few_samples_old_days_and_disorder_give_no_figure() {
        let mut uptime = Uptime::default();
        assert_eq!(uptime.over(30, NOW).percent(0), None);
        uptime.saw(NOW, Seen::Up);
        uptime.saw(NOW - 5, Seen::Down);
        assert_eq!(uptime.disordered(), 1);
        assert_eq!((uptime.over(1, NOW).percent(2), uptime.over(1, NOW).percent(1)), (None, Some(100.0)));
        assert_eq!(uptime.over(30, NOW + 31 * DAY), Availability::default());
        for day in 0..1000 {
            uptime.saw(NOW + day * DAY, Seen::Up);
        }
        assert_eq!(uptime.days.len(), MAX_DAYS);
    }

    #[test]
    fn a_clock_that_was_ahead_hides_nothing() {
        let mut uptime = Uptime::default();
        for tick in 0..30 {
            uptime.saw(NOW + tick * 60, Seen::Up);
        }
        uptime.saw(NOW + 365 * DAY, Seen::Up);
        for tick in 30..60 {
            let now = NOW + tick * 60;
            uptime.set_back(now);
            uptime.saw(now, Seen::Down);
        }
        let seen = uptime.over(1, NOW + 3600);
        // The last one before stands for an hour, as it seemed that nobody looked for a year.
        assert_eq!((seen.up, seen.down, seen.samples), (29 * 60 + HOLD, 30 * 60, 60));
    }

    proptest! {
        #[test]
        fn no_second_is_lost_or_counted_twice(steps in prop::collection::vec((0..20_000i64, 0..3u8), 1..200)) {
            let mut uptime = Uptime::default();
            let mut at = NOW;
            for (step, seen) in &steps {
                at += step;
                uptime.saw(at, [Seen::Up, Seen::Down, Seen::Unknown][usize::from(*seen)]);
            }
            let all = uptime.over(400, at);
            let first = NOW + steps[0].0;
            prop_assert_eq!(all.up + all.down + all.unknown + all.gap, at - first + uptime.step);
            prop_assert_eq!(all.samples, steps.len() as u64);
            prop_assert!(all.percent(1).is_none_or(|percent| (0.0..=100.0).contains(&percent)));
        }
    }
}
