//! ml-archive: files in a verified archive, and out of one safely.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_archive::Cli>()
}
