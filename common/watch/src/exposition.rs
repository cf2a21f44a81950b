//! The text format of Prometheus: written by ml-serve for a scrape and by ml-health as a textfile, with the same names.
//!
//! Prometheus refuses a whole page for one repeated series or one raw line feed, so families are written once, the last of equal series
//! counts, and names and labels are made fit here.

use ml_common::Status;
use ml_common::record::{Check, Head, Scalar};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What kind of number a family is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Goes up and down.
    Gauge,
    /// Only goes up; its name ends in `_total`.
    Counter,
}

/// Names and values of labels.
pub type Labels<'a> = [(&'a str, &'a str)];

struct Family {
    kind: Type,
    help: &'static str,
    /// Value by the labels as written.
    series: BTreeMap<String, f64>,
}

/// A page of metrics.
#[derive(Default)]
pub struct Page {
    families: BTreeMap<&'static str, Family>,
}

impl Page {
    /// Adds a number. The name, kind and help of a family are the same at every call.
    pub fn add(&mut self, name: &'static str, kind: Type, help: &'static str, labels: &Labels<'_>, value: f64) {
        let family = self.families.entry(name).or_insert_with(|| Family { kind, help, series: BTreeMap::new() });
        family.series.insert(written(labels), value);
    }

    /// Adds a gauge.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, labels: &Labels<'_>, value: f64) {
        self.add(name, Type::Gauge, help, labels, value);
    }

    /// Adds what a check says: its status, value, metrics, duration and time. One that was skipped or only planned has a time alone: it says
    /// nothing about what it looks at.
    pub fn check(&mut self, head: &Head, check: &Check) {
        let labels = [("system", &*head.system), ("host", &head.host), ("tool", &head.tool), ("id", &check.id)];
        if let Ok(at) = head.ts.parse::<jiff::Timestamp>() {
            let help = "When the check was made last, seconds since 1970";
            self.gauge("ml_check_timestamp_seconds", help, &labels, at.as_millisecond() as f64 / 1000.0);
        }
        let Some(code) = code(head.status) else { return };
        self.gauge("ml_check_status", "0 ok, 1 warning, 2 critical, 3 unknown", &labels, code);
        if let Some(value) = check.value.as_ref().and_then(number) {
            let with_unit: Vec<_> = labels.into_iter().chain([("unit", check.unit.as_deref().unwrap_or_default())]).collect();
            self.gauge("ml_check_value", "What the check saw, in the unit of its label", &with_unit, value);
        }
        for (name, value) in &check.metrics {
            if let Some(value) = number(value) {
                let with_name: Vec<_> = labels.into_iter().chain([("metric", &**name)]).collect();
                self.gauge("ml_check_metric", "Further numbers of the check", &with_name, value);
            }
        }
        if let Some(took) = check.duration_ms {
            self.gauge("ml_check_duration_seconds", "How long the check took", &labels, took as f64 / 1000.0);
        }
    }

    /// The page as it is served or written.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for (name, family) in &self.families {
            let kind = match family.kind {
                Type::Gauge => "gauge",
                Type::Counter => "counter",
            };
            // Writing into a text cannot fail.
            let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help.replace('\\', "\\\\").replace('\n', "\\n"));
            for (labels, value) in &family.series {
                let _ = writeln!(out, "{name}{labels} {}", shown(*value));
            }
        }
        out
    }
}

/// What the format is called in a Content-Type.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The codes of Nagios; None for a status that says nothing about the thing looked at.
fn code(status: Status) -> Option<f64> {
    match status {
        Status::Ok => Some(0.0),
        Status::Warn => Some(1.0),
        Status::Crit => Some(2.0),
        Status::Unknown => Some(3.0),
        Status::Skipped | Status::Planned => None,
    }
}

/// A scalar as a number; texts are none, even if they look like one.
fn number(value: &Scalar) -> Option<f64> {
    match value {
        Scalar::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Scalar::Int(value) => Some(*value as f64),
        Scalar::Float(value) => Some(*value),
        Scalar::Text(_) => None,
    }
}

fn written(labels: &Labels<'_>) -> String {
    let shown: Vec<String> = labels.iter().map(|(name, value)| format!("{}=\"{}\"", fit(name), escaped(value))).collect();
    if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// A name of a label: what is not allowed becomes `_`.
fn fit(name: &str) -> String {
    let first_is_digit = name.starts_with(|c: char| c.is_ascii_digit());
    let fitted = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    first_is_digit.then_some('_').into_iter().chain(fitted).collect()
}

fn shown(value: f64) -> String {
    if value.is_nan() {
        "NaN".into()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf".into() } else { "-Inf".into() }
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(status: Status, id: &str) -> String {
        let check = Check {
            id: id.into(),
            value: Some(1.5.into()),
            unit: Some("%".into()),
            metrics: [("used".to_owned(), 7u64.into()), ("word".to_owned(), "x".into())].into(),
            duration_ms: Some(250),
            ..Check::default()
        };
        let head = Head {
            v: 1,
            tool: "ml-health".into(),
            stage: "s".into(),
            system: "lab".into(),
            run: "r".into(),
            ts: "1970-01-01T00:00:01.500Z".into(),
            host: "h".into(),
            status,
        };
        let mut page = Page::default();
        page.check(&head, &check);
        page.text()
    }

    #[test]
    fn a_check_is_five_families() {
        let labels = r#"{system="lab",host="h",tool="ml-health",id="a.b""#;
        let text = page(Status::Crit, "a.b");
        for line in [
            format!("ml_check_status{labels}}} 2"),
            format!("ml_check_value{labels},unit=\"%\"}} 1.5"),
            format!("ml_check_metric{labels},metric=\"used\"}} 7"),
            format!("ml_check_duration_seconds{labels}}} 0.25"),
            format!("ml_check_timestamp_seconds{labels}}} 1.5"),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("# TYPE").count(), 5, "{text}");
        assert!(!text.contains("word"), "{text}");
    }

    #[test]
    fn what_was_not_looked_at_has_no_status() {
        let text = page(Status::Skipped, "a");
        assert!(text.contains("ml_check_timestamp_seconds{") && !text.contains("ml_check_status"), "{text}");
    }

    #[test]
    fn nothing_in_an_id_breaks_a_line() {
        let text = page(Status::Ok, "a\"b\\c\nml_forged 1");
        assert!(text.contains(r#"id="a\"b\\c\nml_forged 1""#), "{text}");
        assert!(text.lines().all(|line| line.starts_with('#') || line.starts_with("ml_check_")), "{text}");
    }

    #[test]
    fn equal_series_are_one_and_odd_numbers_have_their_words() {
        let mut page = Page::default();
        for value in [1.0, 2.0] {
            page.gauge("x", "help\nme", &[("1-a", "b")], value);
        }
        page.add("y_total", Type::Counter, "h", &[], f64::INFINITY);
        page.gauge("z", "h", &[], f64::NAN);
        let expected = "# HELP x help\\nme\n# TYPE x gauge\nx{_1_a=\"b\"} 2\n\
            # HELP y_total h\n# TYPE y_total counter\ny_total +Inf\n# HELP z h\n# TYPE z gauge\nz NaN\n";
        assert_eq!(page.text(), expected);
    }
}
