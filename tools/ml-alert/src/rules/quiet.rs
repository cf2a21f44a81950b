//! Hours in which less urgent things wait: of a day by the clock of a place, summer time included.

use super::SEVERITIES;
use crate::notification::Severity;
use jiff::Timestamp;
use jiff::civil::{Time, Weekday};
use jiff::tz::TimeZone;
use ml_watch::conf::Table;

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// One stretch of quiet hours.
#[derive(Clone, Debug)]
pub struct Quiet {
    zone: TimeZone,
    from: Time,
    to: Time,
    /// The days on which it begins.
    days: Vec<Weekday>,
    /// What is at least so bad is told all the same.
    unless: Severity,
}

impl Quiet {
    /// Reads `[[quiet]]`.
    pub(super) fn read(table: &Table<'_>) -> Option<Quiet> {
        let file = table.file();
        let name = table.required("zone", table.text("zone"))?;
        let zone = TimeZone::get(&name);
        if zone.is_err() {
            file.mistake(name.at, format!("there is no time zone {}", name.value), "name one as Europe/Berlin or UTC");
        }
        let time = |key: &str| {
            let text = table.required(key, table.text(key))?;
            let time = Time::strptime("%H:%M", text.value.as_str());
            if time.is_err() {
                file.mistake(text.at, format!("{key} is '{}', and not a time of day", text.value), "write 22:00");
            }
            time.ok()
        };
        let (from, to) = (time("from"), time("to"));
        let words: Vec<&'static str> = DAYS.iter().map(|(word, _)| *word).collect();
        let mut days = Vec::new();
        for text in table.texts("days").unwrap_or_default() {
            match DAYS.iter().find(|(word, _)| *word == text.value) {
                Some((_, day)) => days.push(*day),
                None => {
                    file.mistake(text.at, format!("there is no day {}", text.value), ml_watch::near::hint(&text, words.iter().copied()))
                }
            }
        }
        if !table.has("days") {
            days.extend(DAYS.iter().map(|(_, day)| *day));
        }
        let severities = SEVERITIES.map(|(word, _)| word);
        let unless = table.word("unless", &severities);
        let unless = SEVERITIES.iter().find(|(word, _)| unless.as_ref().is_none_or(|unless| unless.value == *word)).map(|(_, of)| *of);
        Some(Quiet { zone: zone.ok()?, from: from?, to: to?, days, unless: unless? })
    }

    /// Whether something so bad has to wait at that moment.
    pub fn holds(&self, severity: Severity, at: Timestamp) -> bool {
        if severity >= self.unless {
            return false;
        }
        let local = at.to_zoned(self.zone.clone());
        let (day, time) = (local.weekday(), local.time());
        if self.from < self.to {
            return self.days.contains(&day) && (self.from..self.to).contains(&time);
        }
        // Over midnight (a whole day when it ends as it began): what began yesterday goes on.
        (time >= self.from && self.days.contains(&day)) || (time < self.to && self.days.contains(&day.previous()))
    }
}
