//! The command line of ml-alert.

use clap::Parser;
use ml_common::stage::{Common, InputUse};
use ml_common::{Done, Result, Stage, Tool};

/// Tell people what a run found bad, as one Slack or Discord message
#[derive(Parser, Debug)]
#[command(name = "ml-alert")]
pub struct Cli {
    /// Tools that must have taken part; those that did not are named in the message
    #[arg(long, value_name = "TOOL,...", value_delimiter = ',')]
    pub expect: Vec<String>,
    /// Where the whole stream is kept, to be named in the message [default: $ML_LOG]
    #[arg(long, value_name = "PATH")]
    pub log: Option<String>,
    /// An input without any record is all right (after a filter that lets only bad news through)
    #[arg(long)]
    pub allow_empty: bool,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-alert";
    const REPORTER: bool = true;

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        if self.allow_empty { InputUse::MayBeEmpty } else { InputUse::Needed }
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        crate::act::act(self, stage)
    }
}
