//! A history under rules: what they would have told, what they would have kept back and why, and how two sets of rules differ. Nothing is sent.

mod player;

use crate::cli::{Cli, Replay};
use crate::engine::state::Decision;
use crate::notification::{Item, Notification, Severity, Why};
use crate::rules::Rules;
use crate::work::rule_files;
use ml_common::people::counted;
use ml_common::reader::{Item as Read, Reader};
use ml_common::record::{Alert, AlertState, Check, Fate, Step, timestamp};
use ml_common::{Class, Done, OrFail, Result, Stage, Status};
use player::{Counts, Played, Player};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

/// Plays a history through rules, and through others to see the difference.
///
/// # Errors
/// Class Config for the rules, Usage when the history cannot be read.
pub fn replay(cli: &Cli, args: &Replay, stage: &Stage) -> Result<Done> {
    let files = if args.rules.is_empty() { rule_files(cli, stage)? } else { args.rules.clone() };
    let under = |files: &[PathBuf]| Rules::read(files, &stage.settings).map(Player::under);
    let mut players = vec![under(&files)?];
    if !args.against.is_empty() {
        players.push(under(&args.against)?);
    }
    let (made, other) = played(players, &args.history, stage)?;
    if other > 0 {
        let summary = format!("{} of the history not understood: no records, or of another version", counted(other, "piece"));
        let hint = Some("ml-health --output records and the like write records; look at what else went into the file".into());
        stage.check(Status::Warn, Check { id: "input".into(), summary, hint, ..Check::default() });
    }
    let mut made = made.into_iter();
    let new = made.next().unwrap_or_default();
    let Some(old) = made.next() else { return Ok(all(stage, &new)) };
    let (more, fewer) = differences(stage, &new, &old);
    let changed = changes(stage, &new, &old);
    for (rule, [was, is]) in rules(&old, &new) {
        let summary = format!("{rule}: {} with the old rules; {} with the new", was.said(), is.said());
        let step = was.step(Step { id: format!("rule.{rule}"), summary, ..Step::default() }, "old_");
        stage.step(Status::Ok, is.step(step, "new_"));
    }
    let (sent, was_sent, kept, was_kept) = (new.made.len(), old.made.len(), new.kept.len(), old.kept.len());
    let mut summary = format!("{sent} sent and {kept} kept back with the new rules, {was_sent} and {was_kept} with the old; ");
    summary.push_str(&format!("{} only with the new, {} only with the old", more.told(), fewer.told()));
    if changed > 0 {
        summary.push_str(&format!(", {} in other words", counted(changed, "notification")));
    }
    let done = Done::ok(summary)
        .metric("changed", changed)
        .metric("new", sent)
        .metric("old", was_sent)
        .metric("added", more.sent)
        .metric("removed", fewer.sent);
    let done = done.metric("new_kept_back", kept).metric("old_kept_back", was_kept);
    Ok(done.metric("added_kept_back", more.kept).metric("removed_kept_back", fewer.kept))
}

/// How much there is on one side alone.
#[derive(Default)]
struct Alone {
    sent: usize,
    kept: usize,
}

impl Alone {
    fn told(&self) -> String {
        format!("{} sent and {} kept back", self.sent, self.kept)
    }
}

/// One line of the comparison.
enum Line<'a> {
    Sent(&'a Notification),
    Kept(&'a Decision),
}

/// Tells what is on one side alone, in the order of time: what is on the new, what is on the old.
fn differences(stage: &Stage, new: &Played, old: &Played) -> (Alone, Alone) {
    let index = |of: &'_ Played| -> BTreeSet<Name> { of.made.iter().map(name).chain(of.kept.iter().map(kept_name)).collect() };
    let (after, before) = (index(new), index(old));
    let mut all: Vec<(Name, bool, Line<'_>)> = Vec::new();
    for (is_new, played, others) in [(true, new, &before), (false, old, &after)] {
        all.extend(played.made.iter().map(|told| (name(told), is_new, Line::Sent(told))).filter(|(name, ..)| !others.contains(name)));
        all.extend(played.kept.iter().map(|kept| (kept_name(kept), is_new, Line::Kept(kept))).filter(|(name, ..)| !others.contains(name)));
    }
    all.sort_by(|(a, new, _), (b, other, _)| (a, new).cmp(&(b, other)));
    let (mut more, mut fewer) = (Alone::default(), Alone::default());
    for (_, is_new, line) in all {
        let (side, status, word) = if is_new {
            (&mut more, Status::Ok, "only with the new rules")
        } else {
            (&mut fewer, Status::Skipped, "only with the old rules")
        };
        match line {
            Line::Sent(told) => {
                side.sent += 1;
                tell(stage, told, status, word);
            }
            Line::Kept(decision) => {
                side.kept += 1;
                keep(stage, decision, &format!("{word}: "));
            }
        }
    }
    (more, fewer)
}

/// Tells what both have told at the same time and about the same, in other words; how many.
fn changes(stage: &Stage, new: &Played, old: &Played) -> usize {
    let before: BTreeMap<Name, &Notification> = old.made.iter().map(|told| (name(told), told)).collect();
    let changed = new.made.iter().filter_map(|told| Some((told, otherwise(told, before.get(&name(told))?)?)));
    changed.map(|(told, how)| tell(stage, told, Status::Ok, &format!("told otherwise: {how}"))).count()
}

/// How a notification differs from an earlier one: the first of what people act by. The threshold is the rule's own, and is no news beside the rules.
fn otherwise(new: &Notification, old: &Notification) -> Option<String> {
    let word = |text: Option<&str>| text.map_or_else(|| "none".to_owned(), |text| format!("'{text}'"));
    let differs = |what: &str, is: Option<&str>, was: Option<&str>| {
        (is != was).then(|| format!("{what} {} with the new rules, {} with the old", word(is), word(was)))
    };
    let time = |seconds: Option<u64>| seconds.map(|seconds| humantime::format_duration(Duration::from_secs(seconds)).to_string());
    let severity = |severity: Option<Severity>| severity.map(Severity::name);
    let item = |is: &Item| {
        let was = old.items.iter().find(|was| was.system == is.system && was.id == is.id && was.resolved == is.resolved)?;
        let of = |what: &str| format!("{what} of {}", is.id);
        differs(&of("severity"), severity(is.severity), severity(was.severity))
            .or_else(|| differs(&of("summary"), Some(&is.summary), Some(&was.summary)))
            .or_else(|| differs(&of("hint"), is.hint.as_deref(), was.hint.as_deref()))
    };
    differs("contact", new.contact.as_deref(), old.contact.as_deref())
        .or_else(|| differs("answer within", time(new.respond_within).as_deref(), time(old.respond_within).as_deref()))
        .or_else(|| new.items.iter().find_map(item))
}

/// The rules that did anything, with what they did under the first and under the second.
fn rules<'a>(first: &'a Played, second: &'a Played) -> BTreeMap<&'a str, [Counts; 2]> {
    let mut rules: BTreeMap<&str, [Counts; 2]> = BTreeMap::new();
    for (rule, counts) in &first.rules {
        rules.entry(rule).or_default()[0] = *counts;
    }
    for (rule, counts) in &second.rules {
        rules.entry(rule).or_default()[1] = *counts;
    }
    rules
}

impl Counts {
    fn said(&self) -> String {
        format!("{} fired, {} resolved, {} told, {} kept back", self.fired, self.resolved, self.told, self.held)
    }

    fn step(&self, mut step: Step, prefix: &str) -> Step {
        for (name, count) in [("fired", self.fired), ("resolved", self.resolved), ("told", self.told), ("kept_back", self.held)] {
            step.metrics.insert(format!("{prefix}{name}"), count.into());
        }
        step
    }
}

/// Everything, in its order.
fn all(stage: &Stage, played: &Played) -> Done {
    let mut kept = played.kept.iter().peekable();
    for told in &played.made {
        while let Some(decision) = kept.next_if(|decision| timestamp(decision.at) <= told.at) {
            keep(stage, decision, "");
        }
        tell(stage, told, Status::Ok, "would be sent");
    }
    kept.for_each(|decision| keep(stage, decision, ""));
    for (rule, counts) in &played.rules {
        let summary = format!("{rule}: {}", counts.said());
        stage.step(Status::Ok, counts.step(Step { id: format!("rule.{rule}"), summary, ..Step::default() }, ""));
    }
    let (made, back, again) = (played.made.len(), played.kept.len(), played.again);
    let mut summary = format!("{} would have been sent", counted(made, "notification"));
    if back + again > 0 {
        summary.push_str(&format!("; {back} kept back, {} of what was known", counted(again, "observation")));
    }
    Done::ok(summary).metric("notifications", made).metric("kept_back", back).metric("deduplicated", again)
}

/// Something was alarming and was not told, or not at once.
fn keep(stage: &Stage, decision: &Decision, word: &str) {
    let reason = Some(format!("{word}{} ({})", decision.said, timestamp(decision.at)));
    let fate = decision.fate.unwrap_or(Fate::Suppressed);
    stage.alert(Status::Skipped, Alert { id: decision.of.clone(), fate, reason, ..Alert::default() });
}

/// What makes two notifications of two histories the same, or two things that were kept back: when, of what, and how.
type Name = (String, String, String);

fn name(told: &Notification) -> Name {
    (told.at.clone(), told.sink.clone(), format!("{:?} {}", told.why, told.title))
}

fn kept_name(decision: &Decision) -> Name {
    (timestamp(decision.at), decision.of.clone(), decision.said.clone())
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
fn played(mut players: Vec<Player>, history: &[PathBuf], stage: &Stage) -> Result<(Vec<Played>, usize)> {
    let mut other = 0;
    let mut play = |input: Box<dyn std::io::Read>| -> Result<()> {
        for item in Reader::new(input) {
            stage.cancel.check()?;
            match item {
                Read::Record { record, .. } => players.iter_mut().for_each(|player| player.play(&record)),
                Read::Foreign { .. } | Read::Garbage { .. } => other += 1,
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
    Ok((players.into_iter().map(Player::end).collect(), other))
}
