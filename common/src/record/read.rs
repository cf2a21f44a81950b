//! Reading a record in one go: what serde has to keep of a flattened record until it knows its kind takes most of the time that reading a stream
//! takes. Our tools write the head, then the kind, then the rest; whatever comes in another order is read in two goes, each half by itself.

use super::{Body, Head, Record, Status, VERSION};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Reads a record of this version.
pub(super) fn record(text: &str) -> serde_json::Result<Record> {
    let mut json = serde_json::Deserializer::from_str(text);
    if let Ok(Some(record)) = json.deserialize_map(Ordered)
        && json.end().is_ok()
    {
        return known(record);
    }
    let Flat { kind, v, tool, stage, system, run, ts, host, status } = serde_json::from_str(text)?;
    let head = Head { v, tool, stage, system, run, ts, host, status };
    let body = match kind.as_ref() {
        "start" => Body::Start(serde_json::from_str(text)?),
        "check" => Body::Check(serde_json::from_str(text)?),
        "step" => Body::Step(serde_json::from_str(text)?),
        "statement" => Body::Statement(serde_json::from_str(text)?),
        "alert" => Body::Alert(serde_json::from_str(text)?),
        "end" => Body::End(serde_json::from_str(text)?),
        _ => return Err(serde_json::Error::custom("an unknown kind")),
    };
    known(Record { head, body })
}

fn known(record: Record) -> serde_json::Result<Record> {
    if record.head.v > VERSION { Err(serde_json::Error::custom("a later version")) } else { Ok(record) }
}

/// The head with the kind beside it.
#[derive(Deserialize)]
struct Flat<'a> {
    #[serde(borrow)]
    kind: Cow<'a, str>,
    v: u32,
    tool: String,
    stage: String,
    system: String,
    run: String,
    ts: String,
    host: String,
    status: Status,
}

/// A record whose head comes first; None when it does not.
struct Ordered;

impl<'de> Visitor<'de> for Ordered {
    type Value = Option<Record>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Record>, A::Error> {
        let (mut v, mut status, mut kind) = (None, None, None);
        let [mut tool, mut stage, mut system, mut run, mut ts, mut host] = [const { None::<String> }; 6];
        // Nine keys at least; what else comes before them all are there is read in two goes.
        for _ in 0..9 {
            match map.next_key::<&str>()? {
                Some("v") => v = Some(map.next_value()?),
                Some("tool") => tool = Some(map.next_value()?),
                Some("stage") => stage = Some(map.next_value()?),
                Some("system") => system = Some(map.next_value()?),
                Some("run") => run = Some(map.next_value()?),
                Some("ts") => ts = Some(map.next_value()?),
                Some("host") => host = Some(map.next_value()?),
                Some("status") => status = Some(map.next_value()?),
                Some("kind") => kind = Some(map.next_value::<&str>()?),
                _ => return Ok(None),
            }
        }
        let head = (v, tool, stage, system, run, ts, host, status, kind);
        let (Some(v), Some(tool), Some(stage), Some(system), Some(run), Some(ts), Some(host), Some(status), Some(kind)) = head else {
            return Ok(None);
        };
        let rest = MapAccessDeserializer::new(map);
        let body = match kind {
            "start" => Body::Start(Deserialize::deserialize(rest)?),
            "check" => Body::Check(Deserialize::deserialize(rest)?),
            "step" => Body::Step(Deserialize::deserialize(rest)?),
            "statement" => Body::Statement(Deserialize::deserialize(rest)?),
            "alert" => Body::Alert(Deserialize::deserialize(rest)?),
            "end" => Body::End(Deserialize::deserialize(rest)?),
            _ => return Ok(None),
        };
        Ok(Some(Record { head: Head { v, tool, stage, system, run, ts, host, status }, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    const LINE: &str = r#"{"v":1,"tool":"t","stage":"s","system":"y","run":"r","ts":"2025-01-08T02:00:00.000Z","host":"h","status":"warn","kind":"check","id":"a.b","gate":false,"value":1.5,"summary":"\u2192","metrics":{"n":3},"later":[{"x":null}]}"#;

    #[test]
    fn the_order_of_the_keys_makes_no_difference() {
        let wanted = serde_json::from_str::<Record>(LINE).unwrap();
        let whole: serde_json::Map<String, Value> = serde_json::from_str(LINE).unwrap();
        let keys: Vec<&String> = whole.keys().collect();
        for turn in 0..keys.len() {
            let turned = keys.iter().cycle().skip(turn).take(keys.len());
            let text = Value::Object(turned.map(|key| ((*key).clone(), whole[*key].clone())).collect()).to_string();
            assert_eq!(record(&text).unwrap(), wanted, "{text}");
        }
        for kind in ["start", "step", "statement", "alert", "end"] {
            let text = LINE.replace("\"check\"", &format!("\"{kind}\"")).replace("\"status\":\"warn\",", "");
            let (first, last) =
                (text.replacen('{', "{\"status\":\"warn\",", 1), format!("{},\"status\":\"warn\"}}", &text[..text.len() - 1]));
            let read = |text: &str| record(text).map_err(|error| error.to_string());
            assert_eq!(read(&first).is_ok(), serde_json::from_str::<Record>(&first).is_ok(), "{first}");
            assert_eq!(read(&first).ok(), read(&last).ok());
        }
    }

    #[test]
    fn what_is_no_record_is_none_in_one_go_or_in_two() {
        for (from, to) in
            [("\"v\":1", "\"v\":2"), ("\"check\"", "\"song\""), ("\"tool\"", "\"fool\""), ("1.5", "[1]"), ("}]}", "}]}}"), ("warn", "sad")]
        {
            let text = LINE.replace(from, to);
            assert!(text != LINE && record(&text).is_err(), "{text}");
        }
    }
}
