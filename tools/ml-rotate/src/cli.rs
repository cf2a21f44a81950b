//! The command line.

use crate::act;
use crate::rules::{self, Every, How, Packing, Rotate};
use ml_common::stage::{After, Common, Done, Stage};
use ml_common::{Class, Failure, Result, Tool};
use std::path::PathBuf;
use std::time::Duration;

/// Put logs aside when they are due, compress and remove rotated ones, remove old files.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-rotate", about)]
pub struct Cli {
    /// Logs to rotate by the flags below, also patterns in quotes [default: what ROTATE_RULES says]
    #[arg(value_name = "PATH", conflicts_with = "rules")]
    pub paths: Vec<String>,
    /// File of rules [default: ROTATE_RULES]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Only say what is wrong with the rules, with file, line and remedy
    #[arg(long)]
    pub check_config: bool,
    /// Rotate every log that is not empty, due or not
    #[arg(long)]
    pub force: bool,
    /// When: hourly, daily, weekly, monthly (UTC), or after a time such as 12h [default: with each run]
    #[arg(long, value_name = "WHEN", requires = "paths", value_parser = every)]
    pub every: Option<Every>,
    /// When a log is as large: 100MiB; with --every, whichever comes first
    #[arg(long, value_name = "SIZE", requires = "paths", value_parser = size)]
    pub size: Option<u64>,
    /// Rotated files to keep
    #[arg(long, value_name = "N", requires = "paths", value_parser = clap::value_parser!(u64).range(1..))]
    pub keep: Option<u64>,
    /// Remove rotated files after this time: 30d
    #[arg(long, value_name = "TIME", requires = "paths", value_parser = humantime::parse_duration)]
    pub keep_for: Option<Duration>,
    /// Compression of rotated files: gzip, zstd, none
    #[arg(long, value_name = "HOW", requires = "paths", default_value = "gzip", value_parser = rules::PACKINGS)]
    pub compress: String,
    /// Leave the newest rotated file as it is until the next rotation
    #[arg(long, requires = "paths")]
    pub delay_compress: bool,
    /// Copy and empty instead of renaming, for a writer that keeps its log open
    #[arg(long, requires = "paths")]
    pub copytruncate: bool,
    /// Folder of rotated files, from the log's own
    #[arg(long, value_name = "FOLDER", requires = "paths")]
    pub to: Option<PathBuf>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

fn every(text: &str) -> std::result::Result<Every, String> {
    Every::parse(text).ok_or_else(|| "write hourly, daily, weekly, monthly, or a time such as 12h".to_owned())
}

fn size(text: &str) -> std::result::Result<u64, String> {
    rules::bytes(text).ok_or_else(|| "write 500kB, 100MiB or 2GiB".to_owned())
}

impl Cli {
    /// The rule of a call that names logs.
    ///
    /// # Errors
    /// Class Usage for a pattern that is none.
    pub fn rule(&self) -> Result<Rotate> {
        let mut files = Vec::new();
        for path in &self.paths {
            let wrong = |error: &dyn std::fmt::Display| Failure::new(Class::Usage, format!("'{path}' is no pattern of files: {error}"));
            // What exists by this very name is meant, whatever letters are in it.
            let text = if std::fs::symlink_metadata(path).is_ok() { glob::Pattern::escape(path) } else { path.clone() };
            glob::Pattern::new(&text).map_err(|error| wrong(&error))?;
            files.push(std::path::absolute(&text).map_err(|error| wrong(&error))?.to_string_lossy().into_owned());
        }
        Ok(Rotate {
            files,
            every: self.every,
            size: self.size,
            keep: self.keep,
            keep_for: self.keep_for,
            compress: Packing::of(&self.compress),
            delay_compress: self.delay_compress,
            how: if self.copytruncate { How::CopyTruncate(String::new()) } else { How::Rename },
            to: self.to.clone(),
            ..Rotate::default()
        })
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-rotate";
    // A full disk is no remedy for a bad night.
    const AFTER: After = After::Any;

    fn common(&self) -> &Common {
        &self.common
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        act::act(self, stage)
    }
}
