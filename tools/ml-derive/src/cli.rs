//! The command line.

use crate::nightly::{self, plan};
use crate::{axioms, exhaustive};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Output, Stage};
use ml_common::{Class, Failure, Result, Tool, pg};
use std::io::Read;
use std::path::PathBuf;

/// Axioms on standard input end here, in bytes.
const MOST_AXIOMS: u64 = 1 << 20;

/// Derive theorems: into the ledger within the nightly limits, or exhaustively without a database
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-derive", about)]
pub struct Cli {
    /// A named system (frege, hilbert-ks, meredith, walsh1, walsh2, s5), formulas with commas between them, or `-` to read formulas from
    /// standard input [default: DERIVE_AXIOMS]
    #[arg(long, value_name = "SYSTEM")]
    pub axioms: Option<String>,
    /// Let `[]A` follow from A (s5 does so by itself)
    #[arg(long)]
    pub necessitation: bool,
    /// Use no database: derive everything with a proof of up to --max-length symbols
    #[arg(long, requires = "max_length", help_heading = "Exhaustive")]
    pub no_ledger: bool,
    /// Longest proof, in symbols of D-notation
    #[arg(long, value_name = "N", requires = "no_ledger", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Exhaustive")]
    pub max_length: Option<u16>,
    /// Print the counts of each length and not the statements
    #[arg(long, requires = "no_ledger", help_heading = "Exhaustive")]
    pub counts: bool,
    /// Write the proofs of each length N to DIR/dProofsN.txt
    #[arg(long, value_name = "DIR", requires = "no_ledger", help_heading = "Exhaustive")]
    pub dproofs: Option<PathBuf>,
    /// Steps at most [default: DERIVE_STEPS]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub steps: Option<u32>,
    /// Height of proofs at most; axioms have 0 [default: DERIVE_DEPTH_MAX]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub depth_max: Option<u32>,
    /// New statements of one step at most [default: DERIVE_MAX_BREADTH]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub max_breadth: Option<u32>,
    /// New statements of the run at most [default: DERIVE_MAX_TOTAL]
    #[arg(long, value_name = "N", conflicts_with = "no_ledger", value_parser = plan::limit(), help_heading = "Nightly")]
    pub max_total: Option<u32>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-derive";
    const OUTPUTS: &'static [Output] = &[Output::Raw];
    const AFTER: After = After::Ok;
    const LOCK: Option<&'static str> = Some("ml-derive");

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        // Then it holds formulas.
        if self.axioms.as_deref() == Some("-") { InputUse::OnRequest } else { InputUse::Optional }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let ids: &[&str] = if self.no_ledger { &[] } else { &["stock", "block", "queue"] };
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    fn lock(&self) -> Option<&'static str> {
        Self::LOCK.filter(|_| !self.no_ledger)
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        let system = self.system(stage)?;
        match self.max_length {
            Some(max_length) => exhaustive::act(self, &system, usize::from(max_length), stage),
            None => nightly::act(&system, &plan::budget(self, &stage.settings)?, stage),
        }
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        if self.no_ledger { Ok(None) } else { stage.target().map(Some) }
    }
}

impl Cli {
    fn system(&self, stage: &Stage) -> Result<ml_logic::System> {
        match self.axioms.as_deref() {
            None => axioms::system(stage.settings.text("DERIVE_AXIOMS"), self.necessitation, Class::Config),
            Some("-") if self.common.input.as_deref().is_some_and(|input| input.as_os_str() == "-") => {
                Err(Failure::new(Class::Usage, "--axioms - and --input - both read standard input").hint("name a file for one of them"))
            }
            Some("-") => {
                let mut text = String::new();
                let read = std::io::stdin().take(MOST_AXIOMS).read_to_string(&mut text);
                read.map_err(|error| Failure::new(Class::Usage, format!("reading axioms from standard input: {error}")))?;
                axioms::system(&text, self.necessitation, Class::Usage)
            }
            Some(text) => axioms::system(text, self.necessitation, Class::Usage),
        }
    }
}
