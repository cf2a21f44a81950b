//! What else ml-alert does: replaying a history under other rules, explaining, silencing, listing, testing a sink, checking the rules.

use crate::cli::{Cli, Explain, Replay, SilenceArgs, Test};
use crate::deliver;
use crate::engine::state::{Silence, State, VERSION};
use crate::engine::{Engine, Place};
use crate::notification::{Notification, Why};
use crate::rules::Rules;
use crate::work::{rule_files, state_path};
use jiff::{SignedDuration, Timestamp};
use ml_common::people::counted;
use ml_common::reader::{Item as Read, Reader};
use ml_common::record::{Alert, AlertState, Fate, Record, Step, timestamp};
use ml_common::{Class, Done, Failure, OrFail, Result, Stage, Status};
use ml_watch::state::StateFile;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
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
    let Some(old) = made.next() else {
        for told in &new {
            tell(stage, told, Status::Ok, "would be sent");
        }
        return Ok(Done::ok(format!("{} would have been sent", counted(new.len(), "notification"))).metric("notifications", new.len()));
    };
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
fn played(mut players: Vec<Player>, history: &[PathBuf], stage: &Stage) -> Result<Vec<Vec<Notification>>> {
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

/// Plays a history as it went: runs end, and time goes by between records.
struct Player {
    engine: Engine,
    made: Vec<Notification>,
    run: String,
    /// When it was last seen what is due.
    seen: Option<Timestamp>,
}

impl Player {
    fn under(rules: &[PathBuf], stage: &Stage) -> Result<Player> {
        let engine = Engine::new(Arc::new(Rules::read(rules, &stage.settings)?), State::default());
        Ok(Player { engine, made: Vec::new(), run: String::new(), seen: None })
    }

    fn end(mut self) -> Vec<Notification> {
        self.pass(self.engine.state.now, true);
        self.made
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
    }

    fn pass(&mut self, now: Option<Timestamp>, last: bool) {
        let Some(now) = now else { return };
        self.engine.tick(now);
        self.made.extend(self.engine.due(now, last, &Place::default()));
        self.engine.state.outbox.clear();
        self.seen = Some(now);
    }
}

/// Says why something was told or was not.
///
/// # Errors
/// Class Usage when nothing is known of it.
pub fn explain(args: &Explain, stage: &Stage) -> Result<Done> {
    let file = StateFile::<State>::look(&state_path(stage), VERSION)?;
    let state = &file.value;
    let about = |text: &str| text.split([' ', '\t']).any(|word| word == args.id) || text == args.id;
    let mut told = 0;
    let mut say = |id: String, at: Option<Timestamp>, summary: String| {
        told += 1;
        let reason = at.map(timestamp);
        stage.step(Status::Ok, Step { id, summary, reason, ..Step::default() });
    };
    for (name, alert) in state.alerts.iter().filter(|(name, alert)| about(name) || alert.id == args.id) {
        let now = match (alert.firing, alert.pending, alert.resolved) {
            (Some(at), ..) => format!("fires since {}", timestamp(at)),
            (None, Some(at), _) => format!("alarming since {}, not for long enough yet", timestamp(at)),
            (None, None, Some(at)) => format!("over since {}, and not everybody knows", timestamp(at)),
            _ => "well".to_owned(),
        };
        say(format!("alert.{}", alert.id), alert.heard, format!("{name}: {now}; {}", alert.summary));
        for (key, group) in state.groups.iter().filter(|(_, group)| group.told.contains(name)) {
            let when = group.at.map(timestamp).unwrap_or_default();
            say("group".into(), group.at, format!("{} knows of it since {when}", key.replace('\t', "/")));
        }
        if let Some(silence) = state.now.and_then(|now| state.silence(alert, now)) {
            say("silence".into(), None, format!("silenced until {} by {}: {}", timestamp(silence.until), silence.author, silence.reason));
        }
    }
    for line in state.log.iter().filter(|line| about(&line.of) || line.said.contains(&args.id)) {
        say("decision".into(), Some(line.at), format!("{} {}: {}", timestamp(line.at), line.of.replace('\t', "/"), line.said));
    }
    for entry in state.outbox.iter().filter(|entry| entry.notification.items.iter().any(|item| item.id == args.id || item.rule == args.id))
    {
        let not_before = state.sinks.get(&entry.notification.sink).and_then(|sink| sink.not_before);
        let next = not_before.map_or_else(|| "the next call".to_owned(), timestamp);
        let why = entry.reason.as_deref().unwrap_or("not tried yet");
        say("outbox".into(), None, format!("waits for {}: {why}; next attempt: {next}", entry.notification.sink));
    }
    if told == 0 {
        return Err(Failure::new(Class::Usage, format!("nothing is known of {}", args.id)).hint("ml-alert list shows what there is"));
    }
    Ok(Done::ok(counted(told, "line")))
}

/// What fires, what is silenced, what waits.
///
/// # Errors
/// Class Config when the state cannot be read.
pub fn list(stage: &Stage) -> Result<Done> {
    let file = StateFile::<State>::look(&state_path(stage), VERSION)?;
    let state = &file.value;
    for (name, alert) in state.alerts.iter().filter(|(_, alert)| alert.firing.is_some() || alert.pending.is_some()) {
        let fires = alert.firing.is_some();
        let since = alert.firing.or(alert.pending).map(timestamp).unwrap_or_default();
        let summary = format!("{name}: {} since {since}; {}", if fires { "fires" } else { "alarming" }, alert.summary);
        stage.step(Status::Ok, Step { id: format!("alert.{}", alert.id), summary, hint: alert.hint.clone(), ..Step::default() });
    }
    for silence in &state.silences {
        let summary = format!("{} until {} by {}: {}", silence.pattern, timestamp(silence.until), silence.author, silence.reason);
        stage.step(Status::Ok, Step { id: format!("silence.{}", silence.id), summary, ..Step::default() });
    }
    for entry in &state.outbox {
        let how = if entry.refused { "refused" } else { "waits" };
        let summary = format!(
            "{} for {}: {}; {}",
            how,
            entry.notification.sink,
            entry.notification.title,
            entry.reason.as_deref().unwrap_or("not tried yet")
        );
        stage.step(Status::Ok, Step { id: format!("outbox.{}", entry.notification.key), summary, ..Step::default() });
    }
    let firing = state.alerts.values().filter(|alert| alert.firing.is_some()).count();
    Ok(Done::ok(format!("{firing} firing, {}, {} in the outbox", counted(state.silences.len(), "silence"), state.outbox.len())))
}

/// Silences something for a while, or ends a silence.
///
/// # Errors
/// Class Usage for a malformed pattern or an unknown number, Locked while another run is at work.
pub fn silence(args: &SilenceArgs, stage: &Stage) -> Result<Done> {
    let path = state_path(stage);
    let mut file: StateFile<State> = if stage.dry_run { StateFile::look(&path, VERSION)? } else { StateFile::open(&path, VERSION)? };
    let now = Timestamp::now();
    let state = &mut file.value;
    state.silences.retain(|silence| silence.until > now);
    if let Some(number) = args.expire {
        let before = state.silences.len();
        state.silences.retain(|silence| silence.id != number);
        if state.silences.len() == before {
            return Err(Failure::new(Class::Usage, format!("there is no silence {number}")).hint("ml-alert list shows them"));
        }
        file.save()?;
        return Ok(said(stage, format!("silence {number} is over"), format!("would end silence {number}")));
    }
    let Some(pattern) = args.pattern.clone() else {
        return Err(Failure::new(Class::Usage, "nothing is named to be silenced").hint("name an id or a rule, with * for any part of it"));
    };
    glob::Pattern::new(&pattern).map_err(|error| {
        Failure::new(Class::Usage, format!("'{pattern}' is no pattern: {error}")).hint("write an id or a rule, with * for any part of it")
    })?;
    let until = SignedDuration::try_from(args.lasting).ok().and_then(|lasting| now.checked_add(lasting).ok());
    let until = until.ok_or_else(|| Failure::new(Class::Usage, "that is too long").hint("give an end within this millennium"))?;
    let id = state.silences.iter().map(|silence| silence.id).max().unwrap_or_default() + 1;
    let author = args.author.clone().or_else(|| stage.env("USER")).unwrap_or_else(|| "nobody".into());
    state.silences.push(Silence { id, pattern: pattern.clone(), from: now, until, author, reason: args.reason.clone() });
    file.save()?;
    let (until, would) = (timestamp(until), format!("would silence {pattern} until {}", timestamp(until)));
    Ok(said(stage, format!("{pattern} is silenced until {until}; to end it: ml-alert silence --expire {id}"), would))
}

fn said(stage: &Stage, done: String, would: String) -> Done {
    if stage.dry_run { Done { status: Some(Status::Planned), ..Done::ok(would) } } else { Done::ok(done) }
}

/// Sends a test alert through one sink.
///
/// # Errors
/// Class Usage when there is no such sink, Network when it could not be delivered.
pub fn test(cli: &Cli, args: &Test, stage: &Stage) -> Result<Done> {
    let rules = Rules::read(&rule_files(cli, stage)?, &stage.settings)?;
    let Some(sink) = rules.sinks.get(&args.sink) else {
        let hint = ml_watch::near::hint(&args.sink, rules.sinks.keys().map(String::as_str));
        return Err(Failure::new(Class::Usage, format!("there is no sink {}", args.sink)).hint(hint));
    };
    let told = deliver::test_notification(stage, &args.sink);
    if stage.dry_run {
        deliver::plan(stage, &rules.sinks, &told);
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would send a test alert to {}", sink.shown())) });
    }
    deliver::once(stage, sink, &told)?;
    Ok(Done::ok(format!("a test alert was sent to {}", sink.shown())))
}

/// Reads the rules and tells every mistake.
///
/// # Errors
/// Class Config.
pub fn check_config(cli: &Cli, stage: &Stage) -> Result<Done> {
    let files = rule_files(cli, stage)?;
    if files.is_empty() {
        return Err(
            Failure::new(Class::Config, "there are no rules to look at").hint("name a file with --rules, or set ALERT_RULES or PROFILE")
        );
    }
    let rules = Rules::read(&files, &stage.settings)?;
    let shown: Vec<String> = files.iter().map(|path: &PathBuf| Path::new(path).display().to_string()).collect();
    let sinks = match rules.sinks.len() {
        0 => "no sink yet, so that nothing would be told".to_owned(),
        count => counted(count, "sink"),
    };
    Ok(Done::ok(format!("no mistake in {}: {}, {sinks}", shown.join(", "), counted(rules.rules.len(), "rule"))))
}
