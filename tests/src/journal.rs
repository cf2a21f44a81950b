//! A real journal of systemd in a folder, written by systemd-journal-remote and read by journalctl. No systemd has to run.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Where Debian puts the program.
const WRITER: &str = "/lib/systemd/systemd-journal-remote";

/// A folder with one journal.
#[derive(Debug)]
pub struct Journal {
    dir: TempDir,
}

impl Journal {
    /// A folder without an entry, or why there can be none.
    ///
    /// # Errors
    /// The reason, for `skip!`.
    pub fn new() -> Result<Journal, String> {
        let reader = Command::new("journalctl").arg("--version").output();
        if !Path::new(WRITER).is_file() || reader.is_err() {
            return Err("journalctl or systemd-journal-remote is not installed".to_owned());
        }
        Ok(Journal { dir: TempDir::new().unwrap() })
    }

    /// The folder, for `journalctl --directory`.
    pub fn path(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Writes an entry of a unit as if it had been made so many seconds ago; `priority` as syslog counts it: 3 is an error, 6 information.
    /// Entries have to come in the order of their times.
    #[track_caller]
    pub fn write(&self, ago: u64, unit: &str, priority: u8, message: &str) {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
        let at = now - u128::from(ago) * 1_000_000;
        let entry = format!(
            "__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID=6c7c6013a26343b29e964691ff25d04c\nMESSAGE={message}\n\
             _SYSTEMD_UNIT={unit}\nPRIORITY={priority}\n\n",
            at % 1_000_000_000_000
        );
        let mut writer = Command::new(WRITER);
        writer.arg("-o").arg(self.dir.path().join("system.journal")).arg("-");
        let mut writer = writer.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        writer.stdin.take().unwrap().write_all(entry.as_bytes()).unwrap();
        let ended = writer.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    }
}
