//! What every line that a tool prints must be: the one place that all runs of [`crate::Tool`] go through.

use serde_json::Value;

/// Panics with the line when it is not a record.
pub fn check_line(line: &Value) {
    let record = line.as_object().unwrap_or_else(|| panic!("not an object: {line}"));
    assert_eq!(record.get("v"), Some(&Value::from(1)), "no version 1: {line}");
    assert!(record.get("kind").is_some_and(Value::is_string), "no kind: {line}");
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
