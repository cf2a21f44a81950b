//! Slack and Discord.

use super::text;
use crate::notification::Notification;
use serde_json::{Value, json};

/// Slack cuts at 40,000 characters; nobody reads more than this.
const SLACK: usize = 8_000;
/// Discord refuses a longer content.
const DISCORD: usize = 2_000;

/// `{"text": ...}`. Ampersand and angle brackets are Slack's own: escaped, nobody is called and no link is made by what a record holds.
pub fn slack(told: &Notification, again: bool) -> Value {
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    json!({ "text": text::body(told, again, SLACK, escape) })
}

/// `{"content": ...}`, calling nobody.
pub fn discord(told: &Notification, again: bool) -> Value {
    json!({ "content": text::body(told, again, DISCORD, str::to_owned), "allowed_mentions": { "parse": [] } })
}
