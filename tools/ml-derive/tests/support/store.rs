//! Stores of exhaustive runs, and what is in them.

use ml_tests::Tool;
use std::path::Path;

/// A run that counts what it stores.
pub fn generation(axioms: &str, length: usize, store: &Path) -> Tool {
    let length = length.to_string();
    Tool::new("ml-derive").args(["--no-ledger", "--counts", "--axioms", axioms, "--max-length", &length]).arg("--store").arg(store)
}

/// The files below a folder, by their names, with what is in them.
pub fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in folder.read_dir().into_iter().flatten() {
        let (path, name) = {
            let entry = entry.unwrap();
            (entry.path(), entry.file_name().into_string().unwrap())
        };
        if path.is_dir() {
            found.extend(files(&path).into_iter().map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)));
        } else {
            found.push((name, std::fs::read(&path).unwrap()));
        }
    }
    found.sort();
    found
}

/// The lengths of a store: the counts of each, without how long they took and what depends on that, and their bytes.
pub fn segments(store: &Path) -> Vec<(usize, serde_json::Value, Vec<u8>)> {
    let segment = |(name, bytes): (String, Vec<u8>)| {
        let length = name.strip_prefix("length-")?.strip_suffix(".seg")?.parse().unwrap();
        let end = bytes.iter().position(|&byte| byte == b'\n').unwrap();
        let mut header: serde_json::Value = serde_json::from_slice(&bytes[..end]).unwrap();
        for key in ["duration_ms", "before"] {
            assert!(header.as_object_mut().unwrap().remove(key).is_some());
        }
        Some((length, header, bytes[end + 66..].to_vec()))
    };
    let mut found: Vec<_> = files(store).into_iter().filter_map(segment).collect();
    found.sort_by_key(|(length, ..)| *length);
    found
}
