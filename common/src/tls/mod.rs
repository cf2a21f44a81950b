//! TLS of our clients: who is trusted, and what certificates the server showed. HTTP and the look at a certificate share it.

mod certificate;
mod look;
mod verifier;

pub use certificate::Certificate;
pub use look::{Looked, look};
pub use verifier::Verifier;

use crate::{Class, Failure, OrFail, Result};
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Who is trusted.
#[derive(Clone, Debug)]
pub struct Authorities {
    pub(crate) roots: Arc<RootCertStore>,
    /// Trusted as they are, also as a server's own certificate: those of a file that a person named.
    pub(crate) listed: Vec<CertificateDer<'static>>,
}

impl Authorities {
    /// The system's (SSL_CERT_FILE and SSL_CERT_DIR are honoured), or Mozilla's where the system has none. They are read once.
    pub fn system() -> Authorities {
        static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
        let roots = ROOTS.get_or_init(|| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            Arc::new(roots)
        });
        Authorities { roots: Arc::clone(roots), listed: Vec::new() }
    }

    /// Those of a PEM file and no others.
    ///
    /// # Errors
    /// Class Config when the file cannot be read or holds no certificate.
    pub fn file(path: &Path) -> Result<Authorities> {
        let doing = || format!("reading the certificates of {}", path.display());
        let remedy = |failure: Failure| failure.hint("give the file of the authority's certificate in PEM form");
        let text = std::fs::read(path).or_fail(Class::Config, doing).map_err(remedy)?;
        let listed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
        let listed = listed.or_fail(Class::Config, doing).map_err(remedy)?;
        let mut roots = RootCertStore::empty();
        if roots.add_parsable_certificates(listed.iter().cloned()).0 == 0 {
            return Err(remedy(Failure::new(Class::Config, format!("{} holds no usable certificate", path.display()))));
        }
        Ok(Authorities { roots: Arc::new(roots), listed })
    }
}

/// The cryptography that all connections use.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// A client's configuration around a verifier.
///
/// # Errors
/// Class Internal, if ever.
pub(crate) fn config(verifier: Arc<Verifier>) -> Result<Arc<rustls::ClientConfig>> {
    let builder = rustls::ClientConfig::builder_with_provider(provider());
    let builder = builder.with_safe_default_protocol_versions().or_fail(Class::Internal, || "preparing TLS")?;
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}
