//! The journal of systemd, by journalctl.

use super::follow::Told;
use super::stream::lines_of;
use crate::kind::command::run;
use crate::kind::{Look, Unseen};
use ml_common::{Class, Failure};
use serde_json::json;
use std::process::Command;

/// What stands before the place of the last entry, after all of them.
const CURSOR: &[u8] = b"-- cursor: ";

/// Which entries are wanted.
pub struct Journal {
    /// journalctl.
    pub program: String,
    /// Empty for all.
    pub unit: String,
    /// In place of this machine's.
    pub directory: Option<String>,
    /// And above.
    pub priority: Option<String>,
}

impl Journal {
    /// The entries after the one that was last seen, or since a time.
    ///
    /// # Errors
    /// When journalctl is not there or fails.
    pub fn read(
        &self,
        since: Option<jiff::Timestamp>,
        from_start: bool,
        look: &mut Look<'_>,
        line: &mut dyn FnMut(&[u8]),
    ) -> Result<Told, Unseen> {
        let before = look.memory["cursor"].as_str().map(str::to_owned);
        // Without an entry there was no place to remember: whatever is there now is new.
        let was_empty = look.memory["empty"] == true;
        let first = since.is_none() && before.is_none() && !was_empty;
        let mut command = self.command(&self.unit)?;
        command.args(self.priority.iter().map(|priority| format!("--priority={priority}")));
        match (since, &before) {
            (Some(since), _) => drop(command.arg(format!("--since=@{}", since.as_second()))),
            (None, Some(cursor)) => drop(command.arg(format!("--after-cursor={cursor}"))),
            // Its last entry is printed for its cursor only.
            (None, None) if first && !from_start => drop(command.arg("--lines=1")),
            (None, None) => {}
        }
        let mut cursor = None;
        let mut take = |text: &[u8]| match text.strip_prefix(CURSOR) {
            Some(at) => cursor = Some(String::from_utf8_lossy(at).into_owned()),
            None if first && !from_start => {}
            None => line(text),
        };
        let printed = lines_of(command, look, &mut take)?;
        let bytes = if printed.code != 0 && printed.silent() {
            self.has_entries(look)?;
            0
        } else {
            printed.good("journalctl")?
        };
        if since.is_none() {
            let cursor = cursor.or(before);
            *look.memory = if cursor.is_some() { json!({"cursor": cursor}) } else { json!({"empty": true}) };
        }
        Ok(Told { first, bytes, ..Told::default() })
    }

    fn command(&self, unit: &str) -> Result<Command, Unseen> {
        let Some(found) = run::find(&self.program) else {
            return Err(Unseen::Absent(format!("there is no {} on this machine", self.program)));
        };
        let mut command = Command::new(found);
        command.args(["--no-pager", "--quiet", "--output=cat", "--show-cursor"]);
        command.args(self.directory.iter().map(|directory| format!("--directory={directory}")));
        if !unit.is_empty() {
            command.arg(format!("--unit={unit}"));
        }
        Ok(command)
    }

    /// journalctl ends alike, and silently, when no entry fits and when there is no journal at all. That nothing is read is not to pass for
    /// that nothing happened.
    fn has_entries(&self, look: &Look<'_>) -> Result<(), Unseen> {
        let mut command = self.command("")?;
        command.arg("--lines=1");
        let any = lines_of(command, look, &mut |_| {})?;
        if any.code != 0 && any.silent() {
            let place = self.directory.as_deref().map_or_else(|| "on this machine".to_owned(), |directory| format!("in {directory}"));
            let failure = Failure::new(Class::General, format!("there is no journal {place} that has entries and that we may read"));
            return Err(failure
                .hint("is systemd-journald running? let the user of this check read it: usermod -aG systemd-journal USER")
                .into());
        }
        any.good("journalctl").map(drop)
    }
}
