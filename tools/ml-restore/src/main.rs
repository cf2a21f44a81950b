//! ml-restore: the recovery drill, and the restore itself.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_restore::Cli>()
}
