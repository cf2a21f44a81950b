//! What is packed: the paths that are named and what is below them, without what is left out; and under which names.

use glob::{MatchOptions, Pattern};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

/// Something to pack.
#[derive(Clone, Debug)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// What it was when it was found.
    pub meta: Metadata,
}

/// What was found, by its path in the archive; folders come before what is in them.
#[derive(Debug, Default)]
pub struct Choice {
    /// Files, folders and links.
    pub found: BTreeMap<PathBuf, Found>,
    /// What cannot be read, with the reason.
    pub unreadable: Vec<String>,
    /// Sockets, pipes and devices, which an archive of files does not hold.
    pub odd: Vec<PathBuf>,
}

/// What is left out. A pattern matches a path from its beginning or from any folder on, as with tar; `*` also takes `/`.
#[derive(Clone, Debug, Default)]
pub struct Excludes(Vec<Pattern>);

impl Excludes {
    /// Reads patterns.
    ///
    /// # Errors
    /// Class Config when one is malformed.
    pub fn parse<'a>(patterns: impl Iterator<Item = &'a str>) -> Result<Excludes> {
        let parse = |text: &str| {
            let plain = text.trim().trim_start_matches("./").trim_end_matches('/');
            Pattern::new(plain).map_err(|error| {
                Failure::new(Class::Config, format!("'{text}' is no pattern: {error}")).hint("write something like *.log or logs/archive")
            })
        };
        patterns.filter(|text| !text.trim().is_empty()).map(parse).collect::<Result<_>>().map(Excludes)
    }

    /// Whether a path in the archive is left out.
    pub fn has(&self, stored: &Path) -> bool {
        let options = MatchOptions { case_sensitive: true, require_literal_separator: false, require_literal_leading_dot: false };
        let mut rest = stored.components();
        while !rest.as_path().as_os_str().is_empty() {
            let path = rest.as_path();
            if self.0.iter().any(|pattern| pattern.matches_path_with(path, options)) {
                return true;
            }
            rest.next();
        }
        false
    }
}

/// The path in the archive: from the base folder on where it is below that, else from the root on, without the root.
pub fn stored(path: &Path, base: &Path) -> PathBuf {
    let clean = cleaned(path);
    let below = clean.strip_prefix(cleaned(base)).unwrap_or(&clean);
    below
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(PathBuf::from(name)),
            // `C:` becomes a folder.
            Component::Prefix(prefix) => Some(prefix.as_os_str().to_string_lossy().replace([':', '\\', '?'], "").into()),
            _ => None,
        })
        .collect()
}

/// Without `.` and `..`, by the text alone.
fn cleaned(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                clean.pop();
            }
            Component::CurDir => {}
            part => clean.push(part),
        }
    }
    clean
}

/// Finds what is to be packed. `own` is the folder of the archives, which is only packed into one of them
/// when it is named itself.
///
/// # Errors
/// Class Storage when a named path is not there.
pub fn choose(paths: &[PathBuf], base: &Path, excludes: &Excludes, own: &Path, cancel: &Cancel) -> Result<Choice> {
    let mut choice = Choice::default();
    let own = cleaned(own);
    for path in paths {
        // What is named is meant, also when it is a link.
        let meta = path.metadata().map_err(|error| {
            ml_common::files::storage(&error, path, "cannot pack")
                .context("a path that is named")
                .hint("correct ARCHIVE_PATHS, or leave it out")
        })?;
        let (named, mut waiting) = (path, vec![(path.clone(), stored(path, base), meta)]);
        while let Some((path, stored, meta)) = waiting.pop() {
            cancel.check()?;
            if excludes.has(&stored) || (path != *named && cleaned(&path) == own) {
                continue;
            }
            if meta.is_dir() {
                for (path, name) in entries(&path, &mut choice) {
                    match path.symlink_metadata() {
                        Ok(meta) => waiting.push((path, stored.join(name), meta)),
                        // It went in this moment.
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        Err(error) => choice.unreadable.push(format!("{}: {error}", path.display())),
                    }
                }
            } else if !meta.is_file() && !meta.is_symlink() {
                choice.odd.push(path);
                continue;
            }
            if !stored.as_os_str().is_empty() {
                choice.found.insert(stored, Found { path, meta });
            }
        }
    }
    Ok(choice)
}

fn entries(folder: &Path, choice: &mut Choice) -> Vec<(PathBuf, std::ffi::OsString)> {
    let mut all = Vec::new();
    match std::fs::read_dir(folder) {
        Ok(entries) => {
            for entry in entries {
                match entry {
                    Ok(entry) => all.push((entry.path(), entry.file_name())),
                    Err(error) => choice.unreadable.push(format!("{}: {error}", folder.display())),
                }
            }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => choice.unreadable.push(format!("{}: {error}", folder.display())),
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_leave_out_as_tar_does() {
        let excludes = Excludes::parse(["*.log", "logs/archive", "./cache/", "", "tmp?"].into_iter()).unwrap();
        for out in ["a.log", "x/y/a.log", "logs/archive", "app/logs/archive", "cache", "x/cache", "a/tmp1"] {
            assert!(excludes.has(Path::new(out)), "{out}");
        }
        for kept in ["a.log.gz", "logs/archives", "log", "cached", "tmp12", "logs/performance.json"] {
            assert!(!excludes.has(Path::new(kept)), "{kept}");
        }
        assert_eq!(Excludes::parse(["a["].into_iter()).unwrap_err().class, Class::Config);
    }

    #[test]
    fn paths_in_the_archive_never_lead_out_of_it() {
        for (path, expected) in [
            ("/app/configs", "configs"),
            ("/app/./a/../b", "b"),
            ("/etc/hosts", "etc/hosts"),
            ("/app/../etc", "etc"),
            ("/app", ""),
            ("/../../x", "x"),
        ] {
            assert_eq!(stored(Path::new(path), Path::new("/app")), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn what_is_named_and_below_is_found_once() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        for name in ["a/b/c", "a/x.log", "own/old.tar.gz", "d"] {
            std::fs::create_dir_all(base.join(name).parent().unwrap()).unwrap();
            std::fs::write(base.join(name), "x").unwrap();
        }
        let excludes = Excludes::parse(["*.log"].into_iter()).unwrap();
        let paths = [base.to_owned(), base.join("a/b")];
        let choice = choose(&paths, base, &excludes, &base.join("own"), &Cancel::default()).unwrap();
        let names: Vec<&str> = choice.found.keys().map(|path| path.to_str().unwrap()).collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "d"]);
        let missing = choose(&[base.join("none")], base, &excludes, base, &Cancel::default()).unwrap_err();
        assert_eq!(missing.class, Class::Storage);
    }
}
