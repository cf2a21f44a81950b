//! Exports the ledger's tables from one snapshot.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_export::Cli>()
}
