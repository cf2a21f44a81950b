//! Opening a session: hosts, addresses and encryptions in libpq's order, each under a deadline.

use super::failure::{self, Setting};
use super::target::{Host, Place, Session, Target};
use super::tls::Mode;
use super::wire::{Connector, Encryption, Progress};
use crate::deadline::within;
use crate::{Class, Failure, Result};
use postgres::config::{SslMode, SslNegotiation};
use postgres::{Client, SimpleQueryMessage};
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// What a session is opened with.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Shown in `pg_stat_activity`: the tool and its run, `ml-backup 20250108T020000Z-3f9a1c`.
    pub application_name: String,
    /// For each address tried, from the first packet to the open session; `connect_timeout` of the settings wins over it.
    pub connect_deadline: Duration,
    /// The longest statement; `None` leaves the server's setting.
    pub statement_timeout: Option<Duration>,
    /// The longest wait for a lock; `None` leaves the server's setting.
    pub lock_timeout: Option<Duration>,
    /// The longest pause within a transaction (zero: no limit); `None` leaves the server's setting.
    pub idle_in_transaction: Option<Duration>,
    /// Transactions may not write.
    pub read_only: bool,
}

impl Options {
    /// The defaults: 10 s to connect, 5 minutes a statement, 30 s a lock.
    pub fn new(application_name: impl Into<String>) -> Options {
        Options {
            application_name: application_name.into(),
            connect_deadline: Duration::from_secs(10),
            statement_timeout: Some(Duration::from_secs(300)),
            lock_timeout: Some(Duration::from_secs(30)),
            idle_in_transaction: None,
            read_only: false,
        }
    }

    fn statements(&self) -> String {
        let timeouts = [
            ("statement_timeout", self.statement_timeout),
            ("lock_timeout", self.lock_timeout),
            ("idle_in_transaction_session_timeout", self.idle_in_transaction),
        ];
        let mut sql = String::new();
        for (name, limit) in timeouts {
            if let Some(limit) = limit {
                let milliseconds = limit.as_millis().min(i32::MAX as u128);
                sql.push_str(&format!("SET {name} = {milliseconds};"));
            }
        }
        if self.read_only {
            sql.push_str("SET default_transaction_read_only = on;");
        }
        sql
    }
}

/// A failed attempt.
struct Miss {
    failure: Failure,
    /// Another encryption may succeed on the same address.
    other_encryption: bool,
    /// Another address or host may succeed.
    other_host: bool,
}

impl Target {
    /// Opens a session, ready for use.
    ///
    /// # Errors
    /// Class `Database` when no host can be used, `Config` when a certificate file is missing. The message names host and port.
    pub fn connect(&self, options: &Options) -> Result<Client> {
        let mut failures: Vec<Failure> = Vec::new();
        for session in passes(self.session) {
            for host in self.order() {
                match self.connect_host(host, options, session) {
                    Ok(client) => return Ok(client),
                    Err(miss) => {
                        failures.push(miss.failure);
                        if !miss.other_host {
                            return Err(joined(failures));
                        }
                    }
                }
            }
        }
        Err(joined(failures))
    }

    fn order(&self) -> Vec<&Host> {
        let mut hosts: Vec<&Host> = self.hosts.iter().collect();
        if self.shuffle {
            hosts.sort_by_cached_key(|host| {
                use std::hash::{BuildHasher, RandomState};
                RandomState::new().hash_one(host.shown())
            });
        }
        hosts
    }

    fn connect_host(&self, host: &Host, options: &Options, session: Session) -> Result<Client, Miss> {
        let limit = self.connect_timeout.unwrap_or(options.connect_deadline);
        let encryptions = encryptions(self.tls.mode, self.tls.direct, matches!(host.place, Place::Socket(_)));
        let mut last = None;
        for addr in addresses(host, limit)? {
            let attempt = |encryption| Attempt { target: self, host, addr, encryption, limit, options, session }.run();
            match in_turn(encryptions, attempt) {
                Ok(client) => return Ok(client),
                Err(miss) if miss.other_host => last = Some(miss),
                Err(miss) => return Err(miss),
            }
        }
        Err(last.unwrap_or_else(|| unreachable_host(Failure::new(Class::Database, format!("host {} has no address", host.name())))))
    }
}

/// `prefer-standby` takes any server when no standby answers.
fn passes(session: Session) -> Vec<Session> {
    if session == Session::PreferStandby { vec![Session::Standby, Session::Any] } else { vec![session] }
}

/// What to try, in order. TLS does not exist on sockets, whatever the mode says (libpq ignores it there).
fn encryptions(mode: Mode, direct: bool, socket: bool) -> &'static [Encryption] {
    use Encryption::{Direct, Offered, Plain, Required};
    match mode {
        _ if socket => &[Plain],
        Mode::Disable => &[Plain],
        Mode::Allow => &[Plain, Required],
        Mode::Prefer => &[Offered, Plain],
        Mode::Require | Mode::VerifyCa | Mode::VerifyFull => {
            if direct {
                &[Direct]
            } else {
                &[Required]
            }
        }
    }
}

/// Tries each encryption while the failures leave hope. What differs in their messages is told.
fn in_turn<T>(encryptions: &[Encryption], attempt: impl Fn(Encryption) -> Result<T, Miss>) -> Result<T, Miss> {
    let mut first: Option<Failure> = None;
    for (i, &encryption) in encryptions.iter().enumerate() {
        match attempt(encryption) {
            Ok(done) => return Ok(done),
            Err(miss) if miss.other_encryption && i + 1 < encryptions.len() => first = Some(miss.failure),
            Err(miss) => {
                let Some(before) = first.filter(|before| before.message != miss.failure.message) else { return Err(miss) };
                let (with, without) = if encryption == Encryption::Plain { ("with", "without") } else { ("without", "with") };
                let message = format!("{with} TLS: {}; {without}: {}", before.message, miss.failure.message);
                let hint = miss.failure.hint.or(before.hint);
                return Err(Miss { failure: Failure { class: miss.failure.class, message, hint }, ..miss });
            }
        }
    }
    Err(unreachable_host(Failure::new(Class::Internal, "no encryption to try")))
}

fn unreachable_host(failure: Failure) -> Miss {
    Miss { failure, other_encryption: false, other_host: true }
}

/// The addresses of a host, looked up in bounded time; one `None` for a socket.
fn addresses(host: &Host, limit: Duration) -> Result<Vec<Option<IpAddr>>, Miss> {
    let Place::Tcp { name, addr } = &host.place else { return Ok(vec![None]) };
    if let Some(addr) = addr.or_else(|| name.parse().ok()) {
        return Ok(vec![Some(addr)]);
    }
    let query = (name.clone(), host.port);
    let found = within(limit, move || query.to_socket_addrs().map(|found| found.map(|addr| Some(addr.ip())).collect::<Vec<_>>()));
    let why = match found {
        Some(Ok(found)) => return Ok(found),
        Some(Err(error)) => error.to_string(),
        None => "the name service does not answer".to_owned(),
    };
    let failure = Failure::new(Class::Database, format!("cannot find the address of database host {name}: {why}"));
    Err(unreachable_host(failure.hint("correct the host in DATABASE_URL (or PGHOST), or the name service")))
}

/// One attempt on one address.
struct Attempt<'a> {
    target: &'a Target,
    host: &'a Host,
    addr: Option<IpAddr>,
    encryption: Encryption,
    limit: Duration,
    options: &'a Options,
    session: Session,
}

impl Attempt<'_> {
    fn run(&self) -> Result<Client, Miss> {
        let progress = Arc::new(Progress::default());
        let connector = self.target.connector(self.encryption, self.limit, &progress);
        let config = self.config();
        let connected = match self.addr {
            Some(_) => config.connect(connector),
            // tokio-postgres leaves no place for a deadline on sockets.
            None => within(self.limit, move || config.connect(connector)).unwrap_or_else(|| Err(failure::timed_out())),
        };
        let mut client = connected.map_err(|error| self.miss(&error, &progress))?;
        self.check_session(&mut client, &progress)?;
        client.batch_execute(&self.options.statements()).map_err(|error| self.miss(&error, &progress))?;
        progress.open.store(true, Ordering::Relaxed);
        Ok(client)
    }

    fn config(&self) -> postgres::Config {
        let (target, tcp) = (self.target, &self.target.tcp);
        let mut config = postgres::Config::new();
        config.user(&target.user).dbname(&target.database).application_name(&self.options.application_name);
        config.port(self.host.port).connect_timeout(self.limit).channel_binding(target.channel_binding);
        config.keepalives(tcp.keepalives).keepalives_idle(tcp.idle).keepalives_interval(tcp.interval).keepalives_retries(tcp.count);
        config.tcp_user_timeout(tcp.user_timeout);
        config.notice_callback(|notice| log::debug!("database: {}: {}", notice.severity(), notice.message()));
        config.host(&self.host.name());
        match self.addr {
            // The connector itself asks for TLS, or does without: see `wire`.
            Some(addr) => config.hostaddr(addr).ssl_mode(SslMode::Require).ssl_negotiation(SslNegotiation::Direct),
            None => config.ssl_mode(SslMode::Disable),
        };
        if let Some(password) = target.password_for(self.host) {
            crate::redact::register(&password);
            config.password(password);
        }
        if let Some(options) = &target.options {
            config.options(options);
        }
        config
    }

    fn check_session(&self, client: &mut Client, progress: &Progress) -> Result<(), Miss> {
        if self.session == Session::Any {
            return Ok(());
        }
        let sql = "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only')";
        let answer = client.simple_query(sql).map_err(|error| self.miss(&error, progress))?;
        let (standby, read_only) = answer.iter().find_map(flags).unwrap_or_default();
        let fits = match self.session {
            Session::ReadWrite => !read_only,
            Session::ReadOnly => read_only,
            Session::Primary => !standby,
            Session::Standby | Session::PreferStandby => standby,
            Session::Any => true,
        };
        if fits {
            return Ok(());
        }
        let is = format!("is {} and {}", if standby { "a standby" } else { "a primary" }, if read_only { "read-only" } else { "writable" });
        let failure =
            Failure::new(Class::Database, format!("database server {} {is}, which target_session_attrs excludes", self.host.shown()));
        Err(unreachable_host(failure.hint("list the other servers in DATABASE_URL, or change target_session_attrs")))
    }

    fn miss(&self, error: &postgres::Error, progress: &Progress) -> Miss {
        let secured = progress.secured.load(Ordering::Relaxed);
        let setting =
            Setting { target: self.target, host: self.host, limit: self.limit, reached: progress.reached.load(Ordering::Relaxed) };
        let cause = failure::cause(error);
        let other_encryption = match self.encryption {
            Encryption::Plain => cause.refuses_login(),
            Encryption::Offered => (secured && cause.refuses_login()) || (!secured && cause.spoils_tls()),
            Encryption::Required | Encryption::Direct => false,
        };
        Miss { failure: setting.explain(error), other_encryption, other_host: cause.allows_other_host() }
    }
}

fn flags(message: &SimpleQueryMessage) -> Option<(bool, bool)> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    Some((row.get(0) == Some("t"), row.get(1) == Some("on")))
}

fn joined(mut failures: Vec<Failure>) -> Failure {
    failures.dedup();
    let messages = failures.iter().map(|failure| failure.message.as_str()).collect::<Vec<_>>().join("; ");
    match failures.pop() {
        Some(last) => Failure { message: messages, ..last },
        None => Failure::new(Class::Config, "no database host is given"),
    }
}

impl Target {
    pub(super) fn connector(&self, encryption: Encryption, limit: Duration, progress: &Arc<Progress>) -> Connector {
        Connector { tls: self.tls.clone(), encryption, deadline: Instant::now() + limit, progress: Arc::clone(progress) }
    }

    /// How a side connection (a cancel request) encrypts: the strongest that the mode tries.
    pub(super) fn side_encryption(&self) -> Encryption {
        match encryptions(self.tls.mode, self.tls.direct, false) {
            [Encryption::Plain, Encryption::Required] => Encryption::Offered,
            [first, ..] => *first,
            [] => Encryption::Plain,
        }
    }
}
