//! HTTP with a limit on everything: time, retries, body. Error texts show the origin of a URL only, since a webhook's path is its secret.

mod connector;
mod proxy;
mod retry;

use crate::tls::{Authorities, Certificate};
use crate::{Class, Failure, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq::Agent;
use ureq::http::{Request, Uri};

/// Limits of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// For connecting, TLS included.
    pub connect_timeout: Duration,
    /// For one attempt as a whole.
    pub timeout: Duration,
    /// Attempts in all; 1 never retries.
    pub attempts: u32,
    /// The first pause between attempts; it doubles each time, with jitter.
    pub backoff: Duration,
    /// The longest pause; a server that asks for more (`Retry-After`) is not tried again.
    pub longest_pause: Duration,
    /// Bytes of a body that are kept; the rest is not read.
    pub body_limit: u64,
    /// Redirects that a GET follows. Headers other than `authorization` and `cookie` go with it to whatever host.
    pub redirects: u32,
}

impl Default for Options {
    /// 5 s to connect, 15 s an attempt, 3 attempts, pauses from 0.5 s to 30 s, 1 MiB, 10 redirects.
    fn default() -> Options {
        Options {
            connect_timeout: Duration::from_secs(5),
            timeout: Duration::from_secs(15),
            attempts: 3,
            backoff: Duration::from_millis(500),
            longest_pause: Duration::from_secs(30),
            body_limit: 1 << 20,
            redirects: 10,
        }
    }
}

/// An answer, of any status.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the server's order; values that are not text are left out.
    pub headers: Vec<(String, String)>,
    /// At most `body_limit` bytes.
    pub body: Vec<u8>,
    /// The body was longer than `body_limit`.
    pub truncated: bool,
    /// Of the last attempt, from the first packet to the last byte.
    pub latency: Duration,
    /// How many attempts it took.
    pub attempts: u32,
}

impl Response {
    /// Whether the status is 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// How long the server wants to be left alone (`Retry-After`: seconds or a date).
    pub fn retry_after(&self, now: jiff::Timestamp) -> Option<Duration> {
        retry::asked_pause(self.header("retry-after")?, now)
    }

    /// The body as text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Class `Network` when it is not JSON or was cut; the message gives the position, not the text.
    pub fn json(&self) -> Result<serde_json::Value> {
        if self.truncated {
            return Err(Failure::new(Class::Network, format!("the body is longer than {} bytes", self.body.len())));
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Failure::new(Class::Network, format!("the body is not JSON: line {}, column {}", error.line(), error.column()))
        })
    }
}

/// A request without an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Unanswered {
    /// Why there is none.
    pub failure: Failure,
    /// The server may have got the request all the same.
    pub maybe_received: bool,
}

/// A client. Connections are reused; cloning shares them.
#[derive(Clone)]
pub struct Client {
    agent: Agent,
    options: Options,
    proxies: proxy::Proxies,
    trust: Arc<connector::Trust>,
}

/// `https://hooks.example.com` of a URL: what may be shown of it.
pub fn origin(url: &str) -> String {
    match parse(url) {
        Ok(uri) => format!("{}://{}", uri.scheme_str().unwrap_or_default(), shown_host(&uri)),
        Err(_) => "an invalid URL".to_owned(),
    }
}

/// Whether a URL can be asked at all.
///
/// # Errors
/// Class `Config`; the message repeats nothing of the URL.
pub fn check_url(url: &str) -> Result<()> {
    parse(url).map(|_| ())
}

fn shown_host(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    uri.port_u16().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn parse(url: &str) -> Result<Uri> {
    let uri: Option<Uri> = url.trim().parse().ok();
    uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty()))
        .ok_or_else(|| Failure::new(Class::Config, "an HTTP URL is not valid").hint("write it as http://host:port/path or https://..."))
}

impl Client {
    /// A client that takes the proxy variables (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in either case) from `env`. A
    /// loopback address is never asked through a proxy. Trusted authorities are the system's, or SSL_CERT_FILE's.
    pub fn new(options: Options, env: &dyn Fn(&str) -> Option<String>) -> Client {
        Client::trusting(options, env, None)
    }

    /// The same, trusting these authorities in place of the system's.
    pub fn trusting(options: Options, env: &dyn Fn(&str) -> Option<String>, authorities: Option<Authorities>) -> Client {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects_will_error(false)
            .proxy(None)
            .user_agent(concat!("mathledger-toolkit/", env!("CARGO_PKG_VERSION")))
            .build();
        let trust = Arc::new(connector::Trust::new(authorities));
        Client { agent: connector::agent(config, Arc::clone(&trust)), options, proxies: proxy::Proxies::from_env(env), trust }
    }

    /// The same client and connections with another limit for an attempt, connecting included.
    #[must_use]
    pub fn within(&self, timeout: Duration) -> Client {
        let options = Options { timeout, connect_timeout: timeout, ..self.options.clone() };
        Client { options, ..self.clone() }
    }

    /// The certificate of the server that was last connected to by https.
    pub fn certificate(&self) -> Option<Certificate> {
        self.trust.certificate()
    }

    /// GET, redirects followed.
    ///
    /// # Errors
    /// Class `Network` when no answer comes, `Config` when the URL is not valid. A status of any kind is an answer.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Response> {
        self.send("GET", url, headers, &[])
    }

    /// POST of a JSON document, redirects not followed. A request that may have been received is not sent twice, unless the server
    /// answered 429 or 5xx.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post_json(&self, url: &str, headers: &[(&str, &str)], body: &serde_json::Value) -> Result<Response> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.post(url, &all, body.to_string().as_bytes())
    }

    /// POST of any body; as [`Client::post_json`].
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        self.send("POST", url, headers, body)
    }

    /// POST in one attempt, for callers who remember what they have sent: without an answer it is told whether the server may have it.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn post_once(&self, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, Unanswered> {
        let never = |failure| Unanswered { failure, maybe_received: false };
        let uri = parse(url).map_err(never)?;
        self.once("POST", &uri, headers, body).map_err(|missed| {
            let maybe_received = matches!(&missed, Missed::Ureq(error) if retry::may_have_arrived(error));
            Unanswered { failure: self.failure(missed, "POST", url), maybe_received }
        })
    }

    /// A request of any method, redirects followed by GET alone; only GET, HEAD, PUT and DELETE, which may arrive twice, are sent again when no
    /// answer came. Headers must not hold `content-length`.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub fn request(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        self.send(method, url, headers, body)
    }

    fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        let uri = parse(url)?;
        let mut attempt = 1;
        loop {
            let outcome = self.once(method, &uri, headers, body);
            let pause = match &outcome {
                _ if attempt >= self.options.attempts => None,
                Ok(response) => retry::after_answer(response, attempt, &self.options, jiff::Timestamp::now()),
                Err(Missed::Ureq(error)) => retry::after_error(error, method, attempt, &self.options),
                Err(Missed::Request(_)) => None,
            };
            let Some(pause) = pause else {
                return outcome
                    .map(|response| Response { attempts: attempt, ..response })
                    .map_err(|missed| self.failure(missed, method, url));
            };
            std::thread::sleep(pause);
            attempt += 1;
        }
    }

    fn once(&self, method: &str, uri: &Uri, headers: &[(&str, &str)], body: &[u8]) -> Result<Response, Missed> {
        let mut request = Request::builder().method(method).uri(uri.clone());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let proxy = self.proxies.choose(uri).map_err(Missed::Request)?;
        let start = Instant::now();
        let redirects = if method == "GET" { self.options.redirects } else { 0 };
        let answer = if matches!(method, "GET" | "HEAD" | "DELETE") {
            self.run(request.body(()), proxy, redirects)
        } else {
            self.run(request.body(body), proxy, redirects)
        };
        self.read(answer?, start)
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        request: ureq::http::Result<Request<B>>,
        proxy: Option<ureq::Proxy>,
        redirects: u32,
    ) -> Result<ureq::http::Response<ureq::Body>, Missed> {
        let request = request.map_err(|error| Missed::Request(header_failure(&error)))?;
        let Options { timeout, connect_timeout, .. } = self.options;
        let request = self.agent.configure_request(request).proxy(proxy).max_redirects(redirects).timeout_global(Some(timeout));
        let request = request.timeout_connect(Some(connect_timeout)).timeout_resolve(Some(connect_timeout));
        Ok(self.agent.run(request.build())?)
    }

    fn read(&self, mut answer: ureq::http::Response<ureq::Body>, start: Instant) -> Result<Response, Missed> {
        use std::io::Read;
        let headers = answer.headers().iter().filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
        let headers = headers.collect();
        let mut body = Vec::new();
        let limit = self.options.body_limit;
        let reader = answer.body_mut().with_config().limit(u64::MAX).reader();
        reader.take(limit.saturating_add(1)).read_to_end(&mut body).map_err(ureq::Error::from)?;
        let truncated = body.len() as u64 > limit;
        body.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(Response { status: answer.status().as_u16(), headers, body, truncated, latency: start.elapsed(), attempts: 1 })
    }

    fn failure(&self, missed: Missed, method: &str, url: &str) -> Failure {
        let error = match missed {
            Missed::Request(failure) => return failure,
            Missed::Ureq(error) => error,
        };
        let (why, hint) = retry::explain(&error, &self.options);
        Failure::new(Class::Network, format!("{method} {}: {why}", origin(url))).hint(hint)
    }
}

/// Why there is no answer.
enum Missed {
    Ureq(ureq::Error),
    /// The request could not even be made.
    Request(Failure),
}

impl From<ureq::Error> for Missed {
    fn from(error: ureq::Error) -> Missed {
        Missed::Ureq(error)
    }
}

fn header_failure(error: &ureq::http::Error) -> Failure {
    Failure::new(Class::Config, format!("an HTTP request is not valid: {error}")).hint("check the headers that the settings add")
}

#[cfg(test)]
mod tests;
