//! Where a database is and how to reach it: the result of resolving URL, environment, service and password file.

use super::passfile::Passfile;
use super::tls::Tls;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One place to try.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// The folder of a Unix socket.
    Socket(PathBuf),
    /// A host; the name serves TLS and `.pgpass`, the address (`hostaddr`) spares the lookup.
    Tcp { name: String, addr: Option<IpAddr> },
}

/// A place and its port.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Host {
    pub(super) place: Place,
    pub(super) port: u16,
}

impl Host {
    /// `localhost:5432`, `[::1]:5432` or `/var/run/postgresql:5432`, for messages.
    pub(super) fn shown(&self) -> String {
        let name = self.name();
        if name.contains(':') { format!("[{name}]:{}", self.port) } else { format!("{name}:{}", self.port) }
    }

    pub(super) fn name(&self) -> String {
        match &self.place {
            Place::Socket(folder) => folder.display().to_string(),
            Place::Tcp { name, .. } => name.clone(),
        }
    }

    /// What `.pgpass` calls this host: a default socket folder is `localhost`.
    pub(super) fn in_passfile(&self) -> String {
        match &self.place {
            Place::Socket(folder) if super::resolve::SOCKET_FOLDERS.iter().any(|known| folder == std::path::Path::new(known)) => {
                "localhost".into()
            }
            _ => self.name(),
        }
    }
}

/// `target_session_attrs`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Session {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Keepalives and the time limit of unacknowledged data: they end the wait for a server that vanished in the middle of a query.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tcp {
    pub(super) keepalives: bool,
    pub(super) idle: Duration,
    pub(super) interval: Duration,
    pub(super) count: u32,
    pub(super) user_timeout: Duration,
}

/// A PostgreSQL database as psql would reach it with the same settings. See [`Target::resolve`].
#[derive(Clone, PartialEq)]
pub struct Target {
    pub(super) hosts: Vec<Host>,
    pub(super) user: String,
    pub(super) database: String,
    pub(super) password: Option<String>,
    pub(super) passfile: Passfile,
    pub(super) tls: Tls,
    pub(super) options: Option<String>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) tcp: Tcp,
    pub(super) session: Session,
    pub(super) shuffle: bool,
    pub(super) channel_binding: postgres::config::ChannelBinding,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pg::Target({})", self.describe())
    }
}

impl Target {
    /// `mathledger on localhost:5432 as ml`: for records and messages, without secrets.
    pub fn describe(&self) -> String {
        format!("{} on {} as {}", self.database, self.shown_hosts(), self.user)
    }

    /// The hosts for messages: `localhost:5432`, several joined by commas.
    pub(super) fn shown_hosts(&self) -> String {
        self.hosts.iter().map(Host::shown).collect::<Vec<_>>().join(",")
    }

    /// The same server and role, another database. Its password is looked up again, since `.pgpass` may tell databases apart.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Target {
        Target { database: name.to_owned(), ..self.clone() }
    }

    /// The first host: a name, an address or the folder of a socket.
    pub fn host(&self) -> String {
        self.hosts.first().map(Host::name).unwrap_or_default()
    }

    /// The port of the first host.
    pub fn port(&self) -> u16 {
        self.hosts.first().map_or(5432, |host| host.port)
    }

    /// The role to log in as.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The database.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The password for the first host, from URL, environment, service or password file. Never print it.
    pub fn password(&self) -> Option<String> {
        self.hosts.first().and_then(|host| self.password_for(host))
    }

    /// Whether the first host is this machine: a socket, `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        match self.hosts.first().map(|host| &host.place) {
            Some(Place::Socket(_)) => true,
            Some(Place::Tcp { name, addr }) => {
                let addr = addr.or_else(|| name.parse().ok());
                addr.is_some_and(|addr| addr.is_loopback()) || name.eq_ignore_ascii_case("localhost")
            }
            None => false,
        }
    }

    pub(super) fn password_for(&self, host: &Host) -> Option<String> {
        self.password.clone().or_else(|| self.passfile.lookup(&host.in_passfile(), host.port, &self.database, &self.user))
    }
}
