//! A history under rules: what they would have told, what they would have kept back and why, and how two sets of rules differ. Nothing is sent.

use crate::cli::{Cli, Replay};
use crate::engine::state::{Decision, State};
use crate::engine::{Engine, Place};
use crate::notification::{Notification, Why};
use crate::rules::Rules;
use crate::work::rule_files;
use jiff::{SignedDuration, Timestamp};
use ml_common::people::counted;
use ml_common::reader::{Item as Read, Reader};
use ml_common::record::{Alert, AlertState, Fate, Record, timestamp};
use ml_common::{Class, Done, OrFail, Result, Stage, Status};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// In a history, so much time without a record lets what is due go out in between.
const STEP: SignedDuration = SignedDuration::from_secs(10);

/// Plays a history through rules, and through others to see the difference.
///
/// # Errors
/// Class Config for the rules, Usage when the history cannot be read.
pub fn replay(cli: &Cli, args: &Replay, stage: &Stage) -> Result<Done> {
    let files = if args.rules.is_empty() { rule_files(cli, stage)? } else { args.rules.clone() };
    let mut players = vec![Player::under(&files, stage)?];
    if !args.against.is_empty() {
        players.push(Player::under(&args.against, stage)?);
    }
    let mut made = played(players, &args.history, stage)?.into_iter();
    let new = made.next().unwrap_or_default();
    let Some(old) = made.next() else { return Ok(all(stage, &new)) };
    let (new, old) = (new.made, old.made);
    let index = |of: &[Notification]| of.iter().map(|told| (name(told), told.clone())).collect::<BTreeMap<_, _>>();
    let (before, after) = (index(&old), index(&new));
    for (_, told) in after.iter().filter(|(name, _)| !before.contains_key(*name)) {
        tell(stage, told, Status::Ok, "only with the new rules");
    }
    for (_, told) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        tell(stage, told, Status::Skipped, "only with the old rules");
    }
    let (more, fewer) =
        (after.keys().filter(|name| !before.contains_key(*name)).count(), before.keys().filter(|name| !after.contains_key(*name)).count());
    let summary =
        format!("{} with the new rules, {} with the old; {more} only with the new, {fewer} only with the old", new.len(), old.len());
    Ok(Done::ok(summary).metric("new", new.len()).metric("old", old.len()).metric("added", more).metric("removed", fewer))
}

/// Everything, in its order.
fn all(stage: &Stage, played: &Played) -> Done {
    let mut kept = played.kept.iter().peekable();
    for told in &played.made {
        while let Some(decision) = kept.next_if(|decision| timestamp(decision.at) <= told.at) {
            keep(stage, decision);
        }
        tell(stage, told, Status::Ok, "would be sent");
    }
    kept.for_each(|decision| keep(stage, decision));
    let (made, back, again) = (played.made.len(), played.kept.len(), played.again);
    let mut summary = format!("{} would have been sent", counted(made, "notification"));
    if back + again > 0 {
        summary.push_str(&format!("; {back} kept back, {} of what was known", counted(again, "observation")));
    }
    Done::ok(summary).metric("notifications", made).metric("kept_back", back).metric("deduplicated", again)
}

/// Something was alarming and was not told, or not at once.
fn keep(stage: &Stage, decision: &Decision) {
    let reason = Some(format!("{} ({})", decision.said, timestamp(decision.at)));
    let fate = decision.fate.unwrap_or(Fate::Suppressed);
    stage.alert(Status::Skipped, Alert { id: decision.of.clone(), fate, reason, ..Alert::default() });
}

/// What makes two notifications of two histories the same.
fn name(told: &Notification) -> (String, String, String) {
    (told.at.clone(), told.sink.clone(), format!("{:?} {}", told.why, told.title))
}

fn tell(stage: &Stage, told: &Notification, status: Status, reason: &str) {
    let alert = Alert {
        id: told.group.clone(),
        state: if told.why == Why::Resolved { AlertState::Resolved } else { AlertState::Firing },
        severity: told.severity.name().into(),
        sink: told.sink.clone(),
        fate: Fate::Suppressed,
        reason: Some(format!("{reason} ({}, {})", format!("{:?}", told.why).to_lowercase(), told.at)),
        summary: told.title.clone(),
        ..Alert::default()
    };
    stage.alert(status, alert);
}

/// One pass for all: a history on standard input is there but once.
fn played(mut players: Vec<Player>, history: &[PathBuf], stage: &Stage) -> Result<Vec<Played>> {
    let mut play = |input: Box<dyn std::io::Read>| -> Result<()> {
        for item in Reader::new(input) {
            stage.cancel.check()?;
            if let Read::Record { record, .. } = item {
                players.iter_mut().for_each(|player| player.play(&record));
            }
        }
        Ok(())
    };
    if history.is_empty() {
        play(Box::new(std::io::stdin()))?;
    }
    for path in history {
        play(Box::new(File::open(path).or_fail(Class::Usage, || format!("cannot read {}", path.display()))?))?;
    }
    Ok(players.into_iter().map(Player::end).collect())
}

/// What a history led to.
#[derive(Default)]
struct Played {
    made: Vec<Notification>,
    /// What was not told, or not at once.
    kept: Vec<Decision>,
    /// Observations of what fired already.
    again: usize,
}

/// Plays a history as it went: runs end, and time goes by between records.
struct Player {
    engine: Engine,
    played: Played,
    /// What was decided last of each alert: to be kept back for the same reason is no news.
    known: BTreeMap<String, String>,
    run: String,
    /// When it was last seen what is due.
    seen: Option<Timestamp>,
}

impl Player {
    fn under(rules: &[PathBuf], stage: &Stage) -> Result<Player> {
        let engine = Engine::new(Arc::new(Rules::read(rules, &stage.settings)?), State::default());
        Ok(Player { engine, played: Played::default(), known: BTreeMap::new(), run: String::new(), seen: None })
    }

    fn end(mut self) -> Played {
        self.pass(self.engine.state.now, true);
        self.played.again = usize::try_from(self.engine.again).unwrap_or(usize::MAX);
        self.played
    }

    fn play(&mut self, record: &Record) {
        let Ok(at) = record.head.ts.parse::<Timestamp>() else { return };
        let before = self.engine.state.now;
        let ended = before.is_some() && self.run != record.head.run;
        if ended || self.seen.is_some_and(|seen| at.duration_since(seen).abs() >= STEP) {
            self.pass(before, ended);
            // A run that begins is not judged by its first record.
            self.seen = Some(if ended { at } else { self.seen.unwrap_or(at) });
        }
        if self.run != record.head.run {
            self.run.clone_from(&record.head.run);
        }
        self.seen.get_or_insert(at);
        self.engine.record(record);
        self.decisions();
    }

    /// Takes the decisions, of which the engine keeps but the last.
    fn decisions(&mut self) {
        for decision in self.engine.state.log.drain(..) {
            let before = self.known.insert(decision.of.clone(), decision.said.clone());
            if decision.fate.is_some() && before.is_none_or(|before| before != decision.said) {
                self.played.kept.push(decision);
            }
        }
    }

    fn pass(&mut self, now: Option<Timestamp>, last: bool) {
        let Some(now) = now else { return };
        self.engine.tick(now);
        self.played.made.extend(self.engine.due(now, last, &Place::default()));
        self.decisions();
        self.engine.state.outbox.clear();
        self.seen = Some(now);
    }
}
