//! The metrics of Prometheus as a textfile for its node exporter, with the names that ml-serve uses.

use ml_common::files::{NewFile, storage};
use ml_common::record::{Body, Record};
use ml_common::{Class, Failure, Result, platform};
use ml_watch::exposition::Page;
use std::io::Write;
use std::path::Path;

/// The page of these records.
pub fn page<'a>(records: impl Iterator<Item = &'a Record>) -> String {
    let mut page = Page::default();
    for record in records {
        if let Body::Check(check) = &record.body {
            page.check(&record.head, check);
        }
    }
    page.text()
}

/// Writes it as a whole, in place of the last one; the exporter may read it.
///
/// # Errors
/// Class Storage; the last one stays then.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let failure = Failure::new(Class::Storage, format!("there is no folder {} to write {} in", folder.display(), path.display()));
        return Err(failure.hint("make it, or name a folder that is there: the one of the exporter's --collector.textfile.directory"));
    }
    let mut file = NewFile::create(path)?;
    file.file().write_all(text.as_bytes()).map_err(|error| storage(&error, path, "cannot write"))?;
    platform::let_others_read(file.file()).map_err(|error| storage(&error, path, "cannot let others read"))?;
    file.replace().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        for name in ["none", "file"] {
            let failure = write(&folder.path().join(name).join("health.prom"), "a 1\n").unwrap_err();
            assert!(failure.class == Class::Storage && failure.message.starts_with("there is no folder"), "{failure:?}");
        }
    }

    #[test]
    fn a_textfile_is_replaced_as_a_whole_and_readable_by_the_exporter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("health.prom");
        write(&path, "a 1\n").unwrap();
        write(&path, "a 2\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a 2\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        }
    }
}
