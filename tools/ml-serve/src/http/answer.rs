//! An answer as bytes, with the headers that every page has.

use jiff::Timestamp;

/// What is sent back.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    content_type: &'static str,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
}

/// Nothing is loaded from anywhere, no script runs, nobody frames the page; it shows the state of this moment and is kept nowhere.
const ALWAYS: &str = "Connection: close\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
    Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'\r\n";

impl Answer {
    /// An answer with this body.
    pub fn new(status: u16, content_type: &'static str, body: String) -> Answer {
        Answer { status, content_type, headers: Vec::new(), body }
    }

    /// One line of text.
    pub fn text(status: u16, line: &str) -> Answer {
        Answer::new(status, "text/plain; charset=utf-8", format!("{line}\n"))
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Answer {
        self.headers.push((name, value));
        self
    }

    /// As it goes over the wire; for HEAD without the body.
    pub fn bytes(&self, head_only: bool) -> Vec<u8> {
        let (status, length) = (self.status, self.body.len());
        let date = Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
        let mut out = format!("HTTP/1.1 {status} {}\r\nDate: {date}\r\n", reason(status));
        out.push_str(&format!("Content-Type: {}\r\nContent-Length: {length}\r\n{ALWAYS}", self.content_type));
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("\r\n");
        if !head_only {
            out.push_str(&self.body);
        }
        out.into_bytes()
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        _ => "",
    }
}
