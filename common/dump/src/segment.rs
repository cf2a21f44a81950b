//! Reading one segment of a dump by itself, as its manifest names it.

use crate::decode::{Decoder, damaged};
use crate::manifest::Segment;
use ml_common::Result;
use ml_common::files::{self, hex};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Unpacked at a time.
const ROOM: usize = 1 << 18;

/// Reads segments of one file; every thread has its own.
pub struct Segments {
    path: PathBuf,
    file: File,
    compression: String,
    bytes: Vec<u8>,
    room: Vec<u8>,
}

impl Segments {
    /// Of a file whose rows are compressed like that.
    ///
    /// # Errors
    /// Class Storage when it cannot be opened.
    pub fn open(path: &Path, compression: &str) -> Result<Segments> {
        let file = File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?;
        Ok(Segments { path: path.to_owned(), file, compression: compression.to_owned(), bytes: Vec::new(), room: vec![0; ROOM] })
    }

    /// Gives the rows of a segment to `sink`, in pieces. Its hash is compared before anything of it is given.
    ///
    /// # Errors
    /// Class Storage when it cannot be read or is other than the manifest says, and those of `sink`.
    pub fn read(&mut self, segment: &Segment, mut sink: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let unreadable = |error: &std::io::Error| files::storage(error, &self.path, "cannot read");
        self.file.seek(SeekFrom::Start(segment.offset)).map_err(|error| unreadable(&error))?;
        self.bytes.clear();
        self.file.by_ref().take(segment.bytes).read_to_end(&mut self.bytes).map_err(|error| unreadable(&error))?;
        if !hex(&Sha256::digest(&self.bytes)).eq_ignore_ascii_case(&segment.sha256) {
            return Err(damaged(format_args!("its piece at {} has other bytes than its manifest says", segment.offset)));
        }
        let mut decoder = if self.compression == "gzip" { Decoder::raw() } else { Decoder::new(&self.compression)? };
        let (mut given, mut length) = (Ok(()), 0);
        let mut take = |rows: &[u8]| {
            length += rows.len() as u64;
            if given.is_ok() && !rows.is_empty() {
                given = sink(rows);
            }
        };
        let rest = decoder.push(&self.bytes, &mut self.room, &mut take)?;
        if !rest.is_empty() || length != segment.copy_bytes {
            return Err(damaged(format_args!("its piece at {} does not unpack to what its manifest says", segment.offset)));
        }
        given
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compression::{Compression, Encoder};

    #[test]
    fn a_segment_is_read_by_itself_and_only_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let rows = "1\ta\n2\tb\n".repeat(60_000);
        for compression in [Compression::None, Compression::Gzip(6), Compression::Zstd(3)] {
            let packed = Encoder::new(compression).unwrap().piece(rows.as_bytes()).unwrap();
            std::fs::write(&path, [b"before", packed.as_slice(), b"behind"].concat()).unwrap();
            let sha256 = hex(&Sha256::digest(&packed));
            let segment = Segment { offset: 6, bytes: packed.len() as u64, copy_bytes: rows.len() as u64, rows: 120_000, sha256 };
            let mut segments = Segments::open(&path, compression.name()).unwrap();
            let mut found = Vec::new();
            segments
                .read(&segment, |rows| {
                    found.extend_from_slice(rows);
                    Ok(())
                })
                .unwrap();
            assert!(found == rows.as_bytes());
            for wrong in [
                Segment { offset: 5, ..segment.clone() },
                Segment { bytes: segment.bytes - 1, ..segment.clone() },
                Segment { copy_bytes: 1, ..segment.clone() },
                Segment { sha256: "0".repeat(64), ..segment.clone() },
            ] {
                assert!(segments.read(&wrong, |_| Ok(())).is_err(), "{wrong:?}");
            }
        }
    }
}
