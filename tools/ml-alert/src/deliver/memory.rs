//! What is known of each receiver between runs, a part of the state file.

use crate::engine::state::State;
use crate::notification::Item;
use jiff::Timestamp;
use ml_common::Result;
use ml_watch::state::StateFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// No pause is longer, however the clocks have jumped.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// What is known of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkState {
    /// It wants nothing earlier (its rate, its Retry-After, our back-off).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// When that was noted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noted: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// What an Alertmanager was told and has to be told again, or it would take it for over.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, Standing>,
    /// When it was told all that again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<Timestamp>,
    /// A watch goes on: it is told again within a minute.
    #[serde(skip)]
    pub soon: bool,
}

impl SinkState {
    /// It wants nothing for so long.
    pub(super) fn pause(&mut self, now: Timestamp, pause: Option<Duration>) {
        self.not_before = pause.filter(|pause| !pause.is_zero()).map(|pause| later(now, pause));
        self.noted = self.not_before.map(|_| now);
    }

    /// A pause that was noted in the future begins now: the clock was set back. Whether it did.
    pub(super) fn set_back(&mut self, now: Timestamp) -> bool {
        let Some(not_before) = self.not_before else { return false };
        let noted = self.noted.unwrap_or(now);
        let pause = Duration::try_from(not_before.duration_since(noted)).unwrap_or_default();
        if noted <= now && pause <= LONGEST_PAUSE {
            return false;
        }
        // Without a note of when, nobody knows how much of it is left.
        self.pause(now, self.noted.map(|_| pause));
        true
    }
}

fn later(now: Timestamp, pause: Duration) -> Timestamp {
    now.checked_add(pause.min(LONGEST_PAUSE)).unwrap_or(Timestamp::MAX)
}

/// An alert that stands in an Alertmanager.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// As it was last told.
    pub item: Item,
    /// Of which system.
    pub system: String,
    /// Over since then; told again for some minutes, then forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Whom to tell, where the log is, and what else its notification said.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
    /// When it was told last, by the clock of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told_at: Option<Timestamp>,
    /// When it is over, as it was told last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Where the outbox is kept: the state file, or memory.
pub trait Store {
    /// What is remembered.
    fn state(&mut self) -> &mut State;

    /// Writes it down.
    ///
    /// # Errors
    /// Class Storage when the disk refuses.
    fn save(&mut self) -> Result<()>;
}

/// Memory: where no file can be had.
impl Store for State {
    fn state(&mut self) -> &mut State {
        self
    }

    fn save(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Store for StateFile<State> {
    fn state(&mut self) -> &mut State {
        &mut self.value
    }

    fn save(&mut self) -> Result<()> {
        StateFile::save(self)
    }
}
