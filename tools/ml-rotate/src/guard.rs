//! What ml-rotate never touches: backups and archives, whose retention is their tool's; states; folders where names can be exchanged.

use ml_common::settings::Settings;
use ml_common::{Class, Failure, Result, platform};
use std::cell::RefCell;
use std::collections::HashMap;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A manifest names its tool near its beginning.
const LOOKED_AT: u64 = 8 << 10;

/// Knows which folders belong to others.
#[derive(Debug, Default)]
pub struct Guard {
    owned: Vec<(PathBuf, &'static str)>,
    seen: RefCell<HashMap<PathBuf, Option<String>>>,
}

impl Guard {
    /// By the settings.
    pub fn of(settings: &Settings) -> Guard {
        let folders = [("BACKUP_DIR", settings.path_if_set("BACKUP_DIR")), ("ARCHIVE_DIR", settings.path_if_set("ARCHIVE_DIR"))];
        let state = ("STATE_DIR", Some(settings.path("STATE_DIR")));
        let folders = folders.into_iter().chain([state]);
        let owned = folders.filter_map(|(name, path)| Some((path?.canonicalize().ok()?, name))).collect();
        Guard { owned, seen: RefCell::default() }
    }

    /// Why old files of this folder are not ours to remove.
    pub fn owner(&self, folder: &Path) -> Option<String> {
        if let Some(known) = self.seen.borrow().get(folder) {
            return known.clone();
        }
        let found = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        // Logs may lie below the folder of the states, and nothing of ours below that of the backups.
        let setting = self.owned.iter().find_map(|(owned, name)| match found.strip_prefix(owned) {
            Ok(below) if below.as_os_str().is_empty() => Some(format!("it is {name}")),
            Ok(_) if *name != "STATE_DIR" => Some(format!("it is in {name}")),
            _ => None,
        });
        let owner = setting.or_else(|| manifest_in(folder).map(|name| format!("it holds the manifest {name}")));
        self.seen.borrow_mut().insert(folder.to_owned(), owner.clone());
        owner
    }

    /// Why this file is not ours to rotate.
    pub fn refuses(&self, path: &Path) -> Option<Failure> {
        let folder = path.parent().unwrap_or(path);
        if platform::is_trap(folder) {
            return Some(untrusted(folder));
        }
        self.owner(folder).map(|why| owned(folder, &why))
    }

    /// Makes sure that rotated files may go to a folder; `to` is the path that leads there, when it is another one than the log's.
    ///
    /// # Errors
    /// Class Config: it belongs to others, everybody may write there, or somebody else says where it is.
    pub fn refuses_home(&self, to: Option<&Path>, home: &Path) -> Result<()> {
        let Some(to) = to else { return Ok(()) };
        if platform::is_others_link(to) {
            return Err(Failure::new(Class::Config, format!("{} is a link of another user", to.display()))
                .hint("make the folder, or a link of your own"));
        }
        if platform::is_trap(home) {
            return Err(untrusted(home));
        }
        self.owner(home).map_or(Ok(()), |why| Err(owned(home, &why)))
    }
}

/// The failure for what belongs to others.
pub fn owned(path: &Path, why: &str) -> Failure {
    Failure::new(Class::Config, format!("{} is not for ml-rotate: {why}", path.display()))
        .hint("backups and archives have their own rules: BACKUP_RETENTION_DAYS, ARCHIVE_RETENTION_DAYS and the KEEP settings")
}

/// The failure for a folder that everybody may change.
pub fn untrusted(folder: &Path) -> Failure {
    Failure::new(Class::Config, format!("everybody may write in {}, and ml-rotate runs as root", folder.display()))
        .hint("run it as the user whose files they are, or take the right to write from others: chmod o-w")
}

fn manifest_in(folder: &Path) -> Option<String> {
    let names = std::fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.ends_with(".json")).find(|name| is_manifest(&folder.join(name)))
}

/// Whether it is a manifest of ml-backup or ml-archive, or what ml-restore has proven.
fn is_manifest(path: &Path) -> bool {
    if path.extension().is_none_or(|ending| ending != "json") || !path.symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return false;
    }
    let mut text = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut text));
    let text: String = String::from_utf8_lossy(&text).chars().filter(|c| !c.is_whitespace()).collect();
    let ours = ["\"tool\":\"ml-backup", "\"tool\":\"ml-archive", "\"tool\":\"ml-restore", "\"tables\":{"];
    read.is_ok() && text.contains("\"sha256\":") && ours.iter().any(|mark| text.contains(mark))
}
