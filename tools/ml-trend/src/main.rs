//! ml-trend: where the figures of archived streams are going.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_trend::Cli>()
}
