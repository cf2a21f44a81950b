//! What of a plain SQL dump reaches psql: statements and rows, and no command of psql's own, as those can run programs.
//!
//! Quotes, comments and rows are told apart as psql does, since a backslash is harmless in them and nowhere else. Statements that a restore
//! elsewhere must do without (owners, rights, publications) are left out here, as `pg_restore --no-owner` leaves them out of archives.

use super::statement::{self, Kind};
use ml_common::{Class, Failure, Result};
use ml_dump::copystmt::CopyStatement;
use ml_dump::copytext::Counter;
use std::collections::BTreeSet;

/// So much of a statement is held back to be looked at; what is longer is none of those that are left out.
const HELD: usize = 64 << 10;

/// Which statements pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// None: the text is only looked through.
    Nothing,
    /// All but rights; owners and tablespaces only when they are wanted, publications and subscriptions not in a drill.
    Rows { owners: bool, tablespaces: bool, drill: bool },
    /// Rights alone.
    Rights,
}

/// Where in the text we are.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// Between statements, at the beginning of a line or after blanks.
    Between,
    /// In a statement.
    Sql,
    /// In quotes, until this byte; with escapes by backslash or without.
    Quoted { end: u8, escapes: bool },
    /// After a backslash in such quotes.
    Escaped,
    /// In `$tag$`, until it comes again; what may be its beginning.
    Dollar { tag: Vec<u8>, seen: usize },
    /// In a comment to the end of the line; and whether a statement goes on after it.
    Line,
    /// In a comment between stars, so deep.
    Block { depth: u32, last: u8 },
    /// In a command of psql's.
    Command(Vec<u8>),
    /// After COPY, before its line feed.
    BeforeRows,
    /// In rows; how long the line is and how it begins.
    Rows { length: u64, begins: [u8; 3] },
}

/// Takes the text in pieces, and gives what passes.
pub struct Guard {
    pass: Pass,
    state: State,
    /// The statement at hand, or its beginning.
    held: Vec<u8>,
    /// It was longer, and its beginning has passed already.
    long: bool,
    within: bool,
    last: u8,
    depth: u32,
    /// After quotes with escapes: right after (1), after blanks or a comment (2), or not (0).
    after: u8,
    /// A comment between statements, or its beginning.
    comment: Vec<u8>,
    /// A plain quote has escapes by backslash.
    old_strings: bool,
    /// Rows that pass.
    rows_pass: bool,
    line: u64,
    counter: Counter,
    /// What was seen.
    pub seen: Seen,
}

/// What a dump was seen to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The roles that own something.
    pub owners: BTreeSet<String>,
    /// Whether there are rights.
    pub rights: bool,
    /// Whether rows stand in INSERT statements, which are not counted.
    pub inserts: bool,
    /// `SET client_encoding`.
    pub encoding: Option<String>,
    /// Its first words are pg_dump's.
    pub of_pg_dump: bool,
    /// Its last words are pg_dump's.
    pub complete: bool,
    /// Version of the server that was dumped.
    pub server: String,
    /// Version of pg_dump.
    pub pg_dump: String,
}

impl Seen {
    /// What pg_dump says of itself, in comments.
    fn comment(&mut self, text: &str) {
        let text = text.trim();
        self.of_pg_dump |= text == "PostgreSQL database dump";
        self.complete |= text == "PostgreSQL database dump complete";
        if let Some(version) = text.strip_prefix("Dumped from database version ") {
            self.server = version.to_owned();
        } else if let Some(version) = text.strip_prefix("Dumped by pg_dump version ") {
            self.pg_dump = version.to_owned();
        }
    }
}

impl Guard {
    /// Nothing seen yet.
    pub fn new(pass: Pass) -> Guard {
        Guard {
            pass,
            state: State::Between,
            held: Vec::new(),
            long: false,
            within: false,
            last: 0,
            depth: 0,
            after: 0,
            comment: Vec::new(),
            old_strings: false,
            rows_pass: false,
            line: 1,
            counter: Counter::default(),
            seen: Seen::default(),
        }
    }

    /// Takes the next piece; appends what passes.
    ///
    /// # Errors
    /// Class Storage when the text holds what must not be run, or is not understood.
    pub fn push(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut rest = text;
        while let Some(&byte) = rest.first() {
            if let State::Rows { .. } = self.state {
                rest = self.rows(rest, out)?;
            } else {
                self.line += u64::from(byte == b'\n');
                self.byte(byte, out)?;
                rest = &rest[1..];
            }
        }
        Ok(())
    }

    /// The end of the text: what was counted.
    ///
    /// # Errors
    /// Class Storage when it ends in the middle of something.
    pub fn finish(mut self) -> Result<(Counter, Seen)> {
        match self.state {
            State::Between | State::Line if !self.within => Ok((self.counter, self.seen)),
            State::Command(_) => {
                self.command()?;
                Ok((self.counter, self.seen))
            }
            _ => Err(damaged(format!("it ends in the middle of something, in line {}", self.line))),
        }
    }

    /// Takes one line of rows, or a part of one.
    fn rows<'a>(&mut self, text: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8]> {
        let State::Rows { length, begins } = &mut self.state else { return Ok(text) };
        let end = text.iter().position(|&byte| byte == b'\n');
        let line = &text[..end.map_or(text.len(), |end| end + 1)];
        let body = &text[..end.unwrap_or(text.len())];
        for (slot, &byte) in begins.iter_mut().skip(usize::try_from(*length).unwrap_or(3)).zip(body) {
            *slot = byte;
        }
        *length += body.len() as u64;
        let last = (*length == 2 && begins.starts_with(b"\\.")) || (*length == 3 && *begins == *b"\\.\r");
        if end.is_some() {
            self.line += 1;
            self.state = if last { State::Between } else { State::Rows { length: 0, begins: [0; 3] } };
        }
        if self.rows_pass {
            out.extend_from_slice(line);
        }
        self.counter.push(line)?;
        Ok(&text[line.len()..])
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<()> {
        match &mut self.state {
            State::Command(line) => {
                if byte == b'\n' {
                    self.command()?;
                    self.state = State::Between;
                } else if line.len() < 256 {
                    line.push(byte);
                }
                return Ok(());
            }
            State::BeforeRows => {
                return match byte {
                    b'\n' => {
                        self.state = State::Rows { length: 0, begins: [0; 3] };
                        if self.rows_pass {
                            out.push(b'\n');
                        }
                        self.counter.push(b"\n")
                    }
                    b'\r' | b' ' => Ok(()),
                    _ => Err(damaged(format!("no rows follow COPY in line {}", self.line))),
                };
            }
            State::Between if byte.is_ascii_whitespace() => {
                if self.pass != Pass::Nothing {
                    out.push(byte);
                }
                return Ok(());
            }
            State::Between => {
                self.within = byte != b'\\';
                self.depth = 0;
                self.last = 0;
                self.state = State::Sql;
                return self.sql(byte, out);
            }
            State::Sql => return self.sql(byte, out),
            State::Quoted { end, escapes } => {
                let (end, escapes) = (*end, *escapes);
                if byte == end {
                    // A doubled quote closes and opens again, which comes to the same.
                    self.state = State::Sql;
                    self.last = byte;
                    self.after = u8::from(escapes);
                    self.keep(byte, out);
                    return Ok(());
                }
                if byte == b'\\' && escapes {
                    self.state = State::Escaped;
                }
            }
            State::Escaped => self.state = State::Quoted { end: b'\'', escapes: true },
            State::Dollar { tag, seen } => {
                *seen = if byte == tag[*seen] { *seen + 1 } else { usize::from(byte == tag[0]) };
                if *seen == tag.len() {
                    self.state = State::Sql;
                    self.last = b'$';
                }
            }
            State::Line => {
                if byte == b'\n' {
                    self.state = if self.within { State::Sql } else { State::Between };
                    self.last = byte;
                    self.seen.comment(&String::from_utf8_lossy(&std::mem::take(&mut self.comment)));
                } else if !self.within && self.comment.len() < 200 {
                    self.comment.push(byte);
                }
            }
            State::Block { depth, last } => {
                match (*last, byte) {
                    (b'*', b'/') => {
                        *depth -= 1;
                        *last = 0;
                    }
                    (b'/', b'*') => {
                        *depth += 1;
                        *last = 0;
                    }
                    _ => *last = byte,
                }
                if *depth == 0 {
                    self.state = if self.within { State::Sql } else { State::Between };
                    self.last = b' ';
                }
            }
            State::Rows { .. } => {}
        }
        self.keep(byte, out);
        Ok(())
    }

    /// A byte of a statement, outside of quotes and comments.
    fn sql(&mut self, byte: u8, out: &mut Vec<u8>) -> Result<()> {
        let last = std::mem::replace(&mut self.last, byte);
        let after = std::mem::take(&mut self.after);
        if after > 0 && (byte.is_ascii_whitespace() || matches!(byte, b'-' | b'/')) {
            self.after = 2;
        }
        match byte {
            b'\\' => {
                if self.within && !self.held.is_empty() {
                    return Err(self.refused("a backslash within a statement"));
                }
                self.within = false;
                self.state = State::Command(Vec::new());
                return Ok(());
            }
            b'\'' => {
                // SQL allows it, and psql goes on with the escapes; pg_dump never writes it.
                if after == 2 {
                    return Err(self.refused("a text in two parts"));
                }
                let escapes = self.old_strings || after == 1 || ((last == b'E' || last == b'e') && self.alone(1));
                self.state = State::Quoted { end: b'\'', escapes };
            }
            b'"' => self.state = State::Quoted { end: b'"', escapes: false },
            b'-' if last == b'-' => {
                self.state = State::Line;
                self.comment(1);
            }
            b'*' if last == b'/' => {
                self.state = State::Block { depth: 1, last: 0 };
                self.comment(1);
            }
            b'$' => {
                if let Some(tag) = self.dollar() {
                    self.state = State::Dollar { tag, seen: 0 };
                }
            }
            b'(' => self.depth += 1,
            b')' => self.depth = self.depth.saturating_sub(1),
            b';' if self.depth == 0 => return self.ended(out),
            _ => {}
        }
        self.keep(byte, out);
        Ok(())
    }

    /// A comment that stands before a statement is none of it.
    fn comment(&mut self, begun: usize) {
        if !self.long && self.held.len() == begun {
            self.within = false;
        }
    }

    /// Whether what stands `back` bytes before the end of what is held begins a word: the E of a string, the tag of a dollar.
    fn alone(&self, back: usize) -> bool {
        let before = self.held.len().checked_sub(back + 1).and_then(|at| self.held.get(at));
        before.is_none_or(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80))
    }

    /// Whether the dollar at hand ends the beginning `$tag` of a quote; gives the whole mark.
    fn dollar(&self) -> Option<Vec<u8>> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        let tag = self.held.iter().rev().take_while(|byte| word(byte)).count();
        let at = self.held.len().checked_sub(tag + 1)?;
        let first = self.held.get(at + 1);
        let good = self.held[at] == b'$' && first.is_none_or(|byte| !byte.is_ascii_digit());
        // `a$b$c` is one name.
        let begins = at == 0 || !(word(&self.held[at - 1]) || self.held[at - 1] == b'$');
        (good && begins).then(|| [&self.held[at..], b"$"].concat())
    }

    fn keep(&mut self, byte: u8, out: &mut Vec<u8>) {
        // A comment between statements is worth nothing to psql.
        if !self.within {
            return self.held.clear();
        }
        self.held.push(byte);
        if self.held.len() >= HELD {
            // The end of it may still be looked back at.
            let cut = self.held.len() - 256;
            let long = self.long;
            self.long = true;
            let part: Vec<u8> = self.held.drain(..cut).collect();
            if matches!(self.pass, Pass::Rows { .. }) {
                out.extend_from_slice(&part);
            }
            if statement::is_insert(&part) && !long {
                self.seen.inserts = true;
            }
        }
    }

    /// A statement has ended, but for its semicolon.
    fn ended(&mut self, out: &mut Vec<u8>) -> Result<()> {
        let held = std::mem::take(&mut self.held);
        let long = std::mem::replace(&mut self.long, false);
        (self.within, self.state, self.last) = (false, State::Between, 0);
        let text = String::from_utf8_lossy(&held);
        let kind = if long { Kind::Other } else { statement::kind(&text) };
        if let Kind::Forbidden(what) = kind {
            return Err(self.refused(what));
        }
        let passes = match (self.pass, &kind) {
            (Pass::Nothing, _) => false,
            (Pass::Rights, kind) => matches!(kind, Kind::Right | Kind::Setting),
            (Pass::Rows { .. }, Kind::Right | Kind::Unknown) => false,
            (Pass::Rows { owners, .. }, Kind::Owner(_)) => owners,
            (Pass::Rows { tablespaces, .. }, Kind::Tablespace) => tablespaces,
            (Pass::Rows { drill, .. }, Kind::Outside) => !drill,
            (Pass::Rows { .. }, _) => true,
        };
        match kind {
            Kind::Owner(role) => drop(self.seen.owners.insert(role)),
            Kind::Right => self.seen.rights = true,
            Kind::Insert => self.seen.inserts = true,
            _ => {}
        }
        if let Some(strings) = statement::old_strings(&text) {
            self.old_strings = strings;
        }
        self.seen.encoding = statement::encoding(&text).or(self.seen.encoding.take());
        if text.starts_with("SELECT pg_catalog.lo_open(") {
            self.counter.push(&held)?;
            self.counter.push(b";")?;
        }
        if !long && CopyStatement::parse(&text).is_some() {
            (self.state, self.rows_pass) = (State::BeforeRows, matches!(self.pass, Pass::Rows { .. }));
            self.counter.push(&held)?;
            self.counter.push(b";")?;
        }
        if passes {
            out.extend_from_slice(&held);
            out.push(b';');
        }
        Ok(())
    }

    /// A command of psql's has ended with its line.
    fn command(&mut self) -> Result<()> {
        let State::Command(line) = &self.state else { return Ok(()) };
        let text = String::from_utf8_lossy(line).into_owned();
        let word = text.split_whitespace().next().unwrap_or_default();
        match word {
            // Newer dumps forbid the commands between these two; here they are forbidden anyway.
            "restrict" | "unrestrict" => Ok(()),
            "connect" | "c" => {
                Err(Failure::new(Class::Storage, format!("the dump changes to another database (\\connect, line {})", self.line))
                    .hint("it was made by pg_dumpall or with --create; make it again without, or restore it by hand with psql -f"))
            }
            other => Err(self.refused(&format!("the command \\{other}"))),
        }
    }

    fn refused(&self, what: &str) -> Failure {
        Failure::new(Class::Storage, format!("the dump holds {what} in line {}, which is not run", self.line))
            .hint("pg_dump does not write that into the dump of a database; look at the file, and restore it by hand if it is trusted")
    }
}

fn damaged(why: String) -> Failure {
    Failure::new(Class::Storage, format!("the dump is damaged or cut off: {why}")).hint("use another backup")
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
