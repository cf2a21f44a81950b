//! Discord's webhooks. Plain content and no embeds: those are not shown to people who turned previews off.

use super::request::Request;
use super::text::{Form, markdown, utf16};
use crate::notification::Notification;
use serde_json::json;

const FORM: Form = Form { limit: 2_000, units: utf16, escape: markdown };

/// Whether an address is one of Discord's own form.
pub(super) fn is_address(url: &str) -> bool {
    let host = url.split("://").nth(1).unwrap_or(url).split(['/', ':']).next().unwrap_or_default();
    let discord = ["discord.com", "discordapp.com"].iter().any(|name| host == *name || host.ends_with(&format!(".{name}")));
    discord && !takes_slack(url)
}

/// Discord's addresses with this end take Slack's form.
pub(super) fn takes_slack(url: &str) -> bool {
    url.split('?').next().is_some_and(|path| path.trim_end_matches('/').ends_with("/slack"))
}

pub(super) fn request(url: &str, told: &Notification, note: &str) -> Request {
    // Without `wait` it answers before it knows whether the message is stored.
    let waiting = format!("{url}{}wait=true", if url.contains('?') { '&' } else { '?' });
    let body = json!({ "content": FORM.message(told, note), "allowed_mentions": { "parse": [] } });
    Request::json(&waiting, Vec::new(), &body)
}
