//! A `[[rotate]]` table: put aside, tell the writer, remove what is too much, compress what nobody writes any more.

use crate::copy;
use crate::find;
use crate::guard;
use crate::job::{Job, add, step};
use crate::notify;
use crate::pack::{self, Packed};
use crate::plan::{self, Kept, Log};
use crate::rules::{How, Packing, Rotate};
use jiff::Timestamp;
use ml_common::record::{Status, Step};
use ml_common::{Class, Failure, OrFail, Result, files, platform};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// So long a writer that was told has to open its log anew before its old one waits for the next run.
const LETS_GO: Duration = Duration::from_secs(5);
/// What a killed run left unfinished is removed after so long.
const LEFT: Duration = Duration::from_secs(3600);

/// What to do about a writer that goes on in a rotated file.
const REOPEN: &str = "its writer has not opened its log anew: restart it, tell it with notify, or use how = \"copytruncate\"";

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
    if let Some(who) = rule.notify.as_ref().filter(|_| done.iter().any(|(_, fresh)| fresh.is_some())) {
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
        if let Err(failure) = tidy(rule, &log, fresh, told, job) {
            job.failed("rotate", &log, failure)?;
        }
    }
    Ok(())
}

/// Puts one log aside, if it is due.
fn one(rule: &Rotate, log: &Path, job: &Job<'_>) -> Result<Option<Kept>> {
    job.claim(log, [log.parent().unwrap_or(Path::new(".")), &find::home(rule, log)])?;
    recover(rule, log, job)?;
    let meta = match log.symlink_metadata() {
        Ok(meta) => meta,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(files::storage(&error, log, "cannot look at")),
    };
    let newest = find::kept(rule, log)?.first().map(|kept| kept.at);
    let born = meta.created().ok().and_then(|at| Timestamp::try_from(at).ok());
    let why = match plan::due(rule, Log { bytes: meta.len(), born }, newest, job.now, job.force) {
        Ok(why) => why,
        Err(why) => {
            job.skip(log, why);
            return Ok(None);
        }
    };
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")), find::home(rule, log));
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

/// The folder of rotated files; a new one may be read by whoever may read the log's.
fn make_home(home: &Path, beside: &Path) -> Result<()> {
    if !home.is_dir() {
        let made = std::fs::create_dir_all(home)
            .and_then(|()| std::fs::metadata(beside))
            .and_then(|meta| std::fs::set_permissions(home, meta.permissions()));
        made.map_err(|error| files::storage(&error, home, "cannot make the folder"))?;
    }
    if platform::is_trap(home) { Err(guard::untrusted(home)) } else { Ok(()) }
}

/// Brings to an end what a killed run has begun.
fn recover(rule: &Rotate, log: &Path, job: &Job<'_>) -> Result<()> {
    let name = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let reader = rule.name.of(name).or_fail(Class::Internal, || "the pattern of names")?;
    let (beside, home) = (log.parent().unwrap_or(Path::new(".")).to_owned(), find::home(rule, log));
    let folders = if beside == home { vec![beside] } else { vec![beside, home] };
    for (path, meta) in folders.iter().map(|folder| find::entries(folder)).collect::<Result<Vec<_>>>()?.into_iter().flatten() {
        let hidden = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_prefix('.'));
        let Some(hidden) = hidden.filter(|_| meta.is_file()) else { continue };
        let is_ours = |name: &str| reader.read(name).is_some();
        if let Some(plain) = hidden.strip_suffix(copy::STAGED).filter(|plain| is_ours(plain)) {
            let was = if job.dry { true } else { copy::recover(log, &path, &path.with_file_name(plain), job.cancel)? };
            let what = if was {
                "a copy that a killed run left gets its name"
            } else {
                "the copy of a killed run went; the log still holds all of it"
            };
            job.tell(Status::Ok, step("recover", &path, what));
        } else if let Some((inner, _)) = hidden.strip_suffix(".partial").and_then(|name| name.rsplit_once('.')) {
            let inner = inner.strip_prefix('.').and_then(|inner| inner.strip_suffix(copy::STAGED)).unwrap_or(inner);
            let written = meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok());
            if is_ours(inner) && written.is_some_and(|written| plan::elapsed(written, job.now) > LEFT) {
                remove(&path, meta.len(), job)?;
                job.tell(Status::Ok, step("recover", &path, "what a killed run left unfinished is removed"));
            }
        }
    }
    Ok(())
}

fn remove(path: &Path, bytes: u64, job: &Job<'_>) -> Result<()> {
    if !job.dry {
        std::fs::remove_file(path).map_err(|error| files::storage(&error, path, "cannot remove"))?;
        job.count.freed.set(job.count.freed.get() + i64::try_from(bytes).unwrap_or(i64::MAX));
    }
    Ok(())
}

/// Removes what is too old or too many, compresses the rest, and then sees how much it is together.
fn tidy(rule: &Rotate, log: &Path, fresh: Option<Kept>, told: bool, job: &Job<'_>) -> Result<()> {
    let all = |kept: Vec<Kept>| -> Vec<Kept> {
        let planned = fresh.iter().filter(|_| job.dry).cloned();
        planned.chain(kept).collect()
    };
    let kept = all(find::kept(rule, log)?);
    let left = drop_surplus(&Rotate { max_total: None, ..rule.clone() }, kept, job)?;
    for (at, file) in left.iter().enumerate() {
        job.cancel.check()?;
        let is_fresh = fresh.as_ref().is_some_and(|fresh| fresh.plain == file.plain);
        if let Err(failure) = settle(rule, log, at, file, (is_fresh, is_fresh && told), job) {
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
    if job.dry {
        job.tell(Status::Ok, Step { path: Some(to.display().to_string()), ..step("compress", first, format!("becomes {}", to.display())) });
        return Ok(());
    }
    if fresh && pack::is_unknown(first) {
        // Nobody says whether its writer has let go: by the next run it will have.
        tell_packed(first, &to, Packed::Written, fresh, Instant::now(), job);
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
        Packed::Written if fresh => job.tell(Status::Skipped, step("waits", from, "it is still being written; a later run compresses it")),
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "scenario_tests.rs"]
mod tests;
