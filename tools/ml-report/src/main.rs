//! ml-report: what a run did, for people.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_report::Cli>()
}
