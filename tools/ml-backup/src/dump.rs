//! Running pg_dump, and what its failures mean.

use crate::sealing::Out;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, child, files};
use ml_dump::compression::GZIP_LEVEL;
use ml_dump::programs::Reach;
use ml_dump::{Compression, Programs, session, tables};
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How a dump is made.
#[derive(Clone, Copy, Debug)]
pub struct Dump<'a> {
    /// pg_dump, here or in a container.
    pub programs: &'a Programs,
    /// The database.
    pub reach: Reach<'a>,
    /// The snapshot to dump.
    pub snapshot: &'a str,
    /// Another encoding than the database's.
    pub encoding: Option<&'a str>,
    /// How long pg_dump waits for a lock.
    pub lock_timeout: Duration,
}

impl Dump<'_> {
    /// pg_dump, to write an archive compressed so.
    pub fn command(&self, compression: Compression) -> Command {
        // What pg_dump leaves as role and database have it, so that rows compare with those that a restore reads.
        let own = self.reach.target.child_env().into_iter().find(|(key, _)| key == "PGOPTIONS").map(|(_, value)| value);
        let options = ("PGOPTIONS", session::options(own.as_deref()));
        let mut command = self.programs.command_with("pg_dump", Some(self.reach), &[options]);
        // Never a question for a password; and flushing to disk is done when the file gets its name.
        command.args(["--format=custom", "--no-password", "--no-sync"]).arg(format!("--snapshot={}", self.snapshot));
        match compression {
            Compression::None => drop(command.arg("--compress=0")),
            // Its own default.
            Compression::Gzip(GZIP_LEVEL) => {}
            Compression::Gzip(level) => drop(command.arg(format!("--compress={level}"))),
            Compression::Zstd(_) => drop(command.arg(format!("--compress={compression}"))),
        }
        if let Some(encoding) = self.encoding {
            command.arg(format!("--encoding={encoding}"));
        }
        if !self.lock_timeout.is_zero() {
            command.arg(format!("--lock-wait-timeout={}", self.lock_timeout.as_millis()));
        }
        command
    }

    /// Dumps with stock pg_dump into `out`, which is going to be `path`.
    ///
    /// # Errors
    /// Class Storage when the file cannot be written, else Database; and those of [`child::run`].
    pub fn run(&self, compression: Compression, out: &mut Out, path: &Path, cancel: &Cancel) -> Result<()> {
        let mut command = self.command(compression);
        let into: &mut dyn Write = match out {
            Out::Plain(file) if self.programs.on_this_machine() => {
                // pg_dump writes the places of the tables into a file that it can seek in; pg_restore -j is the faster for them.
                command.arg("--file").arg(file.temporary_path());
                &mut io::sink()
            }
            Out::Plain(file) => file,
            Out::Sealed(sealing) => sealing,
        };
        let (ended, ()) = child::run(command, cancel, None, |from| {
            io::copy(from, into).map(|_| ()).map_err(|error| files::storage(&error, path, "cannot write"))
        })?;
        if ended.status.success() { Ok(()) } else { Err(explain(&ended.said())) }
    }
}

/// pg_dump's own words (the server's may be in another language) when it was not given a table's lock in time.
const LOCKING: &str = "Query was: LOCK TABLE";

/// What pg_dump's last words mean.
pub fn explain(said: &str) -> Failure {
    let said = said.replace("pg_dump: error: ", "").replace("pg_dump: ", "");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let failure = |class, hint: &str| Failure::new(class, format!("pg_dump failed: {said}")).hint(hint);
    if has(&["No space left", "Disk quota exceeded"]) {
        return failure(Class::Storage, "free space on that disk; nothing was left half-written");
    }
    if has(&["could not write", "could not open output file", "could not close", "Read-only file system", "Input/output error"]) {
        return failure(Class::Storage, "check the disk and the permissions of BACKUP_DIR");
    }
    if has(&["server version mismatch"]) {
        return failure(Class::Config, "install the server's version of pg_dump, set PG_BIN to its folder, or use --via docker:NAME");
    }
    if has(&["permission denied for"]) {
        return failure(
            Class::Database,
            "the role must read every table and sequence: GRANT SELECT ON ALL TABLES and ON ALL SEQUENCES IN SCHEMA, or GRANT pg_read_all_data",
        );
    }
    if has(&[LOCKING]) {
        return failure(Class::Database, "somebody changes a table at this moment: try again, or raise LOCK_TIMEOUT_MS");
    }
    failure(Class::Database, "look into the server's log; a restart, a crash or the network ends connections")
}

/// Whether pg_dump could not lock a table because somebody wants to change it.
pub fn is_busy(failure: &Failure) -> bool {
    failure.message.contains(LOCKING)
}

/// What the database has and a dump has not, for the manifest.
///
/// # Errors
/// Class Database.
pub fn excluded(client: &mut postgres::Client) -> Result<Vec<String>> {
    const FOREIGN: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind = 'f' ORDER BY 1, 2";
    const UNLOGGED: &str = "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
        WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND pg_catalog.pg_is_in_recovery() ORDER BY 1, 2";
    let mut told = Vec::new();
    for (sql, what) in [(FOREIGN, "rows of the foreign table"), (UNLOGGED, "rows of the unlogged table")] {
        let rows = client.query(sql, &[]).map_err(ml_dump::failed("listing what is not dumped"))?;
        told.extend(rows.iter().map(|row| format!("{what} {}", tables::shown(row.get(0), row.get(1)))));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_of_pg_dump_decide_the_class() {
        let cases = [
            ("pg_dump: error: could not write to file: No space left on device", Class::Storage, "free space"),
            ("pg_dump: error: could not open output file \"/x\": Permission denied", Class::Storage, "permissions"),
            ("pg_dump: error: aborting because of server version mismatch", Class::Config, "PG_BIN"),
            ("pg_dump: error: query failed: ERROR:  permission denied for sequence s", Class::Database, "SEQUENCES"),
            (
                "pg_dump: error: query failed: FEHLER:  storniere Anfrage wegen Zeitüberschreitung; detail: Query was: LOCK TABLE public.t IN ACCESS SHARE MODE",
                Class::Database,
                "LOCK_TIMEOUT_MS",
            ),
            ("pg_dump: error: connection to server was lost", Class::Database, "log"),
            ("", Class::Database, "log"),
        ];
        for (said, class, hint) in cases {
            let failure = explain(said);
            assert_eq!(failure.class, class, "{said}");
            assert!(failure.hint.as_deref().unwrap_or_default().contains(hint), "{said}: {failure:?}");
            assert!(!failure.message.contains("error: "), "{}", failure.message);
        }
    }
}
