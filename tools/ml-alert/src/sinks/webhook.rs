//! JSON for any receiver, and for a command's stdin: the notification itself, its keys stable.

use super::Webhook;
use super::request::Request;
use crate::notification::Notification;
use hmac::{Hmac, KeyInit, Mac};
use ml_common::files::hex;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// The form's version; fields are only ever added within one.
const VERSION: u8 = 1;

#[derive(Serialize)]
struct Body<'a> {
    version: u8,
    #[serde(flatten)]
    notification: &'a Notification,
}

/// The notification as JSON.
pub(super) fn body(told: &Notification) -> String {
    // A struct of texts and numbers is always JSON.
    serde_json::to_string(&Body { version: VERSION, notification: told }).unwrap_or_default()
}

pub(super) fn request(webhook: &Webhook, told: &Notification) -> Request {
    let body = body(told);
    let mut all = vec![("content-type".to_owned(), "application/json".to_owned()), ("idempotency-key".to_owned(), key(told))];
    all.extend(webhook.secret.as_deref().map(|secret| ("x-signature-256".to_owned(), format!("sha256={}", signature(secret, &body)))));
    all.extend(webhook.headers.iter().cloned());
    Request::Http { url: webhook.url.clone(), headers: all, body }
}

/// The key as a header takes it.
fn key(told: &Notification) -> String {
    let fits = told.key.len() <= 255 && told.key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { told.key.clone() } else { hex(&Sha256::digest(told.key.as_bytes())) }
}

/// HMAC-SHA256 of the body, in hex.
fn signature(secret: &str, body: &str) -> String {
    // A key of any length is valid.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes());
    mac.map(|mac| hex(&Mac::chain_update(mac, body).finalize().into_bytes())).unwrap_or_default()
}
