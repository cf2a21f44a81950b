//! What a dump's file is, by how it begins: an archive or plain SQL, as it is or compressed, encrypted or not; and reading it unpacked.
//!
//! Older scripts made dumps of all these forms, and they have to be checked and restored too.

use crate::sealed;
use ml_common::{Class, Failure, Result, files};
use std::fmt;
use std::io::{self, BufReader, Chain, Cursor, Read, Write};
use std::path::Path;

/// What is within all packing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// pg_dump's custom format.
    Archive,
    /// Statements, as psql takes them.
    Sql,
    /// Nothing at all.
    Empty,
    /// Something else.
    Unknown,
}

/// A packing that can be taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Encrypted.
    Age,
    /// Has checksums of what is in it.
    Gzip,
    /// May have checksums.
    Zstd,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layer::Age => "age",
            Layer::Gzip => "gzip",
            Layer::Zstd => "zstd",
        })
    }
}

/// A reader with its first bytes put back.
type Begun = Chain<Cursor<Vec<u8>>, Box<dyn Read + Send>>;

/// A dump that is being read.
pub struct Opened {
    /// What it is.
    pub form: Form,
    /// What was taken off, the outermost first.
    pub layers: Vec<Layer>,
    /// What is in it.
    pub reader: Box<dyn Read + Send>,
}

/// So much of the beginning is looked at.
const LOOKED_AT: u64 = 4096;

/// Nobody packs more often.
const DEEPEST: usize = 3;

/// Opens a dump of any form. The reader fails where a packing is damaged or ends too early; what has no checksum cannot tell.
///
/// # Errors
/// Class Storage when it cannot be read, and those of [`sealed::open`].
pub fn open(path: &Path, identity: Option<&Path>) -> Result<Opened> {
    let unreadable = |error: io::Error| files::storage(&error, path, "cannot read");
    let mut layers = if sealed::is_sealed(path)? { vec![Layer::Age] } else { Vec::new() };
    let mut reader = sealed::open(path, identity)?;
    loop {
        let (begin, begun) = begin(reader).map_err(unreadable)?;
        let layer = match begin.as_slice() {
            [0x1f, 0x8b, ..] => Layer::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Layer::Zstd,
            begin => return Ok(Opened { form: form(begin), layers, reader: Box::new(begun) }),
        };
        if layers.len() == DEEPEST {
            return Err(
                Failure::new(Class::Storage, format!("{} is packed more than {DEEPEST} times", path.display())).hint("unpack it first")
            );
        }
        layers.push(layer);
        let begun = BufReader::with_capacity(1 << 17, begun);
        reader = match layer {
            // Of several members one after another, as parallel compressors write them.
            Layer::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(begun)),
            _ => Box::new(zstd::stream::read::Decoder::with_buffer(begun).map_err(unreadable)?),
        };
    }
}

fn begin(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Begun)> {
    let mut begin = Vec::new();
    reader.by_ref().take(LOOKED_AT).read_to_end(&mut begin)?;
    Ok((begin.clone(), Cursor::new(begin).chain(reader)))
}

fn form(begin: &[u8]) -> Form {
    // pg_dump begins with a comment; others with settings or statements. A byte of zero is in no SQL.
    let text = begin.strip_prefix(b"\xef\xbb\xbf").unwrap_or(begin).trim_ascii_start();
    let words = ["--", "SET ", "CREATE ", "BEGIN", "COPY ", "INSERT ", "\\", "DROP ", "ALTER ", "SELECT "];
    match text {
        [] if begin.is_empty() => Form::Empty,
        _ if begin.starts_with(b"PGDMP") => Form::Archive,
        text if !begin.contains(&0) && words.iter().any(|word| text.starts_with(word.as_bytes())) => Form::Sql,
        _ => Form::Unknown,
    }
}

/// What pg_dump and pg_dumpall write at their end.
const ENDS: [&str; 2] = ["-- PostgreSQL database dump complete", "-- PostgreSQL database cluster dump complete"];

/// What may stand behind: empty comments, and since 2025 a command of psql's.
fn is_end(tail: &str) -> bool {
    let mut lines =
        tail.lines().rev().map(str::trim_end).skip_while(|line| matches!(*line, "" | "--") || line.starts_with("\\unrestrict "));
    tail.ends_with('\n') && lines.next().is_some_and(|line| ENDS.contains(&line))
}

/// Reads plain SQL to its end and tells whether it is the end that pg_dump writes. Gives the number of bytes.
///
/// # Errors
/// Class Storage when it cannot be read, or ends too early.
pub fn read_sql(reader: impl Read, path: &Path) -> Result<u64> {
    let mut tail = Tail::default();
    let bytes = io::copy(&mut BufReader::with_capacity(1 << 17, reader), &mut tail).map_err(|error| {
        Failure::new(Class::Storage, format!("{} cannot be read whole: {error}", path.display()))
            .hint("the file is damaged or cut off; use another backup")
    })?;
    if is_end(&String::from_utf8_lossy(&tail.0)) {
        return Ok(bytes);
    }
    Err(Failure::new(Class::Storage, format!("{} does not end as pg_dump ends its SQL", path.display()))
        .hint("the file is cut off, or was not made by pg_dump or pg_dumpall; use another backup"))
}

/// Keeps the last bytes of what is written.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Write for Tail {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(&bytes[bytes.len().saturating_sub(512)..]);
        self.0.drain(..self.0.len().saturating_sub(512));
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SQL: &str = "--\n-- PostgreSQL database dump\n--\n\nSET x = 1;\n\n--\n-- PostgreSQL database dump complete\n--\n\n";

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    type Opening = (Form, Vec<Layer>, io::Result<Vec<u8>>);

    fn opened(bytes: &[u8]) -> Opening {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, bytes).unwrap();
        let mut opened = open(&path, None).unwrap();
        let mut all = Vec::new();
        let read = opened.reader.read_to_end(&mut all).map(|_| all);
        (opened.form, opened.layers, read)
    }

    #[test]
    fn packings_are_taken_off() {
        let zstd = zstd::encode_all(SQL.as_bytes(), 1).unwrap();
        let two = [gzip(SQL.as_bytes()), gzip(b"more")].concat();
        type Case<'a> = (&'a [u8], Form, &'a [Layer], &'a [u8]);
        let cases: [Case<'_>; 8] = [
            (SQL.as_bytes(), Form::Sql, &[], SQL.as_bytes()),
            (b"PGDMP\x01", Form::Archive, &[], b"PGDMP\x01"),
            (&gzip(SQL.as_bytes()), Form::Sql, &[Layer::Gzip], SQL.as_bytes()),
            (&zstd, Form::Sql, &[Layer::Zstd], SQL.as_bytes()),
            (&gzip(&zstd), Form::Sql, &[Layer::Gzip, Layer::Zstd], SQL.as_bytes()),
            (&two, Form::Sql, &[Layer::Gzip], &[SQL.as_bytes(), b"more"].concat()),
            (b"", Form::Empty, &[], b""),
            (b"\x7fELF", Form::Unknown, &[], b"\x7fELF"),
        ];
        for (bytes, form, layers, within) in cases {
            let (found, taken, read) = opened(bytes);
            assert_eq!((found, taken.as_slice(), read.unwrap().as_slice()), (form, layers, within));
        }
        assert!(open(Path::new("/nowhere"), None).is_err());
        let deep = (0..5).fold(SQL.as_bytes().to_vec(), |bytes, _| gzip(&bytes));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("deep"), deep).unwrap();
        assert!(open(&folder.path().join("deep"), None).is_err());
    }

    #[test]
    fn what_is_cut_off_or_damaged_is_seen() {
        let path = Path::new("x.sql");
        assert_eq!(read_sql(SQL.as_bytes(), path).unwrap(), SQL.len() as u64);
        assert!(read_sql(format!("{SQL}\\unrestrict Ab1\n\n").as_bytes(), path).is_ok());
        assert!(read_sql(SQL.replace('\n', "\r\n").as_bytes(), path).is_ok());
        let cut = SQL.len() - 6;
        assert!(read_sql(&SQL.as_bytes()[..cut], path).unwrap_err().message.contains("does not end as pg_dump"));
        assert!(read_sql(format!("{SQL}INSERT INTO").as_bytes(), path).is_err());
        assert!(read_sql(format!("{SQL}\\unrestrict A").as_bytes(), path).is_err());
        // What is that short fails as it is opened.
        let fails = |bytes: &[u8]| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("x"), bytes).unwrap();
            open(&folder.path().join("x"), None).is_err()
        };
        let packed = gzip(SQL.as_bytes());
        assert!(!fails(&packed));
        for end in 2..packed.len() {
            assert!(fails(&packed[..end]), "{end}");
        }
        for at in 10..packed.len() {
            let mut flipped = packed.clone();
            flipped[at] ^= 4;
            // The last byte of the data has bits that mean nothing.
            assert!(fails(&flipped) || opened(&flipped).2.unwrap() == SQL.as_bytes(), "{at}");
        }
    }
}
