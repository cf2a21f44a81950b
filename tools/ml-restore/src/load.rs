//! Running pg_restore, and what its failures mean.
//!
//! Rights come last and apart: a GRANT to a role that is gone, or a comment on an extension that belongs to the administrator, must not keep the
//! rows from being restored, and must not pass unsaid either.

use crate::part::Part;
use crate::pieces::Pieces;
use crate::plain::{self, Pass};
use crate::plan::conninfo;
use crate::server::Server;
use crate::source::{Feed, Form, Source};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, OrFail, Result, child, people};
use ml_dump::archive::Entry;
use ml_dump::programs::Reach;
use ml_dump::{Archive, Programs};
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

/// How an archive is loaded.
#[derive(Clone, Copy)]
pub struct Load<'a> {
    /// pg_restore, here or in a container.
    pub programs: &'a Programs,
    /// The server.
    pub server: &'a Server,
    /// The database, empty yet.
    pub database: &'a str,
    /// Connections side by side.
    pub jobs: usize,
    /// Whether objects get the owners that they had.
    pub owners: bool,
    /// Whether it is for a drill: no publications and subscriptions, which would reach beyond the database.
    pub drill: bool,
    /// Whether the server has the tablespaces of the dump.
    pub tablespaces: bool,
    /// All or nothing, over one connection: for a database that has something in it already.
    pub single: bool,
    /// What of it.
    pub part: &'a Part,
}

/// How rows were loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    /// By sessions of our own, inside tables too.
    Pieces,
    /// By pg_restore, and why.
    Stock(String),
    /// By psql.
    Psql,
}

/// What to do when a table hides rows from its owner too (FORCE ROW LEVEL SECURITY).
pub const HIDDEN_ROWS: &str = "restore as a superuser or a role with BYPASSRLS: row-level security hides rows from this one";

/// The section of data, as archives number them.
const DATA: i32 = 3;

impl Load<'_> {
    /// Loads everything that is wanted but rights; the first error ends it.
    ///
    /// # Errors
    /// Class Storage when the archive is at fault, else Database; and those of [`child::run`].
    pub fn rows(&self, source: &Source, cancel: &Cancel) -> Result<How> {
        if source.form() == Form::Plain {
            let pass = Pass::Rows { owners: self.owners, tablespaces: self.tablespaces, drill: self.drill };
            let (ok, said) = plain::load(self, source, pass, cancel)?;
            return if ok { Ok(How::Psql) } else { Err(explain("psql", &said)) };
        }
        let superuser = self.server.superuser;
        let pieces = match Pieces::of(self, source) {
            Ok(pieces) => pieces,
            Err(why) => {
                self.restored(source, None, &|entry| !is_right(entry, superuser), cancel)?;
                return Ok(How::Stock(why));
            }
        };
        self.restored(source, Some("pre-data"), &|entry| !is_right(entry, superuser), cancel)?;
        pieces.load(self, source, cancel)?;
        let rest = |entry: &Entry| !is_right(entry, superuser) && !pieces.ids.contains(&entry.id);
        // Values of sequences, large objects, tables without pieces.
        if source.archive.entries.iter().any(|entry| entry.section == DATA && rest(entry)) {
            self.restored(source, Some("data"), &rest, cancel)?;
        }
        self.restored(source, Some("post-data"), &|entry| !is_right(entry, superuser), cancel)?;
        Ok(How::Pieces)
    }

    /// Has pg_restore restore one section, or all, without rights; the first error ends it.
    fn restored(&self, source: &Source, section: Option<&str>, wanted: &dyn Fn(&Entry) -> bool, cancel: &Cancel) -> Result<()> {
        let mut command = self.command();
        command.args(["--exit-on-error", "--no-acl"]);
        command.args(section.map(|section| format!("--section={section}")));
        if self.drill {
            command.args(["--no-publications", "--no-subscriptions"]);
        }
        let list = self.listed(&source.archive, |entry| wanted(entry) && self.part.wants(entry))?;
        let (ok, said) = self.run(command, list.as_ref(), source, cancel)?;
        if ok { Ok(()) } else { Err(explain("pg_restore", &said)) }
    }

    /// Loads rights, and comments on extensions where they were left out before. What could not be is told, one line each.
    ///
    /// # Errors
    /// Those of [`child::run`].
    pub fn rights(&self, source: &Source, cancel: &Cancel) -> Result<Vec<String>> {
        if let Some(scanned) = &source.plain {
            if !scanned.seen.rights {
                return Ok(Vec::new());
            }
            // psql goes on after an error, and says each; it ends well all the same.
            let (ok, said) = plain::load(self, source, Pass::Rights, cancel)?;
            return Ok(refused(ok, &said));
        }
        let wanted = |entry: &Entry| !self.part.data_only && is_right(entry, self.server.superuser) && self.part.wants(entry);
        if !source.archive.entries.iter().any(wanted) {
            return Ok(Vec::new());
        }
        let Some(list) = self.listed(&source.archive, wanted)? else {
            return Ok(vec!["rights are not restored through a container".into()]);
        };
        let (ok, said) = self.run(self.command(), Some(&list), source, cancel)?;
        Ok(refused(ok, &said))
    }

    fn command(&self) -> Command {
        let target = self.server.target(self.database);
        let mut command = self.programs.command("pg_restore", Some(Reach { target: &target, application: self.server.application() }));
        command.args(["--no-password", "--dbname", &conninfo(self.database)]);
        if !self.owners {
            command.arg("--no-owner");
        }
        if !self.tablespaces {
            command.arg("--no-tablespaces");
        }
        if self.single {
            command.arg("--single-transaction");
        }
        match self.part {
            Part { schema_only: true, .. } => drop(command.arg("--schema-only")),
            Part { data_only: true, .. } => drop(command.arg("--data-only")),
            _ => {}
        }
        // Only a superuser may load rows whose foreign keys point to rows that come later.
        if self.part.data_only && self.server.superuser {
            command.arg("--disable-triggers");
        }
        command
    }

    /// A file for `pg_restore -L`; None in a container, which cannot see our files.
    fn listed(&self, archive: &Archive, wanted: impl Fn(&Entry) -> bool) -> Result<Option<NamedTempFile>> {
        if !self.programs.on_this_machine() {
            return Ok(None);
        }
        let mut entries: Vec<&Entry> = archive.entries.iter().filter(|entry| wanted(entry)).collect();
        entries.sort_by_key(|entry| self.part.rank(entry));
        let text: String = entries.iter().map(|entry| format!("{};\n", entry.id)).collect();
        let file = NamedTempFile::new().and_then(|mut file| file.write_all(text.as_bytes()).map(|()| file));
        file.map(Some).or_fail(Class::General, || "writing the list of what to restore")
    }

    /// Whether it succeeded, and what it said.
    fn run(&self, mut command: Command, list: Option<&NamedTempFile>, source: &Source, cancel: &Cancel) -> Result<(bool, String)> {
        if let Some(list) = list {
            command.arg("--use-list").arg(list.path());
        }
        let direct = source.direct().filter(|_| self.programs.on_this_machine());
        let feed = match direct {
            Some(path) => {
                if !self.single && source.form() != Form::Tar {
                    command.arg(format!("--jobs={}", self.jobs));
                }
                command.arg(path);
                None
            }
            None => Some(Feed::of(source)?.start()),
        };
        let (stdin, feeding) = feed.map_or((Stdio::null(), None), |(stdin, feeding)| (stdin, Some(feeding)));
        let drain = |out: &mut dyn Read| io::copy(out, &mut io::sink()).map(|_| ()).or_fail(Class::General, || "reading from pg_restore");
        let waiting = people::waiting("restoring");
        let ran = child::run_fed(command, stdin, cancel, None, drain);
        drop(waiting);
        if let Some(feeding) = feeding {
            feeding.finish()?;
        }
        let (ended, ()) = ran?;
        Ok((ended.status.success(), ended.stderr))
    }
}

/// What is loaded last, and may fail.
fn is_right(entry: &Entry, superuser: bool) -> bool {
    let extension = entry.desc == "COMMENT" && entry.tag.starts_with("EXTENSION ");
    entry.desc == "ACL" || entry.desc == "DEFAULT ACL" || (extension && !superuser)
}

/// What could not be restored of what may fail, one line each.
fn refused(ok: bool, said: &str) -> Vec<String> {
    let told: Vec<String> = said.lines().filter_map(|line| line.split_once("ERROR:").map(|(_, why)| why.trim().to_owned())).collect();
    match (ok, told.is_empty()) {
        (true, true) => Vec::new(),
        (false, true) => vec![said.replace('\n', "; ")],
        _ => told,
    }
}

/// What the words of `program` (pg_restore, psql) mean. The first error is the cause; what follows follows from it.
fn explain(program: &str, said: &str) -> Failure {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let first = lines.iter().position(|line| line.contains("error:") || line.contains("ERROR:")).unwrap_or(0);
    // The statement itself can be pages long, and a row is data.
    let told: Vec<&str> = lines.iter().skip(first).take(4).copied().take_while(|line| !line.starts_with("Command was:")).collect();
    let told = told.join("; ").replace("pg_restore: ", "").replace("psql:<stdin>:", "line ").replace("error: ", "");
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    let failure = |class, hint: &str| Failure::new(class, format!("{program} failed: {told}")).hint(hint);
    if has(&["No space left on device", "could not extend file"]) {
        return failure(Class::Database, "free disk space on the database server");
    }
    if has(&["connection to server", "server closed the connection", "terminating connection", "SSL connection has been closed"]) {
        return failure(Class::Database, "look into the server's log; a restart, a crash or the network ends connections");
    }
    if has(&[
        "could not read from input file",
        "unexpected end of file",
        "could not uncompress",
        "could not decompress",
        "corrupt",
        "found unexpected block",
        "did not find magic",
        "invalid compression",
        "end of file",
    ]) {
        return failure(Class::Storage, "the file is damaged or cut off; use another backup");
    }
    if has(&["row-level security policy"]) {
        return failure(Class::Database, HIDDEN_ROWS);
    }
    if has(&["permission denied to create extension", "must be superuser", "permission denied"]) {
        return failure(Class::Database, "restore as a superuser: this role may not make what the dump holds");
    }
    if has(&["is not available", "could not open extension control file"]) {
        return failure(Class::Database, "install the extension on this server first");
    }
    if has(&["unrecognized configuration parameter"]) {
        return failure(Class::Config, "pg_restore is newer than the server: set PG_BIN to the server's own version");
    }
    if has(&["COPY failed for table", "could not create unique index", "violates", "invalid input syntax", "syntax error"]) {
        return failure(Class::Storage, "the dump holds rows or definitions that a database does not take; use another backup");
    }
    failure(Class::Database, "look into the server's log")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_pg_restore_decide_the_class() {
        let cases = [
            ("pg_restore: error: could not read from input file: end of file", Class::Storage, "another backup"),
            ("pg_restore: error: could not uncompress data: (null)", Class::Storage, "damaged"),
            (
                "pg_restore: error: COPY failed for table \"t\": ERROR:  invalid input syntax for type integer: \"x\"\nCONTEXT: x",
                Class::Storage,
                "rows",
            ),
            (
                "pg_restore: error: COPY failed for table \"t\": ERROR:  could not extend file \"x\": No space left on device",
                Class::Database,
                "disk",
            ),
            (
                "pg_restore: error: could not execute query: ERROR:  permission denied to create extension \"x\"",
                Class::Database,
                "superuser",
            ),
            (
                "pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter \"transaction_timeout\"",
                Class::Config,
                "PG_BIN",
            ),
            ("pg_restore: error: connection to server at \"h\" failed: x", Class::Database, "log"),
        ];
        for (said, class, hint) in cases {
            let failure = explain("pg_restore", said);
            assert_eq!(failure.class, class, "{said}");
            assert!(failure.hint.as_deref().unwrap_or_default().contains(hint), "{said}: {failure:?}");
        }
    }

    #[test]
    fn the_statement_is_left_out_of_the_message() {
        let said = "pg_restore: while PROCESSING TOC:\npg_restore: from TOC entry 1; 2\npg_restore: error: could not execute query: ERROR:  type \"x\" does not \
            exist\nLINE 2: a x\nCommand was: CREATE TABLE secret";
        assert_eq!(
            explain("pg_restore", said).message,
            "pg_restore failed: could not execute query: ERROR:  type \"x\" does not exist; LINE 2: a x"
        );
    }

    #[test]
    fn rights_come_last() {
        let entry = |desc: &str, tag: &str| Entry { desc: desc.into(), tag: tag.into(), ..Entry::default() };
        assert!(is_right(&entry("ACL", "TABLE t"), true) && is_right(&entry("DEFAULT ACL", "x"), true));
        let comment = entry("COMMENT", "EXTENSION pgcrypto");
        assert!(is_right(&comment, false) && !is_right(&comment, true));
        assert!(!is_right(&entry("COMMENT", "TABLE t"), false) && !is_right(&entry("TABLE DATA", "t"), false));
    }
}
