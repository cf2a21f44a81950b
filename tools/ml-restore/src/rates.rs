//! How fast this server takes rows, learnt from what it did: a small file in STATE_DIR that a person can read.

use ml_common::files::NewFile;
use ml_common::stage::Stage;
use ml_common::{Class, OrFail, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// Fewer rows, as text, say more about the start of programs than about a server.
const TELLING: u64 = 4 << 20;

/// What is remembered.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rates {
    /// By the server: `localhost:5432`.
    servers: BTreeMap<String, Rate>,
}

/// Rows as text, and the time that loading them took, indexes included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Rate {
    bytes: u64,
    ms: u64,
}

impl Rate {
    /// Earlier loads count less and less.
    fn learn(self, bytes: u64, ms: u64) -> Rate {
        Rate { bytes: self.bytes / 2 + bytes, ms: self.ms / 2 + ms }
    }

    fn per_second(self) -> Option<u64> {
        (self.ms > 0 && self.bytes >= TELLING).then(|| self.bytes.saturating_mul(1000) / self.ms).filter(|rate| *rate > 0)
    }
}

fn path(stage: &Stage) -> PathBuf {
    stage.settings.path("STATE_DIR").join("restore-rates.json")
}

/// A file that is missing or not understood is as if nothing had been learnt.
fn read(stage: &Stage) -> Rates {
    let text = std::fs::read(path(stage)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Rows as text that this server loads in a second, as far as it is known.
pub fn of(stage: &Stage, server: &str) -> Option<u64> {
    read(stage).servers.get(server).and_then(|rate| rate.per_second())
}

/// Remembers a load. That it cannot be remembered harms nothing.
pub fn learn(stage: &Stage, server: &str, bytes: u64, took: Duration) {
    if stage.dry_run || bytes < TELLING {
        return;
    }
    let mut rates = read(stage);
    let rate = rates.servers.entry(server.to_owned()).or_default();
    *rate = rate.learn(bytes, u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    if let Err(failure) = write(stage, &rates) {
        log::info!("{failure}");
    }
}

fn write(stage: &Stage, rates: &Rates) -> Result<()> {
    let mut file = NewFile::create(&path(stage))?;
    let text = serde_json::to_string_pretty(rates).or_fail(Class::Internal, || "writing the rates")?;
    writeln!(file, "{text}").or_fail(Class::Storage, || "writing the rates")?;
    file.replace().map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_loads_count_most() {
        let slow = Rate::default().learn(100 << 20, 100_000);
        assert_eq!(slow.per_second(), Some(1 << 20));
        let faster = (0..6).fold(slow, |rate, _| rate.learn(100 << 20, 10_000));
        assert!(faster.per_second().unwrap() > 9 << 20, "{faster:?}");
        assert_eq!((Rate::default().per_second(), Rate { bytes: 1, ms: 1 }.per_second()), (None, None));
    }
}
