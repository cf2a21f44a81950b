//! PostgreSQL's errors as [`Failure`]s: class, SQLSTATE, and a hint for what operators meet.

use super::target::{Host, Target};
use super::wire::NoTls;
use crate::failure::chain;
use crate::{Class, Failure};
use postgres::error::DbError;
use std::error::Error as StdError;
use std::fmt::Display;
use std::io;
use std::time::Duration;

/// A failed statement as a [`Failure`] of class `Database`: `doing: primary message (SQLSTATE); detail`, with a hint.
pub fn failure(error: &postgres::Error, doing: impl Display) -> Failure {
    let failure = match error.as_db_error() {
        Some(db) => from_server(db),
        None if error.is_closed() => lost("the server closed the connection"),
        None => match io_error(error) {
            Some(io) => lost(&io.to_string()),
            None => Failure::new(Class::Database, chain(error)),
        },
    };
    failure.context(doing)
}

fn lost(why: &str) -> Failure {
    Failure::new(Class::Database, format!("the connection to the database is lost: {why}"))
        .hint("look into the server's log; a restart, a crash, pg_terminate_backend or the network ends connections")
}

fn from_server(db: &DbError) -> Failure {
    let mut message = format!("{} ({})", db.message().trim_end_matches('.'), db.code().code());
    if let Some(detail) = db.detail() {
        message.push_str("; ");
        message.push_str(detail.trim_end_matches('.'));
    }
    let failure = Failure::new(Class::Database, message.replace('\n', " "));
    match hint(db.code().code(), db.message()).map(str::to_owned).or_else(|| db.hint().map(|hint| hint.replace('\n', " "))) {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

/// The remedy by SQLSTATE (appendix A of the manual). The text is consulted only where one code has two causes; it may be localised.
fn hint(code: &str, text: &str) -> Option<&'static str> {
    Some(match code {
        "28P01" => "correct the password: in DATABASE_URL, PGPASSWORD or ~/.pgpass (mode 0600), or ALTER ROLE ... PASSWORD",
        "28000" => "let the role log in from here: pg_hba.conf (it may want TLS: sslmode=require), and ALTER ROLE ... LOGIN",
        "3D000" => "create the database (createdb), or correct its name in DATABASE_URL or PGDATABASE",
        "42501" => "GRANT the role what it lacks, or connect as the owner",
        "53300" => "end idle sessions or raise max_connections",
        "53100" => "free disk space on the database server",
        "53200" => "lower work_mem or maintenance_work_mem, or give the server memory",
        "57014" if text.contains("statement timeout") => {
            "the statement took longer than its limit: raise the limit or look for what slows the server"
        }
        "57014" => "the statement was cancelled: by its time limit, by a signal to the tool, or by pg_cancel_backend",
        "55P03" => "another session holds the lock: see pg_locks and pg_stat_activity, or try later",
        "40P01" | "40001" => "run it again",
        "25006" => "the session or the server is read-only: connect to the primary",
        "57P01" => "the server is shutting down or the session was terminated: try again when it is back",
        "57P03" => "the server is starting, stopping or recovering: wait and try again",
        "42P01" | "42703" | "3F000" => "the schema is not the expected one: check the database's name, or run ml-migrate",
        "22021" => "the database holds bytes that are no text (its encoding is likely SQL_ASCII): find and correct them",
        "25P03" => "idle_in_transaction_session_timeout ended the session: raise it for this role",
        _ => return None,
    })
}

/// What an error means for the next attempt.
pub(super) enum Cause<'a> {
    Server(&'a DbError),
    Io(&'a io::Error),
    Other,
}

pub(super) fn cause(error: &postgres::Error) -> Cause<'_> {
    match (error.as_db_error(), io_error(error)) {
        (Some(db), _) => Cause::Server(db),
        (None, Some(io)) => Cause::Io(io),
        (None, None) => Cause::Other,
    }
}

impl Cause<'_> {
    /// The server answered and refused this login, perhaps because of the encryption.
    pub(super) fn refuses_login(&self) -> bool {
        matches!(self, Cause::Server(db) if db.code().code().starts_with("28"))
    }

    /// The handshake itself failed.
    pub(super) fn spoils_tls(&self) -> bool {
        matches!(self, Cause::Io(io) if is_tls(io) || io.kind() == io::ErrorKind::UnexpectedEof || io.kind() == io::ErrorKind::ConnectionReset)
    }

    /// libpq goes on to the next host when one cannot be reached, is silent or is starting up, not when it refuses.
    pub(super) fn allows_other_host(&self) -> bool {
        match self {
            Cause::Server(db) => db.code().code() == "57P03",
            Cause::Io(io) => !is_tls(io),
            Cause::Other => false,
        }
    }
}

fn io_error(error: &postgres::Error) -> Option<&io::Error> {
    error.source().and_then(|source| source.downcast_ref::<io::Error>())
}

fn is_tls(io: &io::Error) -> bool {
    io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>() || inner.is::<NoTls>() || inner.is::<Failure>())
}

/// An error of our own making: a deadline that tokio-postgres could not see.
pub(super) fn timed_out() -> postgres::Error {
    postgres::Error::__private_api_timeout()
}

/// The circumstances of a failed attempt.
pub(super) struct Setting<'a> {
    pub(super) target: &'a Target,
    pub(super) host: &'a Host,
    pub(super) limit: Duration,
    /// The socket was connected.
    pub(super) reached: bool,
}

impl Setting<'_> {
    /// Why no session was opened.
    pub(super) fn explain(&self, error: &postgres::Error) -> Failure {
        let at = self.host.shown();
        match cause(error) {
            Cause::Server(db) => {
                from_server(db).context(format_args!("database server {at} refuses {} as {}", self.target.database, self.target.user))
            }
            Cause::Io(io) => self.of_io(io, &at),
            Cause::Other if error.to_string() == timed_out().to_string() => self.silence(&at),
            Cause::Other => self.of_protocol(&chain(error), &at),
        }
    }

    fn silence(&self, at: &str) -> Failure {
        Failure::new(Class::Database, format!("database server {at} does not answer within {}", seconds(self.limit)))
            .hint("check that a PostgreSQL server listens there and that no firewall swallows packets; connect_timeout sets the limit")
    }

    fn of_io(&self, io: &io::Error, at: &str) -> Failure {
        if let Some(config) = io.get_ref().and_then(|inner| inner.downcast_ref::<Failure>()) {
            return config.clone();
        }
        if is_tls(io) {
            return tls(io, at);
        }
        match io.kind() {
            io::ErrorKind::TimedOut => self.silence(at),
            io::ErrorKind::NotFound if !self.reached => {
                Failure::new(Class::Database, format!("there is no database server socket for {at}"))
                    .hint("start the server, or set DATABASE_URL (or PGHOST and PGPORT) to where it is")
            }
            io::ErrorKind::ConnectionRefused => Failure::new(Class::Database, format!("cannot connect to {at}: connection refused"))
                .hint("start the server, or set DATABASE_URL (or PGHOST and PGPORT) to where it is"),
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                Failure::new(Class::Database, format!("{at} closes the connection without an answer"))
                    .hint("check that it is a PostgreSQL server, and its log")
            }
            _ => Failure::new(Class::Database, format!("cannot connect to {at}: {io}")).hint("check host, port and network"),
        }
    }

    fn of_protocol(&self, text: &str, at: &str) -> Failure {
        if text.contains("password missing") {
            return Failure::new(
                Class::Database,
                format!("database server {at} asks for a password of {} and none is set", self.target.user),
            )
            .hint("set it in DATABASE_URL, PGPASSWORD or ~/.pgpass (mode 0600)");
        }
        Failure::new(Class::Database, format!("no session with {at}: {text}")).hint("check that it is a PostgreSQL server, and its log")
    }
}

fn seconds(limit: Duration) -> String {
    if limit.subsec_millis() == 0 { format!("{} s", limit.as_secs()) } else { format!("{:.1} s", limit.as_secs_f64()) }
}

fn tls(io: &io::Error, at: &str) -> Failure {
    use rustls::{CertificateError, Error};
    let inner = io.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let (why, hint) = match inner {
        None => ("the server does not offer TLS".to_owned(), "turn ssl on at the server, or use sslmode=prefer or disable"),
        Some(Error::General(why)) => (why.clone(), "connect by a name that the certificate carries, or use sslmode=verify-ca"),
        Some(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            ("its certificate is signed by no authority in sslrootcert".to_owned(), "set sslrootcert to the authority's certificate")
        }
        Some(Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
            ("its certificate has expired".to_owned(), "renew the server's certificate")
        }
        Some(Error::AlertReceived(_)) => {
            (chain(io), "the server refused the handshake: it may want a client certificate (sslcert, sslkey)")
        }
        Some(_) => (chain(io), "check the certificates of server and sslrootcert, and the sslmode"),
    };
    Failure::new(Class::Database, format!("no TLS with {at}: {why}")).hint(hint)
}
