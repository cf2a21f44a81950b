//! A dump that is encrypted on its way to the disk: what cannot be read back without the identity is read as it passes, before it is encrypted.
//!
//! So the contents are checked as those of any other dump, and no plain text ever lies on a disk; what lies there is hashed again afterwards.

use crate::output::Output;
use crate::parallel::Sink;
use ml_common::files::{self, NewFile};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result};
use ml_dump::check::{self, Checked};
use ml_dump::sealed::Recipients;
use std::collections::BTreeMap;
use std::io::{self, PipeWriter, Write};
use std::path::Path;
use std::thread::JoinHandle;

/// What a dump is written to. Dropped unfinished, nothing is left.
pub enum Out {
    /// A file that can be sought in.
    Plain(NewFile),
    /// One that is encrypted on the way.
    Sealed(Sealing),
}

/// A dump that was written and has no name yet.
pub enum Written {
    /// It can be read back.
    Plain(NewFile),
    /// It was read as it passed.
    Sealed(Box<Sealed>),
}

impl Out {
    /// Ends what has to be ended.
    ///
    /// # Errors
    /// Class Storage when it cannot be written, or is not what a dump should be.
    pub fn finish(self) -> Result<Written> {
        match self {
            Out::Plain(file) => Ok(Written::Plain(file)),
            Out::Sealed(sealing) => Ok(Written::Sealed(Box::new(sealing.finish()?))),
        }
    }
}

impl Written {
    /// The file.
    pub fn into_file(self) -> NewFile {
        match self {
            Written::Plain(file) => file,
            Written::Sealed(sealed) => sealed.file,
        }
    }
}

/// A file that is encrypted, and its plain text read, on the way.
pub struct Sealing {
    output: Output,
    /// Gone when the reader has given up: it knows why.
    reader: Option<PipeWriter>,
    checking: JoinHandle<Result<Checked>>,
}

/// A dump that was encrypted.
pub struct Sealed {
    /// The file, which has no name yet.
    pub file: NewFile,
    /// Its SHA-256 as it was written.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What was in it.
    pub checked: Checked,
}

impl Sealing {
    /// Begins the file that is to be `path`.
    ///
    /// # Errors
    /// Class Storage.
    pub fn begin(path: &Path, recipients: &Recipients, jobs: usize, cancel: &Cancel) -> Result<Sealing> {
        let (from, to) = io::pipe().or_fail(Class::Internal, || "making a pipe")?;
        let options = check::Options::new(jobs, cancel, &BTreeMap::new());
        let checking = std::thread::spawn(move || check::read(from, &options));
        Ok(Sealing { output: Output::create(path, Some(recipients))?, reader: Some(to), checking })
    }

    /// Ends the encryption, and waits for the reader. Class Storage when it cannot be written, or is not what a dump should be.
    fn finish(self) -> Result<Sealed> {
        drop(self.reader);
        let (file, sha256, bytes) = self.output.finish()?;
        let checked = self.checking.join().unwrap_or_else(|_| Err(Failure::new(Class::Internal, "reading the dump failed")));
        Ok(Sealed { file, sha256, bytes, checked: checked? })
    }
}

impl Sealed {
    /// Whether the disk gives back what was written.
    ///
    /// # Errors
    /// Class Storage.
    pub fn read_back(&self) -> Result<()> {
        if files::sha256(self.file.temporary_path())? == (self.sha256.clone(), self.bytes) {
            return Ok(());
        }
        Err(Failure::new(Class::Storage, "the encrypted dump cannot be read back as it was written")
            .hint("the file was not kept; check disk and memory of this machine, and run ml-backup again"))
    }
}

impl Sink for Sealing {
    fn rewrite_head(&mut self, _head: &[u8]) -> io::Result<bool> {
        Ok(false)
    }
}

impl Write for Sealing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.output.write_all(bytes)?;
        if let Some(reader) = &mut self.reader
            && reader.write_all(bytes).is_err()
        {
            self.reader = None;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
