//! Mail: what a letter says, and how the server is reached.

use super::request::Letter;
use super::text::{Form, headline, plain, utf8};
use crate::notification::{Notification, Severity, Why};
use ml_common::files::hex;
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// Longer letters are not read.
const FORM: Form = Form { limit: 60_000, units: utf8, escape: plain };
/// A header line may have 998 bytes before it is folded, and lists show fewer.
const SUBJECT: usize = 200;

/// A mail server and whom to write to.
#[derive(Clone, Debug, PartialEq)]
pub struct Mail {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the line is encrypted.
    pub encryption: Encryption,
    /// User and password.
    pub login: Option<(String, String)>,
    /// The sender.
    pub from: String,
    /// The receivers.
    pub to: Vec<String>,
    /// PEM file of a private authority.
    pub authority: Option<PathBuf>,
}

/// How the line to a mail server is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Asked for after the greeting, and required.
    Starttls,
    /// From the first byte.
    Implicit,
    /// Not at all.
    None,
}

pub(super) fn letter(mail: &Mail, told: &Notification, note: &str) -> Letter {
    let domain = mail.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain.trim_end_matches('>'));
    let id = |text: &str| format!("<{}@{domain}>", &hex(&Sha256::digest(text.as_bytes()))[..40]);
    Letter {
        subject: FORM.line(&headline(told, note), SUBJECT),
        text: FORM.fit("", told),
        message_id: id(&told.key),
        thread: id(&format!("group {} {}", told.system, told.group)),
        urgent: told.severity >= Severity::High && !matches!(told.why, Why::Resolved | Why::Test),
    }
}
