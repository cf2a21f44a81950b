//! ml-rotate: logs put aside, compressed and removed in time; old files removed.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_rotate::Cli>()
}
