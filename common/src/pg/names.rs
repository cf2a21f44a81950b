//! Whether a certificate is for a host, by libpq's rules (`fe-secure-common.c`), which still honour the common name.

use super::chain::extension;
use rustls::Error;
use std::net::IpAddr;
use x509_cert::Certificate;
use x509_cert::der::asn1::{PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::oid::db::rfc4519::COMMON_NAME;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// Errors with the names found, as psql does.
pub(super) fn check(cert: &Certificate, host: &str) -> Result<(), Error> {
    let presented = Presented::of(cert);
    if presented.covers(host) {
        return Ok(());
    }
    let shown = presented.all().join(", ");
    Err(Error::General(format!("server certificate for \"{shown}\" does not match host name \"{host}\"")))
}

/// The names that a certificate carries.
#[derive(Debug, Default)]
struct Presented {
    dns: Vec<String>,
    ips: Vec<IpAddr>,
    common: Option<String>,
}

impl Presented {
    fn of(cert: &Certificate) -> Presented {
        let mut found = Presented { common: common_name(cert), ..Presented::default() };
        for name in extension::<SubjectAltName>(cert).map(|names| names.0).unwrap_or_default() {
            match name {
                GeneralName::DnsName(name) => found.dns.push(name.to_string()),
                GeneralName::IpAddress(octets) => found.ips.extend(ip(octets.as_bytes())),
                _ => {}
            }
        }
        found
    }

    /// The common name counts only when there is no alternative name of the host's own kind.
    fn covers(&self, host: &str) -> bool {
        let ip: Option<IpAddr> = host.parse().ok();
        let same_kind = if ip.is_some() { !self.ips.is_empty() } else { !self.dns.is_empty() };
        self.dns.iter().any(|pattern| matches(pattern, host))
            || ip.is_some_and(|ip| self.ips.contains(&ip))
            || (!same_kind && self.common.as_deref().is_some_and(|name| matches(name, host)))
    }

    fn all(&self) -> Vec<String> {
        let alternatives: Vec<String> = self.dns.iter().cloned().chain(self.ips.iter().map(ToString::to_string)).collect();
        if alternatives.is_empty() { self.common.iter().cloned().collect() } else { alternatives }
    }
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(octets).ok().map(IpAddr::from),
        _ => None,
    }
}

fn common_name(cert: &Certificate) -> Option<String> {
    let attributes = cert.tbs_certificate.subject.0.iter().flat_map(|rdn| rdn.0.iter());
    let value = &attributes.into_iter().find(|attribute| attribute.oid == COMMON_NAME)?.value;
    let text = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let text = text.or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned()));
    text.or_else(|_| value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str().to_owned())).ok()
}

/// Case-insensitive; a leading `*.` stands for exactly one label.
fn matches(pattern: &str, host: &str) -> bool {
    if pattern.eq_ignore_ascii_case(host) {
        return !host.is_empty();
    }
    let Some(suffix) = pattern.strip_prefix('*').filter(|suffix| suffix.len() > 1 && suffix.starts_with('.')) else { return false };
    let Some(at) = host.len().checked_sub(suffix.len()).filter(|at| *at > 0 && host.is_char_boundary(*at)) else { return false };
    host[at..].eq_ignore_ascii_case(suffix) && !host[..at].contains('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, host, fits) in [
            ("db.example.org", "DB.example.org", true),
            ("*.example.org", "db.example.org", true),
            ("*.example.org", "a.db.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
            ("*", "db", false),
            ("*.", "db.", false),
            ("d*.example.org", "db.example.org", false),
            ("", "", false),
        ] {
            assert_eq!(matches(pattern, host), fits, "{pattern} for {host}");
        }
    }

    #[test]
    fn the_common_name_counts_without_alternatives_of_the_same_kind() {
        let common = Some("db".to_owned());
        let dns = Presented { dns: vec!["other".into()], ips: vec![], common: common.clone() };
        assert!(!dns.covers("db") && dns.covers("other"));
        let ips = Presented { dns: vec![], ips: vec!["10.0.0.1".parse().unwrap()], common: common.clone() };
        assert!(ips.covers("db") && ips.covers("10.0.0.1") && !ips.covers("10.0.0.2"));
        let address = Presented { dns: vec!["db".into()], ips: vec![], common: Some("10.0.0.1".into()) };
        assert!(address.covers("10.0.0.1"), "a name does not hide an address in CN");
    }
}
