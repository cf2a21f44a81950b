//! Where the backup goes, under a name that is free, and how it gets that name.

use crate::cli::Cli;
use crate::globals;
use jiff::Timestamp;
use ml_common::files::{self, NewFile};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use ml_dump::Manifest;
use ml_dump::latest::Latest;
use ml_dump::name::Pattern;
use ml_dump::sealed::SUFFIX;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of this name may have been made within the same second; so long another is waited for.
const WAIT_FOR_A_NAME: Duration = Duration::from_secs(5);

/// Where the backup goes.
#[derive(Debug)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// Its folder.
    pub folder: PathBuf,
    /// Only the folder of the settings is tidied.
    pub ours: bool,
    /// When the backup began; stands in the name.
    pub started: Timestamp,
    /// How the backups in the folder are named.
    pub pattern: Pattern,
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
/// Class Storage when the name is taken, Usage when it is a folder's, Config for the pattern of the names.
pub fn place(cli: &Cli, stage: &Stage, database: &str, encrypted: bool) -> Result<Place> {
    let pattern = Pattern::parse(stage.settings.text("BACKUP_NAME"), &stage.system, database)?;
    let ending = |name: OsString| sealed_name(name, encrypted);
    if let Some(to) = &cli.to {
        let path = PathBuf::from(ending(std::path::absolute(to).map_err(|error| files::storage(&error, to, "cannot use"))?.into()));
        if path.is_dir() {
            return Err(
                Failure::new(Class::Usage, format!("{} is a folder", path.display())).hint("name a file, or set BACKUP_DIR to the folder")
            );
        }
        taken(&path)?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok(Place { path, folder, ours: false, started: Timestamp::now(), pattern });
    }
    let folder = stage.settings.path("BACKUP_DIR");
    let until = Instant::now() + WAIT_FOR_A_NAME;
    loop {
        let started = Timestamp::now();
        let path = folder.join(ending(pattern.name(started).into()));
        match taken(&path) {
            Ok(()) => return Ok(Place { path, folder, ours: true, started, pattern }),
            Err(failure) if Instant::now() > until => return Err(failure),
            Err(_) => stage.cancel.sleep(Duration::from_millis(200))?,
        }
    }
}

/// A file that only `age` opens says so in its name.
fn sealed_name(mut name: OsString, encrypted: bool) -> OsString {
    if encrypted && !name.to_string_lossy().ends_with(SUFFIX) {
        name.push(SUFFIX);
    }
    name
}

fn taken(path: &Path) -> Result<()> {
    for path in [path.to_owned(), Manifest::beside(path), globals::beside(path, false), globals::beside(path, true)] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(Class::Storage, format!("{} exists and is never replaced", path.display())).hint("name another file"));
        }
    }
    Ok(())
}

/// What is published, in the order of [`ORDER`].
#[derive(Debug)]
pub struct Publication<'a> {
    /// Files that belong to the dump.
    pub companions: Vec<NewFile>,
    /// The dump.
    pub dump: NewFile,
    /// What is said of it.
    pub manifest: &'a Manifest,
    /// Where it goes.
    pub place: &'a Place,
}

/// A part of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Companions,
    Manifest,
    Dump,
    Pointer,
}

/// Whenever it is cut off, nothing that is there lies: companions and a manifest alone name a backup that never came to be; a dump under its
/// name has all that belongs to it; and the pointer names the one before until the new one is whole.
const ORDER: [Part; 4] = [Part::Companions, Part::Manifest, Part::Dump, Part::Pointer];

/// Gives everything its name. A pointer that cannot be written is returned: the backup stands without it.
///
/// # Errors
/// Class Storage; nothing has its final name then.
pub fn publish(publication: Publication<'_>) -> Result<Option<Failure>> {
    let mut done = Vec::new();
    let mut pending = Pending::of(publication);
    for part in ORDER {
        match pending.put(part, &mut done) {
            Ok(()) => {}
            Err(failure) if part == Part::Pointer => return Ok(Some(failure)),
            Err(failure) => {
                for path in done {
                    if let Err(error) = std::fs::remove_file(&path) {
                        log::warn!("cannot remove {}: {error}", path.display());
                    }
                }
                return Err(failure);
            }
        }
    }
    Ok(None)
}

/// A publication of which a part is done.
struct Pending<'a> {
    companions: Vec<NewFile>,
    dump: Option<NewFile>,
    manifest: &'a Manifest,
    place: &'a Place,
}

impl<'a> Pending<'a> {
    fn of(publication: Publication<'a>) -> Pending<'a> {
        let Publication { companions, dump, manifest, place } = publication;
        Pending { companions, dump: Some(dump), manifest, place }
    }

    /// Publishes a part; what has got its name is added to `done`.
    fn put(&mut self, part: Part, done: &mut Vec<PathBuf>) -> Result<()> {
        match part {
            Part::Companions => {
                for file in self.companions.drain(..) {
                    done.push(file.publish()?);
                }
            }
            Part::Manifest => done.push(self.manifest.write(&self.place.path)?.publish()?),
            Part::Dump => {
                if let Some(file) = self.dump.take() {
                    done.push(file.publish()?);
                }
            }
            // A file that the call has named is nobody's newest backup.
            Part::Pointer if !self.place.ours => {}
            Part::Pointer => {
                Latest::to(self.manifest).write(&self.place.folder, &self.manifest.system)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_dump::latest::{find, good};
    use std::io::Write;

    fn manifest(name: &str, started: &str) -> Manifest {
        let (system, file) = ("ml".to_owned(), name.to_owned());
        Manifest { format: 1, system, file, sha256: "ab".repeat(32), bytes: 3, started: started.into(), ..Manifest::default() }
    }

    fn place(folder: &Path, name: &str) -> Place {
        let pattern = Pattern::parse("{date}-{time}", "ml", "db").unwrap();
        Place { path: folder.join(name), folder: folder.to_owned(), ours: true, started: Timestamp::UNIX_EPOCH, pattern }
    }

    fn new(path: &Path) -> NewFile {
        let mut file = NewFile::create(path).unwrap();
        file.write_all(b"abc").unwrap();
        file
    }

    fn publication<'a>(manifest: &'a Manifest, place: &'a Place) -> Publication<'a> {
        let globals = new(&place.folder.join(format!("{}.globals.sql", manifest.file)));
        Publication { companions: vec![globals], dump: new(&place.path), manifest, place }
    }

    #[test]
    fn cut_off_between_any_two_steps_nothing_lies() {
        for cut in 0..=ORDER.len() {
            let folder = tempfile::tempdir().unwrap();
            let dir = folder.path();
            // The clock was set back between the two: only the pointer can tell which is the newer.
            let (old, new) = (manifest("old.dump", "2025-01-09T00:00:00Z"), manifest("new.dump", "2025-01-08T00:00:00Z"));
            let (old_place, new_place) = (place(dir, "old.dump"), place(dir, "new.dump"));
            assert_eq!(publish(publication(&old, &old_place)).unwrap(), None);
            let mut pending = Pending::of(publication(&new, &new_place));
            for part in &ORDER[..cut] {
                pending.put(*part, &mut Vec::new()).unwrap();
            }
            // As a killed process leaves it: what is not published keeps its temporary name, or is removed.
            drop(pending);
            let newest = find(dir, "ml").unwrap();
            assert_eq!(newest.file_name().unwrap(), if cut == ORDER.len() { "new.dump" } else { "old.dump" }, "{cut}");
            assert!(good(&newest).is_ok());
            if new_place.path.exists() {
                assert!(good(&new_place.path).is_ok() && dir.join("new.dump.globals.sql").exists(), "{cut}");
            }
        }
    }

    #[test]
    fn what_fails_is_taken_back() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let (manifest, place) = (manifest("a.dump", "2025-01-08T00:00:00Z"), place(dir, "a.dump"));
        let taken = publication(&manifest, &place);
        std::fs::write(dir.join("a.dump"), "somebody else's").unwrap();
        assert_eq!(publish(taken).unwrap_err().class, Class::Storage);
        let left: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a.dump"]);
        std::fs::remove_file(dir.join("a.dump")).unwrap();
        // A folder where the pointer should be: the backup stands all the same.
        std::fs::create_dir(dir.join("ml-latest.json")).unwrap();
        assert!(publish(publication(&manifest, &place)).unwrap().is_some());
        assert!(good(&place.path).is_ok());
    }
}
