//! What is written to: a new file, or the encryption into one. What is hashed is what lies on the disk.

use ml_common::files::{self, Hashing, NewFile};
use ml_common::{Failure, Result};
use ml_dump::sealed::{Recipients, Sealing};
use std::io::{self, Write};
use std::path::Path;

/// A file that is written from its beginning to its end, encrypted where there are recipients. Dropped unfinished, nothing is left.
pub struct Output(Form);

enum Form {
    Plain(Hashing<NewFile>),
    Sealed(Box<Sealing<Hashing<NewFile>>>),
}

impl Output {
    /// Begins a file.
    ///
    /// # Errors
    /// Class Storage.
    pub fn create(path: &Path, recipients: Option<&Recipients>) -> Result<Output> {
        let file = Hashing::new(NewFile::create(path)?);
        Ok(Output(match recipients {
            None => Form::Plain(file),
            Some(recipients) => Form::Sealed(Box::new(recipients.seal(file)?)),
        }))
    }

    /// Ends the encryption. Gives the file, which has no name yet, its SHA-256 and size.
    ///
    /// # Errors
    /// Class Storage.
    pub fn finish(self) -> Result<(NewFile, String, u64)> {
        let unwritable = |error: io::Error| -> Failure { files::storage(&error, Path::new("the encrypted file"), "cannot write") };
        Ok(match self.0 {
            Form::Plain(file) => file.finish(),
            Form::Sealed(sealing) => sealing.finish().map_err(unwritable)?.finish(),
        })
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.0 {
            Form::Plain(file) => file.write(bytes),
            Form::Sealed(sealing) => sealing.write(bytes),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        match &mut self.0 {
            Form::Plain(file) => file.flush(),
            Form::Sealed(sealing) => sealing.flush(),
        }
    }
}
