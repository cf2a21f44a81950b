//! The manifest: what is known of a dump, in a file of JSON beside it.
//!
//! It is published before the dump gets its name, so a dump under its final name always has one; and a dump without one was not made (or
//! not finished) by ml-backup, or its manifest was lost: it never counts as good.

use crate::contents::Tally;
use crate::properties::Properties;
use crate::seal::{self, Seal};
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, OrFail, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// A manifest of a hundred thousand tables has some megabytes.
const LARGEST: u64 = 64 << 20;

/// What is known of a dump. Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Manifest {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that made it: `ml-backup 0.1.0`.
    pub tool: String,
    /// The system that is operated.
    pub system: String,
    /// The run.
    pub run: String,
    /// Name of the dump's file when it was made.
    pub file: String,
    /// Lower-case hex SHA-256 of the dump.
    pub sha256: String,
    /// Size of the dump.
    pub bytes: u64,
    /// `none`, `gzip` or `zstd`.
    pub compression: String,
    /// The database that was dumped.
    pub database: String,
    /// Version of its server: `15.18 (Debian 15.18-0+deb12u1)`.
    pub server: String,
    /// Version of pg_dump.
    pub pg_dump: String,
    /// The snapshot that dump and counts were taken under.
    pub snapshot: String,
    /// Where the server's write-ahead log was just before.
    pub lsn: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started: String,
    /// When it was verified.
    pub finished: String,
    /// Size of the database on the server, indexes included.
    pub database_bytes: u64,
    /// Size of its tables on the server, without indexes: what dumps are estimated from.
    pub table_bytes: u64,
    /// All rows.
    pub rows: u64,
    /// Rows a table, counted under the snapshot and found again in the file.
    pub tables: BTreeMap<String, u64>,
    /// Large objects, likewise.
    pub large_objects: u64,
    /// What the database has and the dump has not.
    pub excluded: Vec<String>,
    /// Owner, encoding, rights, settings: what a restore has to make again.
    pub properties: Properties,
    /// What wrote the rows: `parallel` (ml-backup's own sessions) or `pg_dump`; empty in manifests of older versions.
    pub engine: String,
    /// Why stock pg_dump wrote it although the parallel engine was wanted.
    pub fallback: Option<String>,
    /// The client encoding of the rows' text: what a session that recomputes fingerprints has to set. Empty in manifests of older versions.
    pub encoding: String,
    /// What is known of the rows of each table, by the table that COPY loads them into, in the spelling of [`crate::tables::shown`].
    pub data: BTreeMap<String, TableData>,
    /// The roles and tablespaces of the server, in a file of their own.
    pub globals: Option<Beside>,
    /// How the file is encrypted (`age`); `sha256` and `bytes` are then of the encrypted file.
    pub encryption: Option<String>,
}

/// The rows of one table as they lie in the dump.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TableData {
    /// The columns that COPY names, unquoted, in their order; none for a table without columns.
    pub columns: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// The [`crate::Fingerprint`] of the rows, 32 hex digits. Empty where it could not be compared with anything: rows that go through one
    /// partitioned table from partitions whose columns are in different orders.
    pub fingerprint: String,
    /// Size of the rows as text.
    pub copy_bytes: u64,
    /// Where the rows lie, in order; none where the file has no such pieces (stock pg_dump) or cannot be sought in (encrypted).
    pub segments: Vec<Segment>,
}

/// A run of whole rows of one table that is compressed by itself: for gzip raw deflate data that ends with a sync flush, for zstd a frame.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Segment {
    /// Where in the file its bytes begin.
    pub offset: u64,
    /// How many they are.
    pub bytes: u64,
    /// Size of its rows as text.
    pub copy_bytes: u64,
    /// Number of its rows.
    pub rows: u64,
    /// Lower-case hex SHA-256 of its bytes in the file.
    pub sha256: String,
}

/// A file beside the dump that belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// Its name.
    pub file: String,
    /// Lower-case hex SHA-256.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
}

/// How a dump compares with its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Size and hash are as written.
    Same,
    /// Another size: cut off, or another file.
    Size,
    /// The right size but other bytes.
    Hash,
}

impl Manifest {
    /// Where the manifest of a dump is: `x.dump.json` beside `x.dump`.
    pub fn beside(dump: &Path) -> PathBuf {
        let mut name = dump.as_os_str().to_owned();
        name.push(".json");
        PathBuf::from(name)
    }

    /// The manifest of a dump; `None` when there is none.
    ///
    /// # Errors
    /// Class Storage when it cannot be read or is none.
    pub fn of(dump: &Path) -> Result<Option<Manifest>> {
        let path = Manifest::beside(dump);
        let Some(text) = files::read_small(&path, LARGEST)? else { return Ok(None) };
        Manifest::parse(&text).map(Some).map_err(|failure| failure.context(path.display()))
    }

    /// Reads a manifest's text.
    ///
    /// # Errors
    /// Class Storage when it is none, or of a later format.
    pub fn parse(text: &[u8]) -> Result<Manifest> {
        let hint = "restore the manifest that was made with the dump, or move it away to go without";
        let seal = seal::of(text);
        let manifest: Manifest =
            serde_json::from_slice(text).map_err(|error| Failure::new(Class::Storage, format!("not a manifest: {error}")).hint(hint))?;
        // Manifests that know of engines have always had a seal: one without it has lost it.
        if seal == Seal::Broken || seal == Seal::None && !manifest.engine.is_empty() {
            return Err(Failure::new(Class::Storage, "the manifest was changed or damaged: its own hash does not fit").hint(hint));
        }
        let hex = manifest.sha256.len() == 64 && manifest.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        match manifest.format {
            FORMAT if hex => Ok(manifest),
            FORMAT | 0 => Err(Failure::new(Class::Storage, "not a manifest: it has no hash or format").hint(hint)),
            later => Err(Failure::new(Class::Storage, format!("a manifest of format {later}, which is not known"))
                .hint("use the version that made it")),
        }
    }

    /// Writes it as the file that is going to be beside `dump`; the caller publishes it.
    ///
    /// # Errors
    /// Class Storage.
    pub fn write(&self, dump: &Path) -> Result<NewFile> {
        let path = Manifest::beside(dump);
        let mut file = NewFile::create(&path)?;
        let text = serde_json::to_string_pretty(self).or_fail(Class::Internal, || "writing the manifest")?;
        file.write_all(seal::sealed(&text).as_bytes()).map_err(|error| files::storage(&error, &path, "cannot write"))?;
        Ok(file)
    }

    /// What a restore must find.
    pub fn tally(&self) -> Tally {
        Tally { tables: self.tables.clone(), large_objects: self.large_objects }
    }

    /// Compares a file that was hashed.
    pub fn compare(&self, sha256: &str, bytes: u64) -> Match {
        if bytes != self.bytes {
            Match::Size
        } else if sha256.eq_ignore_ascii_case(&self.sha256) {
            Match::Same
        } else {
            Match::Hash
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            format: 1,
            sha256: "ab".repeat(32),
            bytes: 7,
            tables: [("public.t".to_owned(), 3)].into(),
            rows: 3,
            ..Manifest::default()
        }
    }

    #[test]
    fn it_is_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("x.dump");
        assert_eq!(Manifest::of(&dump).unwrap(), None);
        manifest().write(&dump).unwrap().publish().unwrap();
        assert!(folder.path().join("x.dump.json").exists());
        assert_eq!(Manifest::of(&dump).unwrap(), Some(manifest()));
    }

    #[test]
    fn one_of_an_older_version_is_read() {
        let old = format!("{{\"format\":1,\"sha256\":\"{}\",\"bytes\":7,\"tables\":{{\"public.t\":3}}}}", "ab".repeat(32));
        let read = Manifest::parse(old.as_bytes()).unwrap();
        assert_eq!((read.engine.as_str(), read.data.len(), read.globals, read.tables.len()), ("", 0, None, 1));
    }

    #[test]
    fn what_is_no_manifest_is_refused() {
        let text = serde_json::to_string(&manifest()).unwrap();
        assert!(Manifest::parse(text.as_bytes()).is_ok());
        assert!(Manifest::parse(text.replace("\"run\"", "\"later\"").as_bytes()).is_ok());
        for wrong in
            ["", "{}", "[1]", "null", &text[..text.len() - 1], &text.replace("\"format\":1", "\"format\":2"), &text.replace("abab", "xyxy")]
        {
            assert_eq!(Manifest::parse(wrong.as_bytes()).unwrap_err().class, Class::Storage, "{wrong}");
        }
    }

    #[test]
    fn size_and_hash_must_fit() {
        let hash = "ab".repeat(32);
        assert_eq!(manifest().compare(&hash.to_uppercase(), 7), Match::Same);
        assert_eq!(manifest().compare(&hash, 8), Match::Size);
        assert_eq!(manifest().compare(&"ac".repeat(32), 7), Match::Hash);
    }
}
