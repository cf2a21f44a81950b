//! Verdicts on the backups: how old the newest is, and the newest that a drill has proven.

use super::not_above;
use crate::check::Finding;
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;

/// A good backup, by its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// Its file's name.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// When a drill proved this very file.
    pub proven: Option<Timestamp>,
}

/// The age of the newest good backup, which had better be below `limit`. `flaw`: why the one that was made last is not there as it was made.
pub fn newest(backups: &[Backup], flaw: Option<&str>, folder: &str, now: Timestamp, limit: Option<SignedDuration>) -> Finding {
    if let Some(flaw) = flaw {
        let hint = "make a new one with ml-backup at once, and find out who touched that one";
        return match backups.iter().max_by_key(|backup| (backup.began, &backup.name)) {
            None => Finding::bad(Status::Crit, format!("there is no good backup left in {folder}: {flaw}"), hint),
            Some(good) => {
                let age = told(now.duration_since(good.began));
                Finding::bad(
                    Status::Warn,
                    format!("the last backup is not there as it was made ({flaw}); the newest good one is {age} old"),
                    hint,
                )
            }
        };
    }
    let Some(newest) = backups.iter().max_by_key(|backup| (backup.began, &backup.name)) else {
        let hint = "make one with ml-backup, or set BACKUP_DIR to where they are";
        return Finding { hint: Some(hint.into()), ..Finding::skipped(format!("there is no good backup in {folder} yet")) };
    };
    let age = now.duration_since(newest.began);
    let found = Finding::ok(format!("newest backup {} old: {}", told(age), newest.name)).metric("backups", backups.len() as u64);
    judged(found, age, limit, "find out why ml-backup makes none: its records in the nightly logs say")
}

/// The time since a drill last proved a backup. That no backup was ever proven is a warning once one is older than `limit`.
pub fn proven(backups: &[Backup], now: Timestamp, limit: Option<SignedDuration>) -> Finding {
    let hint = "prove one: ml-restore --scratch latest";
    if let Some((at, backup)) = backups.iter().filter_map(|backup| Some((backup.proven?, backup))).max_by_key(|(at, _)| *at) {
        let age = now.duration_since(at);
        return judged(Finding::ok(format!("last proven backup {} old: {}", told(age), backup.name)), age, limit, hint);
    }
    let Some(oldest) = backups.iter().map(|backup| backup.began).min() else {
        return Finding::skipped("there is no backup to prove yet");
    };
    let age = now.duration_since(oldest);
    if limit.is_none_or(|limit| age <= limit) {
        return Finding { hint: Some(hint.into()), ..Finding::skipped("no drill has proven a backup yet") };
    }
    judged(Finding::ok(format!("no drill has proven a backup, and the oldest is {} old", told(age))), age, limit, hint)
}

fn judged(finding: Finding, age: SignedDuration, limit: Option<SignedDuration>, hint: &str) -> Finding {
    let hours = |time: SignedDuration| super::rounded(time.as_secs_f64() / 3600.0);
    let finding = finding.value(hours(age), "h");
    match limit {
        Some(limit) => not_above(finding, hours(age), (hours(limit), None), hint),
        None => finding,
    }
}

/// `26 h`, `3 days`: as people say it.
fn told(age: SignedDuration) -> String {
    match age.as_hours() {
        ..1 => "less than 1 h".to_owned(),
        hours @ 1..72 => format!("{hours} h"),
        hours => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2025-03-01T02:00:00Z".parse().unwrap()
    }

    fn backup(name: &str, hours: i64, proven: Option<i64>) -> Backup {
        let ago = |hours| now() - SignedDuration::from_hours(hours);
        Backup { name: name.into(), began: ago(hours), proven: proven.map(ago) }
    }

    const LIMIT: Option<SignedDuration> = Some(SignedDuration::from_hours(48));

    #[test]
    fn the_newest_counts() {
        let judge = |backups: &[Backup], limit| {
            let finding = newest(backups, None, "/backups", now(), limit);
            (finding.status(), finding.summary, finding.hint.is_some())
        };
        let (old, new) = (backup("old", 500, None), backup("new", 26, None));
        assert_eq!(judge(&[new.clone(), old.clone()], LIMIT), (Status::Ok, "newest backup 26 h old: new".into(), false));
        assert_eq!(judge(std::slice::from_ref(&old), LIMIT), (Status::Warn, "newest backup 20 days old: old".into(), true));
        assert_eq!(judge(&[old], None).0, Status::Ok);
        assert_eq!(judge(&[], LIMIT), (Status::Skipped, "there is no good backup in /backups yet".into(), true));
        // What was made and is not there as it was is no start from nothing.
        let flawed = |backups: &[Backup]| newest(backups, Some("c.dump has 100 bytes"), "/backups", now(), LIMIT);
        assert_eq!(flawed(&[]).status(), Status::Crit);
        assert_eq!(flawed(&[]).summary, "there is no good backup left in /backups: c.dump has 100 bytes");
        assert_eq!(flawed(&[backup("b", 26, None)]).status(), Status::Warn);
        // A clock that was set back.
        assert_eq!(judge(&[backup("future", -9, None)], LIMIT).1, "newest backup less than 1 h old: future");
    }

    #[test]
    fn a_proof_counts_from_its_own_day() {
        let judge = |backups: &[Backup]| {
            let finding = proven(backups, now(), LIMIT);
            (finding.status(), finding.summary)
        };
        let (unproven, proven_late) = (backup("b", 3, None), backup("a", 500, Some(26)));
        assert_eq!(judge(&[proven_late, unproven.clone()]), (Status::Ok, "last proven backup 26 h old: a".into()));
        assert_eq!(judge(&[backup("a", 500, Some(49))]).0, Status::Warn);
        assert_eq!(judge(std::slice::from_ref(&unproven)), (Status::Skipped, "no drill has proven a backup yet".into()));
        let never = judge(&[unproven, backup("a", 72, None)]);
        assert_eq!(never, (Status::Warn, "no drill has proven a backup, and the oldest is 3 days old".into()));
        assert_eq!(judge(&[]).0, Status::Skipped);
    }
}
