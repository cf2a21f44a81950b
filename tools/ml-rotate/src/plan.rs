//! What is to be done, as pure decisions: which log is due, which rotated files go, which are compressed, which old files go.

use crate::name::Pattern;
use crate::rules::{Clean, Every, Rotate};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use ml_common::people::human_bytes;
use std::path::PathBuf;
use std::time::Duration;

/// Seconds of a day.
const DAY: u64 = 86_400;

/// The moment of a rotation may be so far ahead of the clock.
const AHEAD: Duration = Duration::from_secs(3600);

/// A log as it is found.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Its size.
    pub bytes: u64,
    /// When it was made, where the system knows.
    pub born: Option<Timestamp>,
}

/// A rotated file; compressed and not yet removed, it may be there twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// When it was rotated.
    pub at: Timestamp,
    /// Its name without the ending of its compression.
    pub plain: String,
    /// Where it is: not compressed first.
    pub paths: Vec<PathBuf>,
    /// Bytes on disk.
    pub bytes: u64,
}

/// Why a log is rotated, or why it is not.
pub type Due = Result<String, String>;

/// Whether a log is rotated now; `newest` is when it was rotated last.
pub fn due(rule: &Rotate, log: Log, newest: Option<Timestamp>, now: Timestamp, force: bool) -> Due {
    if log.bytes == 0 {
        return Err("it is empty".into());
    }
    if force {
        return Ok("asked for".into());
    }
    if let Some(least) = rule.min_size.filter(|least| log.bytes < *least) {
        return Err(format!("{} are less than {}", human_bytes(log.bytes), human_bytes(least)));
    }
    if let Some(size) = rule.size.filter(|size| log.bytes >= *size) {
        return Ok(format!("{} reach {}", human_bytes(log.bytes), human_bytes(size)));
    }
    let Some(every) = rule.every else {
        let small = rule.size.map(|size| format!("{} are less than {}", human_bytes(log.bytes), human_bytes(size)));
        return small.map_or_else(|| Ok("each run".into()), Err);
    };
    match newest.or(log.born) {
        // A clock was wrong then; it would be wrong for as long to wait.
        Some(last) if is_ahead(last, now) => Ok(format!("{}, and {last} is yet to come", told(every))),
        Some(last) if !is_over(every, last, now) => Err(format!("{} since {last}", told(every))),
        _ => Ok(told(every).into_owned()),
    }
}

fn told(every: Every) -> std::borrow::Cow<'static, str> {
    match every {
        Every::Hour => "hourly".into(),
        Every::Day => "daily".into(),
        Every::Week => "weekly".into(),
        Every::Month => "monthly".into(),
        Every::Span(span) => format!("every {}", in_days(span)).into(),
    }
}

/// A time in days, not in months, which are of many lengths: `31d`, `1d 12h`.
pub fn in_days(time: Duration) -> String {
    let (days, rest) = (time.as_secs() / DAY, Duration::new(time.as_secs() % DAY, time.subsec_nanos()));
    match (days, rest.is_zero()) {
        (0, _) => humantime::format_duration(rest).to_string(),
        (_, true) => format!("{days}d"),
        _ => format!("{days}d {}", humantime::format_duration(rest)),
    }
}

/// The least time that rotated files can be kept for: the newest has to be there until the next rotation is due, as its name alone says when the last
/// one was; and a name without a time of the day is read as its midnight.
pub fn least_kept_for(every: Option<Every>, name: &Pattern) -> Duration {
    let next = match every {
        None => Duration::from_secs(1),
        Some(Every::Hour) => Duration::from_secs(3600),
        Some(Every::Day) => Duration::from_secs(DAY),
        Some(Every::Week) => Duration::from_secs(7 * DAY),
        Some(Every::Month) => Duration::from_secs(31 * DAY),
        Some(Every::Span(span)) => span,
    };
    next.max(Duration::from_secs(if name.is_daily() { DAY } else { 1 }))
}

/// Whether a rotation is yet to come: more than clocks are set back by, or than the names of a few in one second are ahead.
pub fn is_ahead(last: Timestamp, now: Timestamp) -> bool {
    elapsed(now, last) > AHEAD
}

/// Whether another hour, day, week or month has begun. A clock that was set back a little begins none.
fn is_over(every: Every, last: Timestamp, now: Timestamp) -> bool {
    let number = |at: Timestamp| {
        let day = at.as_second().div_euclid(86_400);
        match every {
            Every::Hour => at.as_second().div_euclid(3600),
            Every::Day => day,
            // The first of January 1970 was a Thursday.
            Every::Week => (day + 3).div_euclid(7),
            Every::Month => {
                let date = at.to_zoned(TimeZone::UTC).date();
                i64::from(date.year()) * 12 + i64::from(date.month())
            }
            Every::Span(_) => 0,
        }
    };
    match every {
        Every::Span(span) => elapsed(last, now) >= span,
        _ => number(now) > number(last),
    }
}

/// The moment that a new rotated file is named by: later than all before it, so that their names are in their order.
pub fn moment(now: Timestamp, newest: Option<Timestamp>) -> Timestamp {
    let next = newest.and_then(|newest| newest.checked_add(jiff::SignedDuration::from_secs(1)).ok());
    next.map_or(now, |next| next.max(now))
}

/// The rotated files that go, with the reason; `kept` has the newest first.
pub fn surplus(rule: &Rotate, kept: &[Kept], now: Timestamp) -> Vec<(usize, String)> {
    let (mut going, mut total) = (Vec::new(), 0_u64);
    for (at, file) in kept.iter().enumerate() {
        total = total.saturating_add(file.bytes);
        let reason = if rule.keep.is_some_and(|keep| at as u64 >= keep) {
            format!("{} newer ones are kept", rule.keep.unwrap_or_default())
        } else if rule.keep_for.is_some_and(|limit| elapsed(file.at, now) > limit) {
            format!("older than {}", in_days(rule.keep_for.unwrap_or_default()))
        } else if let Some(most) = rule.max_total.filter(|most| at > 0 && total > *most) {
            // All older ones exceed it as well.
            format!("with the newer ones more than {}", human_bytes(most))
        } else {
            continue;
        };
        going.push((at, reason));
    }
    going
}

/// Whether a rotated file is to be compressed, `at` counting from the newest.
pub fn is_packed(rule: &Rotate, at: usize) -> bool {
    rule.compress != crate::rules::Packing::None && !(rule.delay_compress && at == 0)
}

/// An old file as it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    /// Where.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// When it was written last.
    pub written: Timestamp,
}

/// Which of these files go or are compressed, the oldest first. The newest are never removed, whatever their age.
pub fn cleaning(rule: &Clean, mut files: Vec<Old>, now: Timestamp) -> Vec<Old> {
    files.sort_by(|a, b| b.written.cmp(&a.written).then_with(|| b.path.cmp(&a.path)));
    let spared = if rule.compress.is_some() { 0 } else { usize::try_from(rule.keep.max(1)).unwrap_or(usize::MAX) };
    let mut old: Vec<Old> = files.into_iter().skip(spared).filter(|file| elapsed(file.written, now) > rule.older).collect();
    old.reverse();
    old
}

/// How long ago; a time to come is now.
pub fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "plan_tests.rs"]
mod tests;
