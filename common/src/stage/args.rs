//! The flags that every tool has.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// What a tool prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// JSON lines, the default into a pipe or file.
    Records,
    /// Lines for people, the default on a terminal.
    Table,
    /// The data itself (csv, D-proofs, rows), where a tool has some; only the exit code tells how it went.
    Raw,
    /// One line in the convention of Nagios plugins, with their exit codes.
    Nagios,
    /// The text format of Prometheus.
    Prometheus,
    /// A test report as CI systems read it.
    Junit,
}

/// When a tool works although something upstream is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum After {
    /// Always.
    Any,
    /// Only when no gate is critical and no tool upstream failed or died.
    Ok,
}

/// What makes the exit code other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Warnings and worse.
    Warn,
    /// Only what is worse than a warning.
    Crit,
}

/// The flags that every tool has.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Settings file [default: that of the stage before, else config/nightly.env when it exists]
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Override one setting, KEY=VALUE; secrets are refused, the process list would show them
    #[arg(long = "set", value_name = "KEY=VALUE", global = true)]
    pub overrides: Vec<String>,
    /// What to print [default: table on a terminal, else records]
    #[arg(long, value_enum, value_name = "MODE", global = true)]
    pub output: Option<Output>,
    /// Print only what is not ok
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Say on stderr what is going on
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Change nothing; say what would be done
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Read records from FILE; `-` is standard input, whatever it is
    #[arg(long, value_name = "FILE", global = true)]
    pub input: Option<PathBuf>,
    /// Do not read standard input, even if it is a pipe
    #[arg(long, conflicts_with = "input", global = true)]
    pub no_input: bool,
    /// Stop as if terminated after so long (`90m`, `2h`), so that what follows still gets its turn
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, global = true)]
    pub deadline: Option<std::time::Duration>,
    /// Work after anything, or only when no gate and no tool upstream has failed
    #[arg(long, value_enum, value_name = "WHEN", global = true)]
    pub after: Option<After>,
    /// What makes the exit code other than 0 [default: warn]
    #[arg(long, value_enum, value_name = "STATUS", global = true)]
    pub fail_on: Option<FailOn>,
}
