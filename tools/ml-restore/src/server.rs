//! The server: who we are there, who else is, and how much room it has.

use crate::cli::Cli;
use ml_common::pg::{self, Target};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, files};
use ml_dump::failed;
use postgres::Client;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// Connections to one server, under the rights of one role and, but in a dry run, with our lock held.
pub struct Server {
    maintenance: Target,
    options: pg::Options,
    /// Released at the end.
    _lock: Option<pg::lock::Guard>,
    /// 15.
    pub major: u32,
    /// Whether it is a superuser.
    pub superuser: bool,
}

/// A session in a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its server process.
    pub pid: i32,
    /// Who, from where, with what: for people.
    pub who: String,
}

const ROLE: &str = "SELECT current_setting('server_version_num')::int, r.rolname, r.rolsuper, r.rolsuper OR r.rolcreatedb
    FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

const SESSIONS: &str =
    "SELECT pid, coalesce(usename, '?'), coalesce(application_name, ''), coalesce(client_addr::text, 'local'), coalesce(state, '')
    FROM pg_catalog.pg_stat_activity WHERE datname = $1 AND pid <> pg_catalog.pg_backend_pid()
        AND (backend_type = 'client backend' OR backend_type IS NULL) ORDER BY backend_start";

/// Places of the files of a tablespace; the default one is in the data directory.
const PLACE: &str =
    "SELECT coalesce(nullif((SELECT pg_catalog.pg_tablespace_location(oid) FROM pg_catalog.pg_tablespace WHERE spcname = $1), ''),
    current_setting('data_directory'))";

impl Server {
    /// Connects to the maintenance database and takes the lock there: the other databases come and go.
    ///
    /// # Errors
    /// Class Database, also when the role may not make databases; Locked while another restore is at work.
    pub fn open(cli: &Cli, stage: &Stage) -> Result<(Server, Client)> {
        let lock = cli.lock_name(stage);
        Server::at(cli.maintenance(stage)?, stage, (!stage.dry_run).then_some(lock.as_str()))
    }

    /// The same for another server, with the lock of that name.
    ///
    /// # Errors
    /// As [`Server::open`].
    pub fn at(maintenance: Target, stage: &Stage, lock: Option<&str>) -> Result<(Server, Client)> {
        let options = pg::Options { statement_timeout: Some(Duration::ZERO), ..stage.pg_options()? };
        let mut client =
            maintenance.connect(&options).map_err(|failure| failure.hint("--maintenance-db names another database to connect to"))?;
        let row = client.query_one(ROLE, &[]).map_err(failed("asking for the role"))?;
        let number: i32 = row.try_get(0).map_err(failed("asking for the version"))?;
        let flag = |index: usize| row.try_get::<_, bool>(index).map_err(failed("asking for the role"));
        let role: String = row.try_get(1).map_err(failed("asking for the role"))?;
        if !flag(3)? {
            return Err(Failure::new(Class::Database, format!("the role {role} may not create databases"))
                .hint(format!("ALTER ROLE {role} CREATEDB, or connect as a role that may")));
        }
        let lock = lock.map(|name| pg::lock::try_lock(&maintenance, name, &stage.run)).transpose()?;
        Ok((Server { maintenance, options, _lock: lock, major: number.unsigned_abs() / 10_000, superuser: flag(2)? }, client))
    }

    /// How to reach a database of this server.
    pub fn target(&self, database: &str) -> Target {
        self.maintenance.with_database(database)
    }

    /// A session in a database of this server.
    ///
    /// # Errors
    /// Class Database.
    pub fn connect(&self, database: &str) -> Result<Client> {
        self.target(database).connect(&self.options)
    }

    /// Takes another lock.
    ///
    /// # Errors
    /// Class Locked when it is taken.
    pub fn lock(&self, name: &str, run: &str) -> Result<pg::lock::Guard> {
        pg::lock::try_lock(&self.maintenance, name, run)
    }

    /// What it is remembered by: `localhost:5432`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.maintenance.host(), self.maintenance.port())
    }

    /// A hook that cancels what `client` is running.
    pub fn canceller(&self, client: &Client) -> impl Fn() + Send + Sync + Clone + use<> {
        pg::canceller(client, &self.maintenance)
    }

    /// The name that our sessions go by.
    pub fn application(&self) -> &str {
        &self.options.application_name
    }

    /// Another session in the maintenance database.
    ///
    /// # Errors
    /// Class Database.
    pub fn again(&self) -> Result<Client> {
        self.maintenance.connect(&self.options)
    }

    /// Room on the disk where a database in this tablespace would be; `None` when it cannot be seen from here.
    pub fn free_bytes(&self, client: &mut Client, tablespace: &str, via: bool) -> Option<u64> {
        if via || !self.maintenance.is_local() {
            return None;
        }
        let place: String = client.query_one(PLACE, &[&tablespace]).and_then(|row| row.try_get(0)).ok()?;
        // A server in a container has its folders elsewhere than this machine.
        let place = Path::new(&place);
        if !place.is_absolute() || !place.exists() {
            return None;
        }
        files::disk_space(place).ok().map(|(free, _)| free)
    }

    /// Those of `roles` that there are, and those of them that ours may act as.
    ///
    /// # Errors
    /// Class Database.
    pub fn roles(&self, client: &mut Client, roles: &[&str]) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        const SQL: &str =
            "SELECT rolname, pg_catalog.pg_has_role(current_user, oid, 'MEMBER') FROM pg_catalog.pg_roles WHERE rolname = ANY ($1)";
        let rows = client.query(SQL, &[&roles]).map_err(failed("looking up the roles"))?;
        let (mut known, mut ours) = (BTreeSet::new(), BTreeSet::new());
        for row in rows {
            let name: String = row.try_get(0).map_err(failed("looking up the roles"))?;
            if row.try_get(1).map_err(failed("looking up the roles"))? {
                ours.insert(name.clone());
            }
            known.insert(name);
        }
        Ok((known, ours))
    }
}

/// The sessions in a database, oldest first, but for the client's own.
///
/// # Errors
/// Class Database.
pub fn sessions(client: &mut Client, database: &str) -> Result<Vec<Session>> {
    let doing = || format!("listing the sessions in {database}");
    let session = |row: &postgres::Row| -> Result<Session, postgres::Error> {
        let (pid, user, application): (i32, String, String) = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (from, state): (String, String) = (row.try_get(3)?, row.try_get(4)?);
        let parts = [application, format!("as {user} from {from}"), state, format!("process {pid}")];
        let who = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ");
        Ok(Session { pid, who })
    };
    let rows = client.query(SESSIONS, &[&database]).map_err(failed(doing()))?;
    rows.iter().map(session).collect::<Result<_, _>>().map_err(failed(doing()))
}

/// The sessions for a sentence: the first few.
pub fn named(sessions: &[Session]) -> String {
    let more = sessions.len().saturating_sub(4);
    let first: Vec<&str> = sessions.iter().take(4).map(|session| session.who.as_str()).collect();
    let more = if more == 0 { String::new() } else { format!("; and {more} more") };
    format!("{}{more}", first.join("; "))
}

/// Size of a database; `None` when there is none of that name, or the role may not ask.
pub fn database_bytes(client: &mut Client, database: &str) -> Option<u64> {
    let sql = "SELECT pg_catalog.pg_database_size(oid) FROM pg_catalog.pg_database WHERE datname = $1";
    client.query_opt(sql, &[&database]).ok()??.try_get::<_, i64>(0).ok().map(i64::unsigned_abs)
}

/// The databases of which our role is the owner (all of them for a superuser), by name.
///
/// # Errors
/// Class Database.
pub fn own_databases(client: &mut Client) -> Result<Vec<String>> {
    const SQL: &str = "SELECT datname FROM pg_catalog.pg_database WHERE pg_catalog.pg_has_role(current_user, datdba, 'MEMBER') ORDER BY 1";
    let rows = client.query(SQL, &[]).map_err(failed("listing the databases"))?;
    rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().map_err(failed("listing the databases"))
}
