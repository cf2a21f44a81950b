//! Which files stay and which are removed, each with its reason: decided from a list of what there is, apart from removing anything.
//!
//! What speaks for a dump is never outvoted: a dump goes when it is too old and nothing speaks for it. The newest good one, the newest that a
//! drill has proven, and the one that the pointer names stay whatever their age: a clock that is wrong must not cost the last backup.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ml_common::Result;
use ml_common::settings::Settings;
use std::collections::BTreeMap;

/// A dump of this system in the folder of the backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its file's name.
    pub name: String,
    /// When it began, by its name.
    pub at: Timestamp,
    /// Size of the file.
    pub bytes: u64,
    /// Why it does not count as good; `None` when it does: there is a manifest, and the size is as written there.
    pub flaw: Option<String>,
    /// When a drill has proven this very file.
    pub proven: Option<Timestamp>,
}

/// Something else of ours: a file that a killed run left half-written, or one that belongs to a dump that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// How long backups are kept. What any rule keeps is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Days; 0 keeps all.
    pub days: u64,
    /// Of the newest good ones at least so many.
    pub last: u64,
    /// The newest good one of each of the last so many days that have one.
    pub daily: u64,
    /// The same of weeks, which begin on Monday.
    pub weekly: u64,
    /// The same of months.
    pub monthly: u64,
}

impl Rules {
    /// The rules of the settings `BACKUP_RETENTION_DAYS`, `BACKUP_KEEP_LAST`, ... when `prefix` is `BACKUP`.
    ///
    /// # Errors
    /// Class Config when one is no count.
    pub fn of(settings: &Settings, prefix: &str) -> Result<Rules> {
        let count = |name: &str| settings.count(&format!("{prefix}_{name}"));
        let (days, last, daily) = (count("RETENTION_DAYS")?, count("KEEP_LAST")?, count("KEEP_DAILY")?);
        Ok(Rules { days, last, daily, weekly: count("KEEP_WEEKLY")?, monthly: count("KEEP_MONTHLY")? })
    }
}

/// What happens to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its name; what belongs to a dump goes with it.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Whether it goes.
    pub remove: bool,
    /// Why.
    pub reason: String,
}

/// A run that is still at work after a day is none.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// Decides about every backup, oldest first. `pointed` is the name that the pointer gives.
pub fn plan(backups: &[Backup], pointed: Option<&str>, now: Timestamp, rules: Rules) -> Vec<Decision> {
    let mut sorted: Vec<&Backup> = backups.iter().collect();
    sorted.sort_by_key(|backup| (backup.at, &backup.name));
    let good: Vec<&Backup> = sorted.iter().copied().rev().filter(|backup| backup.flaw.is_none()).collect();
    let spoken = spoken_for(&good, pointed, rules);
    let decide = |backup: &&Backup| {
        let mut reasons = spoken.get(backup.name.as_str()).cloned().unwrap_or_default();
        let age = now.duration_since(backup.at);
        let days = age.as_hours() / 24;
        if good.is_empty() {
            reasons.push("there is no good backup".into());
        }
        if rules.days == 0 {
            reasons.push("all are, as no number of days is set".into());
        } else if age <= limit(rules.days) {
            reasons.push(format!("{} days old, kept for {}", days.max(0), rules.days));
        }
        let flaw = backup.flaw.as_deref().map(|flaw| format!("; {flaw}")).unwrap_or_default();
        let remove = reasons.is_empty();
        let reason = if remove {
            let newest = good.first().map_or("", |newest| newest.name.as_str());
            format!("removed: {days} days old, kept for {}{flaw}; the newest good backup is {newest}", rules.days)
        } else {
            format!("kept: {}{flaw}", reasons.join(", "))
        };
        Decision { name: backup.name.clone(), bytes: backup.bytes, remove, reason }
    };
    sorted.iter().map(decide).collect()
}

/// The name of the day, week or month that a date is in.
type Period = fn(Date) -> String;

/// The names of good backups that something but their age speaks for; `good` has the newest first.
fn spoken_for<'a>(good: &[&'a Backup], pointed: Option<&str>, rules: Rules) -> BTreeMap<&'a str, Vec<String>> {
    let mut spoken: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut speak = |backup: &&'a Backup, why: String| spoken.entry(backup.name.as_str()).or_default().push(why);
    good.iter().take(1).for_each(|backup| speak(backup, "newest good".into()));
    good.iter().filter(|backup| Some(backup.name.as_str()) == pointed).for_each(|backup| speak(backup, "latest made".into()));
    good.iter().find(|backup| backup.proven.is_some()).into_iter().for_each(|backup| speak(backup, "newest proven".into()));
    let last_proven = good.iter().filter(|backup| backup.proven.is_some()).max_by_key(|backup| (backup.proven, backup.at));
    last_proven.into_iter().for_each(|backup| speak(backup, "proven last".into()));
    let last = count(rules.last);
    good.iter().take(last).for_each(|backup| speak(backup, format!("of the last {last}")));
    let periods: [(u64, Period); 3] = [
        (rules.daily, |date| format!("daily {date}")),
        (rules.weekly, |date| {
            let week = date.iso_week_date();
            format!("weekly {}-W{:02}", week.year(), week.week())
        }),
        (rules.monthly, |date| format!("monthly {:04}-{:02}", date.year(), date.month())),
    ];
    for (wanted, period) in periods {
        let mut seen: Vec<String> = Vec::new();
        for backup in good {
            let name = period(backup.at.to_zoned(TimeZone::UTC).date());
            if seen.last() != Some(&name) && seen.len() < count(wanted) {
                speak(backup, name.clone());
                seen.push(name);
            }
        }
    }
    spoken
}

fn count(wanted: u64) -> usize {
    usize::try_from(wanted).unwrap_or(usize::MAX)
}

fn limit(days: u64) -> SignedDuration {
    SignedDuration::from_hours(i64::try_from(days.saturating_mul(24)).unwrap_or(i64::MAX).min(i64::MAX / 3600))
}

/// Decides about the leftovers: they go when nobody has written to them for a day.
pub fn leftovers(leftovers: &[Leftover], now: Timestamp) -> Vec<Decision> {
    let decide = |leftover: &Leftover| {
        let remove = now.duration_since(leftover.modified) > DAY;
        let reason = if remove { "removed: left behind by a run that was killed" } else { "kept: a run may still be at work on it" };
        Decision { name: leftover.name.clone(), bytes: leftover.bytes, remove, reason: reason.into() }
    };
    leftovers.iter().map(decide).collect()
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
