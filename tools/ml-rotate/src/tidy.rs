//! Rotated files: what is too much is removed, what nobody writes any more is compressed and goes to its place.

use crate::find;
use crate::job::{Job, add, step};
use crate::pack::{self, Packed};
use crate::plan::{self, Kept};
use crate::rotate::make_home;
use crate::rules::{Packing, Rotate};
use jiff::Timestamp;
use ml_common::record::{Status, Step};
use ml_common::{Failure, Result, files, platform};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long a writer that was told has to open its log anew before its old one waits for the next run.
const LETS_GO: Duration = Duration::from_secs(5);
/// What is told of a file that waits.
const STILL: &str = "it is still being written; a later run compresses it";
/// Where the system does not say who writes, a file that was not written for so long is its writer's no more, if there is a new log;
const STILL_FOR: Duration = Duration::from_secs(3600);
/// without a new log, for so long.
const ALONE_FOR: Duration = Duration::from_secs(7 * 86_400);

/// What to do about a writer that goes on in a rotated file.
const REOPEN: &str = "its writer has not opened its log anew: restart it, tell it with notify, or use how = \"copytruncate\"";

/// Removes a file; in a dry run it stays.
///
/// # Errors
/// Class Storage.
pub fn remove(path: &Path, bytes: u64, job: &Job<'_>) -> Result<()> {
    if !job.dry {
        std::fs::remove_file(path).map_err(|error| files::storage(&error, path, "cannot remove"))?;
        job.count.freed.set(job.count.freed.get() + i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// Removes what is too old or too many, compresses the rest, and then sees how much it is together.
///
/// # Errors
/// Interrupted and Terminated, and class Storage when a folder cannot be read.
pub fn tidy(rule: &Rotate, log: &Path, fresh: Option<Kept>, told: bool, job: &Job<'_>) -> Result<()> {
    let all = |kept: Vec<Kept>| -> Vec<Kept> {
        let planned = fresh.iter().filter(|_| job.dry).cloned();
        planned.chain(kept).collect()
    };
    let kept = all(find::kept(rule, log)?);
    let left = drop_surplus(&Rotate { max_total: None, ..rule.clone() }, kept, job)?;
    for (at, file) in left.iter().enumerate() {
        job.cancel.check()?;
        let is_fresh = fresh.as_ref().is_some_and(|fresh| fresh.plain == file.plain);
        if let Err(failure) = settle(rule, log, at, file, (is_fresh, told && at == 0), job) {
            job.failed("compress", file.paths.first().map_or(log, PathBuf::as_path), failure)?;
        }
    }
    if rule.max_total.is_some() {
        // A dry run does not know how small they become, and names the most that could go.
        let left = if job.dry { left } else { find::kept(rule, log)? };
        drop_surplus(&Rotate { keep: None, keep_for: None, ..rule.clone() }, left, job)?;
    }
    Ok(())
}

/// Removes what the rule keeps no longer; gives what is left.
fn drop_surplus(rule: &Rotate, kept: Vec<Kept>, job: &Job<'_>) -> Result<Vec<Kept>> {
    let surplus = plan::surplus(rule, &kept, job.now);
    for (at, reason) in &surplus {
        for path in &kept[*at].paths {
            if pack::is_in_use(path) {
                job.warn("waits", path, format!("it is to go ({reason}), and still being written"), REOPEN);
                continue;
            }
            let bytes = path.symlink_metadata().map_or(kept[*at].bytes, |meta| meta.len());
            match remove(path, bytes, job) {
                Ok(()) => {
                    job.tell(
                        Status::Ok,
                        Step { path: Some(path.display().to_string()), bytes: Some(bytes), ..step("remove", path, reason) },
                    );
                    if !job.dry {
                        add(&job.count.removed);
                    }
                }
                Err(failure) => job.failed("remove", path, failure)?,
            }
        }
    }
    let gone = |at: usize| surplus.iter().any(|(gone, _)| *gone == at);
    Ok(kept.into_iter().enumerate().filter(|(at, _)| !gone(*at)).map(|(_, file)| file).collect())
}

/// Brings a rotated file into its last form and place.
fn settle(rule: &Rotate, log: &Path, at: usize, file: &Kept, (fresh, told): (bool, bool), job: &Job<'_>) -> Result<()> {
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")), find::home(rule, log));
    let Some(first) = file.paths.first() else { return Ok(()) };
    if find::is_packed(first) || !plan::is_packed(rule, at) {
        if !fresh && !find::is_packed(first) && holds_on(first, told, job)? {
            job.warn("waits", first, "it is still being written, long after it was rotated", REOPEN);
        }
        for path in file.paths.iter().filter(|path| path.parent() != Some(home.as_path())) {
            move_to(path, &home, beside, job)?;
        }
        return Ok(());
    }
    // One that is compressed already stays in that form.
    let twin = file.paths.iter().find(|path| find::is_packed(path));
    let (packing, to) = match twin {
        Some(twin) => (if twin.extension().is_some_and(|ending| ending == "gz") { Packing::Gzip } else { Packing::Zstd }, twin.clone()),
        None => (rule.compress, home.join(format!("{}{}", file.plain, rule.compress.ending()))),
    };
    // Its writer has begun another one since.
    let is_anew = at > 0 || log.symlink_metadata().is_ok_and(|meta| meta.len() > 0);
    if job.dry {
        let is_planned = fresh && first.symlink_metadata().is_err();
        if !is_planned && (pack::is_in_use(first) || may_be_written(first, fresh, is_anew, job.now)) {
            job.tell(Status::Skipped, step("waits", first, STILL));
            return Ok(());
        }
        job.tell(Status::Ok, Step { path: Some(to.display().to_string()), ..step("compress", first, format!("becomes {}", to.display())) });
        return Ok(());
    }
    if may_be_written(first, fresh, is_anew, job.now) {
        job.tell(Status::Skipped, step("waits", first, format!("nobody says whether {STILL}")));
        return Ok(());
    }
    make_home(&home, beside)?;
    let began = Instant::now();
    let packed = loop {
        match pack::pack(first, &to, packing, job.cancel)? {
            Packed::Written if told && began.elapsed() < LETS_GO => job.cancel.sleep(Duration::from_millis(100))?,
            packed => break packed,
        }
    };
    tell_packed(first, &to, packed, fresh, began, job);
    Ok(())
}

/// Whether somebody writes a file; one that was told just now gets the time to let go.
fn holds_on(path: &Path, told: bool, job: &Job<'_>) -> Result<bool> {
    let began = Instant::now();
    while pack::is_in_use(path) {
        if !told || job.dry || began.elapsed() >= LETS_GO {
            return Ok(true);
        }
        job.cancel.sleep(Duration::from_millis(100))?;
    }
    Ok(false)
}

/// Whether nothing says that its writer has let go: the log is another user's, or the system does not tell. What is written after a file was
/// compressed would be lost.
fn may_be_written(path: &Path, fresh: bool, is_anew: bool, now: Timestamp) -> bool {
    if !pack::is_unknown(path) {
        return false;
    }
    let written = path.symlink_metadata().ok().and_then(|meta| Timestamp::try_from(meta.modified().ok()?).ok());
    let still = written.map_or(Duration::ZERO, |written| plan::elapsed(written, now));
    fresh || still < if is_anew { STILL_FOR } else { ALONE_FOR }
}

/// Tells what became of a file that was to be compressed.
pub fn tell_packed(from: &Path, to: &Path, packed: Packed, fresh: bool, began: Instant, job: &Job<'_>) {
    match packed {
        Packed::Done { sha256, bytes, plain } => {
            add(&job.count.compressed);
            let freed = i64::try_from(plain).unwrap_or(i64::MAX) - i64::try_from(bytes).unwrap_or(i64::MAX);
            job.count.freed.set(job.count.freed.get() + freed);
            let mut step = Step {
                path: Some(to.display().to_string()),
                bytes: Some(bytes),
                sha256: Some(sha256),
                duration_ms: u64::try_from(began.elapsed().as_millis()).ok(),
                ..step("compress", from, format!("{} became {bytes} bytes", ml_common::people::counted(plain, "byte")))
            };
            step.metrics.insert("plain_bytes".into(), plain.into());
            job.tell(Status::Ok, step);
        }
        Packed::Written if fresh => job.tell(Status::Skipped, step("waits", from, STILL)),
        Packed::Written => {
            job.warn("waits", from, "it is still being written, long after it was rotated", REOPEN);
        }
    }
}

fn move_to(path: &Path, home: &Path, beside: &Path, job: &Job<'_>) -> Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let to = home.join(name);
    let step = Step { path: Some(to.display().to_string()), ..step("move", path, format!("moves to {}", home.display())) };
    if !job.dry {
        make_home(home, beside)?;
        match platform::rename_new(path, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                if pack::pack(path, &to, Packing::None, job.cancel)? == Packed::Written {
                    job.tell(Status::Skipped, crate::job::step("waits", path, "it is still being written; a later run moves it"));
                    return Ok(());
                }
            }
            Err(error) => return Err::<(), Failure>(files::storage(&error, &to, "cannot move a rotated log to")),
        }
    }
    job.tell(Status::Ok, step);
    Ok(())
}
