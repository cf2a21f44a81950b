//! A database that is ours until it is kept: dropped on every path, also when the tool is interrupted or fails.

use crate::server::Server;
use ml_common::stage::Stage;
use ml_common::{Failure, Result, pg};
use ml_dump::quoted;
use postgres::Client;
use postgres::error::SqlState;

/// A database made by this run.
pub struct Temporary<'a> {
    server: &'a Server,
    /// Its name.
    pub name: String,
    ours: bool,
}

impl<'a> Temporary<'a> {
    /// Makes it with one of `statements`: the next is tried when the server does not know the locale of the one before. Gives the number of the
    /// statement that did.
    ///
    /// # Errors
    /// Class Database.
    pub fn create(
        server: &'a Server,
        stage: &Stage,
        client: &mut Client,
        name: &str,
        statements: &[String],
    ) -> Result<(Temporary<'a>, usize)> {
        // From here on a signal may find it made.
        let mut temporary = Temporary { server, name: name.to_owned(), ours: true };
        let _hook = stage.cancel.when_set(server.canceller(client));
        for (i, statement) in statements.iter().enumerate() {
            match client.batch_execute(statement) {
                Ok(()) => {
                    stage.cancel.check()?;
                    return Ok((temporary, i));
                }
                Err(error) => {
                    temporary.ours = error.code() != Some(&SqlState::DUPLICATE_DATABASE);
                    stage.cancel.check()?;
                    let strange_locale =
                        [SqlState::WRONG_OBJECT_TYPE, SqlState::INVALID_PARAMETER_VALUE, SqlState::INVALID_OBJECT_DEFINITION];
                    let may_go_on = error.code().is_some_and(|code| strange_locale.contains(code)) && i + 1 < statements.len();
                    if !may_go_on {
                        return Err(pg::failure(&error, format_args!("creating the database {name}")));
                    }
                    log::info!("{}", pg::failure(&error, format_args!("creating the database {name}")));
                }
            }
        }
        Err(Failure::new(ml_common::Class::Internal, "no statement to create the database with"))
    }

    /// Drops it.
    ///
    /// # Errors
    /// Class Database; it is named then.
    pub fn drop_now(mut self) -> Result<()> {
        self.ours = false;
        drop_database(self.server, &self.name, true)
    }

    /// It stays, whatever happens.
    pub fn keep(&mut self) {
        self.ours = false;
    }
}

impl Drop for Temporary<'_> {
    fn drop(&mut self) {
        if self.ours
            && let Err(failure) = drop_database(self.server, &self.name, true)
        {
            log::error!("the database {} is left behind: {}", self.name, failure.for_people());
        }
    }
}

/// Sessions that this role may end. The server's own workers are none: it sends those of autovacuum away when it drops a database, and would
/// not have them ended by somebody who is no superuser, as FORCE does. Nor are a superuser's, not even for a member of that role.
const END_SESSIONS: &str = "SELECT pg_catalog.pg_terminate_backend(s.pid)
    FROM pg_catalog.pg_stat_activity s JOIN pg_catalog.pg_roles r ON r.oid = s.usesysid
    WHERE s.datname = $1 AND s.pid <> pg_catalog.pg_backend_pid() AND pg_catalog.pg_has_role(s.usesysid, 'MEMBER')
        AND (NOT r.rolsuper OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user))";

/// Drops a database over a connection of its own; with `force` its sessions are ended.
///
/// # Errors
/// Class Database.
pub fn drop_database(server: &Server, name: &str, force: bool) -> Result<()> {
    let mut client = server.again()?;
    let doing = || format!("dropping the database {name}");
    if force {
        client.query(END_SESSIONS, &[&name]).map_err(ml_dump::failed(doing()))?;
    }
    let sql = format!("DROP DATABASE IF EXISTS {}", quoted(name));
    let dropped = match client.batch_execute(&sql) {
        // Of a role that may not be ended one by one, or come back meanwhile.
        Err(error) if force && server.major >= 13 && error.code() == Some(&SqlState::OBJECT_IN_USE) => {
            client.batch_execute(&format!("{sql} WITH (FORCE)"))
        }
        dropped => dropped,
    };
    dropped.map_err(|error| pg::failure(&error, doing()).hint(format!("when it is not in use any more: DROP DATABASE {}", quoted(name))))
}
