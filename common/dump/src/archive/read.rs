//! Numbers and texts as archives write them, from untrusted bytes.

use super::Offset;
use ml_common::{Class, Failure, Result};
use std::io::{self, Read};

/// No text of a table of contents is longer; a function's body can be megabytes.
const LONGEST_TEXT: u64 = 1 << 30;

pub(super) fn damaged(why: &str) -> Failure {
    Failure::new(Class::Storage, format!("the archive's table of contents is {why}"))
        .hint("the file is damaged or cut off; use another backup")
}

/// A reader of an archive's head.
pub(super) struct Input<R> {
    from: R,
    int_size: usize,
    offset_size: usize,
    position: u64,
    kept: Option<Vec<u8>>,
}

impl<R: Read> Input<R> {
    /// `keep`: what is read is also kept.
    pub(super) fn new(from: R, keep: bool) -> Input<R> {
        Input { from, int_size: 4, offset_size: 8, position: 0, kept: keep.then(Vec::new) }
    }

    /// The sizes of numbers and places.
    pub(super) fn number_sizes(&self) -> (usize, usize) {
        (self.int_size, self.offset_size)
    }

    /// How many bytes have been read.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// What was kept.
    pub(super) fn kept(self) -> Vec<u8> {
        self.kept.unwrap_or_default()
    }

    fn took(&mut self, bytes: &[u8]) {
        self.position += bytes.len() as u64;
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
    }

    /// The sizes that this archive's numbers have.
    pub(super) fn sizes(&mut self) -> Result<()> {
        (self.int_size, self.offset_size) = (usize::from(self.byte()?), usize::from(self.byte()?));
        let sane = (1..=32).contains(&self.int_size) && (1..=32).contains(&self.offset_size);
        if sane { Ok(()) } else { Err(damaged("damaged")) }
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        self.fill(&mut byte)?;
        Ok(byte[0])
    }

    /// So many bytes, or fewer at the end of the input.
    pub(super) fn bytes(&mut self, count: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.from.by_ref().take(count).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        self.took(&bytes);
        Ok(bytes)
    }

    /// A sign byte and the magnitude, the lowest byte first.
    pub(super) fn int(&mut self) -> Result<i32> {
        let negative = self.byte()? != 0;
        let mut magnitude = 0i64;
        for i in 0..self.int_size {
            let byte = i64::from(self.byte()?);
            if i < 4 {
                magnitude |= byte << (8 * i);
            } else if byte != 0 {
                return Err(damaged("damaged"));
            }
        }
        i32::try_from(if negative { -magnitude } else { magnitude }).map_err(|_| damaged("damaged"))
    }

    /// A text with its length before it; -1 stands for none.
    pub(super) fn maybe_text(&mut self) -> Result<Option<String>> {
        let length = self.int()?;
        let Ok(length) = u64::try_from(length) else { return Ok(None) };
        if length > LONGEST_TEXT {
            return Err(damaged("damaged"));
        }
        // Read as it comes: a damaged length must not reserve a gigabyte.
        let bytes = self.bytes(length)?;
        if (bytes.len() as u64) < length {
            return Err(damaged("cut off"));
        }
        Ok(Some(String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())))
    }

    /// A text, or an empty one for none.
    pub(super) fn text(&mut self) -> Result<String> {
        Ok(self.maybe_text()?.unwrap_or_default())
    }

    /// Where an entry's data is: a flag and a number.
    pub(super) fn offset(&mut self) -> Result<Offset> {
        let flag = self.byte()?;
        let mut at = 0u64;
        for i in 0..self.offset_size {
            let byte = u64::from(self.byte()?);
            if i < 8 {
                at |= byte << (8 * i);
            } else if byte != 0 {
                return Err(damaged("damaged"));
            }
        }
        match flag {
            1 => Ok(Offset::NotSet),
            2 => Ok(Offset::At(at)),
            3 => Ok(Offset::NoData),
            _ => Err(damaged("damaged")),
        }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.from.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged("cut off"),
            _ => unreadable(&error),
        })?;
        self.took(buffer);
        Ok(())
    }
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::new(Class::Storage, format!("reading the archive: {error}")).hint("check the disk and the path")
}
