//! Newer versions of PostgreSQL than the system's, each fetched once by a script of the project into a folder of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The programs of a whole PostgreSQL 16, or why there are none.
///
/// # Errors
/// The reason, for `skip!`.
pub fn server_16() -> Result<PathBuf, String> {
    fetched("newer-postgres.sh")
}

/// pg_dump and pg_restore 17, with zstd; or why there are none.
///
/// # Errors
/// The reason, for `skip!`.
pub fn clients_17() -> Result<PathBuf, String> {
    fetched("newer-clients.sh")
}

fn fetched(script: &str) -> Result<PathBuf, String> {
    let script = format!("{}/../scripts/lib/{script}", env!("CARGO_MANIFEST_DIR"));
    let fetched = Command::new(&script).stdin(Stdio::null()).output().map_err(|error| format!("{script}: {error}"))?;
    if !fetched.status.success() {
        return Err(format!("{script}: {}", String::from_utf8_lossy(&fetched.stderr).trim()));
    }
    Ok(PathBuf::from(String::from_utf8_lossy(&fetched.stdout).trim()))
}
