//! A `[[rotate]]` table: put aside what is due, tell the writer, and care for what was put aside before.

use crate::copy;
use crate::find;
use crate::job::{Job, add, step};
use crate::notify;
use crate::pack;
use crate::plan::{self, Kept, Log};
use crate::recover::recover;
use crate::rules::{How, Rotate};
use crate::tidy;
use jiff::Timestamp;
use ml_common::record::{Status, Step};
use ml_common::{Class, Result, files, platform};
use std::io;
use std::path::{Path, PathBuf};

/// Does a table.
///
/// # Errors
/// Interrupted and Terminated; everything else is told, and the rest goes on.
pub fn table(rule: &Rotate, job: &Job<'_>) -> Result<()> {
    let logs = match find::logs(rule, job) {
        Ok(logs) => logs,
        Err(failure) => return job.failed("rotate", Path::new(rule.files.first().map_or("", String::as_str)), failure),
    };
    let mut done: Vec<(PathBuf, Option<Kept>)> = Vec::new();
    for log in logs {
        job.cancel.check()?;
        match one(rule, &log, job) {
            Ok(fresh) => done.push((log, fresh)),
            Err(failure) => {
                // A log that is another table's is that one's to care for; else what is too old goes all the same, and there may be room then.
                let is_ours = failure.class != Class::Config;
                job.failed("rotate", &log, failure)?;
                done.extend(is_ours.then_some((log, None)));
            }
        }
    }
    let mut told = false;
    if let Some(who) = rule.notify.as_ref().filter(|_| done.iter().any(|(log, fresh)| fresh.is_some() || goes_on(rule, log))) {
        let name = notify::name(who);
        let step = Step { id: format!("notify.{name}"), summary: format!("{name} is told"), ..Step::default() };
        match if job.dry { Ok(()) } else { notify::notify(who, job.cancel) } {
            Ok(()) => {
                told = true;
                job.tell(Status::Ok, step);
            }
            Err(failure) => job.failed("notify", Path::new(&name), failure)?,
        }
    }
    for (log, fresh) in done {
        job.cancel.check()?;
        if let Err(failure) = tidy::tidy(rule, &log, fresh, told, job) {
            job.failed("rotate", &log, failure)?;
        }
    }
    Ok(())
}

/// Whether a log was rotated before and its writer still writes there: it was not told then, or did not listen.
fn goes_on(rule: &Rotate, log: &Path) -> bool {
    let newest = find::kept(rule, log).ok().and_then(|kept| kept.into_iter().next());
    newest.is_some_and(|newest| newest.paths.first().is_some_and(|path| !find::is_packed(path) && pack::is_in_use(path)))
}

/// Puts one log aside, if it is due.
fn one(rule: &Rotate, log: &Path, job: &Job<'_>) -> Result<Option<Kept>> {
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")), find::home(rule, log));
    job.claim(log, &rule.name.name(name, Timestamp::UNIX_EPOCH, true), [beside, &home])?;
    job.guard.refuses_home(rule.to.as_ref().map(|to| beside.join(to)).as_deref(), &home)?;
    recover(rule, log, job)?;
    let kept = find::kept(rule, log)?;
    let meta = match log.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            // A run that was killed in between has not made it, nor compressed what it put aside.
            let was = kept.first().and_then(|newest| newest.paths.first());
            let made = rule.create.is_some() && plan::is_packed(rule, 0) && !job.dry;
            if let Some(was) = was.filter(|was| made && !find::is_packed(was)) {
                create(rule, log, &was.symlink_metadata().map_err(|error| files::storage(&error, was, "cannot look at"))?)?;
            }
            return Ok(None);
        }
        Err(error) => return Err(files::storage(&error, log, "cannot look at")),
    };
    let bytes = match &rule.how {
        How::CopyTruncate(leave) if copy::is_empty(log, meta.len(), leave) => 0,
        How::CopyTruncate(_) => copy::only_name(log, &meta).map(|()| meta.len())?,
        How::Rename => meta.len(),
    };
    let newest = kept.first().map(|kept| kept.at);
    let last = last(&kept, job);
    let born = meta.created().ok().and_then(|at| Timestamp::try_from(at).ok());
    let why = match plan::due(rule, Log { bytes, born }, last, job.now, job.force) {
        Ok(why) => why,
        Err(why) => {
            job.skip(log, why);
            return Ok(None);
        }
    };
    let at = plan::moment(job.now, newest);
    let taken = |plain: &str| [beside, &home].iter().any(|folder| is_taken(folder, plain));
    let short = Some(rule.name.name(name, at, false)).filter(|short| rule.name.is_short_enough(at, newest) && !taken(short));
    let plain = short.unwrap_or_else(|| rule.name.name(name, at, true));
    let copied = matches!(rule.how, How::CopyTruncate(_));
    let target = if copied { home.join(&plain) } else { beside.join(&plain) };
    let kept = Kept { at, plain, paths: vec![target.clone()], bytes: meta.len() };
    let mut step = Step { path: Some(target.display().to_string()), bytes: Some(meta.len()), ..step("rotate", log, &why) };
    step.summary = format!("{name} becomes {}: {why}", kept.plain);
    if !job.dry {
        if let How::CopyTruncate(leave) = &rule.how {
            make_home(&home, beside)?;
            let (sha256, bytes) = copy::copy(log, &target, leave, job.cancel)?;
            (step.sha256, step.bytes) = (Some(sha256), Some(bytes));
        } else {
            platform::rename_new(log, &target).map_err(|error| files::storage(&error, &target, "cannot rename the log to"))?;
            // The rename is done; a folder that cannot be flushed does not undo it.
            let _ = platform::sync_folder(beside);
            if rule.create.is_some() {
                create(rule, log, &meta)?;
            }
        }
        add(&job.count.rotated);
    }
    job.tell(Status::Ok, step);
    Ok(Some(kept))
}

/// When a log was rotated last: the name of its newest rotated file says it, and when that is yet to come the file itself.
fn last(kept: &[Kept], job: &Job<'_>) -> Option<Timestamp> {
    let newest = kept.first()?;
    let Some(path) = newest.paths.first().filter(|_| plan::is_ahead(newest.at, job.now)) else { return Some(newest.at) };
    let hint = "see whether the clock is right, and give the file a name with the moment at which it was rotated";
    job.warn("clock", path, format!("it is called by a moment that is yet to come, {}", newest.at), hint);
    find::put(path, job.now).or(Some(newest.at))
}

fn is_taken(folder: &Path, plain: &str) -> bool {
    ["", ".gz", ".zst"].iter().any(|ending| folder.join(format!("{plain}{ending}")).symlink_metadata().is_ok())
}

/// The empty log in place of the one that got another name, unless its writer has been faster.
fn create(rule: &Rotate, log: &Path, meta: &std::fs::Metadata) -> Result<()> {
    let cannot = |error: io::Error| files::storage(&error, log, "cannot make");
    let file = match std::fs::File::options().write(true).create_new(true).open(log) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        file => file.map_err(cannot)?,
    };
    platform::dress_as(&file, meta).map_err(cannot)?;
    #[cfg(unix)]
    if let Some(mode) = rule.create {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(mode)).map_err(cannot)?;
    }
    #[cfg(not(unix))]
    let _ = rule;
    Ok(())
}

/// The folder of rotated files; a new one is that one's who owns the log's, and may be read by whoever may read that.
///
/// # Errors
/// Class Storage.
pub fn make_home(home: &Path, beside: &Path) -> Result<()> {
    if home.is_dir() {
        return Ok(());
    }
    let made =
        std::fs::create_dir_all(home).and_then(|()| std::fs::metadata(beside)).and_then(|meta| platform::dress_folder_as(home, &meta));
    made.map_err(|error| files::storage(&error, home, "cannot make the folder"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "scenario_tests.rs"]
mod tests;
