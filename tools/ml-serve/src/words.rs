//! Figures and times as people read them.

use ml_common::people::human_bytes;
use ml_common::record::Scalar;
use std::time::Duration;

/// `12 s`, `3 min`, `2 h`, `5 days`.
pub fn span(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds @ 60..3600 => format!("{} min", seconds / 60),
        seconds @ 3600..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `12 s ago`; what is younger than a second is now.
pub fn ago(time: Duration) -> String {
    if time.as_secs() == 0 { "now".into() } else { format!("{} ago", span(time)) }
}

/// A value with its unit.
pub fn value(value: &Scalar, unit: Option<&str>) -> String {
    match (value, unit) {
        (Scalar::Int(bytes @ 0..), Some("bytes")) => human_bytes(bytes.unsigned_abs()),
        (Scalar::Text(range), Some("bytes")) => range.split_inclusive(|c: char| !c.is_ascii_digit()).map(readable_bytes).collect(),
        (Scalar::Float(x), unit) => with_unit(&rounded(*x), unit),
        // A range or a condition: a unit right after it would look like a part of it.
        (Scalar::Text(range), Some(unit)) => format!("{range} {unit}"),
        (other, unit) => with_unit(&other.to_string(), unit),
    }
}

/// A number of bytes of a range, with what follows it: `10737418240:`.
fn readable_bytes(part: &str) -> String {
    let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
    digits.parse().map_or_else(|_| part.to_owned(), |bytes| format!("{}{}", human_bytes(bytes), &part[digits.len()..]))
}

fn with_unit(value: &str, unit: Option<&str>) -> String {
    match unit.unwrap_or_default() {
        "" => value.to_owned(),
        "%" => format!("{value}%"),
        unit => format!("{value} {unit}"),
    }
}

fn rounded(x: f64) -> String {
    if x.abs() >= 100.0 { format!("{x:.0}") } else { ((x * 100.0).round() / 100.0).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_well() {
        for (seconds, text) in
            [(0, "now"), (59, "59 s ago"), (60, "1 min ago"), (7199, "1 h ago"), (172_799, "47 h ago"), (172_800, "2 days ago")]
        {
            assert_eq!(ago(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn values_have_their_units() {
        assert_eq!(value(&Scalar::Int(1536), Some("bytes")), "1.5 KiB");
        assert_eq!(value(&Scalar::Int(-5), Some("bytes")), "-5 bytes");
        assert_eq!(value(&Scalar::Text("1073741824:".into()), Some("bytes")), "1.0 GiB:");
        assert_eq!(value(&Scalar::Text("> 2048 or less".into()), Some("bytes")), "> 2.0 KiB or less");
        assert_eq!(value(&Scalar::Float(98.7654), Some("%")), "98.77%");
        assert_eq!(value(&Scalar::Float(84.5), Some("%")), "84.5%");
        assert_eq!(value(&Scalar::Text("up".into()), None), "up");
        assert_eq!(value(&Scalar::Text("94:".into()), Some("%")), "94: %");
        assert_eq!(value(&Scalar::Float(1234.5), Some("ms")), "1234 ms");
    }
}
