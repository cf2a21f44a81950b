//! ml-serve: the last state of the stream as a page, /metrics and /health.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_serve::Cli>()
}
