//! A look at a server's certificates: a handshake and nothing more, also with servers that nobody should trust.

use super::{Authorities, Certificate, Verifier};
use crate::{Class, Failure, OrFail, Result, deadline};
use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConnection, Error};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What was seen.
#[derive(Clone, Debug)]
pub struct Looked {
    /// The server's own first; those that cannot be read are left out.
    pub chain: Vec<Certificate>,
    /// Why the chain is not trusted: `expired`, `signed by itself alone`, ...
    pub distrusted: Option<String>,
    /// Whether the server's certificate is for the name.
    pub for_name: bool,
    /// `TLSv1.3`.
    pub protocol: String,
}

/// Shakes hands with `host:port` and closes. The certificate should be for `name`.
///
/// # Errors
/// Class Network when there is no handshake until then; class Config for a name that cannot be one.
pub fn look(host: &str, port: u16, name: &str, authorities: Authorities, until: Instant) -> Result<Looked> {
    let server = ServerName::try_from(name.to_owned())
        .map_err(|_| Failure::new(Class::Config, format!("{name} is not a host name")).hint("give a DNS name or an address"))?;
    let verifier = Arc::new(Verifier::lenient(authorities)?);
    let mut session = ClientConnection::new(super::config(Arc::clone(&verifier))?, server).or_fail(Class::Internal, || "preparing TLS")?;
    let mut stream = Timed { stream: connect(host, port, until)?, until };
    let shaken = session.complete_io(&mut stream);
    let shown = verifier.shown();
    if let Err(error) = shaken
        && shown.chain.is_empty()
    {
        return Err(no_handshake(&error).context(format_args!("TLS with {host}:{port}")));
    }
    session.send_close_notify();
    // Whoever goes without a farewell has been looked at all the same.
    let _ = session.write_tls(&mut stream);
    let chain: Vec<Certificate> = shown.chain.iter().filter_map(Certificate::read).collect();
    let self_signed = chain.first().is_some_and(|leaf| leaf.self_signed);
    Ok(Looked {
        distrusted: shown.distrusted.map(|error| reason(&error, self_signed)),
        chain,
        for_name: shown.for_host,
        protocol: session.protocol_version().and_then(|version| version.as_str()).unwrap_or_default().replace('_', "."),
    })
}

/// Why a chain is not trusted.
fn reason(error: &Error, self_signed: bool) -> String {
    match error {
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => "expired".to_owned(),
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "not valid yet".to_owned()
        }
        _ if self_signed => "signed by itself alone".to_owned(),
        Error::InvalidCertificate(CertificateError::UnknownIssuer) => "not signed by a trusted authority".to_owned(),
        error => error.to_string().trim_start_matches("invalid peer certificate: ").to_owned(),
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

fn late() -> std::io::Error {
    std::io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

/// The first of the host's addresses that answers.
fn connect(host: &str, port: u16, until: Instant) -> Result<TcpStream> {
    let wanted = (host.to_owned(), port);
    let found = deadline::within(left(until), move || wanted.to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>));
    let found = found.ok_or_else(|| Failure::new(Class::Network, "the name service does not answer").hint("check the name service"))?;
    let found = found.map_err(|_| Failure::new(Class::Network, format!("the host {host} is unknown")).hint("correct the host"))?;
    let mut last = late();
    for address in found {
        let left = left(until);
        if left.is_zero() {
            break;
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    let why = match last.kind() {
        ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        ErrorKind::TimedOut => "no answer in time".to_owned(),
        _ => last.to_string(),
    };
    Err(Failure::new(Class::Network, format!("cannot connect to {host}:{port}: {why}")).hint("start the service, or correct host and port"))
}

fn no_handshake(error: &std::io::Error) -> Failure {
    let (why, hint) = match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ("no answer in time".to_owned(), "check that the service speaks TLS there at once"),
        ErrorKind::InvalidData => (error.to_string(), "check that the service speaks TLS there at once"),
        _ => ("the connection was closed".to_owned(), "check that the service speaks TLS there at once, and its log"),
    };
    Failure::new(Class::Network, why).hint(hint)
}

/// A stream whose reads and writes together end in time, however slowly the other side drips.
struct Timed {
    stream: TcpStream,
    until: Instant,
}

impl Timed {
    fn left(&self) -> std::io::Result<Duration> {
        Some(left(self.until)).filter(|left| !left.is_zero()).ok_or_else(late)
    }
}

impl Read for Timed {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Timed {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}
