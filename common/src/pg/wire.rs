//! The bytes between us and the server: plain or TLS, chosen in the handshake, under one deadline until the session is open.
//!
//! tokio-postgres asks for TLS itself only as `prefer` or `require` and waits for the answer without limit. It is therefore told to
//! hand the socket over at once (its "direct" negotiation), and the asking happens here, where a silent listener meets a deadline.

use super::tls::Tls;
use crate::Failure;
use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, Sleep, timeout_at};
use tokio_postgres_rustls::MakeRustlsConnect;

type RustlsStream = <MakeRustlsConnect as MakeTlsConnect<Socket>>::Stream;

/// The protocol's SSLRequest message: its length and the code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// How one attempt encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// No TLS.
    Plain,
    /// TLS if the server has it.
    Offered,
    /// TLS or nothing.
    Required,
    /// TLS without asking.
    Direct,
}

/// What has happened on a connection; shared with the caller, who explains failures by it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The socket was connected.
    pub(super) reached: AtomicBool,
    /// TLS is in use.
    pub(super) secured: AtomicBool,
    /// The session is open: the deadline no longer applies.
    pub(super) open: AtomicBool,
}

/// Makes the stream of one attempt.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) tls: Tls,
    pub(super) encryption: Encryption,
    pub(super) deadline: std::time::Instant,
    pub(super) progress: Arc<Progress>,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Wire;
    type TlsConnect = Handshake;
    type Error = std::convert::Infallible;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, Self::Error> {
        self.progress.reached.store(true, Ordering::Relaxed);
        Ok(Handshake { connector: self.clone(), host: host.to_owned() })
    }
}

/// The handshake of one attempt.
pub(super) struct Handshake {
    connector: Connector,
    host: String,
}

impl TlsConnect<Socket> for Handshake {
    type Stream = Wire;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Wire>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let deadline = Instant::from_std(self.connector.deadline);
            let pipe = timeout_at(deadline, self.negotiate(socket)).await.unwrap_or_else(|_| Err(silent()))?;
            let progress = self.connector.progress;
            progress.secured.store(matches!(pipe, Pipe::Tls(_)), Ordering::Relaxed);
            Ok(Wire { pipe, deadline: Some(Box::pin(tokio::time::sleep_until(deadline))), progress })
        })
    }
}

impl Handshake {
    async fn negotiate(&self, mut socket: Socket) -> io::Result<Pipe> {
        let encryption = self.connector.encryption;
        if encryption == Encryption::Plain {
            return Ok(Pipe::Plain(socket));
        }
        if encryption != Encryption::Direct {
            socket.write_all(&SSL_REQUEST).await?;
            // One byte and no buffer: what follows belongs to the handshake.
            match socket.read_u8().await? {
                b'S' => {}
                b'N' if encryption == Encryption::Offered => return Ok(Pipe::Plain(socket)),
                b'N' => return Err(io::Error::new(io::ErrorKind::Unsupported, NoTls)),
                _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the answer is not PostgreSQL's")),
            }
        }
        Ok(Pipe::Tls(Box::new(self.rustls().map_err(io::Error::other)?.connect(socket).await?)))
    }

    fn rustls(&self) -> Result<<MakeRustlsConnect as MakeTlsConnect<Socket>>::TlsConnect, Failure> {
        // A name that TLS cannot carry (a scope id, say) is judged by our verifier, which has the true one.
        let carried = if rustls::pki_types::ServerName::try_from(self.host.as_str()).is_ok() { &self.host } else { "invalid" };
        let mut maker = MakeRustlsConnect::new(self.connector.tls.config(&self.host)?);
        match <MakeRustlsConnect as MakeTlsConnect<Socket>>::make_tls_connect(&mut maker, carried) {
            Ok(connect) => Ok(connect),
            Err(never) => match never {},
        }
    }
}

fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "no answer in time")
}

/// The server has no TLS and it was required.
#[derive(Debug)]
pub(super) struct NoTls;

impl std::fmt::Display for NoTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server does not offer TLS")
    }
}

impl std::error::Error for NoTls {}

enum Pipe {
    Plain(Socket),
    Tls(Box<RustlsStream>),
}

/// A connected stream.
pub(super) struct Wire {
    pipe: Pipe,
    /// Ends waits until the session is open, then dropped.
    deadline: Option<Pin<Box<Sleep>>>,
    progress: Arc<Progress>,
}

impl Wire {
    fn overdue(&mut self, cx: &mut Context<'_>) -> bool {
        if self.progress.open.load(Ordering::Relaxed) {
            self.deadline = None;
        }
        self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready())
    }
}

impl TlsStream for Wire {
    fn channel_binding(&self) -> ChannelBinding {
        match &self.pipe {
            Pipe::Plain(_) => ChannelBinding::none(),
            Pipe::Tls(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = match &mut self.pipe {
            Pipe::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Pipe::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if read.is_pending() && self.overdue(cx) { Poll::Ready(Err(silent())) } else { read }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.pipe {
            Pipe::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Pipe::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Pipe::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.pipe {
            Pipe::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Pipe::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
