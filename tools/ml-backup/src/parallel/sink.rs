//! Where an archive is written to: a file, or something that only goes forward.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};

/// Takes an archive from its first byte to its last.
pub trait Sink: Write {
    /// Writes over the beginning, which `head` is as long as, when all else has been written. False when there is no going back (the bytes
    /// are encrypted or sent on): then the archive is as pg_dump leaves it in a pipe, without the places of the data.
    ///
    /// # Errors
    /// As of writing.
    fn rewrite_head(&mut self, head: &[u8]) -> io::Result<bool>;
}

/// A file.
pub struct Plain<'a>(BufWriter<&'a mut File>);

impl Plain<'_> {
    /// From its beginning.
    pub fn new(file: &mut File) -> Plain<'_> {
        Plain(BufWriter::with_capacity(1 << 18, file))
    }
}

impl Write for Plain<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Sink for Plain<'_> {
    fn rewrite_head(&mut self, head: &[u8]) -> io::Result<bool> {
        self.0.seek(SeekFrom::Start(0))?;
        self.0.write_all(head)?;
        self.0.seek(SeekFrom::End(0))?;
        Ok(true)
    }
}
