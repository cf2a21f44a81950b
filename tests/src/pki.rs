//! Certificates for stand-ins: of an authority of the test's own, expired, or signed by nobody but themselves.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// An authority.
pub struct Pki {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's certificate and its key.
pub struct Issued {
    /// The certificate alone, in PEM form.
    pub pem: String,
    key: String,
}

impl Pki {
    /// A new authority, named unlike all others.
    pub fn new() -> Pki {
        let mut params = params(&format!("Test Authority {}", crate::random_word()), &[], 3650);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Pki { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// Its own certificate, in PEM form: what a client is to trust.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names (or addresses) that expires in so many days; it has expired when they are negative.
    pub fn issue(&self, names: &[&str], days: i64) -> Issued {
        let key = KeyPair::generate().unwrap();
        Issued { pem: params(names[0], names, days).signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }
}

impl Default for Pki {
    fn default() -> Pki {
        Pki::new()
    }
}

impl Issued {
    /// One that nobody else signed and that may sign others, as `openssl req -x509` makes it.
    pub fn self_signed(names: &[&str], days: i64) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names[0], names, days);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Issued { pem: params.self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
    }

    /// What a server needs to serve it.
    pub fn server_config(&self) -> Arc<rustls::ServerConfig> {
        let chain = CertificateDer::pem_slice_iter(self.pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let builder = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

fn params(common_name: &str, names: &[&str], days: i64) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = std::time::SystemTime::now();
    let day = std::time::Duration::from_secs(86_400);
    let far = day * u32::try_from(days.unsigned_abs()).unwrap();
    params.not_after = if days < 0 { now - far } else { now + far }.into();
    params.not_before = (now - far - day).into();
    params
}
