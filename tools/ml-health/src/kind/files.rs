//! Files: how many, how old, how large, who may read them; and the backups of a folder by their manifests and proofs.

use super::declare::{age, metric, param, required, rounded, told, unseen};
use super::{Args, Kind, Look, Opening, ParamKind, Probe, Sample, Unseen, View};
use ml_common::people::{counted, human_bytes};
use ml_common::{Class, Failure, OrFail, Result};
use ml_dump::{Proof, latest};
use std::path::{Path, PathBuf};

/// `kind = "files"`.
pub static KIND: Kind = Kind {
    name: "files",
    doc: "Files by a pattern: `export/*.json`, `/backups/**/*.dump`. Names that begin with a dot are meant only by a pattern that has the dot.",
    params: &[required(
        "path",
        ParamKind::Path,
        "a file, or a pattern of files (* ? [a-z] and ** for any folders between); for backups their folder",
    )],
    views: &[
        View {
            name: "found",
            doc: "The files that fit the pattern. Without any there is only `count`.",
            params: &[
                param("newer", ParamKind::Duration, None, "only those written within this time, such as 24h"),
                param("mode", ParamKind::Mode, Some("600"), "`too_open` counts the files that are open further than this"),
            ],
            metrics: &[
                metric("newest_age_s", "s", "since the newest was written"),
                metric("count", "", "how many there are"),
                metric("oldest_age_s", "s", "since the oldest was written"),
                metric("newest_bytes", "bytes", "size of the newest"),
                metric("total_bytes", "bytes", "size of all"),
                metric("mode", "", "permissions of the one that is open furthest, in octal digits: 644 (not on Windows)"),
                metric("too_open", "", "how many are open further than the parameter `mode` (not on Windows)"),
                metric("newest_name", "", "name of the newest"),
            ],
            named_by: None,
        },
        View {
            name: "backups",
            doc: "Backups made by ml-backup: those that are as large as their manifests say, and the proofs of ml-restore beside them.",
            params: &[param("system", ParamKind::Text, None, "whose backups; without it those of the profile's system")],
            metrics: &[
                metric("newest_age_s", "s", "since the newest good one was begun"),
                metric("proven_age_s", "s", "since one of them was last proven by a restore"),
                metric("count", "", "how many good ones there are"),
                metric("proven", "", "how many of them are proven"),
                metric("newest_bytes", "bytes", "size of the newest"),
                metric("newest_proven", "", "true when the newest is proven"),
            ],
            named_by: None,
        },
    ],
    open,
};

fn open(args: &Args, opening: &Opening<'_>) -> Result<Box<dyn Probe>> {
    let pattern = args.text("path").unwrap_or_default().to_owned();
    glob::Pattern::new(&pattern).or_fail(Class::Config, || "the pattern of files is not valid")?;
    Ok(Box::new(Files { pattern, system: opening.system.to_owned() }))
}

struct Files {
    pattern: String,
    system: String,
}

/// A file that was found.
#[derive(Debug)]
pub struct Found {
    /// Where.
    pub path: PathBuf,
    /// What is known of it.
    pub meta: std::fs::Metadata,
    /// Seconds since it was written.
    pub age: f64,
    /// Written at a time that is yet to come: how old it is nobody knows.
    pub ahead: bool,
}

/// Clocks of machines that share a folder may differ by so much.
const AHEAD: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

impl Found {
    /// One with a time; `None` where the system tells none.
    pub fn of(path: PathBuf, meta: std::fs::Metadata, now: jiff::Timestamp) -> Option<Found> {
        let written = meta.modified().ok()?;
        let ahead = jiff::Timestamp::try_from(written).map_or(true, |written| written.duration_since(now) > AHEAD);
        Some(Found { path, meta, age: age(written, now), ahead })
    }
}

impl Probe for Files {
    fn take(&mut self, view: &str, args: &Args, look: &mut Look<'_>) -> Result<Sample, Unseen> {
        match view {
            "backups" => backups(Path::new(&self.pattern), args.text("system").unwrap_or(&self.system), look),
            _ => self.found(args, look),
        }
    }
}

const MATCHING: glob::MatchOptions =
    glob::MatchOptions { case_sensitive: true, require_literal_leading_dot: true, require_literal_separator: true };

/// Whether the folders that a pattern names plainly, before its first sign and behind others, may be looked into: a pattern is silent there,
/// and finds nothing.
///
/// # Errors
/// Privilege when one may not. What is not there is no error.
pub fn closed(pattern: &str) -> Result<(), Unseen> {
    let is_plain = |part: &std::path::Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    let look = |path: PathBuf| match std::fs::metadata(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Err(unseen(&error, &path, "looking at")),
        _ => Ok(()),
    };
    let parts: Vec<_> = Path::new(pattern).components().collect();
    let mut before = PathBuf::new();
    for run in parts.chunk_by(|a, b| is_plain(a) == is_plain(b)) {
        let path: PathBuf = run.iter().collect();
        match run.first() {
            Some(first) if !is_plain(first) => {}
            _ if before.as_os_str().is_empty() => look(path.clone())?,
            _ => {
                let folders = glob::glob_with(&before.to_string_lossy(), MATCHING);
                let folders = folders.or_fail(Class::Config, || "the pattern of files is not valid")?;
                // Those that cannot be listed are told by whoever reads them.
                folders.flatten().try_for_each(|folder| look(folder.join(&path)))?;
            }
        }
        before.push(path);
    }
    Ok(())
}

/// The files that fit a pattern, the newest first, and the first folder that could not be looked into.
pub fn find(pattern: &str, now: jiff::Timestamp) -> Result<(Vec<Found>, Option<Unseen>), Unseen> {
    let paths = glob::glob_with(pattern, MATCHING).or_fail(Class::Config, || "the pattern of files is not valid")?;
    let (mut found, mut closed) = (Vec::new(), self::closed(pattern).err());
    for path in paths {
        let path = match path {
            Ok(path) => path,
            Err(error) => {
                closed.get_or_insert_with(|| unseen(error.error(), error.path(), "looking into"));
                continue;
            }
        };
        let meta = match std::fs::metadata(&path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                closed.get_or_insert_with(|| unseen(&error, &path, "looking at"));
                continue;
            }
            // One that is removed at this moment is not there.
            Err(_) => continue,
        };
        if meta.is_file() {
            found.extend(Found::of(path, meta, now));
        }
    }
    found.sort_by(|a, b| a.age.total_cmp(&b.age).then_with(|| b.path.cmp(&a.path)));
    Ok((found, closed))
}

impl Files {
    fn found(&self, args: &Args, look: &Look<'_>) -> Result<Sample, Unseen> {
        let text = args.text("mode").unwrap_or("600");
        let allowed = u32::from_str_radix(text, 8)
            .map_err(|_| Failure::new(Class::Config, format!("mode {text} is no file mode")).hint("write it as chmod takes it: 600"))?;
        let (mut files, closed) = find(&self.pattern, look.now)?;
        files.retain(|file| args.duration("newer").is_none_or(|newer| !file.ahead && file.age <= newer.as_secs_f64()));
        let hidden = match closed {
            Some(Unseen::Privilege { what, hint }) => Some(format!("{what}: {hint}")),
            Some(other) => return Err(other),
            None => None,
        };
        let bytes: u64 = files.iter().map(|file| file.meta.len()).sum();
        let mut sample = Sample { hidden, ..Sample::default() }.with("count", files.len()).with("total_bytes", bytes);
        let open = modes(&files, allowed);
        if let Some((worst, too_open)) = &open {
            sample = sample.with("too_open", too_open.len());
            sample.values.extend(worst.map(|mode| ("mode".to_owned(), mode.into())));
        }
        let row = |file: &Found| {
            let mode = mode(&file.meta).map_or_else(String::new, |mode| format!(", mode {mode:o}"));
            let old = if file.ahead { "of a time that is yet to come".to_owned() } else { format!("{} old", told(file.age)) };
            format!("{}: {old}, {}{mode}", file.path.display(), human_bytes(file.meta.len()))
        };
        let shown = open.map(|(_, too_open)| too_open).filter(|open| !open.is_empty()).unwrap_or_else(|| files.iter().collect());
        sample.rows = shown.into_iter().take(10).map(row).collect();
        if files.is_empty() {
            sample.note = format!("there is no file {}", self.pattern);
            return Ok(sample);
        }
        sample.note = format!("{} {}, {}", counted(files.len() as u64, "file"), self.pattern, human_bytes(bytes));
        // One of a time that is yet to come would be the newest for ever.
        let ahead = files.iter().filter(|file| file.ahead).count();
        if ahead > 0 {
            sample.note.push_str(&format!("; {ahead} of a time that is yet to come"));
        }
        let mut dated = files.iter().filter(|file| !file.ahead);
        let Some(newest) = dated.next() else { return Ok(sample) };
        let oldest = dated.next_back().unwrap_or(newest);
        sample.note.push_str(&format!("; the newest is {} old", told(newest.age)));
        let name = newest.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(sample
            .with("newest_age_s", rounded(newest.age))
            .with("oldest_age_s", rounded(oldest.age))
            .with("newest_bytes", newest.meta.len())
            .with("newest_name", name))
    }
}

/// The mode of the one that is open furthest, in digits, and those that are open further than allowed.
type Modes<'a> = (Option<u32>, Vec<&'a Found>);

fn modes(files: &[Found], allowed: u32) -> Option<Modes<'_>> {
    if !cfg!(unix) {
        return None;
    }
    let modes = || files.iter().filter_map(|file| Some((mode(&file.meta)?, file)));
    // Others first, then the group, then the owner.
    let worst = modes().map(|(mode, _)| mode).max_by_key(|mode| (mode & 0o7, mode & 0o70, *mode));
    let digits = worst.and_then(|mode| format!("{mode:o}").parse().ok());
    Some((digits, modes().filter(|(mode, _)| mode & !allowed != 0).map(|(_, file)| file).collect()))
}

/// The permissions of a file.
#[cfg(unix)]
pub fn mode(meta: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(meta.permissions().mode() & 0o7777)
}

/// Permissions are access lists here.
#[cfg(not(unix))]
pub fn mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}

fn backups(folder: &Path, system: &str, look: &Look<'_>) -> Result<Sample, Unseen> {
    // A folder or a manifest that this user may not read is no backup that is missing.
    let hidden = unreadable(folder)?;
    let mut good = latest::good_ones(folder, system)?;
    good.sort_by_key(|found| std::cmp::Reverse(found.began));
    // Evidence about another file, or that cannot be read, is none.
    let proof = |found: &latest::Found| Proof::of(&found.dump).ok().flatten().filter(|proof| proof.is_of(&found.manifest))?.at();
    let proofs: Vec<Option<jiff::Timestamp>> = good.iter().map(proof).collect();
    let since = |at: jiff::Timestamp| look.now.duration_since(at).as_secs_f64().max(0.0);
    let mut sample = Sample { hidden, ..Sample::default() }.with("count", good.len()).with("proven", proofs.iter().flatten().count());
    let Some(newest) = good.first() else {
        sample.note = format!("there is no good backup of {system} in {}", folder.display());
        return Ok(sample);
    };
    let proven = proofs.iter().flatten().max().map(|at| since(*at));
    let when = proven.map_or_else(|| "none is proven".into(), |age| format!("last proven {} ago", told(age)));
    sample.note =
        format!("{} of {system}, the newest of {} ago; {when}", counted(good.len() as u64, "good backup"), told(since(newest.began)));
    sample.rows = good
        .iter()
        .zip(&proofs)
        .take(10)
        .map(|(found, proof)| {
            let proof = proof.map_or_else(|| "not proven".into(), |at| format!("proven {} ago", told(since(at))));
            format!("{}: {}, {proof}", found.manifest.file, human_bytes(found.manifest.bytes))
        })
        .collect();
    sample.values.extend(proven.map(|age| ("proven_age_s".to_owned(), rounded(age))));
    Ok(sample
        .with("newest_age_s", rounded(since(newest.began)))
        .with("newest_bytes", newest.manifest.bytes)
        .with("newest_proven", proofs.first().is_some_and(Option::is_some)))
}

/// The first manifest or proof of a folder that may not be read, and what to do.
///
/// # Errors
/// Privilege when the folder may not be.
fn unreadable(folder: &Path) -> Result<Option<String>, Unseen> {
    let is_denied = |error: &std::io::Error| error.kind() == std::io::ErrorKind::PermissionDenied;
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_denied(&error) => return Err(unseen(&error, folder, "looking into")),
        // Finding the good ones tells it.
        Err(_) => return Ok(None),
    };
    let said = entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"));
    Ok(said.into_iter().find_map(|path| match std::fs::File::open(&path) {
        Err(error) if is_denied(&error) => match unseen(&error, &path, "reading") {
            Unseen::Privilege { what, hint } => Some(format!("{what}: {hint}")),
            _ => None,
        },
        _ => None,
    }))
}

#[cfg(all(test, unix))]
#[path = "files_tests.rs"]
mod tests;
