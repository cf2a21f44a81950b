//! Names of backup files: `SYSTEM-YYYYMMDD-HHMMSS.dump`, the time being when the backup began, in UTC.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ml_common::files::name_stamp;
use ml_common::{Class, Failure, Result};

/// The ending of a dump.
pub const SUFFIX: &str = ".dump";

/// The name of a backup of `system` that begins at `at`.
pub fn of(system: &str, at: Timestamp) -> String {
    format!("{system}-{}{SUFFIX}", name_stamp(at))
}

/// When the backup of that name began; None when it is not one of this system's.
pub fn parse(system: &str, name: &str) -> Option<Timestamp> {
    stamp(name.strip_prefix(system)?.strip_prefix('-')?.strip_suffix(SUFFIX)?)
}

/// A moment as file and database names carry it: `20250108-020000`, or with `_`.
pub fn stamp(text: &str) -> Option<Timestamp> {
    let shaped =
        text.len() == 15 && text.bytes().enumerate().all(|(i, b)| if i == 8 { b == b'-' || b == b'_' } else { b.is_ascii_digit() });
    let number = |range: std::ops::Range<usize>| text.get(range)?.parse::<i16>().ok();
    if !shaped {
        return None;
    }
    let small = |range: std::ops::Range<usize>| number(range).and_then(|n| i8::try_from(n).ok());
    let civil = DateTime::new(number(0..4)?, small(4..6)?, small(6..8)?, small(9..11)?, small(11..13)?, small(13..15)?, 0).ok()?;
    TimeZone::UTC.to_timestamp(civil).ok()
}

/// Makes sure that the system's name can begin a file name.
///
/// # Errors
/// Class Config when it cannot.
pub fn check_system(system: &str) -> Result<()> {
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    if system.is_empty() || system.starts_with('.') || system.contains(bad) {
        return Err(Failure::new(Class::Config, format!("SYSTEM is '{system}', which cannot begin the name of a file"))
            .hint("set SYSTEM to a plain word: letters, digits, - and _"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let at: Timestamp = "2025-01-08T02:00:00Z".parse().unwrap();
        assert_eq!(of("mathledger", at), "mathledger-20250108-020000.dump");
        assert_eq!(parse("mathledger", "mathledger-20250108-020000.dump"), Some(at));
        assert_eq!(parse("math-ledger", "math-ledger-20250108-020000.dump"), Some(at));
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for name in [
            "mathledger-staging-20250108-020000.dump",
            "staging-mathledger-20250108-020000.dump",
            "mathledger-20250108-020000.dump.json",
            "mathledger-20250108-020000.dump.bak",
            ".mathledger-20250108-020000.dump.x.partial",
            "mathledger-20250108-020000",
            "mathledger-2025010-8020000.dump",
            "mathledger-20251308-020000.dump",
            "mathledger-20250230-020000.dump",
            "mathledger-20250108-240000.dump",
            "mathledger-+0250108-020000.dump",
            "mathledger-２0250108-020000.dump",
            "mathledger-20250108-020000.DUMP",
            "mathledger20250108-020000.dump",
            "mathledger-before-upgrade.dump",
            "mathledger-",
            "",
        ] {
            assert_eq!(parse("mathledger", name), None, "{name}");
        }
    }

    #[test]
    fn a_leap_day_is_a_day() {
        assert!(stamp("20240229-235959").is_some() && stamp("20230229-235959").is_none() && stamp("20240229_235959").is_some());
    }

    #[test]
    fn a_system_must_make_a_file_name() {
        for good in ["mathledger", "logos pxl", "lögos"] {
            assert!(check_system(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "..", ".x", "a\nb", "c:d"] {
            assert_eq!(check_system(bad).unwrap_err().class, Class::Config, "{bad}");
        }
    }
}
