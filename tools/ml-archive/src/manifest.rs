//! The manifest of an archive: what is in it, in a file of JSON beside it, with a hash of its own.

use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, OrFail, Result};
use ml_dump::seal::{self, Seal};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// A manifest of a million files has some hundred megabytes.
const LARGEST: u64 = 1 << 30;

/// What is known of an archive. Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that made it: `ml-archive 0.1.0`.
    pub tool: String,
    /// The system that is operated.
    pub system: String,
    /// The run.
    pub run: String,
    /// Name of the archive's file when it was made.
    pub file: String,
    /// Lower-case hex SHA-256 of the file as it lies there.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// `gzip` or `zstd`.
    pub compression: String,
    /// `age`, or nothing.
    pub encryption: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it was verified.
    pub finished: String,
    /// The patterns of what was left out.
    pub excluded: Vec<String>,
    /// Paths in the archive whose files changed while they were read.
    pub changed: Vec<String>,
    /// What is in it, in the order of the archive.
    pub files: Vec<Entry>,
}

/// A file, folder or link in an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Its path in the archive.
    pub path: String,
    /// `file`, `folder` or `link`.
    pub kind: String,
    /// Of a file.
    pub size: u64,
    /// The permission bits, in octal: `0644`.
    pub mode: String,
    /// Of a file: lower-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Of a link: where it points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

impl Manifest {
    /// Where the manifest of an archive is: `x.tar.gz.json` beside `x.tar.gz`.
    pub fn beside(archive: &Path) -> PathBuf {
        ml_dump::Manifest::beside(archive)
    }

    /// The manifest of an archive; `None` when there is none.
    ///
    /// # Errors
    /// Class Storage when it cannot be read, is none, or is damaged.
    pub fn of(archive: &Path) -> Result<Option<Manifest>> {
        let path = Manifest::beside(archive);
        let Some(text) = files::read_small(&path, LARGEST)? else { return Ok(None) };
        Manifest::parse(&text).map(Some).map_err(|failure| failure.context(path.display()))
    }

    fn parse(text: &[u8]) -> Result<Manifest> {
        let wrong = |why: &str| {
            Failure::new(Class::Storage, format!("not the manifest of an archive: {why}"))
                .hint("restore the manifest that was made with the archive, or move it away to go without")
        };
        if seal::of(text) == Seal::Broken {
            return Err(wrong("it is damaged: it does not fit its own hash"));
        }
        let manifest: Manifest = serde_json::from_slice(text).map_err(|error| wrong(&error.to_string()))?;
        match manifest.format {
            FORMAT if manifest.sha256.len() == 64 => Ok(manifest),
            FORMAT | 0 => Err(wrong("it has no hash or format")),
            later => Err(wrong(&format!("format {later} is not known"))),
        }
    }

    /// Writes it as the file that is going to be beside `archive`; the caller publishes it.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write(&self, archive: &Path) -> Result<NewFile> {
        let path = Manifest::beside(archive);
        let mut file = NewFile::create(&path)?;
        let text = serde_json::to_string_pretty(self).or_fail(Class::Internal, || "writing the manifest")?;
        file.write_all(seal::sealed(&text).as_bytes()).map_err(|error| files::storage(&error, &path, "cannot write"))?;
        Ok(file)
    }

    /// Where an archive's entries are not as it says, a sentence each, the first few.
    pub fn differences(&self, found: &[Entry]) -> Vec<String> {
        let mut told = Vec::new();
        for (expected, found) in self.files.iter().zip(found) {
            if expected != found {
                let path = expected.path.escape_debug();
                told.push(if expected.path == found.path { format!("{path} is another") } else { format!("{path} is not in its place") });
            }
        }
        if self.files.len() != found.len() {
            told.push(format!("it has {} entries and should have {}", found.len(), self.files.len()));
        }
        told.truncate(5);
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let entry = |path: &str| Entry { path: path.into(), kind: "file".into(), size: 1, mode: "0644".into(), ..Entry::default() };
        Manifest { format: 1, sha256: "ab".repeat(32), files: vec![entry("a"), entry("b")], ..Manifest::default() }
    }

    #[test]
    fn it_is_read_back_as_written_and_damage_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("x.tar.gz");
        assert_eq!(Manifest::of(&archive).unwrap(), None);
        manifest().write(&archive).unwrap().publish().unwrap();
        assert_eq!(Manifest::of(&archive).unwrap(), Some(manifest()));
        let path = Manifest::beside(&archive);
        let text = std::fs::read_to_string(&path).unwrap().replace("\"0644\"", "\"0645\"");
        std::fs::write(&path, text).unwrap();
        assert!(Manifest::of(&archive).unwrap_err().message.contains("own hash"));
    }

    #[test]
    fn differences_are_told() {
        let (one, mut other) = (manifest(), manifest().files);
        assert_eq!(one.differences(&other), Vec::<String>::new());
        other[0].size = 2;
        other[1].path = "c".into();
        other.push(Entry::default());
        assert_eq!(one.differences(&other), ["a is another", "b is not in its place", "it has 3 entries and should have 2"]);
    }
}
