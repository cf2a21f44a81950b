use super::*;
use crate::record::Status;
use proptest::prelude::*;

const LINE: &str = r#"{"v":1,"tool":"t","stage":"t.1","system":"s","run":"r","ts":"2025-01-08T02:00:00.000Z","host":"h","status":"warn","kind":"check","id":"a.b","summary":"x {\"} y"}"#;

fn read(bytes: &[u8]) -> Vec<Item> {
    Reader::new(bytes).collect()
}

fn records(bytes: &[u8]) -> usize {
    read(bytes).iter().filter(|item| matches!(item, Item::Record { .. })).count()
}

fn garbage(bytes: &[u8]) -> Vec<(u64, String)> {
    read(bytes)
        .into_iter()
        .filter_map(|item| match item {
            Item::Garbage { at, reason } => Some((at, reason)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_line_is_forwarded_as_it_is() {
    let spaced = LINE.replace(":", ": ");
    for line in [LINE, &spaced] {
        let items = read(format!("{line}\n").as_bytes());
        let [Item::Record { line: forwarded, record }] = &items[..] else { panic!("{items:?}") };
        assert_eq!((forwarded.as_str(), record.head.status), (line, Status::Warn));
    }
}

#[test]
fn what_shells_do_to_a_stream_is_undone() {
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<serde_json::Value>(LINE).unwrap()).unwrap();
    let utf16 = |text: &str, big: bool| -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(bytes).collect()
    };
    let crlf = format!("{LINE}\r\n\r\n{LINE}\r\n");
    for (name, bytes) in [
        ("two lines", format!("{LINE}\n{LINE}\n").into_bytes()),
        ("no final line feed", format!("{LINE}\n{LINE}").into_bytes()),
        ("on one line", format!("{LINE} {LINE}").into_bytes()),
        ("crlf and blank lines", crlf.clone().into_bytes()),
        ("utf-8 mark", format!("\u{feff}{LINE}\n{LINE}").into_bytes()),
        ("utf-16 little endian", utf16(&crlf, false)),
        ("utf-16 big endian", utf16(&crlf, true)),
        ("pretty", format!("{pretty}\n{pretty}\n").into_bytes()),
        ("pretty crlf", format!("{pretty}\n{pretty}\n").replace('\n', "\r\n").into_bytes()),
        ("array", format!("[\n{LINE},\n{LINE}\n]\n").into_bytes()),
    ] {
        assert_eq!((records(&bytes), garbage(&bytes)), (2, vec![]), "{name}");
    }
}

#[test]
fn a_pretty_record_is_forwarded_on_one_ascii_line() {
    let text = LINE.replace("a.b", "a \u{e9} b").replace(',', ",\n   ");
    let items = read(text.as_bytes());
    let [Item::Record { line, .. }] = &items[..] else { panic!("{items:?}") };
    assert_eq!(line, &LINE.replace("a.b", "a \\u00e9 b"));
}

#[test]
fn reading_goes_on_after_what_is_not_a_record() {
    let cases: [(&str, String, u64, &str); 9] = [
        ("words", format!("hello\n{LINE}\n"), 1, "not a JSON object"),
        ("after a blank line", format!("\nhello\n{LINE}\n"), 2, "not a JSON object"),
        ("cut in a string", format!("{}\n{LINE}\n", &LINE[..30]), 1, "cut off inside a string"),
        ("cut between fields", format!("{}\n{LINE}\n", &LINE[..7]), 1, "cut off"),
        ("cut at the end", format!("{LINE}\n{}", &LINE[..40]), 2, "cut off"),
        ("no record", format!("{{\"a\":1}}\n{LINE}\n"), 1, "not a record: a field is missing or of the wrong type"),
        (
            "wrong type",
            format!("{}\n{LINE}\n", LINE.replace("\"a.b\"", "7")),
            1,
            "not a check record: a field is missing or of the wrong type",
        ),
        ("not json", format!("{{\"v\":01}}\n{LINE}\n"), 1, "not JSON, at column 7"),
        ("huge", format!("{{\"a\":\"{}\"}}\n{LINE}\n", "x".repeat(MAX_RECORD_BYTES)), 1, "longer than 1 MiB"),
    ];
    for (name, text, at, reason) in cases {
        assert_eq!(garbage(text.as_bytes()), vec![(at, reason.to_owned())], "{name}");
        assert_eq!(records(text.as_bytes()), 1, "{name}");
    }
}

#[test]
fn a_newer_format_is_forwarded() {
    for line in [r#"{"v":2,"kind":"check","run":"r2"}"#, r#"{"v":1,"kind":"gauge","run":"r2"}"#] {
        let run = Some("r2".to_owned());
        assert_eq!(read(line.as_bytes()), vec![Item::Foreign { line: line.to_owned(), run }]);
    }
}

#[test]
fn complaints_never_quote_the_input() {
    for text in ["password=hunter2", "{\"v\":\"hunter2\"}", "{\"v\":1,\"kind\":\"end\",\"status\":\"hunter2\"}", "{hunter2}"] {
        let told = garbage(text.as_bytes());
        assert!(told.len() == 1 && !told[0].1.contains("hunter2"), "{told:?}");
    }
}

#[test]
fn deep_nesting_is_refused_and_not_followed() {
    let deep = format!("{{\"v\":1,\"kind\":\"end\",\"x\":{}1{}}}\n{LINE}\n", "[".repeat(300_000), "]".repeat(300_000));
    assert_eq!((records(deep.as_bytes()), garbage(deep.as_bytes()).len()), (1, 1));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic_or_lose_a_following_record(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        bytes.retain(|b| !matches!(b, 0xfe | 0xff | 0xef)); // a byte order mark would change the encoding of what follows
        bytes.extend(format!("\n{LINE}\n").bytes());
        prop_assert_eq!(records(&bytes), 1);
    }

    #[test]
    fn however_it_is_cut_into_reads(cut in 1usize..60) {
        struct Slow<'a>(&'a [u8], usize);
        impl Read for Slow<'_> {
            fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
                let n = self.1.min(out.len()).min(self.0.len());
                out[..n].copy_from_slice(&self.0[..n]);
                self.0 = &self.0[n..];
                Ok(n)
            }
        }
        let text = format!("{LINE}\nhello\n{LINE}");
        prop_assert_eq!(Reader::new(Slow(text.as_bytes(), cut)).count(), 3);
    }
}

/// Gives a byte at a time: no line is ever there as a whole.
struct Drip<'a>(&'a [u8]);

impl std::io::Read for Drip<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(out.len()).min(1);
        out[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

#[test]
fn what_a_line_is_does_not_depend_on_how_it_arrives() {
    let line = LINE;
    let cut = &line[..line.len() / 2];
    let odd = [
        format!("{line}\n{line}\r\n\n{line}{line}\n[{line},\n{line}]\n"),
        format!("{cut}\n{line}\n{cut}\n"),
        format!("garbage {line}\n{line} garbage\n{line}\n"),
        format!("{}\n{line}\n", line.replace("\"v\":1", "\"v\":9")),
        line.replace(',', ",\n  "),
        format!("{line}\n{line}"),
        format!("{}\n{line}", line.replace("\"status\"", "\"st\u{e4}tus\"")),
    ];
    for text in odd {
        let dripped: Vec<Item> = Reader::new(Drip(text.as_bytes())).collect();
        assert_eq!(read(text.as_bytes()), dripped, "{text}");
    }
}

/// Else a record would be held back until the next one comes.
#[test]
fn nothing_is_waited_for_after_the_last_record_that_is_there() {
    for text in [format!("{LINE}\n"), format!("{LINE}\r\n"), format!(" {LINE}\n"), LINE.replace(',', ",\n "), LINE.to_owned()] {
        let mut reader = Reader::new(text.as_bytes());
        assert!(matches!(reader.next(), Some(Item::Record { .. })), "{text}");
        assert!(reader.is_drained(), "{text}");
    }
    let two = format!("{LINE}\n\n{LINE}\n");
    let mut reader = Reader::new(two.as_bytes());
    reader.next();
    assert!(!reader.is_drained());
}
