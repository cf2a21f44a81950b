//! What may come out of an archive: nothing that leaves the folder it is unpacked into, whatever the archive says. Pure.
//!
//! Folders and files come first, links last, so that nothing is ever written through a link of the archive; a link may go up only at its
//! beginning and not above the folder, so that no chain of links leads out either.

use crate::read::{Item, What};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// The path below the folder, or why there is none.
pub fn below(path: &Path) -> Result<PathBuf, String> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => {
                let text = name.to_string_lossy();
                // What is a plain name here leads elsewhere on Windows.
                if cfg!(windows) && text.contains(['\\', ':']) {
                    return Err("it is no plain path".into());
                }
                if text.contains('\0') {
                    return Err("it is no plain path".into());
                }
                clean.push(name);
            }
            Component::CurDir => {}
            Component::ParentDir => return Err("it has `..` in it".into()),
            Component::RootDir | Component::Prefix(_) => return Err("it is absolute".into()),
        }
    }
    Ok(clean)
}

/// Whether a link at `path` (below the folder) stays in the folder.
fn stays(path: &Path, target: &Path) -> Result<(), String> {
    let mut up = path.components().count().saturating_sub(1);
    let mut down = false;
    for part in target.components() {
        match part {
            Component::CurDir => {}
            Component::Normal(name) if cfg!(windows) && name.to_string_lossy().contains(['\\', ':']) => {
                return Err("it is no plain path".into());
            }
            Component::Normal(_) => down = true,
            // After a name, `..` may mean the parent of what another link points to.
            Component::ParentDir if down => return Err("it goes down and up again".into()),
            Component::ParentDir if up == 0 => return Err("it leads out of the folder".into()),
            Component::ParentDir => up -= 1,
            Component::RootDir | Component::Prefix(_) => return Err("it is absolute".into()),
        }
    }
    Ok(())
}

/// Looks at the entries of an archive one after another.
#[derive(Debug, Default)]
pub struct Guard {
    files: BTreeSet<PathBuf>,
    links: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Guard {
    /// The path below the folder that an entry is unpacked to; empty for the folder itself.
    ///
    /// # Errors
    /// Why it is not unpacked.
    pub fn admit(&mut self, item: &Item) -> Result<PathBuf, String> {
        let path = below(&item.path)?;
        if path.as_os_str().is_empty() {
            return if item.what == What::Folder { Ok(path) } else { Err("it has no name".into()) };
        }
        for above in path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
            if self.links.contains(above) || self.files.contains(above) {
                return Err("it lies below what is no folder".into());
            }
        }
        let again = self.files.contains(&path) || self.links.contains(&path) || (item.what != What::Folder && self.folders.contains(&path));
        if again {
            return Err("it is there twice".into());
        }
        match (item.what, &item.target) {
            (What::Other, _) => return Err("it is a device, a pipe, or of an unknown kind".into()),
            (What::Link, None) | (What::HardLink, None) => return Err("it is a link to nothing".into()),
            (What::Link, Some(target)) => {
                stays(&path, target).map_err(|why| format!("it is a link, and {why}"))?;
                self.links.insert(path.clone());
            }
            (What::HardLink, Some(target)) => {
                if !self.files.contains(&below(target)?) {
                    return Err("it is a second name of a file that does not come before".into());
                }
                self.files.insert(path.clone());
            }
            (What::File, _) => {
                self.files.insert(path.clone());
            }
            (What::Folder, _) => {
                self.folders.insert(path.clone());
            }
        }
        self.folders.extend(path.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).map(Path::to_owned));
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(path: &str, what: What, target: Option<&str>) -> Item {
        Item { path: path.into(), what, target: target.map(PathBuf::from), ..Item::default() }
    }

    fn admit(items: &[(&str, What, Option<&str>)]) -> Vec<bool> {
        let mut guard = Guard::default();
        items.iter().map(|(path, what, target)| guard.admit(&item(path, *what, *target)).is_ok()).collect()
    }

    #[test]
    fn plain_things_come_out() {
        use What::{File, Folder, HardLink, Link};
        let good = [
            ("./", Folder, None),
            ("a/", Folder, None),
            ("a/b", File, None),
            ("./a/c", File, None),
            ("a/d", HardLink, Some("a/b")),
            ("a/l", Link, Some("b")),
            ("a/e/m", Link, Some("../../a/b")),
            ("l", Link, Some("a/e")),
            ("a", Folder, None),
        ];
        assert_eq!(admit(&good), [true; 9]);
    }

    #[test]
    fn nothing_leads_out() {
        use What::{File, Folder, HardLink, Link, Other};
        for bad in [
            ("/etc/passwd", File, None),
            ("../x", File, None),
            ("a/../../x", File, None),
            ("a/..", Folder, None),
            ("", File, None),
            (".", File, None),
            ("l", Link, Some("/etc")),
            ("l", Link, Some("..")),
            ("a/l", Link, Some("../..")),
            ("l", Link, Some("a/../b")),
            ("a/b/l", Link, Some("s/../../../x")),
            ("l", Link, None),
            ("h", HardLink, Some("/etc/passwd")),
            ("h", HardLink, Some("../x")),
            ("h", HardLink, Some("not-there")),
            ("d", Other, None),
        ] {
            assert_eq!(admit(&[bad]), [false], "{bad:?}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_or_twice() {
        use What::{File, Folder, HardLink, Link};
        assert_eq!(admit(&[("l", Link, Some("a")), ("l/x", File, None)]), [true, false]);
        assert_eq!(admit(&[("l", Link, Some("a")), ("l", Folder, None)]), [true, false]);
        assert_eq!(admit(&[("l", Link, Some("a")), ("h", HardLink, Some("l"))]), [true, false]);
        assert_eq!(admit(&[("f", File, None), ("f", File, None)]), [true, false]);
        assert_eq!(admit(&[("f", File, None), ("f/x", File, None)]), [true, false]);
        assert_eq!(admit(&[("d/x", File, None), ("d", Link, Some("e"))]), [true, false]);
    }
}
