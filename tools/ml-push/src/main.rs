//! ml-push: files to another place, checked there.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_push::Cli>()
}
