//! The command line of ml-report.

use crate::facts::Latest;
use clap::Parser;
use ml_common::record::Record;
use ml_common::stage::{Common, InputUse, Output};
use ml_common::{Done, Result, Stage, Tool};

/// Append the run to progress.md and sum it up for people
#[derive(Parser, Debug)]
#[command(name = "ml-report")]
pub struct Cli {
    /// Do not write progress.md; with `--output raw` only the summary is printed
    #[arg(long)]
    pub no_progress: bool,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
    /// What the stream has told so far.
    #[arg(skip)]
    pub latest: Latest,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-report";
    const REPORTER: bool = true;
    const OUTPUTS: &'static [Output] = &[Output::Raw];

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        InputUse::Needed
    }

    fn see(&mut self, record: &Record, _stage: &Stage) -> Result<()> {
        self.latest.take(record);
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        crate::act::act(self, stage)
    }
}
