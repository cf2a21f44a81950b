//! Files that grow and are rotated: each look goes on where the one before stopped, and every line is read once.
//!
//! A file is known again by its inode, the hash of its beginning, and the hash of what stood before the place up to which it was read. So it is
//! found under another name (renamed), as a copy beside the emptied original (copytruncate), and in a compressed copy; what came to be whole
//! between two looks is read whole.

use super::lines::{self, Went};
use crate::kind::files::{self, Found};
use crate::kind::{Look, Unseen};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

const HEAD: usize = 1024;
const TAIL: u64 = 256;
/// A file among those that are written is a copy of another only when so much is the same: services begin with the same words each time.
const COPY: u64 = 128;
/// No more files are remembered, the newest first.
const FILES_MAX: usize = 400;

/// What is remembered of a file.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Seen {
    /// Inode; 0 where there are none.
    i: u64,
    /// Length of the beginning that is hashed.
    n: u64,
    /// Its hash.
    h: u64,
    /// Read up to here.
    o: u64,
    /// The hash of what stands before.
    t: u64,
    /// It is not written any more, and was read.
    r: bool,
}

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
    claimed: bool,
}

/// Reads what is new since the look before.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn follow(places: &Places<'_>, look: &mut Look<'_>, until: Instant, line: &mut dyn FnMut(&[u8])) -> Result<Told, Unseen> {
    let mut files = candidates(places, look)?;
    let known: Option<Vec<Seen>> = serde_json::from_value(std::mem::take(look.memory)).ok();
    let mut told = Told { files: files.iter().filter(|file| file.live).count(), first: known.is_none(), ..Told::default() };
    let mut known = known.unwrap_or_default();
    // Who has more to read finds its file first.
    known.sort_by_key(|seen| seen.r);
    let mut kept: Vec<Seen> = Vec::new();
    // Oldest first, so that lines come in their order as far as files tell it.
    let mut plan: Vec<(usize, Option<Seen>)> = Vec::new();
    for seen in &known {
        match same(seen, &mut files).map_err(|(path, error)| super::unreadable(&error, &path))? {
            Some(Match::On(at)) => plan.push((at, Some(seen.clone()))),
            Some(Match::Done) => kept.push(Seen { r: true, ..seen.clone() }),
            None if is_twin(seen, &known) => {}
            None => told.missed += u64::from(!seen.r && seen.n > 0),
        }
    }
    for (at, file) in files.iter().enumerate() {
        if file.claimed || file.found.meta.len() == 0 && !file.live {
            continue;
        }
        let is_new = look.remembered.is_some_and(|at| written_after(file, at));
        let copied = is_copy(file, &known, if file.live { COPY } else { 1 });
        let wanted = if told.first { file.live && places.from_start } else { file.live || is_new };
        if wanted && !copied {
            plan.push((at, None));
        } else {
            let end = if file.live { last_line(&file.found.path) } else { Ok(0) };
            kept.extend(end.and_then(|end| mark(file, end, !file.live)).ok());
        }
    }
    plan.sort_by(|(a, _), (b, _)| {
        let key = |at: &usize| (files[*at].live, -files[*at].found.age);
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    for (at, seen) in plan {
        let file = &files[at];
        let from = seen.as_ref().map_or(0, |seen| seen.o);
        let size = file.found.meta.len();
        if let Some(left) = &mut told.behind {
            *left += size.saturating_sub(from);
            kept.extend(match seen {
                Some(seen) => Ok(seen),
                None => mark(file, 0, false),
            });
            continue;
        }
        let moved = seen.as_ref().is_some_and(|seen| seen.i != file.inode);
        let complete = !file.live && (moved || seen.is_none());
        let read = read_on(&file.found.path, from, complete, until, line);
        let went = read.map_err(|error| super::unreadable(&error, &file.found.path))?;
        told.read(&went, size.saturating_sub(from));
        kept.extend(mark(file, from + went.consumed, complete && went.ended));
    }
    kept.truncate(FILES_MAX);
    *look.memory = serde_json::to_value(kept).unwrap_or_default();
    Ok(told)
}

/// Reads whatever was written since a time, rotated files included.
///
/// # Errors
/// When a folder or file cannot be read.
pub fn since(
    places: &Places<'_>,
    at: jiff::Timestamp,
    look: &Look<'_>,
    until: Instant,
    line: &mut dyn FnMut(&[u8]),
) -> Result<Told, Unseen> {
    let files = candidates(places, look)?;
    let mut told = Told { files: files.iter().filter(|file| file.live).count(), ..Told::default() };
    let mut heads = Vec::new();
    for file in files.iter().rev().filter(|file| written_after(file, at)) {
        let failed = |error: io::Error| super::unreadable(&error, &file.found.path);
        let head = head(&file.found.path, HEAD as u64).map_err(failed)?;
        // The same before and after it was compressed, or copied and not yet emptied.
        if !head.is_empty() && heads.contains(&head) {
            continue;
        }
        let went = read_on(&file.found.path, 0, true, until, line).map_err(failed)?;
        told.read(&went, file.found.meta.len());
        heads.push(head);
    }
    Ok(told)
}

fn written_after(file: &Candidate, at: jiff::Timestamp) -> bool {
    file.found.meta.modified().ok().and_then(|written| jiff::Timestamp::try_from(written).ok()).is_none_or(|written| written >= at)
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
            if !all.iter().any(|file| file.found.path == found.path) {
                let live = written && !lines::is_compressed(&found.path);
                all.push(Candidate { inode: inode(&found.meta), found, live, claimed: false });
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
            if !all.iter().any(|file| file.found.path == found.path) {
                all.push(Candidate { inode: inode(&found.meta), found, live: false, claimed: false });
            }
        }
    }
    all.sort_by(|a, b| a.found.age.total_cmp(&b.found.age));
    all.truncate(FILES_MAX);
    Ok(all)
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
        Some(Found { path: entry.path(), age: crate::kind::declare::age(meta.modified().ok()?, look.now), meta })
    });
    found.collect()
}

enum Match {
    /// Go on with this file.
    On(usize),
    /// There is nothing more of it.
    Done,
}

/// Finds the file that was seen, and claims it.
fn same(seen: &Seen, files: &mut [Candidate]) -> Result<Option<Match>, (PathBuf, io::Error)> {
    let mut order: Vec<usize> = (0..files.len()).filter(|at| !files[*at].claimed).collect();
    // The file itself first, whatever it is called now.
    order.sort_by_key(|at| files[*at].inode != seen.i || lines::is_compressed(&files[*at].found.path));
    for at in order {
        let file = &files[at];
        let itself = seen.i != 0 && file.inode == seen.i && !lines::is_compressed(&file.found.path);
        if seen.n == 0 && !itself {
            continue;
        }
        match fits(seen, &file.found.path) {
            Ok(Fit::Other) => {}
            Ok(fit) => {
                files[at].claimed = true;
                return Ok(Some(if seen.r || matches!(fit, Fit::Shorter) { Match::Done } else { Match::On(at) }));
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof) => {}
            Err(error) => return Err((file.found.path.clone(), error)),
        }
    }
    Ok(None)
}

enum Fit {
    /// It goes on.
    Longer,
    /// A copy of less than was read.
    Shorter,
    /// It is another one.
    Other,
}

fn fits(seen: &Seen, path: &Path) -> io::Result<Fit> {
    let head = head(path, seen.n + 1)?;
    let long = head.len() as u64 >= seen.n;
    if !long || xxh3_64(&head[..seen.n as usize]) != seen.h {
        return Ok(Fit::Other);
    }
    if seen.r {
        // A short one is the same only when it is that all.
        let whole = seen.n == HEAD as u64 || head.len() as u64 == seen.n;
        return Ok(if whole { Fit::Longer } else { Fit::Other });
    }
    let tail = tail(path, seen.o)?;
    Ok(match tail {
        Some(tail) if xxh3_64(&tail) == seen.t => Fit::Longer,
        Some(_) => Fit::Other,
        None if lines::is_compressed(path) || inode(&std::fs::metadata(path)?) != seen.i => Fit::Shorter,
        // Emptied, and begun anew with the same words.
        None => Fit::Other,
    })
}

/// Whether another file that was known is a copy of this one, which then is missed by nobody.
fn is_twin(seen: &Seen, known: &[Seen]) -> bool {
    known.iter().any(|other| (other.n, other.h) == (seen.n, seen.h) && other.i != seen.i)
}

/// Whether it begins as a file that was known: a copy of what is read under its own name.
fn is_copy(file: &Candidate, known: &[Seen], shortest: u64) -> bool {
    let Ok(head) = head(&file.found.path, HEAD as u64) else { return false };
    known.iter().any(|seen| seen.n >= shortest && head.len() as u64 >= seen.n && xxh3_64(&head[..seen.n as usize]) == seen.h)
}

fn head(path: &Path, length: u64) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    lines::open(path)?.take(length).read_to_end(&mut head)?;
    Ok(head)
}

/// What stands before a place; `None` when the file ends before it.
fn tail(path: &Path, end: u64) -> io::Result<Option<Vec<u8>>> {
    let length = end.min(TAIL);
    let mut tail = Vec::new();
    from(path, end - length)?.take(length).read_to_end(&mut tail)?;
    Ok((tail.len() as u64 == length).then_some(tail))
}

fn from(path: &Path, at: u64) -> io::Result<Box<dyn Read>> {
    if lines::is_compressed(path) {
        let mut reader = lines::open(path)?;
        io::copy(&mut (&mut reader).take(at), &mut io::sink())?;
        return Ok(reader);
    }
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(Box::new(file))
}

fn read_on(path: &Path, at: u64, complete: bool, until: Instant, line: &mut dyn FnMut(&[u8])) -> io::Result<Went> {
    lines::each(from(path, at)?, complete, until, line)
}

/// The end of the last whole line; what comes after it is read when it is whole.
fn last_line(path: &Path) -> io::Result<u64> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(lines::LINE_MAX as u64);
    file.seek(SeekFrom::Start(begin))?;
    let mut end = Vec::new();
    file.take(lines::LINE_MAX as u64).read_to_end(&mut end)?;
    Ok(memchr::memrchr(b'\n', &end).map_or(if begin == 0 { 0 } else { length }, |at| begin + at as u64 + 1))
}

/// What to remember of a file that was read so far.
fn mark(file: &Candidate, offset: u64, read: bool) -> io::Result<Seen> {
    let path = &file.found.path;
    let head = head(path, if read || offset == 0 && !file.live { HEAD as u64 } else { offset.min(HEAD as u64) })?;
    let tail = tail(path, offset)?.unwrap_or_default();
    Ok(Seen { i: file.inode, n: head.len() as u64, h: xxh3_64(&head), o: offset, t: xxh3_64(&tail), r: read })
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
