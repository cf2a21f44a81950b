//! `stage::run`: the contract between the tools, owned in one place.
//!
//! It reads and forwards what comes from upstream, settles the run, writes start and end, takes the lock, listens to signals and decides the
//! exit code. A tool is its flags, a plan, and [`Tool::act`].

pub mod args;
mod input;
pub mod out;
mod run;

use crate::exit::{Exit, TABLE};
use crate::failure::{Failure, Result};
use crate::fold::Verdict;
use crate::pg;
use crate::record::{self, Alert, Body, Check, Head, Map, Record, Scalar, Statement, Status, Step};
use crate::redact;
use crate::settings::Settings;
use crate::signal::Cancel;
pub use args::{After, Common, FailOn, Output};
pub use input::Waiting;
use out::Out;
pub use run::{Io, run};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// When a tool reads standard input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputUse {
    /// When it is a pipe, a socket or a file.
    Optional,
    /// The same, and it has nothing to do without one: an empty input is a failure.
    Needed,
    /// When it is a pipe, a socket or a file; an empty one is all right, even in a run that a wrapper has named.
    MayBeEmpty,
    /// Only when `--input` says so: the call names its own input, or the tool begins pipelines.
    OnRequest,
}

/// A tool of the toolkit: its parsed command line, and what it does.
pub trait Tool: clap::Parser {
    /// `ml-backup`.
    const NAME: &'static str;
    /// What `--output` may be, besides records and table.
    const OUTPUTS: &'static [Output] = &[];
    /// Whether it works although something upstream is wrong, unless `--after` says otherwise.
    const AFTER: After = After::Any;
    /// A reader of the stream that changes nothing that matters: it stops quietly when its output is closed.
    const REPORTER: bool = false;
    /// It has no end of its own: a signal ends its reading, too, although the stage before may never end.
    const ENDLESS: bool = false;
    /// Name of the lock that it holds while it works, if it changes anything in a database.
    const LOCK: Option<&'static str> = None;

    /// The flags that every tool has.
    fn common(&self) -> &Common;

    /// When standard input is read.
    fn input(&self) -> InputUse {
        InputUse::Optional
    }

    /// Makes ready what has to answer before the first record arrives, such as a port.
    ///
    /// # Errors
    /// The stage does not begin, and reads nothing.
    fn ready(&mut self, _settings: &Settings) -> Result<()> {
        Ok(())
    }

    /// Ids of the checks and steps to come, as far as they are known before the work.
    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        Vec::new()
    }

    /// The system that this call is about, when it is not that of the settings: a profile names its own.
    fn system(&self, _settings: &Settings) -> Option<String> {
        None
    }

    /// The database that it works on, if any; the lock is taken there, and `start` shows it. By default the ledger of the settings, when the
    /// tool has a lock.
    ///
    /// # Errors
    /// Class Config when the settings of the connection make no sense.
    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        if Self::LOCK.is_some() { stage.target().map(Some) } else { Ok(None) }
    }

    /// The lock that this call needs; a tool that only looks this time needs none.
    fn lock(&self) -> Option<&'static str> {
        Self::LOCK
    }

    /// Sees each upstream record as it is forwarded.
    ///
    /// # Errors
    /// What makes the tool's work impossible; forwarding goes on.
    fn see(&mut self, _record: &Record, _stage: &Stage) -> Result<()> {
        Ok(())
    }

    /// Does the work, after the last upstream record.
    ///
    /// # Errors
    /// The tool's failure; it becomes the end record, the words on stderr and the exit code.
    fn act(&mut self, stage: &Stage) -> Result<Done>;
}

/// How the work ended when it did not fail.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Done {
    /// The tool's own code: 0, or 1 and 5 for ml-health's findings; under `--output nagios` that convention's.
    pub exit: Exit,
    /// Status of the end record; ok by default.
    pub status: Option<Status>,
    /// One sentence for people.
    pub summary: String,
    /// Why it stopped where it did.
    pub reason: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Totals.
    pub metrics: Map,
    /// Further words.
    pub labels: Map,
}

impl Done {
    /// All went well, and `summary` says what was done.
    pub fn ok(summary: impl Into<String>) -> Done {
        Done { summary: summary.into(), ..Done::default() }
    }

    /// Nothing was done, and `reason` says why; exit 0.
    pub fn skipped(reason: impl Into<String>) -> Done {
        Done { status: Some(Status::Skipped), reason: Some(reason.into()), ..Done::default() }
    }

    /// The same with a total.
    #[must_use]
    pub fn metric(mut self, name: &str, value: impl Into<record::Scalar>) -> Done {
        self.metrics.insert(name.to_owned(), value.into());
        self
    }
}

/// What a tool has at hand while it works.
pub struct Stage {
    /// The settings in force.
    pub settings: Settings,
    /// What upstream said. While records are still being forwarded it is empty.
    pub verdict: Verdict,
    /// Change nothing: asked for by a flag, or by a stage upstream.
    pub dry_run: bool,
    /// Says when to stop.
    pub cancel: Cancel,
    /// `ml-backup`.
    pub tool: &'static str,
    /// The run, shared by the whole pipeline.
    pub run: String,
    /// Name of this process in the run.
    pub name: String,
    /// Name of the operated system.
    pub system: String,
    out: Out,
    host: String,
    written: AtomicU64,
    /// The tool's lock, while it works.
    lock: Mutex<Option<pg::lock::Guard>>,
}

impl Stage {
    /// Writes a record of this stage.
    pub fn emit(&self, status: Status, body: Body) -> Record {
        self.emit_for(&self.system, status, body)
    }

    /// Writes a record about another system than that of the settings.
    pub fn emit_for(&self, system: &str, status: Status, body: Body) -> Record {
        let record = Record {
            head: Head {
                v: record::VERSION,
                tool: self.tool.to_owned(),
                stage: self.name.clone(),
                system: system.to_owned(),
                run: self.run.clone(),
                ts: record::timestamp(jiff::Timestamp::now()),
                host: self.host.clone(),
                status,
            },
            body: scrubbed(body),
        };
        self.written.fetch_add(1, Ordering::Relaxed);
        self.out.record(&record, None);
        record
    }

    /// Writes an observation.
    pub fn check(&self, status: Status, check: Check) {
        self.emit(status, Body::Check(check));
    }

    /// Writes what was done; in a dry run, what would be.
    pub fn step(&self, status: Status, step: Step) {
        let planned = self.dry_run && status == Status::Ok;
        self.emit(if planned { Status::Planned } else { status }, Body::Step(step));
    }

    /// Writes a theorem.
    pub fn statement(&self, status: Status, statement: Statement) {
        self.emit(status, Body::Statement(statement));
    }

    /// Writes the fate of a notification.
    pub fn alert(&self, status: Status, alert: Alert) {
        self.emit(status, Body::Alert(alert));
    }

    /// The machine.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Standard output, for the modes that are not records.
    pub fn out(&self) -> &Out {
        &self.out
    }

    /// Looks up an environment variable; PG* variables of the settings file stand in for missing ones.
    pub fn env(&self, name: &str) -> Option<String> {
        run::environment(name).or_else(|| self.settings.get(name).map(str::to_owned))
    }

    /// The ledger's database as the settings name it, with psql's meaning.
    ///
    /// # Errors
    /// Class Config when they make no sense.
    pub fn target(&self) -> Result<pg::Target> {
        pg::Target::resolve(self.settings.get("DATABASE_URL"), &|name| self.env(name))
    }

    /// How this stage connects: under its own name, with the time limits of the settings.
    ///
    /// # Errors
    /// Class Config for a malformed time limit.
    pub fn pg_options(&self) -> Result<pg::Options> {
        Ok(pg::Options {
            statement_timeout: Some(self.settings.millis("STATEMENT_TIMEOUT_MS")?),
            lock_timeout: Some(self.settings.millis("LOCK_TIMEOUT_MS")?),
            ..pg::Options::new(format!("{} {}", self.tool, self.run))
        })
    }

    /// Asks whether the lock that the tool took is still its own; without a lock there is nothing to lose. Ask right before a commit: what
    /// was lost on the way may be in other hands, and what they did is not known here.
    ///
    /// # Errors
    /// Class Locked when the lock is lost, Database when its connection is.
    pub fn still_locked(&self) -> Result<()> {
        let mut lock = self.lock.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        lock.as_mut().map_or(Ok(()), pg::lock::Guard::still_held)
    }

    /// Connects to the ledger's database.
    ///
    /// # Errors
    /// Class Config or Database.
    pub fn connect(&self) -> Result<postgres::Client> {
        self.target()?.connect(&self.pg_options()?)
    }
}

/// Free text passes the scrubber; ids, paths and data are what they are.
fn scrubbed(mut body: Body) -> Body {
    let scrub = |text: &mut String| {
        if let std::borrow::Cow::Owned(clean) = redact::scrub(text) {
            *text = clean;
        }
    };
    let maybe = |text: &mut Option<String>| text.iter_mut().for_each(scrub);
    let word = |scalar: &mut Scalar| {
        if let Scalar::Text(text) = scalar {
            scrub(text);
        }
    };
    match &mut body {
        Body::Check(check) => {
            scrub(&mut check.summary);
            maybe(&mut check.hint);
            check.evidence.iter_mut().for_each(scrub);
            check.value.iter_mut().chain(check.metrics.values_mut()).chain(check.labels.values_mut()).for_each(word);
        }
        Body::Step(step) => {
            scrub(&mut step.summary);
            step.metrics.values_mut().chain(step.labels.values_mut()).for_each(word);
            maybe(&mut step.reason);
            maybe(&mut step.hint);
        }
        Body::Alert(alert) => {
            scrub(&mut alert.summary);
            maybe(&mut alert.reason);
            maybe(&mut alert.hint);
            maybe(&mut alert.payload);
        }
        Body::End(end) => {
            scrub(&mut end.summary);
            end.metrics.values_mut().chain(end.labels.values_mut()).for_each(word);
            maybe(&mut end.reason);
            maybe(&mut end.hint);
        }
        Body::Start(_) | Body::Statement(_) => {}
    }
    body
}

/// The command line of a tool, with the exit codes in its help.
pub fn command<T: Tool>() -> clap::Command {
    let codes: Vec<String> = TABLE.iter().map(|(code, meaning)| format!("  {code:>3}  {meaning}")).collect();
    // The last of a repeated flag wins, so that a wrapper's flags can be appended to.
    T::command().args_override_self(true).version(env!("CARGO_PKG_VERSION")).after_help(format!("Exit codes:\n{}", codes.join("\n")))
}

/// The whole of a tool's `main`: parses the command line, runs the stage on the real streams.
pub fn main<T: Tool>() -> ExitCode {
    let parsed = command::<T>().try_get_matches().and_then(|matches| T::from_arg_matches(&matches));
    let tool = match parsed {
        Ok(tool) => tool,
        Err(error) => {
            // Help and version were asked for; everything else is wrong usage, for which clap's own 2 means a database error here.
            // A connection string given by mistake would be quoted with its password.
            let said = error.to_string();
            let clean = pg::without_password(&said);
            let _ = if clean == said { error.print() } else { std::io::stderr().write_all(clean.as_bytes()) };
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    crate::people::log_to_stderr(T::NAME, tool.common().verbose);
    let exit = match Cancel::on_signals() {
        Ok(cancel) => run(tool, Io::process(), cancel),
        Err(failure) => say(&failure),
    };
    ExitCode::from(exit.0)
}

/// Tells a person of a failure; gives its exit code.
fn say(failure: &Failure) -> Exit {
    log::error!("{}", failure.for_people());
    failure.class.exit()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
