//! Unpacks the data of archives as it streams by, and takes its text apart into rows and end mark.

use crate::fingerprint::{Fingerprint, Pieces};
use ml_common::{Class, Failure, Result};
use std::fmt::Display;
use zlib_rs::{Inflate, InflateFlush, Status};
use zstd::stream::raw::{self, Operation};

/// What ends the rows of a table in an archive.
pub const END_MARK: &[u8] = b"\\.\n\n\n";

/// The data of the dump is not what it should be.
pub fn damaged(why: impl Display) -> Failure {
    Failure::new(Class::Storage, format!("the dump is damaged: {why}")).hint("use another backup; this one cannot be relied on")
}

/// Unpacks one stream that comes in pieces of any size.
pub enum Decoder {
    /// Not compressed.
    Plain,
    /// zlib, or raw deflate; whether its last block has ended.
    Zlib(Box<Inflate>, bool),
    /// zstd; whether a frame has begun and not ended.
    Zstd(Box<raw::Decoder<'static>>, bool),
}

impl Decoder {
    /// For what the head of an archive names.
    pub fn new(compression: &str) -> Result<Decoder> {
        match compression {
            "none" => Ok(Decoder::Plain),
            "gzip" => Ok(Decoder::Zlib(Box::new(Inflate::new(true, 15)), false)),
            "zstd" => {
                let decoder = raw::Decoder::new().map_err(|error| Failure::new(Class::Internal, format!("preparing zstd: {error}")))?;
                Ok(Decoder::Zstd(Box::new(decoder), false))
            }
            other => Err(Failure::new(Class::Storage, format!("dumps compressed with {other} are not read here"))
                .hint("pg_restore reads it, if it was built for it")),
        }
    }

    /// For one piece of a zlib stream that refers to nothing before it.
    pub fn raw() -> Decoder {
        Decoder::Zlib(Box::new(Inflate::new(false, 15)), false)
    }

    /// Unpacks the next bytes into `sink`; gives what is left of them behind the end of the stream.
    pub fn push<'a>(&mut self, mut bytes: &'a [u8], room: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> Result<&'a [u8]> {
        match self {
            Decoder::Plain => {
                sink(bytes);
                Ok(&[])
            }
            Decoder::Zlib(_, true) => Ok(bytes),
            Decoder::Zlib(inflate, ended) => loop {
                let (before, made) = (inflate.total_in(), inflate.total_out());
                let status = inflate.decompress(bytes, room, InflateFlush::NoFlush).map_err(|error| damaged(error.as_str()))?;
                let (taken, made) = ((inflate.total_in() - before) as usize, (inflate.total_out() - made) as usize);
                sink(&room[..made]);
                bytes = &bytes[taken..];
                if status == Status::StreamEnd {
                    *ended = true;
                    return Ok(bytes);
                }
                if (taken == 0 && made == 0) || (bytes.is_empty() && made < room.len()) {
                    return Ok(&[]);
                }
            },
            Decoder::Zstd(zstd, within) => loop {
                let status = zstd.run_on_buffers(bytes, room).map_err(damaged)?;
                sink(&room[..status.bytes_written]);
                bytes = &bytes[status.bytes_read..];
                *within = status.remaining != 0;
                if bytes.is_empty() && status.bytes_written < room.len() {
                    return Ok(&[]);
                }
            },
        }
    }

    /// Whether the stream is at its end: what is not compressed always is.
    pub fn ended(&self) -> bool {
        match self {
            Decoder::Plain => true,
            Decoder::Zlib(_, ended) => *ended,
            Decoder::Zstd(_, within) => !within,
        }
    }
}

/// Takes the text of a table in pieces cut anywhere; tells its rows from the mark that ends them.
#[derive(Debug, Default)]
pub struct Text {
    rows: Pieces,
    /// The last bytes, which may be the mark.
    held: Vec<u8>,
    bytes: u64,
}

/// What a text was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Its rows.
    pub print: Fingerprint,
    /// Their size.
    pub copy_bytes: u64,
    /// Whether the mark ended it.
    pub marked: bool,
}

impl Text {
    /// Takes the next piece.
    pub fn push(&mut self, text: &[u8]) {
        self.bytes += text.len() as u64;
        let keep = END_MARK.len();
        if self.held.len() + text.len() <= keep {
            return self.held.extend_from_slice(text);
        }
        if text.len() >= keep {
            self.rows.text(&self.held);
            self.held.clear();
            let (now, later) = text.split_at(text.len() - keep);
            self.rows.text(now);
            self.held.extend_from_slice(later);
        } else {
            self.held.extend_from_slice(text);
            let over = self.held.len() - keep;
            self.rows.text(&self.held[..over]);
            self.held.drain(..over);
        }
    }

    /// What it was.
    ///
    /// # Errors
    /// Class Storage when the last row has no end.
    pub fn finish(mut self) -> Result<Told> {
        let marked = self.held == END_MARK && !self.rows.within_line();
        if !marked {
            self.rows.text(&self.held);
        }
        if self.rows.within_line() {
            return Err(damaged("a row of it has no end"));
        }
        let mark = if marked { END_MARK.len() as u64 } else { 0 };
        Ok(Told { print: self.rows.ended(), copy_bytes: self.bytes - mark, marked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &[u8], piece: usize) -> Result<Told> {
        let mut sink = Text::default();
        text.chunks(piece).for_each(|piece| sink.push(piece));
        sink.finish()
    }

    #[test]
    fn the_mark_is_told_from_rows() {
        for piece in 1..9 {
            let told = |text: &[u8]| told(text, piece).map(|told| (told.print.rows(), told.copy_bytes, told.marked)).map_err(|_| ());
            assert_eq!(told(b""), Ok((0, 0, false)));
            assert_eq!(told(END_MARK), Ok((0, 0, true)));
            assert_eq!(told(b"a\nb\n\\.\n\n\n"), Ok((2, 4, true)));
            assert_eq!(told(b"a\nb\n"), Ok((2, 4, false)));
            // A row of one empty text, or of none, is an empty line.
            assert_eq!(told(b"\n\n\n"), Ok((3, 3, false)));
            assert_eq!(told(b"\n\n\\.\n\n\n"), Ok((2, 2, true)));
            // A backslash in a row is doubled; this row ends with what looks like the mark.
            assert_eq!(told(b"a\\\\.\n\n\n"), Ok((3, 7, false)));
            assert_eq!(told(b"a\nb"), Err(()));
        }
    }
}
