//! /health: the state for monitors and load balancers.

use crate::keep::Thing;
use crate::picture::{Picture, Stream};
use ml_common::Status;
use ml_common::record::ascii;
use serde_json::{Map, Value, json};

/// So many bad things are named.
const MAX_BAD: usize = 100;

/// The JSON text.
pub fn json(picture: &Picture) -> String {
    let bad = picture.bad();
    let counts: Map<String, Value> = picture.counts.all().map(|(status, count)| (status.name().to_owned(), count.into())).collect();
    let mut health = json!({
        "status": status(picture),
        "healthy": picture.healthy(),
        "stream": picture.stream.name(),
        "silent_s": picture.silent.map(|silent| silent.as_secs()),
        "worst": picture.worst,
        "counts": counts,
        "bad": bad.iter().take(MAX_BAD).map(|thing| told(picture, thing)).collect::<Vec<_>>(),
        "more_bad": bad.len().saturating_sub(MAX_BAD),
    });
    if let (Some(reason), Some(fields)) = (picture.stream.trouble(), health.as_object_mut()) {
        fields.insert("reason".into(), reason.into());
    }
    ascii(&format!("{health:#}\n"))
}

/// One word: what is old or unheard of is not known, whatever it was.
pub fn status(picture: &Picture) -> Status {
    match picture.stream {
        Stream::Open => picture.worst,
        Stream::Waiting | Stream::Stale(_) | Stream::Ended(_) => picture.worst.worst(Status::Unknown),
    }
}

fn told(picture: &Picture, thing: &Thing) -> Value {
    let (head, check) = (&thing.head, &thing.check);
    let mut told = json!({
        "system": head.system, "host": head.host, "tool": head.tool, "id": check.id, "status": head.status,
        "ts": head.ts, "age_s": picture.since(thing.at).as_secs(), "summary": check.summary,
    });
    if let Some(fields) = told.as_object_mut() {
        let mut add = |name: &str, value: Option<Value>| value.into_iter().for_each(|value| drop(fields.insert(name.into(), value)));
        add("hint", check.hint.as_deref().map(Value::from));
        for (name, value) in [("value", &check.value), ("warn", &check.warn), ("crit", &check.crit)] {
            add(name, value.as_ref().and_then(|value| serde_json::to_value(value).ok()));
        }
        add("unit", check.unit.as_deref().map(Value::from));
    }
    told
}
