//! Counts and fingerprints the rows in the text that `pg_restore --data-only` makes of an archive, as it streams by.
//!
//! A row in COPY's text format holds no raw line feed and a line `\.` ends the rows, so lines are rows. Outside of the rows it is SQL whose
//! quotes must be understood: a table's name may hold a line feed, a semicolon, or the words `FROM stdin`.

use crate::copystmt::CopyStatement;
use crate::fingerprint::Pieces;
use crate::rows::{AllRows, Rows};
use ml_common::{Class, Failure, Result};

/// No statement that matters is longer: 1600 columns with names of 63 bytes take a tenth of it.
const LONGEST: usize = 4 << 20;

/// Takes the text in pieces of any size.
#[derive(Debug, Default)]
pub struct Counter {
    state: State,
    statement: Vec<u8>,
    all: AllRows,
    large_objects: u64,
    /// Of the table at hand.
    table: CopyStatement,
    rows: Pieces,
    copy_bytes: u64,
    /// Of the line at hand: how long it is and how it begins.
    length: u64,
    begins: [u8; 3],
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// Between statements.
    #[default]
    Between,
    /// In a comment or a psql command, to the end of the line.
    Line,
    /// In a statement.
    Sql,
    /// In a quoted part of a statement, until this byte.
    Quoted(u8),
    /// After a COPY statement, before its line feed.
    BeforeRows,
    /// In rows.
    Rows,
}

impl Counter {
    /// Takes the next piece.
    ///
    /// # Errors
    /// Class Storage when it is not what pg_restore writes.
    pub fn push(&mut self, mut text: &[u8]) -> Result<()> {
        while let Some((&byte, rest)) = text.split_first() {
            match self.state {
                State::Rows => text = self.rows(text),
                State::Line => text = skip_line(text, &mut self.state),
                _ => {
                    self.sql(byte)?;
                    text = rest;
                }
            }
        }
        Ok(())
    }

    /// The rows, and the number of large objects.
    ///
    /// # Errors
    /// Class Storage when the text ends in the middle of something.
    pub fn finish(self) -> Result<(AllRows, u64)> {
        match self.state {
            State::Between | State::Line => Ok((self.all, self.large_objects)),
            State::Rows | State::BeforeRows => Err(damaged(format!("its rows of {} end without an end mark", self.table.shown()))),
            State::Sql | State::Quoted(_) => Err(damaged("it ends within a statement".into())),
        }
    }

    /// Takes one line of rows, or the rest or beginning of one; gives what is left.
    fn rows<'a>(&mut self, text: &'a [u8]) -> &'a [u8] {
        let end = memchr::memchr(b'\n', text);
        let line = &text[..end.unwrap_or(text.len())];
        if let Some(end) = end
            && self.length == 0
            && !line.starts_with(b"\\.")
        {
            self.rows.whole_line(line);
            self.copy_bytes += line.len() as u64 + 1;
            return &text[end + 1..];
        }
        for (slot, &byte) in self.begins.iter_mut().skip(usize::try_from(self.length).unwrap_or(3)).zip(line) {
            *slot = byte;
        }
        self.length += line.len() as u64;
        self.rows.part(line);
        let Some(end) = end else { return &[] };
        // On Windows lines may end with CR LF; a row holds neither raw.
        if (self.length == 2 && self.begins.starts_with(b"\\.")) || (self.length == 3 && self.begins == *b"\\.\r") {
            let CopyStatement { columns, .. } = &mut self.table;
            let rows =
                Rows { columns: std::mem::take(columns), print: self.rows.ended(), copy_bytes: self.copy_bytes, segments: Vec::new() };
            self.all.add(self.table.shown(), rows);
            self.state = State::Between;
        } else {
            self.rows.end_line();
            self.copy_bytes += self.length + 1;
        }
        self.length = 0;
        &text[end + 1..]
    }

    fn sql(&mut self, byte: u8) -> Result<()> {
        match (self.state, byte) {
            (State::Between, b'\\') => self.state = State::Line,
            (State::Between, byte) if byte.is_ascii_whitespace() => {}
            (State::BeforeRows, b'\r') => {}
            (State::BeforeRows, b'\n') => {
                (self.state, self.rows, self.length, self.copy_bytes) = (State::Rows, Pieces::default(), 0, 0);
            }
            (State::BeforeRows, _) => return Err(damaged(format!("no rows follow COPY {}", self.table.shown()))),
            (State::Quoted(end), byte) => {
                self.keep(byte)?;
                // A doubled quote closes and opens again, which comes to the same.
                if byte == end {
                    self.state = State::Sql;
                }
            }
            (_, b';') => return self.ended(),
            (_, byte) => {
                self.keep(byte)?;
                self.state = if byte == b'\'' || byte == b'"' { State::Quoted(byte) } else { State::Sql };
                if self.statement == b"--" {
                    self.statement.clear();
                    self.state = State::Line;
                }
            }
        }
        Ok(())
    }

    /// Of statements other than COPY only the beginning is needed; a large object's piece is one statement.
    fn keep(&mut self, byte: u8) -> Result<()> {
        if self.statement.len() < 64 || self.statement.starts_with(b"COPY ") {
            self.statement.push(byte);
        }
        if self.statement.len() > LONGEST { Err(damaged("a statement of it is too long".into())) } else { Ok(()) }
    }

    fn ended(&mut self) -> Result<()> {
        self.state = State::Between;
        let statement = std::mem::take(&mut self.statement);
        if statement.starts_with(b"SELECT pg_catalog.lo_open(") {
            self.large_objects += 1;
        }
        if statement.starts_with(b"COPY ") && statement.ends_with(b" FROM stdin") {
            let copy = CopyStatement::parse(&String::from_utf8_lossy(&statement));
            self.table = copy.ok_or_else(|| damaged("a COPY statement of it names no table".into()))?;
            self.state = State::BeforeRows;
        }
        Ok(())
    }
}

fn skip_line<'a>(text: &'a [u8], state: &mut State) -> &'a [u8] {
    match text.iter().position(|&byte| byte == b'\n') {
        Some(end) => {
            *state = State::Between;
            &text[end + 1..]
        }
        None => &[],
    }
}

fn damaged(why: String) -> Failure {
    Failure::new(Class::Storage, format!("the dump is damaged: {why}")).hint("use another backup; this one cannot be relied on")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::Tally;
    use crate::fingerprint::Fingerprint;

    const TEXT: &str = "--\n-- PostgreSQL; \"dump\n--\n\n\\restrict abc'\nSET statement_timeout = 0;\n\
        SELECT pg_catalog.set_config('search_path', '', false);\n\n--\n-- Data for Name: t; Type: TABLE DATA; Owner: it's\n--\n\n\
        COPY public.t (a, b) FROM stdin;\n1\tx;\n2\t\\\\.\n\\.\t'\n\\.\n\n\n\
        COPY public.empty (a) FROM stdin;\n\\.\n\n\nCOPY \"s.1\".\"a FROM stdin;\n\"\"b\" (\"x;\ny\") FROM stdin;\nCOPY public.t (a, b) FROM stdin;\n\\.\n\n\n\
        COPY public.zero  FROM stdin;\n\n\n\\.\n\n\nSELECT pg_catalog.setval('public.\"s'';q\"', 1, false);\n\
        BEGIN;\n\nSELECT pg_catalog.lo_open('16403', 131072);\nSELECT pg_catalog.lowrite(0, '\\x616263');\nSELECT pg_catalog.lo_close(0);\n\
        \nSELECT pg_catalog.lo_open('16404', 131072);\nSELECT pg_catalog.lo_close(0);\n\nCOMMIT;\n\n\\unrestrict abc\n\n";

    fn expected() -> Tally {
        let tables = [("public.t", 3), ("public.empty", 0), ("\"s.1\".\"a FROM stdin;\n\"\"b\"", 1), ("public.zero", 2)];
        Tally { tables: tables.into_iter().map(|(name, rows)| (name.to_owned(), rows)).collect(), large_objects: 2 }
    }

    fn count(text: &[u8], piece: usize) -> Result<Tally> {
        let mut counter = Counter::default();
        for piece in text.chunks(piece) {
            counter.push(piece)?;
        }
        counter.finish().map(|(all, large_objects)| all.tally(large_objects))
    }

    #[test]
    fn rows_are_fingerprinted_without_their_end_mark() {
        for piece in [1, 3, 1000] {
            let mut counter = Counter::default();
            TEXT.as_bytes().chunks(piece).for_each(|piece| counter.push(piece).unwrap());
            let data = counter.finish().unwrap().0.into_data();
            let mut print = Fingerprint::default();
            print.lines(b"\\.\t'\n1\tx;\n2\t\\\\.\n");
            let table = &data["public.t"];
            assert_eq!(
                (table.fingerprint.clone(), table.copy_bytes, &table.columns[..]),
                (print.to_string(), 16, &["a".to_owned(), "b".to_owned()][..])
            );
            assert_eq!((data["public.zero"].copy_bytes, data["public.zero"].columns.len()), (2, 0));
        }
    }

    #[test]
    fn rows_are_counted_whatever_the_pieces() {
        for piece in 1..40 {
            assert_eq!(count(TEXT.as_bytes(), piece).unwrap(), expected(), "pieces of {piece}");
        }
    }

    #[test]
    fn lines_may_end_as_on_windows() {
        // Within quotes a line feed is part of a name there too; this text has such names, so only the others are compared.
        let tally = count(TEXT.replace('\n', "\r\n").as_bytes(), 5).unwrap();
        assert_eq!((tally.tables["public.t"], tally.tables["public.zero"], tally.large_objects), (3, 2, 2));
    }

    #[test]
    fn a_text_that_ends_early_is_never_taken_for_the_whole() {
        for end in 0..TEXT.len() {
            if let Ok(tally) = count(&TEXT.as_bytes()[..end], 7) {
                let short = tally != expected();
                let rest = &TEXT[end..];
                assert!(short || !(rest.contains("COPY") || rest.contains("lo_open")), "cut at {end}");
            }
        }
    }

    #[test]
    fn a_long_row_takes_no_memory() {
        let mut counter = Counter::default();
        counter.push(b"COPY a.b (c) FROM stdin;\n").unwrap();
        for _ in 0..1000 {
            counter.push(&[b'x'; 4096]).unwrap();
        }
        assert!(counter.statement.capacity() < 4096);
        counter.push(b"\n\\.\n").unwrap();
        assert_eq!(counter.finish().unwrap().0.tally(0).tables["a.b"], 1);
    }

    #[test]
    fn a_statement_without_an_end_is_refused() {
        let mut counter = Counter::default();
        counter.push(b"COPY a.\"").unwrap();
        let endless = vec![b'x'; LONGEST + 10];
        assert_eq!(counter.push(&endless).unwrap_err().class, Class::Storage);
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>) {
            let _ = count(&bytes, 3);
        }
    }
}
