//! The chain of a certificate that webpki cannot judge: version 1, or an authority used as a server's certificate.
//!
//! Issuers are held to the usual rules (RFC 5280): within their time, allowed to sign, path length kept, name constraints and critical
//! extensions that are not understood refused. Only the leaf's form is treated as leniently as OpenSSL does.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error, SignatureScheme};
use x509_cert::certificate::Version;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode, Header, Reader, SliceReader};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, NameConstraints};
use x509_cert::spki::AlgorithmIdentifierOwned;
use x509_cert::{Certificate, spki};

/// Certificates between leaf and root; OpenSSL's default is far higher, real chains have one or two.
const DEPTH_MAX: usize = 8;

/// Whether the certificate has a form that rustls refuses as a server's whatever signed it.
pub(super) fn beyond_webpki(cert: &Certificate) -> bool {
    cert.tbs_certificate.version != Version::V3 || extension::<BasicConstraints>(cert).is_some_and(|basic| basic.ca)
}

/// Finds a path from the leaf to a listed root.
pub(super) fn verify(
    leaf: &Certificate,
    between: &[CertificateDer<'_>],
    listed: &[CertificateDer<'_>],
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    in_time(leaf, now)?;
    if !serves_tls(leaf) {
        return Err(CertificateError::InvalidPurpose.into());
    }
    let parse = |list: &[CertificateDer<'_>]| list.iter().filter_map(|der| Certificate::from_der(der).ok()).collect::<Vec<_>>();
    let search = Search { between: parse(between), roots: parse(listed), now, algorithms };
    if search.reaches_root(leaf, 0) { Ok(()) } else { Err(CertificateError::UnknownIssuer.into()) }
}

struct Search<'a> {
    between: Vec<Certificate>,
    roots: Vec<Certificate>,
    now: UnixTime,
    algorithms: &'a WebPkiSupportedAlgorithms,
}

impl Search<'_> {
    /// `above` counts the intermediate authorities between `cert` and the leaf, `cert` included.
    fn reaches_root(&self, cert: &Certificate, above: usize) -> bool {
        let issued = |issuer: &&Certificate| self.issued(issuer, cert, above);
        if self.roots.iter().any(|root| issued(&root)) {
            return true;
        }
        above < DEPTH_MAX
            && self
                .between
                .iter()
                .filter(issued)
                .any(|issuer| issuer.tbs_certificate.version == Version::V3 && self.reaches_root(issuer, above + 1))
    }

    fn issued(&self, issuer: &Certificate, cert: &Certificate, above: usize) -> bool {
        issuer.tbs_certificate.subject == cert.tbs_certificate.issuer
            && in_time(issuer, self.now).is_ok()
            && may_sign(issuer, above)
            && signed_by(issuer, cert, self.algorithms)
    }
}

/// Whether a certificate is an authority that may stand above `below` others. Old roots of version 1 carry no extensions at all.
fn may_sign(issuer: &Certificate, below: usize) -> bool {
    if issuer.tbs_certificate.version != Version::V3 {
        return true;
    }
    let understood = [BasicConstraints::OID, KeyUsage::OID, ExtendedKeyUsage::OID];
    let extensions = issuer.tbs_certificate.extensions.iter().flatten();
    let strange = extensions.clone().any(|ext| (ext.critical && !understood.contains(&ext.extn_id)) || ext.extn_id == NameConstraints::OID);
    let length_kept = |basic: &BasicConstraints| basic.path_len_constraint.is_none_or(|limit| below <= usize::from(limit));
    let authority = extension::<BasicConstraints>(issuer).is_some_and(|basic| basic.ca && length_kept(&basic));
    let signs = extension::<KeyUsage>(issuer).is_none_or(|usage| usage.key_cert_sign());
    authority && signs && serves_tls(issuer) && !strange
}

/// Whether the extended key usage, if there is one, allows TLS servers.
fn serves_tls(cert: &Certificate) -> bool {
    extension::<ExtendedKeyUsage>(cert).is_none_or(|usage| usage.0.iter().any(|purpose| SERVER_PURPOSES.contains(purpose)))
}

/// serverAuth and anyExtendedKeyUsage.
const SERVER_PURPOSES: [spki::ObjectIdentifier; 2] =
    [spki::ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"), spki::ObjectIdentifier::new_unwrap("2.5.29.37.0")];

/// The decoded extension, if it is there and well formed.
pub(super) fn extension<'a, T: Decode<'a> + AssociatedOid>(cert: &'a Certificate) -> Option<T> {
    let ext = cert.tbs_certificate.extensions.iter().flatten().find(|ext| ext.extn_id == T::OID)?;
    T::from_der(ext.extn_value.as_bytes()).ok()
}

/// Whether the certificate is valid now.
pub(super) fn in_time(cert: &Certificate, now: UnixTime) -> Result<(), Error> {
    let validity = &cert.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

fn signed_by(issuer: &Certificate, cert: &Certificate, algorithms: &WebPkiSupportedAlgorithms) -> bool {
    let key = &issuer.tbs_certificate.subject_public_key_info;
    let (Ok(message), Some(signature), Some(point)) =
        (cert.tbs_certificate.to_der(), cert.signature.as_bytes(), key.subject_public_key.as_bytes())
    else {
        return false;
    };
    let (wanted, key_algorithm) = (content(&cert.signature_algorithm), content(&key.algorithm));
    cert.signature_algorithm == cert.tbs_certificate.signature
        && algorithms.all.iter().any(|algorithm| {
            wanted.as_deref() == Some(algorithm.signature_alg_id().as_ref())
                && key_algorithm.as_deref() == Some(algorithm.public_key_alg_id().as_ref())
                && algorithm.verify_signature(point, &message, signature).is_ok()
        })
}

/// Checks a signature of a TLS 1.2 handshake by the certificate's key alone.
pub(super) fn verify_by_key(
    cert: &Certificate,
    scheme: SignatureScheme,
    message: &[u8],
    signature: &[u8],
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), Error> {
    let key = &cert.tbs_certificate.subject_public_key_info;
    let (algorithm, point) = (content(&key.algorithm), key.subject_public_key.as_bytes().unwrap_or_default());
    let usable = algorithms.mapping.iter().filter(|(name, _)| *name == scheme).flat_map(|(_, list)| list.iter());
    let mut fitting = usable.filter(|candidate| algorithm.as_deref() == Some(candidate.public_key_alg_id().as_ref()));
    if fitting.any(|candidate| candidate.verify_signature(point, message, signature).is_ok()) {
        Ok(())
    } else {
        Err(CertificateError::BadSignature.into())
    }
}

/// The content of an AlgorithmIdentifier's SEQUENCE, which is how rustls writes algorithms.
fn content(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    let mut reader = SliceReader::new(&der).ok()?;
    Header::decode(&mut reader).ok()?;
    reader.read_slice(reader.remaining_len()).ok().map(<[u8]>::to_vec)
}
