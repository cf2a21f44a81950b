//! The order of things: look at the files, look at the place, decide, send, tell, remove what is too old there.

use crate::cli::Cli;
use crate::destination::Destination;
use crate::files::{self, Group, Local};
use crate::plan::{self, Fate};
use crate::retention;
use crate::secrets;
use crate::store::{self, Store, conflict};
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use std::time::Instant;

/// Where to: the argument, else PUSH_TO. A password on the command line is refused.
///
/// # Errors
/// Class Usage, or Config when neither says.
pub fn destination(cli: &Cli, stage: &Stage) -> Result<Destination> {
    match cli.destination.as_deref().filter(|text| *text != "-") {
        Some(text) => {
            let destination = Destination::parse(text)?;
            if destination.holds_secret() {
                return Err(Failure::new(Class::Usage, "the destination holds a password: the process list would show it")
                    .hint("put it into PUSH_TO in the settings file or the environment, or into a file named by PUSH_TO_FILE"));
            }
            Ok(destination)
        }
        None => {
            let text = stage.settings.get("PUSH_TO").ok_or_else(|| {
                Failure::new(Class::Usage, "no destination is named")
                    .hint("name one, such as s3://bucket/prefix or a folder, or set PUSH_TO")
            })?;
            let relative = stage.settings.base();
            Ok(match Destination::parse(text).map_err(|failure| Failure { class: Class::Config, ..failure }.context("PUSH_TO"))? {
                Destination::Folder(path) => Destination::Folder(relative.join(path)),
                other => other,
            })
        }
    }
}

/// What is told of the files.
#[derive(Default)]
struct Tally {
    sent: u64,
    bytes: u64,
    skipped: u64,
    failure: Option<Failure>,
}

/// Pushes, or says what it would push.
///
/// # Errors
/// Class Storage for files and places, Usage for what must not be pushed, Config for settings.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let destination = destination(cli, stage)?;
    let groups = files::groups(cli, stage)?;
    if groups.is_empty() {
        return Ok(Done::skipped(match stage.dry_run {
            true => "the stream names no file that is there: stages before this one only plan, too",
            false => "the stream names no file",
        }));
    }
    if matches!(destination, Destination::Git(_)) {
        groups.iter().try_for_each(secrets::check)?;
    }
    let mut store = store::open(&destination, stage)?;
    let shown = destination.shown();
    let mut tally = Tally::default();
    // One commit for all of git's files; elsewhere each file is told as soon as it is there.
    let batch = matches!(destination, Destination::Git(_));
    let mut waiting = Vec::new();
    for group in &groups {
        let states = group.files.iter().map(|file| store.state(file)).collect::<Result<Vec<_>>>()?;
        let fates = plan::decide(group, &states);
        for (file, fate) in group.files.iter().zip(fates) {
            let told = one(stage, store.as_mut(), file, fate, &shown, &mut tally)?;
            if batch { waiting.push(told) } else { tell(stage, told) }
        }
    }
    if !stage.dry_run {
        store.settle()?;
    }
    waiting.into_iter().for_each(|told| tell(stage, told));
    if let Some(failure) = tally.failure {
        return Err(failure);
    }
    let mut done = Done::ok(summary(stage.dry_run, &tally, &shown));
    if stage.dry_run {
        done.status = Some(Status::Planned);
    }
    let done = done.metric("files", tally.sent).metric("bytes", tally.bytes).metric("skipped", tally.skipped);
    retention::act(stage, &destination, store.as_mut(), &fresh(&groups), done)
}

/// The names that this push has made sure of.
fn fresh(groups: &[Group]) -> Vec<String> {
    groups.iter().flat_map(|group| &group.files).map(|file| file.name.clone()).collect()
}

fn tell(stage: &Stage, (status, step): (Status, Step)) {
    stage.step(status, step);
}

fn summary(dry: bool, tally: &Tally, shown: &str) -> String {
    let skipped = if tally.skipped > 0 { format!("; {} there already", tally.skipped) } else { String::new() };
    let verb = if dry { "would send" } else { "sent" };
    let files = if tally.sent == 1 { "file" } else { "files" };
    format!("{verb} {} {files}, {}, to {shown}{skipped}", tally.sent, human_bytes(tally.bytes))
}

/// Does with one file what was decided.
fn one(stage: &Stage, store: &mut dyn Store, file: &Local, fate: Fate, shown: &str, tally: &mut Tally) -> Result<(Status, Step)> {
    let began = Instant::now();
    let mut step = Step {
        id: format!("push.{}", file.name),
        path: Some(file.path.display().to_string()),
        sha256: Some(file.sha256.clone()),
        bytes: Some(file.bytes),
        ..Step::default()
    };
    step.labels.insert("destination".into(), shown.into());
    let size = human_bytes(file.bytes);
    match fate {
        Fate::Send(_) if stage.dry_run => {
            tally.sent += 1;
            tally.bytes += file.bytes;
            step.summary = format!("{}, {size}, to {shown}", file.name);
            Ok((Status::Planned, step))
        }
        Fate::Send(over) => {
            let by = store.put(file, &over).map_err(|failure| failed(stage, step.clone(), failure))?;
            tally.sent += 1;
            tally.bytes += file.bytes;
            step.labels.insert("verified".into(), by.into());
            step.duration_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
            step.summary = format!("{}, {size}, to {shown}; verified: {by}", file.name);
            Ok((Status::Ok, step))
        }
        Fate::Skip => {
            tally.skipped += 1;
            let reason = "it is there already, byte for byte";
            Ok((Status::Skipped, Step { summary: format!("{}: {reason}", file.name), reason: Some(reason.into()), ..step }))
        }
        Fate::Held(name) => {
            let reason = format!("it belongs to {name}, which could not be sent");
            Ok((Status::Skipped, Step { summary: format!("{}: {reason}", file.name), reason: Some(reason), ..step }))
        }
        Fate::Conflict(how) => {
            let failure = conflict(&file.name, shown, &how);
            let told = bad(step, &failure);
            tally.failure.get_or_insert(failure);
            Ok((Status::Crit, told))
        }
    }
}

fn failed(stage: &Stage, step: Step, failure: Failure) -> Failure {
    if !stage.cancel.is_set() {
        stage.step(Status::Crit, bad(step, &failure));
    }
    failure
}

fn bad(step: Step, failure: &Failure) -> Step {
    Step { summary: failure.message.clone(), hint: failure.hint.clone(), error_class: Some(failure.class.name().into()), ..step }
}
