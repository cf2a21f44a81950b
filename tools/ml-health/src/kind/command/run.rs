//! Programs that a probe starts: found by name, ended with everything they started when their time is over, their output bounded.

use super::super::{Look, Unseen};
use ml_common::{Class, Failure, OrFail, child, redact};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// What a program said.
#[derive(Debug)]
pub struct Said {
    /// How it ended; a signal as shells count it: 128 and its number.
    pub code: i32,
    /// Its stdout, to the limit.
    pub out: Vec<u8>,
    /// It said more than was wanted.
    pub cut: bool,
    /// The last lines of its stderr, without secrets.
    pub err: String,
    /// How long it took.
    pub took: Duration,
}

/// Runs it and reads at most `most` bytes.
///
/// # Errors
/// When it cannot be started, or is not done in time.
pub fn run(command: Command, most: u64, look: &Look<'_>) -> Result<Said, Unseen> {
    let (said, (out, cut)) = feed(command, look, |out| {
        let mut kept = Vec::new();
        let failed = || "reading what it says";
        (&mut *out).take(most).read_to_end(&mut kept).or_fail(Class::General, failed)?;
        let more = std::io::copy(out, &mut std::io::sink()).or_fail(Class::General, failed)?;
        Ok((kept, more > 0))
    })?;
    Ok(Said { out, cut, ..said })
}

/// Runs it and hands its stdout to `consume`.
///
/// # Errors
/// As [`run`], and those of `consume`.
pub fn feed<T>(
    command: Command,
    look: &Look<'_>,
    consume: impl FnOnce(&mut dyn Read) -> ml_common::Result<T>,
) -> Result<(Said, T), Unseen> {
    let began = Instant::now();
    // It ends before the check is given up, so that there is something to say.
    let left = look.left();
    let limit = left.saturating_sub((left / 10).min(Duration::from_millis(200)));
    let (ended, value) = child::run_curtly(command, look.cancel, limit, consume)?;
    let said = Said {
        code: code(ended.status),
        out: Vec::new(),
        cut: false,
        err: redact::scrub(&ended.said()).into_owned(),
        took: began.elapsed(),
    };
    Ok((said, value))
}

#[cfg(unix)]
fn code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[cfg(not(unix))]
fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// Where a program is: a path as it is, a name in the folders of PATH.
pub fn find(name: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_path_buf());
    }
    let endings: &[&str] = if cfg!(windows) { &["", ".exe", ".cmd", ".bat"] } else { &[""] };
    let folders = std::env::var_os("PATH")?;
    let all = std::env::split_paths(&folders).flat_map(|folder| endings.iter().map(move |ending| folder.join(format!("{name}{ending}"))));
    all.into_iter().find(|path| path.is_file())
}

/// A program that ended badly, as a failure.
pub fn failed(name: &str, said: &Said, hint: &str) -> Unseen {
    let why = if said.err.is_empty() { String::new() } else { format!(": {}", said.err) };
    Unseen::Failed(Failure::new(Class::General, format!("{name} ended with code {}{why}", said.code)).hint(hint))
}
