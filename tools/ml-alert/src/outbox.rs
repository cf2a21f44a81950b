//! Takes over what had to wait before messages waited in the state: files of `STATE_DIR/outbox`, one a message.

use crate::engine::state::Entry;
use crate::notification::{Item, Notification, Severity, Why};
use ml_common::files::storage;
use ml_common::record::{Alert, Check, Fate};
use ml_common::{Class, Failure, Result, Stage, Status};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A message that waits, as it was written.
#[derive(Debug, Deserialize)]
struct Waiting {
    run: String,
    since: String,
    reason: String,
    severity: String,
    payload: serde_json::Value,
}

/// The folder of waiting messages.
#[derive(Debug)]
pub struct Old {
    folder: PathBuf,
    /// What is in the state once that is on disk.
    taken: Vec<PathBuf>,
}

impl Old {
    /// In the state folder.
    pub fn of(stage: &Stage) -> Old {
        Old { folder: stage.settings.path("STATE_DIR").join("outbox"), taken: Vec::new() }
    }

    /// The files, oldest first.
    fn paths(&self) -> Result<Vec<PathBuf>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(storage(&error, &self.folder, "cannot read")),
        };
        let paths = entries.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> = paths.filter(|path| path.extension().is_some_and(|ext| ext == "json")).collect();
        paths.sort();
        Ok(paths)
    }

    /// Whether there is anything to look at.
    pub fn is_there(&self) -> bool {
        self.paths().map_or(true, |paths| !paths.is_empty())
    }

    /// Takes the messages into an outbox, before what waits there already. Trouble with them keeps nothing else back: it is told.
    pub fn take(&mut self, stage: &Stage, sink: &str, outbox: &mut Vec<Entry>) {
        let paths = match self.paths() {
            Ok(paths) => paths,
            Err(failure) => {
                let check = Check { id: "outbox".into(), summary: failure.message, hint: failure.hint, ..Check::default() };
                return stage.check(Status::Warn, check);
            }
        };
        let mut entries = Vec::new();
        for path in paths {
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            match read(&path) {
                Ok(waiting) => {
                    let key = format!("outbox-{name}");
                    // It was taken before, and the run ended before the file was gone.
                    if !outbox.iter().any(|entry| entry.notification.key == key) {
                        entries.push(entry(stage, sink, key, &waiting));
                    }
                    self.taken.push(path);
                }
                Err(failure) => {
                    let (reason, hint) = (Some(failure.message), failure.hint);
                    let alert = Alert { id: format!("outbox.{name}"), fate: Fate::Held, reason, hint, ..Alert::default() };
                    stage.alert(Status::Warn, alert);
                }
            }
        }
        outbox.splice(0..0, entries);
    }

    /// They are on disk in the state now.
    pub fn forget(&mut self) {
        if self.taken.is_empty() {
            return;
        }
        // A file that cannot be removed is taken again by the next run: told twice is better than not at all.
        self.taken.retain(|path| std::fs::remove_file(path).is_err());
        if self.paths().is_ok_and(|paths| paths.is_empty()) {
            let _ = std::fs::remove_file(self.folder.join(".lock"));
            let _ = std::fs::remove_dir(&self.folder);
        }
    }
}

fn read(path: &Path) -> Result<Waiting> {
    let text = std::fs::read_to_string(path).map_err(|error| storage(&error, path, "cannot read"))?;
    serde_json::from_str(&text).map_err(|_| {
        Failure::new(Class::Storage, format!("{} is not a waiting message", path.display())).hint("look at it and remove it by hand")
    })
}

fn entry(stage: &Stage, sink: &str, key: String, waiting: &Waiting) -> Entry {
    Entry {
        notification: notification(&stage.system, stage.host(), sink, key, waiting),
        attempts: 1,
        first_tried: waiting.since.parse().ok(),
        reason: Some(waiting.reason.clone()),
        in_flight: false,
        refused: false,
    }
}

/// The message as it read: title, items with their remedies and rows, the run and its log.
fn notification(system: &str, host: &str, sink: &str, key: String, waiting: &Waiting) -> Notification {
    let text = |key| waiting.payload.get(key).and_then(serde_json::Value::as_str);
    // Slack's form was escaped, and is going to be escaped again.
    let unescaped = |text: &str| text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    let text = text("text").map(unescaped).or_else(|| text("content").map(str::to_owned)).unwrap_or_default();
    let mut lines: Vec<&str> = text.lines().collect();
    let foot = lines.pop_if(|line| line.starts_with("run ")).unwrap_or_default();
    let mut items: Vec<Item> = Vec::new();
    for line in lines.iter().skip(1) {
        match (line.strip_prefix("hint: "), line.strip_prefix("  "), items.last_mut()) {
            (Some(hint), _, Some(item)) => item.hint = Some(hint.to_owned()),
            (_, Some(row), Some(item)) => item.evidence.push(row.to_owned()),
            _ => items.push(item(line, &waiting.since)),
        }
    }
    let title = lines.first().map_or("a message", |line| line.trim_start_matches(|c: char| !c.is_ascii()).trim());
    Notification {
        key,
        group: "outbox".into(),
        sink: sink.to_owned(),
        why: Why::Firing,
        severity: if waiting.severity == "crit" { Severity::Critical } else { Severity::Low },
        system: system.to_owned(),
        run: waiting.run.clone(),
        host: host.to_owned(),
        at: waiting.since.clone(),
        title: title.to_owned(),
        items,
        more: 0,
        log: foot.split_once(", log ").map(|(_, log)| log.to_owned()),
        look_again: None,
        contact: None,
        respond_within: None,
    }
}

/// `warn redis.queue: 1200 jobs`, `died ml-derive: it began ...`
fn item(line: &str, since: &str) -> Item {
    let (head, summary) = line.split_once(": ").unwrap_or(("", line));
    let (word, id) = head.split_once(' ').unwrap_or(("", head));
    let severity = match word {
        "crit" | "died" | "failed" | "missing" => Severity::Critical,
        "unknown" => Severity::Medium,
        _ => Severity::Low,
    };
    let of_tool = matches!(word, "died" | "failed" | "missing" | "skipped");
    Item {
        alert: id.to_owned(),
        rule: "outbox".into(),
        id: if id.is_empty() { "message".into() } else { id.to_owned() },
        severity: Some(severity),
        summary: if of_tool { format!("{word}: {summary}") } else { summary.to_owned() },
        since: since.to_owned(),
        ..Item::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_as_it_was() {
        let text = "\u{1f534} lab on db1: 2 critical, 1 warning\ndied ml-derive: it began at T and never ended\nhint: see the log\n\
                    crit ledger.chain [gate]: 2 blocks: broken\nwarn redis.queue: p &lt; q &amp; r (value 1200, warn 1000)\n  row 1\n  row 2\n\
                    hint: start workers\nand 3 more\nrun r-1, log /var/log/n";
        let (run, since, reason) = ("r-1".into(), "2025-01-08T02:00:00.000Z".to_owned(), "refused".into());
        let waiting = Waiting { run, since, reason, severity: "crit".into(), payload: serde_json::json!({ "text": text }) };
        let told = notification("lab", "db1", "chat", "k".into(), &waiting);
        assert_eq!(
            (&*told.title, told.log.as_deref(), told.severity),
            ("lab on db1: 2 critical, 1 warning", Some("/var/log/n"), Severity::Critical)
        );
        let items: Vec<_> = told.items.iter().map(|item| (&*item.id, &*item.summary, item.hint.as_deref(), item.evidence.len())).collect();
        assert_eq!(
            items,
            [
                ("ml-derive", "died: it began at T and never ended", Some("see the log"), 0),
                ("ledger.chain [gate]", "2 blocks: broken", None, 0),
                ("redis.queue", "p < q & r (value 1200, warn 1000)", Some("start workers"), 2),
                ("message", "and 3 more", None, 0),
            ]
        );
    }
}
