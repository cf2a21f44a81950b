//! Short ways to declare what a kind takes and gives, and what the kinds that look at this machine have in common.

use super::{Metric, Param, ParamKind, Unseen};
use jiff::Timestamp;
use ml_common::record::Scalar;
use ml_common::{Class, Failure};
use std::io;
use std::path::Path;
use std::time::SystemTime;

/// A parameter that need not be given.
pub const fn param(name: &'static str, kind: ParamKind, default: Option<&'static str>, doc: &'static str) -> Param {
    Param { name, kind, required: false, default, doc }
}

/// One that has to be.
pub const fn required(name: &'static str, kind: ParamKind, doc: &'static str) -> Param {
    Param { name, kind, required: true, default: None, doc }
}

/// A number or word that is given.
pub const fn metric(name: &'static str, unit: &'static str, doc: &'static str) -> Metric {
    Metric { name, unit, doc }
}

/// A fraction to a thousandth.
pub fn rounded(value: f64) -> Scalar {
    super::whole((value * 1000.0).round() / 1000.0)
}

/// `part` of `whole` per cent, to a thousandth.
pub fn percent(part: f64, whole: f64) -> Scalar {
    rounded(if whole > 0.0 { part / whole * 100.0 } else { 0.0 })
}

/// Seconds from then to now; what lies ahead is of no age.
pub fn age(then: SystemTime, now: Timestamp) -> f64 {
    Timestamp::try_from(then).map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0))
}

/// Seconds for people: `3h 20m`.
pub fn told(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    let whole = match seconds {
        0..120 => seconds,
        120..7200 => seconds / 60 * 60,
        7200..172_800 => seconds / 60 * 60,
        _ => seconds / 3600 * 3600,
    };
    humantime::format_duration(std::time::Duration::from_secs(whole)).to_string()
}

/// Why a file or folder could not be looked at.
pub fn unseen(error: &io::Error, path: &Path, doing: &str) -> Unseen {
    let path = path.display();
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            return Unseen::Privilege {
                what: format!("{doing} {path} is not allowed"),
                hint: "let the user of this check read it, or run the check as its owner".into(),
            };
        }
        io::ErrorKind::NotFound => "check the path, and that what makes it has run",
        _ => "check the path and the disk",
    };
    Unseen::Failed(Failure::new(Class::General, format!("{doing} {path}: {error}")).hint(hint))
}
