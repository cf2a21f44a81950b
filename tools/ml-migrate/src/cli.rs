//! The command line.

use crate::act;
use crate::migrations::MIGRATIONS;
use ml_common::settings::Settings;
use ml_common::stage::{Common, Done, Stage};
use ml_common::{Result, Tool};

/// Create and upgrade the ledger's schema
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "ml-migrate", about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Verb {
    /// Say what the database is and which migrations are pending (exit 1), changing nothing
    Status,
    /// Create the ledger in an empty database, or apply the pending migrations to one that ml-migrate created
    Up,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-migrate";
    const LOCK: Option<&'static str> = Some("ml-migrate");

    fn common(&self) -> &Common {
        &self.common
    }

    fn lock(&self) -> Option<&'static str> {
        Self::LOCK.filter(|_| self.verb == Verb::Up)
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let steps = MIGRATIONS.iter().filter(|_| self.verb == Verb::Up).map(|migration| migration.record_id());
        steps.chain(["schema".to_owned()]).collect()
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        act::act(self.verb, stage)
    }
}
