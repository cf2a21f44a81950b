//! Telling a writer that its log has another name now.

use crate::rules::Notify;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, child, files, platform};
use std::io;
use std::process::Command;
use std::time::Duration;

/// A program that takes longer hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// Who is told, for people.
pub fn name(notify: &Notify) -> String {
    match notify {
        Notify::Command(words) => words.first().cloned().unwrap_or_default(),
        Notify::Signal(signal, path) => format!("{signal} to the process of {}", path.display()),
    }
}

/// Tells it.
///
/// # Errors
/// Class General when the program fails or the process is not there.
pub fn notify(notify: &Notify, cancel: &Cancel) -> Result<()> {
    match notify {
        Notify::Command(words) => {
            let Some((program, arguments)) = words.split_first() else { return Ok(()) };
            let mut command = Command::new(program);
            command.args(arguments);
            let (ended, ()) = child::run(command, cancel, Some(LIMIT), |out| {
                // What it says there interests nobody.
                let _ = io::copy(out, &mut io::sink());
                Ok(())
            })?;
            if ended.status.success() {
                return Ok(());
            }
            Err(Failure::new(Class::General, format!("{program} ended with {}: {}", ended.status, ended.said()))
                .hint("run it by hand; until its logs are opened anew they are written under their new names"))
        }
        Notify::Signal(signal, path) => {
            let failed =
                |why: String| Failure::new(Class::General, why).hint("look whether the service runs, and where it writes its process id");
            let text = files::read_small(path, 64)?.ok_or_else(|| failed(format!("there is no {}", path.display())))?;
            let text = String::from_utf8_lossy(&text);
            let pid = text.trim().parse::<u32>().map_err(|_| failed(format!("{} holds no process id", path.display())))?;
            platform::tell_process(pid, signal).map_err(|error| failed(format!("cannot send {signal} to process {pid}: {error}")))
        }
    }
}
