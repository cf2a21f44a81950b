//! Programs that run at another time: libfaketime (Debian's package faketime) tells them the date, and nothing else of theirs is changed.
//!
//! It is the library for programs with threads, as ours are. Only the date is another one: durations, deadlines and the times of files are real.

use crate::{TempDir, Tool};
use std::path::{Path, PathBuf};

impl Tool {
    /// The date is this one when it starts, and goes on from there: `2026-10-25 00:30:00 UTC`, also as RFC 3339 writes it.
    ///
    /// Panics where [`unsettable`] says why it cannot be.
    #[must_use]
    pub fn at(self, moment: &str) -> Tool {
        let library = library().expect("the test asks whether the date can be set");
        let plain = moment.trim_end_matches("UTC").trim_end_matches('Z').trim().replace('T', " ");
        assert!(plain.len() >= 19 && plain.is_char_boundary(19), "{moment} is no moment");
        let begins = format!("@{}", plain.get(..19).unwrap_or_default());
        let tool = self.env("LD_PRELOAD", library).env("FAKETIME", begins).env("TZ", "UTC");
        tool.env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1")
    }
}

/// Why this program of ours cannot be given another date, for `skip!`; None when it can: proven by what it takes for now.
pub fn unsettable(program: &str) -> Option<String> {
    if library().is_none() {
        return Some("libfaketime is not here (Debian: faketime)".to_owned());
    }
    let output = Tool::new(program).arg("--dry-run").at("2031-05-06T07:08:09Z").run();
    let now = output.records.first().and_then(|record| record["ts"].as_str()).unwrap_or("nothing");
    (!now.starts_with("2031-05-06T07:0")).then(|| format!("libfaketime does not reach {program}: it is 2031, and it says {now}"))
}

fn library() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
    let paths = folders.iter().map(|folder| Path::new(folder).join("faketime/libfaketimeMT.so.1"));
    paths.into_iter().find(|path| path.exists())
}

/// A clock that a test sets while programs run by it.
#[derive(Debug)]
pub struct Clock {
    folder: TempDir,
}

impl Default for Clock {
    fn default() -> Clock {
        let clock = Clock { folder: TempDir::new().expect("a temporary folder is made") };
        clock.shift("+0");
        clock
    }
}

impl Clock {
    /// From now on it is so much later or earlier than it really is: `+2h`, `-2h`, `+365d`.
    pub fn shift(&self, by: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, by).expect("the clock is set");
        // As a whole: it is read at any time.
        std::fs::rename(&new, self.file()).expect("the clock is set");
    }

    /// The program goes by this clock; see [`Tool::at`].
    #[must_use]
    pub fn on(&self, tool: Tool) -> Tool {
        let library = library().expect("the test asks whether the date can be set");
        let tool = tool.env("LD_PRELOAD", library).env("FAKETIME_TIMESTAMP_FILE", self.file()).env("FAKETIME_NO_CACHE", "1");
        tool.env("TZ", "UTC").env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("NO_FAKE_STAT", "1")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }
}
