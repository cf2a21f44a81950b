//! The command line of ml-health.

use crate::plan::{self, Choice};
use clap::Parser;
use ml_common::settings::Settings;
use ml_common::stage::{Common, InputUse, Output};
use ml_common::{Done, Result, Stage, Tool, pg};

/// Look at everything that a night needs, and say how it is
#[derive(Parser, Debug)]
#[command(name = "ml-health")]
pub struct Cli {
    /// Make only these checks, and what they need: ids or their beginnings (`postgres`, `ledger.chain`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = plan::known_name)]
    pub only: Vec<String>,
    /// Leave these checks out, and what needs them
    #[arg(long, value_name = "ID,...", value_delimiter = ',', value_parser = plan::known_name)]
    pub skip: Vec<String>,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
}

impl Cli {
    /// The checks that are asked for.
    pub(crate) fn choice(&self) -> Choice {
        Choice::of(&self.only, &self.skip)
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-health";
    const OUTPUTS: &'static [Output] = &[Output::Nagios];

    fn common(&self) -> &Common {
        &self.common
    }

    /// It begins pipelines.
    fn input(&self) -> InputUse {
        InputUse::OnRequest
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let choice = self.choice();
        plan::entries().iter().filter(|entry| choice.has(entry.id)).map(|entry| entry.id.to_owned()).collect()
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        if self.choice().has("postgres.connect") { stage.target().map(Some) } else { Ok(None) }
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        crate::act::act(self, stage)
    }
}
