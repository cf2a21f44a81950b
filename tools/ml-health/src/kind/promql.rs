//! Questions to a Prometheus server (or one that answers like it: Thanos, Mimir, VictoriaMetrics) by its HTTP API.

use super::http::{CA, HEADERS, Request};
use super::{Args, Kind, Look, Metric, Opening, Param, ParamKind, Probe, Sample, Unseen, View};
use ml_common::{Class, Failure, Result};
use serde_json::Value;

/// `kind = "promql"`.
pub static KIND: Kind = Kind {
    name: "promql",
    doc: "Asks a Prometheus server instant queries, all over one connection. A user and password in the URL, or a bearer token in the headers, \
          are sent along.",
    params: &[
        Param {
            name: "url",
            kind: ParamKind::Url,
            required: true,
            default: None,
            doc: "the server, with its path prefix if it has one: http://localhost:9090",
        },
        Param {
            name: "queries",
            kind: ParamKind::Table,
            required: true,
            default: None,
            doc: "names and PromQL: { errors = 'sum(rate(causal_inference_requests_total{status=\"error\"}[7d]))' }",
        },
        HEADERS,
        CA,
    ],
    views: &[View {
        name: "query",
        doc: "What the queries give: the first value of each, and all series as rows. A query that finds nothing leaves its metric out; one that \
              the server refuses is a failure, with the server's reason.",
        params: &[],
        metrics: &[
            Metric { name: "series", unit: "", doc: "how many series all queries found together" },
            Metric { name: "latency_ms", unit: "ms", doc: "time for all queries" },
        ],
        named_by: Some("queries"),
    }],
    open,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let queries = args.table("queries").to_vec();
    if let Some((name, _)) = queries.iter().find(|(_, query)| query.trim().is_empty()) {
        return Err(Failure::new(Class::Config, format!("the query {name} is empty")).hint("write a PromQL expression"));
    }
    let base = args.text("url").unwrap_or_default().trim().trim_end_matches('/').to_owned();
    Ok(Box::new(Server { request: Request::open(&base, "application/json", args, opening)?, base, queries }))
}

struct Server {
    request: Request,
    base: String,
    queries: Vec<(String, String)>,
}

impl Probe for Server {
    fn take(&mut self, _: &str, _: &Args, look: &mut Look<'_>) -> std::result::Result<Sample, Unseen> {
        let began = std::time::Instant::now();
        let (mut sample, mut series) = (Sample::default(), 0);
        let mut warnings = Vec::new();
        for (name, query) in &self.queries {
            let found = self.ask(name, query, look)?;
            series += found.rows.len();
            if let Some(value) = found.rows.first().and_then(|(_, value)| *value) {
                sample = sample.with(name, super::whole(value));
            }
            sample.rows.extend(found.rows.iter().map(|(labels, value)| row(name, labels, *value)));
            warnings.extend(found.warnings);
        }
        sample.note = super::listed(&sample.values, &self.request.shown());
        for warning in &warnings {
            sample.note.push_str("; ");
            sample.note.push_str(warning);
        }
        sample.rows.truncate(10);
        Ok(sample.with("series", series).with("latency_ms", super::milliseconds(began.elapsed())))
    }
}

impl Server {
    fn ask(&self, name: &str, query: &str, look: &mut Look<'_>) -> std::result::Result<Found, Unseen> {
        let timeout = look.left().as_secs_f64();
        let url = format!("{}/api/v1/query?query={}&timeout={timeout:.3}", self.base, encoded(query));
        let answer = self.request.send_to(&url, look)?;
        let shown = self.request.shown();
        let refused = |why: String, hint: &str| Failure::new(Class::Network, format!("{shown}: the query {name}: {why}")).hint(hint);
        // A refusal comes with a reason as JSON and one of several statuses.
        if let Ok(document) = answer.json()
            && let Some(error) = document.get("error").and_then(Value::as_str)
        {
            let kind = document.get("errorType").and_then(Value::as_str).unwrap_or("error");
            let hint = if kind == "bad_data" { "correct the query" } else { "look at the server's log, or make the query cheaper" };
            return Err(refused(format!("{kind}: {}", first_line(error)), hint).into());
        }
        let answer = self.request.good(answer)?;
        found(&answer.json()?).ok_or_else(|| {
            refused("its answer is not an instant vector, a scalar or a string".to_owned(), "take the range off, or aggregate over it")
                .into()
        })
    }
}

struct Found {
    /// Labels and value, in the server's order; without a value when it is no number.
    rows: Vec<(String, Option<f64>)>,
    warnings: Vec<String>,
}

fn found(document: &Value) -> Option<Found> {
    let data = document.get("data")?;
    let result = data.get("result")?.as_array()?;
    let rows = match data.get("resultType")?.as_str()? {
        "vector" => {
            result.iter().map(|series| Some((labels(series.get("metric")?), value(series.get("value")?)))).collect::<Option<_>>()?
        }
        "scalar" | "string" => vec![(String::new(), value(data.get("result")?))],
        _ => return None,
    };
    let warnings = document.get("warnings").and_then(Value::as_array).into_iter().flatten();
    Some(Found { rows, warnings: warnings.filter_map(Value::as_str).map(first_line).collect() })
}

/// `[1435781451.781, "1.5"]`.
fn value(pair: &Value) -> Option<f64> {
    pair.get(1)?.as_str()?.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `up{job="node"}`.
fn labels(metric: &Value) -> String {
    let Some(metric) = metric.as_object() else { return String::new() };
    let name = metric.get("__name__").and_then(Value::as_str).unwrap_or_default();
    let others = metric.iter().filter(|(label, _)| *label != "__name__");
    let others: Vec<String> = others.map(|(label, value)| format!("{label}={value}")).collect();
    if others.is_empty() { name.to_owned() } else { format!("{name}{{{}}}", others.join(",")) }
}

fn row(name: &str, labels: &str, value: Option<f64>) -> String {
    let value = value.map_or_else(|| "not a number".to_owned(), |value| value.to_string());
    if labels.is_empty() { format!("{name}: {value}") } else { format!("{name}: {labels} {value}") }
}

/// The first line of a server's text, not too long.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(300).collect()
}

/// For a query string: all but RFC 3986's unreserved characters as %XX.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
        encoded
    })
}

#[cfg(all(test, unix))]
mod tests;
