//! What a certificate says, for people.

use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use x509_cert::der::{Decode, Encode};

/// The facts of a certificate.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// `CN=www.example.org,O=Example`.
    pub subject: String,
    /// The same of who signed it.
    pub issuer: String,
    /// The end of its validity.
    pub expires: Timestamp,
    /// Whether it names itself as its issuer.
    pub self_signed: bool,
}

impl Certificate {
    /// Reads it; `None` when it is not one.
    pub(crate) fn read(der: &CertificateDer<'_>) -> Option<Certificate> {
        let body = x509_cert::Certificate::from_der(der).ok()?.tbs_certificate;
        let expires = i64::try_from(body.validity.not_after.to_unix_duration().as_secs()).ok()?;
        Some(Certificate {
            subject: body.subject.to_string(),
            issuer: body.issuer.to_string(),
            expires: Timestamp::from_second(expires).ok()?,
            self_signed: body.subject.to_der().ok()? == body.issuer.to_der().ok()?,
        })
    }

    /// Days until it expires; negative once it has.
    pub fn days_left(&self, now: Timestamp) -> f64 {
        self.expires.duration_since(now).as_secs_f64() / 86_400.0
    }
}

/// Whether a certificate is valid at a time.
pub(super) fn in_time(der: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let cert = x509_cert::Certificate::from_der(der).map_err(|_| CertificateError::BadEncoding)?;
    let validity = cert.tbs_certificate.validity;
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}
