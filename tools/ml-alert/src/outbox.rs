//! Messages that could not be delivered, kept in files that a person can read, until they can.

use ml_common::files::{NewFile, storage};
use ml_common::{Class, Failure, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// So many waiting messages are tried on one call; services take about one a second.
pub const A_CALL: usize = 10;

/// A message that waits. The webhook is not in it: it is a secret, and may have been rotated meanwhile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Waiting {
    /// The run that it tells of.
    pub run: String,
    /// When it should have gone out, RFC 3339.
    pub since: String,
    /// Why it did not.
    pub reason: String,
    /// How bad it was: warn, crit, unknown.
    pub severity: String,
    /// What to post.
    pub payload: serde_json::Value,
}

/// The folder of waiting messages.
pub struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// The outbox in the state folder; nothing is made yet.
    pub fn new(state_dir: &Path) -> Outbox {
        Outbox { folder: state_dir.join("outbox") }
    }

    /// Keeps a message; gives its file.
    ///
    /// # Errors
    /// Class Storage when the folder or disk refuses.
    pub fn keep(&self, waiting: &Waiting) -> Result<PathBuf> {
        let text = serde_json::to_string_pretty(waiting).map_err(|error| Failure::new(Class::Internal, error.to_string()))?;
        let stamp = waiting.since.replace([':', '-'], "").replace('.', "");
        let run: String = waiting.run.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).take(60).collect();
        // Two messages of one run in one millisecond are the only clash; the later one takes a number.
        for number in 0.. {
            let suffix = if number == 0 { String::new() } else { format!("-{number}") };
            let path = self.folder.join(format!("{stamp}-{run}{suffix}.json"));
            if path.exists() {
                continue;
            }
            let mut file = NewFile::create(&path)?;
            file.write_all(text.as_bytes()).map_err(|error| storage(&error, &path, "cannot write"))?;
            return file.publish();
        }
        Err(Failure::new(Class::Internal, "the outbox has no free name"))
    }

    /// The waiting messages, oldest first. A file that is not understood stays and is told.
    ///
    /// # Errors
    /// Class Storage when the folder cannot be read.
    pub fn waiting(&self) -> Result<Vec<(PathBuf, Result<Waiting>)>> {
        let entries = match std::fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(storage(&error, &self.folder, "cannot read")),
        };
        let mut paths: Vec<PathBuf> = entries
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.extension().is_some_and(|ext| ext == "json"))
            .collect();
        paths.sort();
        Ok(paths.into_iter().map(|path| (path.clone(), read(&path))).collect())
    }

    /// Forgets a message that was delivered.
    ///
    /// # Errors
    /// Class Storage when it cannot be removed; it would go out twice then.
    pub fn forget(&self, path: &Path) -> Result<()> {
        std::fs::remove_file(path).map_err(|error| storage(&error, path, "cannot remove"))
    }

    /// Held while messages go out, so that two calls do not send the same one twice; None when another call holds it or the outbox is empty.
    pub fn hold(&self) -> Option<File> {
        let file = File::options().create(true).append(true).open(self.folder.join(".lock")).ok()?;
        file.try_lock().ok().map(|()| file)
    }
}

fn read(path: &Path) -> Result<Waiting> {
    let text = std::fs::read(path).map_err(|error| storage(&error, path, "cannot read"))?;
    serde_json::from_slice(&text).map_err(|_| {
        Failure::new(Class::Storage, format!("{} is not a waiting message", path.display())).hint("look at it and remove it by hand")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_wait_in_order_and_foreign_files_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(folder.path());
        assert!(outbox.waiting().unwrap().is_empty() && outbox.hold().is_none());
        let message = |since: &str| Waiting {
            run: "20250108T020000Z-3f/../9a1c".into(),
            since: since.into(),
            reason: "refused".into(),
            severity: "crit".into(),
            payload: serde_json::json!({ "text": since }),
        };
        let later = outbox.keep(&message("2025-01-09T02:00:00.000Z")).unwrap();
        outbox.keep(&message("2025-01-08T02:00:00.000Z")).unwrap();
        outbox.keep(&message("2025-01-08T02:00:00.000Z")).unwrap();
        std::fs::write(later.with_file_name("x.json"), "rubbish").unwrap();
        let waiting = outbox.waiting().unwrap();
        let since: Vec<_> =
            waiting.iter().map(|(_, read)| read.as_ref().map(|waiting| waiting.since.clone()).unwrap_or_default()).collect();
        assert_eq!(since, ["2025-01-08T02:00:00.000Z", "2025-01-08T02:00:00.000Z", "2025-01-09T02:00:00.000Z", ""]);
        assert!(outbox.hold().is_some());
        outbox.forget(&later).unwrap();
        assert_eq!(outbox.waiting().unwrap().len(), 3);
    }
}
