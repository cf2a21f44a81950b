//! Where notifications go: each service's form, within its limits. Forms are pure; `deliver` sends them.

mod chat;
mod services;
mod text;

use crate::notification::Notification;
use hmac::{Hmac, KeyInit, Mac};
use ml_common::http;
use ml_watch::conf::Table;
use serde_json::{Value, json};
use sha2::Sha256;

/// A place to tell things.
#[derive(Clone, PartialEq)]
pub struct Sink {
    /// Its name in the rules.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.name, self.shown())
    }
}

/// Kinds of sinks.
#[derive(Clone, PartialEq)]
pub enum Kind {
    /// A webhook of Slack, or what understands its form (Mattermost, Discord's `/slack` addresses).
    Slack(String),
    /// A webhook of Discord.
    Discord(String),
    /// Alertmanager, version 2 of its API: the address, and for how long what is not told again still fires, in seconds.
    Alertmanager(String, u64),
    /// PagerDuty's events, version 2: the address and the routing key.
    PagerDuty(String, String),
    /// A workflow of Teams.
    Teams(String),
    /// ntfy: the address with its topic, and a token.
    Ntfy(String, Option<String>),
    /// Our own JSON to any address, signed where there is a secret.
    Webhook(String, Option<String>),
    /// A command that is given the JSON on its standard input.
    Command(Vec<String>),
    /// Variables that it needs are not set.
    Unset(Vec<String>),
}

const KINDS: [&str; 8] = ["slack", "discord", "alertmanager", "pagerduty", "teams", "ntfy", "webhook", "command"];

/// What to post.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Where to. Secret.
    pub url: String,
    /// Headers besides the content type.
    pub headers: Vec<(String, String)>,
    /// A JSON document, or plain text.
    pub body: Value,
}

impl Sink {
    /// Reads `[sink.NAME]`.
    pub fn read(name: &str, table: &Table<'_>) -> Option<Sink> {
        let file = table.file();
        let kind = table.required("kind", table.word("kind", &KINDS))?;
        file.take_unset();
        let text = |key: &str| table.text(key).map(|spot| spot.value);
        let url = |key: &str| {
            let spot = table.text(key)?;
            if let Err(failure) = http::check_url(&spot.value) {
                file.mistake(spot.at, failure.message, "write https://host/path, or a ${VARIABLE} that holds it");
            }
            Some(spot.value)
        };
        let needed = |key: &str, value: Option<String>| table.required(key, value);
        let made = match kind.value {
            "slack" => needed("url", url("url")).map(Kind::Slack),
            "discord" => needed("url", url("url")).map(Kind::Discord),
            "alertmanager" => {
                let lasting = table.duration("lasting").map_or(900, |spot| spot.value.as_secs());
                needed("url", url("url")).map(|url| Kind::Alertmanager(url, lasting))
            }
            "pagerduty" => {
                let to = if table.has("url") { url("url") } else { Some("https://events.pagerduty.com/v2/enqueue".into()) };
                needed("routing_key", text("routing_key")).and_then(|key| Some(Kind::PagerDuty(to?, key)))
            }
            "teams" => needed("url", url("url")).map(Kind::Teams),
            "ntfy" => needed("url", url("url")).map(|url| Kind::Ntfy(url, text("token"))),
            "webhook" => needed("url", url("url")).map(|url| Kind::Webhook(url, text("secret"))),
            _ => {
                let words = table.required("command", table.texts("command")).unwrap_or_default();
                let words: Vec<String> = words.into_iter().map(|spot| spot.value).collect();
                (!words.is_empty()).then_some(Kind::Command(words))
            }
        };
        let unset = file.take_unset();
        let kind = if unset.is_empty() { made? } else { Kind::Unset(unset) };
        Some(Sink { name: name.to_owned(), kind })
    }

    /// What it is and where, without secrets.
    pub fn shown(&self) -> String {
        match &self.kind {
            Kind::Slack(url) => format!("slack {}", http::origin(url)),
            Kind::Discord(url) => format!("discord {}", http::origin(url)),
            Kind::Alertmanager(url, _) => format!("alertmanager {}", http::origin(url)),
            Kind::PagerDuty(url, _) => format!("pagerduty {}", http::origin(url)),
            Kind::Teams(url) => format!("teams {}", http::origin(url)),
            Kind::Ntfy(url, _) => format!("ntfy {}", http::origin(url)),
            Kind::Webhook(url, _) => format!("webhook {}", http::origin(url)),
            Kind::Command(words) => format!("command {}", words.first().map(String::as_str).unwrap_or_default()),
            Kind::Unset(names) => format!("{} is not set", names.join(", ")),
        }
    }

    /// Whether a repeated delivery does no harm: the receiver knows it by its key.
    pub fn is_idempotent(&self) -> bool {
        matches!(self.kind, Kind::Alertmanager(..) | Kind::PagerDuty(..) | Kind::Webhook(..) | Kind::Command(_))
    }

    /// What is posted. `again`: an attempt was begun of which nothing is known.
    pub fn request(&self, told: &Notification, again: bool) -> Option<Request> {
        let plain = |url: &str, body: Value| Some(Request { url: url.to_owned(), headers: Vec::new(), body });
        match &self.kind {
            Kind::Slack(url) => plain(url, chat::slack(told, again)),
            Kind::Discord(url) => plain(&waiting(url), chat::discord(told, again)),
            Kind::Alertmanager(url, lasting) => {
                plain(&format!("{}/api/v2/alerts", url.trim_end_matches('/')), services::alertmanager(told, *lasting))
            }
            Kind::PagerDuty(url, key) => plain(url, services::pagerduty(told, key)),
            Kind::Teams(url) => plain(url, services::teams(told, again)),
            Kind::Ntfy(url, token) => {
                let (base, topic) = url.trim_end_matches('/').rsplit_once('/')?;
                let headers = token.iter().map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).collect();
                Some(Request { headers, ..plain(base, services::ntfy(told, topic, again))? })
            }
            Kind::Webhook(url, secret) => {
                let body = json!(told);
                let mut headers = vec![("idempotency-key".to_owned(), told.key.clone())];
                headers.extend(secret.as_deref().map(|secret| ("x-signature".to_owned(), signature(secret, &body))));
                Some(Request { headers, ..plain(url, body)? })
            }
            Kind::Command(_) | Kind::Unset(_) => None,
        }
    }
}

/// Discord says only when asked whether a message was taken.
fn waiting(url: &str) -> String {
    let mark = if url.contains('?') { '&' } else { '?' };
    format!("{url}{mark}wait=true")
}

/// `sha256=` and the HMAC of the very bytes that are posted, in hex.
fn signature(secret: &str, body: &Value) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(body.to_string().as_bytes());
    format!("sha256={}", ml_common::files::hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests;
