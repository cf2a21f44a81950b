//! Names of backup files: made by a pattern, and read back by it. The time in them is when the backup began, in UTC.

use crate::sealed;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ml_common::files::name_stamp;
use ml_common::{Class, Failure, Result};

/// What stands for what in a pattern.
const PLACEHOLDERS: &str = "{system}, {database}, {date} (YYYYMMDD) and {time} (HHMMSS)";

/// No file name is longer on the usual systems; temporary names and companions add to it.
const LONGEST: usize = 200;

/// Endings that belong to other files of a backup.
const TAKEN: [&str; 4] = [".json", ".sql", ".partial", sealed::SUFFIX];

/// How the backups of one database are named: `{system}-{date}-{time}.dump`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Date,
    Time,
}

impl Pattern {
    /// Reads a pattern and fills in what does not change.
    ///
    /// # Errors
    /// Class Config when it makes no names of files, or names from which date and time cannot be told.
    pub fn parse(pattern: &str, system: &str, database: &str) -> Result<Pattern> {
        Pattern::of("BACKUP_NAME", pattern, system, database)
    }

    /// The same of another setting's pattern.
    ///
    /// # Errors
    /// As [`Pattern::parse`].
    pub fn of(setting: &str, pattern: &str, system: &str, database: &str) -> Result<Pattern> {
        let wrong = |why: String| {
            Failure::new(Class::Config, format!("{setting} is '{pattern}', {why}"))
                .hint(format!("write something like {{system}}-{{date}}-{{time}}.dump; known are {PLACEHOLDERS}"))
        };
        let mut pieces: Vec<Piece> = Vec::new();
        let mut rest = pattern;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            let (word, after) =
                brace.strip_prefix('{').and_then(|rest| rest.split_once('}')).ok_or_else(|| wrong("whose braces do not match".into()))?;
            add(&mut pieces, before);
            match word {
                "system" => add(&mut pieces, system),
                // Whatever a database may be called.
                "database" => add(&mut pieces, &database.replace(is_bad, "_")),
                "date" => pieces.push(Piece::Date),
                "time" => pieces.push(Piece::Time),
                other => return Err(wrong(format!("and {{{other}}} stands for nothing"))),
            }
            rest = after;
        }
        add(&mut pieces, rest);
        for (piece, word) in [(Piece::Date, "{date}"), (Piece::Time, "{time}")] {
            if pieces.iter().filter(|other| **other == piece).count() != 1 {
                return Err(wrong(format!("which must hold {word} once: retention goes by it")));
            }
        }
        let pattern = Pattern(pieces);
        let name = pattern.name(Timestamp::UNIX_EPOCH);
        if name.starts_with('.') || name.contains(is_bad) || name.ends_with([' ', '.']) {
            return Err(wrong(format!("which makes '{}', no plain name of a file", name.escape_debug())));
        }
        if let Some(ending) = TAKEN.into_iter().find(|ending| name.ends_with(ending)) {
            return Err(wrong(format!("which ends with {ending}: other files beside a dump have that ending")));
        }
        if name.len() > LONGEST {
            return Err(wrong(format!("which makes names of {} bytes; {LONGEST} are the limit", name.len())));
        }
        Ok(pattern)
    }

    /// The name of a backup that begins at `at`.
    pub fn name(&self, at: Timestamp) -> String {
        let stamp = name_stamp(at);
        let (date, time) = stamp.split_once('-').unwrap_or_default();
        let text = |piece: &Piece| match piece {
            Piece::Text(text) => text.clone(),
            Piece::Date => date.to_owned(),
            Piece::Time => time.to_owned(),
        };
        self.0.iter().map(text).collect()
    }

    /// When the backup of that name began, encrypted or not; None when it is not one of these.
    pub fn read(&self, name: &str) -> Option<Timestamp> {
        let mut rest = name.strip_suffix(sealed::SUFFIX).unwrap_or(name);
        let (mut date, mut time) = ("", "");
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => rest = rest.strip_prefix(text.as_str())?,
                Piece::Date => (date, rest) = rest.split_at_checked(8)?,
                Piece::Time => (time, rest) = rest.split_at_checked(6)?,
            }
        }
        if rest.is_empty() { stamp(&format!("{date}-{time}")) } else { None }
    }
}

fn add(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
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

/// What no file name may hold, on one system or another.
fn is_bad(c: char) -> bool {
    c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
}

/// Makes sure that the system's name can begin a file name.
///
/// # Errors
/// Class Config when it cannot.
pub fn check_system(system: &str) -> Result<()> {
    if system.is_empty() || system.starts_with('.') || system.contains(is_bad) {
        return Err(Failure::new(Class::Config, format!("SYSTEM is '{system}', which cannot begin the name of a file"))
            .hint("set SYSTEM to a plain word: letters, digits, - and _"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual(system: &str) -> Pattern {
        Pattern::parse("{system}-{date}-{time}.dump", system, "db").unwrap()
    }

    #[test]
    fn names_are_read_back() {
        let at: Timestamp = "2025-01-08T02:00:00Z".parse().unwrap();
        assert_eq!(usual("mathledger").name(at), "mathledger-20250108-020000.dump");
        assert_eq!(usual("mathledger").read("mathledger-20250108-020000.dump"), Some(at));
        assert_eq!(usual("mathledger").read("mathledger-20250108-020000.dump.age"), Some(at));
        assert_eq!(usual("math-ledger").read("math-ledger-20250108-020000.dump"), Some(at));
        let odd = Pattern::parse("{database}_{time}T{date}", "s", "a/b: ü").unwrap();
        assert_eq!(odd.name(at), "a_b_ ü_020000T20250108");
        assert_eq!(odd.read("a_b_ ü_020000T20250108"), Some(at));
        assert_eq!(odd.read("a_b_ ü_020000T2025010ü"), None);
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        for name in [
            "mathledger-staging-20250108-020000.dump",
            "staging-mathledger-20250108-020000.dump",
            "mathledger-20250108-020000.dump.json",
            "mathledger-20250108-020000.dump.bak",
            "mathledger-20250108-020000.dump.age.age",
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
            assert_eq!(usual("mathledger").read(name), None, "{name}");
        }
    }

    #[test]
    fn mistakes_in_a_pattern_are_told() {
        for (pattern, told) in [
            ("", "must hold {date} once"),
            ("{system}.dump", "must hold {date} once"),
            ("{date}{date}{time}", "must hold {date} once"),
            ("{system}-{date}.dump", "must hold {time} once"),
            ("{systme}-{date}-{time}.dump", "{systme} stands for nothing"),
            ("{system-{date}-{time}.dump", "stands for nothing"),
            ("system}-{date}-{time}.dump", "braces"),
            ("{date}-{time}.dump{", "braces"),
            ("daily/{date}-{time}.dump", "no plain name"),
            ("../{date}-{time}.dump", "no plain name"),
            (".{date}-{time}.dump", "no plain name"),
            ("{date}-{time}.", "no plain name"),
            ("a\n{date}-{time}", "no plain name"),
            ("{date}-{time}.json", "ends with .json"),
            ("{date}-{time}.dump.age", "ends with .age"),
            (&format!("{}{{date}}{{time}}", "x".repeat(200)), "214 bytes"),
        ] {
            let failure = Pattern::parse(pattern, "s", "d").unwrap_err();
            assert!(failure.class == Class::Config && failure.message.contains(told), "{pattern}: {failure}");
            assert!(failure.hint.unwrap().contains("{system}-{date}-{time}.dump"));
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
