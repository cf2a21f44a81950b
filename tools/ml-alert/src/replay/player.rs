//! One set of rules and a history, played as it went: runs end, and time goes by between records.

use crate::engine::state::{Alerts, Decision, State, Turn};
use crate::engine::{Engine, Place};
use crate::notification::Notification;
use crate::plan;
use crate::rules::Rules;
use jiff::{SignedDuration, Timestamp};
use ml_common::Status;
use ml_common::fold::Fold;
use ml_common::record::{Fate, Head, Record, VERSION, timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// In a history it is seen as often what is due as a watch sees it.
const STEP: SignedDuration = SignedDuration::from_secs(1);

/// What a history led to.
#[derive(Default)]
pub(super) struct Played {
    pub(super) made: Vec<Notification>,
    /// What was not told, or not at once.
    pub(super) kept: Vec<Decision>,
    /// Observations of what fired already.
    pub(super) again: usize,
    /// By rule.
    pub(super) rules: BTreeMap<String, Counts>,
}

/// What became of the alerts of one rule.
#[derive(Clone, Copy, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) fired: usize,
    pub(super) resolved: usize,
    /// Alerts that somebody was told of.
    pub(super) told: usize,
    /// How often something was kept back.
    pub(super) held: usize,
}

/// What nobody was told yet.
struct Untold {
    since: Timestamp,
    /// Others were told, or could have been.
    passed: bool,
    /// There is a reason that was told.
    held: bool,
}

/// Plays a history.
pub(super) struct Player {
    engine: Engine,
    /// The run so far.
    fold: Fold,
    /// Each run is judged by itself.
    each_run: bool,
    /// Runs that had records before others came in between: what of them has no end may still go on.
    before: BTreeSet<String>,
    names: Vec<String>,
    played: Played,
    /// What was decided last of each alert: to be kept back for the same reason is no news.
    known: BTreeMap<String, String>,
    /// What fires and nobody was told yet.
    untold: BTreeMap<String, Untold>,
    run: String,
    /// When it was last seen what is due.
    seen: Option<Timestamp>,
}

impl Player {
    pub(super) fn under(rules: Rules) -> Player {
        let mut names: Vec<String> = rules.rules.iter().map(|rule| rule.name.clone()).collect();
        // Alerts begin with the name of their rule, and one name may begin with another.
        names.sort_unstable_by(|a, b| b.cmp(a));
        let (fold, each_run, before) = (Fold::default(), rules.each_run, BTreeSet::new());
        let engine = Engine::new(Arc::new(rules), State::default());
        let (known, untold) = (BTreeMap::new(), BTreeMap::new());
        Player { engine, fold, each_run, before, names, played: Played::default(), known, untold, run: String::new(), seen: None }
    }

    pub(super) fn end(mut self) -> Played {
        if self.each_run {
            self.judge();
        } else {
            self.died();
            self.pass(self.engine.state.now, true);
        }
        self.played.again = usize::try_from(self.engine.again).unwrap_or(usize::MAX);
        self.played
    }

    pub(super) fn play(&mut self, record: &Record) {
        // As the engine has it: a time that cannot be read is that of the record before.
        let Some(at) = record.head.ts.parse::<Timestamp>().ok().or(self.engine.state.now) else { return };
        if self.each_run {
            if self.run != record.head.run {
                self.judge();
            }
            self.fold.push(record);
            self.run.clone_from(&record.head.run);
            self.engine.state.now = Some(at);
            return;
        }
        let before = self.engine.state.now;
        let ended = before.is_some() && self.run != record.head.run;
        if ended || self.seen.is_some_and(|seen| at.duration_since(seen).abs() >= STEP) {
            if ended {
                self.died();
            }
            self.pass(before, ended);
            // A run that begins is not judged by its first record.
            self.seen = Some(if ended { at } else { self.seen.unwrap_or(at) });
        }
        if self.run != record.head.run {
            self.run.clone_from(&record.head.run);
        }
        self.fold.push(record);
        self.seen.get_or_insert(at);
        self.engine.record(record);
        self.decisions();
    }

    /// The run is over: what of it began and has no end has died.
    fn died(&mut self) {
        let verdict = std::mem::take(&mut self.fold).verdict();
        let Some(now) = self.engine.state.now.filter(|_| self.before.insert(self.run.clone())) else { return };
        for stage in verdict.died() {
            let (tool, system, run) = (stage.tool.clone(), verdict.system.clone().unwrap_or_default(), self.run.clone());
            let (ts, host, stage_name) = (timestamp(now), String::new(), stage.stage.clone());
            let head = Head { v: VERSION, tool, stage: stage_name, system, run, ts, host, status: Status::Crit };
            self.engine.record(&plan::end(head, "died", plan::died(stage).0));
        }
        self.decisions();
    }

    /// Judges the run so far by itself.
    fn judge(&mut self) {
        let Some(now) = self.engine.state.now else { return };
        let verdict = std::mem::take(&mut self.fold).verdict();
        let context = plan::Context { run: &self.run, system: "", host: "", at: now };
        plan::records(&verdict, &[], &context).iter().for_each(|record| self.engine.record(record));
        self.pass(Some(now), true);
        (self.engine.state.alerts, self.engine.state.groups) = (Alerts::default(), BTreeMap::new());
        self.untold.clear();
    }

    fn counts(&mut self, alert: &str) -> &mut Counts {
        let name = self.names.iter().find(|name| alert.strip_prefix(name.as_str()).is_some_and(|rest| rest.starts_with(' ')));
        self.played.rules.entry(name.cloned().unwrap_or_default()).or_default()
    }

    /// Takes the decisions, of which the engine keeps but the last.
    fn decisions(&mut self) {
        for decision in std::mem::take(&mut self.engine.state.log) {
            match decision.turn {
                Turn::Fired => {
                    self.counts(&decision.of).fired += 1;
                    self.untold.insert(decision.of.clone(), Untold { since: decision.at, passed: false, held: false });
                }
                Turn::Ended => {
                    self.counts(&decision.of).resolved += 1;
                    if self.untold.remove(&decision.of).is_some_and(|untold| !untold.held) {
                        self.keep(decision.at, decision.of.clone(), "was over before anybody was told".to_owned(), Fate::Suppressed);
                    }
                }
                Turn::Other => {}
            }
            if let Some(untold) = self.untold.get_mut(&decision.of) {
                untold.held |= decision.fate.is_some();
            }
            let before = self.known.insert(decision.of.clone(), decision.said.clone());
            if decision.fate.is_some() && before.is_none_or(|before| before != decision.said) {
                self.counts(&decision.of).held += 1;
                self.played.kept.push(decision);
            }
        }
    }

    fn keep(&mut self, at: Timestamp, of: String, said: String, fate: Fate) {
        self.counts(&of).held += 1;
        self.played.kept.push(Decision { at, of, said, fate: Some(fate), turn: Turn::Other });
    }

    fn pass(&mut self, now: Option<Timestamp>, last: bool) {
        let Some(now) = now else { return };
        self.engine.tick(now);
        self.decisions();
        let made = self.engine.due(now, last, &Place::default());
        self.decisions();
        self.played.made.extend(made);
        self.engine.state.outbox.clear();
        self.untold(now);
        self.seen = Some(now);
    }

    /// Who was told of what fires, and what waits for its group.
    fn untold(&mut self, now: Timestamp) {
        let state = &self.engine.state;
        let told = |name: &str| state.alerts.get(name).is_some_and(|alert| alert.told.is_some());
        let done: BTreeSet<String> = self.untold.keys().filter(|name| told(name)).cloned().collect();
        for untold in self.untold.iter_mut().filter(|(name, _)| !done.contains(*name)).map(|(_, untold)| untold) {
            untold.passed = true;
        }
        for name in done {
            self.counts(&name).told += 1;
            if let Some(Untold { since, passed: true, held: false }) = self.untold.remove(&name) {
                self.keep(since, name, format!("waited for its group until {}", timestamp(now)), Fate::Held);
            }
        }
    }
}
