//! The way out: HTTP, mail, programs; and the clock.

use super::outcome::{Outcome, judge};
use super::smtp;
use crate::sinks::{Kind, Request, Sink};
use jiff::Timestamp;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result, child, http};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What delivery asks of the world.
pub trait Wire {
    /// What time it is.
    fn now(&self) -> Timestamp;

    /// Time that has passed, by a clock that does not jump.
    fn elapsed(&self) -> Duration;

    /// Waits.
    ///
    /// # Errors
    /// Interrupted or Terminated.
    fn pause(&mut self, pause: Duration) -> Result<()>;

    /// Whether to go on.
    ///
    /// # Errors
    /// Interrupted or Terminated.
    fn go_on(&self) -> Result<()>;

    /// One attempt.
    fn send(&mut self, sink: &Sink, request: &Request) -> Outcome;
}

/// The real one.
pub struct Net {
    client: http::Client,
    cancel: Cancel,
    began: Instant,
}

impl Net {
    /// Proxy variables come from `env`.
    pub fn new(cancel: Cancel, env: &dyn Fn(&str) -> Option<String>) -> Net {
        // Redirects, repeats and pauses are decided here.
        let options = http::Options { attempts: 1, redirects: 0, body_limit: 64 << 10, ..http::Options::default() };
        Net { client: http::Client::new(options, env), cancel, began: Instant::now() }
    }

    fn post(&self, sink: &Sink, url: &str, headers: &[(String, String)], body: &str) -> Outcome {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match self.client.within(sink.timeout).post_once(url, &headers, body.as_bytes()) {
            Ok(answer) => judge(sink, &answer, self.now()),
            Err(http::Unanswered { failure, .. }) if failure.class == Class::Config => held(failure),
            Err(http::Unanswered { failure, maybe_received }) => {
                Outcome::Later { after: None, reason: failure.message, maybe: maybe_received }
            }
        }
    }

    fn run(&self, sink: &Sink, argv: &[String], stdin: &str) -> Outcome {
        let ended = feed(stdin).and_then(|stdin| {
            let mut command = Command::new(argv.first().map_or("", String::as_str));
            command.args(argv.get(1..).unwrap_or_default());
            child::run_fed(command, stdin, &self.cancel, Some(sink.timeout), |out| {
                std::io::copy(out, &mut std::io::sink()).or_fail(Class::General, || "reading its output")
            })
        });
        match ended {
            Ok((ended, _)) if ended.status.success() => Outcome::Sent,
            Ok((ended, _)) => {
                let said = ml_common::redact::scrub(&ended.said()).into_owned();
                let colon = if said.is_empty() { "" } else { ": " };
                let reason = format!("{} ended with {}{colon}{said}", argv.first().map_or("", String::as_str), ended.status);
                // EX_DATAERR: this notification, and no other.
                if ended.status.code() == Some(65) {
                    Outcome::Refused { reason }
                } else {
                    Outcome::Later { after: None, reason, maybe: false }
                }
            }
            Err(failure) if failure.message.starts_with("cannot start") => {
                held(failure.hint(format!("correct the command of the sink {}", sink.name)))
            }
            Err(failure) => Outcome::Later { after: None, reason: failure.message, maybe: true },
        }
    }
}

fn held(failure: Failure) -> Outcome {
    Outcome::Held { reason: failure.message, hint: failure.hint.unwrap_or_default() }
}

/// A pipe that gives a text. A child that does not read it is its own business.
fn feed(text: &str) -> Result<Stdio> {
    let (reader, mut writer) = std::io::pipe().or_fail(Class::Internal, || "making a pipe")?;
    let text = text.to_owned();
    std::thread::spawn(move || drop(writer.write_all(text.as_bytes())));
    Ok(Stdio::from(reader))
}

impl Wire for Net {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn pause(&mut self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            self.go_on()?;
            std::thread::sleep(left.min(ml_common::signal::POLL));
        }
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        self.cancel.check()
    }

    fn send(&mut self, sink: &Sink, request: &Request) -> Outcome {
        match (request, &sink.kind) {
            (Request::Http { url, headers, body }, _) => self.post(sink, url, headers, body),
            (Request::Command { argv, stdin }, _) => self.run(sink, argv, stdin),
            (Request::Mail(letter), Kind::Email(mail)) => smtp::send(mail, letter, sink),
            (Request::Mail(_), _) => Outcome::Refused { reason: "a letter for what takes none".into() },
        }
    }
}
