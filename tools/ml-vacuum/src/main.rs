//! Prunes and vacuums the ledger.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_vacuum::Cli>()
}
