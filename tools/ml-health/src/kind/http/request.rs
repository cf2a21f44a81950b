//! The request that a profile describes, for all kinds that ask by HTTP.

use super::expect::Expect;
use super::sign::Signer;
use crate::kind::{Args, Look, Opening, Param, ParamKind, Unseen};
use jiff::Timestamp;
use ml_common::http::{Client, Options, Response, origin};
use ml_common::tls::Authorities;
use ml_common::{Class, Failure, OrFail, Result};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes of a body that are read.
pub const BODY_MAX: u64 = 4 << 20;

const fn optional(name: &'static str, kind: ParamKind, default: Option<&'static str>, doc: &'static str) -> Param {
    Param { name, kind, required: false, default, doc }
}

/// `url`, where nothing else could be asked.
pub const URL: Param = Param { name: "url", kind: ParamKind::Url, required: true, default: None, doc: "what to ask" };
/// `headers`.
pub const HEADERS: Param =
    optional("headers", ParamKind::SecretTable, None, "headers to send, such as { Authorization = \"Bearer ${NOTION_TOKEN}\" }");
/// `ca`.
pub const CA: Param = optional("ca", ParamKind::Path, None, "certificates (PEM) to trust in place of the system's authorities");
/// `method`.
pub const METHOD: Param = optional(
    "method",
    ParamKind::Word(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]),
    None,
    "GET, or POST when there is a body",
);
/// `body`.
pub const BODY: Param =
    optional("body", ParamKind::Secret, None, "what to send; its type is application/json when it is JSON and headers say nothing");
/// `body_file`.
pub const BODY_FILE: Param = optional("body_file", ParamKind::Path, None, "the file to send in place of `body`");
/// `expect`.
pub const EXPECT: Param =
    optional("expect", ParamKind::Text, Some("2xx"), "the statuses that are good: 200, 2xx, 200-299, several with commas");
/// `follow`.
pub const FOLLOW: Param =
    optional("follow", ParamKind::Switch, None, "follows redirects of a GET; not with headers or hmac, since a stranger would get them");
/// `hmac`.
pub const HMAC: Param = optional("hmac", ParamKind::SecretTable, None, Signer::DOC);

/// A request, ready to be sent again and again over the same connection.
pub struct Request {
    client: Client,
    url: String,
    method: String,
    headers: Vec<(String, String)>,
    body: Body,
    signer: Option<Signer>,
    expect: Expect,
}

enum Body {
    Text(String),
    File(PathBuf),
}

impl Request {
    /// The request to `url`. `accept` is sent when the profile's headers name no other.
    ///
    /// # Errors
    /// Class Config; neither the URL nor a header is repeated.
    pub fn open(url: &str, accept: &str, args: &Args, _: &Opening<'_>) -> Result<Request> {
        ml_common::http::check_url(url)?;
        let mut headers: Vec<(String, String)> =
            args.table("headers").iter().map(|(name, value)| (name.clone(), value.trim().to_owned())).collect();
        let signer = Signer::read(args.table("hmac"))?;
        if args.switch("follow") && (signer.is_some() || !headers.is_empty()) {
            return Err(Failure::new(Class::Config, "follow cannot go with headers or hmac: a redirect could hand them to a stranger")
                .hint("give the URL that it redirects to"));
        }
        let body = match (args.text("body"), args.text("body_file")) {
            (Some(_), Some(_)) => return Err(Failure::new(Class::Config, "both body and body_file are given").hint("leave one out")),
            (None, Some(path)) => Body::File(path.into()),
            (text, None) => Body::Text(text.unwrap_or_default().to_owned()),
        };
        let empty = matches!(&body, Body::Text(text) if text.is_empty());
        let method = args.text("method").unwrap_or(if empty { "GET" } else { "POST" }).to_owned();
        if !empty && matches!(method.as_str(), "GET" | "HEAD" | "DELETE") {
            return Err(Failure::new(Class::Config, format!("{method} takes no body")).hint("leave the method or the body out"));
        }
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("accept")) {
            headers.push(("Accept".to_owned(), accept.to_owned()));
        }
        let redirects = if args.switch("follow") { 10 } else { 0 };
        let options = Options { attempts: 1, body_limit: BODY_MAX, redirects, ..Options::default() };
        let authorities = args.text("ca").map(|path| Authorities::file(Path::new(path))).transpose()?;
        Ok(Request {
            client: Client::trusting(options, &|name| std::env::var(name).ok(), authorities),
            url: url.trim().to_owned(),
            method,
            headers,
            body,
            signer,
            expect: Expect::parse(args.text("expect").unwrap_or("2xx"))?,
        })
    }

    /// Whether a status is one of the good ones.
    pub fn expects(&self, status: u16) -> bool {
        self.expect.holds(status)
    }

    /// `POST https://host`: what may be shown of it.
    pub fn shown(&self) -> String {
        format!("{} {}", self.method, origin(&self.url))
    }

    /// Days that the server's certificate has left, once it was asked by https.
    pub fn certificate_days(&self, now: Timestamp) -> Option<f64> {
        self.client.certificate().map(|certificate| certificate.days_left(now))
    }

    /// Asks, once. An answer of any status is one.
    ///
    /// # Errors
    /// When none comes in time, or the limit of requests does not allow to ask.
    pub fn send(&self, look: &mut Look<'_>) -> std::result::Result<Response, Unseen> {
        self.send_to(&self.url, look)
    }

    /// The same with another URL of the same server.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn send_to(&self, url: &str, look: &mut Look<'_>) -> std::result::Result<Response, Unseen> {
        look.turn()?;
        let body = match &self.body {
            Body::Text(text) => text.as_bytes().to_vec(),
            Body::File(path) => std::fs::read(path).or_fail(Class::Config, || format!("reading {}", path.display()))?,
        };
        let mut headers = self.headers.clone();
        if !body.is_empty() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            let json = serde_json::from_slice::<serde_json::Value>(&body).is_ok();
            headers.push(("Content-Type".to_owned(), if json { "application/json" } else { "text/plain; charset=utf-8" }.to_owned()));
        }
        if let Some(signer) = &self.signer {
            headers.extend(signer.headers(Timestamp::now().as_second(), &self.method, path_of(url), &body));
        }
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ok(self.client.within(look.left().max(Duration::from_millis(1))).request(&self.method, url, &headers, &body)?)
    }

    /// Asks, and takes nothing but a whole answer of a good status.
    ///
    /// # Errors
    /// As [`Request::send`].
    pub fn fetch(&self, look: &mut Look<'_>) -> std::result::Result<Response, Unseen> {
        self.good(self.send(look)?)
    }

    /// The answer, if its status is good and it came whole.
    ///
    /// # Errors
    /// Class Network, with what the status usually means.
    pub fn good(&self, answer: Response) -> std::result::Result<Response, Unseen> {
        let failed = |why: String, hint: &str| Failure::new(Class::Network, format!("{}: {why}", self.shown())).hint(hint).into();
        if !self.expects(answer.status) {
            return Err(failed(format!("HTTP {}", answer.status), hint(answer.status)));
        }
        if answer.truncated {
            return Err(failed(format!("the answer is longer than {} MiB", BODY_MAX >> 20), "ask for less of it"));
        }
        Ok(answer)
    }
}

/// What a status that was not expected usually calls for.
pub fn hint(status: u16) -> &'static str {
    match status {
        300..=399 => "give the URL that it redirects to, or follow = true",
        401 | 407 => "check the token or key that is sent",
        403 => "check what the token or key is allowed",
        404 | 405 | 410 => "correct the URL and the method",
        429 => "ask less often: set rate_limit and interval",
        500..=599 => "look at the service's log",
        _ => "check the request, or the statuses in expect",
    }
}

/// Path and query of a URL.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find(['/', '?']).and_then(|at| rest.get(at..)).unwrap_or("/")
}
