//! A proof for people.

use crate::cli::Cli;
use crate::given::Statements;
use ml_common::record::Record;
use ml_common::stage::{Done, InputUse, Stage};
use ml_common::{Class, Failure, Result};

/// `ml-derive explain`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Args {
    /// Hash of a statement, or its beginning, in the ledger or among the statements on standard input
    #[arg(value_name = "HASH", required_unless_present = "proof")]
    pub hash: Option<String>,
    /// A D-proof instead
    #[arg(long, value_name = "DPROOF", conflicts_with = "hash")]
    pub proof: Option<String>,
    /// What the stream has told.
    #[arg(skip)]
    pub statements: Statements,
}

impl Args {
    /// When standard input is read.
    pub fn input(&self) -> InputUse {
        if self.proof.is_some() { InputUse::OnRequest } else { InputUse::MayBeEmpty }
    }

    /// Keeps the statement that is asked for.
    pub fn see(&mut self, record: &Record) {
        let Some(hash) = &self.hash else { return };
        self.statements.take(record, |statement| statement.hash.starts_with(hash));
    }
}

/// The command.
pub fn act(_cli: &Cli, _args: &Args, _stage: &Stage) -> Result<Done> {
    Err(Failure::new(Class::General, "not yet"))
}
