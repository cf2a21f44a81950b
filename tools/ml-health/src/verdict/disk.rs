//! Verdicts on the disks that exports and backups go to.

use super::at_least;
use crate::check::Finding;
use crate::limits::Limits;
use ml_common::Status;
use ml_common::people::human_bytes;

/// `free` of `total` bytes on the disk of `folder`.
pub fn space(folder: &str, free: u64, total: u64, limits: &Limits) -> Finding {
    if total == 0 {
        return Finding::bad(Status::Unknown, format!("the disk of {folder} does not tell its size"), "look with df");
    }
    let share = free as f64 * 100.0 / total as f64;
    let warn = total as f64 / 100.0 * limits.disk_percent;
    let summary = format!("{} free ({share:.0}%) for {folder}", human_bytes(free));
    let finding = Finding {
        status: Some(if free < limits.disk_min {
            Status::Crit
        } else if (free as f64) < warn {
            Status::Warn
        } else {
            Status::Ok
        }),
        warn: at_least(warn.floor()),
        crit: at_least(limits.disk_min),
        ..Finding::ok(summary)
    };
    let finding = finding.value(free, "bytes").metric("free_percent", super::rounded(share)).metric("total_bytes", total);
    if finding.status() == Status::Ok {
        return finding;
    }
    let hint = "free space there or name a larger disk (EXPORTS_DIR, BACKUP_DIR); BACKUP_RETENTION_DAYS decides how long backups are kept";
    Finding { hint: Some(hint.into()), ..finding }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::usual;

    #[test]
    fn bytes_decide_what_is_critical_and_per_cent_what_is_worth_a_warning() {
        const GIB: u64 = 1 << 30;
        const MIB: u64 = 1 << 20;
        for (free, total, status) in [
            (50 * GIB, 100 * GIB, Status::Ok),
            (14 * GIB, 100 * GIB, Status::Warn),
            (200 * MIB, 1 << 28, Status::Ok),
            (199 * MIB, 1 << 28, Status::Crit),
            (0, 100 * GIB, Status::Crit),
            (0, 0, Status::Unknown),
        ] {
            let finding = space("/backups", free, total, &usual());
            assert_eq!(finding.status(), status, "{free} of {total}");
            assert_eq!(finding.hint.is_some(), status != Status::Ok);
        }
    }

    #[test]
    fn thresholds_are_ranges_in_the_unit_of_the_value() {
        let finding = space("/backups", 10_000_000_000, 100_000_000_000, &usual());
        assert_eq!((finding.warn, finding.crit), (Some("15000000000:".into()), Some("209715200:".into())));
        assert_eq!(finding.summary, "9.3 GiB free (10%) for /backups");
    }
}
