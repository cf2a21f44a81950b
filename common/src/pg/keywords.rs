//! Every connection keyword that libpq knows, its environment variable, and what this toolkit does with it.

use super::conninfo::Settings;
use crate::{Class, Failure, Result};

/// What becomes of a keyword.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Fate {
    /// It has libpq's effect.
    Obeyed,
    /// It cannot change the outcome for these tools, so it is accepted and has no effect.
    Ignored,
    /// Ignoring it would weaken what the operator asked for, so it is refused.
    Refused,
}
use Fate::{Ignored, Obeyed, Refused};

/// Keyword, environment variable (empty: none), fate.
pub(super) const KEYWORDS: &[(&str, &str, Fate)] = &[
    ("service", "PGSERVICE", Obeyed),
    ("servicefile", "PGSERVICEFILE", Obeyed),
    ("host", "PGHOST", Obeyed),
    ("hostaddr", "PGHOSTADDR", Obeyed),
    ("port", "PGPORT", Obeyed),
    ("user", "PGUSER", Obeyed),
    ("dbname", "PGDATABASE", Obeyed),
    ("password", "PGPASSWORD", Obeyed),
    ("passfile", "PGPASSFILE", Obeyed),
    ("options", "PGOPTIONS", Obeyed),
    ("connect_timeout", "PGCONNECT_TIMEOUT", Obeyed),
    ("keepalives", "", Obeyed),
    ("keepalives_idle", "", Obeyed),
    ("keepalives_interval", "", Obeyed),
    ("keepalives_count", "", Obeyed),
    ("tcp_user_timeout", "", Obeyed),
    ("target_session_attrs", "PGTARGETSESSIONATTRS", Obeyed),
    ("load_balance_hosts", "PGLOADBALANCEHOSTS", Obeyed),
    ("channel_binding", "PGCHANNELBINDING", Obeyed),
    ("sslmode", "PGSSLMODE", Obeyed),
    ("sslnegotiation", "PGSSLNEGOTIATION", Obeyed),
    ("sslrootcert", "PGSSLROOTCERT", Obeyed),
    ("sslcert", "PGSSLCERT", Obeyed),
    ("sslkey", "PGSSLKEY", Obeyed),
    ("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", Obeyed),
    ("gssencmode", "PGGSSENCMODE", Obeyed),
    // rustls offers TLS 1.2 and 1.3 only and never compresses; the encoding is always UTF-8; GSS is not spoken.
    ("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", Ignored),
    ("sslcompression", "PGSSLCOMPRESSION", Ignored),
    ("sslsni", "PGSSLSNI", Ignored),
    ("sslcertmode", "PGSSLCERTMODE", Ignored),
    ("client_encoding", "PGCLIENTENCODING", Ignored),
    // Each tool names itself and its run: that is how the holder of a lock is found.
    ("application_name", "PGAPPNAME", Ignored),
    ("fallback_application_name", "", Ignored),
    ("krbsrvname", "PGKRBSRVNAME", Ignored),
    ("gsslib", "PGGSSLIB", Ignored),
    ("gssdelegation", "PGGSSDELEGATION", Ignored),
    ("min_protocol_version", "PGMINPROTOCOLVERSION", Ignored),
    ("max_protocol_version", "PGMAXPROTOCOLVERSION", Ignored),
    ("sslcrl", "PGSSLCRL", Refused),
    ("sslcrldir", "PGSSLCRLDIR", Refused),
    ("sslpassword", "", Refused),
    ("requirepeer", "PGREQUIREPEER", Refused),
    ("require_auth", "PGREQUIREAUTH", Refused),
    ("replication", "", Refused),
];

/// Refuses keywords that libpq does not know, and those that would be silently weaker here.
pub(super) fn check(settings: &Settings) -> Result<()> {
    for (key, value) in settings {
        match KEYWORDS.iter().find(|(name, _, _)| name == key) {
            None => return Err(unknown(key)),
            Some((_, _, Refused)) if !value.is_empty() => return Err(refused(key)),
            Some(_) => {}
        }
    }
    if settings.get("gssencmode").is_some_and(|mode| mode == "require") {
        return Err(refused("gssencmode=require"));
    }
    Ok(())
}

fn unknown(key: &str) -> Failure {
    // A key that is no plain word may be a piece of a mistyped password.
    let plain = key.len() <= 40 && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if !plain {
        return Failure::new(Class::Config, "unknown option in the connection string")
            .hint("percent-encode special characters of a URL, quote values of the key=value form");
    }
    let near = KEYWORDS.iter().max_by(|a, b| strsim::jaro_winkler(a.0, key).total_cmp(&strsim::jaro_winkler(b.0, key)));
    let near = near.filter(|(name, _, _)| strsim::jaro_winkler(name, key) > 0.85);
    Failure::new(Class::Config, format!("unknown connection option {key}")).hint(match near {
        Some((name, _, _)) => format!("did you mean {name}? otherwise remove it from the connection string"),
        None => "remove it from the connection string".to_owned(),
    })
}

fn refused(key: &str) -> Failure {
    Failure::new(Class::Config, format!("connection option {key} is not supported"))
        .hint("remove it; it is refused and not ignored, because without it the connection would be weaker than you asked for")
}
