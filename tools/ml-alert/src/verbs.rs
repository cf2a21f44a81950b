//! What else ml-alert does: explaining, listing, testing a sink, checking the rules.

use crate::builtin;
use crate::cli::{Cli, Explain, Test};
use crate::deliver;
use crate::engine;
use crate::engine::state::{State, VERSION};
use crate::notification::Why;
use crate::rules::Rules;
use crate::sinks::Kind;
use crate::spool::Spool;
use crate::work::{rule_files, state_path};
use jiff::Timestamp;
use ml_common::people::counted;
use ml_common::record::{Step, timestamp};
use ml_common::stage::Output;
use ml_common::{Class, Done, Failure, Result, Stage, Status};
use ml_watch::state::StateFile;
use std::path::{Path, PathBuf};

/// Says why something was told or was not.
///
/// # Errors
/// Class Usage when nothing is known of it.
pub fn explain(cli: &Cli, args: &Explain, stage: &Stage) -> Result<Done> {
    let rules = Rules::read(&rule_files(cli, stage)?, &stage.settings)?;
    let file = StateFile::<State>::look(&state_path(stage), VERSION)?;
    let state = &file.value;
    let about = |text: &str| is_about(text, &args.id);
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
            let next = engine::next(&rules, state, group).map(|(at, why)| match why {
                Why::Escalated => format!("; the next contact is told at {}", timestamp(at)),
                _ => format!("; told again at {}", timestamp(at)),
            });
            say("group".into(), group.at, format!("{} knows of it since {when}{}", key.replace('\t', "/"), next.unwrap_or_default()));
        }
        if let Some(silence) = state.now.and_then(|now| state.silence(alert, now)) {
            say("silence".into(), None, format!("silenced until {} by {}: {}", timestamp(silence.until), silence.author, silence.reason));
        }
    }
    for line in state.log.iter().filter(|line| about(&line.of) || mentions(&line.said, &args.id)) {
        say("decision".into(), Some(line.at), format!("{} {}: {}", timestamp(line.at), line.of.replace('\t', "/"), line.said));
    }
    for entry in state.outbox.iter().filter(|entry| entry.notification.items.iter().any(|item| item.id == args.id || item.rule == args.id))
    {
        let not_before = state.sinks.get(&entry.notification.sink).and_then(|sink| sink.not_before);
        let next = match not_before {
            _ if entry.refused => "none, the service will never take it".to_owned(),
            None => "the next call".to_owned(),
            Some(at) => timestamp(at),
        };
        let why = entry.reason.as_deref().unwrap_or("not tried yet");
        say("outbox".into(), None, format!("waits for {}: {why}; next attempt: {next}", entry.notification.sink));
    }
    if told == 0 {
        return Err(Failure::new(Class::Usage, format!("nothing is known of {}", args.id)).hint("ml-alert list shows what there is"));
    }
    Ok(Done::ok(counted(told, "line")))
}

/// Whether the name of an alert (`RULE SYSTEM ID`, the id last, as it may have blanks) or the key of a group is about that.
fn is_about(text: &str, wanted: &str) -> bool {
    let of_alert = || text.splitn(3, ' ').any(|part| part == wanted || part.replace('\u{a0}', " ") == wanted);
    text == wanted || of_alert() || text.split('\t').any(|part| part == wanted)
}

/// Whether the id stands in the text, and not within another.
fn mentions(text: &str, id: &str) -> bool {
    let goes_on = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    let is_whole = |at: usize| !text[..at].ends_with(goes_on) && !text[at + id.len()..].starts_with(goes_on);
    !id.is_empty() && text.match_indices(id).any(|(at, _)| is_whole(at))
}

/// What fires, what is silenced, what waits.
///
/// # Errors
/// Class Config when the state cannot be read.
pub fn list(cli: &Cli, stage: &Stage) -> Result<Done> {
    // Whatever is wrong with the rules: read, they say which words are secrets.
    let _ = rule_files(cli, stage).and_then(|files| Rules::read(&files, &stage.settings));
    let mut file = StateFile::<State>::look(&state_path(stage), VERSION)?;
    // The run that holds the state obeys with its next record.
    Spool::beside(&state_path(stage)).orders().iter().for_each(|(_, order)| drop(file.value.obey(order)));
    let state = &file.value;
    for (name, alert) in state.alerts.iter().filter(|(_, alert)| alert.firing.is_some() || alert.pending.is_some()) {
        let fires = alert.firing.is_some();
        let since = alert.firing.or(alert.pending).map(timestamp).unwrap_or_default();
        let summary = format!("{name}: {} since {since}; {}", if fires { "fires" } else { "alarming" }, alert.summary);
        stage.step(Status::Ok, Step { id: format!("alert.{}", alert.id), summary, hint: alert.hint.clone(), ..Step::default() });
    }
    let silences: Vec<_> = state.silences.iter().filter(|silence| silence.until > Timestamp::now()).collect();
    for silence in &silences {
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
    Ok(Done::ok(format!("{firing} firing, {}, {} in the outbox", counted(silences.len(), "silence"), state.outbox.len())))
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
        let would = match sink.kind {
            Kind::Unset(_) => format!("would not send a test alert: {}", sink.shown()),
            _ => format!("would send a test alert to {}", sink.shown()),
        };
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(would) });
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
        let rules = Rules::read(&files, &stage.settings)?;
        match stage.out().mode() {
            Output::Table => stage.out().text(builtin::TEXT.trim_end()),
            _ => stage.step(Status::Ok, Step { id: "rules".into(), summary: builtin::TEXT.into(), ..Step::default() }),
        }
        let sinks: Vec<String> = rules.sinks.values().map(|sink| sink.shown()).collect();
        return Ok(Done::ok(format!(
            "no rules are named (--rules, ALERT_RULES, PROFILE): those within the program hold; {}",
            sinks.join(", ")
        )));
    }
    let rules = Rules::read(&files, &stage.settings)?;
    let shown: Vec<String> = files.iter().map(|path: &PathBuf| Path::new(path).display().to_string()).collect();
    let sinks = match rules.sinks.len() {
        0 => "no sink yet, so that nothing would be told".to_owned(),
        count => counted(count, "sink"),
    };
    Ok(Done::ok(format!("no mistake in {}: {}, {sinks}", shown.join(", "), counted(rules.rules.len(), "rule"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::state::name;

    #[test]
    fn ids_are_found_whole_also_with_blanks() {
        let alert = name("a full disk", "lab", "disk full");
        for wanted in ["a full disk", "lab", "disk full"] {
            assert!(is_about(&alert, wanted), "{wanted}");
        }
        for other in ["disk", "full", "a", "la"] {
            assert!(!is_about(&alert, other), "{other}");
        }
        assert!(is_about("chat\tlab\tdb.size", "db.size"));
        assert!(mentions("kept back by db.size, which fires", "db.size") && mentions("db.size", "db.size"));
        assert!(!mentions("kept back by db.size.growth", "db.size") && !mentions("kept back", "e") && !mentions("kept back", ""));
    }
}
