//! ml-backup: a verified dump of the ledger, with its manifest.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_backup::Cli>()
}
