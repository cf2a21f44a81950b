//! The six sslmodes through rustls, with the meaning that libpq gives them.
//!
//! libpq verifies the chain whenever a root certificate file is there, in every mode that uses TLS, and the host name in `verify-full`
//! only; `verify-ca` and `verify-full` insist on the file. Source: PostgreSQL manual, "SSL Support", and `fe-secure-openssl.c`.

use super::resolve::invalid;
use super::verify::Verifier;
use crate::{Class, Failure, OrFail, Result};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `sslmode`, from weakest to strongest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Mode {
    Disable,
    Allow,
    Prefer,
    Require,
    VerifyCa,
    VerifyFull,
}

impl Mode {
    const NAMES: [(&str, Mode); 6] = [
        ("disable", Mode::Disable),
        ("allow", Mode::Allow),
        ("prefer", Mode::Prefer),
        ("require", Mode::Require),
        ("verify-ca", Mode::VerifyCa),
        ("verify-full", Mode::VerifyFull),
    ];

    pub(super) fn name(self) -> &'static str {
        Mode::NAMES.iter().find(|(_, mode)| *mode == self).map_or("prefer", |(name, _)| name)
    }
}

/// Where trust comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Roots {
    /// `sslrootcert`, or the default file, which need not exist.
    File(PathBuf),
    /// `sslrootcert=system`.
    System,
    /// No home folder, hence no default file.
    None,
}

/// The TLS settings of a target.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tls {
    pub(super) mode: Mode,
    pub(super) roots: Roots,
    /// Certificate and key of the client.
    pub(super) client: Option<(PathBuf, PathBuf)>,
    /// TLS at once, without asking (PostgreSQL 17).
    pub(super) direct: bool,
    pub(super) only_13: bool,
}

impl Tls {
    /// Reads the `ssl*` settings. `folder` is the home (or `%APPDATA%\postgresql`), where the default files are.
    pub(super) fn resolve(get: &dyn Fn(&str) -> Option<String>, folder: Option<&Path>) -> Result<Tls> {
        let folder = folder.map(|folder| if cfg!(windows) { folder.to_path_buf() } else { folder.join(".postgresql") });
        let default = |name: &str| folder.as_ref().map(|folder| folder.join(name));
        let roots = match get("sslrootcert") {
            Some(word) if word == "system" => Roots::System,
            Some(path) => Roots::File(path.into()),
            None => default("root.crt").map_or(Roots::None, Roots::File),
        };
        let mode = match get("sslmode") {
            Some(text) => Mode::NAMES.iter().find(|(name, _)| *name == text).map(|(_, mode)| *mode),
            None => Some(if roots == Roots::System { Mode::VerifyFull } else { Mode::Prefer }),
        };
        let mode = mode.ok_or_else(|| invalid("sslmode", "use disable, allow, prefer, require, verify-ca or verify-full"))?;
        if roots == Roots::System && mode < Mode::VerifyFull {
            return Err(invalid("sslrootcert=system with a weaker sslmode", "use sslmode=verify-full"));
        }
        let direct = match get("sslnegotiation").as_deref() {
            None | Some("postgres") => false,
            Some("direct") if mode >= Mode::Require => true,
            Some("direct") => return Err(invalid("sslnegotiation=direct with a weaker sslmode", "use sslmode=require or stronger")),
            Some(_) => return Err(invalid("sslnegotiation", "use postgres or direct")),
        };
        let cert = get("sslcert").map(PathBuf::from).or_else(|| default("postgresql.crt").filter(|path| path.exists()));
        let key = get("sslkey").map(PathBuf::from).or_else(|| default("postgresql.key"));
        let only_13 = get("ssl_min_protocol_version").is_some_and(|version| version == "TLSv1.3");
        Ok(Tls { mode, roots, client: cert.zip(key), direct, only_13 })
    }

    /// The rustls configuration for one host (its name matters in `verify-full` only).
    ///
    /// # Errors
    /// Class `Config` when a certificate file that is needed is missing or unusable.
    pub(super) fn config(&self, host: &str) -> Result<rustls::ClientConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier::new(&provider, self.trusted()?, (self.mode == Mode::VerifyFull).then(|| host.to_owned()));
        let versions: &[_] = if self.only_13 { &[&TLS13] } else { &[&TLS13, &TLS12] };
        let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .or_fail(Class::Internal, || "preparing TLS")?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match self.client_pair()? {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).or_fail(Class::Config, || "using sslcert and sslkey")?,
            None => builder.with_no_client_auth(),
        };
        if self.direct {
            config.alpn_protocols = vec![b"postgresql".to_vec()];
        }
        Ok(config)
    }

    /// The certificates to trust; `None` when the mode verifies nothing.
    fn trusted(&self) -> Result<Option<Vec<CertificateDer<'static>>>> {
        let missing = |what: String| {
            Failure::new(Class::Config, format!("{what}, but sslmode={} needs it", self.mode.name()))
                .hint("set sslrootcert to the file of the authority's certificate, or to system")
        };
        match &self.roots {
            Roots::System => Ok(Some(rustls_native_certs::load_native_certs().certs)),
            Roots::File(path) if path.exists() => certificates(path, "sslrootcert").map(Some),
            Roots::File(path) if self.mode >= Mode::VerifyCa => {
                Err(missing(format!("the root certificate file {} does not exist", path.display())))
            }
            Roots::None if self.mode >= Mode::VerifyCa => Err(missing("there is no root certificate file".into())),
            Roots::File(_) | Roots::None => Ok(None),
        }
    }

    fn client_pair(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>> {
        let Some((cert, key)) = &self.client else { return Ok(None) };
        let meta = std::fs::metadata(key).or_fail(Class::Config, || format!("reading sslkey {}", key.display()))?;
        if group_or_others(&meta) {
            return Err(Failure::new(Class::Config, format!("the private key {} can be read by others", key.display()))
                .hint("chmod 0600 it (0640 if it belongs to root)"));
        }
        let secret = PrivateKeyDer::from_pem_file(key).map_err(|_| {
            Failure::new(Class::Config, format!("sslkey {} is no unencrypted PEM key", key.display()))
                .hint("encrypted keys are not supported: decrypt it with openssl pkey")
        })?;
        Ok(Some((certificates(cert, "sslcert")?, secret)))
    }
}

fn certificates(path: &Path, what: &str) -> Result<Vec<CertificateDer<'static>>> {
    let doing = || format!("reading {what} {}", path.display());
    let list: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).or_fail(Class::Config, doing)?;
    if list.is_empty() {
        return Err(Failure::new(Class::Config, format!("{}: no certificate in it", doing())).hint("the file must hold PEM certificates"));
    }
    Ok(list)
}

/// libpq's rule: 0600, or 0640 when root owns the key.
#[cfg(unix)]
fn group_or_others(meta: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    let forbidden = if meta.uid() == 0 { 0o037 } else { 0o077 };
    meta.mode() & forbidden != 0
}

#[cfg(not(unix))]
fn group_or_others(_: &std::fs::Metadata) -> bool {
    false
}
