//! Plain SQL, of which only the end tells whether it is whole.

use ml_common::{Class, Failure, Result};
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

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
pub fn read(reader: impl Read, path: &Path) -> Result<u64> {
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

    #[test]
    fn what_is_cut_off_is_seen() {
        let path = Path::new("x.sql");
        assert_eq!(read(SQL.as_bytes(), path).unwrap(), SQL.len() as u64);
        assert!(read(format!("{SQL}\\unrestrict Ab1\n\n").as_bytes(), path).is_ok());
        assert!(read(SQL.replace('\n', "\r\n").as_bytes(), path).is_ok());
        for end in 0..SQL.len() - 5 {
            assert!(read(&SQL.as_bytes()[..end], path).unwrap_err().message.contains("does not end as pg_dump"), "{end}");
        }
        assert!(read(format!("{SQL}INSERT INTO").as_bytes(), path).is_err());
        assert!(read(format!("{SQL}\\unrestrict A").as_bytes(), path).is_err());
    }
}
