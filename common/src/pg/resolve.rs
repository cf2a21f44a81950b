//! From settings to a [`Target`]: connection string over service over environment over defaults, in libpq's order.

use super::conninfo::{self, Settings};
use super::passfile::Passfile;
use super::target::{Host, Place, Session, Target, Tcp};
use super::tls::Tls;
use super::{Env, keywords, service};
use crate::{Class, Failure, Result};
use postgres::config::ChannelBinding;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The socket folders that PostgreSQL builds use by default: Debian's and upstream's.
pub(super) const SOCKET_FOLDERS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

impl Target {
    /// Resolves what psql would connect to, given `url` (a URL, `key=value` pairs or a database name; DATABASE_URL) and `env`.
    ///
    /// # Errors
    /// Class `Config` for anything that libpq would refuse, with no value repeated in the message.
    pub fn resolve(url: Option<&str>, env: Env<'_>) -> Result<Target> {
        let given = conninfo::parse(url.unwrap_or_default())?;
        keywords::check(&given)?;
        let home = home(env);
        let settings = Merged::new(given, env, home.as_deref())?;
        settings.target(home.as_deref())
    }
}

/// The folder that libpq keeps a user's files in: the home, or `%APPDATA%\postgresql`.
fn home(env: Env<'_>) -> Option<PathBuf> {
    if cfg!(windows) {
        return env("APPDATA").map(|folder| Path::new(&folder).join("postgresql"));
    }
    env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from).or_else(std::env::home_dir)
}

/// All settings, each from the strongest source that has it.
struct Merged(Settings);

impl Merged {
    fn new(mut settings: Settings, env: Env<'_>, home: Option<&Path>) -> Result<Merged> {
        let name = settings.get("service").cloned().or_else(|| env("PGSERVICE")).filter(|name| !name.is_empty());
        if let Some(name) = name {
            let found = service::load(&name, &settings, env, home)?;
            keywords::check(&found).map_err(|failure| failure.context(format!("connection service {name:?}")))?;
            for (key, value) in found {
                settings.entry(key).or_insert(value);
            }
        }
        for (key, variable, _) in keywords::KEYWORDS.iter().filter(|(_, variable, _)| !variable.is_empty()) {
            if let (false, Some(value)) = (settings.contains_key(*key), env(variable)) {
                settings.insert((*key).into(), value);
            }
        }
        keywords::check(&settings)?;
        Ok(Merged(settings))
    }

    /// A setting that is there and not empty; to libpq an empty one is the default.
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn target(&self, home: Option<&Path>) -> Result<Target> {
        let user = match self.get("user") {
            Some(user) => user.to_owned(),
            None => whoami::username().map_err(|_| invalid("the name of the operating system's user", "set PGUSER"))?,
        };
        let passfile = self.get("passfile").map(PathBuf::from);
        let passfile = passfile.or_else(|| home.map(|home| home.join(if cfg!(windows) { "pgpass.conf" } else { ".pgpass" })));
        let password = self.get("password").map(str::to_owned);
        Ok(Target {
            hosts: self.hosts()?,
            database: self.get("dbname").unwrap_or(&user).to_owned(),
            user,
            // A password that is given makes the file irrelevant, and warnings about it too.
            passfile: if password.is_some() { Passfile::default() } else { Passfile::read(passfile) },
            password,
            tls: Tls::resolve(&|key| self.get(key).map(str::to_owned), home)?,
            options: self.get("options").map(str::to_owned),
            connect_timeout: self.number("connect_timeout")?.filter(|seconds| *seconds > 0).map(Duration::from_secs),
            tcp: self.tcp()?,
            session: self.session()?,
            shuffle: self.choice("load_balance_hosts", &[("disable", false), ("random", true)], false)?,
            channel_binding: self.channel_binding()?,
        })
    }

    fn hosts(&self) -> Result<Vec<Host>> {
        let list = |key| self.get(key).map(|text| text.split(',').map(str::trim).collect::<Vec<_>>()).unwrap_or_default();
        let (names, addrs, ports) = (list("host"), list("hostaddr"), list("port"));
        let count = names.len().max(addrs.len()).max(1);
        if !names.is_empty() && !addrs.is_empty() && names.len() != addrs.len() {
            return Err(invalid("the number of host addresses", "give as many in hostaddr as in host"));
        }
        if ports.len() > 1 && ports.len() != count {
            return Err(invalid("the number of ports", "give one port, or one for each host"));
        }
        let at = |list: &[&str], i: usize| list.get(i).copied().unwrap_or_default().to_owned();
        (0..count).map(|i| host(&at(&names, i), &at(&addrs, i), &at(&ports, if ports.len() == 1 { 0 } else { i }))).collect()
    }

    fn number(&self, key: &str) -> Result<Option<u64>> {
        let Some(text) = self.get(key) else { return Ok(None) };
        // libpq takes a negative timeout for none.
        let number = text.trim().parse::<i64>().map_err(|_| invalid(key, "give a whole number"))?;
        Ok(Some(u64::try_from(number).unwrap_or(0)))
    }

    fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)], default: T) -> Result<T> {
        let Some(text) = self.get(key) else { return Ok(default) };
        let names = || choices.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        choices
            .iter()
            .find(|(name, _)| *name == text)
            .map(|(_, value)| *value)
            .ok_or_else(|| invalid(key, &format!("use one of {}", names())))
    }

    fn tcp(&self) -> Result<Tcp> {
        let seconds = |key, default| Ok::<_, Failure>(Duration::from_secs(self.number(key)?.filter(|n| *n > 0).unwrap_or(default)));
        Ok(Tcp {
            keepalives: self.number("keepalives")? != Some(0),
            idle: seconds("keepalives_idle", 30)?,
            interval: seconds("keepalives_interval", 10)?,
            count: self.number("keepalives_count")?.and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0).unwrap_or(3),
            user_timeout: Duration::from_millis(self.number("tcp_user_timeout")?.filter(|n| *n > 0).unwrap_or(60_000)),
        })
    }

    fn session(&self) -> Result<Session> {
        let choices = [
            ("any", Session::Any),
            ("read-write", Session::ReadWrite),
            ("read-only", Session::ReadOnly),
            ("primary", Session::Primary),
            ("standby", Session::Standby),
            ("prefer-standby", Session::PreferStandby),
        ];
        self.choice("target_session_attrs", &choices, Session::Any)
    }

    fn channel_binding(&self) -> Result<ChannelBinding> {
        let choices = [("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];
        self.choice("channel_binding", &choices, ChannelBinding::Prefer)
    }
}

fn host(name: &str, addr: &str, port: &str) -> Result<Host> {
    let port = match port {
        "" => 5432,
        text => text.parse().ok().filter(|port| *port != 0).ok_or_else(|| invalid("the port", "give a number from 1 to 65535"))?,
    };
    let addr: Option<std::net::IpAddr> = match addr {
        "" => None,
        text => Some(text.parse().map_err(|_| invalid("hostaddr", "give a numeric IPv4 or IPv6 address"))?),
    };
    let place = match (name, addr) {
        ("", None) => default_place(port),
        ("", Some(addr)) => Place::Tcp { name: addr.to_string(), addr: Some(addr) },
        (name, None) if is_socket_folder(name) => Place::Socket(name.into()),
        (name, addr) => Place::Tcp { name: name.to_owned(), addr },
    };
    Ok(Host { place, port })
}

fn is_socket_folder(name: &str) -> bool {
    cfg!(unix) && name.starts_with('/')
}

/// The socket folder that has a server at this port, else the first that exists; `localhost` where there are no sockets.
fn default_place(port: u16) -> Place {
    if !cfg!(unix) {
        return Place::Tcp { name: "localhost".into(), addr: None };
    }
    let folders = SOCKET_FOLDERS.map(Path::new);
    let served = folders.iter().find(|folder| folder.join(format!(".s.PGSQL.{port}")).exists());
    let chosen = served.or_else(|| folders.iter().find(|folder| folder.is_dir())).unwrap_or(&folders[0]);
    Place::Socket(chosen.to_path_buf())
}

/// `what` is invalid; its value is not repeated, since a mistyped string may put the password there.
pub(super) fn invalid(what: &str, remedy: &str) -> Failure {
    Failure::new(Class::Config, format!("connection settings: {what} is not valid")).hint(remedy)
}
