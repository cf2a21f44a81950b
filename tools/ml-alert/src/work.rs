//! ml-alert with rules: records into the engine as they come, notifications out at the end, and now and then while a watch goes on.

use crate::act;
use crate::cli::Cli;
use crate::deliver::{self, Delivered};
use crate::engine::state::{MAX_OUTBOX, State, VERSION};
use crate::engine::{Engine, Place};
use crate::rules::Rules;
use crate::sinks::{Kind, Ping, Sink};
use crate::spool::Spool;
use jiff::{SignedDuration, Timestamp};
use ml_common::exit::Exit;
use ml_common::people::counted;
use ml_common::record::{Body, Check, End, Head, Record, VERSION as RECORD_VERSION, timestamp};
use ml_common::settings::Settings;
use ml_common::{Class, Done, Failure, Result, Stage, Status, Tool};
use ml_watch::conf;
use ml_watch::state::StateFile;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// While a watch goes on, so often it is seen what is due.
const BEAT: Duration = Duration::from_secs(1);

/// A record of the last so many seconds is of a watch that goes on; an older one is history.
const LIVE: SignedDuration = SignedDuration::from_secs(300);

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

/// Sinks that are told nothing, and why: all of them where ALERT_ENABLED says so; those that lack a variable while there
/// is another one.
fn silent(rules: &Rules, settings: &Settings) -> Result<BTreeMap<String, String>> {
    let off = is_off(settings)?;
    let unset = |sink: &Sink| matches!(sink.kind, Kind::Unset(_));
    let another = rules.sinks.values().any(|sink| sink.takes_notifications() && !unset(sink));
    let why = |sink: &Sink| match sink {
        _ if off => Some("ALERT_ENABLED is not true".to_owned()),
        sink if unset(sink) && another => Some(sink.shown()),
        _ => None,
    };
    Ok(rules.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), why(sink)?))).collect())
}

/// Rules and sinks alone are enough; who writes ALERT_ENABLED=false wants nobody to be told.
fn is_off(settings: &Settings) -> Result<bool> {
    Ok(settings.is_set("ALERT_ENABLED") && !settings.switch("ALERT_ENABLED")?)
}

/// At work with rules.
pub struct Work {
    rules: Arc<Rules>,
    engine: Engine,
    /// None while another run holds it.
    file: Option<StateFile<State>>,
    spool: Spool,
    /// Sinks that are told nothing, and why.
    silent: BTreeMap<String, String>,
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
        if !rules.sinks.values().any(Sink::takes_notifications) {
            return Err(Failure::new(Class::Config, "there are rules and no sink: nothing could be told")
                .hint("uncomment or write a [sink.NAME] in the rules (docs/alerts.md), or unset ALERT_RULES"));
        }
        let (path, silent) = (state_path(stage), silent(&rules, &stage.settings)?);
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
        let (mut engine, mut spool) = (Engine::new(Arc::clone(&rules), state), Spool::beside(&path));
        if file.is_some() {
            // What others have seen before is judged before.
            spool.take(&mut engine, stage)?;
        }
        Ok(Work { engine, rules, file, spool, silent, dispatched: Instant::now(), heard: false })
    }

    /// Takes a record.
    ///
    /// # Errors
    /// As [`Work::dispatch`].
    pub fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        self.take(record);
        if self.file.is_some() && !self.heard && !stage.dry_run {
            deliver::ping(stage, &self.rules.sinks, Ping::Start, &format!("run {} begins", stage.run));
        }
        self.heard = true;
        if self.file.is_none() || self.dispatched.elapsed() < BEAT || stage.dry_run {
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
        if !stage.dry_run && !is_off(&stage.settings)? {
            act::deliver_old(stage)?;
        }
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

    /// What only the end of the input shows: tools that died, those that took no part, an input without records or with other things.
    fn ends(&mut self, stage: &Stage, missing: &[&str], now: Timestamp) {
        let verdict = &stage.verdict;
        let head = |tool: &str, status| Head {
            v: RECORD_VERSION,
            tool: tool.to_owned(),
            stage: stage.name.clone(),
            system: verdict.system.clone().unwrap_or_else(|| stage.system.clone()),
            run: verdict.run.clone().unwrap_or_else(|| stage.run.clone()),
            ts: timestamp(now),
            host: stage.host().to_owned(),
            status,
        };
        let died = verdict.died().map(|stage| (stage.tool.as_str(), "died", "it began and never ended"));
        let missing = missing.iter().map(|tool| (*tool, "missing", "it took no part in the run"));
        let mut records: Vec<Record> = died
            .chain(missing)
            .map(|(tool, class, summary)| {
                let end = End {
                    exit: 70,
                    summary: summary.into(),
                    error_class: Some(class.into()),
                    hint: Some("see the log of the run".into()),
                    ..End::default()
                };
                Record { head: head(tool, Status::Crit), body: Body::End(end) }
            })
            .collect();
        // What this stage has found out about its input goes by its own stream only.
        let own = verdict.findings.iter().filter(|finding| finding.stage == stage.name);
        records.extend(own.map(|finding| Record { head: head(Cli::NAME, finding.status), body: Body::Check(finding.check.clone()) }));
        let is_own = |id: &str| matches!(id, "upstream-silent" | "input" | "input.more");
        let found: Vec<&str> = verdict.findings.iter().map(|finding| finding.check.id.as_str()).collect();
        let over = self.engine.state.alerts.values().map(|alert| alert.id.as_str()).filter(|id| is_own(id) && !found.contains(id));
        let over: BTreeSet<String> = over.filter(|_| verdict.records > 0).map(str::to_owned).collect();
        records.extend(
            over.into_iter().map(|id| Record { head: head(Cli::NAME, Status::Ok), body: Body::Check(Check { id, ..Check::default() }) }),
        );
        for record in &records {
            self.take(record);
        }
    }

    /// Judges a record, or keeps it for whoever holds the state.
    fn take(&mut self, record: &Record) {
        match self.file {
            Some(_) => self.engine.record(record),
            None => self.spool.keep(record),
        }
    }

    /// Makes what is due and sends what waits.
    fn dispatch(&mut self, stage: &Stage, now: Timestamp, last: bool, log: Option<&str>) -> Result<(usize, Delivered)> {
        self.spool.take(&mut self.engine, stage)?;
        self.engine.tick(now);
        let made = self.engine.due(now, last, &Place { host: stage.host(), log });
        if stage.dry_run {
            made.iter().for_each(|told| deliver::plan(stage, &self.rules.sinks, told));
            return Ok((made.len(), Delivered::default()));
        }
        for told in &made {
            if let Some(reason) = self.silent.get(&told.sink) {
                deliver::suppress(stage, &self.rules.sinks, told, reason);
            }
        }
        self.engine.state.outbox.retain(|entry| !self.silent.contains_key(&entry.notification.sink));
        self.give_up(stage);
        let Some(file) = &mut self.file else { return Ok((made.len(), Delivered::default())) };
        std::mem::swap(&mut file.value, &mut self.engine.state);
        // Kept before the first attempt, whatever happens then.
        let kept = file.save();
        if kept.is_ok() {
            self.spool.forget();
        }
        // A disk that is full is no reason to be silent: the next run knows nothing of it and tells it again.
        let delivered = deliver::outbox(stage, &self.rules.sinks, file, last);
        std::mem::swap(&mut file.value, &mut self.engine.state);
        let delivered = delivered?;
        kept.map(|()| (made.len(), delivered))
    }

    /// What nobody takes for ever does not fill the disk.
    fn give_up(&mut self, stage: &Stage) {
        let outbox = &mut self.engine.state.outbox;
        let oldest = outbox.len().saturating_sub(MAX_OUTBOX);
        if let Some(sink) = outbox.drain(..oldest).next_back().map(|entry| entry.notification.sink) {
            let summary = format!("{} given up, as more than {MAX_OUTBOX} wait, the last for {sink}", counted(oldest, "notification"));
            let hint = Some("ml-alert list shows why they wait; correct the sink, or take it out of the rules".into());
            stage.check(Status::Warn, Check { id: "outbox".into(), summary, hint, ..Check::default() });
        }
    }

    /// Another run holds the state: it takes in what this one has seen.
    fn leave(&self, stage: &Stage, exit: Exit) -> Result<Done> {
        let left = if stage.dry_run { self.spool.len() } else { self.spool.leave(&stage.name)? };
        let summary = format!("another run holds the state; {} left for it", counted(left, "record"));
        Ok(Done { exit, ..Done::ok(summary) })
    }
}
