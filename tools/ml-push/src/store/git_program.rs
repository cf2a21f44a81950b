//! The stock git program in a private repository of its own: what is asked of it, with whose credentials, and what its refusals mean.
//!
//! A password is handed over in the environment of git and of the helper that it asks: on no command line, on no disk, in no record. Without
//! one, git uses what the user has set up (helpers, ssh keys), but never asks.

use crate::destination::Git;
use ml_common::child::{self, Ended};
use ml_common::files;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, redact};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A git command that moves data may take so long, whatever the remote does.
const DEADLINE: Duration = Duration::from_secs(6 * 3600);

/// So much of git's output is kept; lists of files are read otherwise.
const MOST_OUTPUT: u64 = 256 << 20;

/// git in a repository of ours.
pub struct Program<'a> {
    folder: tempfile::TempDir,
    host: String,
    login: Option<(String, String)>,
    cancel: &'a Cancel,
}

/// What git asks for the user's name and password; it is run by git's own shell, on Windows too.
const HELPER: &str = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \"$ML_PUSH_USER\" \"$ML_PUSH_PASSWORD\"; }; f";

/// Variables that would send git elsewhere than where it is told to be.
const FOREIGN: [&str; 8] = [
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_CEILING_DIRECTORIES",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
];

impl<'a> Program<'a> {
    /// Makes the private repository, with the remote in it.
    ///
    /// # Errors
    /// Class Storage when it cannot be made, Config without git.
    pub fn new(git: &Git, cancel: &'a Cancel) -> Result<Program<'a>> {
        let folder = tempfile::Builder::new()
            .prefix("ml-push-")
            .tempdir()
            .map_err(|error| files::storage(&error, &std::env::temp_dir(), "cannot make a folder in"))?;
        let login = git.login.as_deref().map(|login| {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            (redact::percent_decoded(user), redact::percent_decoded(password))
        });
        if let Some((_, password)) = &login {
            redact::register(password);
        }
        let program = Program { folder, host: git.url.clone(), login, cancel };
        let made = program.run(&["init", "--quiet", "--bare", "."], &[], Stdio::null()).map_err(|failure| {
            if failure.message.starts_with("cannot start") {
                return Failure::new(Class::Config, failure.message).hint("install git");
            }
            failure
        })?;
        program.check(made.0, "making a repository")?;
        program.set("remote.origin.url", &git.url)?;
        program.set("core.hooksPath", "/dev/null")?;
        program.set("gc.auto", "0")?;
        if program.login.is_some() {
            let (scheme, rest) = git.url.split_once("://").unwrap_or(("https", &git.url));
            let host = rest.split('/').next().unwrap_or_default();
            // An empty value first: the user's own helpers are neither asked nor told.
            program.set("credential.helper", "")?;
            program.set(&format!("credential.{scheme}://{host}.helper"), HELPER)?;
        }
        Ok(program)
    }

    /// The private repository.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn set(&self, key: &str, value: &str) -> Result<()> {
        let (ended, _) = self.run(&["config", "--local", key, value], &[], Stdio::null())?;
        self.check(ended, "preparing a repository")
    }

    /// Runs git; gives how it ended and what it printed. `more` are variables.
    ///
    /// # Errors
    /// Class Storage when it cannot be run.
    pub fn run(&self, args: &[&str], more: &[(&str, &str)], stdin: Stdio) -> Result<(Ended, String)> {
        let mut out = String::new();
        let ended = self.stream(args, more, stdin, |from| {
            from.take(MOST_OUTPUT).read_to_string(&mut out).map(|_| ()).map_err(|error| reading(&error))
        })?;
        Ok((ended, out))
    }

    /// Runs git and hands its output on.
    ///
    /// # Errors
    /// Class Storage when it cannot be run, and those of `consume`.
    pub fn stream(
        &self,
        args: &[&str],
        more: &[(&str, &str)],
        stdin: Stdio,
        consume: impl FnOnce(&mut dyn Read) -> Result<()>,
    ) -> Result<Ended> {
        let mut command = Command::new("git");
        for name in FOREIGN {
            command.env_remove(name);
        }
        command.args(args).current_dir(self.folder()).env("GIT_DIR", ".");
        command.envs([("LC_ALL", "C"), ("GIT_TERMINAL_PROMPT", "0"), ("GIT_ASKPASS", ""), ("SSH_ASKPASS", "")]);
        if std::env::var_os("GIT_SSH_COMMAND").is_none() {
            command.env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes -o ConnectTimeout=15");
        }
        let who = [("AUTHOR", "NAME"), ("COMMITTER", "NAME")].map(|(role, what)| format!("GIT_{role}_{what}"));
        for name in who {
            command.env(&name, "ml-push").env(name.replace("_NAME", "_EMAIL"), "ml-push@localhost");
        }
        if let Some((user, password)) = &self.login {
            command.env("ML_PUSH_USER", user).env("ML_PUSH_PASSWORD", password);
        }
        command.envs(more.iter().copied());
        child::run_fed(command, stdin, self.cancel, Some(DEADLINE), consume).map(|(ended, ())| ended).map_err(|failure| {
            match failure.class {
                Class::General => Failure { class: Class::Storage, ..failure },
                _ => failure,
            }
        })
    }

    /// What git printed, when it went well.
    ///
    /// # Errors
    /// Class Storage with git's words.
    pub fn ask(&self, args: &[&str], doing: &str) -> Result<String> {
        let (ended, out) = self.run(args, &[], Stdio::null())?;
        self.check(ended, doing)?;
        Ok(out)
    }

    /// # Errors
    /// Class Storage with git's words when it did not end well.
    pub fn check(&self, ended: Ended, doing: &str) -> Result<()> {
        if ended.status.success() { Ok(()) } else { Err(refusal(doing, &self.host, &ended.said())) }
    }
}

fn reading(error: &std::io::Error) -> Failure {
    Failure::new(Class::Storage, format!("reading from git: {error}"))
}

/// What git says, with the remedy for the usual causes.
fn refusal(doing: &str, host: &str, said: &str) -> Failure {
    let low = said.to_ascii_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| low.contains(word));
    let hint = if any(&[
        "authentication failed",
        "could not read username",
        "could not read password",
        "permission denied",
        "403",
        "401",
        "access denied",
    ]) {
        "correct the credentials: an ssh key, a credential helper, or user:token@ in PUSH_TO (PUSH_TO_FILE)"
    } else if any(&["host key verification failed"]) {
        "connect once by hand as this user, to accept the host's key"
    } else if any(&["repository not found", "does not appear to be a git repository", "not found", "does not exist"]) {
        "correct the address, make the repository there, or give these credentials access to it"
    } else if any(&["could not resolve", "connection refused", "timed out", "unable to access", "connect to host"]) {
        "check host, port and network"
    } else if any(&["pre-receive hook declined", "protected branch", "file size limit", "large files detected", "exceeds"]) {
        "the remote's own rules refuse it: name another branch after #, or send large files to s3:// instead"
    } else {
        "try the same address with git by hand"
    };
    Failure::new(Class::Storage, format!("{doing} {host}: git says: {said}")).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_remedy() {
        let hint = |said: &str| refusal("pushing to", "https://h/r", said).hint.unwrap();
        assert!(hint("fatal: Authentication failed for 'https://h/r/'").contains("credentials"));
        assert!(hint("fatal: '/x' does not appear to be a git repository").contains("make the repository"));
        assert!(hint("remote: error: GH001: Large files detected.").contains("s3://"));
        assert!(hint("ssh: connect to host h port 22: Connection refused").contains("network"));
        assert_eq!(refusal("a", "b", "c").class, Class::Storage);
    }
}
