//! Which files there are backups of this system, by their names.

use crate::destination::Destination;
use crate::store::Store;
use jiff::Timestamp;
use ml_common::Result;
use ml_common::stage::{Done, Stage};
use ml_dump::name;

/// Tells when the backup of a name began; None for names that are not of our making.
pub fn backup_time(stage: &Stage) -> Result<impl Fn(&str) -> Option<Timestamp> + use<>> {
    let system = stage.system.clone();
    Ok(move |text: &str| name::parse(&system, text.strip_suffix(ml_dump::sealed::SUFFIX).unwrap_or(text)))
}

/// Removes what is too old there.
pub fn act(_stage: &Stage, _destination: &Destination, _store: &mut dyn Store, _fresh: &[String], done: Done) -> Result<Done> {
    Ok(done)
}
