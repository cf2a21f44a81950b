//! The evidence of a drill: what was restored from a dump, when, and what was checked, in a file of JSON beside it.
//!
//! A backup is what a restore has proven. The evidence names the dump by its hash, so that it never speaks for a file that was put in its
//! place later; retention keeps the newest proven dump whatever its age, and ml-health tells how old it is.

use crate::manifest::Manifest;
use jiff::Timestamp;
use ml_common::files::{self, NewFile};
use ml_common::{Class, Failure, OrFail, Result};
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The version of the format.
pub const FORMAT: u32 = 1;

/// Evidence is a page; what is larger is something else.
const LARGEST: u64 = 1 << 20;

/// What a drill has proven of a dump. It is only written when everything was verified. Fields are only ever added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Proof {
    /// [`FORMAT`].
    pub format: u32,
    /// The program that proved it: `ml-restore 0.1.0`.
    pub tool: String,
    /// The system that is operated.
    pub system: String,
    /// The run.
    pub run: String,
    /// Name of the dump's file when it was proven.
    pub file: String,
    /// Lower-case hex SHA-256 of the dump as it was proven, as it lay there.
    pub sha256: String,
    /// When the last check was done, RFC 3339 in UTC.
    pub proven: String,
    /// Version of the server that it was restored into.
    pub server: String,
    /// Rows found again.
    pub rows: u64,
    /// Tables found again.
    pub tables: u64,
    /// Tables whose rows were compared by their fingerprints; of the others only the number of rows was.
    pub fingerprints: u64,
    /// Theorems that were proven again.
    pub theorems: u64,
    /// What was checked: `counts`, `fingerprints`, `sequences`, `indexes`, `constraints`, `base-theory`, `chain`, `theorems`.
    pub checks: Vec<String>,
    /// The outcome of the command that was run against the restored database, if one was. It holds no secrets.
    pub check_command: Option<String>,
    /// What the drill took.
    pub duration_ms: u64,
}

impl Proof {
    /// Where the evidence about a dump is: `x.dump.proof.json` beside `x.dump`.
    pub fn beside(dump: &Path) -> PathBuf {
        let mut name = dump.as_os_str().to_owned();
        name.push(".proof.json");
        PathBuf::from(name)
    }

    /// The evidence about a dump; `None` when there is none. Whether it speaks for the dump that is there now, [`Proof::is_of`] tells.
    ///
    /// # Errors
    /// Class Storage when it cannot be read or is none.
    pub fn of(dump: &Path) -> Result<Option<Proof>> {
        let path = Proof::beside(dump);
        let Some(text) = files::read_small(&path, LARGEST)? else { return Ok(None) };
        Proof::parse(&text).map(Some).map_err(|failure| failure.context(path.display()))
    }

    /// Reads an evidence's text.
    ///
    /// # Errors
    /// Class Storage when it is none, or of a later format.
    pub fn parse(text: &[u8]) -> Result<Proof> {
        let hint = "prove the dump again: ml-restore --scratch PATH; or move that file away";
        let wrong = |why: String| Failure::new(Class::Storage, format!("not the evidence of a drill: {why}")).hint(hint);
        let proof: Proof = serde_json::from_slice(text).map_err(|error| wrong(error.to_string()))?;
        let hex = proof.sha256.len() == 64 && proof.sha256.bytes().all(|b| b.is_ascii_hexdigit());
        match proof.format {
            FORMAT if !hex => Err(wrong("it has no hash".into())),
            FORMAT if proof.at().is_none() => Err(wrong("it has no date".into())),
            FORMAT => Ok(proof),
            0 => Err(wrong("it has no format".into())),
            later => Err(wrong(format!("its format {later} is not known"))),
        }
    }

    /// Whether it speaks for the dump that has this manifest. It counts only then.
    pub fn is_of(&self, manifest: &Manifest) -> bool {
        self.sha256.eq_ignore_ascii_case(&manifest.sha256)
    }

    /// When it was proven.
    pub fn at(&self) -> Option<Timestamp> {
        self.proven.parse().ok()
    }

    /// Writes it beside `dump`, in place of an older one.
    ///
    /// # Errors
    /// Class Storage; an older one stays then.
    pub fn write(&self, dump: &Path) -> Result<PathBuf> {
        let path = Proof::beside(dump);
        let mut file = NewFile::create(&path)?;
        let mut text = serde_json::to_string_pretty(self).or_fail(Class::Internal, || "writing the evidence")?;
        text.push('\n');
        file.write_all(text.as_bytes()).map_err(|error| files::storage(&error, &path, "cannot write"))?;
        file.replace()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof {
            format: FORMAT,
            sha256: "ab".repeat(32),
            proven: "2025-01-08T02:00:00.000Z".into(),
            checks: vec!["counts".into()],
            check_command: Some("exit 0".into()),
            ..Proof::default()
        }
    }

    #[test]
    fn it_is_read_back_as_written_and_replaced_by_a_newer_one() {
        let folder = tempfile::tempdir().unwrap();
        let dump = folder.path().join("x.dump");
        assert_eq!(Proof::of(&dump).unwrap(), None);
        assert_eq!(proof().write(&dump).unwrap(), folder.path().join("x.dump.proof.json"));
        assert_eq!(Proof::of(&dump).unwrap(), Some(proof()));
        let newer = Proof { rows: 7, ..proof() };
        newer.write(&dump).unwrap();
        assert_eq!(Proof::of(&dump).unwrap(), Some(newer));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(proof().at().unwrap(), "2025-01-08T02:00:00Z".parse().unwrap());
    }

    #[test]
    fn it_speaks_for_one_file_alone() {
        let manifest = Manifest { sha256: "AB".repeat(32), ..Manifest::default() };
        assert!(proof().is_of(&manifest));
        assert!(!proof().is_of(&Manifest { sha256: "ac".repeat(32), ..manifest }));
    }

    #[test]
    fn what_is_no_evidence_is_refused() {
        let text = serde_json::to_string(&proof()).unwrap();
        assert!(Proof::parse(text.as_bytes()).is_ok());
        assert!(Proof::parse(text.replace("\"run\"", "\"later\"").as_bytes()).is_ok());
        for wrong in [
            "",
            "{}",
            "null",
            &text[..text.len() - 1],
            &text.replace("\"format\":1", "\"format\":2"),
            &text.replace("abab", "xyxy"),
            &text.replace("2025-01-08", "yesterday "),
        ] {
            assert_eq!(Proof::parse(wrong.as_bytes()).unwrap_err().class, Class::Storage, "{wrong}");
        }
    }
}
