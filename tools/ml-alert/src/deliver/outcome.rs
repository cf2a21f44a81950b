//! What an answer means for a notification. Pure.

use crate::sinks::Sink;
use jiff::Timestamp;
use ml_common::http::Response;
use ml_common::redact::scrub;
use std::time::Duration;

/// Nobody is left alone for longer, whatever he asks.
const LONGEST: Duration = Duration::from_secs(86_400);
/// Characters of an answer that are quoted.
const QUOTED: usize = 200;

/// What became of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The receiver has it.
    Sent,
    /// Not now: to be tried again.
    Later {
        /// The receiver asked for this pause.
        after: Option<Duration>,
        /// Why.
        reason: String,
        /// The receiver may have it all the same.
        maybe: bool,
    },
    /// The receiver takes nothing until somebody mends the configuration.
    Held {
        /// Why.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// The receiver will never take this one, and may take others.
    Refused {
        /// Why.
        reason: String,
    },
}

/// HTML, as people are shown it; a service may well answer with XML.
fn is_page(text: &str) -> bool {
    let begin: String = text.trim_start().chars().take(14).collect::<String>().to_ascii_lowercase();
    begin.starts_with("<!doctype html") || begin.starts_with("<html") || begin.starts_with("<head") || begin.starts_with("<body")
}

/// Judges an answer.
pub fn judge(sink: &Sink, answer: &Response, now: Timestamp) -> Outcome {
    let mut reason = format!("{} answered {}", sink.shown(), answer.status);
    let said = said(answer);
    match answer.status {
        // A proxy or a portal that answers for the service with a page of its own.
        200..=299 if is_page(&answer.text()) => {
            Outcome::Later { after: None, reason: format!("{reason} with a page for people"), maybe: true }
        }
        200..=299 => Outcome::Sent,
        408 | 425 | 429 | 500.. => {
            let after = answer.retry_after(now).or_else(|| asked_in_body(answer)).map(|pause| pause.min(LONGEST));
            Outcome::Later { after, reason, maybe: false }
        }
        401 | 403 | 404 | 410 => {
            reason.push_str(&said);
            let hint =
                format!("correct the address or key of the sink {} (make a new one); what waits goes out with the next run", sink.name);
            Outcome::Held { reason, hint }
        }
        300..=399 => Outcome::Held { reason, hint: format!("set the address that the sink {} has moved to", sink.name) },
        _ => Outcome::Refused { reason: reason + &said },
    }
}

/// Discord's `{"retry_after": 0.75}`, in seconds.
fn asked_in_body(answer: &Response) -> Option<Duration> {
    Duration::try_from_secs_f64(answer.json().ok()?.get("retry_after")?.as_f64()?).ok()
}

/// What the receiver says, on one line.
fn said(answer: &Response) -> String {
    let text = answer.text();
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(QUOTED).collect();
    if line.is_empty() || line.starts_with('<') { String::new() } else { format!(": {}", scrub(&line)) }
}

/// The pause after so many failures in a row: doubling from a second to a quarter of an hour.
pub fn backoff(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.saturating_sub(1).min(10)).min(Duration::from_secs(900))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::Kind;

    fn answer(status: u16, header: Option<&str>, body: &str) -> Response {
        let headers = header.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        Response { status, headers, body: body.into(), truncated: false, latency: Duration::ZERO, attempts: 1 }
    }

    fn judged(status: u16, header: Option<&str>, body: &str) -> Outcome {
        let sink = Sink::new("chat", Kind::Slack("https://hooks.example.com/secret/path".into()));
        judge(&sink, &answer(status, header, body), "2025-01-08T02:00:00Z".parse().unwrap())
    }

    #[test]
    fn pauses_are_the_receivers() {
        let after = |header, body| match judged(429, header, body) {
            Outcome::Later { after, maybe: false, .. } => after.map(|pause| pause.as_millis()),
            other => panic!("{other:?}"),
        };
        assert_eq!(after(Some("7"), ""), Some(7_000));
        assert_eq!(after(Some("Wed, 08 Jan 2025 02:00:20 GMT"), ""), Some(20_000));
        assert_eq!(after(None, r#"{"message": "slow", "retry_after": 0.75, "global": false}"#), Some(750));
        assert_eq!(after(Some("9999999"), ""), Some(86_400_000));
        for nonsense in [Some("soon"), Some("-3"), None] {
            assert_eq!(after(nonsense, r#"{"retry_after": -1}"#), None);
        }
    }

    #[test]
    fn what_can_be_mended_is_held_what_cannot_is_refused() {
        for status in [200, 202, 204] {
            assert_eq!(judged(status, None, "ok"), Outcome::Sent);
        }
        for status in [408, 429, 500, 503, 599] {
            assert!(matches!(judged(status, None, ""), Outcome::Later { maybe: false, .. }), "{status}");
        }
        for status in [301, 401, 403, 404, 410] {
            assert!(matches!(judged(status, None, ""), Outcome::Held { .. }), "{status}");
        }
        for status in [400, 413, 422] {
            assert!(matches!(judged(status, None, ""), Outcome::Refused { .. }), "{status}");
        }
        assert!(matches!(judged(200, None, " <html>log in</html>"), Outcome::Later { maybe: true, .. }));
        let Outcome::Refused { reason } = judged(400, None, "invalid_\npayload") else { panic!("it is refused") };
        assert_eq!(reason, "slack https://hooks.example.com answered 400: invalid_ payload");
    }

    #[test]
    fn pauses_double_to_a_quarter_of_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 10, 11, 4_000_000_000].map(|n| backoff(n).as_secs()).into();
        assert_eq!(pauses, [1, 2, 4, 512, 900, 900]);
    }
}
