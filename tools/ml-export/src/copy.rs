//! The text format of `COPY ... TO STDOUT`, undone: a line into fields.
//!
//! The server never writes a raw tab or line feed within a value, so lines and fields are split first and unescaped after.

use std::ops::Range;

/// A row of the server. Reused from line to line, so that a table costs the memory of its longest row.
#[derive(Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    fields: Vec<Option<Range<usize>>>,
}

impl Row {
    /// Takes a line, with or without its line feed, of a table with `columns` columns; false when it has another number of fields.
    pub fn read(&mut self, line: &[u8], columns: usize) -> bool {
        self.bytes.clear();
        self.fields.clear();
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        if columns == 0 {
            return line.is_empty();
        }
        for field in line.split(|byte| *byte == b'\t') {
            if field == b"\\N" {
                self.fields.push(None);
                continue;
            }
            let begin = self.bytes.len();
            unescape(field, &mut self.bytes);
            self.fields.push(Some(begin..self.bytes.len()));
        }
        self.fields.len() == columns
    }

    /// The fields in the order of the columns; `None` is NULL.
    pub fn fields(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.fields.iter().map(|range| range.as_ref().and_then(|range| self.bytes.get(range.clone())))
    }
}

fn unescape(field: &[u8], out: &mut Vec<u8>) {
    let mut rest = field;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        out.extend(rest.get(at + 1).map(|escaped| match escaped {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => *other,
        }));
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Vec<Option<String>> {
        let mut row = Row::default();
        let columns = line.split('\t').count();
        assert!(row.read(line.as_bytes(), columns));
        row.fields().map(|field| field.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())).collect()
    }

    #[test]
    fn null_is_not_the_text_that_looks_like_it() {
        assert_eq!(read("\\N\t\\\\N\t\tN\n"), [None, Some("\\N".into()), Some(String::new()), Some("N".into())]);
    }

    #[test]
    fn every_escape_is_undone_once() {
        assert_eq!(read("\\b\\f\\n\\r\\t\\v\\\\n"), [Some("\u{8}\u{c}\n\r\t\u{b}\\n".into())]);
        assert_eq!(read("a\\tb\tc\\\\"), [Some("a\tb".into()), Some("c\\".into())]);
    }

    #[test]
    fn a_row_of_another_width_is_seen() {
        let mut row = Row::default();
        assert!(!row.read(b"a\tb\n", 1) && !row.read(b"a\n", 2) && !row.read(b"a\n", 0));
        assert!(row.read(b"\n", 1) && row.fields().next() == Some(Some(&b""[..])));
        assert!(row.read(b"\n", 0) && row.fields().next().is_none());
    }
}
