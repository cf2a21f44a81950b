//! Names of rotated files: the log's name with the moment of its rotation, so that nothing has to be remembered and nothing is ever renamed again.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use ml_common::files::name_stamp;
use regex::Regex;
use std::path::Path;

/// How rotated files are called: `{name}-{stamp}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: String,
}

/// Recognises the rotated files of one log, or of any.
#[derive(Clone, Debug)]
pub struct Reader(Regex);

/// What the name of a rotated file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// When it was rotated.
    pub at: Timestamp,
    /// Its name without the ending of its compression.
    pub plain: String,
    /// Whether it is compressed.
    pub packed: bool,
    /// Name of the log.
    pub log: String,
}

impl Default for Pattern {
    fn default() -> Pattern {
        Pattern { text: "{name}-{stamp}".to_owned() }
    }
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let dates = text.matches("{date}").count() + text.matches("{stamp}").count();
        let names = text.matches("{name}").count() + text.matches("{stem}").count();
        let plain = ["{date}", "{stamp}", "{name}", "{stem}", "{ext}"].iter().fold(text.to_owned(), |text, part| text.replace(part, ""));
        if dates != 1 || names != 1 || text.matches("{ext}").count() > 1 {
            return Err("it needs one of {name} and {stem}, and one of {date} and {stamp}".to_owned());
        }
        if text.contains("{stem}") != text.contains("{ext}") {
            return Err("{stem} and {ext} belong together: app.log and app.err would have the same names".to_owned());
        }
        if plain.contains(['{', '}', '/', '\\']) {
            return Err("it is one name, of {name}, {stem}, {ext}, {date}, {stamp} and letters".to_owned());
        }
        let before = text.find("{date}").or_else(|| text.find("{stamp}")).map_or("", |at| &text[..at]);
        if !before.ends_with(['.', '-', '_']) {
            return Err("before {date} or {stamp} stands one of . - _".to_owned());
        }
        if text.starts_with('.') || text.ends_with(".gz") || text.ends_with(".zst") {
            return Err("it begins with no point, and the ending of the compression is added to it".to_owned());
        }
        Ok(Pattern { text: text.to_owned() })
    }

    /// Whether a day has only one name by it.
    pub fn is_daily(&self) -> bool {
        self.text.contains("{date}")
    }

    /// The name of what is rotated at that moment; `long` also says the time where the pattern only has the date.
    pub fn name(&self, log: &str, at: Timestamp, long: bool) -> String {
        let stamp = name_stamp(at);
        let date = if long { stamp.as_str() } else { stamp.get(..8).unwrap_or(&stamp) };
        let (stem, ending) = split(log);
        // The log's own name is put in last: it may hold braces.
        let dated = self.text.replace("{date}", date).replace("{stamp}", &stamp);
        dated.replace("{ext}", &ending).replace("{stem}", stem).replace("{name}", log)
    }

    /// Whether the short name stands behind the newest that is kept: a date alone reads as its midnight, and so comes before every time of that day.
    pub fn is_short_enough(&self, at: Timestamp, newest: Option<Timestamp>) -> bool {
        let midnight = at.to_zoned(TimeZone::UTC).start_of_day().map_or(at, |midnight| midnight.timestamp());
        !self.is_daily() || newest.is_none_or(|newest| newest < midnight)
    }

    /// Recognises the rotated files of this log.
    ///
    /// # Errors
    /// Never, for patterns that were parsed.
    pub fn of(&self, log: &str) -> Result<Reader, regex::Error> {
        let (stem, ending) = split(log);
        self.reader(&regex::escape(log), &regex::escape(stem), &regex::escape(&ending))
    }

    /// Recognises the rotated files of whatever log.
    ///
    /// # Errors
    /// Never, for patterns that were parsed.
    pub fn any(&self) -> Result<Reader, regex::Error> {
        self.reader(".+", ".+", r"(?:\.[^.]*)??")
    }

    fn reader(&self, name: &str, stem: &str, ending: &str) -> Result<Reader, regex::Error> {
        const STAMP: &str = r"(?P<day>\d{8})(?:-(?P<time>\d{6}))?";
        let escaped = regex::escape(&self.text);
        let part = |text: String, part: &str, with: &str| text.replace(&regex::escape(part), with);
        let escaped = part(part(escaped, "{date}", STAMP), "{stamp}", STAMP);
        let escaped = part(
            part(part(escaped, "{ext}", &format!("(?P<ext>{ending})")), "{stem}", &format!("(?P<stem>{stem})")),
            "{name}",
            &format!("(?P<stem>{name})"),
        );
        Ok(Reader(Regex::new(&format!(r"(?s)^(?P<plain>{escaped})(?P<packed>\.gz|\.zst)?$"))?))
    }
}

fn split(log: &str) -> (&str, String) {
    let path = Path::new(log);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(log);
    (stem, path.extension().and_then(|ending| ending.to_str()).map_or_else(String::new, |ending| format!(".{ending}")))
}

impl Reader {
    /// What the name says; `None` when it is no rotated file.
    pub fn read(&self, name: &str) -> Option<Read> {
        let found = self.0.captures(name)?;
        let day = found.name("day")?.as_str();
        let time = found.name("time").map_or("000000", |time| time.as_str());
        let number = |text: &str, from: usize, to: usize| text.get(from..to)?.parse::<i8>().ok();
        let at = DateTime::new(
            day.get(..4)?.parse().ok()?,
            number(day, 4, 6)?,
            number(day, 6, 8)?,
            number(time, 0, 2)?,
            number(time, 2, 4)?,
            number(time, 4, 6)?,
            0,
        );
        let at = at.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let log = format!("{}{}", found.name("stem")?.as_str(), found.name("ext").map_or("", |ending| ending.as_str()));
        Some(Read { at, plain: found.name("plain")?.as_str().to_owned(), packed: found.name("packed").is_some(), log })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_is_read_again() {
        let at: Timestamp = "2025-01-08T02:00:03Z".parse().unwrap();
        for (pattern, log, short, long) in [
            ("{name}-{stamp}", "app.log", "app.log-20250108-020003", "app.log-20250108-020003"),
            ("{stem}_{date}{ext}", "pxl-server.log", "pxl-server_20250108.log", "pxl-server_20250108-020003.log"),
            ("{name}.{date}", "a+b (c)", "a+b (c).20250108", "a+b (c).20250108-020003"),
            ("{name}-{stamp}", "two\nlines\n.log", "two\nlines\n.log-20250108-020003", "two\nlines\n.log-20250108-020003"),
            ("{stem}_{date}{ext}", "noend", "noend_20250108", "noend_20250108-020003"),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!((pattern.name(log, at, false).as_str(), pattern.name(log, at, true).as_str()), (short, long));
            for reader in [pattern.of(log).unwrap(), pattern.any().unwrap()] {
                for (name, packed) in [(long.to_owned(), false), (format!("{long}.gz"), true), (format!("{long}.zst"), true)] {
                    assert_eq!(reader.read(&name), Some(Read { at, plain: long.to_owned(), packed, log: log.to_owned() }), "{name}");
                }
                assert!(reader.read(short).is_some());
                for other in [log.to_owned(), "app.log-20251308".into(), "-20250108".into()] {
                    assert_eq!(reader.read(&other), None, "{other}");
                }
            }
            for other in [format!("{long}.bak"), format!(".{long}.partial"), format!("x{long}")] {
                assert_eq!(pattern.of(log).unwrap().read(&other), None, "{other}");
            }
            assert_eq!(pattern.of("other.log").unwrap().read(long), None);
        }
    }

    #[test]
    fn a_date_alone_never_stands_before_what_was_rotated_that_day() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (daily, exact) = (Pattern::parse("{name}-{date}").unwrap(), Pattern::default());
        let noon = at("2025-01-08T12:00:00Z");
        for (newest, is_enough) in [
            (None, true),
            (Some("2025-01-07T23:59:59Z"), true),
            (Some("2025-01-08T00:00:00Z"), false),
            (Some("2025-01-08T02:00:00Z"), false),
            (Some("2025-01-09T00:00:00Z"), false),
        ] {
            assert_eq!(daily.is_short_enough(noon, newest.map(at)), is_enough, "{newest:?}");
            assert!(exact.is_short_enough(noon, newest.map(at)));
        }
    }

    #[test]
    fn patterns_that_would_mix_logs_up_are_refused() {
        for wrong in [
            "",
            "{name}",
            "{stamp}",
            "{name}{stamp}",
            "x-{date}",
            "{stem}-{date}",
            "a/{name}-{date}",
            "{name}-{date}.gz",
            "{name}-{day}",
            ".{name}-{date}",
        ] {
            assert!(Pattern::parse(wrong).is_err(), "{wrong}");
        }
    }
}
