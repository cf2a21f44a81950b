//! What a tool remembers between runs: one JSON file, locked while it is in use, replaced as a whole, and never believed when it is damaged.

use jiff::Timestamp;
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, OrFail, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A larger file is no state of ours.
const MAX_BYTES: u64 = 256 << 20;
/// So long is another run waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A state file in use.
#[derive(Debug)]
pub struct StateFile<T> {
    /// What is remembered.
    pub value: T,
    path: PathBuf,
    version: u64,
    warning: Option<Failure>,
    /// Held to the end; without it nothing is written.
    lock: Option<File>,
}

#[derive(Deserialize)]
struct Version {
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct Whole<T> {
    version: u64,
    value: T,
}

impl<T: Serialize + DeserializeOwned + Default> StateFile<T> {
    /// Opens the state and holds its lock (`PATH.lock` beside it) until dropped. One that is not there is the default, as is a damaged one, which
    /// is moved aside and told by [`StateFile::warning`].
    ///
    /// # Errors
    /// Class Locked when another run holds it, Config when a newer version wrote it, Storage when the folder cannot be used.
    pub fn open(path: &Path, version: u64) -> Result<StateFile<T>> {
        StateFile::open_within(path, version, PATIENCE)
    }

    /// The same, waiting for another run no longer than `patience`.
    ///
    /// # Errors
    /// As [`StateFile::open`].
    pub fn open_within(path: &Path, version: u64, patience: Duration) -> Result<StateFile<T>> {
        let lock = lock(path, patience)?;
        let (value, mut warning) = load(path, version)?;
        if let Some(failure) = &mut warning {
            let aside = aside(path, Timestamp::now());
            std::fs::rename(path, &aside).map_err(|error| files::storage(&error, path, "cannot move aside"))?;
            failure.message.push_str(&format!("; it is now {}, and all begins anew", aside.display()));
        }
        Ok(StateFile { value, path: path.to_owned(), version, warning, lock: Some(lock) })
    }

    /// Looks at the state without a lock; nothing is ever written, [`StateFile::save`] does nothing (dry runs, listings).
    ///
    /// # Errors
    /// Class Config when a newer version wrote it, Storage when it cannot be read.
    pub fn look(path: &Path, version: u64) -> Result<StateFile<T>> {
        let (value, warning) = load(path, version)?;
        Ok(StateFile { value, path: path.to_owned(), version, warning, lock: None })
    }

    /// Writes it: the file is the old one or the new one, whatever happens.
    ///
    /// # Errors
    /// Class Storage when the disk is full; the old one stays then.
    pub fn save(&self) -> Result<()> {
        if self.lock.is_none() {
            return Ok(());
        }
        #[derive(Serialize)]
        struct Borrowed<'a, T> {
            version: u64,
            value: &'a T,
        }
        let whole = Borrowed { version: self.version, value: &self.value };
        let text = serde_json::to_vec(&whole).or_fail(Class::Internal, || format!("writing {}", self.path.display()))?;
        let mut file = NewFile::create(&self.path)?;
        file.file().write_all(&text).map_err(|error| files::storage(&error, &self.path, "cannot write"))?;
        file.replace().map(drop)
    }

    /// What was wrong with the file that was found, to be told as a warning.
    pub fn warning(&self) -> Option<&Failure> {
        self.warning.as_ref()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn load<T: DeserializeOwned + Default>(path: &Path, version: u64) -> Result<(T, Option<Failure>)> {
    let Some(bytes) = files::read_small(path, MAX_BYTES + 1)? else { return Ok((T::default(), None)) };
    let damaged = |why: String| {
        let failure = Failure::new(Class::Storage, format!("the state file {} is damaged ({why})", path.display()));
        (T::default(), Some(failure.hint("look whether the disk was full or somebody edited it; what it remembered is lost")))
    };
    if bytes.len() as u64 > MAX_BYTES {
        return Ok(damaged(format!("larger than {MAX_BYTES} bytes")));
    }
    // Another version may hold another shape: its number is looked at first.
    let found = match serde_json::from_slice::<Version>(&bytes) {
        Ok(found) => found.version,
        Err(error) => return Ok(damaged(error.to_string())),
    };
    if found > version {
        return Err(Failure::new(
            Class::Config,
            format!("the state file {} has version {found}, and this program knows {version}", path.display()),
        )
        .hint("use the newer program that wrote it, or move the file away to begin anew"));
    }
    Ok(match serde_json::from_slice::<Whole<T>>(&bytes) {
        Ok(whole) => (whole.value, None),
        Err(error) => damaged(error.to_string()),
    })
}

/// A lock file of its own: the state file itself is replaced.
fn lock(path: &Path, patience: Duration) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let cannot = |error: std::io::Error| files::storage(&error, &lock_path, "cannot lock");
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| files::storage(&error, folder, "cannot make the folder"))?;
    }
    let file = File::options().create(true).truncate(false).write(true).open(&lock_path).map_err(cannot)?;
    let until = Instant::now() + patience;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::Error(error)) => return Err(cannot(error)),
            Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                return Err(Failure::new(Class::Locked, format!("another run uses {}", path.display()))
                    .hint("wait for it to end, or give each its own STATE_DIR"));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

fn aside(path: &Path, now: Timestamp) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".corrupt-{}", files::name_stamp(now)));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type State = StateFile<BTreeMap<String, u64>>;

    #[test]
    fn what_is_saved_is_there_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/health.json");
        let mut state = State::open(&path, 1).unwrap();
        assert!(state.value.is_empty() && state.warning().is_none());
        state.value.insert("a".into(), 1);
        state.save().unwrap();
        drop(state);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"version":1,"value":{"a":1}}"#);
        assert_eq!(State::open(&path, 2).unwrap().value["a"], 1, "an older version is taken over");
    }

    #[test]
    fn two_runs_at_once_are_told_and_a_look_needs_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        let mut first = State::open(&path, 1).unwrap();
        first.value.insert("a".into(), 1);
        first.save().unwrap();
        assert_eq!(State::open(&path, 1).unwrap_err().class, Class::Locked);
        let mut look = State::look(&path, 1).unwrap();
        assert_eq!(look.value["a"], 1);
        look.value.insert("b".into(), 2);
        look.save().unwrap();
        drop(first);
        assert_eq!(State::open(&path, 1).unwrap().value.len(), 1);
    }

    #[test]
    fn a_damaged_state_is_moved_aside_and_told() {
        for damage in ["", "{\"version\":1,\"value\":{\"a\":", "{\"version\":1,\"value\":[]}", "\0\0\0"] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.json");
            std::fs::write(&path, damage).unwrap();
            assert!(State::look(&path, 1).unwrap().warning().is_some());
            assert!(path.exists(), "a look moves nothing");
            let state = State::open(&path, 1).unwrap();
            assert!(state.value.is_empty());
            let warning = state.warning().unwrap();
            assert!(warning.message.contains("is damaged") && warning.hint.is_some(), "{warning}");
            let aside = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
            let aside: Vec<_> = aside.filter(|path| path.to_string_lossy().contains(".corrupt-")).collect();
            assert_eq!(std::fs::read_to_string(&aside[0]).unwrap(), damage);
        }
    }

    #[test]
    fn a_newer_version_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, r#"{"version":3,"elsewhere":[]}"#).unwrap();
        let failure = State::open(&path, 2).unwrap_err();
        assert_eq!(failure.class, Class::Config);
        assert!(failure.message.contains("version 3") && path.exists());
    }
}
