//! Files that grow and are rotated: each look goes on where the one before stopped, and every line is read once.
//!
//! A file is found under another name (renamed), as a copy beside the emptied original (copytruncate), and in a compressed copy; what came to be
//! whole between two looks is read whole.

use super::lines::{self, Went};
use super::seen::{self, Fit, Seen};
use crate::kind::files::{self, Found};
use crate::kind::{Look, Unseen};
use jiff::{SignedDuration, Timestamp};
use ml_common::{Class, Failure};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// No more files are remembered.
const FILES_MAX: usize = 400;

/// Times of files come from a coarser clock than ours, or from the one of a file server: what was written so shortly before a look may be new to it.
const COARSE: SignedDuration = SignedDuration::from_secs(2);

/// What all files gave.
#[derive(Debug, Default)]
pub struct Told {
    /// How many there are, without rotated ones.
    pub files: usize,
    /// Bytes that were read.
    pub bytes: u64,
    /// Files that went before they were read to their end.
    pub missed: u64,
    /// The time was over before everything was read: so many bytes are left, as they are on disk.
    pub behind: Option<u64>,
    /// Nothing was looked at before.
    pub first: bool,
}

impl Told {
    /// Takes in a file, of which there were so many bytes to read.
    fn read(&mut self, went: &Went, there: u64) {
        self.bytes += went.consumed;
        if !went.ended {
            *self.behind.get_or_insert_default() += there.saturating_sub(went.consumed);
        }
    }
}

/// Where the files are.
pub struct Places<'a> {
    /// Patterns of the files that are written.
    pub patterns: &'a [String],
    /// A pattern of where they go when they are rotated; those beside them are found without.
    pub rotated: Option<&'a str>,
    /// The first look reads what is there already.
    pub from_start: bool,
}

struct Candidate {
    found: Found,
    inode: u64,
    /// It is among the files that are written, and not compressed.
    live: bool,
    /// It may be a copy: it is not written, or is called as what another is rotated to.
    rotated: bool,
    claimed: bool,
}

/// Reads what is new since the look before.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn follow(places: &Places<'_>, look: &mut Look<'_>, until: Instant, line: &mut dyn FnMut(&[u8])) -> Result<Told, Unseen> {
    let mut files = capped(candidates(places, look)?)?;
    let known: Option<Vec<Seen>> = serde_json::from_value(std::mem::take(look.memory)).ok();
    let mut told = Told { files: files.iter().filter(|file| file.live).count(), first: known.is_none(), ..Told::default() };
    let is_new = |file: &Candidate| look.remembered.is_some_and(|at| written_after(file, at.checked_sub(COARSE).unwrap_or(at)));
    let mut kept: Vec<Seen> = Vec::new();
    // Oldest first, so that lines come in their order as far as files tell it.
    let mut plan: Vec<(usize, Option<Seen>)> = Vec::new();
    let mut matched: Vec<(Seen, usize)> = Vec::new();
    for (seen, found) in found_again(known.unwrap_or_default(), &mut files, look.remembered)? {
        match found {
            Some((at, Fit::Longer)) => {
                plan.push((at, Some(seen.clone())));
                matched.push((seen, at));
            }
            Some((at, _)) => {
                let file = &files[at];
                let end = file.found.meta.len();
                let whole = if lines::is_compressed(&file.found.path) {
                    seen.moved(&file.found.path, file.inode)
                } else {
                    Seen::of(&file.found.path, file.inode, end, true)
                };
                kept.extend(there(whole, file)?);
                matched.push((seen, at));
            }
            None => told.missed += u64::from(!seen.r && seen.n > 0 && !has_copy(&seen, &files, look.remembered)),
        }
    }
    for (at, file) in files.iter().enumerate() {
        if file.claimed || file.found.meta.len() == 0 && !file.live {
            continue;
        }
        let wanted = if told.first { file.live && places.from_start } else { file.live || is_new(file) };
        let read_before = if wanted { copied(file, &matched, &files)? } else { Copied::Whole };
        match read_before {
            Copied::No => plan.push((at, None)),
            Copied::UpTo(seen) => plan.push((at, Some(seen))),
            Copied::Whole => {
                let path = &file.found.path;
                let marked = if file.live {
                    seen::last_line(path).and_then(|end| Seen::of(path, file.inode, end, false))
                } else {
                    Seen::of(path, file.inode, if lines::is_compressed(path) { 0 } else { file.found.meta.len() }, true)
                };
                match there(marked, file) {
                    Ok(marked) => kept.extend(marked),
                    // An old one that is not read anyway.
                    Err(_) if !file.live && !wanted => {}
                    Err(closed) => return Err(closed),
                }
            }
        }
    }
    plan.sort_by(|(a, _), (b, _)| {
        let key = |at: &usize| (files[*at].live, -files[*at].found.age);
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    for (at, seen) in plan {
        let file = &files[at];
        let path = &file.found.path;
        let from = seen.as_ref().map_or(0, |seen| seen.o);
        let size = file.found.meta.len();
        if let Some(left) = &mut told.behind {
            *left += size.saturating_sub(from);
            kept.extend(match seen {
                Some(seen) => Some(seen),
                None => there(Seen::of(path, file.inode, 0, false), file)?,
            });
            continue;
        }
        let moved = seen.as_ref().is_none_or(|seen| seen.i != file.inode);
        // A service writes to the old name for a while.
        let goes_on = look.remembered.is_some_and(|at| written_after(file, at));
        let complete = !file.live && (moved || !goes_on);
        let went = read_on(path, from, complete, until, line).map_err(|error| super::unreadable(&error, path))?;
        told.read(&went, size.saturating_sub(from));
        let end = from + went.consumed;
        let read = went.ended && (complete || file.rotated && end == size);
        kept.extend(there(Seen::of(path, file.inode, end, read), file)?);
    }
    *look.memory = serde_json::to_value(kept).unwrap_or_default();
    Ok(told)
}

/// Reads whatever was written since a time, rotated files included.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn since(places: &Places<'_>, at: Timestamp, look: &Look<'_>, until: Instant, line: &mut dyn FnMut(&[u8])) -> Result<Told, Unseen> {
    let files = candidates(places, look)?;
    let mut told = Told { files: files.iter().filter(|file| file.live).count(), ..Told::default() };
    let mut read: Vec<&Candidate> = Vec::new();
    for file in files.iter().rev().filter(|file| written_after(file, at)) {
        let failed = |error: io::Error| super::unreadable(&error, &file.found.path);
        // The same before and after it was compressed, or copied and not yet emptied. Two that are written are never the same.
        let mut others = files.iter().filter(|other| !other.rotated || read.iter().any(|read| read.found.path == other.found.path));
        if file.rotated && any(&mut others, |other| seen::is_copy(&file.found.path, &other.found.path)).map_err(failed)? {
            continue;
        }
        let went = read_on(&file.found.path, 0, true, until, line).map_err(failed)?;
        told.read(&went, file.found.meta.len());
        read.push(file);
    }
    Ok(told)
}

/// Whether it is so of any; what went meanwhile, or is not whole, is none.
fn any(files: &mut dyn Iterator<Item = &Candidate>, is: impl Fn(&Candidate) -> io::Result<bool>) -> io::Result<bool> {
    for file in files {
        match is(file) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) if is_passing(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// It went meanwhile, or is being compressed.
fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof)
}

/// What to remember, unless the file went meanwhile. One that we may not read is not as one in which nothing is.
fn there(marked: io::Result<Seen>, file: &Candidate) -> Result<Option<Seen>, Unseen> {
    match marked {
        Ok(seen) => Ok(Some(seen)),
        Err(error) if is_passing(&error) => Ok(None),
        Err(error) => Err(super::unreadable(&error, &file.found.path)),
    }
}

fn written_after(file: &Candidate, at: Timestamp) -> bool {
    file.found.meta.modified().ok().and_then(|written| Timestamp::try_from(written).ok()).is_none_or(|written| written >= at)
}

/// The files that are written, the rotated ones beside them and where they are said to go; the newest first.
fn candidates(places: &Places<'_>, look: &Look<'_>) -> Result<Vec<Candidate>, Unseen> {
    let mut all: Vec<Candidate> = Vec::new();
    let mut add = |pattern: &str, written: bool| -> Result<(), Unseen> {
        let (found, closed) = files::find(pattern, look.now)?;
        if let (true, Some(closed)) = (written, closed) {
            return Err(closed);
        }
        for found in found {
            if !all.iter().any(|file| is_one(&file.found, &found)) {
                let live = written && !lines::is_compressed(&found.path);
                if live && lines::is_wide(&found.path) {
                    let failure = Failure::new(Class::Config, format!("{} is UTF-16, and no line of it would fit", found.path.display()));
                    return Err(failure.hint("let the service write UTF-8").into());
                }
                all.push(Candidate { inode: inode(&found.meta), found, live, rotated: !live, claimed: false });
            }
        }
        Ok(())
    };
    for pattern in places.patterns {
        add(pattern, true)?;
    }
    if let Some(pattern) = places.rotated {
        add(pattern, false)?;
    }
    let written: Vec<PathBuf> = all.iter().filter(|file| file.live).map(|file| file.found.path.clone()).collect();
    for path in written {
        for found in beside(&path, look) {
            match all.iter_mut().find(|file| is_one(&file.found, &found)) {
                Some(file) => file.rotated |= file.found.path == found.path,
                None => all.push(Candidate { inode: inode(&found.meta), found, live: false, rotated: true, claimed: false }),
            }
        }
    }
    all.sort_by(|a, b| a.found.age.total_cmp(&b.found.age));
    Ok(all)
}

/// No more than can be remembered: the oldest of those that are not written are left out.
fn capped(mut files: Vec<Candidate>) -> Result<Vec<Candidate>, Unseen> {
    let live = files.iter().filter(|file| file.live).count();
    if live > FILES_MAX {
        let failure = Failure::new(Class::Config, format!("{live} logs are too many: {FILES_MAX} can be followed"));
        return Err(failure.hint("give a pattern that fits fewer, and further probes for the others").into());
    }
    let mut room = FILES_MAX - live;
    files.retain(|file| {
        let stays = file.live || room > 0;
        room -= usize::from(stays && !file.live);
        stays
    });
    Ok(files)
}

/// `app.log.1`, `app.log-20250108.gz`, `app_20250108.log.gz` beside `app.log`.
fn beside(path: &Path, look: &Look<'_>) -> Vec<Found> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else { return Vec::new() };
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    let follows =
        |rest: Option<&str>| rest.is_some_and(|rest| rest.starts_with(['.', '-', '_']) && rest.contains(|c: char| c.is_ascii_digit()));
    let fits = |other: &str| other != name && (follows(other.strip_prefix(name)) || follows(other.strip_prefix(stem)));
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).filter_map(|entry| {
        let meta = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
        Found::of(entry.path(), meta, look.now)
    });
    found.collect()
}

type Again = (Seen, Option<(usize, Fit)>);

/// Finds the files that were seen, and claims them: each one itself first, whatever it is called now, then what holds the same.
fn found_again(known: Vec<Seen>, files: &mut [Candidate], remembered: Option<Timestamp>) -> Result<Vec<Again>, Unseen> {
    let mut again: Vec<Again> = known.into_iter().map(|seen| (seen, None)).collect();
    // Who has more to read finds its file first.
    again.sort_by_key(|(seen, _)| seen.r);
    for itself in [true, false] {
        for (seen, found) in again.iter_mut().filter(|(_, found)| found.is_none()) {
            let mut order: Vec<usize> = (0..files.len()).filter(|at| !files[*at].claimed).collect();
            order.retain(|at| !itself || seen.i != 0 && files[*at].inode == seen.i);
            order.sort_by_key(|at| lines::is_compressed(&files[*at].found.path));
            for at in order {
                let fit = fit(seen, &files[at], remembered).map_err(|error| super::unreadable(&error, &files[at].found.path))?;
                if !matches!(fit, Fit::Other) {
                    files[at].claimed = true;
                    *found = Some((at, fit));
                    break;
                }
            }
        }
    }
    Ok(again)
}

/// What begins alike and is shorter is a copy of what was read only when it is not newer than that.
fn fit(seen: &Seen, file: &Candidate, remembered: Option<Timestamp>) -> io::Result<Fit> {
    match seen.fits(&file.found.path, file.inode) {
        Ok(Fit::Shorter) if remembered.is_none_or(|at| written_after(file, at)) => Ok(Fit::Other),
        Err(error) if is_passing(&error) => Ok(Fit::Other),
        fit => fit,
    }
}

/// Whether a copy of it was known under its own name, so that nothing is missed.
fn has_copy(seen: &Seen, files: &[Candidate], remembered: Option<Timestamp>) -> bool {
    let is_copy = |file: &Candidate| fit(seen, file, remembered).is_ok_and(|fit| !matches!(fit, Fit::Other));
    files.iter().any(|file| file.claimed && file.rotated && is_copy(file))
}

enum Copied {
    /// It is a file of its own.
    No,
    /// It goes on like another from here on.
    UpTo(Seen),
    /// All of it is in another one.
    Whole,
}

/// How much of a new file was read under another name. One of those that are written is new, whatever it begins with.
fn copied(file: &Candidate, matched: &[(Seen, usize)], files: &[Candidate]) -> Result<Copied, Unseen> {
    let mut most = Copied::No;
    if !file.rotated {
        return Ok(most);
    }
    let failed = |error: io::Error| super::unreadable(&error, &file.found.path);
    for (seen, at) in matched.iter().filter(|(seen, _)| seen.n > 0) {
        if !matches!(fit(seen, file, None).map_err(failed)?, Fit::Longer) {
            continue;
        }
        let other = &files[*at].found.path;
        if any(&mut std::iter::once(file), |file| seen::is_copy(&file.found.path, other)).map_err(failed)? {
            return Ok(Copied::Whole);
        }
        if !matches!(&most, Copied::UpTo(other) if other.o >= seen.o) {
            most = Copied::UpTo(seen.clone());
        }
    }
    Ok(most)
}

fn read_on(path: &Path, at: u64, complete: bool, until: Instant, line: &mut dyn FnMut(&[u8])) -> io::Result<Went> {
    lines::each(seen::from(path, at)?, complete, until, line)
}

/// Two names of one file.
fn is_one(a: &Found, b: &Found) -> bool {
    a.path == b.path || inode(&a.meta) != 0 && (inode(&a.meta), device(&a.meta)) == (inode(&b.meta), device(&b.meta))
}

#[cfg(unix)]
fn device(meta: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.dev()
}

#[cfg(not(unix))]
fn device(_: &std::fs::Metadata) -> u64 {
    0
}

#[cfg(unix)]
fn inode(meta: &std::fs::Metadata) -> u64 {
    use std::os::unix::fs::MetadataExt;
    meta.ino()
}

/// Files are known by their beginnings alone.
#[cfg(not(unix))]
fn inode(_: &std::fs::Metadata) -> u64 {
    0
}
