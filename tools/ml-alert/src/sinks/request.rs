//! What goes over the wire, and how a person is shown it.

use serde_json::{Value, json};

/// A payload ready to be sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// An HTTP POST.
    Http { url: String, headers: Vec<(String, String)>, body: String },
    /// A letter.
    Mail(Letter),
    /// A program and its stdin.
    Command { argv: Vec<String>, stdin: String },
}

/// A letter to be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// One line.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The same letter has the same id, so that mail programs show a repeated one once.
    pub message_id: String,
    /// The same for all about one group: mail programs show them together.
    pub thread: String,
    /// Whether it has to be seen at once.
    pub urgent: bool,
}

impl Request {
    /// The body of a POST of JSON.
    pub(super) fn json(url: &str, headers: Vec<(String, String)>, body: &Value) -> Request {
        let mut all = vec![("content-type".to_owned(), "application/json".to_owned())];
        all.extend(headers);
        Request::Http { url: url.to_owned(), headers: all, body: body.to_string() }
    }

    /// What exactly goes out, as a text for people and records: the body of a POST, a program's stdin, a letter as JSON. Addresses are left out.
    pub fn shown(&self) -> String {
        match self {
            Request::Http { body, .. } => body.clone(),
            Request::Command { stdin, .. } => stdin.clone(),
            Request::Mail(letter) => json!({ "subject": letter.subject, "message_id": letter.message_id, "text": letter.text }).to_string(),
        }
    }
}
