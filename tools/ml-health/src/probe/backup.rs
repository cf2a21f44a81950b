//! The backups that are there, and the evidence of their drills: a lane of its own, since a mount can hang for ever.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use crate::lane::Lends;
use crate::verdict::backup::{self as verdict, Backup};
use jiff::Timestamp;
use ml_common::Result;
use ml_dump::Proof;
use ml_dump::latest::{self, Latest};
use std::path::PathBuf;
use std::sync::Arc;

/// The lane.
pub const CHECKS: &[Check<Backups>] = &[
    Check { id: "backup.newest", gate: false, needs: &[], on_error: OnError::Crit, probe: newest },
    Check { id: "backup.proven", gate: false, needs: &[], on_error: OnError::Unknown, probe: proven },
];

/// The folder of the backups.
pub struct Backups {
    facts: Arc<Facts>,
    folder: PathBuf,
    system: String,
}

impl Lends for Backups {}

impl Backups {
    /// That of the settings.
    pub fn new(facts: Arc<Facts>) -> Backups {
        let (folder, system) = (facts.settings.path("BACKUP_DIR"), facts.system.clone());
        Backups { facts, folder, system }
    }

    fn read(&self) -> Result<Vec<Backup>> {
        let of = |found: latest::Found| {
            // Evidence about another file, or that cannot be read, is none.
            let proof = Proof::of(&found.dump).ok().flatten().filter(|proof| proof.is_of(&found.manifest));
            Backup { name: found.manifest.file, began: found.began, proven: proof.and_then(|proof| proof.at()) }
        };
        Ok(latest::good_ones(&self.folder, &self.system)?.into_iter().map(of).collect())
    }
}

fn newest(backups: &mut Backups) -> Result<Finding> {
    let folder = backups.folder.display().to_string();
    let flaw = match Latest::of(&backups.folder, &backups.system) {
        Ok(latest) => latest.and_then(|latest| latest.flaw(&backups.folder)),
        Err(failure) => Some(failure.message),
    };
    Ok(verdict::newest(&backups.read()?, flaw.as_deref(), &folder, Timestamp::now(), backups.facts.limits.backup_age))
}

fn proven(backups: &mut Backups) -> Result<Finding> {
    Ok(verdict::proven(&backups.read()?, Timestamp::now(), backups.facts.limits.proof_age))
}
