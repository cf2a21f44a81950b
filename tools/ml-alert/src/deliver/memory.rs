//! What is known of each receiver between runs, a part of the state file.

use crate::engine::state::State;
use crate::notification::Item;
use jiff::Timestamp;
use ml_common::Result;
use ml_watch::state::StateFile;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SinkState {
    /// It wants nothing earlier (its rate, its Retry-After, our back-off).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Failures in a row.
    pub failures: u32,
    /// What an Alertmanager was told and has to be told again, or it would take it for over.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: BTreeMap<String, Standing>,
    /// When it was told all that again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refreshed: Option<Timestamp>,
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

impl Store for StateFile<State> {
    fn state(&mut self) -> &mut State {
        &mut self.value
    }

    fn save(&mut self) -> Result<()> {
        StateFile::save(self)
    }
}
