//! Reads a new dump back to its last byte and compares what is in it with what was copied or counted.

use crate::make::{By, Made, Means};
use crate::sealing::{Sealed, Written};
use ml_common::files;
use ml_common::people::counted;
use ml_common::record::{Status, Step};
use ml_common::{Class, Failure, Result, people};
use ml_dump::archive::Archive;
use ml_dump::check::{self, Options};
use ml_dump::copystmt::CopyStatement;
use ml_dump::manifest::TableData;
use ml_dump::tables::shown;
use ml_dump::{Tally, contents};
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::Instant;

/// A dump as it was read back.
pub struct Verified {
    /// Lower-case hex SHA-256 of the file.
    pub sha256: String,
    /// Its size.
    pub bytes: u64,
    /// What is in it.
    pub tally: Tally,
    /// The rows of each table.
    pub data: BTreeMap<String, TableData>,
    /// The encoding of the rows.
    pub encoding: String,
}

/// Reads it, and says so in a record.
///
/// # Errors
/// Class Storage when it is not what it should be.
pub fn verified(means: &Means<'_>, made: &Made) -> Result<Verified> {
    let began = Instant::now();
    let (verified, differences) = match (&made.written, &made.by) {
        (Written::Plain(file), By::Parallel(data, encoding)) => ours(means, file.temporary_path(), &made.expected, data, encoding)?,
        (Written::Plain(file), By::Stock(_)) => stock(means, file.temporary_path(), &made.expected)?,
        (Written::Sealed(sealed), by) => passed(sealed, &made.expected, by)?,
    };
    let step = Step {
        id: "verify".into(),
        rows: Some(verified.tally.rows()),
        bytes: Some(verified.bytes),
        duration_ms: Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
        ..Step::default()
    };
    if differences.is_empty() {
        let how = if matches!(made.by, By::Parallel(..)) { "copied" } else { "counted" };
        let read = if matches!(made.written, Written::Sealed(_)) { "read before they were encrypted," } else { "read back" };
        let summary =
            format!("{} of {} {read} as {how}", counted(verified.tally.rows(), "row"), counted(verified.tally.tables.len(), "table"));
        means.stage.step(Status::Ok, Step { summary, ..step });
        return Ok(verified);
    }
    let hint = "the file was not kept; check disk and memory of this machine, and run ml-backup again";
    let summary = format!("the dump does not hold what the database held: {}", told(&differences));
    let failed = Step { summary: summary.clone(), hint: Some(hint.into()), error_class: Some("storage".into()), ..step };
    means.stage.step(Status::Crit, failed);
    Err(Failure::new(Class::Storage, summary).hint(hint))
}

/// By our own reader, on all cores; that stock pg_restore understands the contents is asked of itself.
fn ours(
    means: &Means<'_>,
    path: &Path,
    expected: &Tally,
    data: &BTreeMap<String, TableData>,
    encoding: &str,
) -> Result<(Verified, Vec<String>)> {
    let file = File::open(path).map_err(|error| files::storage(&error, path, "cannot read"))?;
    let bar = people::amount("verifying", file.metadata().map(|meta| meta.len()).unwrap_or_default());
    let checked = check::read(bar.wrap_read(file), &Options::new(means.jobs, &means.stage.cancel, data))
        .map_err(|failure| failure.context(path.display()))?;
    bar.finish_and_clear();
    contents::listed(means.programs, path, &means.stage.cancel)?;
    let mut differences = expected.differences(&checked.tally);
    if differences.is_empty() {
        differences = checked.differences(data);
    }
    let check::Checked { sha256, bytes, tally, data, .. } = checked;
    Ok((Verified { sha256, bytes, tally, data, encoding: encoding.to_owned() }, differences))
}

/// By pg_restore, which understands whatever pg_dump writes.
fn stock(means: &Means<'_>, path: &Path, expected: &Tally) -> Result<(Verified, Vec<String>)> {
    let _waiting = people::waiting("verifying");
    let (sha256, bytes) = files::sha256(path)?;
    let read = contents::read(means.programs, path, &means.stage.cancel)?;
    // Of a form that is not known here, the contents can still be restored.
    let archive = Archive::open(path).unwrap_or_default();
    let differences = loaded_into(expected, &archive).differences(&read.tally);
    let encoding = archive.encoding().unwrap_or_default();
    Ok((Verified { sha256, bytes, tally: read.tally, data: read.data, encoding }, differences))
}

/// What was read on its way to being encrypted; of what lies on the disk, every byte is read back.
fn passed(sealed: &Sealed, expected: &Tally, by: &By) -> Result<(Verified, Vec<String>)> {
    sealed.read_back()?;
    let checked = &sealed.checked;
    let differences = match by {
        By::Parallel(data, _) => {
            let counts = expected.differences(&checked.tally);
            if counts.is_empty() { checked.differences(data) } else { counts }
        }
        By::Stock(_) => loaded_into(expected, &checked.archive).differences(&checked.tally),
    };
    let mut data = checked.data.clone();
    // Their places are within the plain text.
    data.values_mut().for_each(|table| table.segments.clear());
    let encoding = checked.archive.encoding().unwrap_or_default();
    let (sha256, bytes, tally) = (sealed.sha256.clone(), sealed.bytes, checked.tally.clone());
    Ok((Verified { sha256, bytes, tally, data, encoding }, differences))
}

/// The same numbers by the tables that take the rows: some partitions are dumped by way of the table that they are of.
fn loaded_into(counted: &Tally, archive: &Archive) -> Tally {
    let rows = archive.entries.iter().filter(|entry| entry.desc == "TABLE DATA");
    let takers: BTreeMap<String, String> = rows
        .filter_map(|entry| Some((shown(&entry.namespace, &entry.tag), CopyStatement::parse(&entry.copy)?.shown())))
        .filter(|(from, to)| from != to)
        .collect();
    let mut tally = Tally { large_objects: counted.large_objects, ..Tally::default() };
    for (table, rows) in &counted.tables {
        *tally.tables.entry(takers.get(table).unwrap_or(table).clone()).or_default() += rows;
    }
    tally
}

fn told(differences: &[String]) -> String {
    let more = differences.len().saturating_sub(3);
    let first = differences[..differences.len() - more].join("; ");
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_dump::archive::Entry;

    #[test]
    fn rows_of_partitions_are_expected_where_they_are_loaded() {
        let entry = |name: &str, into: &str| Entry {
            desc: "TABLE DATA".into(),
            namespace: "s".into(),
            tag: name.into(),
            copy: format!("COPY s.{into} (a) FROM stdin;\n"),
            ..Entry::default()
        };
        let archive = Archive { entries: vec![entry("leaf1", "root"), entry("leaf2", "root"), entry("t", "t")], ..Archive::default() };
        let counted = Tally {
            tables: [("s.leaf1", 1), ("s.leaf2", 2), ("s.t", 4), ("s.gone", 8)].map(|(name, rows)| (name.into(), rows)).into(),
            large_objects: 3,
        };
        let expected = [("s.root", 3), ("s.t", 4), ("s.gone", 8)].map(|(name, rows)| (name.to_owned(), rows));
        assert_eq!(loaded_into(&counted, &archive), Tally { tables: expected.into(), large_objects: 3 });
    }

    #[test]
    fn three_differences_are_enough() {
        let all: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(told(&all), "a; b; c; and 2 more");
        assert_eq!(told(&all[..2]), "a; b");
    }
}
