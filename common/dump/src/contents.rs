//! What a dump holds: rows a table, and large objects.

use crate::copytext::Counter;
use crate::manifest::TableData;
use crate::programs::Programs;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, child};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Rows a table, in the spelling of [`crate::tables::shown`], and the number of large objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows a table.
    pub tables: BTreeMap<String, u64>,
    /// Large objects.
    pub large_objects: u64,
}

impl Tally {
    /// The rows of all tables.
    pub fn rows(&self) -> u64 {
        self.tables.values().sum()
    }

    /// Where `found` is not as expected, a sentence each: missing and unknown tables, other numbers of rows.
    pub fn differences(&self, found: &Tally) -> Vec<String> {
        let names: BTreeSet<&String> = self.tables.keys().chain(found.tables.keys()).collect();
        let mut told: Vec<String> = names
            .into_iter()
            .filter_map(|name| match (self.tables.get(name), found.tables.get(name)) {
                (Some(expected), Some(found)) if expected == found => None,
                (Some(expected), Some(found)) => Some(format!("{name} has {found} rows and should have {expected}")),
                (Some(expected), None) => Some(format!("{name} is missing and should have {expected} rows")),
                (None, found) => Some(format!("{name} has {} rows and should not be there", found.copied().unwrap_or_default())),
            })
            .collect();
        if self.large_objects != found.large_objects {
            told.push(format!("there are {} large objects and should be {}", found.large_objects, self.large_objects));
        }
        told
    }
}

/// What reading a dump from its first to its last byte showed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Contents {
    /// What it holds.
    pub tally: Tally,
    /// The rows of each table, without segments.
    pub data: BTreeMap<String, TableData>,
    /// Size of its rows as text, uncompressed.
    pub text_bytes: u64,
}

/// Reads the whole archive with pg_restore, which unpacks every block, and counts what comes out. No database is touched.
///
/// # Errors
/// Class Storage when the file is damaged, and those of [`child::run`].
pub fn read(programs: &Programs, path: &Path, cancel: &Cancel) -> Result<Contents> {
    unpacked(programs.command("pg_restore", None), open(path)?, path, cancel)
}

/// The same of a folder (`pg_dump -Fd`), which cannot be given as standard input.
///
/// # Errors
/// As [`read`].
pub fn read_folder(programs: &Programs, path: &Path, cancel: &Cancel) -> Result<Contents> {
    let mut command = programs.command("pg_restore", None);
    command.arg(path);
    unpacked(command, Stdio::null(), path, cancel)
}

fn unpacked(mut command: Command, stdin: Stdio, path: &Path, cancel: &Cancel) -> Result<Contents> {
    command.args(["--data-only", "--file=-"]);
    let mut text_bytes = 0;
    let consume = |out: &mut dyn Read| {
        let mut counter = Counter::default();
        let mut piece = vec![0; 1 << 16];
        loop {
            let length = out.read(&mut piece).map_err(|error| Failure::new(Class::General, format!("reading from pg_restore: {error}")))?;
            if length == 0 {
                return Ok(counter.finish());
            }
            text_bytes += length as u64;
            counter.push(&piece[..length])?;
        }
    };
    let (ended, read) = child::run_fed(command, stdin, cancel, None, consume)?;
    if !ended.status.success() {
        return Err(unreadable(path, &ended.said()));
    }
    let (all, large_objects) = read?;
    Ok(Contents { tally: all.tally(large_objects), data: all.into_data(), text_bytes })
}

/// Asks pg_restore for the list of contents: that it gives one shows that stock programs understand the file.
///
/// # Errors
/// Class Storage when it does not, and those of [`child::run`].
pub fn listed(programs: &Programs, path: &Path, cancel: &Cancel) -> Result<()> {
    let mut command = programs.command("pg_restore", None);
    command.arg("--list");
    let sink = |out: &mut dyn Read| {
        let _ = std::io::copy(out, &mut std::io::sink());
        Ok(())
    };
    let (ended, ()) = child::run_fed(command, open(path)?, cancel, None, sink)?;
    // Built without a compression it says so and gives the list all the same.
    if ended.status.success() && !ended.stderr.contains("does not support") { Ok(()) } else { Err(unreadable(path, &ended.said())) }
}

/// The archive as a child's standard input, which serves programs on this machine and in a container alike.
///
/// # Errors
/// Class Storage when it cannot be opened.
pub fn open(path: &Path) -> Result<Stdio> {
    File::open(path).map(Stdio::from).map_err(|error| ml_common::files::storage(&error, path, "cannot read"))
}

/// pg_restore could not read the file.
pub fn unreadable(path: &Path, said: &str) -> Failure {
    let said = said.replace("pg_restore: ", "");
    Failure::new(Class::Storage, format!("{} cannot be read whole: {said}", path.display()))
        .hint("the file is damaged or cut off; use another backup")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(tables: &[(&str, u64)], large_objects: u64) -> Tally {
        Tally { tables: tables.iter().map(|(name, rows)| ((*name).to_owned(), *rows)).collect(), large_objects }
    }

    #[test]
    fn differences_are_told_in_both_directions() {
        let expected = tally(&[("a", 1), ("b", 2), ("c", 0)], 1);
        assert_eq!(expected.differences(&expected), Vec::<String>::new());
        let found = tally(&[("a", 2), ("c", 0), ("d", 0)], 0);
        let told = [
            "a has 2 rows and should have 1",
            "b is missing and should have 2 rows",
            "d has 0 rows and should not be there",
            "there are 0 large objects and should be 1",
        ];
        assert_eq!(expected.differences(&found), told);
        assert_eq!(found.rows(), 2);
    }
}
