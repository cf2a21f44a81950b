//! Logs that a program prints: the journal, and those of containers.

use super::follow::Told;
use super::lines;
use crate::kind::command::run;
use crate::kind::{Look, Unseen};
use ml_common::{Class, Failure, OrFail};
use serde_json::json;
use std::path::Path;
use std::process::Command;

/// The journal, after the entry that was last seen.
///
/// # Errors
/// When journalctl is not there or fails.
pub fn journal(
    program: &str,
    unit: &str,
    since: Option<jiff::Timestamp>,
    from_start: bool,
    look: &mut Look<'_>,
    line: &mut dyn FnMut(&[u8]),
) -> Result<Told, Unseen> {
    const CURSOR: &[u8] = b"-- cursor: ";
    let Some(found) = run::find(program) else { return Err(Unseen::Absent(format!("there is no {program} on this machine"))) };
    let before = look.memory["cursor"].as_str().map(str::to_owned);
    let mut command = Command::new(found);
    command.args(["--no-pager", "--quiet", "--output=cat", "--show-cursor"]);
    if !unit.is_empty() {
        command.arg(format!("--unit={unit}"));
    }
    match (since, &before) {
        (Some(since), _) => drop(command.arg(format!("--since=@{}", since.as_second()))),
        (None, Some(cursor)) => drop(command.arg(format!("--after-cursor={cursor}"))),
        (None, None) if from_start => {}
        // Its last entry is printed for its cursor only.
        (None, None) => drop(command.arg("--lines=1")),
    }
    let first = since.is_none() && before.is_none();
    let (mut told, mut cursor) = (Told { first, ..Told::default() }, None);
    let mut take = |text: &[u8]| match text.strip_prefix(CURSOR) {
        Some(at) => cursor = Some(String::from_utf8_lossy(at).into_owned()),
        None if first && !from_start => {}
        None => line(text),
    };
    told.bytes = read(command, "journalctl", look, &mut take)?;
    if since.is_none() {
        *look.memory = json!({"cursor": cursor.or(before)});
    }
    Ok(told)
}

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
    let bytes = read(both(&found, &arguments), "the log of the container", look, &mut take)?;
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

fn read(command: Command, what: &str, look: &Look<'_>, line: &mut dyn FnMut(&[u8])) -> Result<u64, Unseen> {
    let mut end = Vec::new();
    let (said, went) = run::feed(command, look, |out| {
        let keep = &mut |text: &[u8]| {
            end = text[..text.len().min(300)].to_vec();
            line(text);
        };
        lines::each(out, true, look.until, keep).or_fail(Class::General, || "reading what it prints")
    })?;
    if said.code == 0 {
        return Ok(went.consumed);
    }
    let why = if said.err.is_empty() { String::from_utf8_lossy(&end).into_owned() } else { said.err };
    let why = super::secrets::hide(&why).into_owned();
    Err(Failure::new(Class::General, format!("{what} cannot be read: {why}")).hint("check its name, and that we may read it").into())
}
