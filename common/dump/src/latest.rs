//! The pointer to the newest backup: `SYSTEM-latest.json` in the folder of the backups, and finding that backup with or without it.
//!
//! It is written last, after the dump and all that belongs to it, so it never names what is not there; and it is believed only when the dump
//! that it names is there with a manifest that agrees. Names alone would not do: a clock that was set back makes the newest look old.

use crate::manifest::Manifest;
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, OrFail, Result};
use serde::{Deserialize, Serialize};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// What the pointer says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latest {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the dump's file, in the same folder.
    pub file: String,
    /// Its hash as in its manifest.
    pub sha256: String,
}

impl Latest {
    /// The pointer to the dump with this manifest.
    pub fn to(manifest: &Manifest) -> Latest {
        Latest { format: FORMAT, file: manifest.file.clone(), sha256: manifest.sha256.clone() }
    }

    /// Reads the pointer of `system`; `None` when there is none.
    ///
    /// # Errors
    /// Class Storage when it cannot be read or is none.
    pub fn of(folder: &Path, system: &str) -> Result<Option<Latest>> {
        let path = path(folder, system);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(files::storage(&error, &path, "cannot read")),
        };
        let wrong = |why: String| {
            Failure::new(Class::Storage, format!("{} points nowhere: {why}", path.display()))
                .hint("remove that file: the newest good backup is found without it")
        };
        let latest: Latest = serde_json::from_slice(&text).map_err(|error| wrong(error.to_string()))?;
        let plain = Path::new(&latest.file).file_name().is_some_and(|name| name == latest.file.as_str());
        match latest.format {
            FORMAT if plain => Ok(Some(latest)),
            FORMAT => Err(wrong("it names no file of its folder".into())),
            other => Err(wrong(format!("its format is {other}"))),
        }
    }

    /// Why the dump that it names is not there as it says; `None` when it is. The dump's bytes are not read.
    pub fn flaw(&self, folder: &Path) -> Option<String> {
        let dump = folder.join(&self.file);
        match good(&dump) {
            Ok(manifest) if manifest.sha256 == self.sha256 => None,
            Ok(_) => Some(format!("{} is another dump than the one it names", self.file)),
            Err(why) => Some(format!("{} {why}", self.file)),
        }
    }

    /// Puts it in place of the older one.
    ///
    /// # Errors
    /// Class Storage; the older one stays then.
    pub fn write(&self, folder: &Path, system: &str) -> Result<PathBuf> {
        let path = path(folder, system);
        let mut file = NewFile::create(&path)?;
        let text = serde_json::to_string(self).or_fail(Class::Internal, || "writing the pointer to the newest backup")?;
        writeln!(file, "{text}").map_err(|error| files::storage(&error, &path, "cannot write"))?;
        file.replace()
    }
}

/// Where the pointer of `system` is.
pub fn path(folder: &Path, system: &str) -> PathBuf {
    folder.join(format!("{system}-latest.json"))
}

/// The newest good backup of `system`: the one that the pointer names, else the one whose manifest says that it began last.
///
/// # Errors
/// Class Storage when there is none, or the folder cannot be read.
pub fn find(folder: &Path, system: &str) -> Result<PathBuf> {
    match Latest::of(folder, system) {
        Ok(Some(latest)) => match latest.flaw(folder) {
            None => return Ok(folder.join(latest.file)),
            Some(why) => log::info!("{}: {why}", path(folder, system).display()),
        },
        Ok(None) => {}
        Err(failure) => log::info!("{failure}"),
    }
    newest(folder, system)?.ok_or_else(|| {
        Failure::new(Class::Storage, format!("there is no good backup of {system} in {}", folder.display()))
            .hint("make one with ml-backup, name a file, or set BACKUP_DIR and SYSTEM")
    })
}

fn newest(folder: &Path, system: &str) -> Result<Option<PathBuf>> {
    let newest = good_ones(folder, system)?.into_iter().max_by(|a, b| (a.began, &a.dump).cmp(&(b.began, &b.dump)));
    Ok(newest.map(|found| found.dump))
}

/// A good backup.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its file.
    pub dump: PathBuf,
    /// When it began, by its manifest.
    pub began: jiff::Timestamp,
    /// Its manifest.
    pub manifest: Manifest,
}

/// The good backups of `system`, by the manifests' own words, whatever the files are called; none when there is no such folder.
///
/// # Errors
/// Class Storage when the folder cannot be read.
pub fn good_ones(folder: &Path, system: &str) -> Result<Vec<Found>> {
    let unreadable = |error: &std::io::Error| files::storage(error, folder, "cannot list the backups in");
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let Ok(name) = entry.map_err(|error| unreadable(&error))?.file_name().into_string() else { continue };
        let Some(dump) = name.strip_suffix(".json").filter(|dump| !dump.starts_with('.')) else { continue };
        let dump = folder.join(dump);
        let Ok(manifest) = good(&dump) else { continue };
        let Ok(began) = manifest.started.parse() else { continue };
        if manifest.system == system {
            all.push(Found { dump, began, manifest });
        }
    }
    Ok(all)
}

/// The manifest of a dump that counts as good by it: it is there, and as large as it should be. Else why not.
///
/// # Errors
/// The flaw, as it continues the file's name.
pub fn good(dump: &Path) -> std::result::Result<Manifest, String> {
    let bytes = match dump.symlink_metadata() {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => return Err("is no file".into()),
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("is not there".into()),
        Err(error) => return Err(format!("cannot be looked at: {error}")),
    };
    match Manifest::of(dump) {
        Ok(None) => Err("has no manifest".into()),
        Ok(Some(manifest)) if manifest.bytes != bytes => Err(format!("has {bytes} bytes and its manifest says {}", manifest.bytes)),
        Ok(Some(manifest)) => Ok(manifest),
        Err(failure) => Err(format!("has a manifest that is of no use: {}", failure.message)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A dump of three bytes with its manifest.
    fn make(folder: &Path, name: &str, started: &str, digit: &str) -> Manifest {
        let manifest = Manifest {
            format: 1,
            system: "ml".into(),
            file: name.into(),
            sha256: digit.repeat(64),
            bytes: 3,
            started: started.into(),
            ..Manifest::default()
        };
        let dump = folder.join(name);
        manifest.write(&dump).unwrap().publish().unwrap();
        std::fs::write(&dump, "abc").unwrap();
        manifest
    }

    fn found(folder: &Path) -> String {
        find(folder, "ml").unwrap().file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn the_pointer_is_believed_only_when_all_agrees() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        assert_eq!(find(dir, "ml").unwrap_err().class, Class::Storage);
        assert_eq!(find(&dir.join("none"), "ml").unwrap_err().class, Class::Storage);
        // The clock was set back before the second was made.
        let _first = make(dir, "a.dump", "2025-01-09T00:00:00.000Z", "a");
        let second = make(dir, "b.dump", "2025-01-08T00:00:00.000Z", "b");
        assert_eq!(found(dir), "a.dump");
        Latest::to(&second).write(dir, "ml").unwrap();
        assert_eq!(found(dir), "b.dump");
        assert_eq!(Latest::of(dir, "ml").unwrap(), Some(Latest::to(&second)));
        assert!(find(dir, "other").is_err());
        for wrong in ["", "{}", "{\"format\":1,\"file\":\"../b.dump\",\"sha256\":\"x\"}", "{\"format\":2,\"file\":\"b.dump\"}"] {
            std::fs::write(path(dir, "ml"), wrong).unwrap();
            assert_eq!(found(dir), "a.dump", "{wrong}");
            assert!(Latest::of(dir, "ml").is_err(), "{wrong}");
        }
        Latest { sha256: "c".repeat(64), ..Latest::to(&second) }.write(dir, "ml").unwrap();
        assert_eq!(found(dir), "a.dump");
        Latest::to(&second).write(dir, "ml").unwrap();
        std::fs::write(dir.join("b.dump"), "ab").unwrap();
        assert_eq!(found(dir), "a.dump");
        std::fs::remove_file(dir.join("b.dump")).unwrap();
        assert_eq!(found(dir), "a.dump");
        std::fs::remove_file(dir.join("a.dump.json")).unwrap();
        assert!(find(dir, "ml").unwrap_err().message.starts_with("there is no good backup of ml"));
    }
}
