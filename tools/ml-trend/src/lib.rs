//! ml-trend: where the figures of archived streams are going, and how available what they watch was.
//!
//! It writes `check` records under the system that they are about: `trend.ID` (growth a day; metrics `now`, `per_day` with `per_day_low` and
//! `per_day_high`, `in_30_days`, `in_90_days`, and with a capacity `capacity`, `full_in_days` with `full_in_days_low` and `full_in_days_high`)
//! and `availability.ID` (per cent of the known time; metrics `up_s`, `down_s`, `unknown_s`, `unseen_s`, `samples`); with too little history
//! they are skipped and say so. What could not be read is told as the check `input`. Memory grows with the ids and days, which are
//! bounded, and not with the stream.

mod act;
mod archive;
mod cli;
mod figures;
mod history;
mod plan;

pub use cli::Cli;
