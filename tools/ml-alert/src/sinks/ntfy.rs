//! ntfy: a message to a topic, with a priority.

use super::request::Request;
use super::text::{Form, headline, plain, utf8};
use crate::notification::{Notification, Severity, Why};
use serde_json::json;

/// A longer message becomes an attachment, which phones do not show.
const MESSAGE: Form = Form { limit: 4_000, units: utf8, escape: plain };
const TITLE_BYTES: usize = 250;

pub(super) fn request(url: &str, topic: &str, token: Option<&str>, told: &Notification, note: &str) -> Request {
    let priority = match (told.why, told.severity) {
        (Why::Resolved | Why::Test, _) => 3,
        (_, Severity::Critical) => 5,
        (_, Severity::High) => 4,
        (_, Severity::Medium) => 3,
        (_, Severity::Low) => 2,
    };
    let body = json!({
        "topic": topic,
        "title": MESSAGE.line(&headline(told, note), TITLE_BYTES),
        "message": MESSAGE.fit("", told),
        "priority": priority,
    });
    let headers = token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).into_iter().collect();
    Request::json(url, headers, &body)
}
