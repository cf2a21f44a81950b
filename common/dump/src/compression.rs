//! How the rows of a dump are compressed, in pieces that can be compressed and read apart from each other and yet are, one after another, what
//! stock pg_restore expects.
//!
//! gzip: all pieces of a table are one zlib stream, made as pigz makes it: a header, raw deflate data that each ends with a sync flush and
//! refers to nothing before it, an empty last block, and the Adler-32 of all. zstd: each piece is a frame, and each frame one chunk of the
//! archive (stock readers lose what follows a frame within a chunk).

use ml_common::{Class, Failure, OrFail, Result};
use std::fmt;
use std::str::FromStr;
use zlib_rs::adler32::{adler32, adler32_combine};
use zlib_rs::{Deflate, DeflateFlush};

/// Of typical rows it makes no larger file than pg_dump does by default, in half the processor time (`make bench` measures all levels).
pub const GZIP_LEVEL: u8 = 5;

/// The library's own default.
pub const ZSTD_LEVEL: u8 = 3;

/// How rows are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// As every pg_restore reads it; the level is 1 to 9.
    Gzip(u8),
    /// As pg_restore reads it from 16 on; the level is 1 to 22.
    Zstd(u8),
}

impl Compression {
    /// As manifests and archives name it.
    pub fn name(self) -> &'static str {
        match self {
            Compression::None => "none",
            Compression::Gzip(_) => "gzip",
            Compression::Zstd(_) => "zstd",
        }
    }
}

/// With its level: what `pg_dump --compress` takes from 16 on.
impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Compression::None => f.write_str("none"),
            Compression::Gzip(level) => write!(f, "gzip:{level}"),
            Compression::Zstd(level) => write!(f, "zstd:{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = String;

    fn from_str(text: &str) -> Result<Compression, String> {
        let wrong = || format!("'{text}' is none of true, false, none, gzip, gzip:LEVEL (1 to 9), zstd, zstd:LEVEL (1 to 22)");
        let lower = text.trim().to_ascii_lowercase();
        let (name, level) = match lower.split_once(':') {
            Some((name, level)) => (name, Some(level.parse::<u8>().map_err(|_| wrong())?)),
            None => (lower.as_str(), None),
        };
        match (name, level) {
            ("none" | "false" | "no" | "off" | "0", None) => Ok(Compression::None),
            ("true" | "yes" | "on" | "1", None) => Ok(Compression::Gzip(GZIP_LEVEL)),
            ("gzip", level) if (1..=9).contains(&level.unwrap_or(GZIP_LEVEL)) => Ok(Compression::Gzip(level.unwrap_or(GZIP_LEVEL))),
            ("zstd", level) if (1..=22).contains(&level.unwrap_or(ZSTD_LEVEL)) => Ok(Compression::Zstd(level.unwrap_or(ZSTD_LEVEL))),
            _ => Err(wrong()),
        }
    }
}

/// The sum that ends a zlib stream, and how long the text is that it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    /// Adler-32.
    pub adler: u32,
    /// Bytes.
    pub bytes: u64,
}

impl Default for Sum {
    fn default() -> Sum {
        Sum { adler: 1, bytes: 0 }
    }
}

impl Sum {
    /// Of this text.
    pub fn of(text: &[u8]) -> Sum {
        Sum { adler: adler32(1, text), bytes: text.len() as u64 }
    }

    /// Goes on with this text.
    pub fn take(&mut self, text: &[u8]) {
        self.adler = adler32(self.adler, text);
        self.bytes += text.len() as u64;
    }

    /// Goes on with a text that has this sum.
    pub fn add(&mut self, next: Sum) {
        self.adler = adler32_combine(self.adler, next.adler, next.bytes);
        self.bytes += next.bytes;
    }
}

/// What begins a zlib stream: deflate, a window of 32 KiB, the default level, no dictionary.
pub const ZLIB_HEADER: [u8; 2] = [0x78, 0x9c];

/// Compresses pieces, each without regard to the others.
pub struct Encoder {
    kind: Kind,
    room: Vec<u8>,
}

enum Kind {
    None,
    Gzip(Box<Deflate>),
    Zstd(zstd::bulk::Compressor<'static>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encoder").finish_non_exhaustive()
    }
}

impl Encoder {
    /// One that compresses so.
    ///
    /// # Errors
    /// Class Internal when the library refuses the level.
    pub fn new(compression: Compression) -> Result<Encoder> {
        let kind = match compression {
            Compression::None => Kind::None,
            Compression::Gzip(level) => Kind::Gzip(Box::new(Deflate::new(i32::from(level), false, 15))),
            Compression::Zstd(level) => {
                let doing = || "preparing zstd";
                let mut zstd = zstd::bulk::Compressor::new(i32::from(level)).or_fail(Class::Internal, doing)?;
                // Archives carry no checksum for zstd; without this a flipped bit changes rows and nobody knows.
                zstd.include_checksum(true).or_fail(Class::Internal, doing)?;
                Kind::Zstd(zstd)
            }
        };
        Ok(Encoder { kind, room: Vec::new() })
    }

    /// What the data of a table or large object begins with, as a chunk of its own.
    pub fn begin(&self) -> &'static [u8] {
        if matches!(self.kind, Kind::Gzip(_)) { &ZLIB_HEADER } else { &[] }
    }

    /// A piece, compressed.
    ///
    /// # Errors
    /// Class Internal when the library fails.
    pub fn piece(&mut self, text: &[u8]) -> Result<Vec<u8>> {
        match &mut self.kind {
            Kind::None => Ok(text.to_vec()),
            Kind::Gzip(deflate) => deflated(deflate, text, &mut self.room),
            Kind::Zstd(zstd) => {
                self.room.resize(zstd::zstd_safe::compress_bound(text.len()), 0);
                let length = zstd.compress_to_buffer(text, &mut self.room[..]).or_fail(Class::Internal, || "compressing")?;
                Ok(self.room[..length].to_vec())
            }
        }
    }

    /// The last piece, and what the data ends with; `sum` is of all before it.
    ///
    /// # Errors
    /// Class Internal when the library fails.
    pub fn end(&mut self, text: &[u8], mut sum: Sum) -> Result<Vec<u8>> {
        let mut last = if text.is_empty() { Vec::new() } else { self.piece(text)? };
        if matches!(self.kind, Kind::Gzip(_)) {
            sum.take(text);
            // The empty last block, in the fixed code.
            last.extend([0x03, 0x00]);
            last.extend(sum.adler.to_be_bytes());
        }
        Ok(last)
    }
}

/// Compressed bytes are taken from deflate in such amounts: room for the worst case would be more memory than all else of a thread.
const ROOM: usize = 1 << 18;

fn deflated(deflate: &mut Deflate, text: &[u8], room: &mut Vec<u8>) -> Result<Vec<u8>> {
    deflate.reset();
    room.resize(ROOM, 0);
    let mut out = Vec::new();
    loop {
        let failed = |error: zlib_rs::DeflateError| Failure::new(Class::Internal, format!("compressing: {}", error.as_str()));
        let (taken, made) = (deflate.total_in() as usize, deflate.total_out());
        deflate.compress(&text[taken..], room, DeflateFlush::SyncFlush).map_err(failed)?;
        let made = (deflate.total_out() - made) as usize;
        out.extend_from_slice(&room[..made]);
        // As long as the room is full, there is more of the flush to come.
        if made < room.len() {
            return Ok(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_understood() {
        let parsed = |text: &str| text.parse::<Compression>().map(|compression| compression.to_string());
        for (text, is) in [
            ("true", "gzip:5"),
            ("false", "none"),
            ("none", "none"),
            ("gzip", "gzip:5"),
            ("gzip:9", "gzip:9"),
            ("ZSTD", "zstd:3"),
            ("zstd:22", "zstd:22"),
        ] {
            assert_eq!(parsed(text).as_deref(), Ok(is), "{text}");
        }
        for wrong in ["", "gzip:0", "gzip:10", "zstd:23", "zstd:-1", "lz4", "none:1", "true:1", "gzip:x"] {
            assert!(parsed(wrong).unwrap_err().contains("gzip:LEVEL"), "{wrong}");
        }
    }

    #[test]
    fn what_does_not_compress_is_taken_in_several_amounts() {
        let mut noise = 1u64;
        let mut byte = || {
            noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            noise.to_be_bytes()[0]
        };
        for length in [ROOM - 20, ROOM - 1, ROOM, ROOM * 2, ROOM * 5 + 7] {
            let text: Vec<u8> = std::iter::repeat_with(&mut byte).take(length).collect();
            let mut encoder = Encoder::new(Compression::Gzip(5)).unwrap();
            let piece = encoder.piece(&text).unwrap();
            assert!(piece.ends_with(&[0, 0, 0xff, 0xff]));
            let (mut inflate, mut out) = (zlib_rs::Inflate::new(false, 15), vec![0; length]);
            inflate.decompress(&piece, &mut out, zlib_rs::InflateFlush::SyncFlush).unwrap();
            assert!(out == text && inflate.total_in() as usize + 5 >= piece.len());
        }
    }

    #[test]
    fn sums_add_up() {
        let mut sum = Sum::of(b"abc");
        sum.add(Sum::of(b"defg"));
        assert_eq!(sum, Sum::of(b"abcdefg"));
        let mut taken = Sum::default();
        taken.take(b"abc");
        taken.take(b"defg");
        assert_eq!(taken, sum);
    }

    proptest::proptest! {
        #[test]
        fn pieces_of_gzip_are_one_zlib_stream(texts: Vec<Vec<u8>>, level in 1u8..10) {
            let mut encoder = Encoder::new(Compression::Gzip(level)).unwrap();
            let (mut stream, mut sum, mut whole) = (encoder.begin().to_vec(), Sum::default(), Vec::<u8>::new());
            for text in &texts {
                stream.extend(encoder.piece(text).unwrap());
                sum.add(Sum::of(text));
                whole.extend(text);
            }
            stream.extend(encoder.end(b"end", sum).unwrap());
            whole.extend(b"end");
            let (mut inflate, mut out) = (zlib_rs::Inflate::new(true, 15), vec![0; whole.len() + 10]);
            let status = inflate.decompress(&stream, &mut out, zlib_rs::InflateFlush::NoFlush).unwrap();
            proptest::prop_assert_eq!(status, zlib_rs::Status::StreamEnd);
            proptest::prop_assert_eq!(inflate.total_in() as usize, stream.len());
            proptest::prop_assert_eq!(&out[..inflate.total_out() as usize], &whole[..]);
        }
    }
}
