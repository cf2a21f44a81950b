//! A workflow of Teams that posts what it gets as an adaptive card.

use super::request::Request;
use super::text::{Form, headline, json_bytes, markdown};
use crate::notification::{Notification, Severity, Why};
use serde_json::json;

/// A card may have 28 KB with all that is around it.
const FORM: Form = Form { limit: 20_000, units: json_bytes, escape: markdown };
const TITLE_BYTES: usize = 1_000;

pub(super) fn request(url: &str, told: &Notification, note: &str) -> Request {
    let color = match (told.why, told.severity) {
        (Why::Resolved, _) => "Good",
        (Why::Test, _) | (_, Severity::Low) => "Accent",
        (_, Severity::Critical | Severity::High) => "Attention",
        (_, Severity::Medium) => "Warning",
    };
    let head = FORM.line(&headline(told, note), TITLE_BYTES);
    // One line end is none in a card's Markdown.
    let text = FORM.fit("", told).replace('\n', "\n\n");
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": [
            { "type": "TextBlock", "text": head, "weight": "Bolder", "size": "Medium", "color": color, "wrap": true },
            { "type": "TextBlock", "text": text, "wrap": true },
        ],
    });
    let attachment = json!({ "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card });
    Request::json(url, Vec::new(), &json!({ "type": "message", "attachments": [attachment] }))
}
