//! Places that files are sent to: one trait, and what each can do.

mod command;
mod folder;
mod git;
mod git_program;
mod multipart;
mod s3;
mod s3_answer;

use crate::destination::Destination;
use crate::files::Local;
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use std::io::Write;

/// What is there of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Missing,
    /// The same, byte for byte.
    Same,
    /// A file of that name that is another one; how that is seen.
    Other(String),
}

/// A file there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct There {
    /// Its name.
    pub name: String,
    /// Its size, where that is told.
    pub bytes: Option<u64>,
}

/// A place for files.
pub trait Store {
    /// What is there, folders aside.
    ///
    /// # Errors
    /// Class Storage.
    fn list(&mut self) -> Result<Vec<There>>;

    /// What is there of a file.
    ///
    /// # Errors
    /// Class Storage.
    fn state(&mut self, file: &Local) -> Result<State>;

    /// Sends a file and makes sure that it arrived; gives by what that is known. Only over `State::Other` may it replace.
    ///
    /// # Errors
    /// Class Storage; nothing has the file's name then, or what had it before.
    fn put(&mut self, file: &Local, over: &State) -> Result<&'static str>;

    /// Makes what was put and removed so far visible, where that happens in one step for all.
    ///
    /// # Errors
    /// Class Storage.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    /// Writes a file's bytes to `out`; None when there is no such file.
    ///
    /// # Errors
    /// Class Storage.
    fn read(&mut self, name: &str, out: &mut dyn Write) -> Result<Option<()>>;

    /// Removes a file.
    ///
    /// # Errors
    /// Class Storage.
    fn remove(&mut self, name: &str) -> Result<()>;
}

/// The store of a destination.
///
/// # Errors
/// Class Config when settings are missing, Storage when the place is not there.
pub fn open<'a>(destination: &Destination, stage: &'a Stage) -> Result<Box<dyn Store + 'a>> {
    Ok(match destination {
        Destination::S3 { bucket, prefix } => Box::new(s3::S3::open(bucket, prefix, stage)?),
        Destination::Git(git) => Box::new(git::Repository::open(git, stage)?),
        Destination::Folder(path) => Box::new(folder::Folder::open(path, &stage.cancel)?),
        Destination::Command(command) => Box::new(command::Command::new(command, &stage.cancel)),
    })
}

/// Another file is there under the name.
pub fn conflict(name: &str, shown: &str, how: &str) -> Failure {
    Failure::new(Class::Storage, format!("{shown} has another {name}: {how}"))
        .hint("nothing there is ever overwritten; look which of the two is right, and rename or remove the other")
}
