//! Opens the port, keeps the state, and stays for a while after the stream's end.

use crate::cli::Cli;
use crate::http::{Answer, Hosts, Pages, Server};
use crate::keep::Keep;
use crate::picture::Picture;
use crate::{health, metrics, page};
use ml_common::record::{Body, Record, Step};
use ml_common::{Class, Done, Failure, Result, Stage, Status};
use ml_watch::exposition;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The open port and what it shows.
pub(crate) struct Serving {
    server: Arc<Server<Shown>>,
    address: SocketAddr,
    announced: bool,
}

impl std::fmt::Debug for Serving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Serving({})", self.address)
    }
}

/// The state, and how old it may be.
struct Shown {
    keep: Mutex<Keep>,
    stale: Duration,
}

impl Shown {
    fn keep(&self) -> MutexGuard<'_, Keep> {
        self.keep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn picture(&self) -> Picture {
        let tick = Instant::now();
        let mut keep = self.keep();
        keep.forget_old(tick);
        Picture::of(&keep, jiff::Timestamp::now(), tick, self.stale)
    }
}

impl Pages for Shown {
    fn get(&self, path: &str) -> Answer {
        match path {
            "/" => Answer::new(200, "text/html; charset=utf-8", page::html(&self.picture())),
            "/metrics" => Answer::new(200, exposition::CONTENT_TYPE, metrics::text(&self.picture())),
            "/health" => {
                let picture = self.picture();
                Answer::new(if picture.healthy() { 200 } else { 503 }, "application/json", health::json(&picture))
            }
            _ => Answer::text(404, "there is /, /health and /metrics"),
        }
    }
}

impl Serving {
    /// Opens the port and answers from now on.
    ///
    /// # Errors
    /// Class Network when the port cannot be had.
    pub fn begin(cli: &Cli) -> Result<Serving> {
        let asked = cli.listen.0;
        let (listener, address) = TcpListener::bind(asked)
            .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
            .map_err(|error| refused(asked, &error))?;
        let mut hosts = cli.hosts.clone();
        if cli.public {
            hosts.push(gethostname::gethostname().to_string_lossy().into_owned());
        }
        let shown = Shown { keep: Mutex::new(Keep::new(cli.forget)), stale: cli.stale };
        let server = Arc::new(Server::new(shown, Hosts(hosts)));
        let accepting = Arc::clone(&server);
        std::thread::spawn(move || accepting.run(&listener));
        log::info!("serving http://{address}/");
        Ok(Serving { server, address, announced: false })
    }

    /// Takes a record of the stream.
    pub fn take(&self, record: &Record) {
        self.server.pages().keep().take(record, Instant::now());
    }
}

fn refused(address: SocketAddr, error: &std::io::Error) -> Failure {
    let hint = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another program has that port: end it, or name another port",
        std::io::ErrorKind::PermissionDenied => "ports below 1024 belong to root: name one above",
        std::io::ErrorKind::AddrNotAvailable => "this machine does not have that address: name one of its own",
        _ => "name another address or port",
    };
    Failure::new(Class::Network, format!("cannot listen on {address}: {error}")).hint(hint)
}

impl Cli {
    /// Says once where the page is.
    pub(crate) fn announce(&mut self, stage: &Stage) {
        let Some(serving) = self.serving.as_mut().filter(|serving| !serving.announced) else { return };
        serving.announced = true;
        let linger = humantime::format_duration(self.linger);
        let summary = format!("serving http://{}/ while records come, and {linger} longer", serving.address);
        stage.emit(Status::Ok, Body::Step(step(serving.address, summary)));
    }
}

fn step(address: SocketAddr, summary: String) -> Step {
    Step { id: "serve".into(), summary, labels: [("address".to_owned(), address.to_string().into())].into(), ..Step::default() }
}

/// After the stream's end.
pub(crate) fn act(cli: &mut Cli, stage: &Stage) -> Result<Done> {
    let Some(serving) = &cli.serving else {
        let address = cli.listen.0;
        stage.emit(Status::Planned, Body::Step(step(address, format!("would serve http://{address}/"))));
        return Ok(Done::ok("a dry run opens no port"));
    };
    let seen = {
        let mut keep = serving.server.pages().keep();
        keep.end(Instant::now());
        keep.records
    };
    if seen > 0 {
        stage.cancel.sleep(cli.linger)?;
    }
    let served = serving.server.served();
    Ok(Done::ok(format!("{served} requests answered, {seen} records shown")).metric("requests", served).metric("records", seen))
}
