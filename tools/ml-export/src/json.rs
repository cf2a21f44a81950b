//! JSON in ASCII: strings from text, and documents of the database without the blanks that would break a line.

/// A JSON string.
pub fn string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut plain = 0;
    for (at, c) in text.char_indices() {
        if matches!(c, ' '..='~') && c != '"' && c != '\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[plain..at]);
        plain = at + c.len_utf8();
        match c {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            c => escaped(c, out),
        }
    }
    out.extend_from_slice(&text.as_bytes()[plain..]);
    out.push(b'"');
}

/// A valid JSON document, its numbers and the order of its keys untouched, without blanks between the tokens.
pub fn document(json: &str, out: &mut Vec<u8>) {
    let (mut in_string, mut after_backslash) = (false, false);
    for c in json.chars() {
        if !in_string && c.is_ascii_whitespace() {
            continue;
        }
        if c == '"' && !after_backslash {
            in_string = !in_string;
        }
        after_backslash = in_string && c == '\\' && !after_backslash;
        match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() => out.push(byte),
            _ => escaped(c, out),
        }
    }
}

fn escaped(c: char, out: &mut Vec<u8>) {
    let mut units = [0u16; 2];
    for unit in c.encode_utf16(&mut units) {
        out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: fn(&str, &mut Vec<u8>), text: &str) -> String {
        let mut out = Vec::new();
        write(text, &mut out);
        assert!(out.is_ascii());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_string_reads_back() {
        for text in ["", "plain", "\"\\\n\r\t\u{8}\u{1f}\u{7f}", "p \u{2192} \u{1d53d}\u{1f600}", "\u{2028}\u{feff}end"] {
            assert_eq!(serde_json::from_str::<String>(&written(string, text)).unwrap(), text);
        }
    }

    #[test]
    fn a_document_keeps_its_tokens_and_loses_its_blanks() {
        let given = "{ \"b\" :\n [1.50, 1e400 ,null],\t\"a\\\" \\\\\" : \"x  \\n \u{e9}\" }";
        assert_eq!(written(document, given), "{\"b\":[1.50,1e400,null],\"a\\\" \\\\\":\"x  \\n \\u00e9\"}");
    }
}
