//! `rate_limit`, of probes of any kind: kept from run to run, so that whoever looks every minute from cron and by hand does not use up a quota.
//!
//! One number is remembered, the time at which all requests so far would have been due had they come evenly (the generic cell rate
//! algorithm). As many as the limit names may come at once.

use super::Unseen;
use jiff::Timestamp;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use serde_json::{Value, json};
use std::time::Duration;

/// So many requests in so long.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    count: u32,
    period: Duration,
}

/// Under which name the time is remembered.
const KEY: &str = "due_ms";

impl Pace {
    /// Reads `3/s`, `100/m`, `5000/h`, `1/d`.
    ///
    /// # Errors
    /// Class Config when it is none.
    pub fn parse(text: &str) -> Result<Pace> {
        let parsed = text.split_once('/').and_then(|(count, unit)| {
            let count: u32 = count.trim().parse().ok().filter(|count| *count > 0)?;
            let seconds = match unit.trim() {
                "s" => 1,
                "m" | "min" => 60,
                "h" => 3600,
                "d" => 86_400,
                _ => return None,
            };
            Some(Pace { count, period: Duration::from_secs(seconds) })
        });
        let wrong = || Failure::new(Class::Config, format!("{text} is not a limit of requests")).hint("write 3/s, 100/m or 5000/h");
        parsed.ok_or_else(wrong)
    }

    /// How long to wait before the next request, which is then noted. A wait longer than `patience` is the error, and nothing is noted.
    pub fn take(self, memory: &mut Value, now: Timestamp, patience: Duration) -> Result<Duration, Duration> {
        let (now, period) = (now.as_millisecond() as f64, self.period.as_secs_f64() * 1000.0);
        let each = period / f64::from(self.count);
        // Nobody could have noted more than this: a clock that was set back locks nobody out.
        let latest = now + period + patience.as_secs_f64() * 1000.0;
        let due = memory.get(KEY).and_then(Value::as_f64).unwrap_or(now).min(latest);
        let wait = Duration::try_from_secs_f64((due - (now + period - each)) / 1000.0).unwrap_or_default();
        if wait > patience {
            *memory = json!({ KEY: due });
            return Err(wait);
        }
        let asked = now + wait.as_secs_f64() * 1000.0;
        *memory = json!({ KEY: due.max(asked) + each });
        Ok(wait)
    }
}

/// The turns of a probe; without a limit there is always one.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    pace: Option<Pace>,
    /// To be kept for the next run.
    pub memory: Value,
    /// The look that has begun has had its turn, and has not used it.
    ready: bool,
}

impl Turns {
    /// Turns by `pace`, with what earlier runs remember of them.
    pub fn new(pace: Option<Pace>, memory: Value) -> Turns {
        Turns { pace, memory, ready: false }
    }

    /// A look begins, once there is a turn for it.
    ///
    /// # Errors
    /// When none comes within `patience`, or a signal does.
    pub fn begin(&mut self, patience: Duration, cancel: &Cancel) -> std::result::Result<(), Unseen> {
        self.ready = false;
        self.next(patience, cancel)?;
        self.ready = true;
        Ok(())
    }

    /// A request of the look that has begun; its first needs no turn of its own.
    ///
    /// # Errors
    /// As [`Turns::begin`].
    pub fn next(&mut self, patience: Duration, cancel: &Cancel) -> std::result::Result<(), Unseen> {
        if let Some(pace) = self.pace.filter(|_| !std::mem::take(&mut self.ready)) {
            let used_up = |wait: Duration| format!("its rate_limit is used up for the next {:.0} s", wait.as_secs_f64().max(1.0));
            let wait = pace.take(&mut self.memory, Timestamp::now(), patience).map_err(|wait| Unseen::Absent(used_up(wait)))?;
            cancel.sleep(wait)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_has_one_turn_and_pays_for_every_further_request() {
        let (cancel, patience) = (Cancel::default(), Duration::from_secs(1));
        let mut turns = Turns::new(Some(Pace::parse("3/h").unwrap()), Value::Null);
        turns.begin(patience, &cancel).unwrap();
        turns.next(patience, &cancel).unwrap();
        turns.next(patience, &cancel).unwrap();
        turns.begin(patience, &cancel).unwrap();
        turns.next(patience, &cancel).unwrap();
        let Unseen::Absent(why) = turns.next(patience, &cancel).unwrap_err() else { panic!() };
        assert!(why.contains("rate_limit is used up for the next 1"), "{why}");
        let mut later = Turns::new(Some(Pace::parse("3/h").unwrap()), turns.memory);
        assert!(later.begin(patience, &cancel).is_err(), "the next run knows");
        // A look that asks nothing further has had its turn all the same, and one without a limit always has one.
        let mut one = Turns::new(Some(Pace::parse("1/h").unwrap()), Value::Null);
        assert!(one.begin(patience, &cancel).is_ok() && one.begin(patience, &cancel).is_err());
        let mut free = Turns::default();
        assert!((0..100).all(|_| free.begin(Duration::ZERO, &cancel).is_ok() && free.next(Duration::ZERO, &cancel).is_ok()));
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    #[test]
    fn as_many_as_allowed_come_at_once_and_the_next_waits() {
        let (pace, mut memory) = (Pace::parse("3/s").unwrap(), Value::Null);
        let patience = Duration::from_secs(1);
        for _ in 0..3 {
            assert_eq!(pace.take(&mut memory, at(0), patience), Ok(Duration::ZERO));
        }
        let wait = pace.take(&mut memory, at(0), patience).unwrap().as_millis();
        assert!((332..=334).contains(&wait), "{wait}");
        let before = memory.clone();
        let wait = pace.take(&mut memory, at(0), Duration::from_millis(500)).unwrap_err().as_millis();
        assert!((665..=667).contains(&wait) && memory == before, "{wait}: what is not asked is not noted");
        assert_eq!(pace.take(&mut memory, at(5000), patience), Ok(Duration::ZERO), "rest restores all");
    }

    #[test]
    fn no_second_has_more_requests_than_the_limit() {
        let (pace, mut memory) = (Pace::parse("60/m").unwrap(), Value::Null);
        let asked: Vec<i64> = (0..600).filter(|tick| pace.take(&mut memory, at(tick * 500), Duration::ZERO).is_ok()).collect();
        // A burst of 60 and then one a second.
        assert!((358..=361).contains(&asked.len()), "{}", asked.len());
    }

    #[test]
    fn a_clock_that_was_set_back_or_a_strange_memory_locks_nobody_out() {
        let pace = Pace::parse("1/m").unwrap();
        let mut memory = json!({ KEY: 9e15 });
        assert_eq!(pace.take(&mut memory, at(0), Duration::from_secs(5)), Err(Duration::from_secs(65)));
        assert_eq!(pace.take(&mut memory, at(65_000), Duration::from_secs(5)), Ok(Duration::ZERO));
        let mut memory = json!({ KEY: "soon" });
        assert_eq!(pace.take(&mut memory, at(0), Duration::ZERO), Ok(Duration::ZERO));
        for wrong in ["", "3", "0/s", "-1/s", "3/y", "3 per s", "x/s"] {
            assert_eq!(Pace::parse(wrong).unwrap_err().class, Class::Config, "{wrong}");
        }
    }
}
