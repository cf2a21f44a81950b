//! The folder of a store: who may write in it, what is in it, what killed processes have left there.

use ml_common::files;
use ml_common::{Class, Failure, Result, platform};
use std::fs::File;
use std::path::Path;

/// Takes the folder for this process alone, until the file is closed.
///
/// # Errors
/// Class Locked when another process has it; Storage when nothing can be written there.
pub fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    platform::private_folder(folder).map_err(|error| files::storage(&error, folder, "cannot make the folder"))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| files::storage(&error, &path, "cannot write"))?;
    match file.try_lock() {
        Ok(()) => {
            tidy(folder)?;
            Ok(file)
        }
        Err(std::fs::TryLockError::WouldBlock) => {
            Err(Failure::new(Class::Locked, format!("another process writes to {}", folder.display()))
                .hint("wait for it, or name another folder"))
        }
        Err(std::fs::TryLockError::Error(error)) => Err(files::storage(&error, &path, "cannot lock")),
    }
}

/// Removes what killed processes have left: files without a name of their own, and the progress of lengths that are there.
fn tidy(folder: &Path) -> Result<()> {
    for name in entries(folder)? {
        let path = folder.join(&name);
        let removed = if name.ends_with(".partial") && [".length-", ".store.json."].iter().any(|start| name.starts_with(start)) {
            std::fs::remove_file(&path)
        } else if length_of(&name, ".progress").is_some_and(|length| folder.join(format!("length-{length}.seg")).exists()) {
            std::fs::remove_dir_all(&path)
        } else {
            continue;
        };
        removed.map_err(|error| files::storage(&error, &path, "cannot remove"))?;
    }
    Ok(())
}

/// The names in a folder.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<String>> {
    let names = folder.read_dir().and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<Vec<_>>>());
    let names = names.map_err(|error| files::storage(&error, folder, "cannot read"))?;
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// The N of `length-N` with that ending.
pub fn length_of(name: &str, ending: &str) -> Option<usize> {
    name.strip_prefix("length-")?.strip_suffix(ending)?.parse().ok()
}
