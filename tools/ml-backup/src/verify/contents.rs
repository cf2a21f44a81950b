//! What is in a backup, unpacked to its end: against its manifest, or by itself as far as that goes.

use super::Means;
use super::file::{Finding, Looked};
use ml_common::people::counted;
use ml_common::signal::Cancel;
use ml_common::{Class, Failure, Result, people};
use ml_dump::layers::{Form, Layers};
use ml_dump::manifest::TableData;
use ml_dump::{Archive, Tally, check, contents, plain, programs, sealed};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Path;

/// So many differences are told.
const TOLD: usize = 3;

/// What an archive was found to hold.
struct Found {
    tally: Tally,
    data: BTreeMap<String, TableData>,
    compression: &'static str,
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
    let found = match Layers::of(path, means.identity.clone()).and_then(|layers| archive(means, path, &layers, &manifest.data)) {
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
    let layers = match Layers::of(path, means.identity.clone()) {
        Ok(layers) => layers,
        Err(failure) => return bad(means, looked, failure),
    };
    let packed = if layers.is_bare() { String::new() } else { format!("unpacked ({}) and ", layers.around.join(", ")) };
    // Their checksums, or tags, are of everything within.
    let sure = layers.around.iter().any(|layer| matches!(*layer, "gzip" | sealed::AGE));
    let unsure = if sure { "" } else { "; bytes that have changed without breaking its form could not be seen" };
    let result = match layers.form {
        Form::Custom => archive(means, path, &layers, &BTreeMap::new()).map(|found| {
            let by_itself = if found.compression == "gzip" { "" } else { unsure };
            looked.rows = Some(found.tally.rows());
            format!("read to its end, {}; what it should hold is not known{by_itself}", counted(found.tally.tables.len(), "table"))
        }),
        Form::Tar if !layers.is_bare() => {
            let read = layers.open().and_then(|bytes| drained(bytes, path));
            read.map(|()| format!("read to its end; what is in its tar file was not looked at{unsure}"))
        }
        Form::Tar | Form::Folder => with_pg_restore(means, path, &layers).map(|tally| {
            looked.rows = Some(tally.rows());
            // The files of a folder are gzip each, unless somebody wanted otherwise.
            format!("read to its end with pg_restore, {}; what it should hold is not known{unsure}", counted(tally.tables.len(), "table"))
        }),
        Form::Plain => {
            let read = layers.open().and_then(|bytes| plain::read(bytes, path));
            read.map(|_| format!("read to the mark at the end of its SQL; its rows were not counted{unsure}"))
        }
    };
    match result {
        Ok(extent) => looked.extent = format!("{packed}{extent}"),
        Err(failure) => return bad(means, looked, failure),
    }
    Ok(())
}

fn drained(mut bytes: impl Read, path: &Path) -> Result<()> {
    io::copy(&mut bytes, &mut io::sink()).map(|_| ()).map_err(|error| contents::unreadable(path, &error.to_string()))
}

/// Reads a form that only pg_restore knows.
fn with_pg_restore(means: &Means<'_>, path: &Path, layers: &Layers) -> Result<Tally> {
    let found = means.programs()?;
    let cancel = &means.stage.cancel;
    let oldest = Archive::read(layers.open()?).map_or(0, |archive| archive.oldest_reader());
    let programs = programs::for_restore(&found, oldest, 0)?;
    if layers.form == Form::Folder && !programs.on_this_machine() {
        return Err(Failure::new(Class::Usage, format!("a program in a container cannot open the folder {}", path.display()))
            .hint("verify it without --via"));
    }
    let _waiting = people::waiting("unpacking");
    let read = if layers.form == Form::Folder { contents::read_folder } else { contents::read };
    Ok(read(programs, path, cancel)?.tally)
}

/// Reads an archive to its end; with pg_restore, where its compression is not known here.
fn archive(means: &Means<'_>, path: &Path, layers: &Layers, data: &BTreeMap<String, TableData>) -> Result<Found> {
    let cancel: &Cancel = &means.stage.cancel;
    let head = Archive::read(layers.open()?)?;
    let compression = head.compression;
    if compression == "lz4" && layers.is_bare() {
        let found = means.programs()?;
        let contents = contents::read(programs::for_restore(&found, head.oldest_reader(), 0)?, path, cancel)?;
        return Ok(Found { tally: contents.tally, data: contents.data, compression });
    }
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let bytes = path.metadata().map(|meta| meta.len()).unwrap_or_default();
    let bar = people::amount("unpacking", bytes);
    let checked = check::read(bar.wrap_read(layers.open()?), &check::Options::new(jobs, cancel, data))?;
    bar.finish_and_clear();
    Ok(Found { tally: checked.tally, data: checked.data, compression })
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
