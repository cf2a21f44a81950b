//! ml-check: proves the theorems it is given once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_check::Cli>()
}
