//! ml-alert at work: records into the engine as they come, notifications out at the end, and now and then while a watch goes on. Where each run is
//! judged by itself, all of that at its end.

mod each_run;
mod places;

pub use places::{rule_files, state_path};

use crate::builtin;
use crate::cli::Cli;
use crate::deliver::{self, Delivered, Sinks, Store};
use crate::engine::state::{Alerts, Entry, MAX_OUTBOX, State, VERSION};
use crate::engine::{self, Engine, Place};
use crate::notification::Notification;
use crate::outbox::Old;
use crate::plan;
use crate::rules::Rules;
use crate::sinks::{Kind, Ping, Sink};
use crate::spool::Spool;
use jiff::{SignedDuration, Timestamp};
use ml_common::exit::Exit;
use ml_common::people::counted;
use ml_common::record::{Body, Check, Head, Record, VERSION as RECORD_VERSION, timestamp};
use ml_common::{Class, Done, Failure, Result, Stage, Status, Tool};
use ml_watch::state::StateFile;
use places::{is_off, silent};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// While a watch goes on, so often it is seen what is due.
const BEAT: Duration = Duration::from_secs(1);

/// A record of the last so many seconds is of a watch that goes on; an older one is history.
const LIVE: SignedDuration = SignedDuration::from_secs(300);

/// At work.
pub struct Work {
    rules: Arc<Rules>,
    engine: Engine,
    /// None while another run holds it, and before a run is judged that is judged by itself.
    store: Option<Box<dyn Store>>,
    /// Why there is only memory where a file should be.
    trouble: Option<Failure>,
    spool: Spool,
    old: Old,
    /// Those of the rules, and ALERT_WEBHOOK for what waits for it.
    sinks: Sinks,
    /// Nobody is to be told.
    off: bool,
    /// Sinks that are told nothing, and why.
    silent: BTreeMap<String, String>,
    dispatched: Instant,
    /// A record has come.
    heard: bool,
    /// What was made and sent while the watch went on.
    earlier: (usize, usize),
}

impl Work {
    /// With these rules; the state is held from here on, unless each run is judged by itself.
    ///
    /// # Errors
    /// Class Config for rules that cannot be read.
    pub fn begin(files: &[PathBuf], stage: &Stage) -> Result<Work> {
        let rules = Arc::new(Rules::read(files, &stage.settings)?);
        if !rules.sinks.values().any(Sink::takes_notifications) {
            return Err(Failure::new(Class::Config, "there are rules and no sink: nothing could be told")
                .hint("uncomment or write a [sink.NAME] in the rules (docs/alerts.md), or unset ALERT_RULES"));
        }
        let (path, off) = (state_path(stage), is_off(&rules, &stage.settings)?);
        let mut work = Work {
            engine: Engine::new(Arc::clone(&rules), State::default()),
            store: None,
            trouble: None,
            spool: Spool::beside(&path),
            old: Old::of(stage),
            sinks: rules.sinks.clone(),
            off,
            silent: silent(&rules, off),
            dispatched: Instant::now(),
            heard: false,
            earlier: (0, 0),
            rules,
        };
        if !work.rules.each_run {
            let open = if stage.dry_run { StateFile::look(&path, VERSION) } else { StateFile::open(&path, VERSION) };
            match open {
                Ok(file) => work.remember(file, stage)?,
                Err(failure) if failure.class == Class::Locked => {}
                // What is alarming is told all the same; how the call ends says that nothing can be remembered.
                Err(failure) => {
                    work.store = Some(Box::new(State::default()));
                    work.trouble = Some(failure);
                }
            }
        }
        Ok(work)
    }

    /// Goes on from a state.
    fn remember(&mut self, mut file: StateFile<State>, stage: &Stage) -> Result<()> {
        tell_damage(&file, stage);
        self.go_on(std::mem::take(&mut file.value));
        self.store = Some(Box::new(file));
        // What others have seen before is judged before.
        self.spool.take(&mut self.engine, stage)
    }

    /// Takes up what was remembered; of what fired before, nothing where each run is judged by itself.
    fn go_on(&mut self, mut state: State) {
        if self.rules.each_run {
            state = State { alerts: Alerts::default(), groups: BTreeMap::new(), crowded_out: 0, ..state };
        }
        self.engine = Engine::new(Arc::clone(&self.rules), state);
    }

    /// Takes a record.
    ///
    /// # Errors
    /// As [`Work::dispatch`].
    pub fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        if !self.rules.each_run {
            self.take(record);
        }
        if !self.heard && !stage.dry_run && (self.store.is_some() || self.rules.each_run) {
            deliver::ping(stage, &self.rules.sinks, Ping::Start, &format!("run {} begins", stage.run));
        }
        self.heard = true;
        if self.store.is_none() || self.dispatched.elapsed() < BEAT || stage.dry_run {
            return Ok(());
        }
        self.dispatched = Instant::now();
        let live = self.engine.state.now.filter(|at| Timestamp::now().duration_since(*at).abs() < LIVE);
        let Some(now) = live else { return Ok(()) };
        let (made, delivered) = self.dispatch(stage, now, false, None)?;
        self.earlier = (self.earlier.0 + made.len(), self.earlier.1 + delivered.sent);
        noted(delivered.unsaved)
    }

    /// Everything was read: the ends of the night, what is due, what waits.
    ///
    /// # Errors
    /// Class Storage when the state cannot be written, Network or Config when something could not be told, and a signal.
    pub fn end(mut self, cli: &Cli, stage: &Stage) -> Result<Done> {
        let missing = stage.verdict.missing(&cli.expect);
        let exit = if missing.is_empty() { Exit::OK } else { Exit::DIED };
        let log = cli.log.clone().or_else(|| stage.env("ML_LOG"));
        let each_run = self.rules.each_run;
        // A clock of records that stand still would never see an absence; a run that is over is judged now.
        let now = self.engine.state.now.filter(|_| !cli.tick && !each_run).unwrap_or_else(Timestamp::now);
        let bad = if each_run { self.judge(stage, &missing, now)? } else { Vec::new() };
        if !each_run {
            self.ends(stage, &missing, self.engine.state.now.unwrap_or(now));
        }
        if self.store.is_none() {
            return self.leave(stage, exit);
        }
        let (made, delivered) = self.dispatch(stage, now, true, log.as_deref())?;
        let (waiting, firing) = (deliver::waiting(&self.engine.state.outbox), self.firing());
        let (total, sent) = (self.earlier.0 + made.len(), self.earlier.1 + delivered.sent);
        let told = if each_run { self.sentence(stage, !bad.is_empty(), &made, &delivered) } else { summary(stage, total, sent, waiting) };
        if self.heard && !stage.dry_run {
            let complete = missing.is_empty() && stage.verdict.died().next().is_none();
            deliver::ping(stage, &self.rules.sinks, Ping::at_end(complete, waiting == 0), &told);
        }
        let trouble = self.trouble.take().or_else(|| noted(delivered.unsaved).err());
        if delivered.held + delivered.refused > 0 {
            let count = counted(delivered.held + delivered.refused, "notification");
            let why = delivered.why.unwrap_or_else(|| Failure::new(Class::Network, told.clone()));
            let kept = match &trouble {
                None => "kept for the next call (ml-alert list)".to_owned(),
                Some(busy) if busy.class == Class::Locked => {
                    bad.iter().for_each(|record| self.spool.keep(record));
                    format!("{} left for the run that holds the state", counted(self.spool.leave(&stage.name)?, "record"))
                }
                Some(failure) => format!("not kept either: {}", failure.message),
            };
            return Err(why.context(format!("{count} not delivered, {kept}")));
        }
        match trouble {
            // What all were told has not to be remembered.
            Some(failure) if each_run && failure.class == Class::Storage => {
                let check = Check { id: "state".into(), summary: failure.message, hint: failure.hint, ..Check::default() };
                stage.check(Status::Warn, check);
            }
            Some(failure) if each_run && failure.class == Class::Locked => {}
            Some(failure) => return Err(failure.context(format!("{told}, and nothing is remembered"))),
            None => {}
        }
        let done = Done { exit, status: (exit != Exit::OK).then_some(Status::Crit), ..Done::ok(told) };
        Ok(done.metric("sent", sent).metric("waiting", waiting).metric("firing", firing))
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
        let died = verdict.died().map(|stage| (stage.tool.as_str(), "died", plan::died(stage).0));
        let missing = missing.iter().map(|tool| (*tool, "missing", plan::MISSING.to_owned()));
        let mut records: Vec<Record> =
            died.chain(missing).map(|(tool, class, summary)| plan::end(head(tool, Status::Crit), class, summary)).collect();
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
        match self.store {
            // Nothing has a time yet: it counts as of now.
            Some(_) if !self.engine.take(record) => {
                let head = Head { ts: timestamp(Timestamp::now()), ..record.head.clone() };
                self.engine.record(&Record { head, body: record.body.clone() });
            }
            Some(_) => {}
            None => self.spool.keep(record),
        }
    }

    /// Makes what is due and sends what waits.
    fn dispatch(&mut self, stage: &Stage, now: Timestamp, last: bool, log: Option<&str>) -> Result<(Vec<Notification>, Delivered)> {
        let each_run = self.rules.each_run;
        if !each_run {
            self.spool.take(&mut self.engine, stage)?;
        }
        self.engine.tick(now);
        let made = self.engine.due(now, last, &Place { host: stage.host(), log });
        if each_run {
            // The next run tells all that is bad again.
            self.engine.state.groups.clear();
            let told: Vec<String> = self.engine.state.alerts.busy().map(|(name, _)| name.clone()).collect();
            told.iter().for_each(|name| self.engine.state.alerts.with(name, |alert| alert.told = None));
        }
        if stage.dry_run {
            self.planned();
            made.iter().for_each(|told| deliver::plan(stage, &self.sinks, told));
            return Ok((made, Delivered::default()));
        }
        for told in &made {
            if let Some(reason) = self.silent.get(&told.sink) {
                deliver::suppress(stage, &self.rules.sinks, told, reason);
            }
        }
        if last {
            self.untold();
        }
        // What waits since before nobody was to be told waits on.
        let (silent, off, new) = (&self.silent, self.off, made.iter().map(|told| told.key.as_str()).collect::<BTreeSet<_>>());
        let stays = |told: &Notification| !silent.contains_key(&told.sink) || (off && !new.contains(told.key.as_str()));
        self.engine.state.outbox.retain(|entry| stays(&entry.notification));
        if off && each_run {
            return Ok((made, Delivered::default()));
        }
        if last && !off && self.trouble.is_none() {
            self.take_over(stage)?;
        }
        self.give_up(stage, last);
        let Some(store) = &mut self.store else { return Ok((made, Delivered::default())) };
        std::mem::swap(store.state(), &mut self.engine.state);
        // Kept before the first attempt, whatever happens then.
        let kept = store.save();
        if kept.is_ok() && self.trouble.is_none() {
            self.spool.forget();
            self.old.forget();
        }
        // A disk that is full is no reason to be silent: the next run knows nothing of it and tells it again.
        let delivered = if off { Ok(Delivered::default()) } else { deliver::outbox(stage, &self.sinks, store.as_mut(), last) };
        std::mem::swap(store.state(), &mut self.engine.state);
        let mut delivered = delivered?;
        delivered.unsaved = delivered.unsaved.or(kept.err());
        Ok((made, delivered))
    }

    /// A sink that is told nothing knows of nothing: once it is told again, it begins with what fires then.
    fn untold(&mut self) {
        let (silent, state) = (&self.silent, &mut self.engine.state);
        let before = state.groups.len();
        state.groups.retain(|key, _| !silent.contains_key(engine::sink_of(key)));
        if state.groups.len() == before {
            return;
        }
        let told: BTreeSet<&String> = state.groups.values().flat_map(|group| &group.told).collect();
        let untold = state.alerts.busy().filter(|(name, alert)| alert.told.is_some() && !told.contains(name));
        for name in untold.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            state.alerts.with(&name, |alert| alert.told = None);
        }
    }

    /// What had to wait before there was a state, or for ALERT_WEBHOOK before there were rules, goes there; where there is no such address any
    /// more, to the first sink of the rules.
    fn take_over(&mut self, stage: &Stage) -> Result<()> {
        let name = builtin::SINK;
        let waits = |entry: &Entry| !entry.refused && entry.notification.sink == name;
        if !self.old.is_there() && (self.sinks.contains_key(name) || !self.engine.state.outbox.iter().any(waits)) {
            return Ok(());
        }
        let set = |sink: &Sink| sink.takes_notifications() && !matches!(sink.kind, Kind::Unset(_));
        if !self.sinks.contains_key(name) {
            let webhook = Rules::read(&[], &stage.settings)?.sinks.remove(name).filter(set);
            self.sinks.extend(webhook.map(|sink| (name.to_owned(), sink)));
        }
        let to = if self.sinks.contains_key(name) { None } else { self.sinks.values().find(|sink| set(sink)) };
        let to = to.map_or(name, |sink| &sink.name);
        self.old.take(stage, to, &mut self.engine.state.outbox);
        for entry in self.engine.state.outbox.iter_mut().filter(|entry| waits(entry)) {
            entry.notification.sink = to.to_owned();
        }
        Ok(())
    }

    /// What nobody takes for ever does not fill the disk, and what is for a sink that went out of the rules waits for nobody: what still fires is
    /// told anew where it comes back. A call without rules knows no sinks and gives nothing up for that.
    fn give_up(&mut self, stage: &Stage, last: bool) {
        let outbox = &mut self.engine.state.outbox;
        let warn = |summary: String, hint: &str| {
            stage.check(Status::Warn, Check { id: "outbox".into(), summary, hint: Some(hint.into()), ..Check::default() });
        };
        let sinks = &self.sinks;
        let knows = last && !self.off && !self.rules.are_builtin();
        let is_gone = |entry: &Entry| {
            // What waits for ALERT_WEBHOOK goes on waiting for it.
            knows && entry.notification.sink != builtin::SINK && !sinks.contains_key(&entry.notification.sink)
        };
        let gone: Vec<String> = outbox.iter().filter(|entry| is_gone(entry)).map(|entry| entry.notification.sink.clone()).collect();
        if let Some(sink) = gone.last() {
            outbox.retain(|entry| !is_gone(entry));
            let summary = format!("{} given up, as there is no sink {sink} in the rules any more", counted(gone.len(), "notification"));
            warn(summary, "what still fires is told by the sinks of the rules; no more is to be done");
        }
        let oldest = outbox.len().saturating_sub(MAX_OUTBOX);
        if let Some(sink) = outbox.drain(..oldest).next_back().map(|entry| entry.notification.sink) {
            let summary = format!("{} given up, as more than {MAX_OUTBOX} wait, the last for {sink}", counted(oldest, "notification"));
            warn(summary, "ml-alert list shows why they wait; correct the sink, or take it out of the rules");
        }
    }

    /// Another run holds the state: it takes in what this one has seen.
    fn leave(&self, stage: &Stage, exit: Exit) -> Result<Done> {
        let left = if stage.dry_run { self.spool.len() } else { self.spool.leave(&stage.name)? };
        let summary = format!("another run holds the state; {} left for it", counted(left, "record"));
        Ok(Done { exit, ..Done::ok(summary) })
    }
}

/// A state that was moved aside is told.
pub fn tell_damage(file: &StateFile<State>, stage: &Stage) {
    if let Some(failure) = file.warning() {
        let check = Check { id: "state".into(), summary: failure.message.clone(), hint: failure.hint.clone(), ..Check::default() };
        stage.check(Status::Warn, check);
    }
}

/// What was delivered has to be on disk, or it is told twice.
fn noted(unsaved: Option<Failure>) -> Result<()> {
    unsaved.map_or(Ok(()), |failure| Err(failure.context("what was delivered could not be written down, and may be told twice")))
}

/// What was done by rules that remember.
fn summary(stage: &Stage, made: usize, sent: usize, waiting: usize) -> String {
    let mut told = vec![format!("{} made", counted(made, "notification"))];
    if stage.dry_run {
        told.push("nothing sent, this is a dry run".into());
    } else {
        told.push(format!("{sent} sent"));
    }
    if waiting > 0 {
        told.push(format!("{waiting} waiting"));
    }
    told.join(", ")
}
