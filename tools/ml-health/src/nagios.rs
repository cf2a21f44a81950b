//! The convention of Nagios plugins: one line with performance data, and their own exit codes.

use crate::check::Finding;
use ml_common::Status;
use ml_common::record::Scalar;
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
pub fn line(status: Status, summary: &str, findings: &[(&'static str, Finding)]) -> String {
    let word = match status {
        Status::Ok | Status::Skipped | Status::Planned => "OK",
        Status::Warn => "WARNING",
        Status::Crit => "CRITICAL",
        Status::Unknown => "UNKNOWN",
    };
    let bad: Vec<String> = findings.iter().filter(|(_, f)| f.status().is_bad()).map(|(id, f)| format!("{id}: {}", f.summary)).collect();
    let said = if bad.is_empty() { summary.to_owned() } else { bad.join("; ") };
    // A bar would begin the performance data, a line feed the long output.
    let said = redact::scrub(&said).replace('|', "/").replace(['\n', '\r'], " ");
    let data: Vec<String> = findings.iter().filter_map(|(id, finding)| performance(id, finding)).collect();
    let data = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    format!("ML-HEALTH {word} - {said}{data}")
}

/// `'disk.backups'=1024B;512:;256:`
fn performance(id: &str, finding: &Finding) -> Option<String> {
    let value = match &finding.value {
        Some(Scalar::Int(value)) => value.to_string(),
        Some(Scalar::Float(value)) => value.to_string(),
        _ => return None,
    };
    let unit = match finding.unit {
        Some("bytes") => "B",
        Some(unit @ ("ms" | "%")) => unit,
        _ => "",
    };
    let text = |limit: &Option<Scalar>| limit.as_ref().map(ToString::to_string).unwrap_or_default();
    let data = format!("'{id}'={value}{unit};{};{}", text(&finding.warn), text(&finding.crit));
    Some(data.trim_end_matches(';').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_bad_stands_before_the_bar_and_figures_after_it() {
        let disk = Finding { warn: Some("512:".into()), crit: Some("256:".into()), ..Finding::ok("1 KiB free").value(1024u64, "bytes") };
        let queue = Finding::bad(Status::Warn, "too | long\nqueue", "drain it").value(7u64, "");
        let findings = [("disk.backups", disk), ("redis.queue", Finding { warn: Some(5u64.into()), ..queue })];
        let expected = "ML-HEALTH WARNING - redis.queue: too / long queue | 'disk.backups'=1024B;512:;256: 'redis.queue'=7;5";
        assert_eq!(line(Status::Warn, "2 checks", &findings), expected);
    }

    #[test]
    fn all_well_is_one_short_line() {
        assert_eq!(line(Status::Ok, "1 check: 1 ok", &[("a", Finding::ok("fine"))]), "ML-HEALTH OK - 1 check: 1 ok");
        assert_eq!([Status::Ok, Status::Skipped, Status::Warn, Status::Crit, Status::Unknown].map(code), [0, 0, 1, 2, 3]);
    }
}
