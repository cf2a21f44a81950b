//! Where notifications go: `[sink.NAME]` of the rules, each kind with its service's form and limits (docs/sinks.md).
//!
//! Payloads are pure: a notification and a sink give a [`Request`]; `deliver` sends it.

mod alertmanager;
mod config;
mod deadman;
mod discord;
mod email;
mod ntfy;
mod pagerduty;
mod request;
mod slack;
mod teams;
mod text;
mod webhook;

pub use alertmanager::{forget, refresh, refreshed, remember};
pub use deadman::Ping;
pub use email::{Encryption, Mail};
pub use request::{Letter, Request};

use crate::deliver::SinkState;
use crate::notification::Notification;
use jiff::Timestamp;
use ml_common::http;
use std::fmt;
use std::time::Duration;

/// A place to tell things.
#[derive(Clone, PartialEq)]
pub struct Sink {
    /// Its name in the rules.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Time between two messages.
    pub gap: Duration,
    /// Limit of one attempt.
    pub timeout: Duration,
}

impl fmt::Debug for Sink {
    /// Without addresses and keys, which are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.shown())
    }
}

/// Kinds of sinks. Addresses and keys are secrets.
#[derive(Clone, PartialEq)]
pub enum Kind {
    /// A webhook of Slack, or of what understands its form (Mattermost, Discord's `/slack` addresses).
    Slack(String),
    /// A webhook of Discord.
    Discord(String),
    /// Alertmanager's API, version 2: the address, and how often at least it is told what stands, where that is known.
    Alertmanager(String, Option<Duration>),
    /// Mail.
    Email(Mail),
    /// JSON to any address, signed where there is a secret.
    Webhook(Webhook),
    /// A program with JSON on its standard input.
    Command(Vec<String>),
    /// A dead man's switch, and whether its service knows outcomes; it gets pings and no notifications.
    Deadman(String, bool),
    /// PagerDuty's events, version 2: the address and the routing key.
    Pagerduty(String, String),
    /// A workflow of Teams.
    Teams(String),
    /// ntfy: the server, the topic and a token.
    Ntfy(String, String, Option<String>),
    /// Variables that it needs are not set.
    Unset(Vec<String>),
}

/// Any address that takes JSON.
#[derive(Clone, PartialEq)]
pub struct Webhook {
    /// Where.
    pub url: String,
    /// Signs the body.
    pub secret: Option<String>,
    /// Further headers.
    pub headers: Vec<(String, String)>,
}

impl Sink {
    /// A sink with its kind's own pace and 15 s an attempt.
    pub fn new(name: &str, kind: Kind) -> Sink {
        let gap = match kind {
            // One message a second; thirty a minute and channel; four a second.
            Kind::Slack(_) => Duration::from_secs(1),
            Kind::Discord(_) => Duration::from_secs(2),
            Kind::Teams(_) => Duration::from_millis(250),
            _ => Duration::ZERO,
        };
        Sink { name: name.to_owned(), kind, gap, timeout: Duration::from_secs(15) }
    }

    /// What it is and where, without secrets: `slack https://hooks.slack.com`.
    pub fn shown(&self) -> String {
        let at = |kind: &str, url: &str| format!("{kind} {}", http::origin(url));
        match &self.kind {
            Kind::Slack(url) => at("slack", url),
            Kind::Discord(url) => at("discord", url),
            Kind::Alertmanager(url, _) => at("alertmanager", url),
            Kind::Webhook(webhook) => at("webhook", &webhook.url),
            Kind::Deadman(url, _) => at("deadman", url),
            Kind::Pagerduty(url, _) => at("pagerduty", url),
            Kind::Teams(url) => at("teams", url),
            Kind::Ntfy(url, topic, _) => format!("{}/{topic}", at("ntfy", url)),
            Kind::Email(mail) => format!("email {}", mail.to.join(", ")),
            Kind::Command(argv) => format!("command {}", argv.first().map_or("", String::as_str)),
            Kind::Unset(names) => format!("{} {} not set", names.join(", "), if names.len() == 1 { "is" } else { "are" }),
        }
    }

    /// Whether it is told anything at all; a dead man's switch only hears that we live.
    pub fn takes_notifications(&self) -> bool {
        !matches!(self.kind, Kind::Deadman(..))
    }

    /// It wants each alert, and groups, repeats and cuts by itself.
    pub fn takes_each(&self) -> bool {
        matches!(self.kind, Kind::Alertmanager(..))
    }

    /// The receiver knows a notification by its key (or as a state) and takes it once: sending it again does no harm.
    pub fn knows_keys(&self) -> bool {
        matches!(self.kind, Kind::Alertmanager(..) | Kind::Webhook(_) | Kind::Command(_) | Kind::Pagerduty(..))
    }

    /// What to send. `note` comes after the title where people read it; `state` is what an Alertmanager was told before. None for a dead man's
    /// switch, and for a sink that is not complete.
    pub fn request(&self, notification: &Notification, note: &str, state: &SinkState, now: Timestamp) -> Option<Request> {
        let told = &text::scrubbed(notification);
        Some(match &self.kind {
            Kind::Slack(url) => slack::request(url, told, note),
            Kind::Discord(url) => discord::request(url, told, note),
            Kind::Alertmanager(url, interval) => alertmanager::request(url, *interval, told, state, now),
            Kind::Email(mail) => Request::Mail(email::letter(mail, told, note)),
            Kind::Webhook(webhook) => webhook::request(webhook, told),
            Kind::Command(argv) => Request::Command { argv: argv.clone(), stdin: webhook::body(told) },
            Kind::Pagerduty(url, key) => pagerduty::request(url, key, told),
            Kind::Teams(url) => teams::request(url, told, note),
            Kind::Ntfy(url, topic, token) => ntfy::request(url, topic, token.as_deref(), told, note),
            Kind::Deadman(..) | Kind::Unset(_) => return None,
        })
    }

    /// The ping of a dead man's switch; None for other kinds, and for outcomes that its service does not know.
    pub fn ping(&self, ping: Ping, summary: &str) -> Option<Request> {
        match &self.kind {
            Kind::Deadman(url, outcomes) => deadman::request(url, *outcomes, ping, summary),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
