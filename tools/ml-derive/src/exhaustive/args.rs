//! The flags of the exhaustive mode, and what they ask of the engine.

use crate::engine::exhaustive::{Necessitation, Options};
use crate::engine::length::Bounds;
use bytesize::ByteSize;
use ml_common::platform;
use ml_logic::System;
use std::path::PathBuf;

/// Flags of the exhaustive mode
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Exhaustive")]
pub struct Args {
    /// Use no database: derive everything with a proof of up to --max-length symbols
    #[arg(long, requires = "max_length")]
    pub no_ledger: bool,
    /// Longest proof, in symbols of D-notation
    #[arg(long, value_name = "N", requires = "no_ledger", value_parser = clap::value_parser!(u16).range(1..))]
    pub max_length: Option<u16>,
    /// Print the counts of each length and not the statements
    #[arg(long, requires = "no_ledger")]
    pub counts: bool,
    /// Write the proofs of each length N to DIR/dProofsN.txt
    #[arg(long, value_name = "DIR", requires = "no_ledger")]
    pub dproofs: Option<PathBuf>,
    /// Keep what is generated in DIR: a run that ended, however it ended, is taken up there, and goes on to greater lengths
    #[arg(long, value_name = "DIR", requires = "no_ledger")]
    pub store: Option<PathBuf>,
    /// Keep instances too, from length N on
    #[arg(long, value_name = "N", requires = "no_ledger", value_parser = clap::value_parser!(u16).range(1..))]
    pub unfiltered_from: Option<u16>,
    /// Leave out conclusions of more than N symbols
    #[arg(long, value_name = "N", requires = "no_ledger", value_parser = clap::value_parser!(u32).range(1..))]
    pub conclusion_symbols: Option<u32>,
    /// Leave out conclusions whose consequent has more than N symbols
    #[arg(long, value_name = "N", requires = "no_ledger", value_parser = clap::value_parser!(u32).range(1..))]
    pub consequent_symbols: Option<u32>,
    #[command(flatten)]
    pub resources: Resources,
}

/// What the engine may use
#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(next_help_heading = "Exhaustive")]
pub struct Resources {
    /// Threads; the result does not depend on them [default: all cores]
    #[arg(long, value_name = "N", global = true, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
    /// Memory to stay within, such as 20GiB; a length that needs more is not begun [default: nine tenths of what is free]
    #[arg(long, value_name = "SIZE", global = true)]
    pub memory_limit: Option<ByteSize>,
}

impl Args {
    /// What the engine is to do for that system; `row` is how often necessitation may follow itself.
    pub fn options(&self, system: &System, row: Option<u32>) -> Options {
        let bounds = Bounds {
            conclusion: self.conclusion_symbols.unwrap_or(u32::MAX),
            consequent: self.consequent_symbols.unwrap_or(u32::MAX),
            ..Bounds::default()
        };
        Options { bounds, unfiltered_from: self.unfiltered_from.map(usize::from), ..self.resources.options(system, row) }
    }

    /// Whether everything is kept that is new and no instance, as published tables have it.
    pub fn is_exact(&self) -> bool {
        self.conclusion_symbols.is_none() && self.consequent_symbols.is_none()
    }
}

impl Resources {
    /// The engine's options with these resources and that system's rules.
    pub fn options(&self, system: &System, row: Option<u32>) -> Options {
        let necessitation = match (system.necessitation, row) {
            (false, _) => Necessitation::Never,
            (true, None) => Necessitation::Unlimited,
            (true, Some(row)) => Necessitation::AtMost(row),
        };
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let free = || platform::free_memory().map_or(usize::MAX, |bytes| usize::try_from(bytes / 10 * 9).unwrap_or(usize::MAX));
        Options {
            necessitation,
            threads: self.threads.map_or_else(cores, usize::from),
            memory: self.memory_limit.map_or_else(free, |size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX)),
            ..Options::default()
        }
    }
}
