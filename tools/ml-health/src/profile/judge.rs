//! A sample, a check and its past make a finding. Pure.

use super::memory::{Before, Memory, TREND, named};
use super::summary::shown;
use super::{AvailabilitySpec, CheckSpec, TrendSpec};
use crate::check::Finding;
use crate::kind::{Sample, Unseen};
use jiff::Timestamp;
use ml_common::Status;
use ml_common::people::counted;
use ml_common::record::{Map, Scalar};
use ml_watch::expr::{Problem, Value};
use ml_watch::threshold::{Threshold, VALUE};
use ml_watch::trend::Trend;
use ml_watch::uptime::MIN_SAMPLES;
use std::time::Duration;

/// What the outcome of a look means for a check.
pub fn judge(check: &CheckSpec, seen: &Result<Sample, Unseen>, memory: &Memory, now: Timestamp, took: Duration) -> Finding {
    let finding = match seen {
        Ok(sample) => over(check, sample, &memory.history(&check.planned.id, now)),
        Err(Unseen::Privilege { what, hint }) => hidden(what.clone(), hint.clone()),
        Err(Unseen::Absent(reason)) => Finding::skipped(reason.as_str()),
        Err(Unseen::Failed(failure)) => {
            let finding = Finding::failed(check.planned.on_error, failure.clone(), took, check.planned.limit);
            Finding { hint: check.hint.clone().or(finding.hint.clone()), ..finding }
        }
    };
    labelled(check, finding)
}

/// What may not be seen is never ok.
fn hidden(what: String, hint: String) -> Finding {
    let skipped = Finding::skipped(format!("skipped: privilege: {what}"));
    Finding { hint: Some(hint), error_class: Some("privilege".into()), ..skipped }
}

fn over(check: &CheckSpec, sample: &Sample, before: &Before<'_>) -> Finding {
    let get = named(&sample.values);
    let value = check.value.as_ref().map(|expr| expr.eval(&get, before)).transpose();
    let (value, problem) = match value {
        Ok(value) => (value, None),
        Err(problem) => (None, Some(problem)),
    };
    // The first run has no value to compare with, and nothing is wrong with that; what else is judged is judged.
    let is_first = problem == Some(Problem::NoHistory);
    let verdict = match &problem {
        Some(problem) if !is_first => Err(problem.clone()),
        _ => verdict(check, value.as_ref(), &get, before),
    };
    let shown_value = value.as_ref().filter(|value| !matches!(value, Value::Text(text) if text.len() > 200)).map(scalar);
    let summary = match &check.summary {
        Some(summary) if !is_first || sample.note.is_empty() => summary.fill(value.as_ref(), &get),
        _ if !sample.note.is_empty() => sample.note.clone(),
        _ => value.as_ref().map(|value| with_unit(value, check.unit.as_deref())).unwrap_or_default(),
    };
    let (metrics, labels) = told_besides(check, sample);
    // What was kept back concerns this check when it speaks of it.
    let kept_back = sample.hidden_from(check.names()).map(str::to_owned);
    let finding = Finding {
        value: shown_value,
        unit: check.unit.clone().filter(|_| value.is_some()).map(Into::into),
        warn: check.warn.as_ref().map(Threshold::limit),
        crit: check.crit.as_ref().map(Threshold::limit),
        metrics,
        labels,
        ..Finding::ok(summary)
    };
    let finding = match &sample.unseen {
        Some(unseen) => Finding { summary: format!("{}; {unseen}", finding.summary), ..finding },
        None => finding,
    };
    match verdict {
        Ok(Verdict { status: Status::Ok, .. }) if sample.unseen.is_some() && kept_back.is_none() => Finding {
            status: Some(Status::Unknown),
            error_class: Some("timeout".into()),
            hint: Some("what was seen is well; give the check more time (timeout), or have it look more often".into()),
            ..finding
        },
        Ok(Verdict { status: Status::Ok, quiet }) => match (kept_back, quiet) {
            (Some(hint), _) => Finding { metrics: finding.metrics, labels: finding.labels, ..hidden(finding.summary, hint) },
            (None, true) => Finding { summary: format!("{} ({})", finding.summary, Problem::NoHistory).trim_start().to_owned(), ..finding },
            // Who only wants to be told is shown the rows, too: the slowest statements, the largest tables.
            (None, false) if check.warn.is_none() && check.crit.is_none() => Finding { evidence: sample.rows.clone(), ..finding },
            (None, false) => finding,
        },
        Ok(Verdict { status, .. }) => Finding { status: Some(status), hint: Some(remedy(check)), evidence: sample.rows.clone(), ..finding },
        Err(problem) => {
            if let Some(hint) = kept_back {
                let what = if sample.note.is_empty() { problem.to_string() } else { sample.note.clone() };
                return Finding { metrics: finding.metrics, labels: finding.labels, ..hidden(what, hint) };
            }
            let given: Vec<&str> = sample.values.keys().map(String::as_str).collect();
            let hint = match &problem {
                Problem::Missing(_) if given.is_empty() => "the probe saw nothing of what is asked for".to_owned(),
                Problem::Missing(_) => format!("the probe gave only {}", given.join(", ")),
                _ => format!("correct the expressions of {} in the profile", check.planned.id),
            };
            // What was seen in its place: no file, another status.
            let summary = match &problem {
                Problem::Missing(_) if !sample.note.is_empty() => format!("{problem}: {}", sample.note),
                _ => problem.to_string(),
            };
            Finding {
                status: Some(Status::Unknown),
                error_class: Some("value".into()),
                hint: Some(hint),
                // What the probe says of itself often tells why: an HTTP status, a filter that does not fit.
                evidence: sample.rows.clone(),
                summary,
                ..finding
            }
        }
    }
}

/// What to do, in the profile's words where it has some.
fn remedy(check: &CheckSpec) -> String {
    // The key goes on with the parameters, as they are remembered.
    let view = check.key.split(' ').next().unwrap_or_default();
    check.hint.clone().unwrap_or_else(|| format!("look at what {view} sees; hint = \"...\" in the profile can say what to do"))
}

struct Verdict {
    status: Status,
    /// A threshold had nothing to compare with.
    quiet: bool,
}

type Get<'g, 'a> = &'g dyn Fn(&str) -> Option<Value<'a>>;

fn verdict<'a>(check: &'a CheckSpec, value: Option<&Value<'a>>, get: Get<'_, 'a>, before: &Before<'_>) -> Result<Verdict, Problem> {
    let mut quiet = value.is_none() && check.value.is_some();
    let has_value = !quiet;
    let mut holds = |threshold: &'a Option<Threshold>| match threshold.as_ref().map(|threshold| threshold.holds(value, get, before)) {
        None => Ok(false),
        Some(Err(problem)) if problem == Problem::NoHistory || !has_value && problem == Problem::Missing(VALUE.into()) => {
            quiet = true;
            Ok(false)
        }
        Some(held) => held,
    };
    if holds(&check.crit)? {
        return Ok(Verdict { status: Status::Crit, quiet });
    }
    let status = if holds(&check.warn)? { Status::Warn } else { Status::Ok };
    Ok(Verdict { status, quiet })
}

/// The numbers and words that the check speaks of.
fn told_besides(check: &CheckSpec, sample: &Sample) -> (Map, Map) {
    let (mut metrics, mut labels) = (Map::new(), Map::new());
    for name in check.names() {
        match sample.values.get(name) {
            Some(Scalar::Text(text)) => drop(labels.insert(name.to_owned(), Scalar::Text(text.chars().take(200).collect()))),
            Some(number) => drop(metrics.insert(name.to_owned(), number.clone())),
            None => {}
        }
    }
    (metrics, labels)
}

/// What stands in the record.
fn scalar(value: &Value<'_>) -> Scalar {
    match value.number() {
        Some(number) => Value::Number(rounded(number)).into(),
        None => value.clone().into(),
    }
}

/// Two digits after the point; of what is small, four that matter.
pub fn rounded(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return number;
    }
    let digits = if number.abs() >= 1.0 { 2.0 } else { 3.0 - number.abs().log10().floor() };
    let scale = 10f64.powf(digits.min(300.0));
    let rounded = (number * scale).round() / scale;
    if rounded.is_finite() { rounded } else { number }
}

fn with_unit(value: &Value<'_>, unit: Option<&str>) -> String {
    match unit {
        Some("%") => format!("{}%", shown(value)),
        Some("bytes") => value.number().map_or_else(|| value.to_string(), |bytes| ml_common::people::human_bytes(bytes.max(0.0) as u64)),
        Some(unit) if !unit.is_empty() => format!("{} {unit}", shown(value)),
        _ => shown(value),
    }
}

/// The figure that `[check.trend]` follows.
pub fn figure(check: &CheckSpec, sample: &Sample, now: Timestamp) -> Option<f64> {
    check.trend.as_ref()?.of.eval(&named(&sample.values), &ml_watch::expr::NoHistory(now)).ok()?.number()
}

/// The record `ID.trend`.
pub fn trend_of(check: &CheckSpec, sample: &Sample, memory: &Memory, now: Timestamp) -> Option<Finding> {
    let spec = check.trend.as_ref()?;
    let past = memory.checks.get(&*check.planned.id);
    let points = past.and_then(|past| past.daily.get(TREND)).map(|daily| daily.until(now.as_second())).unwrap_or_default();
    Some(labelled(check, trend(spec, sample, Trend::of(&points).map_err(|insufficient| insufficient.to_string()), now)))
}

/// The record `ID.availability`.
pub fn availability_of(check: &CheckSpec, memory: &Memory, now: Timestamp) -> Option<Finding> {
    let spec = check.availability.as_ref()?;
    let past = memory.checks.get(&*check.planned.id);
    let window = past.and_then(|past| past.uptime.as_ref()).map(|uptime| uptime.over(spec.days, now.as_second())).unwrap_or_default();
    Some(labelled(check, availability(spec, &window)))
}

fn labelled(check: &CheckSpec, mut finding: Finding) -> Finding {
    finding.labels.extend(check.labels.clone());
    finding
}

fn trend(spec: &TrendSpec, sample: &Sample, trend: Result<Trend, String>, now: Timestamp) -> Finding {
    let trend = match trend {
        Ok(trend) => trend,
        Err(insufficient) => return Finding::skipped(insufficient),
    };
    let get = named(&sample.values);
    let none = ml_watch::expr::NoHistory(now);
    let capacity = match spec.capacity.eval(&get, &none).map(|value| value.number()) {
        Ok(Some(capacity)) => capacity,
        Ok(None) => return Finding { status: Some(Status::Unknown), ..Finding::ok("the capacity is no number") },
        Err(problem) => return Finding { status: Some(Status::Unknown), ..Finding::ok(problem.to_string()) },
    };
    let full = trend.full_in(capacity, spec.floor);
    let seconds = full.days().map(|days| Value::Number(days * 86_400.0));
    let holds = |threshold: &Option<Threshold>| match (threshold, &seconds) {
        (Some(threshold), Some(seconds)) => threshold.holds(Some(seconds), &|_| None, &none).unwrap_or(false),
        _ => false,
    };
    let status = if holds(&spec.crit) {
        Status::Crit
    } else if holds(&spec.warn) {
        Status::Warn
    } else {
        Status::Ok
    };
    let words = |threshold: &Option<Threshold>| threshold.as_ref().map(|threshold| Scalar::Text(threshold.to_string()));
    let hint = (status != Status::Ok).then(|| "make room, or slow the growth, before it is full".to_owned());
    let finding = Finding { status: Some(status), warn: words(&spec.warn), crit: words(&spec.crit), hint, ..Finding::ok(full.to_string()) };
    let finding = match full.days() {
        Some(days) => finding.value(rounded(days), "days"),
        None => finding,
    };
    finding
        .metric("per_day", rounded(trend.slope.per_day))
        .metric("per_day_low", rounded(trend.slope.low))
        .metric("per_day_high", rounded(trend.slope.high))
        .metric("in_90_days", rounded(trend.value_in(90.0)))
        .metric("points", trend.points)
}

fn availability(spec: &AvailabilitySpec, window: &ml_watch::uptime::Availability) -> Finding {
    let Some(percent) = window.percent(MIN_SAMPLES) else {
        return Finding::skipped(format!("insufficient history: {}, {MIN_SAMPLES} are needed", counted(window.samples, "observation")));
    };
    let status = if spec.crit.is_some_and(|crit| percent < crit) {
        Status::Crit
    } else if percent < spec.target {
        Status::Warn
    } else {
        Status::Ok
    };
    let summary = format!("{:.3}% of the last {} days, {:.1}% of which are known", percent, spec.days, window.covered());
    let hint = (status != Status::Ok).then(|| "look in the archived records when it was down, and why".to_owned());
    let least = |limit: f64| Scalar::Text(format!("{limit}:"));
    Finding { status: Some(status), warn: Some(least(spec.target)), crit: spec.crit.map(least), hint, ..Finding::ok(summary) }
        .value((percent * 1000.0).floor() / 1000.0, "%")
        .metric("samples", window.samples)
        .metric("down_seconds", window.down)
}
