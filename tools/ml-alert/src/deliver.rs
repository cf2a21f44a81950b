//! Sends what is in the outbox. The state is on disk before the first attempt and after each: a notification is marked as on its way, sent,
//! and only then forgotten, so that nothing is lost and nothing is silently told twice, whenever this process is killed.

use crate::engine::state::{Entry, State, VERSION};
use crate::notification::{Notification, Why};
use crate::rules::Rules;
use crate::sinks::{Kind, Sink};
use jiff::{SignedDuration, Timestamp};
use ml_common::child;
use ml_common::http;
use ml_common::record::{Alert, AlertState, Fate};
use ml_common::{Class, Failure, OrFail, Result, Stage, Status};
use ml_watch::state::StateFile;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, Instant};

/// All attempts of one call together.
const BUDGET: Duration = Duration::from_secs(60);

/// A command may take so long.
const COMMAND: Duration = Duration::from_secs(30);

/// The longest pause between two attempts, in seconds.
const LONGEST: i64 = 3600;

/// What became of the outbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Delivered {
    /// Notifications sent.
    pub sent: usize,
    /// Kept for later.
    pub held: usize,
    /// Never to be taken.
    pub refused: usize,
}

/// Why a notification did not go out.
struct NotSent {
    failure: Failure,
    /// The service will never take it.
    refused: bool,
    /// The service wants to be left alone so long.
    retry_after: Option<SignedDuration>,
}

/// Sends what is due.
///
/// # Errors
/// Class Storage when the state cannot be written; a signal. What could not be delivered is no error.
pub fn drain(stage: &Stage, rules: &Rules, file: &mut StateFile<State>, now: Timestamp) -> Result<Delivered> {
    debug_assert_eq!(VERSION, 1);
    file.save()?;
    let until = Instant::now() + BUDGET;
    let client = client(stage);
    let (mut done, mut busy) = (Delivered::default(), BTreeSet::new());
    let mut at = 0;
    while at < file.value.outbox.len() {
        stage.cancel.check()?;
        let entry = &file.value.outbox[at];
        let sink = entry.notification.sink.clone();
        let wait = entry.not_before.max(file.value.not_before.get(&sink).copied());
        // One after the other, to each: what was first is told first.
        if entry.refused || busy.contains(&sink) || wait.is_some_and(|wait| now < wait) || Instant::now() > until {
            if !entry.refused {
                busy.insert(sink);
                done.held += 1;
            }
            at += 1;
            continue;
        }
        let again = entry.in_flight;
        file.value.outbox[at].in_flight = true;
        file.save()?;
        let entry = file.value.outbox[at].clone();
        match rules.sinks.get(&sink).ok_or_else(gone).and_then(|sink| send(stage, &client, sink, &entry.notification, again)) {
            Ok(()) => {
                file.value.outbox.remove(at);
                file.save()?;
                done.sent += 1;
                tell(stage, rules, &entry.notification, Fate::Sent, None, None);
            }
            Err(not_sent) => {
                let reason = not_sent.failure.message.clone();
                held(&mut file.value, at, &not_sent, now);
                file.save()?;
                let fate = if not_sent.refused { Fate::Suppressed } else { Fate::Held };
                if not_sent.refused {
                    done.refused += 1;
                } else {
                    done.held += 1;
                    busy.insert(sink);
                }
                tell(stage, rules, &entry.notification, fate, Some(reason), not_sent.failure.hint);
                at += 1;
            }
        }
    }
    Ok(done)
}

/// Notes a failed attempt: when the next is due, and for whom.
fn held(state: &mut State, at: usize, not_sent: &NotSent, now: Timestamp) {
    let Some(entry) = state.outbox.get_mut(at) else { return };
    entry.attempts += 1;
    entry.in_flight = false;
    entry.refused = not_sent.refused;
    entry.reason = Some(not_sent.failure.message.clone());
    if let Some(wait) = not_sent.retry_after {
        let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
        let sink = entry.notification.sink.clone();
        state.not_before.insert(sink, until);
    } else if !not_sent.refused {
        entry.not_before = now.checked_add(pause(entry.attempts)).ok();
    }
}

/// Longer and longer: half a minute, one, two, ... up to an hour.
fn pause(attempts: u32) -> SignedDuration {
    SignedDuration::from_secs((15i64 << attempts.min(10)).min(LONGEST))
}

fn gone() -> NotSent {
    let failure =
        Failure::new(Class::Config, "its sink is no longer in the rules").hint("put the sink back, or remove the entry: ml-alert list");
    NotSent { failure, refused: false, retry_after: None }
}

fn send(stage: &Stage, client: &http::Client, sink: &Sink, told: &Notification, again: bool) -> Result<(), NotSent> {
    let plain = |failure| NotSent { failure, refused: false, retry_after: None };
    match &sink.kind {
        Kind::Unset(names) => {
            let failure = Failure::new(Class::Config, format!("{} is not set", names.join(", ")));
            Err(plain(failure.hint("set it in the environment or the settings; it goes out with the next call")))
        }
        Kind::Command(words) => command(stage, words, told).map_err(plain),
        _ => {
            // A receiver that knows repetitions by their key drops them.
            let Some(request) = sink.request(told, again && !sink.is_idempotent()) else {
                return Err(plain(Failure::new(Class::Config, "its address names no topic").hint("write https://ntfy.sh/TOPIC")));
            };
            let headers: Vec<(&str, &str)> = request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let response = client.post_json(&request.url, &headers, &request.body).map_err(plain)?;
            judge(&sink.shown(), &response)
        }
    }
}

/// What an answer means.
fn judge(shown: &str, response: &http::Response) -> Result<(), NotSent> {
    if response.is_success() {
        return Ok(());
    }
    let hint = match response.status {
        401 | 403 | 404 | 410 => "its address or key is not valid any more: make a new one",
        400 | 413 | 422 => "the service refused the form of this one; see ml-alert list",
        429 => "it asked to be left alone for a while; the notification goes out afterwards",
        _ => "it is kept and tried again",
    };
    let retry_after = (response.status == 429 || response.status == 503).then(|| retry_after(response)).flatten();
    let failure = Failure::new(Class::Network, format!("{shown} answered {}", response.status)).hint(hint);
    Err(NotSent { failure, refused: matches!(response.status, 400 | 413 | 422), retry_after })
}

/// Seconds in the header, or Discord's fraction in the body; a date is read as half a minute.
fn retry_after(response: &http::Response) -> Option<SignedDuration> {
    let body = response.json().ok().and_then(|body| body.get("retry_after").and_then(serde_json::Value::as_f64));
    let header = response.header("retry-after").map(|text| text.trim().parse::<f64>().unwrap_or(30.0));
    let seconds = body.or(header)?.clamp(0.0, LONGEST as f64);
    SignedDuration::try_from_secs_f64(seconds).ok()
}

fn command(stage: &Stage, words: &[String], told: &Notification) -> Result<()> {
    let [program, args @ ..] = words else { return Err(Failure::new(Class::Config, "the command is empty")) };
    let text = serde_json::to_string(told).or_fail(Class::Internal, || "writing the notification")?;
    let mut file = tempfile::tempfile().or_fail(Class::Storage, || "making a temporary file")?;
    let rewound = file.write_all(text.as_bytes()).and_then(|()| std::io::Seek::rewind(&mut file));
    rewound.or_fail(Class::Storage, || "writing a temporary file")?;
    let mut command = std::process::Command::new(program);
    command.args(args).env("ML_ALERT_KEY", &told.key);
    let drain =
        |out: &mut dyn std::io::Read| std::io::copy(out, &mut std::io::sink()).map(drop).or_fail(Class::General, || "reading from it");
    let (ended, ()) = child::run_fed(command, file.into(), &stage.cancel, Some(COMMAND), drain)?;
    if ended.status.success() {
        return Ok(());
    }
    Err(Failure::new(Class::General, format!("{program} ended with {}: {}", ended.status, ended.said())).hint("it is kept and tried again"))
}

/// The record of what became of a notification.
pub fn tell(stage: &Stage, rules: &Rules, told: &Notification, fate: Fate, reason: Option<String>, hint: Option<String>) {
    let status = if fate == Fate::Sent { Status::Ok } else { Status::Warn };
    stage.alert(status, Alert { fate, reason, hint, ..alert(rules, told) });
}

/// What a record says of a notification.
pub fn alert(rules: &Rules, told: &Notification) -> Alert {
    Alert {
        id: told.group.clone(),
        state: if told.why == Why::Resolved { AlertState::Resolved } else { AlertState::Firing },
        severity: told.severity.name().to_owned(),
        sink: rules.sinks.get(&told.sink).map_or_else(|| told.sink.clone(), |sink| format!("{} {}", told.sink, sink.shown())),
        summary: told.title.clone(),
        ..Alert::default()
    }
}

/// Without attempts of its own: those are counted here, across calls.
fn client(stage: &Stage) -> http::Client {
    let options = http::Options { timeout: Duration::from_secs(15), attempts: 1, ..http::Options::default() };
    http::Client::new(options, &|name| stage.env(name))
}

/// Waiting entries of a sink or of all, for people.
pub fn waiting(entries: &[Entry]) -> usize {
    entries.iter().filter(|entry| !entry.refused).count()
}

/// One attempt, nothing remembered: a test.
///
/// # Errors
/// Class Network when it could not be delivered, Config when the sink is not complete.
pub fn once(stage: &Stage, sink: &Sink, told: &Notification) -> Result<()> {
    send(stage, &client(stage), sink, told, false).map_err(|not_sent| not_sent.failure)
}
