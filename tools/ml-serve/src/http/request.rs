//! The head of a request, and whom it asks for.

use super::Answer;
use std::io::{self, Read};
use std::net::IpAddr;

/// A head may be so long, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// A head may have so many lines.
const MAX_HEADERS: usize = 64;

/// What is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`.
    pub method: String,
    /// Without the query.
    pub path: String,
    /// The `Host` header; only HTTP/1.0 may lack it.
    pub host: Option<String>,
}

/// Reads a head; None when the client went away, or said nothing for too long.
///
/// # Errors
/// The answer to what is no request.
pub fn read(input: &mut impl Read) -> Result<Option<Request>, Answer> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    loop {
        let n = match input.read(&mut chunk) {
            Ok(0) => return Ok(None),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if is_timeout(&error) && !head.is_empty() => return Err(Answer::text(408, "the request took too long")),
            Err(_) => return Ok(None),
        };
        head.extend_from_slice(&chunk[..n]);
        if let Some(request) = parse(&head)? {
            return Ok(Some(request));
        }
        if head.len() >= MAX_HEAD {
            return Err(Answer::text(431, "the head of the request is too long"));
        }
    }
}

/// Windows says TimedOut, Unix WouldBlock.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

/// The request, once its head is whole.
fn parse(head: &[u8]) -> Result<Option<Request>, Answer> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let bad = || Answer::text(400, "this is not an HTTP request");
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Answer::text(431, "the request has too many headers")),
        Err(_) => return Err(bad()),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else { return Err(bad()) };
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().map(|header| String::from_utf8_lossy(header.value).trim().to_owned());
    if hosts.next().is_some() || (host.is_none() && version > 0) || !target.starts_with('/') {
        return Err(bad());
    }
    let path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    Ok(Some(Request { method: method.to_owned(), path, host }))
}

/// The names that this server answers to.
#[derive(Clone, Debug, Default)]
pub struct Hosts(pub Vec<String>);

impl Hosts {
    /// Whether a request for this host is meant for us. Addresses always are: only a name can be pointed at an address by somebody else.
    pub fn welcome(&self, host: Option<&str>) -> bool {
        let Some(host) = host else { return true };
        let (name, port) = match host.strip_prefix('[') {
            Some(rest) => rest.split_once(']').unwrap_or((rest, "?")),
            None => host.find(':').map_or((host, ""), |colon| host.split_at(colon)),
        };
        let port_is_fine = port.is_empty() || port.strip_prefix(':').is_some_and(|digits| digits.parse::<u16>().is_ok());
        let name = name.trim_end_matches('.');
        let known = name.eq_ignore_ascii_case("localhost") || self.0.iter().any(|known| known.eq_ignore_ascii_case(name));
        port_is_fine && (known || name.parse::<IpAddr>().is_ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(head: &str) -> Result<Option<Request>, u16> {
        let status = |answer: Answer| String::from_utf8(answer.bytes(true)).unwrap()[9..12].parse().unwrap();
        read(&mut head.as_bytes()).map_err(status)
    }

    #[test]
    fn what_is_asked_is_read() {
        let request = ask("GET /health?x=1 HTTP/1.1\r\nhOST: a:5000 \r\nX: y\r\n\r\n").unwrap().unwrap();
        assert_eq!(request, Request { method: "GET".into(), path: "/health".into(), host: Some("a:5000".into()) });
        assert_eq!(ask("HEAD / HTTP/1.0\r\n\r\n").unwrap().unwrap().host, None);
        assert_eq!(ask("").unwrap(), None);
        assert_eq!(ask("GET / HTTP/1.1\r\nHost: a").unwrap(), None, "went away in the middle");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for head in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
            "\u{16}\u{3}\u{1} TLS",
            "GET / HTTP/2.0\r\n\r\n",
        ] {
            assert_eq!(ask(head), Err(400), "{head:?}");
        }
        assert_eq!(ask(&format!("GET /{} HTTP/1.1\r\n", "a".repeat(20_000))), Err(431));
        assert_eq!(ask(&format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(65))), Err(431));
    }

    #[test]
    fn only_names_that_are_ours_are_answered_to() {
        let hosts = Hosts(vec!["ops.example".into()]);
        for host in ["localhost", "LOCALHOST:5000", "127.0.0.1:5000", "[::1]:5000", "[::1]", "192.0.2.1", "ops.example:443", "ops.example."]
        {
            assert!(hosts.welcome(Some(host)), "{host}");
        }
        for host in ["", "evil.example", "evil.example:5000", "localhost.evil.example", "127.0.0.1:x", "[::1", "127.0.0.1:5000:1", "::1"] {
            assert!(!hosts.welcome(Some(host)), "{host}");
        }
        assert!(hosts.welcome(None));
    }

    proptest! {
        #[test]
        fn no_bytes_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..400), host in "\\PC*") {
            let _ = read(&mut &bytes[..]);
            let _ = Hosts::default().welcome(Some(&host));
        }
    }
}
