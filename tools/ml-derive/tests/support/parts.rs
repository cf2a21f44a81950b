//! Lengths in parts: the commands, and what must come of them.

use super::store::{files, generation, segments};
use ml_tests::{Output, TempDir, Tool};
use std::path::{Path, PathBuf};

/// A folder with a store of everything up to a length.
pub fn store(axioms: &str, length: usize) -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("store");
    generation(axioms, length, &path).run().expect_code(0);
    (folder, path)
}

/// `ml-derive WORDS --store STORE MORE`.
pub fn command(words: &str, store: &Path, more: &[&str]) -> Tool {
    Tool::new("ml-derive").args(words.split(' ')).arg("--store").arg(store).args(more)
}

/// The same, which has to go well.
pub fn done(words: &str, store: &Path, more: &[&str]) -> Output {
    command(words, store, more).run().expect_code(0)
}

/// The names in a folder; none when it is not there.
pub fn names(folder: &Path) -> Vec<String> {
    files(folder).into_iter().map(|(name, _)| name).collect()
}

/// Nothing is in the store but whole lengths, and they are those of a run without parts.
#[track_caller]
pub fn assert_same(sharded: &Path, single: &Path) {
    assert_eq!(segments(sharded), segments(single));
    let known = |name: &String| name.ends_with(".seg") || name.starts_with("leases/") || ["lock", "store.json"].contains(&name.as_str());
    let left: Vec<String> = names(sharded).into_iter().filter(|name| !known(name)).collect();
    assert_eq!(left, Vec::<String>::new());
}
