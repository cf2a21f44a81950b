//! The command line.

use crate::act;
use ml_common::settings::Settings;
use ml_common::stage::{Common, Done, Stage};
use ml_common::{Result, Tool};

/// Remove failed proofs past their time, then vacuum and analyse the tables.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "ml-vacuum", about)]
pub struct Cli {
    /// Failed proofs that one transaction removes at most
    #[arg(long, value_name = "ROWS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub batch_size: u32,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-vacuum";
    const LOCK: Option<&'static str> = Some("ml-vacuum");

    fn common(&self) -> &Common {
        &self.common
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        vec!["prune.proofs".into()]
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        act::act(self, stage)
    }
}
