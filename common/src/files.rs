//! Files that are either there whole or not at all.

use crate::failure::{Class, Failure, OrFail, Result};
use crate::platform;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file that is written beside its final name and appears under it, complete and on disk, or not at all. Dropped unpublished, it is
/// removed; killed, it leaves a `.NAME.partial` that never looks like a result.
#[derive(Debug)]
pub struct NewFile {
    temp: tempfile::NamedTempFile,
    path: PathBuf,
}

impl NewFile {
    /// Begins a file that is to be `path`, readable by its owner alone. The folder is made when it is missing.
    ///
    /// # Errors
    /// Class Storage when the folder or the file cannot be made.
    pub fn create(path: &Path) -> Result<NewFile> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().ok_or_else(|| Failure::new(Class::Storage, format!("{} names no file", path.display())))?;
        platform::private_folder(folder).map_err(|error| storage(&error, folder, "cannot make the folder"))?;
        let temp = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.to_string_lossy()))
            .suffix(".partial")
            .tempfile_in(folder)
            .map_err(|error| storage(&plain(&error), folder, "cannot write in"))?;
        Ok(NewFile { temp, path: path.to_owned() })
    }

    /// The file while it is being written, for a child process that writes it.
    pub fn temporary_path(&self) -> &Path {
        self.temp.path()
    }

    /// The name that it is going to have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The open file.
    pub fn file(&mut self) -> &mut File {
        self.temp.as_file_mut()
    }

    /// Flushes it to disk and gives it its name, never replacing another file.
    ///
    /// # Errors
    /// Class Storage when the disk is full or the name is taken; the file is removed then.
    pub fn publish(self) -> Result<PathBuf> {
        self.temp.as_file().sync_all().map_err(|error| storage(&error, &self.path, "cannot write"))?;
        self.temp.persist_noclobber(&self.path).map_err(|error| storage(&error.error, &self.path, "cannot publish"))?;
        sync_parent(&self.path);
        Ok(self.path)
    }

    /// Flushes it to disk and gives it its name in one step, in place of an older file of that name (state, pointers).
    ///
    /// # Errors
    /// Class Storage when the disk is full; the older file stays then.
    pub fn replace(self) -> Result<PathBuf> {
        self.temp.as_file().sync_all().map_err(|error| storage(&error, &self.path, "cannot write"))?;
        self.temp.persist(&self.path).map_err(|error| storage(&error.error, &self.path, "cannot replace"))?;
        sync_parent(&self.path);
        Ok(self.path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temp.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.temp.flush()
    }
}

/// The rename is done; a folder that cannot be flushed (some network shares) does not undo it.
fn sync_parent(path: &Path) {
    if let Some(folder) = path.parent()
        && let Err(error) = platform::sync_folder(folder)
    {
        log::debug!("cannot flush the folder {}: {error}", folder.display());
    }
}

/// What a failed file operation means and what to do: class Storage, with a remedy for the usual causes.
pub fn storage(error: &io::Error, path: &Path, doing: &str) -> Failure {
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free space on that disk; nothing was left half-written",
        io::ErrorKind::PermissionDenied => "give this user permission to write there, or set another folder",
        io::ErrorKind::ReadOnlyFilesystem => "the disk is mounted read-only; mend it or set another folder",
        io::ErrorKind::AlreadyExists => "a file of that name exists and is never replaced; wait a second, or name another",
        io::ErrorKind::NotFound => "check the path",
        io::ErrorKind::NotADirectory => "a part of that path is a file; name another folder",
        _ => "check the disk and the path",
    };
    Failure::new(Class::Storage, format!("{doing} {}: {error}", path.display())).hint(hint)
}

/// The error of the system alone: the name of a partial file, which the library puts behind it, says nothing to anybody.
fn plain(error: &io::Error) -> io::Error {
    let said = error.to_string();
    io::Error::new(error.kind(), said.split_once(" at path ").map_or(said.as_str(), |(system, _)| system))
}

/// Counts and hashes what passes through.
pub struct Hashing<T> {
    inner: T,
    hash: Sha256,
    bytes: u64,
}

impl<T> Hashing<T> {
    /// Wraps a reader or writer.
    pub fn new(inner: T) -> Hashing<T> {
        Hashing { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// Bytes passed so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was wrapped, the lower-case hex SHA-256 and the number of bytes.
    pub fn finish(self) -> (T, String, u64) {
        (self.inner, hex(&self.hash.finalize()), self.bytes)
    }

    fn took(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.took(&bytes[..n]);
        Ok(n)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.took(&out[..n]);
        Ok(n)
    }
}

/// SHA-256 (lower-case hex) and size of a file.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn sha256(path: &Path) -> Result<(String, u64)> {
    let file = File::open(path).map_err(|error| storage(&error, path, "cannot read"))?;
    let mut hashing = Hashing::new(io::sink());
    io::copy(&mut io::BufReader::with_capacity(1 << 18, file), &mut hashing).map_err(|error| storage(&error, path, "cannot read"))?;
    let (_, hash, bytes) = hashing.finish();
    Ok((hash, bytes))
}

/// Lower-case hex.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Free and total bytes of the disk that holds `path`, or would once its missing folders are made.
///
/// # Errors
/// Class Storage when not even the root of the path can be asked.
pub fn disk_space(path: &Path) -> Result<(u64, u64)> {
    let existing = path.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(path);
    let doing = || format!("cannot ask for the free space of {}", existing.display());
    let stats = fs4::statvfs(existing).or_fail(Class::Storage, doing)?;
    Ok((stats.available_space(), stats.total_space()))
}

/// A moment as file names carry it: `20250108-020000`, UTC.
pub fn name_stamp(at: jiff::Timestamp) -> String {
    at.strftime("%Y%m%d-%H%M%S").to_string()
}

/// A small file as a whole, or its first `largest` bytes; `None` when there is none.
///
/// # Errors
/// Class Storage.
pub fn read_small(path: &Path, largest: u64) -> Result<Option<Vec<u8>>> {
    let cannot = |error: &io::Error| storage(error, path, "cannot read");
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(&error)),
    };
    let mut bytes = Vec::new();
    file.take(largest).read_to_end(&mut bytes).map_err(|error| cannot(&error))?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/a.dump");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"abc").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 0);
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"abc").unwrap();
        file.publish().unwrap();
        let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&path).unwrap(), (hash.to_owned(), 3));
    }

    #[test]
    fn an_error_names_no_partial_file() {
        let folder = tempfile::tempdir().unwrap();
        let failure = NewFile::create(&folder.path().join("a".repeat(250))).unwrap_err();
        assert!(failure.message.starts_with("cannot write in ") && !failure.message.contains("partial"), "{failure}");
    }

    #[test]
    fn another_file_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "old").unwrap();
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert_eq!(file.publish().unwrap_err().class, Class::Storage);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.replace().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
    }

    #[test]
    fn space_is_known_for_a_folder_that_is_not_there_yet() {
        let folder = tempfile::tempdir().unwrap();
        let (free, total) = disk_space(&folder.path().join("a/b")).unwrap();
        assert!(free > 0 && total >= free);
    }
}
