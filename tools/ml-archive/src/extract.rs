//! Unpacking: the whole archive is read and judged before the first file is made, nothing is overwritten, and what was made is removed again
//! when something fails.

use crate::cli::Cli;
use crate::guard::{Guard, below};
use crate::manifest::{Entry, Manifest};
use crate::read::{self, Item, What};
use ml_common::files::{self, Hashing};
use ml_common::people::counted;
use ml_common::people::{self, human_bytes};
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// An entry that may come out: what it is, and where to.
type Admitted = (Item, PathBuf);

/// Unpacks `archive` into `to`, or says what it would do.
///
/// # Errors
/// Class Storage when the archive is damaged or hostile, or the folder cannot be written to.
pub fn act(cli: &Cli, archive: &Path, to: &Path, stage: &Stage) -> Result<Done> {
    let began = Instant::now();
    let identity = cli.identity(stage);
    let archive = std::path::absolute(archive).map_err(|error| files::storage(&error, archive, "cannot use"))?;
    let to = std::path::absolute(to).map_err(|error| files::storage(&error, to, "cannot use"))?;
    let waiting = people::waiting("reading");
    let admitted = judge(&archive, identity.as_deref(), stage)?;
    drop(waiting);
    in_the_way(&admitted, &to)?;
    let count = admitted.iter().filter(|(item, _)| matches!(item.what, What::File | What::HardLink)).count() as u64;
    let bytes: u64 = admitted.iter().map(|(item, _)| item.entry.size).sum();
    let summary = format!("{}, {}, from {} to {}", counted(count, "file"), human_bytes(bytes), archive.display(), to.display());
    let step = Step {
        id: "extract".into(),
        rows: Some(count),
        bytes: Some(bytes),
        path: Some(to.display().to_string()),
        summary: summary.clone(),
        ..Step::default()
    };
    if stage.dry_run {
        stage.step(Status::Planned, step);
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would unpack {summary}")) });
    }
    let free = files::disk_space(&to)?.0;
    if free < bytes {
        return Err(Failure::new(
            Class::Storage,
            format!("{} needs {}, and {} has {} free", archive.display(), human_bytes(bytes), to.display(), human_bytes(free)),
        )
        .hint("free space there, or name another folder; nothing was written"));
    }
    let mut made = Made { to: &to, paths: Vec::new() };
    let waiting = people::waiting("unpacking");
    if let Err(failure) = made.all(&archive, identity.as_deref(), &admitted, stage) {
        made.undo();
        return Err(stage.cancel.check().err().unwrap_or(failure));
    }
    drop(waiting);
    let duration_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    stage.step(Status::Ok, Step { duration_ms, ..step });
    Ok(Done::ok(summary).metric("files", count).metric("bytes", bytes))
}

/// Reads the whole archive: it must be undamaged, what its manifest says, and nothing in it may lead out of the folder.
fn judge(archive: &Path, identity: Option<&Path>, stage: &Stage) -> Result<Vec<Admitted>> {
    let manifest = Manifest::of(archive)?;
    let (mut guard, mut admitted): (Guard, Vec<Admitted>) = (Guard::default(), Vec::new());
    let mut found: Vec<Entry> = Vec::new();
    read::each(archive, identity, &stage.cancel, |item, bytes| {
        let path = guard.admit(&item).map_err(|why| {
            let shown = item.path.display().to_string();
            Failure::new(Class::Storage, format!("{} is not unpacked: {}: {why}", archive.display(), people::printable(&shown)))
                .hint("such an archive was not made by ml-archive and may be hostile; nothing was written")
        })?;
        let mut entry = item.entry.clone();
        if item.what == What::File && manifest.is_some() {
            let mut hashing = Hashing::new(bytes);
            // An error of the archive is kept by whoever called this.
            let _ = io::copy(&mut hashing, &mut io::sink());
            entry.sha256 = Some(hashing.finish().1);
        }
        if manifest.is_some() {
            found.push(entry);
        }
        admitted.push((item, path));
        Ok(())
    })?;
    let differences = manifest.map(|manifest| manifest.differences(&found)).unwrap_or_default();
    if !differences.is_empty() {
        return Err(Failure::new(
            Class::Storage,
            format!("{} does not hold what its manifest says: {}", archive.display(), differences.join("; ")),
        )
        .hint("it was changed since it was made; use another archive. Nothing was written"));
    }
    Ok(admitted)
}

/// Nothing that is there is overwritten, and nothing is written through a link that is there.
fn in_the_way(admitted: &[Admitted], to: &Path) -> Result<()> {
    let mut looked: BTreeSet<PathBuf> = BTreeSet::new();
    for (item, path) in admitted {
        for part in path.ancestors().filter(|part| !part.as_os_str().is_empty()) {
            let folder = part != path || item.what == What::Folder;
            if folder && !looked.insert(part.to_owned()) {
                continue;
            }
            let there = to.join(part);
            match there.symlink_metadata() {
                Ok(meta) if folder && meta.is_dir() => {}
                Ok(_) => {
                    return Err(Failure::new(Class::Storage, format!("{} is there already and is never overwritten", there.display()))
                        .hint("unpack into an empty folder, and take from it what is wanted; nothing was written"));
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
                Err(error) => return Err(files::storage(&error, &there, "cannot look at")),
            }
        }
    }
    Ok(())
}

/// What was made so far.
struct Made<'a> {
    to: &'a Path,
    paths: Vec<PathBuf>,
}

impl Made<'_> {
    fn all(&mut self, archive: &Path, identity: Option<&Path>, admitted: &[Admitted], stage: &Stage) -> Result<()> {
        self.folder(Path::new(""))?;
        let mut next = admitted.iter();
        read::each(archive, identity, &stage.cancel, |item, bytes| {
            // The file is read twice: the second time it must be the same as the first.
            let Some((judged, path)) = next.next().filter(|(judged, _)| judged.path == item.path && judged.what == item.what) else {
                return Err(Failure::new(Class::Storage, format!("{} changed while it was read", archive.display())).hint("try again"));
            };
            self.folder(if item.what == What::Folder { path } else { path.parent().unwrap_or(Path::new("")) })?;
            match item.what {
                What::File => self.file(path, judged, bytes),
                What::HardLink => self.second_name(path, judged),
                What::Folder | What::Link | What::Other => Ok(()),
            }
        })?;
        // Links last: nothing was written through one.
        for (item, path) in admitted.iter().filter(|(item, _)| item.what == What::Link) {
            self.link(path, item.target.as_deref().unwrap_or(Path::new("")))?;
        }
        // The folders' own permissions and times after what is in them.
        for (item, path) in admitted.iter().rev().filter(|(item, path)| item.what == What::Folder && !path.as_os_str().is_empty()) {
            finish(&self.to.join(path), item)?;
        }
        Ok(())
    }

    fn folder(&mut self, path: &Path) -> Result<()> {
        let there = self.to.join(path);
        let missing: Vec<PathBuf> = there.ancestors().take_while(|part| part.symlink_metadata().is_err()).map(Path::to_owned).collect();
        for part in missing.into_iter().rev() {
            ml_common::platform::private_folder(&part).map_err(|error| files::storage(&error, &part, "cannot make the folder"))?;
            self.paths.push(part);
        }
        Ok(())
    }

    fn create(&mut self, path: &Path) -> Result<(PathBuf, File)> {
        let there = self.to.join(path);
        // Never through a link, never over another file.
        let file =
            File::options().write(true).create_new(true).open(&there).map_err(|error| files::storage(&error, &there, "cannot write"))?;
        self.paths.push(there.clone());
        Ok((there, file))
    }

    fn file(&mut self, path: &Path, item: &Item, bytes: &mut dyn Read) -> Result<()> {
        let (there, mut file) = self.create(path)?;
        io::copy(bytes, &mut file).map_err(|error| files::storage(&error, &there, "cannot write"))?;
        file.sync_all().map_err(|error| files::storage(&error, &there, "cannot write"))?;
        drop(file);
        finish(&there, item)
    }

    /// A second name becomes a copy: a link of the archive's choice is not made.
    fn second_name(&mut self, path: &Path, item: &Item) -> Result<()> {
        let first = below(item.target.as_deref().unwrap_or(Path::new(""))).map_err(|why| Failure::new(Class::Storage, why))?;
        let from = self.to.join(first);
        let mut source = File::open(&from).map_err(|error| files::storage(&error, &from, "cannot read"))?;
        let (there, mut file) = self.create(path)?;
        io::copy(&mut source, &mut file).map_err(|error| files::storage(&error, &there, "cannot write"))?;
        drop(file);
        finish(&there, item)
    }

    #[cfg(unix)]
    fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        let there = self.to.join(path);
        std::os::unix::fs::symlink(target, &there).map_err(|error| files::storage(&error, &there, "cannot make the link"))?;
        self.paths.push(there);
        Ok(())
    }

    /// Links need rights there that few have.
    #[cfg(windows)]
    fn link(&mut self, path: &Path, target: &Path) -> Result<()> {
        log::warn!("{} would be a link to {}: it is left out", path.display(), target.display());
        Ok(())
    }

    /// Removes what was made, the last first.
    fn undo(&self) {
        for path in self.paths.iter().rev() {
            let removed =
                if path.symlink_metadata().is_ok_and(|meta| meta.is_dir()) { fs::remove_dir(path) } else { fs::remove_file(path) };
            if let Err(error) = removed {
                log::warn!("cannot remove {}: {error}", path.display());
            }
        }
    }
}

/// Permissions without setuid, setgid and sticky, and the time.
fn finish(path: &Path, item: &Item) -> Result<()> {
    let failed = |error: io::Error| files::storage(&error, path, "cannot set the permissions of");
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(item.modified.min(1 << 40));
    // Where times cannot be set, the file is there all the same.
    if let Err(error) = File::open(path).and_then(|file| file.set_modified(at)) {
        log::info!("cannot set the time of {}: {error}", path.display());
    }
    permissions(path, u32::from_str_radix(&item.entry.mode, 8).unwrap_or(0o600) & 0o777).map_err(failed)
}

#[cfg(unix)]
fn permissions(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(windows)]
fn permissions(path: &Path, mode: u32) -> io::Result<()> {
    let mut permissions = fs::metadata(path)?.permissions();
    permissions.set_readonly(mode & 0o200 == 0);
    fs::set_permissions(path, permissions)
}
