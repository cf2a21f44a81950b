//! Where the backup goes, under a name that is free, and how it gets that name.

use crate::cli::Cli;
use jiff::Timestamp;
use ml_common::files::{self, NewFile};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use ml_dump::{Manifest, name};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of this name may have been made within the same second; so long another is waited for.
const WAIT_FOR_A_NAME: Duration = Duration::from_secs(5);

/// Where the backup goes.
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Only the folder of the settings is tidied.
    pub ours: bool,
    /// When the backup began; stands in the name.
    pub started: Timestamp,
}

impl Place {
    /// The file's name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// Where to, under a name that is free.
///
/// # Errors
/// Class Storage when the name is taken, Usage when it is a folder's.
pub fn place(cli: &Cli, stage: &Stage) -> Result<Place> {
    if let Some(to) = &cli.to {
        let path = std::path::absolute(to).map_err(|error| files::storage(&error, to, "cannot use"))?;
        if path.is_dir() {
            return Err(
                Failure::new(Class::Usage, format!("{} is a folder", path.display())).hint("name a file, or set BACKUP_DIR to the folder")
            );
        }
        taken(&path)?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok(Place { path, folder, ours: false, started: Timestamp::now() });
    }
    let folder = stage.settings.path("BACKUP_DIR");
    let until = Instant::now() + WAIT_FOR_A_NAME;
    loop {
        let started = Timestamp::now();
        let path = folder.join(name::of(&stage.system, started));
        match taken(&path) {
            Ok(()) => return Ok(Place { path, folder, ours: true, started }),
            Err(failure) if Instant::now() > until => return Err(failure),
            Err(_) => stage.cancel.sleep(Duration::from_millis(200))?,
        }
    }
}

fn taken(path: &Path) -> Result<()> {
    for path in [path.to_owned(), Manifest::beside(path)] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(Class::Storage, format!("{} exists and is never replaced", path.display())).hint("name another file"));
        }
    }
    Ok(())
}

/// The manifest first, the dump last: a dump under its name always has one.
///
/// # Errors
/// Class Storage; nothing has its final name then.
pub fn publish(file: NewFile, manifest: &Manifest, path: &Path) -> Result<()> {
    let beside = manifest.write(path)?.publish()?;
    file.publish().map(|_| ()).inspect_err(|_| {
        if let Err(error) = std::fs::remove_file(&beside) {
            log::warn!("cannot remove {}: {error}", beside.display());
        }
    })
}
