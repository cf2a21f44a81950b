//! Decides whether a server's certificate is trusted, as OpenSSL decides it for psql.
//!
//! rustls alone refuses certificates that are common on PostgreSQL servers and that psql accepts: a self-signed certificate listed as
//! its own root, X.509 version 1 (what `openssl x509 -req` made for years, the recipe of the PostgreSQL manual), an authority used as
//! the server's certificate, a host name in CN only.

use super::{chain, names};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

/// The verifier of one connection.
#[derive(Debug)]
pub(super) struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// What `sslrootcert` lists; `None` verifies nothing.
    listed: Option<Vec<CertificateDer<'static>>>,
    anchors: RootCertStore,
    /// The host to find in the certificate, in `verify-full`.
    host: Option<String>,
}

impl Verifier {
    pub(super) fn new(provider: &CryptoProvider, listed: Option<Vec<CertificateDer<'static>>>, host: Option<String>) -> Verifier {
        let mut anchors = RootCertStore::empty();
        anchors.add_parsable_certificates(listed.iter().flatten().cloned());
        Verifier { algorithms: provider.signature_verification_algorithms, listed, anchors, host }
    }

    fn chain(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        listed: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let parsed = parse(leaf)?;
        if listed.iter().any(|root| root.as_ref() == leaf.as_ref()) {
            return chain::in_time(&parsed, now);
        }
        if chain::beyond_webpki(&parsed) {
            return chain::verify(&parsed, between, listed, now, &self.algorithms);
        }
        let leaf = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.anchors, between, now, self.algorithms.all)
    }
}

fn parse(cert: &CertificateDer<'_>) -> Result<Certificate, Error> {
    Certificate::from_der(cert).map_err(|_| CertificateError::BadEncoding.into())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(listed) = &self.listed {
            self.chain(leaf, between, listed, now)?;
        }
        if let Some(host) = &self.host {
            names::check(&parse(leaf)?, host)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    // The signatures of the handshake are checked even when the chain is not: channel binding rests on the server holding its key.
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parse(cert)?;
        if !chain::beyond_webpki(&parsed) {
            return verify_tls12_signature(message, cert, signed, &self.algorithms);
        }
        chain::verify_by_key(&parsed, signed.scheme, message, signed.signature(), &self.algorithms)?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let parsed = parse(cert)?;
        if !chain::beyond_webpki(&parsed) {
            return verify_tls13_signature(message, cert, signed, &self.algorithms);
        }
        let key = parsed.tbs_certificate.subject_public_key_info.to_der().map_err(|_| Error::from(CertificateError::BadEncoding))?;
        verify_tls13_signature_with_raw_key(message, &SubjectPublicKeyInfoDer::from(key), signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
