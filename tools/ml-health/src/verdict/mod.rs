//! What a figure means: pure functions from figures and thresholds to findings.

pub mod api;
pub mod backup;
pub mod disk;
pub mod ledger;
pub mod postgres;
pub mod redis;

use crate::check::Finding;
use ml_common::Status;
use ml_common::record::Scalar;

/// `85:` — the Nagios range of what is not below 85.
fn at_least(limit: impl std::fmt::Display) -> Option<Scalar> {
    Some(Scalar::Text(format!("{limit}:")))
}

/// Two digits after the point are enough for a percentage, and JSON stays readable.
fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// `part` in per cent of `whole`; `None` of nothing.
fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| rounded(part as f64 * 100.0 / whole as f64))
}

/// Judges a value that had better be small. The hint is for when it is not.
fn not_above(finding: Finding, value: f64, (warn, crit): (f64, Option<f64>), hint: &str) -> Finding {
    let status = match crit {
        Some(crit) if value > crit => Status::Crit,
        _ if value > warn => Status::Warn,
        _ => Status::Ok,
    };
    let hint = (status != Status::Ok).then(|| hint.to_owned());
    let whole = |limit: f64| if limit.fract() == 0.0 { Scalar::from(limit as i64) } else { Scalar::Float(limit) };
    Finding { status: Some(status), warn: Some(whole(warn)), crit: crit.map(whole), hint, ..finding }
}

pub use ml_common::people::counted;
