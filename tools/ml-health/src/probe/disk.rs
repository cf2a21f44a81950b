//! The disks of exports and backups: a lane each, since a mount can hang for ever.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use crate::lane::Lends;
use crate::verdict::disk as verdict;
use ml_common::Result;
use ml_common::files::disk_space;
use std::path::PathBuf;
use std::sync::Arc;

const fn check(id: &'static str) -> Check<Folder> {
    Check { id, gate: true, needs: &[], on_error: OnError::Crit, probe: space }
}

/// The first lane.
pub const EXPORTS: &[Check<Folder>] = &[check("disk.exports")];

/// The second lane.
pub const BACKUPS: &[Check<Folder>] = &[check("disk.backups")];

/// A folder that files go to; it need not be there yet.
pub struct Folder {
    facts: Arc<Facts>,
    path: PathBuf,
}

impl Lends for Folder {}

impl Folder {
    /// The folder that `key` names.
    pub fn new(facts: Arc<Facts>, key: &str) -> Folder {
        let path = facts.settings.path(key);
        Folder { facts, path }
    }
}

fn space(folder: &mut Folder) -> Result<Finding> {
    let (free, total) = disk_space(&folder.path)?;
    Ok(verdict::space(&folder.path.display().to_string(), free, total, &folder.facts.limits))
}
