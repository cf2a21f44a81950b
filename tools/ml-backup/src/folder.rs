//! The folder of the backups: what of ours is in it, and removing it.

use crate::plan::Earlier;
use crate::retention::{Backup, Leftover, Removal};
use jiff::Timestamp;
use ml_common::Result;
use ml_common::files;
use ml_dump::{Manifest, name};
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// What of one system there is.
#[derive(Debug, Default)]
pub struct Listing {
    /// Dumps whose name is of our making.
    pub backups: Vec<Backup>,
    /// What killed runs left.
    pub leftovers: Vec<Leftover>,
}

/// Looks at the folder; one that is missing is empty.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn list(folder: &Path, system: &str) -> Result<Listing> {
    let unreadable = |error: &io::Error| files::storage(error, folder, "cannot list the backups in");
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(error) => return Err(unreadable(&error)),
    };
    let mut found: Vec<(String, u64, Option<Timestamp>)> = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(&error))?;
        // A name that is not UTF-8 is not ours, and a link or folder is not a backup.
        let (Ok(name), Ok(meta)) = (entry.file_name().into_string(), entry.metadata()) else { continue };
        if meta.is_file() {
            found.push((name, meta.len(), meta.modified().ok().and_then(|at| Timestamp::try_from(at).ok())));
        }
    }
    let names: BTreeSet<&str> = found.iter().map(|(name, ..)| name.as_str()).collect();
    let mut listing = Listing::default();
    for (name, bytes, modified) in &found {
        if let Some(at) = name::parse(system, name) {
            let flaw = flaw(&folder.join(name), *bytes);
            listing.backups.push(Backup { name: name.clone(), at, bytes: *bytes, flaw });
        } else if let (true, Some(modified)) = (is_leftover(system, name, &names), *modified) {
            listing.leftovers.push(Leftover { name: name.clone(), bytes: *bytes, modified });
        }
    }
    Ok(listing)
}

/// Why a dump does not count as good. Its bytes were verified when it was made; reading every old dump each night would cost more than it tells.
fn flaw(dump: &Path, bytes: u64) -> Option<String> {
    match Manifest::of(dump) {
        Ok(None) => Some("it has no manifest".into()),
        Ok(Some(manifest)) if manifest.bytes != bytes => Some(format!("it has {bytes} bytes and its manifest says {}", manifest.bytes)),
        Ok(Some(_)) => None,
        Err(failure) => Some(failure.message),
    }
}

/// `.mathledger-20250108-020000.dump.XXXXXX.partial`, the same of a manifest, or a manifest whose dump is not there.
fn is_leftover(system: &str, name: &str, names: &BTreeSet<&str>) -> bool {
    if let Some(dump) = name.strip_suffix(".json") {
        return name::parse(system, dump).is_some() && !names.contains(dump);
    }
    let Some(inner) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".partial")) else { return false };
    let Some((file, random)) = inner.rsplit_once('.') else { return false };
    let file = file.strip_suffix(".json").unwrap_or(file);
    name::parse(system, file).is_some() && !random.is_empty()
}

/// Size and source of the newest good dump with this compression, to estimate the next one from.
pub fn earlier(folder: &Path, listing: &Listing, compression: &str) -> Option<Earlier> {
    let mut good: Vec<&Backup> = listing.backups.iter().filter(|backup| backup.flaw.is_none()).collect();
    good.sort_by_key(|backup| std::cmp::Reverse(backup.at));
    let manifests = good.into_iter().take(5).filter_map(|backup| Manifest::of(&folder.join(&backup.name)).ok().flatten());
    let like = manifests.into_iter().find(|manifest| manifest.compression == compression)?;
    Some(Earlier { bytes: like.bytes, table_bytes: like.table_bytes })
}

/// Removes a file, and a dump's manifest after it: alone, a manifest claims nothing.
///
/// # Errors
/// Class Storage.
pub fn remove(folder: &Path, removal: &Removal) -> Result<()> {
    let path = folder.join(&removal.name);
    std::fs::remove_file(&path).map_err(|error| files::storage(&error, &path, "cannot remove"))?;
    let manifest = Manifest::beside(&path);
    match std::fs::remove_file(&manifest) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(files::storage(&error, &manifest, "cannot remove")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, name: &str, bytes: &[u8]) {
        std::fs::write(folder.join(name), bytes).unwrap();
    }

    fn manifest(bytes: u64, compression: &str) -> Vec<u8> {
        let sha256 = "00".repeat(32);
        format!(
            "{{\"format\":1,\"sha256\":\"{sha256}\",\"bytes\":{bytes},\"table_bytes\":{},\"compression\":\"{compression}\"}}",
            bytes * 2
        )
        .into_bytes()
    }

    #[test]
    fn a_folder_is_sorted_into_ours_and_others() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        write(dir, "ml-20250101-000000.dump", b"12345");
        write(dir, "ml-20250101-000000.dump.json", &manifest(5, "gzip"));
        write(dir, "ml-20250102-000000.dump", b"123");
        write(dir, "ml-20250102-000000.dump.json", &manifest(5, "none"));
        write(dir, "ml-20250103-000000.dump", b"");
        write(dir, "ml-20250104-000000.dump", b"x");
        write(dir, "ml-20250104-000000.dump.json", b"{");
        write(dir, "ml-20250105-000000.dump.json", b"");
        write(dir, ".ml-20250106-000000.dump.Ab1.partial", b"");
        write(dir, ".ml-20250106-000000.dump.json.Ab1.partial", b"");
        for other in
            ["notes.txt", "ml-custom.dump", "other-20250101-000000.dump", ".other-20250101-000000.dump.a.partial", "x.json", ".ml.partial"]
        {
            write(dir, other, b"");
        }
        std::fs::create_dir(dir.join("ml-20250107-000000.dump")).unwrap();
        let mut listing = list(dir, "ml").unwrap();
        listing.backups.sort_by_key(|backup| backup.at);
        let flaws: Vec<(&str, bool)> = listing.backups.iter().map(|backup| (&backup.name[3..11], backup.flaw.is_none())).collect();
        assert_eq!(flaws, [("20250101", true), ("20250102", false), ("20250103", false), ("20250104", false)]);
        let mut left: Vec<&str> = listing.leftovers.iter().map(|leftover| leftover.name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [".ml-20250106-000000.dump.Ab1.partial", ".ml-20250106-000000.dump.json.Ab1.partial", "ml-20250105-000000.dump.json"]
        );
        assert_eq!(earlier(dir, &listing, "gzip"), Some(Earlier { bytes: 5, table_bytes: 10 }));
        assert_eq!(earlier(dir, &listing, "none"), None);
    }

    #[test]
    fn a_missing_folder_is_empty_and_removing_takes_the_manifest_along() {
        let folder = tempfile::tempdir().unwrap();
        assert!(list(&folder.path().join("none"), "ml").unwrap().backups.is_empty());
        write(folder.path(), "a.dump", b"");
        write(folder.path(), "a.dump.json", b"");
        write(folder.path(), "b.dump.json", b"");
        let removal = |name: &str| Removal { name: name.into(), bytes: 0, reason: String::new() };
        remove(folder.path(), &removal("a.dump")).unwrap();
        remove(folder.path(), &removal("b.dump.json")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(remove(folder.path(), &removal("a.dump")).is_err());
    }
}
