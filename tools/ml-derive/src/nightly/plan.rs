//! How much a night may do, and why it stopped: pure decisions.

use crate::cli::Cli;
use clap::builder::RangedI64ValueParser;
use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result};

/// The largest limit that makes sense; above it, counters of statements would.
const LARGEST: u32 = 1_000_000_000;

/// The limits of a run, counts all of them, so that the same ledger gives the same statements whatever the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Steps at most.
    pub steps: u32,
    /// No proof higher than this.
    pub depth_max: u32,
    /// Statements of one step at most.
    pub breadth: u32,
    /// Statements of the run at most.
    pub total: u32,
}

/// What a limit on the command line must be.
pub fn limit() -> RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=i64::from(LARGEST))
}

/// The limits in force: flags, then settings.
///
/// # Errors
/// Class Config for a setting that is no number, or 0.
pub fn budget(cli: &Cli, settings: &Settings) -> Result<Budget> {
    let limit = |flag: Option<u32>, key: &str| match flag {
        Some(limit) => Ok(limit),
        None => {
            let limit = settings.count(key)?;
            u32::try_from(limit).ok().filter(|limit| (1..=LARGEST).contains(limit)).ok_or_else(|| {
                Failure::new(Class::Config, format!("{key} must be a whole number from 1 to {LARGEST}, and is {limit}"))
                    .hint(format!("correct {key} in the settings file; to skip the derivation, leave ml-derive out of the pipeline"))
            })
        }
    };
    Ok(Budget {
        steps: limit(cli.steps, "DERIVE_STEPS")?,
        depth_max: limit(cli.depth_max, "DERIVE_DEPTH_MAX")?,
        breadth: limit(cli.max_breadth, "DERIVE_MAX_BREADTH")?,
        total: limit(cli.max_total, "DERIVE_MAX_TOTAL")?,
    })
}

/// Why a derivation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// Nothing follows that is not known or an instance of it.
    Saturated,
    /// Nothing more follows with proofs as low as allowed.
    Depth,
    /// As many steps were made as allowed.
    Steps,
    /// As many statements were added as allowed.
    Total,
}

impl Stopped {
    /// The word in the run's metadata.
    pub fn name(self) -> &'static str {
        match self {
            Stopped::Saturated => "saturated",
            Stopped::Depth => "depth",
            Stopped::Steps => "steps",
            Stopped::Total => "total",
        }
    }

    /// For the end record.
    pub fn reason(self, budget: &Budget, left_out: u64) -> String {
        match self {
            Stopped::Saturated if left_out > 0 => {
                format!("saturated: nothing new follows, but for {left_out} conclusions that are too large or have too long a proof")
            }
            Stopped::Saturated => "saturated: nothing new follows".to_owned(),
            Stopped::Depth => {
                format!("depth: nothing new follows with proofs of up to {} levels; a higher DERIVE_DEPTH_MAX goes on", budget.depth_max)
            }
            Stopped::Steps => format!("steps: the limit of {} is reached", budget.steps),
            Stopped::Total => format!("total: the limit of {} new statements is reached", budget.total),
        }
    }
}

/// Whether a run of `steps` steps and `added` statements is to end.
pub fn exhausted(budget: &Budget, steps: u32, added: u32) -> Option<Stopped> {
    if added >= budget.total {
        Some(Stopped::Total)
    } else if steps >= budget.steps {
        Some(Stopped::Steps)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(overrides: &[&str]) -> Settings {
        let overrides: Vec<String> = overrides.iter().map(|pair| (*pair).to_owned()).collect();
        Settings::load(None, &overrides, &|_| None).unwrap()
    }

    #[test]
    fn flags_over_settings_over_defaults() {
        let defaults = Budget { steps: 300, depth_max: 4, breadth: 500, total: 2000 };
        assert_eq!(budget(&Cli::default(), &settings(&[])), Ok(defaults));
        let cli = Cli { max_total: Some(7), ..Cli::default() };
        let set = settings(&["DERIVE_MAX_TOTAL=9", "DERIVE_STEPS=8"]);
        assert_eq!(budget(&cli, &set), Ok(Budget { steps: 8, total: 7, ..defaults }));
    }

    #[test]
    fn nonsense_in_settings_is_refused() {
        for wrong in ["DERIVE_STEPS=0", "DERIVE_MAX_TOTAL=many", "DERIVE_DEPTH_MAX=-1", "DERIVE_MAX_BREADTH=99999999999"] {
            let failure = budget(&Cli::default(), &settings(&[wrong])).unwrap_err();
            assert_eq!(failure.class, Class::Config, "{wrong}");
            assert!(failure.message.starts_with(wrong.split('=').next().unwrap()) && failure.hint.is_some(), "{failure}");
        }
    }

    #[test]
    fn the_total_is_told_before_the_steps() {
        let budget = Budget { steps: 3, depth_max: 4, breadth: 5, total: 10 };
        assert_eq!(exhausted(&budget, 2, 9), None);
        assert_eq!(exhausted(&budget, 3, 9), Some(Stopped::Steps));
        assert_eq!(exhausted(&budget, 3, 10), Some(Stopped::Total));
    }
}
