//! Which files are removed: decided from a list of what there is, apart from removing them.

use jiff::{SignedDuration, Timestamp};

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
}

/// Something else of ours: a file that a killed run left half-written, or a manifest without its dump.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// Its name.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// When it was last written.
    pub modified: Timestamp,
}

/// A file to be removed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// Its name; a dump's manifest goes with it.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Why.
    pub reason: String,
}

/// A run that is still at work after a day is none.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// The backups to remove, oldest first: older than `days`, but never the newest good one, and none when there is no good one. 0 days keep all.
pub fn removals(backups: &[Backup], now: Timestamp, days: u64) -> Vec<Removal> {
    let good = backups.iter().filter(|backup| backup.flaw.is_none()).max_by_key(|backup| (backup.at, &backup.name));
    let (Some(newest), 1..) = (good, days) else { return Vec::new() };
    let limit = SignedDuration::from_hours(i64::try_from(days.saturating_mul(24)).unwrap_or(i64::MAX / 3600).min(i64::MAX / 3600));
    let mut old: Vec<&Backup> =
        backups.iter().filter(|backup| now.duration_since(backup.at) > limit && backup.name != newest.name).collect();
    old.sort_by_key(|backup| (backup.at, &backup.name));
    let removal = |backup: &Backup| {
        let age = now.duration_since(backup.at).as_hours() / 24;
        let flaw = backup.flaw.as_deref().map(|flaw| format!("; {flaw}")).unwrap_or_default();
        let reason = format!("{age} days old, kept for {days}{flaw}; the newest good backup is {}", newest.name);
        Removal { name: backup.name.clone(), bytes: backup.bytes, reason }
    };
    old.into_iter().map(removal).collect()
}

/// The leftovers to remove: nobody has written to them for a day.
pub fn stale(leftovers: &[Leftover], now: Timestamp) -> Vec<Removal> {
    let old = leftovers.iter().filter(|leftover| now.duration_since(leftover.modified) > DAY);
    let reason = "left behind by a run that was killed more than a day ago".to_owned();
    old.map(|leftover| Removal { name: leftover.name.clone(), bytes: leftover.bytes, reason: reason.clone() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    fn now() -> Timestamp {
        "2025-03-01T02:00:00Z".parse().unwrap()
    }

    fn backup(name: &str, hours_old: i64, good: bool) -> Backup {
        let flaw = (!good).then(|| "it has no manifest".to_owned());
        Backup { name: name.into(), at: now() - SignedDuration::from_secs(hours_old * HOUR), bytes: 5, flaw }
    }

    fn removed(backups: &[Backup], days: u64) -> Vec<String> {
        removals(backups, now(), days).into_iter().map(|removal| removal.name).collect()
    }

    #[test]
    fn what_is_older_goes_oldest_first() {
        let backups = [backup("new", 0, true), backup("old", 31 * 24, true), backup("edge", 30 * 24, true), backup("older", 90 * 24, true)];
        assert_eq!(removed(&backups, 30), ["older", "old"]);
        assert_eq!(removed(&backups, 40), ["older"]);
        assert_eq!(removed(&backups, 0), Vec::<String>::new());
        assert_eq!(removed(&backups, u64::MAX), Vec::<String>::new());
    }

    #[test]
    fn the_newest_good_one_stays_whatever_its_age() {
        let backups =
            [backup("good", 400 * 24, true), backup("older", 500 * 24, true), backup("torn", 100 * 24, false), backup("bad", 1, false)];
        assert_eq!(removed(&backups, 30), ["older", "torn"]);
        let reason = &removals(&backups, now(), 30)[1].reason;
        assert_eq!(reason, "100 days old, kept for 30; it has no manifest; the newest good backup is good");
    }

    #[test]
    fn without_a_good_one_nothing_goes() {
        assert_eq!(removed(&[backup("a", 400 * 24, false), backup("b", 500 * 24, false)], 30), Vec::<String>::new());
        assert_eq!(removed(&[], 30), Vec::<String>::new());
    }

    #[test]
    fn a_clock_that_went_back_removes_nothing_it_should_not() {
        let backups = [backup("future", -1000, true), backup("now", 0, true)];
        assert_eq!(removed(&backups, 1), Vec::<String>::new());
        // The newest good one by its name is from the future; the one just made is young all the same.
        assert_eq!(removed(&[backup("future", -1000, true), backup("now", 0, true), backup("old", 48, true)], 1), ["old"]);
    }

    #[test]
    fn leftovers_of_the_living_stay() {
        let leftover =
            |name: &str, hours: i64| Leftover { name: name.into(), bytes: 1, modified: now() - SignedDuration::from_secs(hours * HOUR) };
        let names: Vec<String> = stale(&[leftover("young", 23), leftover("stale", 25), leftover("future", -5)], now())
            .into_iter()
            .map(|removal| removal.name)
            .collect();
        assert_eq!(names, ["stale"]);
    }
}
