//! The folder of the backups: what of ours is in it, and removing it.

use crate::plan::Earlier;
use jiff::Timestamp;
use ml_common::Result;
use ml_common::files;
use ml_dump::name::Pattern;
use ml_dump::retention::{Backup, Leftover};
use ml_dump::{Manifest, Proof, latest};
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

/// What the files beside a dump end with, after its name.
const COMPANIONS: [&str; 4] = [".json", ".proof.json", ".globals.sql", ".globals.sql.age"];

/// The dump that a file beside it belongs to, by their names.
pub fn dump_of(companion: &str) -> Option<&str> {
    // The longest first: the evidence of a drill ends as a manifest does.
    COMPANIONS.into_iter().rev().find_map(|ending| companion.strip_suffix(ending))
}

/// Looks at the folder; one that is missing is empty.
///
/// # Errors
/// Class Storage when it cannot be read.
pub fn list(folder: &Path, pattern: &Pattern, system: &str) -> Result<Listing> {
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
        if let Some(at) = pattern.read(name) {
            listing.backups.extend(backup(folder, name, at, *bytes, system));
        } else if let (true, Some(modified)) = (is_leftover(pattern, name, &names), *modified) {
            listing.leftovers.push(Leftover { name: name.clone(), bytes: *bytes, modified });
        }
    }
    Ok(listing)
}

/// What is known of a dump; `None` when its manifest says that it is another system's, as a pattern need not name the system. Its bytes were
/// verified when it was made; reading every old dump each night would cost more than it tells.
fn backup(folder: &Path, name: &str, at: Timestamp, bytes: u64, system: &str) -> Option<Backup> {
    let (name, dump) = (name.to_owned(), folder.join(name));
    let manifest = match latest::good(&dump) {
        Ok(manifest) => manifest,
        Err(why) => return Some(Backup { name, at, bytes, flaw: Some(format!("it {why}")), proven: None }),
    };
    if !manifest.system.is_empty() && manifest.system != system {
        return None;
    }
    // Evidence that cannot be read is none, and ml-restore makes it anew.
    let proof = Proof::of(&dump).ok().flatten().filter(|proof| proof.is_of(&manifest));
    Some(Backup { name, at, bytes, flaw: None, proven: proof.and_then(|proof| proof.at()) })
}

/// `.mathledger-20250108-020000.dump.XXXXXX.partial`, the same of a companion, or a companion whose dump is not there.
fn is_leftover(pattern: &Pattern, name: &str, names: &BTreeSet<&str>) -> bool {
    let of_dump = |name: &'_ str| -> Option<String> {
        let mut all = COMPANIONS.into_iter().filter_map(|ending| name.strip_suffix(ending));
        all.find(|dump| pattern.read(dump).is_some()).map(str::to_owned)
    };
    if let Some(dump) = of_dump(name) {
        return !names.contains(dump.as_str());
    }
    let Some(inner) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".partial")) else { return false };
    let Some((file, random)) = inner.rsplit_once('.') else { return false };
    !random.is_empty() && (pattern.read(file).is_some() || of_dump(file).is_some())
}

/// Size and source of the newest good dump with this compression, to estimate the next one from.
pub fn earlier(folder: &Path, listing: &Listing, compression: &str) -> Option<Earlier> {
    let mut good: Vec<&Backup> = listing.backups.iter().filter(|backup| backup.flaw.is_none()).collect();
    good.sort_by_key(|backup| std::cmp::Reverse(backup.at));
    let manifests = good.into_iter().take(5).filter_map(|backup| Manifest::of(&folder.join(&backup.name)).ok().flatten());
    let like = manifests.into_iter().find(|manifest| manifest.compression == compression)?;
    Some(Earlier { bytes: like.bytes, table_bytes: like.table_bytes })
}

/// Removes a file, and what belongs to a dump after it: alone, a manifest claims nothing.
///
/// # Errors
/// Class Storage.
pub fn remove(folder: &Path, name: &str) -> Result<()> {
    let path = folder.join(name);
    std::fs::remove_file(&path).map_err(|error| files::storage(&error, &path, "cannot remove"))?;
    for ending in COMPANIONS {
        let companion = folder.join(format!("{name}{ending}"));
        match std::fs::remove_file(&companion) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(files::storage(&error, &companion, "cannot remove")),
            _ => {}
        }
    }
    Ok(())
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
        // Evidence about this very dump, about another, and about none.
        let proof = |digit: &str| {
            let proof = Proof { format: 1, sha256: digit.repeat(64), proven: "2025-02-01T00:00:00Z".into(), ..Proof::default() };
            serde_json::to_vec(&proof).unwrap()
        };
        write(dir, "ml-20250101-000000.dump.proof.json", &proof("0"));
        write(dir, "ml-20250108-000000.dump.age", b"12345");
        write(dir, "ml-20250108-000000.dump.age.json", &manifest(5, "gzip"));
        write(dir, "ml-20250108-000000.dump.age.globals.sql.age", b"");
        write(dir, "ml-20250108-000000.dump.age.proof.json", &proof("1"));
        write(dir, "ml-20250109-000000.dump.globals.sql", b"");
        write(dir, "ml-20250109-000000.dump.proof.json", b"");
        write(dir, ".ml-20250109-000000.dump.globals.sql.Ab1.partial", b"");
        write(dir, "ml-latest.json", b"");
        // Another system's, by its manifest.
        write(dir, "ml-20250110-000000.dump", b"12345");
        let other = String::from_utf8(manifest(5, "gzip")).unwrap().replace("{\"format", "{\"system\":\"other\",\"format");
        write(dir, "ml-20250110-000000.dump.json", other.as_bytes());
        let pattern = Pattern::parse("{system}-{date}-{time}.dump", "ml", "db").unwrap();
        let mut listing = list(dir, &pattern, "ml").unwrap();
        listing.backups.sort_by_key(|backup| backup.at);
        let flaws: Vec<(&str, bool, bool)> =
            listing.backups.iter().map(|backup| (&backup.name[9..11], backup.flaw.is_none(), backup.proven.is_some())).collect();
        assert_eq!(flaws, [("01", true, true), ("02", false, false), ("03", false, false), ("04", false, false), ("08", true, false)]);
        let mut left: Vec<&str> = listing.leftovers.iter().map(|leftover| leftover.name.as_str()).collect();
        left.sort_unstable();
        assert_eq!(
            left,
            [
                ".ml-20250106-000000.dump.Ab1.partial",
                ".ml-20250106-000000.dump.json.Ab1.partial",
                ".ml-20250109-000000.dump.globals.sql.Ab1.partial",
                "ml-20250105-000000.dump.json",
                "ml-20250109-000000.dump.globals.sql",
                "ml-20250109-000000.dump.proof.json"
            ]
        );
        assert_eq!(earlier(dir, &listing, "gzip"), Some(Earlier { bytes: 5, table_bytes: 10 }));
        assert_eq!(earlier(dir, &listing, "none"), None);
        assert!(list(&dir.join("none"), &pattern, "ml").unwrap().backups.is_empty());
    }

    #[test]
    fn removing_takes_along_what_belongs_to_a_dump() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.dump", "a.dump.json", "a.dump.proof.json", "a.dump.globals.sql", "b.dump.json"] {
            write(folder.path(), name, b"");
        }
        remove(folder.path(), "a.dump").unwrap();
        remove(folder.path(), "b.dump.json").unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(remove(folder.path(), "a.dump").is_err());
    }
}
