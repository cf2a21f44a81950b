//! The convention of Nagios plugins: one line with performance data, and their own exit codes.

use ml_common::Status;
use ml_common::record::{Check, Scalar};
use ml_common::redact;

/// 0 ok, 1 warning, 2 critical, 3 unknown.
pub fn code(status: Status) -> u8 {
    match status {
        Status::Ok | Status::Skipped | Status::Planned => 0,
        Status::Warn => 1,
        Status::Crit => 2,
        Status::Unknown => 3,
    }
}

/// `ML-HEALTH WARNING - summary | perfdata`.
pub fn line(status: Status, summary: &str, checks: &[(Status, &Check)]) -> String {
    let word = match status {
        Status::Ok | Status::Skipped | Status::Planned => "OK",
        Status::Warn => "WARNING",
        Status::Crit => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    };
    let bad: Vec<String> =
        checks.iter().filter(|(status, _)| status.is_bad()).map(|(_, check)| format!("{}: {}", check.id, check.summary)).collect();
    let said = if bad.is_empty() { summary.to_owned() } else { bad.join("; ") };
    // A bar would begin the performance data, a line feed the long output.
    let said = redact::scrub(&said).replace('|', "/").replace(['\n', '\r'], " ");
    let data: Vec<String> = checks.iter().filter_map(|(_, check)| performance(check)).collect();
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    format!("ML-HEALTH {word} - {said}{data}")
}

/// `'disk.backups'=1024B;512:;256:`
fn performance(check: &Check) -> Option<String> {
    let value = match &check.value {
        Some(Scalar::Int(value)) => value.to_string(),
        Some(Scalar::Float(value)) => value.to_string(),
        _ => return None,
    };
    let unit = match check.unit.as_deref() {
        Some("bytes") => "B",
        Some(unit @ ("s" | "ms" | "%")) => unit,
        _ => "",
    };
    // A condition over several values is no range.
    let is_range =
        |limit: &&Scalar| !matches!(limit, Scalar::Text(text) if text.contains(|c: char| c.is_ascii_alphabetic() || " <>=".contains(c)));
    // A plain number begins at nothing there; what may be negative has no least.
    let below = |scalar: &Scalar| matches!(scalar, Scalar::Int(..0)) || matches!(scalar, Scalar::Float(number) if *number < 0.0);
    let is_signed = check.value.as_ref().is_some_and(below);
    let shown = |limit: &Scalar| match limit {
        Scalar::Int(_) | Scalar::Float(_) if is_signed || below(limit) => format!("~:{limit}"),
        limit => limit.to_string(),
    };
    let text = |limit: &Option<Scalar>| limit.as_ref().filter(is_range).map(shown).unwrap_or_default();
    let data = format!("'{}'={value}{unit};{};{}", check.id, text(&check.warn), text(&check.crit));
    Some(data.trim_end_matches(';').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(id: &str, summary: &str, value: u64, unit: &str, warn: &str, crit: &str) -> Check {
        let limit = |text: &str| (!text.is_empty()).then(|| text.into());
        Check {
            id: id.into(),
            summary: summary.into(),
            value: Some(value.into()),
            unit: (!unit.is_empty()).then(|| unit.into()),
            warn: limit(warn),
            crit: limit(crit),
            ..Check::default()
        }
    }

    #[test]
    fn what_is_bad_stands_before_the_bar_and_figures_after_it() {
        let disk = check("disk.backups", "1 KiB free", 1024, "bytes", "512:", "256:");
        let queue = check("redis.queue", "too | long\nqueue", 7, "", "5", "busy / total > 3");
        let expected = "ML-HEALTH WARNING - redis.queue: too / long queue | 'disk.backups'=1024B;512:;256: 'redis.queue'=7;5";
        assert_eq!(line(Status::Warn, "2 checks", &[(Status::Ok, &disk), (Status::Warn, &queue)]), expected);
    }

    #[test]
    fn what_may_be_negative_has_no_least() {
        let of = |value: i64, warn: i64, crit: i64| {
            let check =
                Check { id: "t".into(), value: Some(value.into()), warn: Some(warn.into()), crit: Some(crit.into()), ..Check::default() };
            line(Status::Ok, "", &[(Status::Ok, &check)]).split_once(" | ").unwrap().1.to_owned()
        };
        assert_eq!(of(-10, -5, 0), "'t'=-10;~:-5;~:0");
        assert_eq!(of(3, 5, 9), "'t'=3;5;9");
    }

    #[test]
    fn all_well_is_one_short_line() {
        let fine = Check { id: "a".into(), ..Check::default() };
        assert_eq!(line(Status::Ok, "1 check: 1 ok", &[(Status::Ok, &fine)]), "ML-HEALTH OK - 1 check: 1 ok");
        assert_eq!([Status::Ok, Status::Skipped, Status::Warn, Status::Crit, Status::Unknown].map(code), [0, 0, 1, 2, 3]);
    }
}
