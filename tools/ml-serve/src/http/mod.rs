//! A small HTTP server over std for three pages: GET and HEAD, one request a connection, with a limit on everything a client can spend.
//!
//! tiny_http, the usual choice, has no time limits (its issue 143): a few idle connections would keep it busy for ever. Heads are parsed by
//! httparse. Each connection has a thread while it lasts, at most [`MAX_CONNECTIONS`] at a time: for one more the oldest has to go, so that
//! whoever asks now is answered, however many sit there and say nothing.

mod answer;
mod request;

pub use answer::Answer;
pub use request::{Hosts, Request};

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// So many connections at a time.
pub const MAX_CONNECTIONS: usize = 64;

/// A request has so long to arrive.
const ARRIVE: Duration = Duration::from_secs(5);

/// An answer has so long to leave.
const LEAVE: Duration = Duration::from_secs(10);

/// What a client still sends after its answer is read for so long, and up to so many bytes: closing before would throw the answer away.
const DRAIN: (Duration, usize) = (Duration::from_millis(500), 1 << 18);

/// After a failed accept (no file descriptors left) it waits so long.
const AGAIN: Duration = Duration::from_millis(100);

/// What answers requests.
pub trait Pages: Send + Sync + 'static {
    /// The answer to GET of a path without its query.
    fn get(&self, path: &str) -> Answer;
}

/// The accepting side.
pub struct Server<P: Pages> {
    pages: P,
    hosts: Hosts,
    open: Mutex<VecDeque<Arc<TcpStream>>>,
    served: AtomicU64,
}

impl<P: Pages> Server<P> {
    /// A server of these pages for requests to these hosts.
    pub fn new(pages: P, hosts: Hosts) -> Server<P> {
        Server { pages, hosts, open: Mutex::default(), served: AtomicU64::new(0) }
    }

    /// The pages.
    pub fn pages(&self) -> &P {
        &self.pages
    }

    /// Requests answered.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Accepts until the process ends.
    pub fn run(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            match listener.accept() {
                Ok((stream, _)) => self.admit(stream),
                Err(error) => {
                    log::debug!("cannot accept a connection: {error}");
                    std::thread::sleep(AGAIN);
                }
            }
        }
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Arc<TcpStream>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, stream: TcpStream) {
        let stream = Arc::new(stream);
        let mut open = self.open();
        open.push_back(Arc::clone(&stream));
        if open.len() > MAX_CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            // Its thread finds the end of the connection, and ends.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        drop(open);
        let place = Place { server: Arc::clone(self), stream };
        let serve = move || {
            if let Err(error) = place.server.converse(&place.stream) {
                log::debug!("a client went away: {error}");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("client".into()).spawn(serve) {
            log::debug!("no thread for a client: {error}");
        }
    }

    fn converse(&self, stream: &TcpStream) -> io::Result<()> {
        let request = request::read(&mut Limited { stream, until: Instant::now() + ARRIVE });
        let (answer, head_only) = match request {
            Ok(None) => return Ok(()),
            Ok(Some(request)) => (self.answer(&request), request.method == "HEAD"),
            Err(refusal) => (refusal, false),
        };
        let mut out = Limited { stream, until: Instant::now() + LEAVE };
        out.write_all(&answer.bytes(head_only))?;
        self.served.fetch_add(1, Ordering::Relaxed);
        stream.shutdown(Shutdown::Write)?;
        let mut rest = Limited { stream, until: Instant::now() + DRAIN.0 };
        io::copy(&mut Read::by_ref(&mut rest).take(DRAIN.1 as u64), &mut io::sink()).map(drop)
    }

    fn answer(&self, request: &Request) -> Answer {
        if !self.hosts.welcome(request.host.as_deref()) {
            // A page of elsewhere whose name was pointed at this address must not read it.
            return Answer::text(421, "this server has another name; --host NAME makes it answer to one");
        }
        match request.method.as_str() {
            "GET" | "HEAD" => self.pages.get(&request.path),
            _ => Answer::text(405, "only GET and HEAD are answered").header("Allow", "GET, HEAD"),
        }
    }
}

/// A connection's place among those open, until it is dropped.
struct Place<P: Pages> {
    server: Arc<Server<P>>,
    stream: Arc<TcpStream>,
}

impl<P: Pages> Drop for Place<P> {
    fn drop(&mut self) {
        self.server.open().retain(|other| !Arc::ptr_eq(other, &self.stream));
    }
}

/// A connection on which everything together has to be done by a moment, however slowly bytes drip.
struct Limited<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl Limited<'_> {
    fn left(&self) -> io::Result<Duration> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}

impl Read for Limited<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        (&mut &*self.stream).read(out)
    }
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        (&mut &*self.stream).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
