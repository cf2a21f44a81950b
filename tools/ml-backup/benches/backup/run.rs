//! One backup, measured from outside.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What one run took and gave.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// By the clock.
    pub seconds: f64,
    /// Of those, for reading back.
    pub verifying: f64,
    /// Size of the file or folder.
    pub bytes: u64,
    /// The highest memory of the process, as the kernel tells it.
    pub peak: u64,
}

impl Run {
    /// The one with the median of the seconds.
    pub fn median(runs: &[Run]) -> Run {
        let mut sorted = runs.to_vec();
        sorted.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
        sorted[sorted.len() / 2]
    }

    /// For the file of figures.
    pub fn json(&self) -> Value {
        json!({ "seconds": self.seconds, "verifying": self.verifying, "bytes": self.bytes, "peak": self.peak })
    }
}

/// ml-backup, with its verification.
pub fn ours(url: &str, bin: &Path, folder: &Path, compression: &str) -> Run {
    let to = folder.join("ours.dump");
    let mut command = Command::new(env!("CARGO_BIN_EXE_ml-backup"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", folder).env("DATABASE_URL", url).env("PG_BIN", bin);
    command.env("BACKUP_COMPRESSION", compression).env("BACKUP_GLOBALS", "false").arg("--output").arg("records").arg("--to").arg(&to);
    let (seconds, peak, said) = measured(command);
    let verify = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|record| record["id"] == "verify");
    let verifying = verify.and_then(|record| record["duration_ms"].as_f64()).unwrap_or_default() / 1000.0;
    let bytes = fs::metadata(&to).unwrap().len();
    for file in [to.clone(), folder.join("ours.dump.json")] {
        fs::remove_file(file).unwrap();
    }
    Run { seconds, verifying, bytes, peak }
}

/// pg_dump.
pub fn stock(url: &str, bin: &Path, folder: &Path, args: &[&str]) -> Run {
    let to = folder.join("stock.dump");
    let mut command = Command::new(bin.join("pg_dump"));
    command.args(args).arg("-f").arg(&to).arg("-d").arg(url);
    let (seconds, peak, _) = measured(command);
    let bytes = if to.is_dir() {
        let bytes = fs::read_dir(&to).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
        fs::remove_dir_all(&to).unwrap();
        bytes
    } else {
        let bytes = fs::metadata(&to).unwrap().len();
        fs::remove_file(&to).unwrap();
        bytes
    };
    Run { seconds, verifying: 0.0, bytes, peak }
}

/// Runs it to its end: seconds, the highest memory of it, and what it printed.
fn measured(mut command: Command) -> (f64, u64, String) {
    let began = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program starts");
    let stdout = child.stdout.take().unwrap();
    let reading = std::thread::spawn(move || std::io::read_to_string(stdout).unwrap());
    let status_file = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    let status = loop {
        let status = fs::read_to_string(&status_file).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        peak = peak.max(line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok()).unwrap_or_default() * 1024);
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let seconds = began.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}: {status}");
    (seconds, peak, reading.join().unwrap())
}
