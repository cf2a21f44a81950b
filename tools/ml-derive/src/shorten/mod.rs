//! Shorter proofs from known ones.

use crate::cli::Cli;
use crate::given::Statements;
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use std::path::PathBuf;

/// `ml-derive shorten`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Known proofs: files of D-proofs, one a line, or folders with files dProofsN.txt as --dproofs writes them
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub from: Vec<PathBuf>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

/// The command.
pub fn act(_cli: &Cli, _args: &Args, _stage: &Stage) -> Result<Done> {
    Err(Failure::new(Class::General, "not yet"))
}
