//! Verdicts on what the API answers, in either of the forms that are in use.

use super::{at_least, counted, not_above, rounded};
use crate::check::Finding;
use crate::limits::Limits;
use ml_common::http::Response;
use ml_common::{Class, Failure, Result, Status};
use serde_json::Value;

/// What the metrics endpoint says, its form aside.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// `current` or `older`.
    pub form: &'static str,
    /// Proofs, where told.
    pub proofs: Option<u64>,
    /// Per cent of them that succeeded; `None` when there are none.
    pub success_rate: Option<f64>,
    /// Jobs that wait, where known.
    pub queue: Option<u64>,
}

/// The health endpoint's answer.
pub fn health(answer: &Response, limits: &Limits) -> Finding {
    let (json, finding) = match in_time(answer, limits) {
        Ok(both) => both,
        Err(finding) => return *finding,
    };
    let word = json["status"].as_str().map(str::to_owned).or_else(|| json["ok"].as_bool().map(|ok| format!("ok: {ok}")));
    match word {
        Some(word) if ["healthy", "ok", "ok: true"].contains(&word.to_lowercase().as_str()) => finding,
        Some(word) => {
            let word: String = word.chars().take(40).collect();
            let summary = format!("the API says that it is not healthy ({word})");
            Finding { summary, status: Some(Status::Crit), hint: Some("look into the API's log".into()), ..finding }
        }
        None => unknown_form(finding, "HEALTH_URL"),
    }
}

/// The metrics endpoint's answer, and what it says when it can be understood.
pub fn metrics(answer: &Response, limits: &Limits) -> (Finding, Option<Metrics>) {
    let (json, finding) = match in_time(answer, limits) {
        Ok(both) => both,
        Err(finding) => return (*finding, None),
    };
    match read(&json) {
        Ok(Some(metrics)) => (finding.label("form", metrics.form), Some(metrics)),
        Ok(None) => (unknown_form(finding, "METRICS_URL"), None),
        Err(failure) => (Finding { status: Some(Status::Unknown), summary: failure.message, hint: failure.hint, ..finding }, None),
    }
}

/// The success rate that the API computes.
pub fn success_rate(metrics: &Metrics, limits: &Limits) -> Finding {
    match metrics.success_rate {
        _ if metrics.proofs == Some(0) => Finding::skipped("the ledger has no proofs yet"),
        None => Finding::skipped("the metrics name no success rate"),
        Some(rate) => below_success(rate, limits, format!("{rate}% of the proofs succeeded, says the API")),
    }
}

/// The queue as the API sees it.
pub fn queue(metrics: &Metrics, limits: &Limits) -> Finding {
    let Some(length) = metrics.queue else { return Finding::skipped("the API does not know the length of the queue") };
    let finding = Finding::ok(format!("{}, says the API", counted(length, "job"))).value(length, "");
    not_above(finding, length as f64, (limits.queue as f64, None), "see that the workers run and keep up")
}

/// A success rate against its threshold, whoever computed it.
pub fn below_success(rate: f64, limits: &Limits, summary: String) -> Finding {
    let finding = Finding { warn: at_least(limits.success_rate), ..Finding::ok(summary).value(rate, "%") };
    if rate >= limits.success_rate {
        return finding;
    }
    let hint = "look at the failed proofs: SELECT * FROM proofs WHERE NOT success ORDER BY created_at DESC LIMIT 20";
    Finding { status: Some(Status::Warn), hint: Some(hint.into()), ..finding }
}

/// The JSON of a successful answer, and a finding on its latency.
fn in_time(answer: &Response, limits: &Limits) -> Result<(Value, Finding), Box<Finding>> {
    let ms = u64::try_from(answer.latency.as_millis()).unwrap_or(u64::MAX);
    let said = |text: String| Finding::ok(text).value(ms, "ms").metric("http_status", u32::from(answer.status));
    let down = |text: String, hint: &str| {
        Box::new(Finding { status: Some(Status::Crit), hint: Some(hint.to_owned()), error_class: Some("network".into()), ..said(text) })
    };
    if !answer.is_success() {
        return Err(down(
            format!("answers with HTTP status {}", answer.status),
            "look into the API's log; correct the URL's path if it is 404",
        ));
    }
    let json = answer.json().map_err(|failure| down(failure.message, "name the API's JSON endpoint, or look into its log"))?;
    let hint = "look for what slows the API; TIMEOUT_THRESHOLD_MS is the threshold";
    Ok((json, not_above(said(format!("answers in {ms} ms")), ms as f64, (limits.latency.as_millis() as f64, None), hint)))
}

fn unknown_form(finding: Finding, key: &str) -> Finding {
    let hint = format!("correct {key}: it names a JSON document of a form that is not known");
    Finding { status: Some(Status::Unknown), summary: "the answer has no known form".into(), hint: Some(hint), ..finding }
}

/// Reads either form; `None` is neither. The current one has a fraction as success rate, the older a percentage.
fn read(json: &Value) -> Result<Option<Metrics>> {
    let proofs = &json["proofs"];
    let rate = proofs["success_rate"].as_f64();
    if !json["queue_length"].is_null() || !proofs["total"].is_null() {
        let rate = match rate {
            Some(rate) if !(0.0..=1.0).contains(&rate) => return Err(out_of_range(rate, "a fraction from 0 to 1")),
            rate => rate.map(|rate| rounded(rate * 100.0)),
        };
        // -1 is unknown.
        let queue = json["queue_length"].as_u64();
        return Ok(Some(Metrics { form: "current", proofs: proofs["total"].as_u64(), success_rate: rate, queue }));
    }
    if proofs["by_status"].is_object() || json["queue"].is_object() || !proofs["recent_hour"].is_null() {
        if let Some(rate) = rate.filter(|rate| !(0.0..=100.0).contains(rate)) {
            return Err(out_of_range(rate, "a percentage from 0 to 100"));
        }
        let by_status = proofs["by_status"].as_object();
        let proofs = by_status.map(|counts| counts.values().filter_map(Value::as_u64).sum());
        let queue = json["queue"]["length"].as_u64();
        return Ok(Some(Metrics { form: "older", proofs, success_rate: rate.map(rounded), queue }));
    }
    Ok(None)
}

fn out_of_range(rate: f64, wanted: &str) -> Failure {
    Failure::new(Class::Network, format!("the success rate of the metrics is {rate}, not {wanted}"))
        .hint("report it to those who run the API")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::usual;
    use std::time::Duration;

    const CURRENT: &str = r#"{"generated_at":"x","proofs":{"total":40,"success":37,"failure":3,"success_rate":0.925},
        "statements":{"total":9,"max_depth":3},"blocks":{"count":1,"height":1},"queue_length":-1,"first_organism":null}"#;
    const OLDER: &str = r#"{"statements":{"total":1},"proofs":{"success_rate":92.5,"by_status":{"success":37,"error":3},"recent_hour":12},
        "queue":{"length":4}}"#;

    fn answer(status: u16, body: &str, ms: u64) -> Response {
        let latency = Duration::from_millis(ms);
        Response { status, headers: Vec::new(), body: body.into(), truncated: false, latency, attempts: 1 }
    }

    fn health_of(status: u16, body: &str, ms: u64) -> Status {
        health(&answer(status, body, ms), &usual()).status()
    }

    fn metrics_of(body: &str) -> Metrics {
        metrics(&answer(200, body, 1), &usual()).1.unwrap()
    }

    #[test]
    fn both_forms_of_health_are_healthy() {
        for body in [r#"{"status":"healthy","timestamp":"x"}"#, r#"{"ok":true}"#, r#"{"status":"ok"}"#] {
            assert_eq!(health_of(200, body, 1), Status::Ok, "{body}");
        }
    }

    #[test]
    fn what_is_not_healthy_is_critical_and_what_is_not_understood_unknown() {
        for (status, body, verdict) in [
            (200, r#"{"ok":false}"#, Status::Crit),
            (200, r#"{"status":"degraded"}"#, Status::Crit),
            (200, "", Status::Crit),
            (200, "<html>", Status::Crit),
            (204, "", Status::Crit),
            (404, r#"{"ok":true}"#, Status::Crit),
            (500, r#"{"ok":true}"#, Status::Crit),
            (200, "{}", Status::Unknown),
            (200, "[1]", Status::Unknown),
            (200, r#"{"ok":"yes"}"#, Status::Unknown),
        ] {
            assert_eq!(health_of(status, body, 1), verdict, "{status} {body}");
        }
    }

    #[test]
    fn slowness_is_a_warning_with_its_threshold() {
        assert_eq!(health_of(200, r#"{"ok":true}"#, 5000), Status::Ok);
        let finding = health(&answer(200, r#"{"ok":true}"#, 5001), &usual());
        assert_eq!((finding.status(), finding.warn), (Status::Warn, Some(5000u64.into())));
        assert!(finding.hint.is_some());
    }

    #[test]
    fn both_forms_of_metrics_say_the_same() {
        let (current, older) = (metrics_of(CURRENT), metrics_of(OLDER));
        assert_eq!((current.proofs, current.success_rate, current.queue), (Some(40), Some(92.5), None));
        assert_eq!((older.proofs, older.success_rate, older.queue), (Some(40), Some(92.5), Some(4)));
    }

    #[test]
    fn an_empty_ledger_has_no_success_rate() {
        let current = r#"{"proofs":{"total":0,"success":0,"failure":0,"success_rate":0.0},"queue_length":0}"#;
        let older = r#"{"proofs":{"success_rate":0.0,"by_status":{},"recent_hour":0},"queue":{"length":0}}"#;
        for body in [current, older] {
            assert_eq!(success_rate(&metrics_of(body), &usual()).status(), Status::Skipped, "{body}");
        }
    }

    #[test]
    fn the_rate_is_judged_in_per_cent() {
        for (rate, status) in [("0.84", Status::Warn), ("0.85", Status::Ok), ("1.0", Status::Ok), ("0", Status::Warn)] {
            let body = format!(r#"{{"proofs":{{"total":100,"success_rate":{rate}}},"queue_length":-1}}"#);
            let finding = success_rate(&metrics_of(&body), &usual());
            assert_eq!((finding.status(), finding.warn), (status, Some("85:".into())), "{rate}");
        }
        let old = r#"{"proofs":{"success_rate":0.9,"by_status":{"error":99,"success":1}}}"#;
        assert_eq!(success_rate(&metrics_of(old), &usual()).status(), Status::Warn, "0.9 is a percentage here");
    }

    #[test]
    fn the_queue_is_judged_where_it_is_known() {
        for (length, status) in [(-1, Status::Skipped), (1000, Status::Ok), (1001, Status::Warn)] {
            let body = format!(r#"{{"proofs":{{"total":1,"success_rate":1}},"queue_length":{length}}}"#);
            assert_eq!(queue(&metrics_of(&body), &usual()).status(), status, "{length}");
        }
    }

    #[test]
    fn metrics_that_make_no_sense_are_unknown() {
        let percent_as_fraction = r#"{"proofs":{"total":40,"success_rate":92.5},"queue_length":-1}"#;
        for body in [percent_as_fraction, "{}", "7", r#"{"logos_pxl_p95_latency_ms":3}"#, r#"{"proofs":{"success_rate":0.5}}"#] {
            let (finding, read) = metrics(&answer(200, body, 1), &usual());
            assert_eq!((finding.status(), read), (Status::Unknown, None), "{body}");
        }
        assert_eq!(metrics(&answer(200, "causal_total 3\n", 1), &usual()).0.status(), Status::Crit);
        let null = metrics_of(r#"{"proofs":{"total":5,"success_rate":null},"queue_length":null}"#);
        assert_eq!(success_rate(&null, &usual()).status(), Status::Skipped);
    }
}
