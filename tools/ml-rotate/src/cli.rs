//! The command line.

use crate::rules::{self, Every, How, Packing, Rotate};
use crate::{act, find};
use ml_common::stage::{After, Common, Done, Stage};
use ml_common::{Class, Failure, Result, Tool};
use std::path::{Path, PathBuf};
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
    /// Class Usage for a pattern that is none, and a time to keep that is too short.
    pub fn rule(&self) -> Result<Rotate> {
        let mut rule = Rotate {
            every: self.every,
            size: self.size,
            keep: self.keep,
            keep_for: self.keep_for,
            compress: Packing::of(&self.compress),
            delay_compress: self.delay_compress,
            how: if self.copytruncate { How::CopyTruncate(String::new()) } else { How::Rename },
            to: self.to.clone(),
            ..Rotate::default()
        };
        if let Some(keep_for) = self.keep_for {
            let short = |(fact, hint): (String, String)| Failure::new(Class::Usage, fact).hint(hint);
            rules::lasts(keep_for, rule.every, &rule.name).map_err(short)?;
        }
        for path in &self.paths {
            let wrong = |error: &dyn std::fmt::Display| Failure::new(Class::Usage, format!("'{path}' is no pattern of files: {error}"));
            let whole = std::path::absolute(path).map_err(|error| wrong(&error))?;
            // What is or was there by this very name is meant, whatever letters are in it.
            let text = if whole.symlink_metadata().is_ok() || find::kept(&rule, &whole).is_ok_and(|kept| !kept.is_empty()) {
                glob::Pattern::escape(&whole.to_string_lossy())
            } else {
                // The folder of the call is no pattern.
                let here = std::path::absolute(".").map_err(|error| wrong(&error))?;
                let below = whole.strip_prefix(&here).ok().filter(|_| Path::new(path).is_relative());
                below.map_or_else(|| whole.to_string_lossy().into_owned(), |below| rules::rooted(&here, &below.to_string_lossy()))
            };
            glob::Pattern::new(&text).map_err(|error| wrong(&error))?;
            rule.files.push(text);
        }
        Ok(rule)
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
