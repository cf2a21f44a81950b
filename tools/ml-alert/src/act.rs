//! Tells: first what had to wait, then this run's message.

use crate::Cli;
use crate::outbox::{A_CALL, Outbox, Waiting};
use crate::payload::{Format, payload, unescaped};
use crate::plan::{Context, Message, message};
use ml_common::http;
use ml_common::people::counted;
use ml_common::record::{self, Alert, Fate};
use ml_common::{Class, Done, Exit, Failure, Result, Stage, Status};
use serde_json::Value;
use std::time::Duration;

/// Where messages go.
struct Sink<'a> {
    webhook: &'a str,
    format: Format,
    client: http::Client,
}

/// Why a message did not go out.
struct NotSent {
    failure: Failure,
    /// The service refuses this message and may take another.
    of_its_form: bool,
}

impl Sink<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.format.name(), http::origin(self.webhook))
    }

    /// Posts; anything but a 2xx is a failure.
    fn post(&self, payload: &Value) -> Result<(), NotSent> {
        let response = self.client.post_json(self.webhook, &[], payload).map_err(|failure| NotSent { failure, of_its_form: false })?;
        if response.is_success() {
            return Ok(());
        }
        let hint = match response.status {
            401 | 403 | 404 | 410 => "the webhook is not valid any more: make a new one and set ALERT_WEBHOOK",
            400 | 413 => "the service refused the message's form: check ALERT_FORMAT",
            _ => "the message is kept and tried again on the next call",
        };
        let failure = Failure::new(Class::Network, format!("{} answered {}", http::origin(self.webhook), response.status)).hint(hint);
        Err(NotSent { failure, of_its_form: matches!(response.status, 400 | 413) })
    }
}

/// The work of ml-alert.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let verdict = &stage.verdict;
    let missing = verdict.missing(&cli.expect);
    let log = cli.log.clone().or_else(|| stage.env("ML_LOG"));
    let host = stage.host();
    let context = Context { run: &stage.run, system: &stage.system, host, log: log.as_deref() };
    let told = message(verdict, &missing, &context);
    // A tool that never took part is worth a dead stage's code, whatever the rest was.
    let exit = if missing.is_empty() { Exit::OK } else { Exit::DIED };
    let status = (exit != Exit::OK).then_some(Status::Crit);
    let enabled = stage.settings.switch("ALERT_ENABLED")?;
    let webhook = stage.settings.get("ALERT_WEBHOOK");
    let format_name = stage.settings.text("ALERT_FORMAT");
    let format = Format::choose(format_name, webhook.unwrap_or_default()).ok_or_else(|| {
        Failure::new(Class::Config, format!("ALERT_FORMAT must be auto, slack or discord, and is '{format_name}'"))
            .hint("correct ALERT_FORMAT")
    })?;
    let done = |summary: String| Done { exit, status, ..Done::ok(summary) };
    if stage.dry_run {
        return Ok(done(match &told {
            Some(told) => plan_only(stage, told, format, webhook),
            None => "all is well, nothing would be sent".into(),
        }));
    }
    let outbox = Outbox::new(&stage.settings.path("STATE_DIR"));
    let sink = match (enabled, webhook) {
        (true, Some(webhook)) => Sink { webhook, format, client: client(stage) },
        (true, None) => {
            let Some(told) = told else { return Ok(done("all is well; ALERT_WEBHOOK is not set".into())) };
            let nowhere = Failure::new(Class::Config, "ALERT_ENABLED is true and ALERT_WEBHOOK is not set")
                .hint("set ALERT_WEBHOOK, and the message goes out with the next call; or set ALERT_ENABLED=false");
            return hold(stage, "nowhere", &outbox, &told, payload(format, &told), nowhere);
        }
        (false, _) => {
            if let Some(told) = &told {
                suppressed(stage, told, "ALERT_ENABLED is not true");
            }
            return Ok(done(
                told.map_or_else(|| "all is well".into(), |told| format!("{}; not sent, as ALERT_ENABLED is not true", told.title)),
            ));
        }
    };
    // Trouble with what had to wait must not keep this run's message back.
    let waited = deliver_waiting(stage, &sink, &outbox);
    stage.cancel.check()?;
    let Some(told) = told else {
        let waited = waited?;
        return Ok(done(if waited == 0 { "all is well".into() } else { format!("all is well; {waited} waiting messages delivered") }));
    };
    send(stage, &sink, &outbox, &told)?;
    waited?;
    Ok(done(format!("told {}: {}", sink.name(), told.title)))
}

/// What had to wait before there were rules still goes where it was to go.
///
/// # Errors
/// Class Storage when it cannot be read, and a signal. What cannot be delivered stays where it is, and is told.
pub fn deliver_old(stage: &Stage) -> Result<()> {
    let outbox = Outbox::new(&stage.settings.path("STATE_DIR"));
    let waiting = outbox.waiting()?.len();
    if waiting == 0 {
        return Ok(());
    }
    let webhook = stage.settings.get("ALERT_WEBHOOK");
    let chosen = webhook.and_then(|webhook| Some((webhook, Format::choose(stage.settings.text("ALERT_FORMAT"), webhook)?)));
    if let Some((webhook, format)) = chosen {
        return deliver_waiting(stage, &Sink { webhook, format, client: client(stage) }, &outbox).map(drop);
    }
    let summary = format!("{} from before there were rules", counted(waiting, "message"));
    let hint = "set ALERT_WEBHOOK, and the next call delivers them; or remove STATE_DIR/outbox";
    stage.alert(
        Status::Warn,
        Alert {
            id: "outbox".into(),
            fate: Fate::Held,
            summary,
            reason: Some("ALERT_WEBHOOK is not set".into()),
            hint: Some(hint.into()),
            ..Alert::default()
        },
    );
    Ok(())
}

fn client(stage: &Stage) -> http::Client {
    let options = http::Options { timeout: Duration::from_secs(15), longest_pause: Duration::from_secs(60), ..http::Options::default() };
    http::Client::new(options, &|name| stage.env(name))
}

/// Sends this run's message, or keeps it.
fn send(stage: &Stage, sink: &Sink<'_>, outbox: &Outbox, told: &Message) -> Result<()> {
    let body = payload(sink.format, told);
    match sink.post(&body) {
        Ok(()) => {
            stage.alert(Status::Ok, Alert { fate: Fate::Sent, ..alert(&sink.name(), told) });
            Ok(())
        }
        Err(not_sent) => hold(stage, &sink.name(), outbox, told, body, not_sent.failure).map(|_| ()),
    }
}

fn alert(sink: &str, told: &Message) -> Alert {
    let (severity, summary) = (told.severity.name().into(), told.title.clone());
    Alert { id: "run".into(), severity, sink: sink.into(), summary, ..Alert::default() }
}

/// Keeps a message in the outbox; fails with why it had to.
fn hold(stage: &Stage, sink: &str, outbox: &Outbox, told: &Message, body: Value, failure: Failure) -> Result<Done> {
    let waiting = Waiting {
        run: stage.run.clone(),
        since: record::timestamp(jiff::Timestamp::now()),
        reason: failure.message.clone(),
        severity: told.severity.name().into(),
        payload: body,
    };
    let kept = outbox.keep(&waiting)?;
    let reason = format!("{}; it waits in {}", failure.message, kept.display());
    stage.alert(Status::Warn, Alert { fate: Fate::Held, reason: Some(reason), hint: failure.hint.clone(), ..alert(sink, told) });
    Err(failure.context("the alert was not delivered and is kept in the outbox"))
}

/// Sends what had to wait, oldest first, until one fails; gives how many went out.
fn deliver_waiting(stage: &Stage, sink: &Sink<'_>, outbox: &Outbox) -> Result<usize> {
    let waiting = outbox.waiting()?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let Some(_held) = outbox.hold() else { return Ok(0) };
    let mut sent = 0;
    for (path, read) in outbox.waiting()?.into_iter().take(A_CALL) {
        stage.cancel.check()?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let alert = Alert { id: format!("outbox.{name}"), sink: sink.name(), ..Alert::default() };
        let held = |failure: Failure| Alert { fate: Fate::Held, reason: Some(failure.message), hint: failure.hint, ..alert.clone() };
        let waiting = match read {
            Ok(waiting) => waiting,
            Err(failure) => {
                stage.alert(Status::Warn, held(failure));
                continue;
            }
        };
        match sink.post(&late(&waiting, sink.format)) {
            Ok(()) => {
                outbox.forget(&path)?;
                sent += 1;
                let reason = Some(format!("it had waited since {}", waiting.since));
                stage.alert(Status::Ok, Alert { fate: Fate::Sent, severity: waiting.severity, reason, ..alert });
            }
            Err(not_sent) => {
                stage.alert(Status::Warn, held(not_sent.failure));
                // What the service refuses for its form stays and holds up nothing; otherwise it is no use to go on.
                if !not_sent.of_its_form {
                    break;
                }
            }
        }
    }
    Ok(sent)
}

/// The waiting payload, saying that it is late, in the form that the sink takes now.
fn late(waiting: &Waiting, format: Format) -> Value {
    let text = |key| waiting.payload.get(key).and_then(Value::as_str);
    // Slack's form is escaped already, and is going to be escaped again.
    let text = text("text").map(unescaped).or_else(|| text("content").map(str::to_owned)).unwrap_or_default();
    let message = Message {
        severity: if waiting.severity == "crit" { Status::Crit } else { Status::Warn },
        title: format!("delayed since {}", waiting.since),
        items: text.lines().map(str::to_owned).collect(),
        footer: format!("run {}", waiting.run),
    };
    payload(format, &message)
}

/// Dry run: shows the payload and touches nothing.
fn plan_only(stage: &Stage, told: &Message, format: Format, webhook: Option<&str>) -> String {
    let sink = webhook.map_or_else(|| format.name().to_owned(), |webhook| format!("{} {}", format.name(), http::origin(webhook)));
    stage.alert(
        Status::Planned,
        Alert {
            id: "run".into(),
            severity: told.severity.name().into(),
            sink,
            fate: Fate::Suppressed,
            reason: Some("dry run".into()),
            payload: Some(payload(format, told).to_string()),
            ..Alert::default()
        },
    );
    format!("would tell: {}", told.title)
}

fn suppressed(stage: &Stage, told: &Message, reason: &str) {
    stage.alert(
        Status::Skipped,
        Alert {
            id: "run".into(),
            severity: told.severity.name().into(),
            fate: Fate::Suppressed,
            reason: Some(reason.into()),
            summary: told.title.clone(),
            ..Alert::default()
        },
    );
}
