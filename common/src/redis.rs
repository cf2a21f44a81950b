//! Redis with an end to every wait: the few things that the tools ask of the queue's server.

mod waiting;

pub use waiting::{Waiting, is_denied};

use crate::deadline::within;
use crate::{Class, Failure, Result};
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisError, ServerErrorKind};
use std::time::Duration;

/// A Redis server as a REDIS_URL names it.
#[derive(Clone)]
pub struct Target {
    info: ConnectionInfo,
    /// From the first packet to the usable session, authentication included.
    pub connect_timeout: Duration,
    /// For the answer to one command.
    pub response_timeout: Duration,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "redis::Target({})", self.describe())
    }
}

/// The same server, entered in the same way; the time limits may differ.
impl PartialEq for Target {
    fn eq(&self, other: &Target) -> bool {
        let (ours, theirs) = (self.info.redis_settings(), other.info.redis_settings());
        self.info.addr() == other.info.addr()
            && (ours.db(), ours.username(), ours.password()) == (theirs.db(), theirs.username(), theirs.password())
    }
}

impl Target {
    /// Reads `redis://user:password@host:port/db`, `rediss://` (TLS; `#insecure` verifies nothing) or `unix:///path?db=0&pass=...`;
    /// user and password are percent-decoded. Both timeouts are 5 s.
    ///
    /// # Errors
    /// Class `Config`; the message repeats nothing of the URL.
    pub fn parse(url: &str) -> Result<Target> {
        let wrong = |why: &str| {
            Failure::new(Class::Config, format!("the Redis URL is not valid: {why}"))
                .hint("write redis://user:password@host:6379/0 (rediss:// for TLS), special characters percent-encoded")
        };
        let parsed = redis::parse_redis_url(url.trim()).ok_or_else(|| wrong("not redis://, rediss:// or unix://"))?;
        let info = parsed.into_connection_info().map_err(|error| wrong(&error.to_string()))?;
        let settings = info.redis_settings().clone().set_lib_name("mathledger-toolkit", env!("CARGO_PKG_VERSION"));
        let info = info.set_redis_settings(settings);
        Ok(Target { info, connect_timeout: Duration::from_secs(5), response_timeout: Duration::from_secs(5) })
    }

    /// `localhost:6379/0`, for records and messages, without secrets.
    pub fn describe(&self) -> String {
        format!("{}/{}", self.address(), self.info.redis_settings().db())
    }

    fn address(&self) -> String {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            other => other.to_string(),
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// Class `Network`, with what to do for a refused connection, a missing or wrong password, a silent server.
    pub fn connect(&self) -> Result<Session> {
        // rediss:// needs a process-wide provider; a second call finds the first one's, which is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (info, limit) = (self.info.clone(), self.connect_timeout);
        // The crate bounds the connection but not the lookup of the name, nor all of TLS.
        let connected = within(limit * 2, move || redis::Client::open(info)?.get_connection_with_timeout(limit));
        let connection = match connected {
            Some(Ok(connection)) => connection,
            Some(Err(error)) => return Err(self.failure(&error, "connecting")),
            None => return Err(self.silent(limit)),
        };
        let timeout = Some(self.response_timeout);
        let bounded = connection.set_read_timeout(timeout).and_then(|()| connection.set_write_timeout(timeout));
        bounded.map_err(|error| self.failure(&error, "connecting"))?;
        Ok(Session { connection, target: self.clone() })
    }

    fn silent(&self, limit: Duration) -> Failure {
        Failure::new(Class::Network, format!("redis at {} does not answer within {} s", self.address(), limit.as_secs_f64())).hint(
            match self.info.addr() {
                ConnectionAddr::TcpTls { .. } => "check that the server takes TLS on that port (a plain one is redis://), and firewalls",
                _ => "check that a Redis server listens there, that it is not blocked (SLOWLOG), and firewalls",
            },
        )
    }

    fn failure(&self, error: &RedisError, doing: &str) -> Failure {
        if error.is_timeout() || would_block(error) {
            return self.silent(if doing == "connecting" { self.connect_timeout } else { self.response_timeout });
        }
        let at = self.address();
        let text = error.to_string().replace('\n', " ");
        let failure = if error.is_connection_refusal() {
            Failure::new(Class::Network, format!("redis at {at} refuses the connection"))
        } else {
            Failure::new(Class::Network, format!("redis at {at}: {doing}: {text}"))
        };
        match remedy(error, &text) {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}

/// A read that ran into its timeout, as some systems report it.
fn would_block(error: &RedisError) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<std::io::Error>());
    source.is_some_and(|io| matches!(io.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut))
}

fn remedy(error: &RedisError, text: &str) -> Option<&'static str> {
    if error.is_connection_refusal() {
        return Some("start Redis, or correct REDIS_URL");
    }
    Some(match (error.kind(), error.code()) {
        (_, Some("WRONGPASS")) | (ErrorKind::AuthenticationFailed, _) => "correct user and password in REDIS_URL",
        (_, Some("NOAUTH")) => "put the password into REDIS_URL: redis://:password@host:6379/0",
        (_, Some("WRONGTYPE")) => "the key holds something other than a list: correct QUEUE_KEY, or look with TYPE",
        (_, Some("OOM")) => "Redis is at its maxmemory: free memory, raise the limit, or let the queue drain",
        (_, Some("MISCONF")) => "Redis cannot write its snapshots: look at its log and its disk",
        (ErrorKind::Server(ServerErrorKind::BusyLoading), _) => "Redis is still loading its data: wait and try again",
        (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => "this is a replica: name the primary in REDIS_URL",
        (ErrorKind::Server(ServerErrorKind::NoPerm), _) => "give the Redis user the command and the key with ACL SETUSER",
        _ if text.contains("certificate") || text.contains("TLS") => {
            "check the server's certificate; SSL_CERT_FILE names a private authority"
        }
        _ if text.contains("lookup") || text.contains("resolve") => "correct the host in REDIS_URL, or the name service",
        (ErrorKind::Io, _) => "check that a Redis server (and TLS, for rediss://) is at that address",
        _ => return None,
    })
}

/// An open session with a Redis server.
pub struct Session {
    connection: redis::Connection,
    target: Target,
}

/// What INFO says about memory. Sizes in bytes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memory {
    /// Allocated by Redis.
    pub used: u64,
    /// Resident set, as the operating system sees it.
    pub rss: Option<u64>,
    /// Highest use so far.
    pub peak: Option<u64>,
    /// `maxmemory`; `None` is unlimited.
    pub max: Option<u64>,
    /// `maxmemory_policy`.
    pub policy: Option<String>,
    /// RSS over used.
    pub fragmentation: Option<f64>,
}

impl Session {
    /// Asks for a sign of life.
    ///
    /// # Errors
    /// As every method here: class `Network`.
    pub fn ping(&mut self) -> Result<()> {
        self.ask::<String>(&redis::cmd("PING"), "PING").map(|_| ())
    }

    /// All fields of an INFO section, in the server's order.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn info(&mut self, section: &str) -> Result<Vec<(String, String)>> {
        let text: String = self.ask(redis::cmd("INFO").arg(section), "INFO")?;
        Ok(fields(&text))
    }

    /// The memory fields of INFO.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn memory(&mut self) -> Result<Memory> {
        self.info("memory").map(|fields| memory(&fields))
    }

    /// The length of a list; a key that does not exist has length 0.
    ///
    /// # Errors
    /// Class `Network`; the hint tells when the key is no list.
    pub fn llen(&mut self, key: &str) -> Result<u64> {
        self.ask(redis::cmd("LLEN").arg(key), "LLEN")
    }

    /// Appends values to a list, unless that would make it longer than `limit`: then nothing is appended and `None` is returned. The
    /// length is asked first, so several writers may together exceed the limit by what they append at the same time.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn rpush(&mut self, key: &str, values: &[&[u8]], limit: u64) -> Result<Option<u64>> {
        let length = self.llen(key)?;
        if values.is_empty() || length.saturating_add(values.len() as u64) > limit {
            return Ok(values.is_empty().then_some(length));
        }
        self.ask(redis::cmd("RPUSH").arg(key).arg(values), "RPUSH").map(Some)
    }

    /// Takes a lease for so long: sets a key that is not set. False when somebody has it. `token` says whose it is, and is to be of no
    /// other holder.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn lease(&mut self, key: &str, token: &str, time: Duration) -> Result<bool> {
        let set: Option<String> = self.ask(redis::cmd("SET").arg(key).arg(token).arg("NX").arg("PX").arg(millis(time)), "SET")?;
        Ok(set.is_some())
    }

    /// Has a lease last so long from now on; false when it is no longer that holder's.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn renew_lease(&mut self, key: &str, token: &str, time: Duration) -> Result<bool> {
        let script = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) else return 0 end";
        self.ask(redis::cmd("EVAL").arg(script).arg(1).arg(key).arg(token).arg(millis(time)), "EVAL")
    }

    /// Gives a lease back; false when it was no longer that holder's, whose key stays then.
    ///
    /// # Errors
    /// Class `Network`.
    pub fn end_lease(&mut self, key: &str, token: &str) -> Result<bool> {
        let script = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) else return 0 end";
        self.ask(redis::cmd("EVAL").arg(script).arg(1).arg(key).arg(token), "EVAL")
    }

    fn ask<T: redis::FromRedisValue>(&mut self, command: &redis::Cmd, doing: &str) -> Result<T> {
        command.query(&mut self.connection).map_err(|error| self.target.failure(&error, doing))
    }
}

/// As Redis counts time; it refuses 0.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2).max(1)
}

fn fields(text: &str) -> Vec<(String, String)> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

fn memory(fields: &[(String, String)]) -> Memory {
    let get = |name: &str| fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str());
    let number = |name: &str| get(name).and_then(|value| value.parse().ok());
    Memory {
        used: number("used_memory").unwrap_or(0),
        rss: number("used_memory_rss"),
        peak: number("used_memory_peak"),
        max: number("maxmemory").filter(|max| *max > 0),
        policy: get("maxmemory_policy").map(str::to_owned),
        fragmentation: get("mem_fragmentation_ratio").and_then(|value| value.parse().ok()),
    }
}

#[cfg(test)]
mod tests;
