//! A dead man's switch: somebody else tells people when our pings stay away.

use super::request::Request;

/// What a dead man's switch is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ping {
    /// A run begins.
    Start,
    /// A complete run, and everybody was told what they had to be told.
    Alive,
    /// A run that is not complete, or notifications that could not be delivered.
    Fail,
}

impl Ping {
    /// What a run that ends has to tell.
    pub fn at_end(complete: bool, drained: bool) -> Ping {
        if complete && drained { Ping::Alive } else { Ping::Fail }
    }
}

/// A service that knows no outcomes is pinged by a good end alone, and silence tells the rest.
pub(super) fn request(url: &str, outcomes: bool, ping: Ping, summary: &str) -> Option<Request> {
    let suffix = match ping {
        Ping::Alive => "",
        Ping::Start if outcomes => "/start",
        Ping::Fail if outcomes => "/fail",
        Ping::Start | Ping::Fail => return None,
    };
    let (address, query) = url.split_once('?').map_or((url, String::new()), |(address, query)| (address, format!("?{query}")));
    let url = if suffix.is_empty() { url.to_owned() } else { format!("{}{suffix}{query}", address.trim_end_matches('/')) };
    let body = ml_common::redact::scrub(summary).into_owned();
    Some(Request::Http { url, headers: vec![("content-type".into(), "text/plain; charset=utf-8".into())], body })
}
