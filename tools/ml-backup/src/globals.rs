//! Roles, their passwords' hashes and tablespaces: what belongs to the server and not to a database, beside the dump.
//!
//! `pg_dumpall --globals-only` writes it and `psql` reads it. A role that may not read the hashes gets the rest.

use crate::output::Output;
use ml_common::exit::Exit;
use ml_common::record::{Status, Step};
use ml_common::signal::Cancel;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, child, files};
use ml_dump::Programs;
use ml_dump::manifest::Beside;
use ml_dump::programs::Reach;
use ml_dump::sealed::Recipients;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The end of what pg_dumpall writes: without it, something is missing.
const END: &[u8] = b"-- PostgreSQL database cluster dump complete";

/// So much of the end is looked at; since 2025 a line of psql's follows.
const TAIL: usize = 512;

/// A file of globals that has no name yet.
#[derive(Debug)]
pub struct Globals {
    /// The file.
    pub file: files::NewFile,
    /// For the manifest.
    pub beside: Beside,
    /// Whether the hashes of the passwords are in it.
    pub passwords: bool,
}

/// How they are read.
#[derive(Clone, Copy)]
pub struct Means<'a> {
    /// pg_dumpall, here or in a container.
    pub programs: &'a Programs,
    /// The database to ask.
    pub reach: Reach<'a>,
    /// Whom the file is encrypted to, if it is.
    pub recipients: Option<&'a Recipients>,
    /// Says when to stop.
    pub cancel: &'a Cancel,
}

/// Where the globals of a dump are.
pub fn beside(dump: &Path, encrypted: bool) -> PathBuf {
    let mut name = dump.as_os_str().to_owned();
    name.push(if encrypted { ".globals.sql.age" } else { ".globals.sql" });
    PathBuf::from(name)
}

impl Means<'_> {
    /// Writes the globals as the file that is going to be beside `dump`.
    ///
    /// # Errors
    /// Class Storage when the file cannot be written, Database when pg_dumpall fails.
    pub fn write(&self, dump: &Path) -> Result<Globals> {
        match self.run(dump, true)? {
            Ok(globals) => Ok(globals),
            Err(said) if said.contains("pg_authid") => match self.run(dump, false)? {
                Ok(globals) => Ok(globals),
                Err(said) => Err(failed(&said)),
            },
            Err(said) => Err(failed(&said)),
        }
    }

    /// The globals, or what pg_dumpall said.
    fn run(&self, dump: &Path, passwords: bool) -> Result<std::result::Result<Globals, String>> {
        let path = beside(dump, self.recipients.is_some());
        let mut command = self.programs.command("pg_dumpall", Some(self.reach));
        command.args(["--globals-only", "--no-password"]).arg(database(self.reach.target.database()));
        if !passwords {
            command.arg("--no-role-passwords");
        }
        let mut output = Output::create(&path, self.recipients)?;
        let mut tail = Vec::new();
        let (ended, ()) = child::run(command, self.cancel, None, |out| {
            let mut piece = vec![0; 1 << 16];
            loop {
                let length = out.read(&mut piece).map_err(|error| failed(&error.to_string()))?;
                if length == 0 {
                    return Ok(());
                }
                output.write_all(&piece[..length]).map_err(|error| files::storage(&error, &path, "cannot write"))?;
                tail.extend_from_slice(&piece[..length]);
                tail.drain(..tail.len().saturating_sub(TAIL));
            }
        })?;
        if !ended.status.success() {
            return Ok(Err(ended.said().replace("pg_dumpall: error: ", "").replace("pg_dumpall: ", "")));
        }
        if !tail.windows(END.len()).any(|window| window == END) {
            return Ok(Err("what it wrote has no end".into()));
        }
        let (file, sha256, bytes) = output.finish()?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Ok(Globals { file, beside: Beside { file: name, sha256, bytes }, passwords }))
    }
}

/// pg_dumpall takes a connection string where a name is meant.
fn database(name: &str) -> String {
    format!("--database=dbname='{}'", name.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn failed(said: &str) -> Failure {
    Failure::new(Class::Database, format!("pg_dumpall failed: {said}"))
        .hint("the dump stands without the roles; mend that, or set BACKUP_GLOBALS=false")
}

/// Writes the globals if the settings want them. Without them the backup stands: it is a warning.
///
/// # Errors
/// Class Config for the setting; Interrupted or Terminated.
pub fn make(stage: &Stage, means: Means<'_>, dump: &Path, done: &mut Done) -> Result<Option<Globals>> {
    if !stage.settings.switch("BACKUP_GLOBALS")? {
        return Ok(None);
    }
    match means.write(dump) {
        Ok(globals) => Ok(Some(globals)),
        Err(failure) => {
            stage.cancel.check()?;
            let error_class = Some(failure.class.name().into());
            stage.step(
                Status::Warn,
                Step { id: "globals".into(), summary: failure.message, hint: failure.hint, error_class, ..Step::default() },
            );
            (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
            Ok(None)
        }
    }
}

/// What the manifest has to say of what is missing.
pub fn missing(globals: Option<&Globals>) -> Option<String> {
    match globals {
        None => Some("roles, passwords and tablespaces of the server (pg_dumpall --globals-only)".into()),
        Some(globals) if !globals.passwords => Some("passwords of the server's roles".into()),
        Some(_) => None,
    }
}

/// Tells of globals that were published.
pub fn report(stage: &Stage, folder: &Path, beside: &Beside, passwords: bool) {
    let path = folder.join(&beside.file).display().to_string();
    let without = "without the passwords, as the role may not read pg_authid";
    let step = Step {
        id: "globals".into(),
        bytes: Some(beside.bytes),
        sha256: Some(beside.sha256.clone()),
        summary: format!("{path}: roles and tablespaces{}", if passwords { String::new() } else { format!(", {without}") }),
        reason: (!passwords).then(|| without.to_owned()),
        path: Some(path),
        ..Step::default()
    };
    stage.step(Status::Ok, step);
}
