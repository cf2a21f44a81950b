//! Theorems with their proofs for other checkers.

use crate::cli::Cli;
use crate::given::Statements;
use clap::ValueEnum;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use std::path::PathBuf;

/// What can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Format {
    /// A database for the metamath program
    Metamath,
    /// A project for Lean 4, without any library
    Lean,
    /// A problem for each theorem, for automated provers
    Tptp,
}

/// `ml-derive emit`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// What to write; several with commas between them
    #[arg(value_enum, value_name = "FORMAT", value_delimiter = ',', required = true)]
    pub formats: Vec<Format>,
    /// Folder to write in [default: EXPORTS_DIR]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// The command.
pub fn act(cli: &Cli, _args: &Args, stage: &Stage) -> Result<Done> {
    let claims = cli.claims(&_args.statements, stage)?;
    Err(Failure::new(Class::General, format!("{} proofs", claims.claims.len())))
}
