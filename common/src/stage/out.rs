//! Standard output: records, a table, or naked data; a closed pipe is remembered and never panics.

use super::args::Output;
use crate::people;
use crate::record::{Body, Record, Status};
use std::io::{self, BufWriter, Write};
use std::sync::{Mutex, MutexGuard};

/// Where a tool writes. Shared by its threads; a line is never torn.
pub struct Out {
    mode: Output,
    quiet: bool,
    colour: bool,
    sink: Mutex<Sink>,
}

struct Sink {
    to: BufWriter<Box<dyn Write + Send>>,
    error: Option<io::Error>,
}

impl Out {
    /// Writes to `to`.
    pub fn new(to: Box<dyn Write + Send>, mode: Output, quiet: bool, colour: bool) -> Out {
        let to = BufWriter::with_capacity(1 << 16, to);
        Out { mode, quiet, colour, sink: Mutex::new(Sink { to, error: None }) }
    }

    /// What is printed.
    pub fn mode(&self) -> Output {
        self.mode
    }

    /// Writes a record; `line` is the line as it came in, when it is forwarded. Forwarded lines are gathered: whoever forwards flushes before
    /// it waits for more, or works.
    pub fn record(&self, record: &Record, line: Option<&str>) {
        if self.quiet && matches!(record.head.status, Status::Ok | Status::Planned | Status::Skipped) {
            return;
        }
        match self.mode {
            Output::Records => match line {
                Some(line) => self.line(line, true),
                None => self.line(&record.to_line(), is_bulk(record)),
            },
            Output::Table => {
                if let Some(text) = people::render(record, self.colour) {
                    self.line(&text, line.is_some() || is_bulk(record));
                }
            }
            Output::Raw | Output::Nagios | Output::Prometheus | Output::Junit => {}
        }
    }

    /// Forwards a line whose meaning is not known.
    pub fn foreign(&self, line: &str) {
        if self.mode == Output::Records && !self.quiet {
            self.line(line, true);
        }
    }

    /// Writes text of a tool's own making: the nagios line, a summary for people.
    pub fn text(&self, text: &str) {
        self.line(&people::printable_lines(text), false);
    }

    fn line(&self, line: &str, bulk: bool) {
        self.write(|to| {
            to.write_all(line.as_bytes())?;
            to.write_all(b"\n")?;
            // A waiting reader gets its record at once; only masses of theorems are gathered.
            if bulk { Ok(()) } else { to.flush() }
        });
    }

    /// Writes naked data.
    ///
    /// # Errors
    /// When standard output is closed or full; the error is remembered, too.
    pub fn raw(&self, bytes: &[u8]) -> io::Result<()> {
        self.write(|to| to.write_all(bytes));
        match &self.sink().error {
            Some(error) => Err(io::Error::new(error.kind(), error.to_string())),
            None => Ok(()),
        }
    }

    /// Flushes what is gathered.
    pub fn flush(&self) {
        self.write(Write::flush);
    }

    /// The first error that writing met: a closed pipe, a full disk.
    pub fn error(&self) -> Option<io::ErrorKind> {
        self.sink().error.as_ref().map(io::Error::kind)
    }

    fn write(&self, write: impl FnOnce(&mut BufWriter<Box<dyn Write + Send>>) -> io::Result<()>) {
        let mut sink = self.sink();
        if sink.error.is_none() {
            sink.error = write(&mut sink.to).err();
        }
    }

    fn sink(&self) -> MutexGuard<'_, Sink> {
        self.sink.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn is_bulk(record: &Record) -> bool {
    matches!(record.body, Body::Statement(_))
}
