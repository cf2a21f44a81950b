//! The command line.

use crate::{act, extract, inspect};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Stage};
use ml_common::{Result, Tool};
use std::path::PathBuf;

/// Pack files into a verified archive, remove archives that are too old; unpack one safely.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-archive", about)]
pub struct Cli {
    /// What to do instead.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Files and folders to pack [default: ARCHIVE_PATHS]
    #[arg(value_name = "PATH", conflicts_with_all = ["extract", "list"])]
    pub paths: Vec<PathBuf>,
    /// Leave out what matches (`*.log`, `logs/archive`), besides ARCHIVE_EXCLUDES; may be repeated
    #[arg(long, value_name = "PATTERN", action = clap::ArgAction::Append, conflicts_with_all = ["extract", "list"])]
    pub exclude: Vec<String>,
    /// File to write, instead of a new one in ARCHIVE_DIR; nothing old is removed then
    #[arg(short = 'o', long, value_name = "FILE", conflicts_with_all = ["extract", "list"])]
    pub out: Option<PathBuf>,
    /// Unpack this archive
    #[arg(long, value_name = "ARCHIVE", requires = "to", conflicts_with = "list")]
    pub extract: Option<PathBuf>,
    /// Folder to unpack into; nothing in it is overwritten
    #[arg(long, value_name = "FOLDER", requires = "extract")]
    pub to: Option<PathBuf>,
    /// Say what is in this archive
    #[arg(long, value_name = "ARCHIVE")]
    pub list: Option<PathBuf>,
    /// File of age-keygen's that opens encrypted archives [default: BACKUP_AGE_IDENTITY_FILE]
    #[arg(long, value_name = "FILE", global = true)]
    pub identity: Option<PathBuf>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

/// What to do instead of packing.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Read archives to their last byte and compare them with their manifests; exit 4 when one is bad
    Verify(Verify),
}

/// Which archives to verify.
#[derive(Clone, Debug, clap::Args)]
pub struct Verify {
    /// Archives, with or without manifest [default: the newest in ARCHIVE_DIR]
    #[arg(value_name = "ARCHIVE")]
    pub path: Vec<PathBuf>,
}

impl Cli {
    /// Packs nothing, only looks or unpacks.
    fn reads(&self) -> bool {
        self.verb.is_some() || self.extract.is_some() || self.list.is_some()
    }

    /// The file with the identity, if any is named.
    pub fn identity(&self, stage: &Stage) -> Option<PathBuf> {
        self.identity.clone().or_else(|| stage.settings.path_if_set("BACKUP_AGE_IDENTITY_FILE"))
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-archive";
    // A bad night is when a backup is wanted.
    const AFTER: After = After::Any;

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        if self.reads() { InputUse::OnRequest } else { InputUse::Optional }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        if self.reads() { Vec::new() } else { ["verify", "archive"].map(str::to_owned).to_vec() }
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        match (&self.verb, &self.extract, &self.to, &self.list) {
            (Some(Verb::Verify(verify)), ..) => inspect::verify(self, verify, stage),
            (None, Some(archive), Some(to), _) => extract::act(self, archive, to, stage),
            (None, _, _, Some(archive)) => inspect::list(self, archive, stage),
            _ => act::act(self, stage),
        }
    }
}
