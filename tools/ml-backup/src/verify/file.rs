//! One backup: its bytes against the manifest, then what is in it.

use super::{Means, contents};
use ml_common::people::{self, human_bytes};
use ml_common::{Result, files};
use ml_dump::Manifest;
use ml_dump::manifest::{Beside, Match};
use std::fs::File;
use std::io;
use std::path::Path;

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether the backup cannot be relied on; else it is a doubt.
    pub bad: bool,
    /// What it is.
    pub what: String,
    /// What to do about it.
    pub hint: &'static str,
}

/// What to do when a backup is bad.
pub const BAD: &str = "make a new backup now, and restore from an older one that verifies";

impl Finding {
    /// The backup cannot be relied on.
    pub fn bad(what: impl Into<String>) -> Finding {
        Finding { bad: true, what: what.into(), hint: BAD }
    }

    /// Somebody should know.
    pub fn doubt(what: impl Into<String>, hint: &'static str) -> Finding {
        Finding { bad: false, what: what.into(), hint }
    }
}

/// What looking at a backup showed.
#[derive(Debug, Default)]
pub struct Looked {
    /// What is not as it should be.
    pub findings: Vec<Finding>,
    /// How far it could be checked.
    pub extent: String,
    /// What its manifest says, when it has one that can be read.
    pub manifest: Option<Manifest>,
    /// Rows found.
    pub rows: Option<u64>,
    /// Size of the file.
    pub bytes: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<String>,
}

impl Looked {
    /// One sentence for people.
    pub fn summary(&self, path: &Path) -> String {
        let rows = self.rows.map(|rows| format!("{rows} rows, ")).unwrap_or_default();
        format!("{}: {rows}{}: {}", path.display(), human_bytes(self.bytes.unwrap_or_default()), self.extent)
    }
}

/// Looks at a dump and its manifest.
///
/// # Errors
/// Only what keeps it from being looked at: a missing file, an identity that is of no use, a signal.
pub fn look(means: &Means<'_>, path: &Path) -> Result<Looked> {
    if path.is_dir() {
        let mut looked = Looked { findings: vec![no_manifest()], ..Looked::default() };
        contents::alone(means, path, &mut looked)?;
        return Ok(looked);
    }
    let (sha256, bytes) = hash(path)?;
    let mut looked = Looked { sha256: Some(sha256.clone()), bytes: Some(bytes), ..Looked::default() };
    match Manifest::of(path) {
        Ok(manifest) => looked.manifest = manifest,
        Err(failure) => {
            looked.findings.push(Finding::bad(failure.message));
            looked.extent = "its manifest cannot be relied on, so there is nothing to compare it with".into();
            return Ok(looked);
        }
    }
    let Some(manifest) = &looked.manifest else {
        looked.findings.push(no_manifest());
        contents::alone(means, path, &mut looked)?;
        return Ok(looked);
    };
    let wrong = match manifest.compare(&sha256, bytes) {
        Match::Same => None,
        Match::Size => Some(format!("it has {bytes} bytes and its manifest says {}: it was cut off, or is another file", manifest.bytes)),
        Match::Hash => Some("it has other bytes than its manifest says: it was changed, or is another file".to_owned()),
    };
    if let Some(wrong) = wrong {
        looked.findings.push(Finding::bad(wrong));
        looked.extent = "its SHA-256 is not that of its manifest; what is in it was not looked at".into();
        return Ok(looked);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !manifest.file.is_empty() && manifest.file != name {
        let hint = "if it was renamed on purpose, that is all";
        looked.findings.push(Finding::doubt(format!("it was made under another name, {}", manifest.file), hint));
    }
    contents::against(means, path, &mut looked)?;
    Ok(looked)
}

fn no_manifest() -> Finding {
    let hint = "keep the .json that ml-backup makes with each dump; ml-restore --scratch PATH proves what is in this one";
    Finding::doubt("it has no manifest", hint)
}

/// Looks at a file beside the dump.
pub fn beside(path: &Path, expected: &Beside) -> Vec<Finding> {
    match files::sha256(path) {
        Ok((sha256, bytes)) if sha256 == expected.sha256 && bytes == expected.bytes => Vec::new(),
        Ok(_) => vec![Finding::bad("it has other bytes than the manifest says")],
        Err(failure) => vec![Finding::bad(failure.message)],
    }
}

/// SHA-256 and size, with progress.
fn hash(path: &Path) -> Result<(String, u64)> {
    let unreadable = |error: io::Error| files::storage(&error, path, "cannot read");
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let bar = people::amount("reading", length);
    let mut hashing = files::Hashing::new(io::sink());
    io::copy(&mut io::BufReader::with_capacity(1 << 18, bar.wrap_read(file)), &mut hashing).map_err(unreadable)?;
    bar.finish_and_clear();
    let (_, sha256, bytes) = hashing.finish();
    Ok((sha256, bytes))
}
