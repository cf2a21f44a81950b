//! What waits in a queue, and for how long.

use super::super::{Metric, ParamKind, Sample, View};
use jiff::Timestamp;
use ml_common::redis::Waiting;
use serde_json::Value;

pub(super) const QUEUE: View = View {
    name: "queue",
    doc: "Entries of a list, a stream, a sorted set or a set; a key that does not exist has none. Needs TYPE and reading the key.",
    params: &[
        super::Param { name: "key", kind: ParamKind::Text, required: false, default: None, doc: "The key. Without it QUEUE_KEY." },
        super::Param {
            name: "field",
            kind: ParamKind::Text,
            required: false,
            default: None,
            doc: "For lists of JSON objects: the field (`meta.queued_at`) with the time at which an entry was made, as RFC 3339 or as seconds or \
                  milliseconds since 1970. Streams know it themselves.",
        },
    ],
    metrics: &[
        Metric { name: "length", unit: "", doc: "Entries." },
        Metric {
            name: "age",
            unit: "s",
            doc: "Time that the oldest waits: of both ends of a list. 0 when none does, not there when it is not known.",
        },
        Metric { name: "type", unit: "", doc: "`list`, `stream`, `zset`, `set`, or `none`." },
    ],
    named_by: None,
};

/// Nothing of an entry is shown but its age.
pub(super) fn sample(key: &str, waiting: &Waiting, field: Option<&str>, now: Timestamp) -> Sample {
    let oldest = match (waiting.first_ms, field) {
        (Some(ms), _) => Some(ms as f64 / 1000.0),
        (None, Some(field)) => waiting.ends.iter().filter_map(|entry| made(entry, field)).reduce(f64::min),
        (None, None) => None,
    };
    let age = match oldest {
        Some(at) => Some((now.as_millisecond() as f64 / 1000.0 - at).max(0.0)),
        None => (waiting.length == 0).then_some(0.0),
    };
    let entries = if waiting.length == 1 { "1 entry".to_owned() } else { format!("{} entries", waiting.length) };
    let note = match (age, field) {
        (Some(age), _) if waiting.length > 0 => format!("{entries} in {key}, the oldest {age:.0} s old"),
        (None, Some(field)) => format!("{entries} in {key}; no time is in the field {field}"),
        _ => format!("{entries} in {key}"),
    };
    let sample = Sample { note, ..Sample::default() }.with("length", waiting.length).with("type", waiting.kind.as_str());
    age.into_iter().fold(sample, |sample, age| sample.with("age", (age * 100.0).round() / 100.0))
}

/// When an entry was made, in seconds since 1970.
fn made(entry: &[u8], field: &str) -> Option<f64> {
    let payload: Value = serde_json::from_slice(entry).ok()?;
    let found = field.split('.').try_fold(&payload, |value, name| value.get(name))?;
    match found {
        Value::Number(number) => number.as_f64().map(seconds),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(at) => Some(at.as_millisecond() as f64 / 1000.0),
            Err(_) => text.parse::<f64>().ok().filter(|number| number.is_finite()).map(seconds),
        },
        _ => None,
    }
}

/// Seconds, milliseconds, micro- or nanoseconds: apart by a factor of a thousand each, so the year tells which.
fn seconds(number: f64) -> f64 {
    match number.abs() {
        n if n < 1e11 => number,
        n if n < 1e14 => number / 1e3,
        n if n < 1e17 => number / 1e6,
        _ => number / 1e9,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[&str]) -> Waiting {
        Waiting {
            kind: "list".into(),
            length: entries.len() as u64,
            ends: entries.iter().map(|e| e.as_bytes().to_vec()).collect(),
            first_ms: None,
        }
    }

    fn age(waiting: &Waiting, field: Option<&str>) -> Option<String> {
        let now = "2025-01-08T02:00:00Z".parse().unwrap();
        sample("ml:jobs", waiting, field, now).values.get("age").map(ToString::to_string)
    }

    #[test]
    fn the_older_end_counts_whichever_it_is() {
        for entries in [
            [r#"{"at":"2025-01-08T01:59:00Z"}"#, r#"{"at":"2025-01-08T01:00:00Z"}"#],
            [r#"{"at":1736298000}"#, r#"{"at":1736301540000}"#],
            [r#"{"at":"1736301540.0"}"#, r#"{"at":1736298000000000}"#],
        ] {
            assert_eq!(age(&list(&entries), Some("at")).as_deref(), Some("3600"), "{entries:?}");
        }
        assert_eq!(age(&list(&[r#"{"meta":{"at":1736301590}}"#]), Some("meta.at")).as_deref(), Some("10"));
    }

    #[test]
    fn a_time_that_is_not_there_is_not_known() {
        assert_eq!(age(&list(&["no json", r#"{"at":null}"#]), Some("at")), None);
        assert_eq!(age(&list(&["x"]), None), None);
        assert_eq!(age(&list(&[]), Some("at")).as_deref(), Some("0"), "nothing waits");
        let ahead = r#"{"at":"2025-01-08T03:00:00Z"}"#;
        assert_eq!(age(&list(&[ahead]), Some("at")).as_deref(), Some("0"), "a clock that is ahead");
    }

    #[test]
    fn a_stream_knows_its_age() {
        let stream = Waiting { kind: "stream".into(), length: 2, first_ms: Some(1_736_301_570_000), ..Waiting::default() };
        assert_eq!(age(&stream, None).as_deref(), Some("30"));
    }
}
