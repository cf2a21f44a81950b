//! ml-derive: derives theorems, into the ledger or exhaustively.

use std::process::ExitCode;

fn main() -> ExitCode {
    ml_common::stage::main::<ml_derive::Cli>()
}
