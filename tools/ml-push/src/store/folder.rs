//! A folder: of this machine, or one that is mounted.

use super::{State, Store, There};
use crate::files::Local;
use ml_common::files::{self, NewFile};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub struct Folder<'a> {
    path: PathBuf,
    cancel: &'a Cancel,
}

impl<'a> Folder<'a> {
    /// # Errors
    /// Class Storage when it is not there: making it would write to this machine's own disk where a share is not mounted.
    pub fn open(path: &Path, cancel: &'a Cancel) -> Result<Folder<'a>> {
        let path = std::path::absolute(path).map_err(|error| files::storage(&error, path, "cannot use"))?;
        if !path.is_dir() {
            return Err(Failure::new(Class::Storage, format!("the folder {} is not there", path.display()))
                .hint("mount it, or make it; a missing folder is not made, since it is often one that is not mounted"));
        }
        Ok(Folder { path, cancel })
    }

    /// Copies in pieces, so that a signal is heard.
    fn copy(&self, from: &Path, to: &mut dyn Write, doing_to: &Path) -> Result<()> {
        let mut source = File::open(from).map_err(|error| files::storage(&error, from, "cannot read"))?;
        let mut piece = vec![0; 1 << 20];
        loop {
            self.cancel.check()?;
            let length = source.read(&mut piece).map_err(|error| files::storage(&error, from, "cannot read"))?;
            if length == 0 {
                return Ok(());
            }
            to.write_all(&piece[..length]).map_err(|error| files::storage(&error, doing_to, "cannot write"))?;
        }
    }
}

impl Store for Folder<'_> {
    fn list(&mut self) -> Result<Vec<There>> {
        let unreadable = |error: io::Error| files::storage(&error, &self.path, "cannot list");
        let mut all = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata())
                && meta.is_file()
            {
                all.push(There { name, bytes: Some(meta.len()) });
            }
        }
        Ok(all)
    }

    fn state(&mut self, file: &Local) -> Result<State> {
        let there = self.path.join(&file.name);
        let meta = match there.symlink_metadata() {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Missing),
            Err(error) => return Err(files::storage(&error, &there, "cannot look at")),
        };
        if !meta.is_file() {
            return Ok(State::Other("it is no file".into()));
        }
        if meta.len() != file.bytes {
            return Ok(State::Other(format!("{} bytes, and here {}", meta.len(), file.bytes)));
        }
        let same = files::sha256(&there)?.0 == file.sha256;
        Ok(if same { State::Same } else { State::Other("of the same size, with other bytes (SHA-256)".into()) })
    }

    fn put(&mut self, file: &Local, over: &State) -> Result<&'static str> {
        let mut new = NewFile::create(&self.path.join(&file.name))?;
        let path = new.path().to_owned();
        self.copy(&file.path, &mut new, &path)?;
        new.file().sync_all().map_err(|error| files::storage(&error, &path, "cannot write"))?;
        if files::sha256(new.temporary_path())? != (file.sha256.clone(), file.bytes) {
            return Err(Failure::new(Class::Storage, format!("{} does not come back from its disk as it was written", path.display()))
                .hint("check that disk, and that nothing changes the file meanwhile; the copy was removed"));
        }
        match over {
            State::Other(_) => new.replace()?,
            State::Missing | State::Same => new.publish()?,
        };
        Ok("read back")
    }

    fn read(&mut self, name: &str, out: &mut dyn Write) -> Result<Option<()>> {
        let path = self.path.join(name);
        if !path.is_file() {
            return Ok(None);
        }
        self.copy(&path, out, Path::new(name)).map(Some)
    }

    fn remove(&mut self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        std::fs::remove_file(&path).map_err(|error| files::storage(&error, &path, "cannot remove"))
    }
}
