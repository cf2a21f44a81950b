//! Which files rules mean: plain files alone, never through a link out of the folder that is named.

use crate::job::Job;
use crate::plan::Kept;
use crate::rules::Rotate;
use jiff::Timestamp;
use ml_common::{Class, Failure, OrFail, Result, files};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

/// Endings of what is no log, whatever pattern it fits: compressed, or not finished.
const ENDINGS: [&str; 4] = [".gz", ".zst", ".partial", crate::copy::STAGED];

/// A pattern of files, taken apart.
struct Wanted<'a> {
    pattern: &'a str,
    /// What is meant, when there is no wildcard in it.
    path: Option<PathBuf>,
    /// The folder before the first wildcard.
    root: PathBuf,
}

impl Wanted<'_> {
    fn of(pattern: &str) -> Wanted<'_> {
        let plain = |part: Component<'_>| match part {
            Component::Normal(name) => literal(&name.to_string_lossy()).map(PathBuf::from),
            other => Some(PathBuf::from(other.as_os_str())),
        };
        let root: PathBuf = Path::new(pattern).components().map_while(plain).collect();
        let path = Some(root.clone()).filter(|root| root.components().count() == Path::new(pattern).components().count());
        let root = if path.is_some() { root.parent().unwrap_or(&root).to_owned() } else { root };
        Wanted { pattern, path, root }
    }

    /// Whether a part of the path begins with a point where no part of the pattern does.
    fn hides(&self, path: &Path) -> bool {
        let begins = |part: Component<'_>| matches!(part, Component::Normal(name) if name.as_encoded_bytes().starts_with(b"."));
        let mut below = Path::new(self.pattern).components().skip(self.root.components().count());
        !below.any(begins) && path.strip_prefix(&self.root).unwrap_or(path).components().any(begins)
    }
}

/// What a pattern without wildcards means; `[*]` stands for the letter itself.
pub fn literal(pattern: &str) -> Option<String> {
    let (mut text, mut rest) = (String::new(), pattern);
    while let Some((before, wild)) = rest.find(['*', '?', '[']).map(|at| rest.split_at(at)) {
        let mut letters = wild.chars();
        let (Some('['), Some(letter @ ('*' | '?' | '[' | ']')), Some(']')) = (letters.next(), letters.next(), letters.next()) else {
            return None;
        };
        text.push_str(before);
        text.push(letter);
        rest = letters.as_str();
    }
    Some(text + rest)
}

/// The logs of a table, without rotated ones; each once, in order.
///
/// # Errors
/// Interrupted and Terminated; a folder that cannot be read is told, and the others are looked into.
pub fn logs(rule: &Rotate, job: &Job<'_>) -> Result<Vec<PathBuf>> {
    let any = rule.name.any().or_fail(Class::Internal, || "the pattern of names")?;
    // Hidden ones are left out below: told to do it, the library stumbles over names that are not UTF-8.
    let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
    let (mut found, mut seen, mut closed): (Vec<PathBuf>, BTreeSet<PathBuf>, BTreeSet<PathBuf>) = Default::default();
    let all: Vec<Wanted<'_>> = rule.files.iter().map(|pattern| Wanted::of(pattern)).collect();
    for wanted in &all {
        let pattern = wanted.pattern;
        let paths: Box<dyn Iterator<Item = glob::GlobResult>> = match &wanted.path {
            Some(path) => Box::new(std::iter::once(Ok(path.clone()))),
            None => Box::new(glob::glob_with(pattern, options).or_fail(Class::Config, || format!("'{pattern}' is no pattern"))?),
        };
        let literal = wanted.path.is_some();
        let mut any_file = false;
        for path in paths {
            let path = match path {
                Ok(path) => path,
                Err(error) => {
                    if !wanted.hides(error.path()) && closed.insert(error.path().to_owned()) {
                        job.failed("rotate", error.path(), files::storage(error.error(), error.path(), "cannot look into"))?;
                    }
                    continue;
                }
            };
            let name = path.file_name().and_then(|name| name.to_str());
            let rotated = name.is_none_or(|name| any.read(name).is_some() || ENDINGS.iter().any(|ending| name.ends_with(ending)));
            if rotated && !literal || wanted.hides(&path) {
                continue;
            }
            if !seen.insert(path.clone()) {
                any_file = true;
                continue;
            }
            let meta = match path.symlink_metadata() {
                Ok(meta) => meta,
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => continue,
                Err(error) => {
                    any_file = true;
                    job.failed("rotate", &path, files::storage(&error, &path, "cannot look at"))?;
                    continue;
                }
            };
            if meta.is_dir() && !literal {
                continue;
            }
            any_file = true;
            if !meta.is_file() {
                job.skip(&path, if meta.is_symlink() { "it is a link, and links are not followed" } else { "it is no file" });
            } else if !is_below(&path, &wanted.root) {
                job.skip(&path, format!("a link leads to it out of {}", wanted.root.display()));
            } else if let Some(failure) = job.guard.refuses(&path) {
                job.failed("refuse", &path, failure)?;
            } else {
                found.push(path);
            }
        }
        if let Some(path) = wanted.path.as_ref().filter(|_| !any_file) {
            // Nothing was ever written or rotated there: perhaps a slip of the pen.
            let known = kept(rule, path).is_ok_and(|kept| !kept.is_empty());
            if known {
                job.skip(path, "nobody has written it since it was rotated");
                found.push(path.clone());
            } else {
                job.warn("skip", path, "there is no such log", "correct files, or wait until the service writes it");
            }
        }
    }
    gone(rule, &all, options, (&mut found, closed), job)?;
    found.sort();
    Ok(found)
}

/// Logs that fit a pattern and are not there now, but have rotated files: those are cared for all the same.
fn gone(
    rule: &Rotate,
    all: &[Wanted<'_>],
    options: glob::MatchOptions,
    (found, mut closed): (&mut Vec<PathBuf>, BTreeSet<PathBuf>),
    job: &Job<'_>,
) -> Result<()> {
    let any = rule.name.any().or_fail(Class::Internal, || "the pattern of names")?;
    let mut places = Vec::new();
    for wanted in all.iter().filter(|wanted| wanted.path.is_none()) {
        let fits = glob::Pattern::new(wanted.pattern).or_fail(Class::Config, || "a pattern of files")?;
        let folder = Path::new(wanted.pattern).parent().unwrap_or(Path::new(wanted.pattern));
        let folders = folders(folder, options)?.into_iter().filter(|folder| folder.is_dir() && !wanted.hides(folder));
        places.extend(folders.map(|folder| (folder, wanted, fits.clone())));
    }
    let owns = |log: &Path| {
        let name = log.file_name().unwrap_or_default().to_owned();
        [log.parent().unwrap_or(log), &home(rule, log)].map(|folder| (resolved(folder), name.clone()))
    };
    let mut owned: BTreeSet<(PathBuf, OsString)> = found.iter().flat_map(|log| owns(log)).collect();
    // First what lies where rotated files go: a folder of those, below the same pattern, is none of logs.
    for is_home in [true, false] {
        for (folder, wanted, fits) in &places {
            let home = home(rule, &folder.join("log"));
            let place = if is_home { &home } else { folder };
            if is_home && home == *folder || closed.contains(place) {
                continue;
            }
            let entries = match entries(place) {
                Ok(entries) => entries,
                Err(failure) => {
                    closed.insert(place.clone());
                    job.failed("rotate", place, failure)?;
                    continue;
                }
            };
            let resolved = resolved(place);
            for (path, meta) in entries {
                let read = path.file_name().and_then(|name| name.to_str()).and_then(|name| any.read(name));
                let Some(read) = read.filter(|_| meta.is_file()) else { continue };
                let log = folder.join(&read.log);
                let is_gone = log.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
                if is_gone
                    && !owned.contains(&(resolved.clone(), read.log.into()))
                    && !wanted.hides(&log)
                    && fits.matches_path_with(&log, options)
                    && is_below(&log, &wanted.root)
                {
                    owned.extend(owns(&log));
                    found.push(log);
                }
            }
        }
    }
    Ok(())
}

/// The folders that a pattern means, each once.
fn folders(pattern: &Path, options: glob::MatchOptions) -> Result<BTreeSet<PathBuf>> {
    let text = pattern.to_string_lossy();
    if let Some(path) = Wanted::of(&text).path {
        return Ok(BTreeSet::from([path]));
    }
    let paths = glob::glob_with(&text, options).or_fail(Class::Config, || "a pattern of folders")?;
    let mut all: BTreeSet<PathBuf> = paths.flatten().collect();
    // To the library, `**` at the end means those below a folder, and not the folder itself.
    if let Some(folder) = pattern.parent().filter(|_| pattern.ends_with("**")) {
        all.extend(folders(folder, options)?);
    }
    Ok(all)
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
    let mut all: BTreeMap<(Timestamp, String), Kept> = BTreeMap::new();
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

/// When a file was put where it is, or written last, as far as that was before now.
pub fn put(path: &Path, now: Timestamp) -> Option<Timestamp> {
    let meta = path.symlink_metadata().ok()?;
    let times = [meta.created(), meta.modified()].into_iter().flatten().filter_map(|at| Timestamp::try_from(at).ok());
    times.filter(|at| *at <= now).max()
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
