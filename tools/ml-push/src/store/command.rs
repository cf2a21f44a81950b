//! A command of the shell, which gets the file on its standard input and its name in PUSH_NAME. It can be asked nothing.

use super::{State, Store, There};
use crate::files::Local;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, child, files};
use std::fs::File;
use std::io::Write;
use std::process::Stdio;

pub struct Command<'a> {
    words: String,
    cancel: &'a Cancel,
}

impl<'a> Command<'a> {
    pub fn new(words: &str, cancel: &'a Cancel) -> Command<'a> {
        Command { words: words.to_owned(), cancel }
    }

    fn cannot(&self) -> Failure {
        Failure::new(Class::Usage, "a command takes files and cannot be asked what it did with earlier ones")
            .hint("bring files back with the program that the command is for, or use a folder, s3:// or git+")
    }
}

#[cfg(unix)]
fn shell(words: &str) -> std::process::Command {
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", words]);
    command
}

#[cfg(windows)]
fn shell(words: &str) -> std::process::Command {
    let mut command = std::process::Command::new("cmd");
    command.args(["/C", words]);
    command
}

impl Store for Command<'_> {
    fn list(&mut self) -> Result<Vec<There>> {
        Err(self.cannot())
    }

    fn state(&mut self, _file: &Local) -> Result<State> {
        Ok(State::Missing)
    }

    fn put(&mut self, file: &Local, _over: &State) -> Result<&'static str> {
        let stdin = File::open(&file.path).map_err(|error| files::storage(&error, &file.path, "cannot read"))?;
        let mut command = shell(&self.words);
        command.env("PUSH_NAME", &file.name).env("PUSH_BYTES", file.bytes.to_string()).env("PUSH_SHA256", &file.sha256);
        let (ended, ()) = child::run_fed(command, Stdio::from(stdin), self.cancel, None, |out| {
            // What it prints is not ours to print; a full pipe would stop it.
            std::io::copy(out, &mut std::io::sink())
                .map(|_| ())
                .map_err(|error| Failure::new(Class::Storage, format!("reading from the command: {error}")))
        })?;
        if ended.status.success() {
            return Ok("exit code");
        }
        let said = ended.said();
        let said = if said.is_empty() { String::new() } else { format!(": {said}") };
        Err(Failure::new(Class::Storage, format!("the command ended with {} for {}{said}", ended.status, file.name))
            .hint("try it by hand: the file comes on its standard input, its name in PUSH_NAME"))
    }

    fn read(&mut self, _name: &str, _out: &mut dyn Write) -> Result<Option<()>> {
        Err(self.cannot())
    }

    fn remove(&mut self, _name: &str) -> Result<()> {
        Err(self.cannot())
    }
}
