//! What every line that a tool prints must be: the one place that all runs of [`crate::Tool`] go through.
//!
//! The schema is generated from the types of the records. Published it is open, since fields may be added; here it is closed, so that no
//! tool prints what the types and the documentation do not know.

use serde_json::{Value, json};
use std::sync::OnceLock;

/// The schema as it is published: fields that it does not know are allowed.
pub fn open_schema() -> Value {
    let mut schema = schemars::schema_for!(ml_common::record::Record).to_value();
    schema["title"] = "A record of the ml-* tools".into();
    schema
}

/// The schema that our own tools are held to.
pub fn closed_schema() -> Value {
    let mut schema = open_schema();
    schema["unevaluatedProperties"] = json!(false);
    schema
}

/// Panics with the line when it is not a record of the closed schema.
pub fn check_line(line: &Value) {
    static CLOSED: OnceLock<jsonschema::Validator> = OnceLock::new();
    let closed = CLOSED.get_or_init(|| jsonschema::validator_for(&closed_schema()).expect("the generated schema is a schema"));
    let faults: Vec<String> = closed.iter_errors(line).map(|fault| fault.to_string()).collect();
    assert!(faults.is_empty(), "not a record ({}): {line}", faults.join("; "));
}

/// Parses what a tool printed, each line checked. Panics on what is not ASCII, not JSON or not a record.
pub fn records(stdout: &str) -> Vec<Value> {
    let parse = |line: &str| {
        assert!(line.is_ascii(), "a record that is not ASCII: {line}");
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        check_line(&value);
        value
    };
    assert!(stdout.is_empty() || stdout.ends_with('\n'), "the last line is cut off: {stdout}");
    stdout.lines().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Value {
        json!({"v": 1, "tool": "t", "stage": "t.1", "system": "s", "run": "r", "ts": "t", "host": "h", "status": "ok", "kind": "step", "id": "x"})
    }

    fn refused(line: Value) -> bool {
        std::panic::catch_unwind(|| check_line(&line)).is_err()
    }

    #[test]
    fn the_closed_schema_knows_records_and_nothing_else() {
        check_line(&line());
        let with = |key: &str, value: Value| {
            let mut line = line();
            line[key] = value;
            line
        };
        for (key, value) in
            [("extra", json!(1)), ("rows", json!("7")), ("status", json!("fine")), ("kind", json!("gauge")), ("exit", json!(0))]
        {
            assert!(refused(with(key, value)), "{key}");
        }
        check_line(&with("metrics", json!({"a": 1, "b": "c", "d": true})));
        assert!(refused(with("metrics", json!({"a": {"b": 1}}))), "maps are one level deep");
    }
}
