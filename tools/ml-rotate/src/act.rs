//! The order of things: one run at a time, logs first, then old files; what fails is told, and the rest goes on.

use crate::cli::Cli;
use crate::guard::Guard;
use crate::job::{Count, Job};
use crate::rules::{self, Rules};
use crate::{clean, rotate};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::people::{counted, human_bytes};
use ml_common::record::Status;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, files, platform};
use std::cell::{Cell, RefCell};
use std::fs::{File, TryLockError};

/// Does what the rules say.
///
/// # Errors
/// Class Config for the rules, Locked when another run is at it, else that of the first thing that could not be done.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let rules = rules_of(cli, stage)?;
    if cli.check_config {
        let (logs, old) = (counted(rules.rotate.len() as u64, "[[rotate]] table"), counted(rules.clean.len() as u64, "[[clean]] table"));
        return Ok(Done::ok(format!("{logs} and {old} without a mistake")));
    }
    let _lock = if stage.dry_run { None } else { Some(lock(stage)?) };
    let job = Job {
        now: Timestamp::now(),
        force: cli.force,
        dry: stage.dry_run,
        cancel: &stage.cancel,
        guard: Guard::of(&stage.settings),
        tell: RefCell::new(Box::new(|status, step| stage.step(status, step))),
        failures: RefCell::default(),
        names: RefCell::default(),
        warned: Cell::new(false),
        count: Count::default(),
    };
    run(&rules, &job)?;
    let count = &job.count;
    let mut failures = job.failures.take();
    if !failures.is_empty() {
        let (more, mut first) = (failures.len() - 1, failures.swap_remove(0));
        if more > 0 {
            first.message.push_str(&format!(" (and {more} more)"));
        }
        return Err(first);
    }
    if stage.dry_run {
        return Ok(Done { status: Some(Status::Planned), ..Done::ok("nothing was changed") });
    }
    let freed = count.freed.get();
    let summary = format!(
        "{} rotated, {} compressed, {} removed, {} {}",
        counted(count.rotated.get(), "log"),
        count.compressed.get(),
        count.removed.get(),
        human_bytes(freed.unsigned_abs()),
        if freed < 0 { "more in use" } else { "freed" },
    );
    let done = Done::ok(summary).metric("rotated", count.rotated.get()).metric("compressed", count.compressed.get());
    let done = done.metric("removed", count.removed.get());
    Ok(if job.warned.get() { Done { exit: Exit::GENERAL, status: Some(Status::Warn), ..done } } else { done })
}

/// All tables, logs before old files.
///
/// # Errors
/// Interrupted and Terminated.
pub fn run(rules: &Rules, job: &Job<'_>) -> Result<()> {
    rules.rotate.iter().try_for_each(|rule| rotate::table(rule, job))?;
    rules.clean.iter().try_for_each(|rule| clean::table(rule, job))
}

fn rules_of(cli: &Cli, stage: &Stage) -> Result<Rules> {
    if !cli.paths.is_empty() {
        return Ok(Rules { rotate: vec![cli.rule()?], clean: Vec::new() });
    }
    match cli.rules.clone().or_else(|| stage.settings.path_if_set("ROTATE_RULES")) {
        Some(path) => rules::read(&path, &stage.settings),
        None => Err(Failure::new(Class::Usage, "it is not said what is to be rotated")
            .hint("name logs, or a file of rules with --rules or ROTATE_RULES (config/rotate.toml)")),
    }
}

/// Held until the end of the process, however it ends.
fn lock(stage: &Stage) -> Result<File> {
    let folder = stage.settings.path("STATE_DIR");
    let path = folder.join("rotate.lock");
    let cannot = |error: std::io::Error| files::storage(&error, &path, "cannot lock");
    platform::private_folder(&folder).map_err(|error| files::storage(&error, &folder, "cannot make the folder"))?;
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(cannot)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::Error(error)) => Err(cannot(error)),
        Err(TryLockError::WouldBlock) => {
            Err(Failure::new(Class::Locked, "another ml-rotate is running").hint("wait for it; the lock ends with its process"))
        }
    }
}
