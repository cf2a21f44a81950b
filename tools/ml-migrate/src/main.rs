//! ml-migrate: creates and upgrades the ledger's schema.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_migrate::Cli>()
}
