//! ml-alert: tells people what a run found bad.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_alert::Cli>()
}
