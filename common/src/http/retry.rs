//! Whether to try again and after what pause, and what an error means. All pure but the jitter.

use super::{Options, Response};
use jiff::Timestamp;
use std::hash::{BuildHasher, RandomState};
use std::io::ErrorKind;
use std::time::Duration;
use ureq::{Error, Timeout};

/// The pause before another attempt, or `None` when the answer stands: anything but 429 and 5xx, or a server that asks for too long a
/// pause.
pub(super) fn after_answer(response: &Response, attempt: u32, options: &Options, now: Timestamp) -> Option<Duration> {
    if response.status != 429 && response.status < 500 {
        return None;
    }
    match response.header("retry-after").and_then(|value| asked_pause(value, now)) {
        Some(asked) => (asked <= options.longest_pause).then_some(asked),
        None => Some(backoff(attempt, options)),
    }
}

/// The pause before another attempt, or `None`. A request that may have arrived is repeated only when twice is as good as once.
pub(super) fn after_error(error: &Error, method: &str, attempt: u32, options: &Options) -> Option<Duration> {
    let lost = may_have_arrived(error);
    (never_sent(error) || (lost && matches!(method, "GET" | "HEAD" | "PUT" | "DELETE"))).then(|| backoff(attempt, options))
}

fn never_sent(error: &Error) -> bool {
    match error {
        Error::Timeout(Timeout::Resolve | Timeout::Connect) | Error::HostNotFound | Error::ConnectionFailed => true,
        Error::Io(io) => matches!(io.kind(), ErrorKind::ConnectionRefused | ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable),
        _ => false,
    }
}

/// Whether the server may have the request although no answer came.
pub(super) fn may_have_arrived(error: &Error) -> bool {
    !never_sent(error) && matches!(error, Error::Timeout(_) | Error::Io(_) | Error::Protocol(_)) && tls(error).is_none()
}

/// `Retry-After`: seconds or an HTTP date.
pub(super) fn asked_pause(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO))
}

/// Doubling from `backoff`, at most `longest_pause`, of which a random half is taken off so that many clients do not return at once.
fn backoff(attempt: u32, options: &Options) -> Duration {
    let whole = options.backoff.saturating_mul(1 << attempt.saturating_sub(1).min(16)).min(options.longest_pause);
    let random = RandomState::new().hash_one(attempt) % 1000;
    whole / 2 + whole / 2 * u32::try_from(random).unwrap_or(0) / 1000
}

/// A failed handshake, in either place where ureq puts it.
fn tls(error: &Error) -> Option<&rustls::Error> {
    match error {
        Error::Rustls(tls) => Some(tls),
        Error::Io(io) => io.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    }
}

/// What went wrong, without the URL, and what to do.
pub(super) fn explain(error: &Error, options: &Options) -> (String, &'static str) {
    let within = |limit: Duration| format!("no answer within {} s", (limit.as_secs_f64() * 100.0 - 1e-6).ceil() / 100.0);
    if let Some(tls) = tls(error) {
        return (format!("TLS: {tls}"), "check the service's certificate; SSL_CERT_FILE names a private authority");
    }
    match error {
        Error::Timeout(Timeout::Resolve) => ("the name service does not answer".into(), "check the name service"),
        Error::Timeout(Timeout::Connect) => (within(options.connect_timeout), "check that the service listens there, and firewalls"),
        Error::Timeout(_) => (within(options.timeout), "check that the service is not overloaded"),
        Error::HostNotFound => ("the host is unknown".into(), "correct the host of the URL, or the name service"),
        Error::Io(io) if io.kind() == ErrorKind::ConnectionRefused => {
            ("connection refused".into(), "start the service, or correct host and port of the URL")
        }
        Error::Io(io) if matches!(io.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            ("the connection was closed before the answer was whole".into(), "check that the service speaks HTTP there, and its log")
        }
        Error::Io(io) => (io.to_string(), "check host, port and network"),
        Error::Tls(why) => (format!("TLS: {why}"), "check the service's certificate"),
        Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
            ("the proxy refuses".into(), "check the proxy variables, or list the host in no_proxy")
        }
        Error::Protocol(_) => ("the answer is not HTTP".into(), "check that the URL is of an HTTP service"),
        Error::TooManyRedirects | Error::RedirectFailed => ("it redirects without end".into(), "use the final URL"),
        // Other texts may quote the URL.
        _ => ("the request failed".into(), "check the URL and the service's log"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> Response {
        let headers = retry_after.map(|value| ("retry-after".to_owned(), value.to_owned())).into_iter().collect();
        Response { status, headers, body: Vec::new(), truncated: false, latency: Duration::ZERO, attempts: 1 }
    }

    #[test]
    fn only_429_and_5xx_are_tried_again_and_the_server_sets_the_pause() {
        let now: Timestamp = "2025-01-08T02:00:00Z".parse().unwrap();
        let options = Options { longest_pause: Duration::from_secs(30), ..Options::default() };
        let pause = |status, header| after_answer(&answer(status, header), 1, &options, now);
        for status in [200, 204, 301, 400, 401, 403, 404] {
            assert_eq!(pause(status, Some("1")), None, "{status}");
        }
        assert_eq!(pause(429, Some("7")), Some(Duration::from_secs(7)));
        assert_eq!(pause(503, Some("0.25")), Some(Duration::from_millis(250)));
        assert_eq!(pause(503, Some("Wed, 08 Jan 2025 02:00:20 GMT")), Some(Duration::from_secs(20)));
        assert_eq!(pause(503, Some("Wed, 08 Jan 2025 01:00:00 GMT")), Some(Duration::ZERO));
        assert_eq!(pause(429, Some("31")), None, "longer than we wait");
        for nonsense in ["soon", "-1", "NaN", ""] {
            let chosen = pause(500, Some(nonsense)).unwrap();
            assert!(chosen >= options.backoff / 2 && chosen <= options.backoff, "{nonsense}: {chosen:?}");
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest() {
        let options = Options { backoff: Duration::from_secs(1), longest_pause: Duration::from_secs(10), ..Options::default() };
        for (attempt, whole) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (40, 10)] {
            let (pause, whole) = (backoff(attempt, &options), Duration::from_secs(whole));
            assert!(pause >= whole / 2 && pause <= whole, "{attempt}: {pause:?}");
        }
    }

    #[test]
    fn a_post_that_may_have_arrived_is_not_repeated() {
        let options = Options::default();
        let refused = Error::Io(ErrorKind::ConnectionRefused.into());
        let cut = Error::Io(ErrorKind::UnexpectedEof.into());
        let slow = Error::Timeout(Timeout::RecvResponse);
        for (error, get, post) in [(&refused, true, true), (&cut, true, false), (&slow, true, false), (&Error::HostNotFound, true, true)] {
            assert_eq!(after_error(error, "GET", 1, &options).is_some(), get, "{error}");
            assert_eq!(after_error(error, "PUT", 1, &options).is_some(), get, "{error}");
            assert_eq!(after_error(error, "POST", 1, &options).is_some(), post, "{error}");
        }
        assert!(after_error(&Error::Tls("no"), "GET", 1, &options).is_none());
    }
}
