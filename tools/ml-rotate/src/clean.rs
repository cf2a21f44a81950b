//! A `[[clean]]` table: old files below one folder are removed or compressed, the newest never.

use crate::find;
use crate::guard;
use crate::job::{Job, add, step};
use crate::pack;
use crate::plan::{self, Old};
use crate::recover;
use crate::rules::{Clean, Packing};
use crate::tidy::tell_packed;
use jiff::Timestamp;
use ml_common::record::{Status, Step};
use ml_common::{Class, Failure, Result, files, platform};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

/// What is below the folder.
#[derive(Default)]
struct Below {
    files: Vec<Old>,
    /// How many entries each folder has, and when it was changed.
    folders: BTreeMap<PathBuf, (usize, Timestamp)>,
}

/// Does a table.
///
/// # Errors
/// Interrupted and Terminated; everything else is told, and the rest goes on.
pub fn table(rule: &Clean, job: &Job<'_>) -> Result<()> {
    let root = match rule.under.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            job.skip(&rule.under, "there is no such folder");
            return Ok(());
        }
        Err(error) => return job.failed("clean", &rule.under, files::storage(&error, &rule.under, "cannot look into")),
    };
    if root.parent().is_none() {
        let failure = Failure::new(Class::Config, "the whole machine is not a folder to clean").hint("name a folder with under");
        return job.failed("refuse", &root, failure);
    }
    let mut below = walk(rule, &root, job)?;
    let owner = below.files.iter().filter_map(|file| file.path.parent()).find_map(|folder| Some((folder, job.guard.owner(folder)?)));
    if let Some((folder, why)) = owner {
        return job.failed("refuse", &root, guard::owned(folder, &why));
    }
    let mut touched = BTreeSet::new();
    for old in plan::cleaning(rule, std::mem::take(&mut below.files), job.now) {
        job.cancel.check()?;
        match one(rule, &old, job) {
            Ok(true) => touched.extend(old.path.parent().map(Path::to_owned)),
            Ok(false) => continue,
            Err(failure) => {
                job.failed(if rule.compress.is_some() { "compress" } else { "remove" }, &old.path, failure)?;
                continue;
            }
        }
        if let Some((count, _)) = old.path.parent().and_then(|folder| below.folders.get_mut(folder)) {
            *count -= 1;
        }
    }
    if rule.empty_folders { folders(rule, &root, below.folders, touched, job) } else { Ok(()) }
}

/// Looks at everything below; links are seen and not followed.
fn walk(rule: &Clean, root: &Path, job: &Job<'_>) -> Result<Below> {
    let (mut below, mut waiting) = (Below::default(), vec![root.to_owned()]);
    let written = |meta: &std::fs::Metadata| meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok()).unwrap_or(job.now);
    while let Some(folder) = waiting.pop() {
        job.cancel.check()?;
        let entries = match find::entries(&folder) {
            Ok(entries) => entries,
            Err(failure) => {
                job.failed("clean", &folder, failure)?;
                continue;
            }
        };
        let changed = folder.symlink_metadata().map_or(job.now, |meta| written(&meta));
        below.folders.insert(folder.clone(), (entries.len(), changed));
        let mut fitting = Vec::new();
        for (path, meta) in entries {
            if meta.is_dir() {
                waiting.push(path);
            } else if meta.is_file() && fits(rule, root, &path) {
                fitting.push(Old { path, bytes: meta.len(), written: written(&meta) });
            } else if meta.is_file() && is_unfinished(rule, root, &path) && !platform::is_trap(&folder) {
                recover::drop_old(&path, &meta, job)?;
            }
        }
        if !fitting.is_empty() && platform::is_trap(&folder) {
            job.failed("refuse", &folder, guard::untrusted(&folder))?;
            continue;
        }
        below.files.extend(fitting);
    }
    Ok(below)
}

fn fits(rule: &Clean, root: &Path, path: &Path) -> bool {
    let options = glob::MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };
    if rule.compress.is_some() && find::is_packed(path) {
        return false;
    }
    let below = path.strip_prefix(root).unwrap_or(path);
    rule.files.iter().any(|pattern| {
        let name = if pattern.as_str().contains('/') { Some(below) } else { path.file_name().map(Path::new) };
        name.is_some_and(|name| pattern.matches_path_with(name, options))
    })
}

/// Whether it is what a killed run has left of compressing a file of this table.
fn is_unfinished(rule: &Clean, root: &Path, path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('.'));
    let ending = rule.compress.map(Packing::ending);
    let of = name.and_then(recover::unfinished).zip(ending).and_then(|(inner, ending)| inner.strip_suffix(ending));
    of.is_some_and(|of| fits(rule, root, &path.with_file_name(of)))
}

/// Removes or compresses one file; true when it is gone, or would be.
fn one(rule: &Clean, old: &Old, job: &Job<'_>) -> Result<bool> {
    let age = plan::in_days(rule.older);
    // What is there now may be something else than what was looked at.
    let same = old.path.symlink_metadata().is_ok_and(|meta| {
        let written = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
        meta.is_file() && meta.len() == old.bytes && written.is_none_or(|written| written == old.written)
    });
    let folder = old.path.parent().unwrap_or(&old.path);
    if !same || !folder.canonicalize().is_ok_and(|found| found == folder) {
        job.skip(&old.path, "it has changed since it was looked at");
        return Ok(false);
    }
    if pack::is_in_use(&old.path) {
        job.skip(&old.path, "somebody has it open for writing");
        return Ok(false);
    }
    let path = old.path.display().to_string();
    if let Some(packing) = rule.compress {
        let mut to = old.path.clone().into_os_string();
        to.push(packing.ending());
        let to = PathBuf::from(to);
        if job.dry {
            let reason = format!("older than {age}: becomes {}", to.display());
            job.tell(Status::Ok, Step { path: Some(to.display().to_string()), ..step("compress", &old.path, reason) });
        } else {
            let began = Instant::now();
            let packed = pack::pack(&old.path, &to, packing, job.cancel)?;
            tell_packed(&old.path, &to, packed, false, began, job);
        }
        return Ok(false);
    }
    if !job.dry {
        std::fs::remove_file(&old.path).map_err(|error| files::storage(&error, &old.path, "cannot remove"))?;
        add(&job.count.removed);
        job.count.freed.set(job.count.freed.get() + i64::try_from(old.bytes).unwrap_or(i64::MAX));
    }
    job.tell(Status::Ok, Step { path: Some(path), bytes: Some(old.bytes), ..step("remove", &old.path, format!("older than {age}")) });
    Ok(true)
}

/// Removes folders that this run has emptied, and those that have been empty for as long as files may stay; the deepest first.
fn folders(
    rule: &Clean,
    root: &Path,
    mut all: BTreeMap<PathBuf, (usize, Timestamp)>,
    mut touched: BTreeSet<PathBuf>,
    job: &Job<'_>,
) -> Result<()> {
    let deepest_first: Vec<PathBuf> = all.keys().rev().filter(|folder| *folder != root).cloned().collect();
    for folder in deepest_first {
        let (count, changed) = all[&folder];
        if count > 0 || !touched.contains(&folder) && plan::elapsed(changed, job.now) <= rule.older {
            continue;
        }
        // An empty folder of a repository is part of it, and one that belongs to others is theirs, empty or not.
        let is_hidden = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        let hidden = folder.strip_prefix(root).unwrap_or(&folder).components().any(is_hidden);
        if hidden || job.guard.owner(&folder).is_some() {
            continue;
        }
        match if job.dry { Ok(()) } else { std::fs::remove_dir(&folder) } {
            Ok(()) => job.tell(Status::Ok, step("folder", &folder, "it is empty")),
            // Somebody has put a file there in this moment.
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => continue,
            Err(error) => {
                job.failed("folder", &folder, files::storage(&error, &folder, "cannot remove the folder"))?;
                continue;
            }
        }
        if let Some(parent) = folder.parent() {
            touched.insert(parent.to_owned());
            all.entry(parent.to_owned()).and_modify(|(count, _)| *count -= 1);
        }
    }
    Ok(())
}
