//! Slack's incoming webhooks, and what speaks their form.

use super::request::Request;
use super::text::{Form, utf16};
use crate::notification::Notification;
use serde_json::json;

/// Slack cuts a text at 40,000 characters; nobody reads more than this.
const FORM: Form = Form { limit: 8_000, units: utf16, escape };

/// Slack's three; a `<!channel>` or `<@U1>` in a summary calls nobody then.
fn escape(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

pub(super) fn request(url: &str, told: &Notification, note: &str) -> Request {
    let text = FORM.message(told, note);
    // Discord's `/slack` addresses know @everyone without brackets, and no allowed_mentions: a word joiner keeps it a word.
    let text = if super::discord::takes_slack(url) { text.replace('@', "@\u{2060}") } else { text };
    Request::json(url, Vec::new(), &json!({ "text": text, "unfurl_links": false, "unfurl_media": false }))
}
