//! Packing: each thing as tar takes it, hashed while it is read. A file that changes meanwhile is packed with the size that it had and named;
//! one that went is left out and named.

use crate::choose::{Choice, Found};
use crate::manifest::Entry;
use crate::write::Layers;
use ml_common::files::{self, Hashing};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;
use tar::{Builder, EntryType, Header, HeaderMode};

/// What packing showed.
#[derive(Debug, Default)]
pub struct Packed {
    /// What is in the archive, in its order.
    pub entries: Vec<Entry>,
    /// Paths in the archive of files that changed while they were read.
    pub changed: Vec<String>,
    /// Paths of files that went before they were read.
    pub vanished: Vec<String>,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Writes everything that was chosen into `layers`.
///
/// # Errors
/// Class Storage when the archive cannot be written, or something cannot be read: all of that is named.
pub fn pack(choice: &Choice, layers: Layers, to: &Path, cancel: &Cancel) -> Result<(Packed, Layers)> {
    let unwritable = |error: io::Error| files::storage(&error, to, "cannot write");
    let mut unreadable = choice.unreadable.clone();
    let mut packed = Packed::default();
    let mut builder = Builder::new(layers);
    for (stored, found) in &choice.found {
        cancel.check()?;
        let shown = stored.to_string_lossy().into_owned();
        match one(&mut builder, stored, found, cancel) {
            Ok(Some((entry, changed))) => {
                packed.bytes += entry.size;
                if changed {
                    packed.changed.push(shown);
                }
                packed.entries.push(entry);
            }
            Ok(None) => packed.vanished.push(shown),
            Err(Trouble::Source(error)) => unreadable.push(format!("{}: {error}", found.path.display())),
            Err(Trouble::Target(error)) => {
                cancel.check()?;
                return Err(unwritable(error));
            }
        }
    }
    if !unreadable.is_empty() {
        return Err(refused(&unreadable));
    }
    let layers = builder.into_inner().map_err(unwritable)?;
    Ok((packed, layers))
}

fn refused(unreadable: &[String]) -> Failure {
    let (first, more) = unreadable.split_at(unreadable.len().min(3));
    let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
    Failure::new(Class::Storage, format!("cannot read {}{more}", first.join("; ")))
        .hint("give this user permission to read it, or leave it out with ARCHIVE_EXCLUDES; nothing was written")
}

enum Trouble {
    /// With what is packed.
    Source(io::Error),
    /// With the archive.
    Target(io::Error),
}

/// Packs one thing; gives its entry and whether it changed meanwhile, or None when it has gone.
fn one(builder: &mut Builder<Layers>, stored: &Path, found: &Found, cancel: &Cancel) -> Result<Option<(Entry, bool)>, Trouble> {
    let gone = |error: io::Error| if error.kind() == io::ErrorKind::NotFound { Ok(None) } else { Err(Trouble::Source(error)) };
    let path = stored.to_string_lossy().into_owned();
    if found.meta.is_symlink() {
        let target = match std::fs::read_link(&found.path) {
            Ok(target) => target,
            Err(error) => return gone(error),
        };
        let mut header = header(&found.meta);
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, stored, &target).map_err(Trouble::Target)?;
        let target = Some(target.to_string_lossy().into_owned());
        return Ok(Some((Entry { path, kind: "link".into(), mode: mode(&header), target, ..Entry::default() }, false)));
    }
    if found.meta.is_dir() {
        let mut header = header(&found.meta);
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, stored, io::empty()).map_err(Trouble::Target)?;
        return Ok(Some((Entry { path, kind: "folder".into(), mode: mode(&header), ..Entry::default() }, false)));
    }
    let file = match File::open(&found.path) {
        Ok(file) => file,
        Err(error) => return gone(error),
    };
    let before = file.metadata().map_err(Trouble::Source)?;
    if !before.is_file() {
        // Something else has taken its place.
        return Ok(None);
    }
    let mut header = header(&before);
    header.set_entry_type(EntryType::Regular);
    header.set_size(before.len());
    let exactly = Exactly { file, left: before.len(), missing: 0, error: None, cancel };
    let mut source = Hashing::new(exactly);
    builder.append_data(&mut header, stored, &mut source).map_err(Trouble::Target)?;
    let (exactly, sha256, size) = source.finish();
    if let Some(error) = exactly.error {
        return Err(Trouble::Source(error));
    }
    let after = exactly.file.metadata().map_err(Trouble::Source)?;
    let changed = exactly.missing > 0 || after.len() != before.len() || after.modified().ok() != before.modified().ok();
    Ok(Some((Entry { path, kind: "file".into(), size, mode: mode(&header), sha256: Some(sha256), target: None }, changed)))
}

fn header(meta: &Metadata) -> Header {
    let mut header = Header::new_gnu();
    header.set_metadata_in_mode(meta, HeaderMode::Complete);
    header
}

/// The permission bits of a header, as the manifest writes them.
pub fn mode(header: &Header) -> String {
    format!("{:04o}", header.mode().unwrap_or_default() & 0o7777)
}

/// A file, from which exactly so many bytes are read: what it has grown by is left out, what it has lost is zeros. tar has written the size
/// already when the bytes come.
struct Exactly<'a> {
    file: File,
    left: u64,
    missing: u64,
    error: Option<io::Error>,
    cancel: &'a Cancel,
}

impl Read for Exactly<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_set() {
            return Err(io::Error::other("stopped"));
        }
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        if wanted == 0 {
            return Ok(0);
        }
        let out = &mut out[..wanted];
        let length = if self.missing > 0 || self.error.is_some() {
            0
        } else {
            self.file.read(out).unwrap_or_else(|error| {
                self.error = Some(error);
                0
            })
        };
        let length = if length == 0 {
            self.missing += wanted as u64;
            out.fill(0);
            wanted
        } else {
            length
        };
        self.left -= length as u64;
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choose::{Excludes, choose};
    use crate::write::Packing;
    use ml_common::files::NewFile;

    fn packed(folder: &Path, spoil: impl FnOnce(&Path)) -> Result<Packed> {
        let base = folder.join("base");
        std::fs::create_dir_all(&base).unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(base.join(name), "0123456789").unwrap();
        }
        let mut choice = choose(std::slice::from_ref(&base), folder, &Excludes::default(), &folder.join("own"), &Cancel::default())?;
        spoil(&base);
        choice.unreadable.extend(std::fs::read_to_string(folder.join("unreadable")).ok());
        let to = folder.join("x.tar.gz");
        let layers = Layers::new(NewFile::create(&to)?, Packing::Gzip, None)?;
        pack(&choice, layers, &to, &Cancel::default()).map(|(packed, _)| packed)
    }

    #[test]
    fn what_goes_meanwhile_is_left_out_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let packed = packed(folder.path(), |base| std::fs::remove_file(base.join("b")).unwrap()).unwrap();
        assert_eq!(packed.vanished, ["base/b"]);
        let paths: Vec<&str> = packed.entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["base", "base/a", "base/c"]);
        assert_eq!(packed.bytes, 20);
    }

    #[test]
    fn what_cannot_be_read_is_named_and_nothing_is_made() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("unreadable"), "/base/z: permission denied").unwrap();
        let failure = packed(folder.path(), |_| {}).unwrap_err();
        assert!(failure.message.contains("/base/z: permission denied") && failure.class == Class::Storage);
        assert!(!folder.path().join("x.tar.gz").exists());
    }

    #[test]
    fn a_file_that_shrinks_keeps_its_size_in_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "0123456789").unwrap();
        let cancel = Cancel::default();
        let mut exactly = Exactly { file: File::open(&path).unwrap(), left: 10, missing: 0, error: None, cancel: &cancel };
        let mut begin = [0; 4];
        exactly.read_exact(&mut begin).unwrap();
        File::options().write(true).open(&path).unwrap().set_len(6).unwrap();
        let mut rest = Vec::new();
        exactly.read_to_end(&mut rest).unwrap();
        assert_eq!((rest.as_slice(), exactly.missing), (b"45\0\0\0\0".as_slice(), 4));
    }
}
