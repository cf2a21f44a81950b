//! What is in a backup, unpacked to its end: against its manifest, or by itself as far as that goes.

use super::Means;
use super::file::{Finding, Looked};
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, people};
use ml_dump::form::{self, Form, Layer, Opened};
use ml_dump::manifest::TableData;
use ml_dump::{Archive, Tally, check, contents, programs, sealed};
use std::collections::BTreeMap;
use std::path::Path;

/// So many differences are told.
const TOLD: usize = 3;

/// What an archive was found to hold.
struct Found {
    tally: Tally,
    data: BTreeMap<String, TableData>,
}

/// Compares with the manifest, whose hash the file has.
///
/// # Errors
/// As [`super::file::look`].
pub fn against(means: &Means<'_>, path: &Path, looked: &mut Looked) -> Result<()> {
    let Some(manifest) = &looked.manifest else { return Ok(()) };
    if sealed::is_sealed(path)? && means.identity.is_none() {
        looked.rows = Some(manifest.rows);
        looked.extent = "every byte is as its manifest says; it is encrypted, so its rows were counted when it was made and not now \
            (--identity FILE reads them)"
            .into();
        return Ok(());
    }
    let found = match archive(means, path, form::open(path, means.identity.as_deref())?, &manifest.data) {
        Ok(found) => found,
        Err(failure) => return bad(means, looked, failure),
    };
    let mut differences = manifest.tally().differences(&found.tally);
    if !manifest.data.is_empty() {
        differences.extend(check::differences(&manifest.data, &found.data));
    }
    looked.rows = Some(found.tally.rows());
    looked.extent = if manifest.data.is_empty() {
        "every byte and the number of rows are as its manifest says; an older version made it, without fingerprints of the rows".into()
    } else {
        "every byte, every row and every fingerprint is as its manifest says".into()
    };
    let more = differences.len().saturating_sub(TOLD);
    looked.findings.extend(differences.into_iter().take(TOLD).map(Finding::bad));
    if more > 0 {
        looked.findings.push(Finding::bad(format!("and {more} more differences")));
    }
    Ok(())
}

/// Reads what has no manifest, as far as that goes.
///
/// # Errors
/// As [`super::file::look`].
pub fn alone(means: &Means<'_>, path: &Path, looked: &mut Looked) -> Result<()> {
    let opened = match form::open(path, means.identity.as_deref()) {
        Ok(opened) => opened,
        // A dump for which there is no key is not read at all, and nobody should take that for good.
        Err(failure) if failure.class == Class::Config => return Err(failure),
        Err(failure) => return bad(means, looked, failure),
    };
    let packed: Vec<String> = opened.layers.iter().map(Layer::to_string).collect();
    let packed = if packed.is_empty() { String::new() } else { format!("unpacked ({}) and ", packed.join(", ")) };
    // Their checksums, or tags, are of everything within.
    let sure = opened.layers.iter().any(|layer| *layer != Layer::Zstd);
    let unsure = "; bytes that have changed without breaking its form could not be seen";
    match opened.form {
        Form::Archive => {
            let compression = head(means, path)?.map(|archive| archive.compression);
            match archive(means, path, opened, &BTreeMap::new()) {
                Ok(found) => {
                    looked.rows = Some(found.tally.rows());
                    let by_itself = compression == Some("gzip");
                    let unsure = if sure || by_itself { "" } else { unsure };
                    let tables = found.tally.tables.len();
                    looked.extent = format!("{packed}read to its end, {tables} tables; what it should hold is not known{unsure}");
                }
                Err(failure) => return bad(means, looked, failure),
            }
        }
        Form::Sql => match form::read_sql(opened.reader, path) {
            Ok(_) => {
                let unsure = if sure { "" } else { unsure };
                looked.extent = format!("{packed}read to the mark at the end of its SQL; its rows were not counted{unsure}");
            }
            Err(failure) => return bad(means, looked, failure),
        },
        Form::Empty => looked.findings.push(Finding::bad("it is empty")),
        Form::Unknown => looked.findings.push(Finding::bad("it is neither an archive of pg_dump nor SQL")),
    }
    if looked.extent.is_empty() {
        looked.extent = "nothing in it could be read".into();
    }
    Ok(())
}

/// The head of an archive; `None` when it cannot be read.
fn head(means: &Means<'_>, path: &Path) -> Result<Option<Archive>> {
    Ok(Archive::read(form::open(path, means.identity.as_deref())?.reader).ok())
}

/// Reads an archive to its end; with pg_restore, where its compression is not known here.
fn archive(means: &Means<'_>, path: &Path, opened: Opened, data: &BTreeMap<String, TableData>) -> Result<Found> {
    let cancel: &Cancel = &means.stage.cancel;
    if let Some(archive) = head(means, path)?
        && archive.compression == "lz4"
        && opened.layers.is_empty()
    {
        let found = means.programs()?;
        let contents = contents::read(programs::for_restore(&found, archive.oldest_reader(), 0)?, path, cancel)?;
        return Ok(Found { tally: contents.tally, data: contents.data });
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let bytes = path.metadata().map(|meta| meta.len()).unwrap_or_default();
    let bar = people::amount("unpacking", bytes);
    let checked = check::read(bar.wrap_read(opened.reader), &check::Options::new(jobs, cancel, data))?;
    bar.finish_and_clear();
    Ok(Found { tally: checked.tally, data: checked.data })
}

/// What is wrong with the file is a finding; what kept us from looking is a failure.
fn bad(means: &Means<'_>, looked: &mut Looked, failure: Failure) -> Result<()> {
    means.stage.cancel.check()?;
    if failure.class != Class::Storage {
        return Err(failure);
    }
    looked.findings.push(Finding::bad(failure.message));
    looked.extent = "it could not be read to its end".into();
    Ok(())
}
