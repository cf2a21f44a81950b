//! Plain SQL dumps: looked through from end to end first, then given to psql, statement by statement as they stand.

mod guard;
mod load;
mod statement;

pub use guard::{Guard, Pass, Seen};
pub use load::load;

use ml_common::{Class, Failure, Result};
use ml_dump::contents::Contents;
use std::io::Read;

/// What a plain dump holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scanned {
    /// Rows, as far as COPY statements bring them.
    pub contents: Contents,
    /// Owners, rights, encoding.
    pub seen: Seen,
}

/// Looks through the whole text. No database is touched.
///
/// # Errors
/// Class Storage when it cannot be read, is cut off, or holds what must not be run.
pub fn scan(mut from: impl Read) -> Result<Scanned> {
    let (mut guard, mut out, mut piece) = (Guard::new(Pass::Nothing), Vec::new(), vec![0; 1 << 18]);
    let mut text_bytes = 0;
    loop {
        let length = read(&mut from, &mut piece)?;
        if length == 0 {
            break;
        }
        text_bytes += length as u64;
        guard.push(&piece[..length], &mut out)?;
        out.clear();
    }
    let (counter, seen) = guard.finish()?;
    if seen.of_pg_dump && !seen.complete {
        return Err(Failure::new(Class::Storage, "the dump is cut off: pg_dump's last line is missing").hint("use another backup"));
    }
    let (all, large_objects) = counter.finish()?;
    Ok(Scanned { contents: Contents { tally: all.tally(large_objects), data: all.into_data(), text_bytes }, seen })
}

/// The next piece of a stream; what decompressing and decrypting say is about the file.
fn read(from: &mut impl Read, piece: &mut [u8]) -> Result<usize> {
    loop {
        match from.read(piece) {
            Ok(length) => return Ok(length),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(Failure::new(Class::Storage, format!("reading the dump: {error}"))
                    .hint("the file is damaged or cut off; use another backup"));
            }
        }
    }
}
