//! What pg_dump, pg_restore and psql need to reach the same database, without a word of it on their command line.
//!
//! A password from the password file is left there: the child reads the file itself. Any other goes into PGPASSWORD: a process's
//! environment can be read by the same user and root only, and unlike a temporary file it is gone when tool and child are killed.

use super::keywords::KEYWORDS;
use super::target::{Host, Place, Session, Target};
use super::tls::Roots;
use postgres::config::ChannelBinding;
use std::process::Command;
use std::time::Duration;

impl Target {
    /// The PG* variables for a child that uses libpq. Set them with [`Target::prepare`], which also removes those that would mislead.
    pub fn child_env(&self) -> Vec<(String, String)> {
        let each = |of: &dyn Fn(&Host) -> String| self.hosts.iter().map(of).collect::<Vec<_>>().join(",");
        let mut env = vec![
            ("PGHOST", each(&Host::name)),
            ("PGPORT", each(&|host| host.port.to_string())),
            ("PGUSER", self.user.clone()),
            ("PGDATABASE", self.database.clone()),
            ("PGSSLMODE", self.tls.mode.name().to_owned()),
            ("PGCONNECT_TIMEOUT", self.connect_timeout.unwrap_or(Duration::from_secs(10)).as_secs().max(2).to_string()),
        ];
        let addr = |host: &Host| match &host.place {
            Place::Tcp { addr: Some(addr), .. } => addr.to_string(),
            _ => String::new(),
        };
        if self.hosts.iter().any(|host| !addr(host).is_empty()) {
            env.push(("PGHOSTADDR", each(&addr)));
        }
        match &self.tls.roots {
            Roots::File(path) => env.push(("PGSSLROOTCERT", path.display().to_string())),
            Roots::System => env.push(("PGSSLROOTCERT", "system".into())),
            Roots::None => {}
        }
        if let Some((cert, key)) = &self.tls.client {
            env.push(("PGSSLCERT", cert.display().to_string()));
            env.push(("PGSSLKEY", key.display().to_string()));
        }
        let optional = [
            ("PGPASSWORD", self.password.clone()),
            ("PGPASSFILE", self.passfile.path().map(|path| path.display().to_string())),
            ("PGOPTIONS", self.options.clone()),
            ("PGTARGETSESSIONATTRS", session_name(self.session).map(str::to_owned)),
            ("PGSSLNEGOTIATION", self.tls.direct.then(|| "direct".to_owned())),
            ("PGSSLMINPROTOCOLVERSION", self.tls.only_13.then(|| "TLSv1.3".to_owned())),
            ("PGCHANNELBINDING", (self.channel_binding == ChannelBinding::Require).then(|| "require".to_owned())),
        ];
        env.extend(optional.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))));
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Makes `command` reach this target: our PG* variables set, all others that libpq reads removed (PGSERVICE would override ours).
    pub fn prepare(&self, command: &mut Command) {
        for (_, variable, _) in KEYWORDS.iter().filter(|(_, variable, _)| !variable.is_empty()) {
            command.env_remove(variable);
        }
        command.envs(self.child_env());
    }
}

impl Target {
    /// The same as a URL, with the password, for the environment (never the command line) of a child that reads DATABASE_URL. Only the first
    /// host is in it.
    pub fn url(&self) -> String {
        let encoded = |text: &str| {
            text.bytes().fold(String::new(), |mut out, byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    out.push(char::from(byte));
                } else {
                    out.push_str(&format!("%{byte:02X}"));
                }
                out
            })
        };
        let password = self.password().map(|password| format!(":{}", encoded(&password))).unwrap_or_default();
        let login = format!("{}{password}@", encoded(&self.user));
        let (host, port) = (self.host(), self.port());
        let socket = matches!(self.hosts.first(), Some(Host { place: Place::Socket(_), .. }));
        let mut parameters = Vec::new();
        let authority = if socket {
            parameters.extend([format!("host={}", encoded(&host)), format!("port={port}")]);
            login
        } else if host.contains(':') {
            format!("{login}[{host}]:{port}")
        } else {
            format!("{login}{}:{port}", encoded(&host))
        };
        if !socket {
            parameters.push(format!("sslmode={}", self.tls.mode.name()));
            if let Roots::File(path) = &self.tls.roots
                && path.exists()
            {
                parameters.push(format!("sslrootcert={}", encoded(&path.display().to_string())));
            }
        }
        format!("postgresql://{authority}/{}?{}", encoded(&self.database), parameters.join("&"))
    }
}

fn session_name(session: Session) -> Option<&'static str> {
    match session {
        Session::Any => None,
        Session::ReadWrite => Some("read-write"),
        Session::ReadOnly => Some("read-only"),
        Session::Primary => Some("primary"),
        Session::Standby => Some("standby"),
        Session::PreferStandby => Some("prefer-standby"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_leads_to_the_same_place() {
        let none = |_: &str| None;
        for url in [
            "postgresql://ml:p%40ss%20w@localhost:5433/a%20b?sslmode=require",
            "postgresql://ml@[::1]:5433/x",
            "postgresql://ml:pw@%2Fvar%2Ftmp%2Fs:6000/x",
            "host=/var/tmp/s port=6000 user=o'x dbname=d=1",
        ] {
            let url = url.replace("o'x", "o");
            let target = Target::resolve(Some(&url), &none).unwrap();
            let again = Target::resolve(Some(&target.url()), &none).unwrap();
            assert_eq!(
                (again.describe(), again.password(), again.tls.mode, again.is_local()),
                (target.describe(), target.password(), target.tls.mode, target.is_local()),
                "{}",
                target.url()
            );
        }
    }
}
