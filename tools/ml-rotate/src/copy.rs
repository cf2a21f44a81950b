//! Copying a log and emptying it, for a writer that keeps it open. What is written between the last reading and the emptying is lost, as with any
//! such copy: that is a matter of microseconds, since the copy is on disk before and only the last words are read again.

use crate::pack::{dress, pour};
use ml_common::files::{self, Hashing, NewFile};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, platform};
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// Where a copy is until the log is emptied: hidden, so that nobody counts its lines twice.
pub fn staged(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    target.with_file_name(format!(".{name}{STAGED}"))
}

/// The ending of such a copy.
pub const STAGED: &str = ".copied";

/// Copies `log` to `target` and leaves `leave` in it; gives SHA-256 and size of the copy.
///
/// # Errors
/// Class Storage; the log is as it was then.
pub fn copy(log: &Path, target: &Path, leave: &str, cancel: &Cancel) -> Result<(String, u64)> {
    let cannot = |error: std::io::Error| files::storage(&error, log, "cannot read and empty");
    let mut source = File::options().read(true).append(true).open(log).map_err(cannot)?;
    let meta = source.metadata().map_err(cannot)?;
    only_name(log, &meta)?;
    let staged = staged(target);
    let written = |error: std::io::Error| files::storage(&error, &staged, "cannot write");
    let mut file = NewFile::create(&staged)?;
    let mut reader = Hashing::new(&mut source);
    pour(&mut reader, &mut file, cancel, log, &staged)?;
    dress(file, &meta, &staged)?.publish()?;
    // What came while the copy was brought to disk; the last round finds nothing, and the log is emptied at once.
    let mut more = File::options().append(true).open(&staged).map_err(written)?;
    while pour(&mut reader, &mut more, cancel, log, &staged)? > 0 {
        more.sync_data().map_err(written)?;
    }
    let (source, sha256, bytes) = reader.finish();
    source.set_len(0).map_err(cannot)?;
    source.write_all(leave.as_bytes()).and_then(|()| source.sync_all()).map_err(cannot)?;
    platform::rename_new(&staged, target).map_err(|error| files::storage(&error, target, "cannot publish"))?;
    Ok((sha256, bytes))
}

/// Makes sure that no other name's file would be emptied as well.
///
/// # Errors
/// Class Storage.
pub fn only_name(log: &Path, meta: &std::fs::Metadata) -> Result<()> {
    if platform::names_of(meta) > 1 {
        return Err(Failure::new(Class::Storage, format!("{} has another name, whose file would be emptied as well", log.display()))
            .hint("remove the hard link, or use how = \"rename\""));
    }
    Ok(())
}

/// Whether the log still holds all of a copy that a killed run left: it was not emptied.
///
/// # Errors
/// Class Storage.
pub fn is_whole(log: &Path, staged: &Path, cancel: &Cancel) -> Result<bool> {
    Ok(log.symlink_metadata().is_ok() && begins_with(log, staged, cancel)?)
}

/// Puts into a log that is empty what is to stand in it; a run that was killed before it did has left it so.
///
/// # Errors
/// Class Storage.
pub fn leave(log: &Path, leave: &str) -> Result<()> {
    let cannot = |error: std::io::Error| files::storage(&error, log, "cannot write");
    match File::options().append(true).open(log) {
        Ok(mut file) if file.metadata().map_err(cannot)?.len() == 0 => file.write_all(leave.as_bytes()).map_err(cannot),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot(error)),
    }
}

/// Whether nothing was written since the log was emptied: it is empty, or holds what was left in it.
pub fn is_empty(log: &Path, bytes: u64, leave: &str) -> bool {
    bytes == 0 || bytes == leave.len() as u64 && std::fs::read(log).is_ok_and(|text| text == leave.as_bytes())
}

fn begins_with(log: &Path, copy: &Path, cancel: &Cancel) -> Result<bool> {
    let open = |path: &Path| File::open(path).map_err(|error| files::storage(&error, path, "cannot read"));
    let (log_file, copy_file) = (open(log)?, open(copy)?);
    let length = copy_file.metadata().map_err(|error| files::storage(&error, copy, "cannot read"))?.len();
    let mut hashes = [Hashing::new(log_file.take(length)), Hashing::new(copy_file.take(length))];
    let mut sums = Vec::new();
    for reader in &mut hashes {
        pour(&mut BufReader::new(reader), &mut std::io::sink(), cancel, log, copy)?;
    }
    sums.extend(hashes.into_iter().map(|reader| {
        let (_, hash, bytes) = reader.finish();
        (hash, bytes)
    }));
    Ok(sums[0] == sums[1])
}
