//! A file of the export: written aside, compressed when asked, hashed as it is written.

use ml_common::files::{Hashing, NewFile, storage};
use ml_common::{Failure, Result};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use zstd::stream::write::Encoder;

/// Level of zstd: three times smaller at hundreds of megabytes a second.
const LEVEL: i32 = 3;

type Plain = BufWriter<Hashing<NewFile>>;

/// A file that is being written.
pub struct Sink {
    to: To,
    path: PathBuf,
}

enum To {
    Plain(Plain),
    Zstd(Box<Encoder<'static, Plain>>),
}

/// A file that is written whole and has not got its name yet.
pub struct Written {
    file: NewFile,
    /// Lower-case hex.
    pub sha256: String,
    /// Size of the file.
    pub bytes: u64,
}

impl Sink {
    /// Begins the file that is to be `path`.
    ///
    /// # Errors
    /// Class Storage.
    pub fn create(path: &Path, compress: bool) -> Result<Sink> {
        let plain = BufWriter::with_capacity(1 << 17, Hashing::new(NewFile::create(path)?));
        let to = if compress {
            let encoder = Encoder::new(plain, LEVEL).and_then(|mut encoder| encoder.include_checksum(true).map(|()| encoder));
            To::Zstd(Box::new(encoder.map_err(|error| storage(&error, path, "cannot compress"))?))
        } else {
            To::Plain(plain)
        };
        Ok(Sink { to, path: path.to_owned() })
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Class Storage when the disk is full.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = match &mut self.to {
            To::Plain(to) => to.write_all(bytes),
            To::Zstd(to) => to.write_all(bytes),
        };
        written.map_err(|error| self.failed(&error))
    }

    /// Ends the file and flushes it to disk, so that giving it its name is all that is left.
    ///
    /// # Errors
    /// Class Storage when the disk is full.
    pub fn finish(self) -> Result<Written> {
        let path = self.path.clone();
        let flushed = self.flushed().and_then(|hashing| {
            let (mut file, sha256, bytes) = hashing.finish();
            file.file().sync_all()?;
            Ok(Written { file, sha256, bytes })
        });
        flushed.map_err(|error| storage(&error, &path, "cannot write"))
    }

    fn flushed(self) -> io::Result<Hashing<NewFile>> {
        let plain = match self.to {
            To::Plain(to) => to,
            To::Zstd(to) => to.finish()?,
        };
        plain.into_inner().map_err(io::IntoInnerError::into_error)
    }

    fn failed(&self, error: &io::Error) -> Failure {
        storage(error, &self.path, "cannot write")
    }
}

/// Gives all files their names, in order, or none of them.
///
/// # Errors
/// Class Storage; what had got its name has lost it again.
pub fn publish(files: Vec<Written>) -> Result<()> {
    let mut published: Vec<PathBuf> = Vec::new();
    for written in files {
        match written.file.publish() {
            Ok(path) => published.push(path),
            Err(failure) => {
                for path in &published {
                    if let Err(error) = std::fs::remove_file(path) {
                        log::warn!("cannot remove {} of the failed export: {error}", path.display());
                    }
                }
                return Err(failure);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(path: &Path, text: &str) -> Written {
        let mut sink = Sink::create(path, false).unwrap();
        sink.write(text.as_bytes()).unwrap();
        sink.finish().unwrap()
    }

    #[test]
    fn a_set_that_cannot_be_whole_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("c"), "old").unwrap();
        let set = ["a", "b", "c", "d"].map(|name| written(&path(name), name)).into();
        assert_eq!(publish(set).unwrap_err().class, ml_common::Class::Storage);
        let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!((left, std::fs::read_to_string(path("c")).unwrap()), (vec!["c".into()], "old".to_owned()));
    }

    #[test]
    fn compressed_files_read_back_and_the_hash_is_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.zst");
        let mut sink = Sink::create(&path, true).unwrap();
        sink.write(&[b'x'; 300_000]).unwrap();
        let written = sink.finish().unwrap();
        let known = (written.sha256.clone(), written.bytes);
        publish(vec![written]).unwrap();
        assert_eq!(ml_common::files::sha256(&path).unwrap(), known);
        assert!(known.1 < 1000);
        assert_eq!(zstd::decode_all(std::fs::File::open(&path).unwrap()).unwrap(), [b'x'; 300_000]);
    }
}
