//! The command line.

use crate::act::{self, Bench};
use crate::lines;
use ml_common::platform;
use ml_common::record::{Body, Record};
use ml_common::stage::{Common, Done, InputUse, Stage, Waiting};
use ml_common::{Class, Failure, Result, Tool};
use std::cell::OnceCell;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;

/// Prove theorems once more, with a small checker that knows nothing of the engine
///
/// Reads statement records, or D-proofs, one a line: PROOF, PROOF FORMULA or PROOF axioms=FORMULAS. Each gets a verdict; --quiet prints only
/// the bad ones. Exit 5 when one is refused.
#[derive(Debug, Default, clap::Parser)]
#[command(name = "ml-check", about)]
pub struct Cli {
    /// Files of D-proofs [default: what comes on standard input, records or D-proofs]
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A named system (docs/systems.md) or formulas with commas between them; when given, no proof may use other axioms [default: the axioms
    /// that come with a proof, else DERIVE_AXIOMS]
    #[arg(long, value_name = "SYSTEM")]
    pub axioms: Option<String>,
    /// Let `[]A` follow from A (the modal systems do so by themselves)
    #[arg(long)]
    pub necessitation: bool,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
    /// What has been found so far.
    #[arg(skip)]
    pub bench: Option<Bench>,
    /// Whether standard input holds D-proofs, once that is known.
    #[arg(skip)]
    pub proofs: OnceCell<bool>,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-check";

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        let records = self.files.is_empty() && !self.nothing_to_read() && !self.proofs_on_stdin();
        if records { InputUse::Needed } else { InputUse::OnRequest }
    }

    fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        if let Body::Statement(statement) = &record.body {
            stage.cancel.check()?;
            self.bench(stage)?.statement(statement, stage);
        }
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        if self.nothing_to_read() {
            return Err(Failure::new(Class::Usage, "there is nothing to check")
                .hint("name files of D-proofs, or pipe theorems into it: ml-export statements -o - | ml-check"));
        }
        self.bench(stage)?;
        match self.bench.take() {
            Some(bench) => act::act(self, bench, stage),
            None => Ok(Done::default()),
        }
    }
}

impl Cli {
    fn bench(&mut self, stage: &Stage) -> Result<&mut Bench> {
        let bench = match self.bench.take() {
            Some(bench) => bench,
            None => Bench::new(self, stage)?,
        };
        Ok(self.bench.insert(bench))
    }

    /// No file is named, and nobody but a person could type something in.
    fn nothing_to_read(&self) -> bool {
        let common = &self.common;
        self.files.is_empty() && (common.no_input || common.input.is_none() && std::io::stdin().is_terminal())
    }

    /// Whether standard input holds D-proofs. Looks at its first bytes without taking them, waiting until there are some.
    pub fn proofs_on_stdin(&self) -> bool {
        let common = &self.common;
        if !self.files.is_empty() || common.no_input || common.input.is_some() {
            return false;
        }
        let look = || {
            let _waiting = Waiting::begin();
            platform::stdin_holds_records() && std::io::stdin().lock().fill_buf().is_ok_and(lines::look_like_proofs)
        };
        *self.proofs.get_or_init(look)
    }
}
