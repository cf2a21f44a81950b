//! An HTTP server of a few lines that stands in for health pages, metrics and webhooks, and remembers what it was asked.

use crate::pki::Issued;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`, `POST`, ...
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// As text.
    pub body: String,
}

/// What to answer.
#[derive(Clone, Debug)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    delay: Duration,
    hang: bool,
    drip: Option<Duration>,
    chunked: bool,
}

impl Response {
    /// An empty answer with this code: 204, 500, ...
    pub fn status(status: u16) -> Response {
        Response { status, headers: Vec::new(), body: String::new(), delay: Duration::ZERO, hang: false, drip: None, chunked: false }
    }

    /// 200 with this JSON text.
    pub fn json(body: impl Into<String>) -> Response {
        Response::status(200).header("Content-Type", "application/json").body(body)
    }

    /// No answer at all: the connection stays open until the stand-in ends.
    pub fn hang() -> Response {
        Response { hang: true, ..Response::status(200) }
    }

    /// One more header, e.g. `Retry-After`.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Response {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Another body.
    #[must_use]
    pub fn body(mut self, body: impl Into<String>) -> Response {
        self.body = body.into();
        self
    }

    /// The body comes a byte at a time, so long after the other.
    #[must_use]
    pub fn dripping(mut self, pause: Duration) -> Response {
        self.drip = Some(pause);
        self
    }

    /// The body comes in chunks, its length untold.
    #[must_use]
    pub fn chunked(mut self) -> Response {
        self.chunked = true;
        self
    }

    /// Answered after this time.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Response {
        self.delay = delay;
        self
    }
}

type Handler = dyn Fn(&Request) -> Response + Send + Sync;

struct Shared {
    handler: Box<Handler>,
    requests: Mutex<Vec<Request>>,
    ended: AtomicBool,
}

/// The server; it ends on drop.
pub struct HttpStandIn {
    shared: Arc<Shared>,
    port: u16,
    scheme: &'static str,
}

impl HttpStandIn {
    /// Serves what `handler` answers, on a free port of 127.0.0.1. To answer differently the second time, let the closure count.
    pub fn start(handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> HttpStandIn {
        HttpStandIn::begin(handler, None)
    }

    /// The same by https with this certificate.
    pub fn secure(certificate: &Issued, handler: impl Fn(&Request) -> Response + Send + Sync + 'static) -> HttpStandIn {
        HttpStandIn::begin(handler, Some(certificate.server_config()))
    }

    fn begin(handler: impl Fn(&Request) -> Response + Send + Sync + 'static, tls: Option<Arc<rustls::ServerConfig>>) -> HttpStandIn {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
        let port = listener.local_addr().unwrap().port();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared { handler: Box::new(handler), requests: Mutex::default(), ended: AtomicBool::new(false) });
        let serving = shared.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if serving.ended.load(Ordering::SeqCst) {
                    return;
                }
                let (shared, tls) = (serving.clone(), tls.clone());
                // A client that goes away in the middle is its own business.
                std::thread::spawn(move || drop(accept(&shared, stream, tls)));
            }
        });
        HttpStandIn { shared, port, scheme }
    }

    /// The same answer to everything.
    pub fn answering(response: Response) -> HttpStandIn {
        HttpStandIn::start(move |_| response.clone())
    }

    /// One answer a path, 404 elsewhere: `HttpStandIn::routes([("/health", Response::json(...))])`.
    pub fn routes<const N: usize>(routes: [(&'static str, Response); N]) -> HttpStandIn {
        HttpStandIn::start(move |request| {
            let route = routes.iter().find(|(path, _)| *path == request.path);
            route.map_or_else(|| Response::status(404), |(_, response)| response.clone())
        })
    }

    /// The URL of a path: `http://127.0.0.1:PORT/health`.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What was asked until now, in order of arrival.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }
}

impl Drop for HttpStandIn {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts, so that the port is free again.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn accept(shared: &Shared, stream: TcpStream, tls: Option<Arc<rustls::ServerConfig>>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // Without it every byte that drips waits for the answer to the one before.
    stream.set_nodelay(true)?;
    match tls {
        None => serve(shared, stream),
        Some(config) => {
            let session = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
            let mut stream = rustls::StreamOwned::new(session, stream);
            serve(shared, &mut stream)?;
            stream.conn.send_close_notify();
            stream.flush()
        }
    }
}

fn serve(shared: &Shared, mut stream: impl Read + Write) -> std::io::Result<()> {
    let request = read(&mut BufReader::new(&mut stream))?;
    shared.requests.lock().unwrap().push(request.clone());
    let response = (shared.handler)(&request);
    std::thread::sleep(response.delay);
    while response.hang && !shared.ended.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(50));
    }
    if response.hang {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Stand-In\r\nConnection: close\r\n", response.status);
    match response.chunked {
        true => head.push_str("Transfer-Encoding: chunked\r\n"),
        false => head.push_str(&format!("Content-Length: {}\r\n", response.body.len())),
    }
    for (name, value) in &response.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    let size = if response.drip.is_some() { 1 } else { 1000 };
    for part in response.body.as_bytes().chunks(size) {
        if shared.ended.load(Ordering::SeqCst) {
            return Ok(());
        }
        if response.chunked {
            stream.write_all(format!("{:x}\r\n", part.len()).as_bytes())?;
        }
        stream.write_all(part)?;
        if response.chunked {
            stream.write_all(b"\r\n")?;
        }
        if let Some(pause) = response.drip {
            stream.flush()?;
            std::thread::sleep(pause);
        }
    }
    if response.chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    stream.flush()
}

fn read(reader: &mut impl BufRead) -> std::io::Result<Request> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|value: &String| value.parse().ok()).unwrap_or(0);
    let mut body = String::new();
    reader.take(length).read_to_string(&mut body)?;
    Ok(Request { method, path, headers, body })
}
