//! The thresholds, read from the settings before anything is looked at: a malformed one is a configuration error and no finding.

use jiff::SignedDuration;
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result};
use std::time::Duration;

/// A query that runs for longer is told.
pub const LONG_QUERY: Duration = Duration::from_secs(300);
/// Per cent of the connections in use.
pub const CONNECTIONS: (f64, f64) = (80.0, 95.0);
/// Per cent of Redis' maxmemory in use.
pub const REDIS_MEMORY: (f64, f64) = (80.0, 95.0);

/// The thresholds of the settings.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time that each check has.
    pub deadline: Duration,
    /// Fewer per cent of the proofs that succeeded are a warning.
    pub success_rate: f64,
    /// More per cent of the proofs that failed are a warning.
    pub error_rate: f64,
    /// A slower API is a warning.
    pub latency: Duration,
    /// A longer queue is a warning.
    pub queue: u64,
    /// Fewer bytes free are critical.
    pub disk_min: u64,
    /// Fewer per cent free are a warning.
    pub disk_percent: f64,
    /// An older newest backup is a warning.
    pub backup_age: Option<SignedDuration>,
    /// As is an older newest proof of one.
    pub proof_age: Option<SignedDuration>,
}

impl Limits {
    /// Reads them.
    ///
    /// # Errors
    /// Class Config for a malformed one.
    pub fn read(settings: &Settings) -> Result<Limits> {
        let deadline = settings.millis("CHECK_DEADLINE_MS")?;
        if deadline.is_zero() {
            let none = Failure::new(Class::Config, "CHECK_DEADLINE_MS must be above 0");
            return Err(none.hint("correct CHECK_DEADLINE_MS in the settings file or the environment"));
        }
        Ok(Limits {
            deadline,
            success_rate: settings.percent("SUCCESS_RATE_THRESHOLD")?,
            error_rate: settings.percent("ERROR_RATE_THRESHOLD")?,
            latency: settings.millis("TIMEOUT_THRESHOLD_MS")?,
            queue: settings.count("QUEUE_MAX")?,
            disk_min: settings.count("DISK_FREE_MIN_MB")?.saturating_mul(1 << 20),
            disk_percent: settings.percent("DISK_FREE_WARN_PERCENT")?,
            backup_age: hours(settings.count("BACKUP_MAX_AGE_HOURS")?),
            proof_age: hours(settings.count("BACKUP_PROOF_MAX_AGE_DAYS")?.saturating_mul(24)),
        })
    }
}

/// 0 hours are no limit.
fn hours(count: u64) -> Option<SignedDuration> {
    const MOST: i64 = i64::MAX / 3600;
    (count > 0).then(|| SignedDuration::from_hours(i64::try_from(count).unwrap_or(MOST).min(MOST)))
}

#[cfg(test)]
pub fn usual() -> Limits {
    Limits::read(&Settings::default()).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_thresholds_are_configuration_errors() {
        let with = |pair: &str| Limits::read(&Settings::load(None, &[pair.to_owned()], &|_| None).unwrap());
        for pair in ["QUEUE_MAX=many", "CHECK_DEADLINE_MS=0", "ERROR_RATE_THRESHOLD=101", "DISK_FREE_MIN_MB=-1"] {
            let failure = with(pair).unwrap_err();
            assert!(failure.class == Class::Config && failure.hint.is_some(), "{pair}");
        }
        assert_eq!(usual().disk_min, 200 << 20);
    }
}
