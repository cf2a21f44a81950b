//! PagerDuty's events API, version 2: a group is one incident, from trigger to resolve.

use super::request::Request;
use super::text::{Form, foot_lines, plain, utf16};
use crate::notification::{Notification, Severity, Why};
use ml_common::files::hex;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const SUMMARY: usize = 1_024;
const DEDUP_KEY: usize = 255;
/// An event may have 512 KB.
const DETAILS: Form = Form { limit: 100_000, units: utf16, escape: plain };

pub(super) fn request(url: &str, routing_key: &str, told: &Notification) -> Request {
    let dedup_key = dedup_key(&format!("{}/{}", told.system, told.group));
    if told.why == Why::Resolved {
        return Request::json(url, Vec::new(), &json!({ "routing_key": routing_key, "event_action": "resolve", "dedup_key": dedup_key }));
    }
    let severity = match told.severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low => "info",
    };
    let details: Value = json!({ "alerts": DETAILS.fit("", told), "run": told.run, "notes": foot_lines(told) });
    let body = json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": dedup_key,
        "client": "ml-alert",
        "payload": {
            "summary": DETAILS.line(&told.title, SUMMARY),
            "source": told.host,
            "severity": severity,
            "timestamp": told.at,
            "component": told.system,
            "custom_details": details,
        },
    });
    Request::json(url, Vec::new(), &body)
}

/// The group's name, or its hash when it is too long.
fn dedup_key(group: &str) -> String {
    if group.encode_utf16().count() <= DEDUP_KEY { group.to_owned() } else { hex(&Sha256::digest(group.as_bytes())) }
}
