//! The command line of ml-serve.

use crate::act::Serving;
use crate::address::{self, Address};
use clap::Parser;
use ml_common::record::Record;
use ml_common::settings::Settings;
use ml_common::stage::{Common, InputUse};
use ml_common::{Done, Result, Stage, Tool};
use std::time::Duration;

/// Show the last state of the stream as a page, with /metrics for Prometheus and /health for monitors
///
/// /health answers 200 while nothing is critical, and 503 when something is, when no record has come for --stale, and after the stream's end.
#[derive(Parser, Debug)]
#[command(name = "ml-serve")]
pub struct Cli {
    /// Where to listen: ADDRESS:PORT or PORT
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:5000", value_parser = address::parse)]
    pub listen: Address,
    /// Listen on an address that other machines reach; everybody there can read the page
    #[arg(long)]
    pub public: bool,
    /// A name that requests may ask for, besides localhost and addresses (a proxy's); repeatable
    #[arg(long = "host", value_name = "NAME")]
    pub hosts: Vec<String>,
    /// When no record has come for so long, the state counts as stale
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = humantime::parse_duration)]
    pub stale: Duration,
    /// Go on for so long after the stream has ended, with 503 on /health
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    pub linger: Duration,
    /// Forget what no record has told of for so long
    #[arg(long, value_name = "TIME", default_value = "8d", value_parser = humantime::parse_duration)]
    pub forget: Duration,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
    /// The open port and what it shows.
    #[arg(skip)]
    pub(crate) serving: Option<Serving>,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-serve";
    const REPORTER: bool = true;
    const ENDLESS: bool = true;

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        InputUse::Needed
    }

    fn ready(&mut self, _settings: &Settings) -> Result<()> {
        self.listen.permitted(self.public)?;
        if !self.common.dry_run {
            self.serving = Some(Serving::begin(self)?);
        }
        Ok(())
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        vec!["serve".into()]
    }

    fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        if let Some(serving) = &self.serving {
            serving.take(record);
        }
        // Whoever reads where the page is finds the record there.
        self.announce(stage);
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        crate::act::act(self, stage)
    }
}
