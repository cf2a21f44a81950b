//! The life of a stage: input, start, work, end, exit code.

use super::args::{After, FailOn, Output};
use super::input::{Interruptible, Watched, open_input};
use super::out::Out;
use super::{Done, InputUse, Stage, Tool, say};
use crate::exit::Exit;
use crate::failure::{Class, Failure, Result};
use crate::fold::Fold;
use crate::people;
use crate::pg;
use crate::platform;
use crate::reader::{Item, Reader};
use crate::record::{Body, Check, End, Start, Status};
use crate::redact;
use crate::settings::Settings;
use crate::signal::Cancel;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{self, IsTerminal, Read, Write};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// So many pieces of input that are no records are told one by one; the rest are counted.
const TOLD_GARBAGE: u64 = 100;

/// A name of a run from the environment may be so long, in bytes.
const MAX_RUN: usize = 200;

/// Looks up an environment variable.
pub type Lookup = Box<dyn Fn(&str) -> Option<String>>;

/// The streams of a process; in tests, buffers.
pub struct Io {
    /// Standard input.
    pub stdin: Box<dyn Read + Send>,
    /// It is a pipe, a socket or a file.
    pub stdin_holds_records: bool,
    /// It is a terminal.
    pub stdin_is_terminal: bool,
    /// Standard output.
    pub stdout: Box<dyn Write + Send>,
    /// It is a terminal.
    pub stdout_is_terminal: bool,
    /// Environment variables.
    pub env: Lookup,
}

impl Io {
    /// The streams and the environment of this process.
    pub fn process() -> Io {
        Io {
            stdin: Box::new(io::stdin()),
            stdin_holds_records: platform::stdin_holds_records(),
            stdin_is_terminal: io::stdin().is_terminal(),
            stdout: Box::new(io::stdout()),
            stdout_is_terminal: io::stdout().is_terminal(),
            env: Box::new(environment),
        }
    }
}

/// A variable of this process. One that is not Unicode is not passed over: the tool would work with the file's setting in its place.
pub(super) fn environment(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

/// Loads settings from another file.
type Reload<'a> = &'a dyn Fn(&Path) -> Result<Settings>;

/// Runs a tool as a stage of a pipeline and gives the code to exit with.
pub fn run<T: Tool>(mut tool: T, io: Io, cancel: Cancel) -> Exit {
    let began = Instant::now();
    let common = tool.common().clone();
    let default_mode = if io.stdout_is_terminal { Output::Table } else { Output::Records };
    let mode = common.output.unwrap_or(default_mode);
    if !matches!(mode, Output::Records | Output::Table) && !T::OUTPUTS.contains(&mode) {
        return say(&Failure::new(Class::Usage, format!("{} has no such output", T::NAME)).hint("see --help for what it prints"));
    }
    if let Some(limit) = common.deadline {
        cancel.after(limit);
    }
    let (settings, mut failure) = match Settings::load(common.config.as_deref(), &common.overrides, &io.env) {
        Ok(settings) => (settings, None),
        Err(failure) => (Settings::default(), Some(failure)),
    };
    for warning in settings.warnings() {
        log::info!("{warning}");
    }
    let input = match open_input(&tool, &common, io.stdin, io.stdin_holds_records, io.stdin_is_terminal) {
        Ok(input) => input,
        Err(failure) => return say(&failure),
    };
    let colour = io.stdout_is_terminal && people::colour(&io::stdout());
    let mut stage = Stage {
        system: settings.text("SYSTEM").to_owned(),
        settings,
        verdict: crate::fold::Verdict::default(),
        dry_run: common.dry_run,
        cancel,
        tool: T::NAME,
        run: String::new(),
        name: format!("{}.{:x}-{}", T::NAME, std::process::id(), random_hex(4)),
        out: Out::new(io.stdout, mode, common.quiet, colour),
        host: gethostname::gethostname().to_string_lossy().into_owned(),
        written: AtomicU64::new(0),
        lock: Mutex::new(None),
    };
    let ml_run = match named_run(&io.env) {
        Ok(run) => run,
        Err(wrong) => {
            failure.get_or_insert(wrong);
            None
        }
    };
    // What never ends has to say at once that it cannot begin.
    match (T::ENDLESS, failure) {
        (true, Some(wrong)) => return say(&wrong),
        (_, kept) => failure = kept,
    }
    if let Err(wrong) = tool.ready(&stage.settings) {
        return say(&wrong);
    }
    // A call that names its settings keeps to them; any other takes those of the stage before, whatever folder it was called in. A kept
    // stream is of another day: its settings are not asked for.
    let reload = |file: &Path| Settings::load(Some(file), &common.overrides, &io.env);
    let piped = common.input.as_deref().is_none_or(|path| path == Path::new("-"));
    let inherit = (piped && common.config.is_none()).then_some(&reload as Reload<'_>);
    let silent = forward(&mut tool, &mut stage, input, ml_run.as_deref(), inherit, &mut failure);
    let result = match failure {
        Some(failure) => Err(failure),
        None => work(&mut tool, &stage, common.after.unwrap_or(T::AFTER)),
    };
    let own = end(&stage, result, silent, began);
    let forwarded = if common.fail_on == Some(FailOn::Crit) { stage.verdict.exit_unless_warn } else { stage.verdict.exit };
    let own = if own == (Exit::GENERAL, Status::Warn) && common.fail_on == Some(FailOn::Crit) { Exit::OK } else { own.0 };
    stage.out.flush();
    // Nagios' codes are a table of their own, which nothing upstream speaks.
    closed_output::<T>(&stage, if mode == Output::Nagios { own } else { own.worst(forwarded) })
}

/// The name of the run that the environment gives; it stands in every record, in headings and in names of files.
fn named_run(env: &Lookup) -> Result<Option<String>> {
    match env("ML_RUN").filter(|run| !run.is_empty()) {
        Some(run) if run.len() > MAX_RUN || run.contains(char::is_control) => {
            Err(Failure::new(Class::Config, format!("ML_RUN is longer than {MAX_RUN} bytes or holds control characters"))
                .hint("unset ML_RUN, or set it to a short name"))
        }
        run => Ok(run),
    }
}

/// Forwards upstream to its end and folds it; says whether it was silent although it should not have been.
fn forward<T: Tool>(
    tool: &mut T,
    stage: &mut Stage,
    input: Option<Box<dyn Read + Send>>,
    ml_run: Option<&str>,
    inherit: Option<Reload<'_>>,
    failure: &mut Option<Failure>,
) -> bool {
    let had_input = input.is_some();
    let mut fold = Fold::default();
    let (mut records, mut foreign, mut garbage) = (0u64, 0u64, 0u64);
    // What is no record knows of no run: what came before the first record is told after it.
    let mut early = Vec::new();
    let input = input.unwrap_or_else(|| Box::new(io::empty()));
    let input: Box<dyn Read> =
        if T::ENDLESS { Box::new(Interruptible::new(input, stage.cancel.clone())) } else { Box::new(Watched::new(input)) };
    let mut reader = Reader::new(input);
    loop {
        if reader.is_drained() {
            // Before waiting for more, hand on what is there: theorems are gathered on their way out.
            stage.out.flush();
        }
        if T::ENDLESS && failure.is_some() {
            // The end of the input may never come.
            break;
        }
        let Some(item) = reader.next() else { break };
        if records == 0 && !matches!(item, Item::Garbage { .. }) {
            if let (Some(reload), Some(file)) = (inherit, item_settings(&item, &stage.host)) {
                match reload(Path::new(file)) {
                    Ok(settings) => {
                        settings.text("SYSTEM").clone_into(&mut stage.system);
                        (stage.settings, *failure) = (settings, None);
                    }
                    Err(wrong) => *failure = Some(wrong.context("taking the settings of the stage before")),
                }
            }
            settle(tool, stage, item_run(&item).or(ml_run), item_is_dry(&item), failure);
            early.drain(..).for_each(|summary| tell_garbage(stage, &mut fold, "input", summary));
        }
        match item {
            Item::Record { line, record } => {
                records += 1;
                fold.push(&record);
                stage.out.record(&record, Some(&line));
                if reader.is_drained() {
                    stage.out.flush();
                }
                if failure.is_none() {
                    *failure = tool.see(&record, stage).err();
                }
            }
            Item::Foreign { line, .. } => {
                records += 1;
                foreign += 1;
                stage.out.foreign(&line);
            }
            Item::Garbage { at, reason } => {
                garbage += 1;
                fold.garbage();
                let summary = format!("line {at} of the input is not a record: {reason}");
                match (garbage <= TOLD_GARBAGE, records) {
                    (true, 0) => early.push(summary),
                    (true, _) => tell_garbage(stage, &mut fold, "input", summary),
                    (false, _) => {}
                }
            }
        }
    }
    if records == 0 {
        settle(tool, stage, ml_run, false, failure);
        early.drain(..).for_each(|summary| tell_garbage(stage, &mut fold, "input", summary));
    }
    if foreign > 0 && foreign == records {
        let all = people::counted(foreign, "record");
        let summary = format!("nothing of the input was understood: {all} of a newer version or of unknown kinds forwarded");
        fold.push(&stage.emit(Status::Warn, input_check("input", summary, "bring all tools of the pipeline to one version")));
    }
    if garbage > TOLD_GARBAGE {
        tell_garbage(stage, &mut fold, "input.more", format!("{garbage} pieces of the input were no records"));
    }
    let must_speak = match tool.input() {
        InputUse::Needed => true,
        InputUse::MayBeEmpty => false,
        InputUse::Optional | InputUse::OnRequest => ml_run.is_some(),
    };
    // Who was told to stop reading knows nothing of what would have come.
    let stopped = T::ENDLESS && (stage.cancel.is_set() || failure.is_some());
    let silent = had_input && records == 0 && must_speak && !stopped;
    if silent {
        let hint = "a stage before this one never started, or a filter let nothing through: run the pipeline's first tools alone";
        let Body::Check(check) = input_check("upstream-silent", "the input ended without a single record".into(), hint) else {
            return silent;
        };
        fold.push(&stage.emit(Status::Crit, Body::Check(Check { gate: true, error_class: Some("upstream-silent".into()), ..check })));
    }
    stage.verdict = fold.verdict();
    if stopped {
        // A stage that writes on is not one that died.
        (stage.verdict.exit, stage.verdict.exit_unless_warn) = (Exit::OK, Exit::OK);
    }
    // This stage is not upstream of itself; its own record above was folded for the gate alone.
    stage.verdict.stages.retain(|other| other.stage != stage.name);
    stage.dry_run |= stage.verdict.dry_run;
    silent
}

fn tell_garbage(stage: &Stage, fold: &mut Fold, id: &str, summary: String) {
    fold.push(&stage.emit(Status::Warn, input_check(id, summary, "look at what the stage before printed")));
}

fn input_check(id: &str, summary: String, hint: &str) -> Body {
    Body::Check(Check { id: id.into(), summary, hint: Some(hint.into()), error_class: Some("input".into()), ..Check::default() })
}

/// Upstream has settled the run, or there is none: this stage begins.
fn settle<T: Tool>(tool: &T, stage: &mut Stage, run: Option<&str>, dry: bool, failure: &mut Option<Failure>) {
    stage.run = run.map_or_else(new_run, str::to_owned);
    stage.dry_run |= dry;
    if let Some(system) = tool.system(&stage.settings).filter(|_| failure.is_none()) {
        stage.system = system;
    }
    let planned_ids = if failure.is_none() { tool.planned_ids(&stage.settings) } else { Vec::new() };
    // What settings that could not be read would have named is not known.
    let target = if failure.is_some() { Ok(None) } else { tool.target(stage) };
    let target = match target {
        Ok(target) => target.map(|target| target.describe()),
        Err(wrong) => {
            *failure = Some(wrong);
            None
        }
    };
    let start = Start {
        planned_ids,
        dry_run: stage.dry_run,
        settings: stage.settings.file().map(|file| file.display().to_string()),
        target,
        version: Some(env!("CARGO_PKG_VERSION").into()),
    };
    stage.emit(Status::Ok, Body::Start(start));
}

fn item_run(item: &Item) -> Option<&str> {
    match item {
        Item::Record { record, .. } => Some(record.head.run.as_str()),
        Item::Foreign { run, .. } => run.as_deref(),
        Item::Garbage { .. } => None,
    }
    .filter(|run| !run.is_empty())
}

/// The settings file of the stage before, when it ran on this machine.
fn item_settings<'a>(item: &'a Item, host: &str) -> Option<&'a str> {
    match item {
        Item::Record { record, .. } if record.head.host == host => match &record.body {
            // What waits for a writer would be waited for.
            Body::Start(start) => start.settings.as_deref().filter(|file| !Path::new(file).exists() || Path::new(file).is_file()),
            _ => None,
        },
        _ => None,
    }
}

fn item_is_dry(item: &Item) -> bool {
    matches!(item, Item::Record { record, .. } if matches!(&record.body, Body::Start(start) if start.dry_run))
}

/// The work itself, unless a gate or a signal forbids it; a panic becomes a failure.
fn work<T: Tool>(tool: &mut T, stage: &Stage, after: After) -> Result<Done> {
    stage.cancel.check()?;
    if after == After::Ok
        && let Some(blocker) = stage.verdict.blocked_by()
    {
        let mut done = Done::skipped(format!("not begun, because of {blocker}"));
        done.exit = Exit::GENERAL;
        done.labels.insert("blocked_by".into(), blocker.as_str().into());
        return Ok(done);
    }
    let hold = |lock| *stage.lock.lock().unwrap_or_else(PoisonError::into_inner) = lock;
    if let (Some(name), false) = (tool.lock(), stage.dry_run)
        && let Some(target) = tool.target(stage)?
    {
        hold(Some(pg::lock::try_lock(&target, name, &stage.run)?));
    }
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| tool.act(stage))).unwrap_or_else(|_| {
        Err(Failure::new(Class::Internal, "internal error; the lines above say where").hint("please report it with the command line"))
    });
    hold(None);
    result
}

/// Writes the end record and tells a person of a failure; gives the tool's own code.
fn end(stage: &Stage, result: Result<Done>, silent: bool, began: Instant) -> (Exit, Status) {
    let mut end = End { duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX), ..End::default() };
    let (mut exit, mut status) = match result {
        Ok(done) => {
            end.blocked_by = done.labels.get("blocked_by").map(ToString::to_string);
            (end.summary, end.reason, end.hint, end.metrics, end.labels) =
                (done.summary, done.reason, done.hint, done.metrics, done.labels);
            end.labels.remove("blocked_by");
            (done.exit, done.status.unwrap_or(Status::Ok))
        }
        Err(failure) => {
            let mut exit = failure.class.exit();
            match stage.out.mode() {
                Output::Table => {}
                // A plugin speaks on standard output alone, and what kept it from looking is unknown.
                Output::Nagios => {
                    let message = redact::scrub(&failure.message).replace(['|', '\n'], " ");
                    stage.out.text(&format!("{} UNKNOWN - {message}", stage.tool.to_uppercase()));
                    exit = Exit::NAGIOS_UNKNOWN;
                }
                Output::Records | Output::Raw | Output::Prometheus | Output::Junit => {
                    say(&failure);
                }
            }
            (end.summary, end.hint, end.error_class) = (failure.message, failure.hint, Some(failure.class.name().into()));
            (exit, Status::Crit)
        }
    };
    if silent {
        exit = exit.worst(Exit::DIED);
        status = Status::Crit;
        end.reason.get_or_insert_with(|| "upstream-silent".into());
    } else if stage.verdict.garbage > 0 && exit == Exit::OK {
        (exit, status) = (Exit::GENERAL, Status::Warn);
        end.reason.get_or_insert_with(|| format!("{} pieces of the input were no records", stage.verdict.garbage));
    }
    end.exit = exit.0;
    end.records = stage.written.load(Ordering::Relaxed) + 1;
    stage.emit(status, Body::End(end));
    (exit, status)
}

/// A reader that went away is no failure of a reporter; for the others it is one, unless something worse is.
fn closed_output<T: Tool>(stage: &Stage, exit: Exit) -> Exit {
    match stage.out.error() {
        None => exit,
        Some(io::ErrorKind::BrokenPipe) if T::REPORTER => exit,
        Some(kind) => {
            if kind != io::ErrorKind::BrokenPipe {
                log::error!("writing to standard output failed: {kind}");
            }
            if exit == Exit::OK { Exit::GENERAL } else { exit }
        }
    }
}

/// `20250108T020000Z-3f9a1c`
fn new_run() -> String {
    format!("{}-{}", jiff::Timestamp::now().strftime("%Y%m%dT%H%M%SZ"), random_hex(6))
}

fn random_hex(digits: usize) -> String {
    let mut text = format!("{:016x}", RandomState::new().build_hasher().finish());
    text.truncate(digits);
    text
}
