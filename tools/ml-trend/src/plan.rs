//! What a history says: growth, the day on which something is full, availability. Pure.

use crate::figures::{change, rounded, shown};
use crate::history::{History, Key, Series};
use ml_common::Status;
use ml_common::people::counted;
use ml_common::record::{Check, Scalar};
use ml_watch::trend::{FullIn, HORIZON_DAYS, Trend};
use std::collections::HashMap;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Days that a trend looks at.
    pub history: u32,
    /// Capacities that records do not tell, by id.
    pub capacities: HashMap<String, f64>,
    /// Growth of bytes below this a day is none.
    pub floor: f64,
    /// Warn when full in fewer days.
    pub full_warn: f64,
    /// Critical when full in fewer days.
    pub full_crit: f64,
    /// Days of availability.
    pub window: i64,
    /// Warn below so many per cent.
    pub target: f64,
    /// Critical below so many per cent.
    pub target_crit: f64,
    /// Fewer observations give no availability.
    pub min_samples: u64,
}

/// A verdict on one check: the record, and the row of the table.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The system that it is about.
    pub system: String,
    /// The verdict.
    pub status: Status,
    /// The record.
    pub check: Check,
}

/// What the history says, by check; the trend of each before its availability.
pub fn findings(history: &History, wanted: &Wanted) -> Vec<Finding> {
    let mut found = Vec::new();
    for (key, series) in &history.series {
        if !series.figure.points().is_empty() {
            found.push(trend(key, series, wanted));
        }
        found.push(availability(key, series, wanted, history.newest));
    }
    found
}

fn finding(key: &Key, status: Status, prefix: &str, check: Check) -> Finding {
    let labels = [("of".to_owned(), key.id.as_str().into()), ("host".to_owned(), key.host.as_str().into())].into();
    Finding { system: key.system.clone(), status, check: Check { id: format!("{prefix}.{}", key.id), labels, ..check } }
}

fn trend(key: &Key, series: &Series, wanted: &Wanted) -> Finding {
    let unit = series.unit.as_str();
    let trend = match Trend::of(&series.figure.recent(wanted.history)) {
        Ok(trend) => trend,
        Err(insufficient) => {
            return finding(key, Status::Skipped, "trend", Check { summary: insufficient.to_string(), ..Check::default() });
        }
    };
    let capacity = wanted.capacities.get(&key.id).copied().or(series.capacity);
    // So little of it a day that it lasts for a generation is no growth, whatever its unit is.
    let floor = |capacity: f64| if unit == "bytes" { wanted.floor.min(capacity * 1e-4) } else { 0.0 };
    let full = capacity.map(|capacity| trend.full_in(capacity, floor(capacity)));
    let mut summary = format!(
        "{} now, {} a day, {} in 30 days, {} in 90 days",
        shown(trend.last, unit),
        change(trend.slope.per_day, unit),
        shown(trend.value_in(30.0), unit),
        shown(trend.value_in(90.0), unit)
    );
    let mut metrics: Vec<(&str, f64)> = vec![
        ("now", trend.last),
        ("per_day", trend.slope.per_day),
        ("per_day_low", trend.slope.low),
        ("per_day_high", trend.slope.high),
        ("in_30_days", trend.value_in(30.0)),
        ("in_90_days", trend.value_in(90.0)),
        ("points", trend.points as f64),
        ("span_days", trend.span),
    ];
    let mut check = Check { value: Some(rounded(trend.slope.per_day).into()), unit: Some(format!("{unit}/day")), ..Check::default() };
    let mut status = Status::Ok;
    if let (Some(capacity), Some(full)) = (capacity, full) {
        summary.push_str(&format!("; {full} ({} in all)", shown(capacity, unit)));
        metrics.push(("capacity", capacity));
        let (low, likely, high) = match full {
            FullIn::Full => (Some(0.0), Some(0.0), Some(0.0)),
            FullIn::NotGrowing => (None, None, None),
            FullIn::Days { soonest, likely, latest } => (Some(soonest), Some(likely), latest),
        };
        for (name, days) in [("full_in_days_low", low), ("full_in_days", likely), ("full_in_days_high", high)] {
            metrics.extend(days.filter(|days| *days <= HORIZON_DAYS).map(|days| (name, days)));
        }
        status = match likely {
            Some(days) if days < wanted.full_crit => Status::Crit,
            Some(days) if days < wanted.full_warn => Status::Warn,
            _ => Status::Ok,
        };
        check.warn = Some(format!("full in < {} days", wanted.full_warn).into());
        check.crit = Some(format!("full in < {} days", wanted.full_crit).into());
        if status != Status::Ok {
            check.hint = Some(format!("make room or enlarge what {} looks at before then", key.id));
        }
    }
    check.metrics = metrics.into_iter().map(|(name, value)| (name.to_owned(), rounded(value).into())).collect();
    finding(key, status, "trend", Check { summary, ..check })
}

fn availability(key: &Key, series: &Series, wanted: &Wanted, newest: i64) -> Finding {
    let seen = series.uptime.over(wanted.window, newest);
    let mut check = Check {
        unit: Some("%".into()),
        warn: Some(format!("< {}", wanted.target).into()),
        crit: Some(format!("< {}", wanted.target_crit).into()),
        metrics: [("up_s", seen.up), ("down_s", seen.down), ("unknown_s", seen.unknown), ("unseen_s", seen.gap)]
            .into_iter()
            .map(|(name, seconds)| (name.to_owned(), Scalar::from(seconds)))
            .chain([("samples".to_owned(), seen.samples.into())])
            .collect(),
        ..Check::default()
    };
    let Some(percent) = seen.percent(wanted.min_samples) else {
        check.summary = format!(
            "insufficient history: {} in {} days, {} are needed",
            counted(seen.samples, "observation"),
            wanted.window,
            wanted.min_samples
        );
        return finding(key, Status::Skipped, "availability", check);
    };
    let status = match percent {
        percent if percent < wanted.target_crit => Status::Crit,
        percent if percent < wanted.target => Status::Warn,
        _ => Status::Ok,
    };
    // Rounding must not show as met what was missed.
    let down_to = (percent * 1000.0).floor() / 1000.0;
    check.value = Some(down_to.into());
    check.summary = format!("{down_to}% in {} days, {}", wanted.window, counted(seen.samples, "observation"));
    if seen.covered() < 99.5 {
        check.summary.push_str(&format!("; {:.0}% of the time is not known", 100.0 - seen.covered()));
    }
    if status != Status::Ok {
        let minutes = seen.down / 60;
        check.summary.push_str(&format!("; critical for {minutes} min of what is known"));
        check.hint = Some(format!("look in the archives for when {} was critical, and why", key.id));
    }
    finding(key, status, "availability", check)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
