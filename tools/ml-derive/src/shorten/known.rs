//! Files of known proofs.

use crate::given::{Claim, read_lines};
use ml_common::{Class, Failure, Result};
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

/// The files of a path: itself, or the files dProofsN.txt of a folder in the order of N.
///
/// # Errors
/// Class Usage when there are none.
pub fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |error: std::io::Error| {
        Failure::new(Class::Usage, format!("cannot read {}: {error}", path.display()))
            .hint("--from takes files of D-proofs, one a line, or folders that --dproofs wrote")
    };
    if !path.metadata().map_err(wrong)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found: Vec<(u64, PathBuf)> = Vec::new();
    for entry in path.read_dir().map_err(wrong)? {
        let file = entry.map_err(wrong)?.path();
        found.extend(length_of(&file).map(|length| (length, file)));
    }
    found.sort();
    match found.is_empty() {
        true => Err(Failure::new(Class::Usage, format!("no file dProofsN.txt is in {}", path.display()))
            .hint("ml-derive --no-ledger --max-length N --dproofs DIR writes them")),
        false => Ok(found.into_iter().map(|(_, file)| file).collect()),
    }
}

/// The N of dProofsN.txt.
fn length_of(file: &Path) -> Option<u64> {
    file.file_name()?.to_str()?.strip_prefix("dProofs")?.strip_suffix(".txt")?.parse().ok()
}

/// The proofs in a file.
///
/// # Errors
/// Class Usage for a file that cannot be read, and for lines that are no proofs.
pub fn read(file: &Path) -> Result<Vec<Claim>> {
    let opened = File::open(file).map_err(|error| {
        Failure::new(Class::Usage, format!("cannot read {}: {error}", file.display())).hint("check the path and the permissions")
    })?;
    read_lines(BufReader::new(opened), &format!(" of {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names() {
        let length = |name: &str| length_of(Path::new(name));
        assert_eq!((length("a/dProofs17.txt"), length("dProofs.txt"), length("dProofs17-unfiltered.txt")), (Some(17), None, None));
    }
}
