//! Which files rules mean: plain files alone, never through a link out of the folder that is named.

use crate::job::Job;
use crate::name::Reader;
use crate::plan::Kept;
use crate::rules::Rotate;
use ml_common::{Class, Failure, OrFail, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Component, Path, PathBuf};

/// Endings of what is no log, whatever pattern it fits: compressed, or not finished.
const ENDINGS: [&str; 4] = [".gz", ".zst", ".partial", crate::copy::STAGED];

/// The logs of a table, without rotated ones; each once, in order.
///
/// # Errors
/// Class Storage when a folder cannot be read.
pub fn logs(rule: &Rotate, job: &Job<'_>) -> Result<Vec<PathBuf>> {
    let any = rule.name.any().or_fail(Class::Internal, || "the pattern of names")?;
    // Hidden ones are left out below: told to do it, the library stumbles over names that are not UTF-8.
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let (mut found, mut seen): (Vec<PathBuf>, BTreeSet<PathBuf>) = Default::default();
    for pattern in &rule.files {
        let paths = glob::glob_with(pattern, options).or_fail(Class::Config, || format!("'{pattern}' is no pattern"))?;
        let literal = !pattern.contains(['*', '?', '[']);
        let root = root(Path::new(pattern));
        let mut any_file = false;
        for path in paths {
            let path = path.map_err(|error| files::storage(error.error(), error.path(), "cannot look into"))?;
            let name = path.file_name().and_then(|name| name.to_str());
            let rotated = name.is_none_or(|name| any.read(name).is_some() || ENDINGS.iter().any(|ending| name.ends_with(ending)));
            if rotated && !literal || is_hidden(&path, &root, pattern) {
                continue;
            }
            if !seen.insert(path.clone()) {
                any_file = true;
                continue;
            }
            let meta = match path.symlink_metadata() {
                Ok(meta) => meta,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(files::storage(&error, &path, "cannot look at")),
            };
            if meta.is_dir() && !literal {
                continue;
            }
            any_file = true;
            if !meta.is_file() {
                job.skip(&path, if meta.is_symlink() { "it is a link, and links are not followed" } else { "it is no file" });
            } else if !is_below(&path, &root) {
                job.skip(&path, format!("a link leads to it out of {}", root.display()));
            } else if let Some(failure) = job.guard.refuses(&path) {
                job.failed("refuse", &path, failure)?;
            } else {
                found.push(path);
            }
        }
        if literal && !any_file {
            // Nothing was ever written or rotated there: perhaps a slip of the pen.
            let path = PathBuf::from(pattern);
            let known = kept(rule, &path).is_ok_and(|kept| !kept.is_empty());
            if known {
                job.skip(&path, "nobody has written it since it was rotated");
                found.push(path);
            } else {
                job.warn("skip", &path, "there is no such log", "correct files, or wait until the service writes it");
            }
        }
    }
    if rule.files.iter().any(|pattern| pattern.contains(['*', '?', '['])) {
        gone(rule, &any, options, &mut found)?;
    }
    found.sort();
    Ok(found)
}

/// Logs that fit a pattern and are not there now, but have rotated files: those are cared for all the same.
fn gone(rule: &Rotate, any: &Reader, options: glob::MatchOptions, found: &mut Vec<PathBuf>) -> Result<()> {
    for pattern in &rule.files {
        let fits = glob::Pattern::new(pattern).or_fail(Class::Config, || "a pattern of files")?;
        let Some(folder) = Path::new(pattern).parent().and_then(Path::to_str) else { continue };
        let (folders, root) =
            (glob::glob_with(folder, options).or_fail(Class::Config, || "a pattern of folders")?, root(Path::new(pattern)));
        for folder in folders.flatten().filter(|folder| folder.is_dir()) {
            if is_hidden(&folder, &root, pattern) {
                continue;
            }
            let home = rule.to.as_ref().map(|to| resolved(&folder.join(to)));
            for beside in [Some(folder.clone()), home].into_iter().flatten() {
                for (path, meta) in entries(&beside)? {
                    let read = path.file_name().and_then(|name| name.to_str()).and_then(|name| any.read(name));
                    let Some(log) = read.filter(|_| meta.is_file()).map(|read| folder.join(read.log)) else { continue };
                    let is_gone = log.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                    if is_gone
                        && !is_hidden(&log, &root, pattern)
                        && !found.contains(&log)
                        && fits.matches_path_with(&log, options)
                        && is_below(&log, &root)
                    {
                        found.push(log);
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether a part of the path begins with a point where no part of the pattern does.
fn is_hidden(path: &Path, root: &Path, pattern: &str) -> bool {
    let begins = |part: Component<'_>| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b"."));
    let below = Path::new(pattern).strip_prefix(root).unwrap_or(Path::new(pattern));
    !below.components().any(begins) && path.strip_prefix(root).unwrap_or(path).components().any(begins)
}

/// The folder before the first wildcard.
fn root(pattern: &Path) -> PathBuf {
    let wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let root: PathBuf = pattern.components().take_while(|part| !wild(part)).collect();
    if root == pattern { root.parent().unwrap_or(&root).to_owned() } else { root }
}

/// Whether the file is below the folder, whatever links lie between.
pub fn is_below(path: &Path, root: &Path) -> bool {
    match (path.parent().map(Path::canonicalize), root.canonicalize()) {
        (Some(Ok(folder)), Ok(root)) => folder.starts_with(root),
        _ => false,
    }
}

/// The folder that a path means, also when it is not there yet.
pub fn resolved(path: &Path) -> PathBuf {
    if let Ok(found) = path.canonicalize() {
        return found;
    }
    let folder = path.parent().map(resolved).unwrap_or_default();
    match path.components().next_back() {
        Some(Component::ParentDir) => folder.parent().map_or_else(|| folder.clone(), Path::to_owned),
        Some(Component::Normal(name)) => folder.join(name),
        _ => folder,
    }
}

/// Where rotated files of a log go in the end.
pub fn home(rule: &Rotate, log: &Path) -> PathBuf {
    let folder = log.parent().unwrap_or(Path::new("."));
    match rule.to.as_ref().map(|to| resolved(&folder.join(to))) {
        Some(home) if home != resolved(folder) => home,
        _ => folder.to_owned(),
    }
}

/// The rotated files of a log, beside it and where they go, the newest first.
///
/// # Errors
/// Class Storage when a folder cannot be read.
pub fn kept(rule: &Rotate, log: &Path) -> Result<Vec<Kept>> {
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let reader = rule.name.of(name).or_fail(Class::Internal, || "the pattern of names")?;
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")), home(rule, log));
    let mut all: BTreeMap<(jiff::Timestamp, String), Kept> = BTreeMap::new();
    let folders = [Some(beside), Some(home.as_path()).filter(|home| *home != beside)];
    for folder in folders.into_iter().flatten() {
        for (path, meta) in entries(folder)? {
            let read = path.file_name().and_then(|name| name.to_str()).and_then(|name| reader.read(name));
            let Some(read) = read.filter(|_| meta.is_file()) else { continue };
            let kept = all.entry((read.at, read.plain.clone())).or_insert_with(|| Kept {
                at: read.at,
                plain: read.plain,
                paths: Vec::new(),
                bytes: 0,
            });
            kept.bytes += meta.len();
            // What is not compressed comes first, beside the log first of all.
            let place = if read.packed { kept.paths.len() } else { kept.paths.iter().take_while(|path| !is_packed(path)).count() };
            kept.paths.insert(place, path);
        }
    }
    Ok(all.into_values().rev().collect())
}

/// Whether a file is compressed, by its name.
pub fn is_packed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "gz" || ending == "zst")
}

/// What is in a folder, itself and not what links lead to; a folder that is not there is empty.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn entries(folder: &Path) -> Result<Vec<(PathBuf, std::fs::Metadata)>> {
    let unreadable = |error: io::Error| {
        let failure: Failure = files::storage(&error, folder, "cannot look into");
        failure
    };
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(unreadable)?;
        // One that goes at this moment is not there.
        all.extend(entry.metadata().ok().map(|meta| (entry.path(), meta)));
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(all)
}
