//! PostgreSQL's text of an array as a JSON array.

use crate::form::Form;

/// Appends `{1,NULL,"a b"}` as `[1,null,"a b"]`, also nested; false when it is no array's text.
#[must_use]
pub fn json(text: &str, delimiter: u8, of: &Form, out: &mut Vec<u8>) -> bool {
    append(text, delimiter, of, out).is_some()
}

fn append(text: &str, delimiter: u8, of: &Form, out: &mut Vec<u8>) -> Option<()> {
    // Bounds other than 1 stand before the braces: `[0:1]={1,2}`.
    let text = if text.starts_with('[') { text.split_once('=')?.1 } else { text };
    let bytes = text.as_bytes();
    let mut element = Vec::new();
    let (mut at, mut depth) = (0, 0usize);
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        match byte {
            b'{' => {
                depth += 1;
                out.push(b'[');
            }
            b'}' => {
                depth = depth.checked_sub(1)?;
                out.push(b']');
            }
            byte if byte == delimiter => out.push(b','),
            b'"' => {
                element.clear();
                at = quoted(bytes, at, &mut element)?;
                of.json(std::str::from_utf8(&element).ok()?, out).then_some(())?;
            }
            _ => {
                let rest = text.get(at - 1..)?;
                let end = rest.bytes().position(|byte| byte == b'}' || byte == delimiter)?;
                at += end - 1;
                match &rest[..end] {
                    "NULL" => out.extend_from_slice(b"null"),
                    plain => of.json(plain, out).then_some(())?,
                }
            }
        }
    }
    (depth == 0 && !bytes.is_empty()).then_some(())
}

/// Reads to the closing quote; gives the place after it.
fn quoted(bytes: &[u8], mut at: usize, element: &mut Vec<u8>) -> Option<usize> {
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => {
                element.push(*bytes.get(at + 1)?);
                at += 2;
            }
            byte => {
                element.push(*byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: Form, text: &str) -> Option<String> {
        let mut out = Vec::new();
        json(text, b',', &form, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn elements_have_the_form_of_their_type() {
        for (form, text, json) in [
            (Form::Number, "{}", "[]"),
            (Form::Number, "{1,NULL,-3}", "[1,null,-3]"),
            (Form::Number, "{{1,2},{NaN,4}}", "[[1,2],[\"NaN\",4]]"),
            (Form::Number, "[0:1][5:5]={{1},{2}}", "[[1],[2]]"),
            (Form::Bool, "{t,f}", "[true,false]"),
            (Form::Text, r#"{a,"NULL",null,"b c","",",","{}","\"\\"}"#, r#"["a","NULL","null","b c","",",","{}","\"\\"]"#),
            (Form::Text, "{\u{e9}}", "[\"\\u00e9\"]"),
            (Form::Json, r#"{"{\"a\": [1, null]}",NULL,"null"}"#, r#"[{"a":[1,null]},null,null]"#),
            (Form::Moment, r#"{"2025-01-08 02:00:00+00",infinity}"#, r#"["2025-01-08T02:00:00.000000Z","infinity"]"#),
        ] {
            assert_eq!(of(form, text).as_deref(), Some(json), "{text}");
        }
    }

    #[test]
    fn what_is_no_array_is_refused() {
        for text in ["", "{", "}{", "{\"a}", "{a", "[1:2]", "{\"a\\"] {
            assert_eq!(of(Form::Text, text), None, "{text}");
        }
    }
}
