//! The command line.

use crate::act;
use crate::plan::{Format, TABLES};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, Output, Stage};
use ml_common::{Result, Tool, pg};
use std::path::PathBuf;

/// Export tables of the ledger from one snapshot, as JSON lines or CSV.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-export", about)]
pub struct Cli {
    /// Tables to export [default: those of statements, proofs, dependencies, blocks and lemma_cache that there are]
    #[arg(value_name = "TABLE")]
    pub tables: Vec<String>,
    /// Folder, or file of a single table; `-` is standard output [default: EXPORTS_DIR]
    #[arg(short = 'o', long, value_name = "PATH")]
    pub to: Option<PathBuf>,
    /// What the rows are written as [default: by the name of the file, else jsonl]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Format>,
    /// Compress the files with zstd [default: EXPORT_COMPRESSION]
    #[arg(long)]
    pub compress: bool,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-export";
    const OUTPUTS: &'static [Output] = &[Output::Raw];
    const AFTER: After = After::Ok;

    fn common(&self) -> &Common {
        &self.common
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        if self.common.output == Some(Output::Raw) || self.to.as_deref().is_some_and(|to| to.as_os_str() == "-") {
            return Vec::new();
        }
        let named = self.tables.iter().map(String::as_str);
        let tables: Vec<&str> = if self.tables.is_empty() { TABLES.to_vec() } else { named.collect() };
        tables.iter().map(|table| format!("export.{table}")).collect()
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        stage.target().map(Some)
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        act::act(self, stage)
    }
}
