//! Logs that a program prints: those of containers.

use super::follow::Told;
use super::lines;
use crate::kind::command::run;
use crate::kind::{Look, Unseen};
use ml_common::{Class, Failure, OrFail};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// The log of a container, after the line that was last seen.
///
/// # Errors
/// When there is neither docker nor podman, or no such container.
pub fn container(
    program: Option<&str>,
    name: &str,
    since: Option<jiff::Timestamp>,
    from_start: bool,
    look: &mut Look<'_>,
    line: &mut dyn FnMut(&[u8]),
) -> Result<Told, Unseen> {
    let found = crate::kind::container::program(program)?;
    let before = look.memory["at"].as_str().map(str::to_owned);
    let first = since.is_none() && before.is_none();
    let begin = match (since, &before) {
        (Some(since), _) => Some(since.to_string()),
        (None, Some(at)) => Some(at.clone()),
        (None, None) if from_start => None,
        (None, None) => {
            *look.memory = json!({"at": look.now.to_string()});
            Some(look.now.to_string())
        }
    };
    let mut last = before.clone().unwrap_or_default();
    let mut take = |text: &[u8]| {
        // Each line has its time in front, to the nanosecond; asked from there on, it comes once more.
        let (stamp, rest) = text.iter().position(|byte| *byte == b' ').map_or((text, &b""[..]), |at| (&text[..at], &text[at + 1..]));
        let stamp = String::from_utf8_lossy(stamp).into_owned();
        if since.is_none() && before.as_ref().is_some_and(|before| !is_after(&stamp, before)) {
            return;
        }
        if is_after(&stamp, &last) {
            last = stamp;
        }
        line(rest);
    };
    let mut arguments = vec!["logs".to_owned(), "--timestamps".into()];
    arguments.extend(begin.map(|begin| format!("--since={begin}")));
    arguments.push(name.to_owned());
    let bytes = lines_of(both(&found, &arguments), look, &mut take)?.good("the log of the container")?;
    if since.is_none() && !last.is_empty() {
        *look.memory = json!({"at": last});
    }
    Ok(Told { bytes, first, ..Told::default() })
}

/// What a container writes to stderr comes out of ours; both are wanted, in their order.
fn both(program: &Path, arguments: &[String]) -> Command {
    if cfg!(windows) {
        let mut command = Command::new("cmd");
        command.arg("/C").arg(program).args(arguments).arg("2>&1");
        return command;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(program).args(arguments);
    command
}

fn is_after(stamp: &str, than: &str) -> bool {
    match (stamp.parse::<jiff::Timestamp>(), than.parse::<jiff::Timestamp>()) {
        (Ok(stamp), Ok(than)) => stamp > than,
        (Ok(_), Err(_)) => true,
        // A line without a time goes with the one before.
        (Err(_), _) => true,
    }
}

/// Hands on each line that a program prints; how it ended, and its last words.
pub fn lines_of(command: Command, look: &Look<'_>, line: &mut dyn FnMut(&[u8])) -> Result<Printed, Unseen> {
    let mut end = Vec::new();
    let (said, went) = run::feed(command, look, |out| {
        let keep = &mut |text: &[u8]| {
            end = text[..text.len().min(300)].to_vec();
            line(text);
        };
        lines::each(out, true, look.until, keep).or_fail(Class::General, || "reading what it prints")
    })?;
    let why = if said.err.is_empty() { String::from_utf8_lossy(&end).into_owned() } else { said.err };
    Ok(Printed { code: said.code, bytes: went.consumed, why })
}

/// How a program ended that printed a log.
pub struct Printed {
    /// 0 when all is well.
    pub code: i32,
    /// How much it printed.
    pub bytes: u64,
    /// Its last words.
    why: String,
}

impl Printed {
    /// Whether it said nothing at all.
    pub fn silent(&self) -> bool {
        self.bytes == 0 && self.why.is_empty()
    }

    /// How much it printed, when it ended well.
    pub fn good(self, what: &str) -> Result<u64, Unseen> {
        if self.code == 0 {
            return Ok(self.bytes);
        }
        let why = super::secrets::hide(&self.why).into_owned();
        Err(Failure::new(Class::General, format!("{what} cannot be read: {why}")).hint("check its name, and that we may read it").into())
    }
}
