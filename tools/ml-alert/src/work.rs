//! ml-alert with rules: records into the engine as they come, notifications out at the end, and now and then while a watch goes on.

use crate::cli::Cli;
use crate::deliver::{self, Delivered};
use crate::engine::state::{State, VERSION};
use crate::engine::{Engine, Place, Seen};
use crate::rules::Rules;
use crate::sinks::Ping;
use jiff::{SignedDuration, Timestamp};
use ml_common::exit::Exit;
use ml_common::files::NewFile;
use ml_common::people::counted;
use ml_common::reader::{Item, Reader};
use ml_common::record::{Body, Check, Record};
use ml_common::{Class, Done, Failure, Result, Stage, Status};
use ml_watch::conf;
use ml_watch::state::StateFile;
use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// While a watch goes on, so often it is seen what is due.
const BEAT: Duration = Duration::from_secs(1);

/// A record of the last so many seconds is of a watch that goes on; an older one is history.
const LIVE: SignedDuration = SignedDuration::from_secs(300);

/// Of what could not be judged now, so many records are kept for whoever holds the state.
const SPOOLED: usize = 50_000;

/// Where the rules are: those of the call, else of the settings and of the profile.
///
/// # Errors
/// Class Config when the profile is not there.
pub fn rule_files(cli: &Cli, stage: &Stage) -> Result<Vec<PathBuf>> {
    if !cli.rules.is_empty() {
        return Ok(cli.rules.clone());
    }
    let general = stage.settings.get("ALERT_RULES").map(|_| stage.settings.path("ALERT_RULES"));
    let profile = conf::profile_path(cli.profile.as_deref(), &stage.settings)?;
    // Only a profile that has rules changes what is told.
    let profile = profile.filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("[[rule]]")));
    Ok(general.into_iter().chain(profile).collect())
}

/// Where the state of a system is.
pub fn state_path(stage: &Stage) -> PathBuf {
    let system: String = stage.system.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    stage.settings.path("STATE_DIR").join(format!("alerts-{system}.json"))
}

/// At work with rules.
pub struct Work {
    rules: Arc<Rules>,
    engine: Engine,
    /// None while another run holds it.
    file: Option<StateFile<State>>,
    /// What is left for whoever holds the state.
    spool: Vec<String>,
    dispatched: Instant,
    /// A record has come.
    heard: bool,
}

impl Work {
    /// With these rules; the state is held from here on.
    ///
    /// # Errors
    /// Class Config for rules or a state that cannot be read, Storage.
    pub fn begin(files: &[PathBuf], stage: &Stage) -> Result<Work> {
        let rules = Arc::new(Rules::read(files, &stage.settings)?);
        let path = state_path(stage);
        let open = if stage.dry_run { StateFile::look(&path, VERSION) } else { StateFile::open(&path, VERSION) };
        let mut file = match open {
            Ok(file) => Some(file),
            Err(failure) if failure.class == Class::Locked => None,
            Err(failure) => return Err(failure),
        };
        if let Some(failure) = file.as_ref().and_then(StateFile::warning) {
            let check = Check { id: "state".into(), summary: failure.message.clone(), hint: failure.hint.clone(), ..Check::default() };
            stage.check(Status::Warn, check);
        }
        let state = file.as_mut().map(|file| std::mem::take(&mut file.value)).unwrap_or_default();
        Ok(Work {
            engine: Engine::new(Arc::clone(&rules), state),
            rules,
            file,
            spool: Vec::new(),
            dispatched: Instant::now(),
            heard: false,
        })
    }

    /// Takes a record.
    ///
    /// # Errors
    /// As [`Work::dispatch`].
    pub fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        if self.file.is_none() {
            if self.spool.len() < SPOOLED && matches!(record.body, Body::Check(_) | Body::Step(_) | Body::End(_)) {
                self.spool.push(record.to_line());
            }
            return Ok(());
        }
        if !self.heard && !stage.dry_run {
            deliver::ping(stage, &self.rules.sinks, Ping::Start, &format!("run {} begins", stage.run));
        }
        self.heard = true;
        self.engine.record(record);
        if self.dispatched.elapsed() < BEAT || stage.dry_run {
            return Ok(());
        }
        self.dispatched = Instant::now();
        let live = self.engine.state.now.filter(|at| Timestamp::now().duration_since(*at).abs() < LIVE);
        match live {
            Some(now) => self.dispatch(stage, now, false, None).map(drop),
            None => Ok(()),
        }
    }

    /// Everything was read: the ends of the night, what is due, what waits.
    ///
    /// # Errors
    /// Class Storage when the state cannot be written, and a signal.
    pub fn end(mut self, cli: &Cli, stage: &Stage) -> Result<Done> {
        let missing = stage.verdict.missing(&cli.expect);
        let now = self.engine.state.now.unwrap_or_else(Timestamp::now);
        self.ends(stage, &missing, now);
        let exit = if missing.is_empty() { Exit::OK } else { Exit::DIED };
        let log = cli.log.clone().or_else(|| stage.env("ML_LOG"));
        if self.file.is_none() {
            return self.leave(stage, exit);
        }
        // A clock of records that stand still would never see an absence.
        let now = if cli.tick { Timestamp::now() } else { now };
        let (made, delivered) = self.dispatch(stage, now, true, log.as_deref())?;
        let mut told = vec![format!("{} made", counted(made, "notification"))];
        if stage.dry_run {
            told.push("nothing sent, this is a dry run".into());
        } else {
            told.push(format!("{} sent", delivered.sent));
        }
        let waiting = deliver::waiting(&self.engine.state.outbox);
        if waiting > 0 {
            told.push(format!("{waiting} waiting"));
        }
        if self.heard && !stage.dry_run {
            let complete = missing.is_empty() && stage.verdict.died().next().is_none();
            deliver::ping(stage, &self.rules.sinks, Ping::at_end(complete, waiting == 0), &told.join(", "));
        }
        let mut done = Done { exit, status: (exit != Exit::OK).then_some(Status::Crit), ..Done::ok(told.join(", ")) };
        done = done.metric("sent", delivered.sent).metric("waiting", waiting).metric("firing", self.firing());
        if delivered.held + delivered.refused > 0 {
            let failure = Failure::new(
                Class::Network,
                format!("{} not delivered; {}", counted(delivered.held + delivered.refused, "notification"), told.join(", ")),
            );
            return Err(failure.hint("they are in the state and go out with the next call; ml-alert list shows why"));
        }
        Ok(done)
    }

    fn firing(&self) -> usize {
        self.engine.state.alerts.values().filter(|alert| alert.firing.is_some()).count()
    }

    /// What only the end of the input shows: tools that died, and those that took no part.
    fn ends(&mut self, stage: &Stage, missing: &[&str], now: Timestamp) {
        let system = stage.verdict.system.clone().unwrap_or_else(|| stage.system.clone());
        let run = stage.verdict.run.clone().unwrap_or_else(|| stage.run.clone());
        let died: Vec<(String, &str)> = stage.verdict.died().map(|stage| (stage.tool.clone(), "it began and never ended")).collect();
        let missing = missing.iter().map(|tool| ((*tool).to_owned(), "it took no part in the run"));
        for (tool, summary) in died.into_iter().chain(missing) {
            let seen = Seen {
                system: &system,
                run: &run,
                host: stage.host(),
                tool: &tool,
                id: Cow::Owned(format!("tool.{tool}")),
                at: now,
                status: Status::Crit,
                summary,
                hint: Some("see the log of the run"),
                number: None,
                unit: None,
                limits: [None, None],
                maps: [None, None],
                rows: &[],
            };
            self.engine.see(&seen);
        }
    }

    /// Makes what is due and sends what waits.
    fn dispatch(&mut self, stage: &Stage, now: Timestamp, last: bool, log: Option<&str>) -> Result<(usize, Delivered)> {
        let spooled = self.take_spool(stage)?;
        self.engine.tick(now);
        let made = self.engine.due(now, last, &Place { host: stage.host(), log });
        if stage.dry_run {
            made.iter().for_each(|told| deliver::plan(stage, &self.rules.sinks, told));
            return Ok((made.len(), Delivered::default()));
        }
        let Some(file) = &mut self.file else { return Ok((made.len(), Delivered::default())) };
        std::mem::swap(&mut file.value, &mut self.engine.state);
        // Kept before the first attempt, whatever happens then.
        let kept = file.save();
        for path in spooled.iter().filter(|_| kept.is_ok()) {
            let _ = std::fs::remove_file(path);
        }
        let delivered = kept.and_then(|()| deliver::outbox(stage, &self.rules.sinks, file, last));
        std::mem::swap(&mut file.value, &mut self.engine.state);
        delivered.map(|delivered| (made.len(), delivered))
    }

    /// Another run holds the state: it takes in what this one has seen.
    fn leave(self, stage: &Stage, exit: Exit) -> Result<Done> {
        let folder = spool_folder(&state_path(stage));
        let path = folder.join(format!("{}.jsonl", stage.name));
        if !stage.dry_run && !self.spool.is_empty() {
            let mut file = NewFile::create(&path)?;
            for line in &self.spool {
                writeln!(file, "{line}").map_err(|error| ml_common::files::storage(&error, &path, "cannot write"))?;
            }
            file.publish()?;
        }
        let summary = format!("another run holds the state; {} left for it", counted(self.spool.len(), "record"));
        Ok(Done { exit, ..Done::ok(summary) })
    }

    /// Takes in what other runs have left; gives their files.
    fn take_spool(&mut self, stage: &Stage) -> Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(spool_folder(&state_path(stage))).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "jsonl")).collect();
        paths.sort();
        let mut taken = Vec::new();
        for path in paths {
            let Ok(file) = std::fs::File::open(&path) else { continue };
            for item in Reader::new(file) {
                stage.cancel.check()?;
                if let Item::Record { record, .. } = item {
                    self.engine.record(&record);
                }
            }
            taken.push(path);
        }
        Ok(taken)
    }
}

fn spool_folder(state: &Path) -> PathBuf {
    state.with_extension("spool")
}
