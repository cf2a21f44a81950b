//! Rows of a table as lines of the export.

use crate::act::Source;
use crate::copy::Row;
use crate::form::{self, Form};
use crate::json;
use crate::plan::Format;
use crate::table::Table;
use ml_common::{Class, Failure, Result, pg};
use postgres::Transaction;
use std::io::{self, BufRead};

/// So often the cancel flag is looked at and progress is told, in rows.
const EVERY: u64 = 1024;

/// Writes one row after the other.
struct Encoder<'a> {
    table: &'a Table,
    format: Format,
    /// `,"name":` of each column, escaped once.
    keys: Vec<Vec<u8>>,
}

/// The line of names that CSV begins with; nothing in JSON lines.
pub fn header(table: &Table, format: Format) -> Vec<u8> {
    let mut line = Vec::new();
    if format == Format::Csv {
        for (at, column) in table.columns.iter().enumerate() {
            if at > 0 {
                line.push(b',');
            }
            form::field(&column.name, &mut line);
        }
        line.push(b'\n');
    }
    line
}

/// Reads the table and hands each row on as a line; gives their number. `told` hears of the rows from time to time.
///
/// # Errors
/// Class Database, Interrupted, or what `line` fails with.
pub fn rows(
    source: &Source<'_>,
    tx: &mut Transaction<'_>,
    table: &Table,
    told: impl Fn(u64),
    mut line: impl FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let doing = || format!("exporting {}", table.name);
    let encoder = Encoder::new(table, source.plan.format);
    let mut reader = tx.copy_out(&format!("COPY ({}) TO STDOUT", table.query)).map_err(|error| pg::failure(&error, doing()))?;
    // The server would go on sending, and the end of the transaction would wait for all of it.
    let abort = |failure: Failure| {
        (source.abort)();
        failure
    };
    let (mut row, mut text, mut out) = (Row::default(), Vec::new(), Vec::new());
    let mut count = 0;
    loop {
        text.clear();
        if reader.read_until(b'\n', &mut text).map_err(|error| lost(&error, &doing()))? == 0 {
            told(count);
            return Ok(count);
        }
        count += 1;
        out.clear();
        let encoded = encoder.row(&text, &mut row, &mut out);
        encoded
            .map_err(|what| Failure::new(Class::Database, format!("{}: row {count} {what}", doing())))
            .and_then(|()| line(&out))
            .map_err(abort)?;
        if count % EVERY == 0 {
            source.stage.cancel.check().map_err(abort)?;
            told(count);
        }
    }
}

fn lost(error: &io::Error, doing: &str) -> Failure {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<postgres::Error>()) {
        Some(error) => pg::failure(error, doing),
        None => Failure::new(Class::Database, format!("{doing}: {error}")),
    }
}

impl<'a> Encoder<'a> {
    fn new(table: &'a Table, format: Format) -> Encoder<'a> {
        let key = |name: &str| {
            let mut key = Vec::new();
            json::string(name, &mut key);
            key.push(b':');
            key
        };
        Encoder { table, format, keys: table.columns.iter().map(|column| key(&column.name)).collect() }
    }

    fn row(&self, line: &[u8], row: &mut Row, out: &mut Vec<u8>) -> Result<(), String> {
        if !row.read(line, self.table.columns.len()) {
            return Err("has another number of fields than the table has columns".into());
        }
        match self.format {
            Format::Jsonl => self.json(row, out)?,
            Format::Csv => self.csv(row, out)?,
        }
        out.push(b'\n');
        Ok(())
    }

    fn json(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), String> {
        out.push(b'{');
        let mut first = true;
        for ((field, column), key) in row.fields().zip(&self.table.columns).zip(&self.keys) {
            if field.is_none() && column.form == Form::Json {
                continue;
            }
            if !first {
                out.push(b',');
            }
            first = false;
            out.extend_from_slice(key);
            match field {
                None => out.extend_from_slice(b"null"),
                Some(bytes) => {
                    let fits = column.form.json(utf8(bytes, &column.name)?, out);
                    fits.then_some(()).ok_or_else(|| format!("holds in {} what is no {}", column.name, column.type_name))?;
                }
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn csv(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), String> {
        for (at, (field, column)) in row.fields().zip(&self.table.columns).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            if let Some(bytes) = field {
                column.form.csv(utf8(bytes, &column.name)?, out);
            }
        }
        Ok(())
    }
}

/// A database in SQL_ASCII hands out whatever bytes were put in.
fn utf8<'a>(bytes: &'a [u8], column: &str) -> Result<&'a str, String> {
    std::str::from_utf8(bytes).map_err(|_| format!("holds in {column} what is not UTF-8 (the database's encoding is likely SQL_ASCII)"))
}
