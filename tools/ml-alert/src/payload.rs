//! A message in the form of a chat service, within its limits.

use crate::plan::Message;
use ml_common::Status;
use serde_json::{Value, json};

/// The form that a webhook takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `{"text": ...}`, also understood by Mattermost and Discord's `/slack` addresses.
    Slack,
    /// `{"content": ...}`.
    Discord,
}

/// Slack cuts a text at 40,000 characters; nobody reads more than this.
const SLACK_CHARS: usize = 8_000;

/// Discord refuses a longer content.
const DISCORD_CHARS: usize = 2_000;

impl Format {
    /// The form by its name, or for `auto` by the webhook's address.
    pub fn choose(name: &str, webhook: &str) -> Option<Format> {
        match name {
            "slack" => Some(Format::Slack),
            "discord" => Some(Format::Discord),
            "auto" => {
                let host = webhook.split("://").nth(1).unwrap_or(webhook).split(['/', ':']).next().unwrap_or_default();
                let discord = ["discord.com", "discordapp.com"].iter().any(|name| host == *name || host.ends_with(&format!(".{name}")));
                Some(if discord && !webhook.trim_end_matches('/').ends_with("/slack") { Format::Discord } else { Format::Slack })
            }
            _ => None,
        }
    }

    /// How it is called in records.
    pub fn name(self) -> &'static str {
        match self {
            Format::Slack => "slack",
            Format::Discord => "discord",
        }
    }
}

/// What to post.
pub fn payload(format: Format, message: &Message) -> Value {
    match format {
        Format::Slack => {
            json!({ "text": text(message, SLACK_CHARS, |text| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")) })
        }
        // Nobody is called by what a database happens to hold.
        Format::Discord => json!({ "content": text(message, DISCORD_CHARS, str::to_owned), "allowed_mentions": { "parse": [] } }),
    }
}

/// The text of a Slack payload as it was before.
pub fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// Title, as many items as fit, footer. `escape` is the service's.
pub fn text(message: &Message, limit: usize, escape: impl Fn(&str) -> String) -> String {
    let sign = match message.severity {
        Status::Crit => "\u{1f534}",
        _ => "\u{1f7e1}",
    };
    let head = clip(&format!("{sign} {}", escape(&message.title)), limit / 4);
    let foot = clip(&escape(&message.footer), limit / 4);
    let more = |n: usize| format!("and {n} more");
    let chars = |text: &str| text.chars().count();
    // Room is kept for the line that counts what did not fit.
    let mut room = limit - chars(&head) - chars(&foot) - chars(&more(message.items.len())) - 3;
    let mut lines = vec![head];
    for (i, item) in message.items.iter().enumerate() {
        let item = clip(&escape(item), limit / 4);
        let needs = chars(&item) + 1;
        if needs > room {
            lines.push(more(message.items.len() - i));
            break;
        }
        room -= needs;
        lines.push(item);
    }
    lines.push(foot);
    lines.join("\n")
}

fn clip(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(items: usize, length: usize) -> Message {
        Message { severity: Status::Crit, title: "lab".into(), items: vec!["x".repeat(length); items], footer: "run r".into() }
    }

    #[test]
    fn the_form_follows_the_address() {
        for (url, format) in [
            ("https://hooks.slack.com/services/T/B/x", Format::Slack),
            ("https://discord.com/api/webhooks/1/x", Format::Discord),
            ("https://ptb.discord.com/api/webhooks/1/x", Format::Discord),
            ("https://discord.com/api/webhooks/1/x/slack", Format::Slack),
            ("https://discord.com.example.org/x", Format::Slack),
            ("http://127.0.0.1:9/x", Format::Slack),
        ] {
            assert_eq!(Format::choose("auto", url), Some(format), "{url}");
        }
        assert_eq!(Format::choose("teams", ""), None);
    }

    #[test]
    fn a_message_never_exceeds_the_services_limit_and_counts_the_rest() {
        for (items, length) in [(0, 0), (1, 10), (3, 100_000), (100, 30), (5000, 400), (40, 49)] {
            let content = payload(Format::Discord, &message(items, length))["content"].as_str().unwrap().to_owned();
            assert!(content.chars().count() <= DISCORD_CHARS, "{items} x {length}");
            assert!(content.ends_with("run r"));
            let shown = content.lines().filter(|line| line.starts_with('x')).count();
            assert_eq!(content.contains(&format!("and {} more", items - shown)), shown < items, "{items} x {length}");
        }
    }

    #[test]
    fn slack_control_characters_are_escaped_and_discord_calls_nobody() {
        let told = Message { items: vec!["a <b> & c @everyone".into()], ..message(0, 0) };
        assert!(payload(Format::Slack, &told)["text"].as_str().unwrap().contains("a &lt;b&gt; &amp; c"));
        assert_eq!(payload(Format::Discord, &told)["allowed_mentions"], json!({ "parse": [] }));
    }
}
