//! Reads the stream as a sequence of JSON values, whatever a shell has done to it on the way.
//!
//! jq pretty-prints, PowerShell 5.1 writes UTF-16 and CRLF, a killed stage leaves half a line: values are therefore found by counting
//! brackets outside strings and not by lines, and reading picks up again at the next line that begins a value. What is not a record is
//! reported with its line number and without its content, which may hold a secret.

use crate::record::{Record, VERSION, ascii};
use encoding_rs_io::{DecodeReaderBytes, DecodeReaderBytesBuilder};
use serde::Deserialize;
use std::io::Read;

/// A value longer than this (bytes) is not a record.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// One thing found in the input.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant, reason = "items are handled one at a time")]
pub enum Item {
    /// A record, and the line to forward.
    Record {
        /// What to write downstream: the very line if it was one, else the value on one line.
        line: String,
        /// What it says.
        record: Record,
    },
    /// A record of a kind or version that this reader does not know: forwarded, not understood.
    Foreign {
        /// What to write downstream.
        line: String,
        /// Its run, if it names one.
        run: Option<String>,
    },
    /// Something else.
    Garbage {
        /// The line on which it began, from 1.
        at: u64,
        /// What is wrong with it, without a word of its content.
        reason: String,
    },
}

/// An iterator over the items of an input. IO errors end it and are reported as garbage.
pub struct Reader<R: Read> {
    input: DecodeReaderBytes<R, Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
    filled: usize,
    done: bool,
    line: u64,
    column: usize,
    value: Value,
}

/// The value being collected.
#[derive(Default)]
struct Value {
    bytes: Vec<u8>,
    began: u64,
    depth: u32,
    in_string: bool,
    escaped: bool,
    /// Not JSON text at all, or too long: its bytes are counted and not kept.
    spoilt: Option<&'static str>,
}

impl<R: Read> Reader<R> {
    /// Reads `input`, UTF-8 with or without byte order mark, or UTF-16 with one.
    pub fn new(input: R) -> Reader<R> {
        let input = DecodeReaderBytesBuilder::new().strip_bom(true).build(input);
        Reader { input, chunk: vec![0; 1 << 16], at: 0, filled: 0, done: false, line: 1, column: 0, value: Value::default() }
    }

    /// Whether all that has arrived so far is read, but for the end of its line: the next item may have to be waited for.
    pub fn is_drained(&self) -> bool {
        self.chunk.get(self.at..self.filled).is_none_or(|rest| rest.iter().all(u8::is_ascii_whitespace))
    }

    /// The next byte, or None at the end of the input.
    fn byte(&mut self) -> Result<Option<u8>, std::io::Error> {
        if self.at == self.filled {
            if self.done {
                return Ok(None);
            }
            self.filled = loop {
                match self.input.read(&mut self.chunk) {
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    other => break other?,
                }
            };
            self.at = 0;
            if self.filled == 0 {
                self.done = true;
                return Ok(None);
            }
        }
        let byte = self.chunk[self.at];
        self.at += 1;
        Ok(Some(byte))
    }

    /// Feeds one byte; gives an item when it ends one.
    fn feed(&mut self, byte: u8) -> Option<Item> {
        let (line, column) = (self.line, self.column);
        if byte == b'\n' {
            self.line += 1;
            self.column = 0;
        } else {
            self.column += 1;
        }
        let value = &mut self.value;
        let begun = value.began != 0;
        // A value that begins in the first column while another is open: that other one was cut off. (Nested values are indented.)
        if begun && byte == b'{' && column == 0 {
            let cut = value.end();
            self.value.begin(line, byte);
            return Some(cut.unwrap_or(Item::Garbage { at: line, reason: "cut off".into() }));
        }
        if !begun {
            match byte {
                b'{' => value.begin(line, byte),
                // An array of records (jq -s, ConvertTo-Json) is read as its elements.
                b'[' | b']' | b',' | b'\n' | b'\r' | b' ' | b'\t' | 0 => {}
                _ => {
                    value.begin(line, byte);
                    value.spoilt = Some("not a JSON object");
                }
            }
            return None;
        }
        value.take(byte)
    }

    /// The item that the next line is by itself, as almost all are: found without looking at each byte. Whatever else it is, is left as it is.
    fn whole_line(&mut self) -> Option<Item> {
        if self.value.began != 0 || self.column != 0 {
            return None;
        }
        let ahead = self.chunk.get(self.at..self.filled).filter(|ahead| ahead.first() == Some(&b'{'))?;
        let end = memchr::memchr(b'\n', ahead)?;
        let line = ahead.get(..end)?;
        let text = std::str::from_utf8(line.strip_suffix(b"\r").unwrap_or(line)).ok()?;
        let record = Record::from_json(text).ok()?;
        let item = Item::Record { line: one_line(text), record };
        self.at += end + 1;
        self.line += 1;
        Some(item)
    }

    /// The next item, or None at the end of the input.
    fn next_item(&mut self) -> Option<Item> {
        loop {
            if let Some(item) = self.whole_line() {
                return Some(item);
            }
            match self.byte() {
                Ok(Some(byte)) => {
                    if let Some(item) = self.feed(byte) {
                        return Some(item);
                    }
                }
                Ok(None) => return self.value.end(),
                Err(error) => {
                    self.done = true;
                    let reason = format!("reading failed: {error}");
                    return Some(Item::Garbage { at: self.line, reason });
                }
            }
        }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Item;
    fn next(&mut self) -> Option<Item> {
        self.next_item()
    }
}

impl Value {
    fn begin(&mut self, line: u64, byte: u8) {
        *self = Value { began: line, bytes: vec![byte], depth: u32::from(byte == b'{'), ..Value::default() };
    }

    /// Takes a byte of the open value; gives an item when it is complete.
    fn take(&mut self, byte: u8) -> Option<Item> {
        if self.depth == 0 || (self.in_string && byte == b'\n') {
            // Not an object, or a string that no JSON text may have: over at the end of the line.
            self.spoilt.get_or_insert("cut off inside a string");
            return if byte == b'\n' { self.end() } else { None };
        }
        if self.bytes.len() < MAX_RECORD_BYTES {
            self.bytes.push(byte);
        } else {
            self.spoilt = Some("longer than 1 MiB");
        }
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            return None;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => self.depth -= 1,
            _ => {}
        }
        if self.depth == 0 { self.end() } else { None }
    }

    /// Ends the open value, if there is one.
    fn end(&mut self) -> Option<Item> {
        let value = std::mem::take(self);
        if value.began == 0 {
            return None;
        }
        let cut = (value.depth > 0).then_some("cut off");
        Some(match value.spoilt.or(cut) {
            Some(reason) => Item::Garbage { at: value.began, reason: reason.into() },
            None => understand(&value.bytes).unwrap_or_else(|reason| Item::Garbage { at: value.began, reason }),
        })
    }
}

/// What makes an object a record at all.
#[derive(Deserialize)]
struct Sign {
    v: u64,
    kind: String,
    run: Option<serde_json::Value>,
}

/// The item that a whole JSON object is.
fn understand(bytes: &[u8]) -> Result<Item, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "not UTF-8".to_owned())?;
    let sign: Sign = serde_json::from_str(text).map_err(|error| complaint(&error, "a record"))?;
    let line = one_line(text);
    if sign.v > u64::from(VERSION) || !known_kind(&sign.kind) {
        let run = sign.run.and_then(|run| run.as_str().map(str::to_owned));
        return Ok(Item::Foreign { line, run });
    }
    let record = Record::from_json(text).map_err(|error| complaint(&error, &format!("a {} record", sign.kind)))?;
    Ok(Item::Record { line, record })
}

fn known_kind(kind: &str) -> bool {
    matches!(kind, "start" | "check" | "step" | "statement" | "alert" | "end")
}

/// serde's own words quote the input, so only the nature and the place of the fault are kept.
fn complaint(error: &serde_json::Error, what: &str) -> String {
    use serde_json::error::Category;
    match error.classify() {
        Category::Data => format!("not {what}: a field is missing or of the wrong type"),
        Category::Syntax | Category::Eof | Category::Io => format!("not JSON, at column {}", error.column()),
    }
}

/// The value on one ASCII line. A line that is so already is not touched.
fn one_line(text: &str) -> String {
    if text.is_ascii() && memchr::memchr2(b'\n', b'\r', text.as_bytes()).is_none() {
        return text.to_owned();
    }
    let (mut in_string, mut escaped) = (false, false);
    let kept = text.chars().filter(|&c| {
        if in_string {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            return true;
        }
        in_string = c == '"';
        !c.is_ascii_whitespace()
    });
    ascii(&kept.collect::<String>())
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
