//! The command line of ml-trend.

use crate::history::History;
use crate::plan::Wanted;
use bytesize::ByteSize;
use clap::Parser;
use ml_common::record::Record;
use ml_common::stage::{Common, InputUse, Output};
use ml_common::{Done, Result, Stage, Tool};
use ml_watch::uptime;
use std::path::PathBuf;
use std::time::Duration;

/// Tell from archived streams where figures are going, when disks are full, and how available things were
///
/// Each check with a number gets `trend.ID`, each check at all `availability.ID`. Name the archives (in any order, also .gz and .zst); records
/// on standard input are handed on like everywhere, and what was wrong in them decides the exit code, too. --output raw prints a table.
#[derive(Parser, Debug)]
#[command(name = "ml-trend")]
pub struct Cli {
    /// Archived streams [default: standard input]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Only these checks: ids or their beginnings (`disk`, `postgres.size`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// A trend looks at so many days before the last one
    #[arg(long, value_name = "TIME", default_value = "90d", value_parser = days)]
    pub history: u32,
    /// What a check may grow to, where it does not say itself (by metrics `used` with `total` or `limit`); repeatable
    #[arg(long = "capacity", value_name = "ID=SIZE", value_parser = capacity)]
    pub capacities: Vec<(String, f64)>,
    /// Growth of bytes below this a day is none
    #[arg(long, value_name = "SIZE", default_value = "1MiB")]
    pub floor: ByteSize,
    /// Warn when it is full in less
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = days)]
    pub full_warn: u32,
    /// Critical when it is full in less
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = days)]
    pub full_crit: u32,
    /// Availability is that of so many whole days before the last one
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = days)]
    pub window: u32,
    /// Warn below so many per cent
    #[arg(long, value_name = "PERCENT", default_value = "99.9", value_parser = percent)]
    pub target: f64,
    /// Critical below so many per cent
    #[arg(long, value_name = "PERCENT", default_value = "99", value_parser = percent)]
    pub target_crit: f64,
    /// Fewer observations give no availability
    #[arg(long, value_name = "COUNT", default_value_t = uptime::MIN_SAMPLES)]
    pub min_samples: u64,
    /// An observation stands for the time until the next, but for no more than this
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    pub hold: Duration,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
    /// What the stream has told so far.
    #[arg(skip)]
    pub(crate) read: Option<History>,
}

/// Whole days.
fn days(text: &str) -> Result<u32, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    u32::try_from(time.as_secs() / 86_400).ok().filter(|days| *days > 0).ok_or_else(|| "expected one day or more, such as 30d".into())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim_end_matches('%').parse().ok();
    number.filter(|x| (0.0..=100.0).contains(x)).ok_or_else(|| "expected a number from 0 to 100".into())
}

fn capacity(text: &str) -> Result<(String, f64), String> {
    let (id, size) = text.split_once('=').ok_or("expected ID=SIZE, such as disk.backups=500GiB")?;
    let size: ByteSize = size.parse().map_err(|_| "expected a size such as 500GiB, or a number")?;
    if id.is_empty() || size.as_u64() == 0 {
        return Err("expected ID=SIZE, such as disk.backups=500GiB".into());
    }
    Ok((id.to_owned(), size.as_u64() as f64))
}

impl Cli {
    /// What is asked for.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            history: self.history,
            capacities: self.capacities.iter().cloned().collect(),
            floor: self.floor.as_u64() as f64,
            full_warn: self.full_warn.into(),
            full_crit: self.full_crit.into(),
            window: self.window.into(),
            target: self.target,
            target_crit: self.target_crit,
            min_samples: self.min_samples,
        }
    }

    /// Where records are gathered.
    pub(crate) fn gathered(&mut self) -> &mut History {
        let hold = i64::try_from(self.hold.as_secs()).unwrap_or(i64::MAX);
        let only = &self.only;
        self.read.get_or_insert_with(|| History::new(only.clone(), hold, jiff::Timestamp::now().as_second()))
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-trend";
    const REPORTER: bool = true;
    const OUTPUTS: &'static [Output] = &[Output::Raw];

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        if self.paths.is_empty() { InputUse::Needed } else { InputUse::OnRequest }
    }

    fn see(&mut self, record: &Record, _stage: &Stage) -> Result<()> {
        self.gathered().take(record);
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        crate::act::act(self, stage)
    }
}
