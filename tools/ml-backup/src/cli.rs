//! The command line.

use crate::act;
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, Stage};
use ml_common::{Result, Tool};
use ml_dump::Via;
use std::path::PathBuf;

/// Back the database up: dump, verify, publish with a manifest, remove what is too old.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-backup", about)]
pub struct Cli {
    /// File to write, instead of a new one in BACKUP_DIR; nothing old is removed then
    #[arg(short = 'o', long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Use pg_dump and pg_restore inside a running container: docker:NAME
    #[arg(long, value_name = "docker:NAME")]
    pub via: Option<Via>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-backup";
    // A bad night is when a backup is wanted.
    const AFTER: After = After::Any;
    const LOCK: Option<&'static str> = Some("ml-backup");

    fn common(&self) -> &Common {
        &self.common
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        ["verify", "dump"].map(str::to_owned).to_vec()
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        // A query or a child that a signal has ended fails in its own words; the signal is the reason.
        act::act(self, stage).map_err(|failure| stage.cancel.check().err().unwrap_or(failure))
    }
}
