//! Lines of crontabs in the manuals, and when they are due.

use jiff::civil::{DateTime, Weekday, date};
use jiff::{ToSpan, Unit};
use std::path::Path;

/// A line of a crontab.
#[derive(Debug)]
pub struct Line {
    /// The manual.
    pub file: String,
    /// The PATH that stands above it in the same crontab.
    pub path: Option<String>,
    /// The comment above it.
    pub said: String,
    /// Its five fields, or `@reboot`.
    pub time: String,
    /// The rest.
    pub command: String,
}

/// All crontab lines of a manual below the repository's folder.
pub fn lines(file: &str) -> Vec<Line> {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file)).unwrap();
    let (mut fenced, mut path, mut said, mut found) = (false, None, String::new(), Vec::new());
    for line in text.lines() {
        if line.starts_with("```") {
            (fenced, path) = (!fenced, None);
            said.clear();
        } else if let Some(set) = line.trim().strip_prefix("PATH=") {
            path = Some(set.to_owned());
        } else if line.trim().starts_with('#') {
            line.trim().trim_start_matches(['#', ' ']).clone_into(&mut said);
        } else if let Some((time, command)) = split(line.trim()).filter(|_| fenced || line.starts_with("    ")) {
            found.push(Line { file: file.to_owned(), path: path.clone(), said: said.clone(), time, command });
        } else if !fenced && !line.starts_with("    ") {
            path = None;
        }
    }
    found
}

/// The time and the command, of a line of a crontab.
fn split(line: &str) -> Option<(String, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let count = if line.starts_with('@') { 1 } else { 5 };
    let (time, command) = words.split_at_checked(count).filter(|(_, command)| !command.is_empty())?;
    let is_field = |word: &&str| word.chars().all(|c| c.is_ascii_digit() || "*/,-".contains(c));
    let is_time = if count == 1 { time == ["@reboot"] } else { time.iter().all(is_field) && time.contains(&"*") };
    is_time.then(|| (time.join(" "), command.join(" ")))
}

impl Line {
    /// The next time it is due: the first after midnight of the 24th of October 2026. None for `@reboot`.
    pub fn due(&self) -> Option<DateTime> {
        let begin = date(2026, 10, 24).at(0, 0, 0, 0);
        (1..60 * 24 * 62).map(|minute| begin + minute.minutes()).find(|at| self.is_due(*at))
    }

    /// The next Monday on which it is due.
    pub fn due_on_a_monday(&self) -> DateTime {
        let now = jiff::Zoned::now().datetime().round(Unit::Hour).unwrap();
        let mut hours = (1..24 * 70).map(|hour| now + hour.hours());
        hours.find(|at| at.weekday() == Weekday::Monday && self.is_due(*at)).unwrap()
    }

    fn is_due(&self, at: DateTime) -> bool {
        let fields: Vec<&str> = self.time.split(' ').collect();
        let [minute, hour, day, month, weekday] = fields[..] else { return false };
        let of_week = i64::from(at.weekday().to_sunday_zero_offset());
        let (by_day, by_weekday) =
            (holds(day, at.day().into(), 1..=31), holds(weekday, of_week, 0..=7) || (of_week == 0 && holds(weekday, 7, 0..=7)));
        // Two conditions on the day are alternatives.
        let on_day = if day == "*" || weekday == "*" { by_day && by_weekday } else { by_day || by_weekday };
        holds(minute, at.minute().into(), 0..=59)
            && holds(hour, at.hour().into(), 0..=23)
            && holds(month, at.month().into(), 1..=12)
            && on_day
    }

    /// What the comment above says of the time is so.
    pub fn is_as_said(&self) {
        let Some(due) = self.due() else {
            assert_eq!(self.time, "@reboot", "{self:?} is never due");
            return;
        };
        let said = self.said.to_lowercase();
        let fields: Vec<&str> = self.time.split(' ').collect();
        let times: Vec<String> = said
            .split(|c: char| !c.is_ascii_digit() && c != ':')
            .filter(|word| word.len() == 5 && word.contains(':'))
            .map(str::to_owned)
            .collect();
        assert!(times.is_empty() || times.contains(&due.strftime("%H:%M").to_string()), "{self:?}");
        for (at, day) in ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"].iter().enumerate() {
            // The first Monday of a month is found by the command, as cron cannot.
            let is = fields[4] == at.to_string() || self.command.contains(&format!("+\\%u)\" = {at} ]"));
            assert!(!said.contains(day) || is, "{self:?}");
        }
        for (word, time) in [("every hour", "0 * * * *"), ("every 5 minutes", "*/5 * * * *")] {
            assert!(!said.contains(word) || self.time == time, "{self:?}");
        }
        for (words, is) in [
            (["daily", "nightly"], fields[2..] == ["*", "*", "*"]),
            (["weekly", "every week"], fields[4] != "*"),
            (["monthly", "of the month"], fields[2] != "*"),
        ] {
            assert!(!words.iter().any(|word| said.contains(word)) || is, "{self:?}");
        }
    }

    /// What cron gives to the shell, and to its standard input: `%` ends a line, `\%` is one.
    pub fn shell(&self) -> (String, String) {
        let parts: Vec<String> = self.command.replace("\\%", "\u{1}").split('%').map(|part| part.replace('\u{1}', "%")).collect();
        (parts[0].clone(), parts[1..].join("\n"))
    }
}

/// Whether a field holds of a number; a field that cron does not take fails the test.
fn holds(field: &str, number: i64, range: std::ops::RangeInclusive<i64>) -> bool {
    field.split(',').any(|part| {
        let (span, step) = part.split_once('/').map_or((part, 1), |(span, step)| (span, step.parse().unwrap()));
        let (first, last) = match span {
            "*" => (*range.start(), *range.end()),
            span => span.split_once('-').map_or_else(
                || (span.parse().unwrap(), span.parse().unwrap()),
                |(first, last)| (first.parse().unwrap(), last.parse().unwrap()),
            ),
        };
        assert!(range.contains(&first) && range.contains(&last) && first <= last && step > 0, "{field} is no field of {range:?}");
        (first..=last).contains(&number) && (number - first) % step == 0
    })
}

/// A moment so many seconds before, as clocks are set to it.
pub fn before(at: DateTime, seconds: i64) -> String {
    (at - seconds.seconds()).round(Unit::Second).unwrap().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
