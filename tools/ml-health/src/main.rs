//! ml-health: looks at everything that a night needs, and says how it is.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_health::Cli>()
}
