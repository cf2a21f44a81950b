//! Verifies as rustls does, and keeps what the server showed; if told to, it lets a bad certificate pass so that it can be told about.

use super::{Authorities, provider};
use crate::{Class, OrFail, Result};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};
use std::sync::{Arc, Mutex, PoisonError};

/// The verifier of a client, or of one look.
#[derive(Debug)]
pub struct Verifier {
    strict: Arc<WebPkiServerVerifier>,
    listed: Vec<CertificateDer<'static>>,
    lenient: bool,
    shown: Mutex<Shown>,
}

/// What a server showed, its own certificate first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// Why the chain would not be trusted.
    pub(crate) distrusted: Option<Error>,
    /// Whether the server's certificate is for the host that was meant.
    pub(crate) for_host: bool,
}

impl Verifier {
    /// One that refuses what it cannot trust.
    ///
    /// # Errors
    /// Class Config when the authorities make no sense.
    pub fn strict(authorities: Authorities) -> Result<Verifier> {
        Verifier::new(authorities, false)
    }

    /// One that accepts everything and remembers what was wrong. Nothing may be sent over such a connection.
    pub(super) fn lenient(authorities: Authorities) -> Result<Verifier> {
        Verifier::new(authorities, true)
    }

    fn new(authorities: Authorities, lenient: bool) -> Result<Verifier> {
        let builder = WebPkiServerVerifier::builder_with_provider(authorities.roots, provider());
        let strict = builder.build().or_fail(Class::Config, || "preparing TLS")?;
        Ok(Verifier { strict, listed: authorities.listed, lenient, shown: Mutex::default() })
    }

    /// What the last server showed that was asked for its certificate.
    pub(crate) fn shown(&self) -> Shown {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A certificate that the person listed is trusted as it is: rustls alone refuses a self-signed one that may also sign others.
    fn trusted(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), Error> {
        if self.listed.iter().any(|listed| listed.as_ref() == leaf.as_ref()) {
            super::certificate::in_time(leaf, now)?;
            return verify_server_name(&ParsedCertificate::try_from(leaf)?, name);
        }
        self.strict.verify_server_cert(leaf, between, name, ocsp, now).map(|_| ())
    }

    /// A signature of the handshake; where all is let pass, its failure is kept as the reason for distrust.
    fn signature(&self, outcome: Result<HandshakeSignatureValid, Error>) -> Result<HandshakeSignatureValid, Error> {
        match outcome {
            Err(error) if self.lenient => {
                self.shown.lock().unwrap_or_else(PoisonError::into_inner).distrusted.get_or_insert(error);
                Ok(HandshakeSignatureValid::assertion())
            }
            outcome => outcome,
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let outcome = self.trusted(leaf, between, name, ocsp, now);
        let for_host = ParsedCertificate::try_from(leaf).is_ok_and(|leaf| verify_server_name(&leaf, name).is_ok());
        let of_chain = outcome.as_ref().err().filter(|error| !for_another_host(error));
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Shown {
            chain: std::iter::once(leaf).chain(between).map(|cert| cert.clone().into_owned()).collect(),
            distrusted: of_chain.cloned(),
            for_host,
        };
        if self.lenient { Ok(ServerCertVerified::assertion()) } else { outcome.map(|()| ServerCertVerified::assertion()) }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(self.strict.verify_tls12_signature(message, cert, signed))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(self.strict.verify_tls13_signature(message, cert, signed))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.strict.supported_verify_schemes()
    }
}

/// The chain is verified before the name, so this error says that the chain is good.
fn for_another_host(error: &Error) -> bool {
    matches!(error, Error::InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }))
}
