//! An application's own test against the restored database: the one who uses the data knows best whether it will do.

use crate::server::Server;
use ml_common::people::printable;
use ml_common::record::{Check, Status};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, child, redact};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::Command;
use std::time::{Duration, Instant};

/// Lines of its output that are kept, the last ones.
const KEPT_LINES: usize = 10;

/// So much of a line is.
const KEPT_LENGTH: u64 = 400;

/// The record's id.
pub const ID: &str = "check-command";

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it ended with 0, in time.
    pub good: bool,
    /// For the evidence: `exit 0 in 1.2 s`.
    pub told: String,
}

/// Runs the command with PG* and DATABASE_URL leading to the restored database, and tells how it ended.
///
/// # Errors
/// Interrupted and Terminated; a command that fails is no error here.
pub fn run(stage: &Stage, server: &Server, database: &str, text: &str, limit: Duration) -> Result<Outcome> {
    let began = Instant::now();
    let target = server.target(database);
    redact::register_url(&target.url(), false);
    let mut command = shell(text);
    target.prepare(&mut command);
    command.env("DATABASE_URL", target.url()).env_remove("DATABASE_URL_FILE");
    let mut lines = VecDeque::new();
    let ran = child::run(command, &stage.cancel, Some(limit), |out| {
        lines = last_lines(out);
        Ok(())
    });
    stage.cancel.check()?;
    let took = began.elapsed().as_secs_f64();
    let (good, how) = match &ran {
        Ok((ended, ())) => {
            lines.extend(ended.stderr.lines().map(str::to_owned));
            let how = ended.status.code().map_or_else(|| "ended by a signal".to_owned(), |code| format!("exit {code}"));
            (ended.status.success(), format!("{how} in {took:.1} s"))
        }
        Err(failure) => (false, failure.message.clone()),
    };
    let evidence: Vec<String> = lines.iter().filter(|line| !line.trim().is_empty()).map(|line| printable(line).into_owned()).collect();
    let evidence = evidence[evidence.len().saturating_sub(KEPT_LINES)..].to_vec();
    let last = evidence.last().map(|line| format!(": {line}")).unwrap_or_default();
    let check = Check {
        id: ID.into(),
        summary: format!("{how}{last}"),
        hint: (!good).then(|| "run the command by hand against a restored copy (ml-restore PATH --to-database NAME)".to_owned()),
        error_class: (!good).then(|| Class::Storage.name().to_owned()),
        evidence,
        duration_ms: Some(crate::source::millis(began)),
        ..Check::default()
    };
    stage.check(if good { Status::Ok } else { Status::Crit }, check);
    Ok(Outcome { good, told: how })
}

#[cfg(unix)]
fn shell(text: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", text]);
    command
}

#[cfg(windows)]
fn shell(text: &str) -> Command {
    use std::os::windows::process::CommandExt;
    let mut command = Command::new("cmd");
    // The line is cmd's own to take apart.
    command.arg("/C").raw_arg(text);
    command
}

/// The last lines of a text of any length, each cut to its beginning.
fn last_lines(out: &mut dyn Read) -> VecDeque<String> {
    let (mut kept, mut reader) = (VecDeque::new(), BufReader::new(out));
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(KEPT_LENGTH).read_until(b'\n', &mut line) {
            Ok(1..) => {}
            // A pipe that breaks ends like one that is closed: the command's end tells.
            Ok(0) | Err(_) => return kept,
        }
        if !line.ends_with(b"\n") && reader.skip_until(b'\n').is_err() {
            return kept;
        }
        kept.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
        if kept.len() > KEPT_LINES {
            kept.pop_front();
        }
    }
}

/// What a drill whose command fails comes to.
pub fn failed(outcome: &Outcome) -> Failure {
    Failure::new(Class::Storage, format!("the check command failed: {}", outcome.told))
        .hint("the rows are as backed up, but the application does not take them; see what it said above")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let mut text: String = (0..100).map(|i| format!("line {i}\n")).collect();
        text.push_str(&"x".repeat(100_000));
        text.push_str("\nend");
        let lines = last_lines(&mut text.as_bytes());
        assert_eq!(lines.len(), KEPT_LINES);
        assert_eq!((lines[8].len(), lines[9].as_str(), lines[7].as_str()), (400, "end", "line 99"));
        assert!(last_lines(&mut "".as_bytes()).is_empty());
    }
}
