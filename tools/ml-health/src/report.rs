//! Judges what the lanes saw, tells it, and remembers what later runs are to know.

use crate::check::Finding;
use crate::lane::{Outcome, Planned};
use crate::profile::{self, Memory, Profile};
use crate::schedule::Judge;
use crate::{junit, nagios, textfile};
use jiff::Timestamp;
use ml_common::record::{Body, Check, Record};
use ml_common::stage::Output;
use ml_common::{Class, Done, Exit, Failure, Result, Stage, Status};
use ml_watch::state::StateFile;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The version of the state file.
const STATE_VERSION: u64 = 1;
/// A watch saves what it remembers at most so often.
const SAVE_EVERY: Duration = Duration::from_secs(5);

/// What earlier runs remembered, and what this one adds.
pub struct State {
    file: Option<StateFile<Memory>>,
    /// What was wrong with the file that was there.
    trouble: Option<Failure>,
    /// Why nothing can be kept; told once there is something to keep.
    kept_from: Option<Failure>,
    told: bool,
    changed: bool,
    saved: Instant,
}

impl State {
    /// Opens the state of the system. A health check that only looks never fails for want of it: what is wrong is told, and differences are those
    /// to what could be read.
    pub fn open(stage: &Stage, profile: &Profile) -> State {
        let path = stage.settings.path("STATE_DIR").join(format!("health-{}.json", profile.system));
        let look = || StateFile::look(&path, STATE_VERSION);
        let mut state = State { file: None, trouble: None, kept_from: None, told: false, changed: false, saved: Instant::now() };
        let file = if stage.dry_run || !remembers(profile) && !path.exists() {
            look()
        } else {
            StateFile::open_within(&path, STATE_VERSION, Duration::from_millis(200)).or_else(|failure| {
                state.kept_from = Some(failure);
                look()
            })
        };
        match file {
            Ok(file) => {
                state.trouble = file.warning().cloned();
                state.file = Some(file);
            }
            // What a newer program wrote is neither read nor replaced.
            Err(failure) => (state.trouble, state.kept_from) = (Some(failure), None),
        }
        state
    }

    /// What is remembered.
    pub fn memory(&self) -> &Memory {
        static NOTHING: Memory = Memory { views: BTreeMap::new(), checks: BTreeMap::new() };
        self.file.as_ref().map_or(&NOTHING, |file| &file.value)
    }

    /// Why nothing of this run will be known to the next; another run that holds the state remembers for it.
    fn keeps_nothing(&self) -> Option<&Failure> {
        self.kept_from.as_ref().filter(|failure| failure.class != Class::Locked).or(self.trouble.as_ref().filter(|_| self.file.is_none()))
    }

    fn change(&mut self, change: impl FnOnce(&mut Memory)) {
        if let Some(file) = &mut self.file {
            change(&mut file.value);
            self.changed = true;
        }
    }

    /// Whether there was anything to save.
    fn save(&mut self, profile: &Profile) -> Result<bool> {
        if !std::mem::take(&mut self.changed) {
            return Ok(false);
        }
        self.saved = Instant::now();
        if let Some(failure) = &self.kept_from {
            // Told once, and true until the end.
            return if std::mem::replace(&mut self.told, true) { Ok(false) } else { Err(failure.clone()) };
        }
        let Some(file) = &mut self.file else { return Ok(false) };
        file.value.tidy(profile, Timestamp::now());
        file.save().map(|()| true)
    }
}

/// Whether anything of the profile is told from run to run, as far as that is known before.
fn remembers(profile: &Profile) -> bool {
    profile.checks.iter().any(|check| check.trend.is_some() || check.availability.is_some() || !check.remembered().is_empty())
        || profile.probes.iter().any(|probe| probe.pace.is_some() || !matches!(probe.kind.name, "json" | "dns" | "tls"))
}

/// See the module.
pub struct Report<'a> {
    stage: &'a Stage,
    profile: Option<(&'a Profile, State)>,
    /// Each check is told once, in the order of the plan; a watch tells at once.
    in_order: bool,
    next: usize,
    held: BTreeMap<usize, Vec<(Status, Check)>>,
    /// The last records of each check.
    latest: BTreeMap<usize, Vec<Record>>,
    /// What `[check.trend]` adds to the check that is about to be told.
    trend: Option<Finding>,
    textfile: Option<&'a Path>,
    /// Records since the textfile was written.
    unwritten: bool,
    trouble: Option<Failure>,
    save_failed: bool,
}

impl<'a> Report<'a> {
    /// Nothing told yet, but what is wrong with the state.
    pub fn new(stage: &'a Stage, profile: Option<(&'a Profile, State)>, in_order: bool, textfile: Option<&'a Path>) -> Report<'a> {
        let mut report = Report {
            stage,
            profile,
            in_order,
            next: 0,
            held: BTreeMap::new(),
            latest: BTreeMap::new(),
            trend: None,
            textfile: textfile.filter(|_| !stage.dry_run),
            unwritten: false,
            trouble: None,
            save_failed: false,
        };
        let trouble = report.profile.as_ref().and_then(|(_, state)| state.trouble.clone());
        if let Some(failure) = trouble {
            report.state_trouble(&failure);
        }
        report
    }

    /// Another run at the same time is nobody's fault; all else is a warning.
    fn state_trouble(&mut self, failure: &Failure) {
        let status = if failure.class == Class::Locked { Status::Skipped } else { Status::Warn };
        let message =
            if status == Status::Skipped { format!("{}; this one remembers nothing", failure.message) } else { failure.message.clone() };
        let class = Some(failure.class.name().to_owned());
        let check = Check { id: "state".into(), summary: message, hint: failure.hint.clone(), error_class: class, ..Check::default() };
        let record = self.stage.emit(status, Body::Check(check));
        // It stands before all others, and is the worst that there was.
        self.latest.insert(usize::MAX, vec![record]);
    }

    fn emit(&mut self, place: usize, checks: Vec<(Status, Check)>) {
        let records = checks.into_iter().map(|(status, check)| self.stage.emit(status, Body::Check(check))).collect();
        self.latest.insert(place, records);
        self.unwritten = true;
    }

    /// What is left to do at the end: the state and the textfile.
    ///
    /// # Errors
    /// Class Storage when the textfile cannot be written; the state's trouble is told as a check.
    pub fn finish(&mut self) -> Result<()> {
        let left = std::mem::take(&mut self.held);
        for (place, checks) in left {
            self.emit(place, checks);
        }
        self.save();
        self.write_textfile();
        self.trouble.take().map_or(Ok(()), Err)
    }

    fn save(&mut self) {
        let Some((profile, state)) = &mut self.profile else { return };
        match state.save(profile) {
            Err(failure) => {
                self.save_failed = true;
                self.state_trouble(&failure);
            }
            Ok(true) if std::mem::take(&mut self.save_failed) => {
                let check = Check { id: "state".into(), summary: "what was seen is remembered again".into(), ..Check::default() };
                let record = self.stage.emit(Status::Ok, Body::Check(check));
                self.latest.insert(usize::MAX, vec![record]);
            }
            Ok(_) => {}
        }
    }

    fn write_textfile(&mut self) {
        if let Some(path) = self.textfile
            && std::mem::take(&mut self.unwritten)
        {
            let trouble = textfile::write(path, &textfile::page(self.records())).err();
            let before = std::mem::replace(&mut self.trouble, trouble);
            // How the call ends says it, too: a watch may go on for months before.
            if let Some(failure) = self.trouble.as_ref().filter(|_| before.is_none()) {
                let class = Some(failure.class.name().to_owned());
                let (summary, hint) = (failure.message.clone(), failure.hint.clone());
                self.stage.emit(
                    Status::Warn,
                    Body::Check(Check { id: "textfile".into(), summary, hint, error_class: class, ..Check::default() }),
                );
            }
        }
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.latest.values().flatten()
    }

    fn checks(&self) -> Vec<(Status, &Check)> {
        let check = |record: &'_ Record| record.head.status;
        self.records()
            .filter_map(|record| match &record.body {
                Body::Check(body) => Some((check(record), body)),
                _ => None,
            })
            .collect()
    }

    /// The tool's own end, and its output where that is not records.
    pub fn conclude(&self) -> Done {
        let checks = self.checks();
        let (status, done) = conclude(&checks.iter().map(|(status, _)| *status).collect::<Vec<_>>());
        let out = self.stage.out();
        match out.mode() {
            Output::Nagios => {
                out.text(&nagios::line(status, &done.summary, &checks));
                Done { exit: Exit(nagios::code(status)), ..done }
            }
            Output::Prometheus => {
                out.text(textfile::page(self.records()).trim_end());
                done
            }
            Output::Junit => {
                out.text(junit::report(&self.stage.system, &checks).trim_end());
                done
            }
            Output::Records | Output::Table | Output::Raw => done,
        }
    }
}

impl Judge for Report<'_> {
    fn judge(&mut self, check: &Planned, outcome: Outcome, took: Duration) -> Finding {
        self.trend = None;
        let Some((profile, state)) = &mut self.profile else { return Finding::broken() };
        let (Outcome::Seen(seen, kept), Some(check)) = (outcome, profile.check(&check.id)) else { return Finding::broken() };
        let now = Timestamp::now();
        let mut finding = profile::judge(check, &seen, state.memory(), now, took);
        // Each run would be the first, and what a log says never seen.
        if let (Ok(sample), Some(failure), Status::Ok) = (&seen, state.keeps_nothing(), finding.status())
            && sample.first
        {
            let summary = format!("nothing was looked at, and where to go on cannot be remembered: {}", failure.message);
            finding = Finding { status: Some(Status::Unknown), summary, hint: failure.hint.clone(), value: None, ..finding };
            finding.error_class = Some(failure.class.name().into());
        }
        for (key, memory) in kept {
            state.change(|state| state.keep(&key, memory));
        }
        if let Ok(sample) = &seen {
            let figure = profile::figure(check, sample, now);
            if figure.is_some() || !check.remembered().is_empty() {
                state.change(|state| state.saw(check, sample, figure, now));
            }
            self.trend = profile::trend_of(check, sample, state.memory(), now);
        }
        finding
    }

    fn tell(&mut self, place: usize, check: &Planned, finding: Finding, took: Option<Duration>) {
        let (status, blocked) = (finding.status(), finding.blocked_by.is_some());
        let mut checks = vec![(status, finding.into_body(&check.id, check.gate, took))];
        let body = |suffix: &str, finding: Finding| (finding.status(), finding.into_body(&format!("{}.{suffix}", check.id), false, None));
        checks.extend(self.trend.take().map(|finding| body("trend", finding)));
        if let Some((profile, state)) = &mut self.profile
            && let Some(spec) = profile.check(&check.id).filter(|spec| spec.availability.is_some())
        {
            let now = Timestamp::now();
            state.change(|memory| memory.found(spec, (status, blocked), now));
            checks.extend(profile::availability_of(spec, state.memory(), now).map(|finding| body("availability", finding)));
        }
        if !self.in_order {
            return self.emit(place, checks);
        }
        self.held.insert(place, checks);
        while let Some(checks) = self.held.remove(&self.next) {
            self.emit(self.next, checks);
            self.next += 1;
        }
    }

    fn rest(&mut self) -> bool {
        if !self.in_order {
            if self.profile.as_ref().is_some_and(|(_, state)| state.saved.elapsed() >= SAVE_EVERY) {
                self.save();
            }
            self.write_textfile();
        }
        self.stage.out().error().is_none()
    }
}

/// The worst of the findings, as the tool's own end.
fn conclude(statuses: &[Status]) -> (Status, Done) {
    let worst = statuses.iter().fold(Status::Ok, |worst, status| worst.worst(*status));
    let kinds = [Status::Ok, Status::Warn, Status::Crit, Status::Unknown, Status::Skipped];
    let counts = kinds.map(|kind| (kind, statuses.iter().filter(|status| **status == kind).count()));
    let told: Vec<String> = counts.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    let checks = ml_common::people::counted(statuses.len(), "check");
    let mut done = Done::ok(format!("{checks}: {}", told.join(", "))).metric("checks", statuses.len());
    for (kind, count) in counts {
        done = done.metric(kind.name(), count);
    }
    // Not knowing is a warning: nothing says that it is bad, and nothing that it is well.
    (done.exit, done.status) = match worst {
        Status::Crit => (Exit(5), Some(Status::Crit)),
        Status::Warn | Status::Unknown => (Exit(1), Some(Status::Warn)),
        Status::Ok | Status::Skipped | Status::Planned => (Exit::OK, None),
    };
    (worst, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(statuses: &[Status]) -> (u8, Option<Status>, String) {
        let (_, done) = conclude(statuses);
        (done.exit.0, done.status, done.summary)
    }

    #[test]
    fn the_worst_finding_is_the_end() {
        use Status::{Crit, Ok, Skipped, Unknown, Warn};
        assert_eq!(exit(&[Ok, Skipped]), (0, None, "2 checks: 1 ok, 1 skipped".into()));
        assert_eq!(exit(&[Ok, Unknown]).0, 1);
        assert_eq!(exit(&[Warn, Unknown, Skipped]), (1, Some(Warn), "3 checks: 1 warn, 1 unknown, 1 skipped".into()));
        assert_eq!(exit(&[Warn, Crit, Unknown]).0, 5);
    }
}
