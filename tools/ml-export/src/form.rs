//! How a value of a PostgreSQL type is written: exact, and read back without a guess.
//!
//! | type | JSON | CSV |
//! |---|---|---|
//! | integers, numeric, floats | the digits of the server; `NaN`, `Infinity`, `-Infinity` as strings | the same |
//! | boolean | `true`, `false` | the same |
//! | json, jsonb | embedded; SQL NULL leaves the key out, so that JSON's own null differs | its text |
//! | timestamp with time zone | `"2025-01-08T02:00:00.000000Z"` | the same |
//! | timestamp without | the same without `Z` | the same |
//! | arrays | JSON arrays of the element's form (lower bounds other than 1 are not kept) | PostgreSQL's text |
//! | bytea | `"\\x00ff"` | `\x00ff` |
//! | all else | a string of PostgreSQL's text | the text |
//!
//! Within an array, SQL NULL and JSON's null are both `null`. Infinite moments and those before the year 1 or after 9999, for which RFC 3339 has no form, stay PostgreSQL's text.

use crate::{array, json};

/// What a type's values look like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Digits, or the word for what is no number.
    Number,
    /// `t` or `f`.
    Bool,
    /// A JSON document.
    Json,
    /// A moment, always in UTC here.
    Moment,
    /// A local date and time.
    LocalMoment,
    /// Elements between braces, apart by the delimiter.
    Array {
        /// A comma for all types but `box`.
        delimiter: u8,
        /// The form of the elements.
        of: Box<Form>,
    },
    /// Anything else.
    Text,
}

impl Form {
    /// Appends the value as JSON; false when the text is not of this form.
    #[must_use]
    pub fn json(&self, text: &str, out: &mut Vec<u8>) -> bool {
        match self {
            Form::Number if is_digits(text) => out.extend_from_slice(text.as_bytes()),
            Form::Bool => out.extend_from_slice(boolean(text).as_bytes()),
            Form::Json => json::document(text, out),
            Form::Array { delimiter, of } => return array::json(text, *delimiter, of, out),
            Form::Moment | Form::LocalMoment => match rfc3339(text) {
                Some(moment) => json::string(&moment, out),
                None => json::string(text, out),
            },
            Form::Number | Form::Text => json::string(text, out),
        }
        true
    }

    /// Appends the value as a field of CSV.
    pub fn csv(&self, text: &str, out: &mut Vec<u8>) {
        match self {
            Form::Bool => field(boolean(text), out),
            Form::Moment | Form::LocalMoment => field(rfc3339(text).as_deref().unwrap_or(text), out),
            Form::Number | Form::Json | Form::Array { .. } | Form::Text => field(text, out),
        }
    }
}

/// A field as PostgreSQL's own CSV has it: an empty text is quoted, since nothing at all is NULL.
pub fn field(text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty() && text != "\\." && !text.contains(['"', ',', '\n', '\r']);
    if plain {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

fn is_digits(text: &str) -> bool {
    text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit())
}

fn boolean(text: &str) -> &'static str {
    if text == "t" { "true" } else { "false" }
}

/// `2025-01-08 02:00:00.5+00` as `2025-01-08T02:00:00.500000Z`; None when RFC 3339 cannot say it.
fn rfc3339(text: &str) -> Option<String> {
    let (moment, zone) = match text.strip_suffix("+00") {
        Some(moment) => (moment, "Z"),
        None => (text, ""),
    };
    let (seconds, fraction) = moment.split_once('.').unwrap_or((moment, ""));
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b' ',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    let fits = seconds.len() == 19
        && seconds.bytes().enumerate().all(shape)
        && fraction.len() <= 6
        && fraction.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("{}T{}.{fraction:0<6}{zone}", &seconds[..10], &seconds[11..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn as_json(form: &Form, text: &str) -> String {
        let mut out = Vec::new();
        assert!(form.json(text, &mut out));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_keep_their_digits() {
        for text in ["0", "-9223372036854775808", "1234567890123456789012345678901234567890.100", "1e+20", "-0", "0.1"] {
            assert_eq!(as_json(&Form::Number, text), text);
        }
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(as_json(&Form::Number, text), format!("\"{text}\""));
        }
    }

    #[test]
    fn moments_have_six_digits_and_their_zone() {
        for (text, moment) in [
            ("2025-01-08 02:00:00+00", "2025-01-08T02:00:00.000000Z"),
            ("2025-01-08 02:00:00.5+00", "2025-01-08T02:00:00.500000Z"),
            ("9999-12-31 23:59:59.999999+00", "9999-12-31T23:59:59.999999Z"),
            ("infinity", "infinity"),
            ("-infinity", "-infinity"),
            ("0044-03-15 12:00:00+00 BC", "0044-03-15 12:00:00+00 BC"),
            ("10000-01-01 00:00:00+00", "10000-01-01 00:00:00+00"),
        ] {
            assert_eq!(as_json(&Form::Moment, text), format!("\"{moment}\""));
        }
        assert_eq!(as_json(&Form::LocalMoment, "2025-01-08 02:00:00.000001"), "\"2025-01-08T02:00:00.000001\"");
    }

    #[test]
    fn csv_tells_nothing_from_empty_and_quotes_what_must_be() {
        for (text, csv) in [("", "\"\""), ("a b", "a b"), ("a,\"b\"\n", "\"a,\"\"b\"\"\n\""), ("\\.", "\"\\.\""), ("\\N", "\\N")] {
            let mut out = Vec::new();
            Form::Text.csv(text, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), csv);
        }
    }
}
