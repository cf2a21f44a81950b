//! What the tests of ml-rotate share.
#![allow(dead_code, reason = "each test program uses a part")]

use ml_tests::{TempDir, Tool};
use std::fs::{self, File, FileTimes};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// ml-rotate with its settings in a folder of its own.
pub fn rotate(site: &TempDir) -> Tool {
    let settings = site.path().join("nightly.env");
    fs::write(&settings, "SYSTEM=test\n").unwrap();
    fs::set_permissions(&settings, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    Tool::new("ml-rotate").arg("--config").arg(settings)
}

/// A file of rules.
pub fn rules(site: &TempDir, text: &str) -> PathBuf {
    let path = site.path().join("rotate.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Makes a file so many days old.
pub fn age(path: &Path, days: u64) {
    let at = SystemTime::now() - Duration::from_secs(days * 86_400);
    File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(at)).unwrap();
}

/// The names in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Every path below a folder with what it is and when it was changed.
pub fn tree(root: &Path) -> Vec<(String, String)> {
    let (mut all, mut waiting) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let (path, meta) = {
                let entry = entry.unwrap();
                (entry.path(), entry.metadata().unwrap())
            };
            let name = path.strip_prefix(root).unwrap().display().to_string();
            // Only its folder's time tells that a file came and went.
            let what = if meta.is_file() { fs::read(&path).unwrap().len().to_string() } else { format!("{:?}", meta.file_type()) };
            if meta.is_dir() {
                waiting.push(path);
            }
            if name != "nightly.env" {
                all.push((name, format!("{what} {:?}", meta.modified().unwrap())));
            }
        }
    }
    all.sort();
    all
}

/// A file as it was before it was compressed.
pub fn content(path: &Path) -> String {
    let (bytes, mut text) = (fs::read(path).unwrap(), String::new());
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => drop(flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap()),
        Some("zst") => text = String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
        _ => text = String::from_utf8(bytes).unwrap(),
    }
    text
}

/// All that was ever written to a log whose rotated files lie beside it: the oldest first, the log last. No file may be there twice.
pub fn everything(folder: &Path, log: &str) -> String {
    let rotated: Vec<String> = names(folder).into_iter().filter(|name| name.starts_with(&format!("{log}-"))).collect();
    let plain: std::collections::BTreeSet<&str> = rotated.iter().map(|name| name.trim_end_matches(".gz")).collect();
    assert_eq!(plain.len(), rotated.len(), "{rotated:?}");
    let old: String = rotated.iter().map(|name| content(&folder.join(name))).collect();
    old + &fs::read_to_string(folder.join(log)).unwrap_or_default()
}
