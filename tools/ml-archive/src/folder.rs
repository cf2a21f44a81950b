//! The folder of the archives: their names, what there is, and what is removed from it.

use crate::manifest::Manifest;
use crate::write::Packing;
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::files;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::name::Pattern;
use ml_dump::retention::{self, Backup, Decision, Leftover, Rules};
use ml_dump::sealed;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// An archive of this name may have been made within the same second; so long another is waited for.
const WAIT_FOR_A_NAME: Duration = Duration::from_secs(5);

/// Where an archive goes.
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// How it is compressed.
    pub packing: Packing,
    /// When it began; stands in the name.
    pub started: Timestamp,
}

/// The folder of the archives and the names in it.
pub struct Folder {
    pub path: PathBuf,
    pattern: Pattern,
}

impl Folder {
    /// # Errors
    /// Class Config when the name's pattern makes no sense.
    pub fn of(stage: &Stage) -> Result<Folder> {
        let settings = &stage.settings;
        let pattern = Pattern::of("ARCHIVE_NAME", settings.text("ARCHIVE_NAME"), &stage.system, "")?;
        Packing::of(&pattern.name(Timestamp::UNIX_EPOCH)).map_err(|failure| failure.context("ARCHIVE_NAME"))?;
        let path = settings.path_if_set("ARCHIVE_DIR").unwrap_or_else(|| settings.path("BACKUP_DIR"));
        Ok(Folder { path, pattern })
    }

    /// A name that is free.
    ///
    /// # Errors
    /// Class Storage when none is for some seconds.
    pub fn place(&self, stage: &Stage, encrypted: bool) -> Result<Place> {
        let until = Instant::now() + WAIT_FOR_A_NAME;
        loop {
            let started = Timestamp::now();
            let name = self.pattern.name(started);
            let path = self.path.join(format!("{name}{}", if encrypted { sealed::SUFFIX } else { "" }));
            match free(&path) {
                Ok(()) => return Ok(Place { path, packing: Packing::of(&name)?, started }),
                Err(failure) if Instant::now() > until => return Err(failure),
                Err(_) => stage.cancel.sleep(Duration::from_millis(200))?,
            }
        }
    }

    /// The newest archive with its manifest.
    ///
    /// # Errors
    /// Class Storage when there is none.
    pub fn newest(&self) -> Result<PathBuf> {
        let (backups, _) = self.list()?;
        let newest = backups.into_iter().filter(|backup| backup.flaw.is_none()).max_by_key(|backup| (backup.at, backup.name.clone()));
        newest.map(|backup| self.path.join(backup.name)).ok_or_else(|| {
            Failure::new(Class::Storage, format!("there is no archive with its manifest in {}", self.path.display()))
                .hint("name the archive, or set ARCHIVE_DIR and ARCHIVE_NAME")
        })
    }

    /// The archives of these names, and what killed runs left of others.
    fn list(&self) -> Result<(Vec<Backup>, Vec<Leftover>)> {
        let unreadable = |error: io::Error| files::storage(&error, &self.path, "cannot list the archives in");
        let (mut backups, mut leftovers) = (Vec::new(), Vec::new());
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((backups, leftovers)),
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
            if !meta.is_file() {
                continue;
            }
            let modified = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
            if let Some(at) = self.pattern.read(&name) {
                let flaw = flaw(&self.path.join(&name), meta.len());
                backups.push(Backup { name, at, bytes: meta.len(), flaw, proven: None });
            } else if let (true, Some(modified)) = (self.is_leftover(&name), modified) {
                leftovers.push(Leftover { name, bytes: meta.len(), modified });
            }
        }
        Ok((backups, leftovers))
    }

    /// `.NAME.XXXXXX.partial`, the same of a manifest, or a manifest whose archive is not there.
    fn is_leftover(&self, name: &str) -> bool {
        if let Some(archive) = name.strip_suffix(".json") {
            return self.pattern.read(archive).is_some() && !self.path.join(archive).exists();
        }
        let Some(inner) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".partial")) else { return false };
        let Some((file, random)) = inner.rsplit_once('.') else { return false };
        !random.is_empty() && self.pattern.read(file.strip_suffix(".json").unwrap_or(file)).is_some()
    }

    /// Removes what is too old, or says what it would remove. `planned` is the archive that a dry run would make.
    ///
    /// # Errors
    /// Class Storage when the folder cannot be read, Config for the rules. A file that cannot be removed is a warning, as the archive stands.
    pub fn tidy(&self, stage: &Stage, planned: Option<&Place>, done: &mut Done) -> Result<u64> {
        let rules = Rules::of(&stage.settings, "ARCHIVE")?;
        let (mut backups, leftovers) = self.list()?;
        if let Some(place) = planned {
            let name = place.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            backups.push(Backup { name, at: place.started, bytes: 0, flaw: None, proven: None });
        }
        let now = Timestamp::now();
        let mut all = retention::leftovers(&leftovers, now);
        all.extend(retention::plan(&backups, None, now, rules));
        let mut removed = 0;
        for decision in all {
            let step = self.step(&decision);
            if stage.dry_run {
                stage.step(if decision.remove { Status::Planned } else { Status::Skipped }, step);
            } else if decision.remove {
                match self.remove(&decision.name) {
                    Ok(()) => {
                        removed += 1;
                        stage.step(Status::Ok, step);
                    }
                    Err(failure) => {
                        let class = Some("storage".into());
                        stage.step(Status::Warn, Step { summary: failure.message, hint: failure.hint, error_class: class, ..step });
                        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
                    }
                }
            }
        }
        Ok(removed)
    }

    fn step(&self, decision: &Decision) -> Step {
        Step {
            id: format!("retention.{}", decision.name),
            path: Some(self.path.join(&decision.name).display().to_string()),
            bytes: Some(decision.bytes),
            summary: format!("{}: {}", decision.name, decision.reason),
            reason: Some(decision.reason.clone()),
            ..Step::default()
        }
    }

    /// Removes a file, and an archive's manifest after it: alone, a manifest claims nothing.
    fn remove(&self, name: &str) -> Result<()> {
        let path = self.path.join(name);
        std::fs::remove_file(&path).map_err(|error| files::storage(&error, &path, "cannot remove"))?;
        let manifest = Manifest::beside(&path);
        match std::fs::remove_file(&manifest) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(files::storage(&error, &manifest, "cannot remove")),
            _ => Ok(()),
        }
    }
}

/// Makes sure that a name is free.
///
/// # Errors
/// Class Storage when it is taken.
pub fn free(path: &Path) -> Result<()> {
    for path in [path.to_owned(), Manifest::beside(path)] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(Class::Storage, format!("{} exists and is never replaced", path.display())).hint("name another file"));
        }
    }
    Ok(())
}

/// Why an archive does not count as good. Its bytes were verified when it was made.
fn flaw(archive: &Path, bytes: u64) -> Option<String> {
    match Manifest::of(archive) {
        Ok(None) => Some("it has no manifest".into()),
        Ok(Some(manifest)) if manifest.bytes != bytes => Some(format!("it has {bytes} bytes and its manifest says {}", manifest.bytes)),
        Ok(Some(_)) => None,
        Err(failure) => Some(failure.message),
    }
}
