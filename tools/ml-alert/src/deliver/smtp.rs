//! One letter, one connection. Each step is known, so that a line cut before the letter is no "possibly repeated".

use super::outcome::Outcome;
use crate::sinks::{Encryption, Letter, Mail, Sink};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use ml_common::redact::scrub;
use std::time::Duration;

/// Delivers a letter within the sink's time.
pub(super) fn send(mail: &Mail, letter: &Letter, sink: &Sink) -> Outcome {
    let (mail, letter, timeout) = (mail.clone(), letter.clone(), sink.timeout);
    let (name, server) = (sink.name.clone(), format!("{}:{}", mail.host, mail.port));
    let late = || Outcome::Later { after: None, reason: format!("{server} did not take the letter within its time"), maybe: true };
    // The library limits each read; a server that drips could go on for ever.
    ml_common::deadline::within(timeout, move || exchange(&mail, &letter, timeout, &name)).unwrap_or_else(late)
}

fn exchange(mail: &Mail, letter: &Letter, timeout: Duration, name: &str) -> Outcome {
    let server = format!("{}:{}", mail.host, mail.port);
    let wrong = |reason: String| Outcome::Held { reason, hint: format!("correct the settings of the sink {name}") };
    let message = match compose(mail, letter) {
        Ok(message) => message,
        Err(reason) => return wrong(reason),
    };
    let tls = match tls(mail) {
        Ok(tls) => tls,
        Err(reason) => return wrong(reason),
    };
    let fate = |error: &Error, begun| judge(error, begun, &server, name);
    let mut line = match open(mail, tls.as_ref(), timeout) {
        Ok(line) => line,
        Err(error) => return fate(&error, false),
    };
    if let Some((user, password)) = &mail.login {
        let login = Credentials::new(user.clone(), password.clone());
        if let Err(error) = line.auth(&[Mechanism::Plain, Mechanism::Login], &login) {
            line.abort();
            return fate(&error, false);
        }
    }
    let sent = line.send(message.envelope(), &message.formatted());
    line.abort();
    match sent {
        Ok(_) => Outcome::Sent,
        Err(error) => fate(&error, true),
    }
}

fn open(mail: &Mail, tls: Option<&TlsParameters>, timeout: Duration) -> Result<SmtpConnection, Error> {
    let (hello, implicit) = (ClientId::default(), mail.encryption == Encryption::Implicit);
    let mut line = SmtpConnection::connect((mail.host.as_str(), mail.port), Some(timeout), &hello, tls.filter(|_| implicit), None)?;
    if let Some(tls) = tls.filter(|_| !implicit) {
        line.starttls(tls, &hello)?;
    }
    Ok(line)
}

/// None when the line is not encrypted.
fn tls(mail: &Mail) -> Result<Option<TlsParameters>, String> {
    if mail.encryption == Encryption::None {
        return Ok(None);
    }
    let mut builder = TlsParameters::builder(mail.host.clone());
    if let Some(path) = &mail.authority {
        let bytes = std::fs::read(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let certificate = Certificate::from_pem(&bytes).map_err(|_| format!("{} holds no certificate", path.display()))?;
        builder = builder.add_root_certificate(certificate);
    }
    builder.build().map(Some).map_err(|error| format!("TLS cannot be prepared: {error}"))
}

fn compose(mail: &Mail, letter: &Letter) -> Result<Message, String> {
    let address = |text: &String| text.parse().map_err(|_| format!("'{text}' is no mail address"));
    let mut builder = Message::builder().from(address(&mail.from)?).subject(&letter.subject);
    builder = builder.message_id(Some(letter.message_id.clone())).references(letter.thread.clone()).in_reply_to(letter.thread.clone());
    for to in &mail.to {
        builder = builder.to(address(to)?);
    }
    let message = builder.header(ContentType::TEXT_PLAIN).body(letter.text.clone());
    let mut message = message.map_err(|error| format!("the letter cannot be written: {error}"))?;
    // Absence notes do not answer what no person wrote.
    let headers = [Some(("Auto-Submitted", "auto-generated")), letter.urgent.then_some(("X-Priority", "1"))];
    for (name, value) in headers.into_iter().flatten() {
        message.headers_mut().insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned()));
    }
    Ok(message)
}

/// `begun`: the letter itself was under way.
fn judge(error: &Error, begun: bool, server: &str, name: &str) -> Outcome {
    let mut said = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let inner_said = inner.to_string();
        // Some errors quote their cause already.
        if !said.contains(&inner_said) {
            said.push_str(&format!(": {inner_said}"));
        }
        source = inner.source();
    }
    let said: String = said.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect();
    let reason = format!("{server}: {}", scrub(&said));
    let code = error.status().map(|code| code.to_string());
    match code.as_deref() {
        // Login wanted or wrong; encryption wanted; not for us.
        Some("530" | "534" | "535" | "538") => Outcome::Held { reason, hint: format!("correct user, password or tls of the sink {name}") },
        Some(code) if code.starts_with('5') && begun => Outcome::Refused { reason },
        Some(_) => Outcome::Later { after: None, reason, maybe: false },
        None if error.is_client() => Outcome::Held { reason, hint: format!("correct tls, user or password of the sink {name}") },
        None => Outcome::Later { after: None, reason, maybe: begun },
    }
}
