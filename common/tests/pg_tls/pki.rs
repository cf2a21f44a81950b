//! Authorities and certificates, good and odd.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SigningKey};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::BitString;
use x509_cert::der::{DecodePem, Encode, EncodePem, pem::LineEnding};

/// A certificate, its key, and what issues with them.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A server's (or client's) certificate file and key.
#[derive(Clone)]
pub struct Pair {
    pub chain: String,
    pub key: String,
}

fn params(common_name: &str, alternatives: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(alternatives.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name, &[]);
    an_authority(&mut params);
    params
}

impl Authority {
    pub fn root(name: &str) -> Authority {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        Authority { pem: params.self_signed(&key).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    /// An authority below this one; with `change` it may be unfit to be one.
    pub fn below(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Authority {
        let (mut params, key) = (authority_params(name), KeyPair::generate().unwrap());
        change(&mut params);
        Authority { pem: params.signed_by(&key, &self.issuer).unwrap().pem(), issuer: Issuer::new(params, key) }
    }

    pub fn issue(&self, common_name: &str, alternatives: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let (mut params, key) = (params(common_name, alternatives), KeyPair::generate().unwrap());
        change(&mut params);
        Pair { chain: params.signed_by(&key, &self.issuer).unwrap().pem(), key: key.serialize_pem() }
    }

    /// A certificate of version 1, as `openssl x509 -req` made them before OpenSSL 3.2: no extension at all.
    pub fn issue_version_1(&self, common_name: &str) -> Pair {
        let modern = self.issue(common_name, &[], |_| {});
        let mut cert = x509_cert::Certificate::from_pem(&modern.chain).unwrap();
        cert.tbs_certificate.version = Version::V1;
        cert.tbs_certificate.extensions = None;
        let signature = self.issuer.key().sign(&cert.tbs_certificate.to_der().unwrap()).unwrap();
        cert.signature = BitString::from_bytes(&signature).unwrap();
        Pair { chain: cert.to_pem(LineEnding::LF).unwrap(), ..modern }
    }
}

/// Self-signed, an authority, its host in CN only: the first recipe of PostgreSQL's manual.
pub fn self_signed(common_name: &str) -> Pair {
    let key = KeyPair::generate().unwrap();
    Pair { chain: authority_params(common_name).self_signed(&key).unwrap().pem(), key: key.serialize_pem() }
}

pub fn expired(params: &mut CertificateParams) {
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(2021, 1, 1);
}

pub fn for_clients_only(params: &mut CertificateParams) {
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
}

pub fn not_an_authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::ExplicitNoCa;
}

pub fn an_authority(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
}

pub fn with_nothing_below(params: &mut CertificateParams) {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
}

impl Pair {
    /// Sent together with the authorities above.
    pub fn with(mut self, authorities: &[&Authority]) -> Pair {
        for authority in authorities {
            self.chain.push_str(&authority.pem);
        }
        self
    }
}
