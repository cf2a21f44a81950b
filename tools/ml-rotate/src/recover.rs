//! What killed runs have begun is brought to an end.

use crate::copy;
use crate::find;
use crate::job::{Job, step};
use crate::plan;
use crate::rules::{How, Rotate};
use crate::tidy::remove;
use jiff::Timestamp;
use ml_common::record::Status;
use ml_common::{Class, OrFail, Result, files, platform};
use std::path::Path;
use std::time::Duration;

/// What is unfinished is removed after so long.
const LEFT: Duration = Duration::from_secs(3600);

/// Copies of a log get their names, or go where the log still holds all of them; what is unfinished goes.
///
/// # Errors
/// Class Storage, and what a signal says.
pub fn recover(rule: &Rotate, log: &Path, job: &Job<'_>) -> Result<()> {
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let reader = rule.name.of(name).or_fail(Class::Internal, || "the pattern of names")?;
    let is_ours = |name: &str| reader.read(name).is_some();
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")).to_owned(), find::home(rule, log));
    let folders = if beside == home { vec![beside] } else { vec![beside, home] };
    for (path, meta) in folders.iter().map(|folder| find::entries(folder)).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        let hidden = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('.'));
        let Some(hidden) = hidden.filter(|_| meta.is_file()) else { continue };
        if let Some(plain) = hidden.strip_suffix(copy::STAGED).filter(|plain| is_ours(plain)) {
            finish(rule, log, &path, &path.with_file_name(plain), job)?;
        } else if unfinished(hidden).is_some_and(|inner| is_ours(inner.strip_suffix(copy::STAGED).unwrap_or(inner))) {
            drop_old(&path, &meta, job)?;
        }
    }
    Ok(())
}

/// A copy of a log.
fn finish(rule: &Rotate, log: &Path, staged: &Path, target: &Path, job: &Job<'_>) -> Result<()> {
    let whole = copy::is_whole(log, staged, job.cancel)?;
    if !job.dry {
        if whole {
            std::fs::remove_file(staged).map_err(|error| files::storage(&error, staged, "cannot remove"))?;
        } else {
            platform::rename_new(staged, target).map_err(|error| files::storage(&error, target, "cannot publish"))?;
            if let How::CopyTruncate(leave) = &rule.how {
                copy::leave(log, leave)?;
            }
        }
    }
    let what =
        if whole { "the copy of a killed run goes; the log still holds all of it" } else { "a copy that a killed run left gets its name" };
    job.tell(Status::Ok, step("recover", staged, what));
    Ok(())
}

/// What a hidden file was to be called that was not finished: `x.log.gz` of `.x.log.gz.RANDOM.partial`, without the first point.
pub fn unfinished(hidden: &str) -> Option<&str> {
    let (inner, _) = hidden.strip_suffix(".partial")?.rsplit_once('.')?;
    Some(inner.strip_prefix('.').unwrap_or(inner))
}

/// Removes what was not finished, unless somebody may still be at it.
///
/// # Errors
/// Class Storage.
pub fn drop_old(path: &Path, meta: &std::fs::Metadata, job: &Job<'_>) -> Result<()> {
    let written = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
    if written.is_some_and(|written| plan::elapsed(written, job.now) > LEFT) {
        remove(path, meta.len(), job)?;
        job.tell(Status::Ok, step("recover", path, "what a killed run left unfinished is removed"));
    }
    Ok(())
}
