//! The command line.

use crate::{act, verify};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Stage};
use ml_common::{Class, Failure, Result, Tool, pg};
use ml_dump::Via;
use std::path::PathBuf;

/// Back the database up: dump, verify, publish with a manifest, remove what is too old.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-backup", about)]
pub struct Cli {
    /// What to do instead.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// File to write, instead of a new one in BACKUP_DIR; nothing old is removed then
    #[arg(short = 'o', long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// Use pg_dump and pg_restore inside a running container: docker:NAME
    #[arg(long, value_name = "docker:NAME", global = true)]
    pub via: Option<Via>,
    /// Let everybody else have CPU and disk first: nice 19 and, on Linux, the idle class of the disk; pg_dump too [default: BACKUP_NICE]
    #[arg(long, global = true)]
    pub nice: bool,
    /// Sessions that copy tables at the same time, also parts of one table [default: the processor's cores]
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    pub jobs: Option<u8>,
    /// Let stock pg_dump write the dump, on one core
    #[arg(long)]
    pub stock: bool,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

/// What to do instead of a backup.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Read backups to their last byte and compare them with their manifests; exit 4 when one is bad
    Verify(Verify),
}

/// Which backups to verify.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// Dumps, with or without manifest [default: the newest in BACKUP_DIR]
    #[arg(value_name = "PATH")]
    pub path: Vec<PathBuf>,
    /// File of age-keygen's that opens encrypted dumps [default: BACKUP_AGE_IDENTITY_FILE]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-backup";
    // A bad night is when a backup is wanted.
    const AFTER: After = After::Any;
    const LOCK: Option<&'static str> = Some("ml-backup");

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        // The call says what to verify.
        if self.verb.is_some() { InputUse::OnRequest } else { InputUse::Optional }
    }

    fn lock(&self) -> Option<&'static str> {
        Self::LOCK.filter(|_| self.verb.is_none())
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        // Verifying asks no database, which may be the one that is lost.
        if self.verb.is_some() { Ok(None) } else { stage.target().map(Some) }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let ids: &[&str] = if self.verb.is_some() { &["verify"] } else { &["verify", "dump"] };
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        if self.nice || stage.settings.switch("BACKUP_NICE")? {
            // Before any thread or child is started: they inherit it.
            if let Err(error) = ml_common::platform::low_priority() {
                log::warn!("the priority stays as it is: {error}");
            }
        }
        let result = match &self.verb {
            Some(Verb::Verify(_)) if self.to.is_some() => Err(Failure::new(Class::Usage, "verify writes no file, so --to has no meaning")),
            Some(Verb::Verify(verify)) => verify::act(verify, self.via.clone().unwrap_or_default(), stage),
            None => act::act(self, stage),
        };
        // A query or a child that a signal has ended fails in its own words; the signal is the reason.
        result.map_err(|failure| stage.cancel.check().err().unwrap_or(failure))
    }
}
