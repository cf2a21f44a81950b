//! TLS over ureq's connections, verified by ours: ureq's own keeps the server's certificate to itself.

use crate::tls::{Verifier, config};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};
use std::fmt;
use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};
use ureq::Error;
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers, NextTimeout, TcpConnector, Transport,
    TransportAdapter,
};

/// An agent whose connections `trust` is asked about. Nothing of TLS is prepared before the first https connection.
pub(super) fn agent(options: ureq::config::Config, trust: Arc<Trust>) -> ureq::Agent {
    let chain = ().chain(ConnectProxyConnector::default()).chain(TcpConnector::default()).chain(Secure { trust });
    ureq::Agent::with_parts(options, chain, DefaultResolver::default())
}

/// Whom a client trusts; read and built when it is first needed.
pub(super) struct Trust {
    authorities: Option<crate::tls::Authorities>,
    built: OnceLock<Option<(Arc<Verifier>, Arc<ClientConfig>)>>,
}

impl Trust {
    /// These, or the system's.
    pub(super) fn new(authorities: Option<crate::tls::Authorities>) -> Trust {
        Trust { authorities, built: OnceLock::new() }
    }

    fn built(&self) -> Option<&(Arc<Verifier>, Arc<ClientConfig>)> {
        let build = || {
            let authorities = self.authorities.clone().unwrap_or_else(crate::tls::Authorities::system);
            let verifier = Arc::new(Verifier::strict(authorities).ok()?);
            let config = config(Arc::clone(&verifier)).ok()?;
            Some((verifier, config))
        };
        self.built.get_or_init(build).as_ref()
    }

    /// The certificate of the server that was last connected to by https.
    pub(super) fn certificate(&self) -> Option<crate::tls::Certificate> {
        let (verifier, _) = self.built.get()?.as_ref()?;
        crate::tls::Certificate::read(verifier.shown().chain.first()?)
    }
}

/// Wraps what the chain before it connected.
struct Secure {
    trust: Arc<Trust>,
}

impl fmt::Debug for Secure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secure")
    }
}

impl<In: Transport> Connector<In> for Secure {
    type Out = Either<In, Encrypted>;

    fn connect(&self, details: &ConnectionDetails<'_>, chained: Option<In>) -> Result<Option<Self::Out>, Error> {
        let Some(transport) = chained else { return Err(Error::ConnectionFailed) };
        if !details.needs_tls() || transport.is_tls() {
            return Ok(Some(Either::A(transport)));
        }
        let (_, config) = self.trust.built().ok_or(Error::Tls("TLS cannot be prepared"))?;
        let host = details.uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host).map_err(|_| Error::Tls("the host is not a name for TLS"))?;
        let mut conn = ClientConnection::new(Arc::clone(config), name)?;
        let mut sock = TransportAdapter::new(transport.boxed(), Arc::clone(&details.current_time));
        sock.set_timeout(details.timeout);
        conn.complete_io(&mut sock)?;
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Either::B(Encrypted { buffers, stream: StreamOwned { conn, sock } })))
    }
}

/// An encrypted connection.
struct Encrypted {
    buffers: LazyBuffers,
    stream: StreamOwned<ClientConnection, TransportAdapter>,
}

impl fmt::Debug for Encrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encrypted")
    }
}

impl Transport for Encrypted {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.sock.set_timeout(timeout);
        self.stream.write_all(self.buffers.output().get(..amount).unwrap_or_default())?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.sock.set_timeout(timeout);
        let amount = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(amount);
        Ok(amount > 0)
    }

    fn is_open(&mut self) -> bool {
        self.stream.sock.get_mut().is_open()
    }

    fn is_tls(&self) -> bool {
        true
    }
}
