//! Whether the rows are those that were backed up: their number, and where the manifest has fingerprints, the rows themselves.

use super::fingerprints::{self, Found};
use super::{Expected, Outcome, Roots, Verdict, skipped, tell};
use crate::server::Server;
use ml_common::Result;
use ml_common::people::counted;
use ml_common::stage::Stage;
use ml_dump::manifest::TableData;
use ml_dump::tables;
use postgres::Client;
use std::collections::BTreeMap;
use std::time::Instant;

const HINT: &str = "this backup cannot be relied on: use another, and run ml-backup again";

/// Where the rows are.
pub(super) struct Place<'a> {
    pub(super) server: &'a Server,
    pub(super) database: &'a str,
}

/// Reads every table once: those with a fingerprint for it, the others for their number of rows.
pub(super) fn verify(stage: &Stage, place: &Place<'_>, client: &mut Client, expected: &Expected<'_>, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let list = tables::list(client)?;
    let known = expected.manifest.map(|manifest| &manifest.data).filter(|data| data.values().any(|data| !data.fingerprint.is_empty()));
    let found = match (known, expected.manifest) {
        (Some(_), Some(manifest)) => fingerprints::of(stage, place, client, manifest, &list, expected.jobs)?,
        _ => BTreeMap::new(),
    };
    let took = Instant::now();
    let uncounted: Vec<tables::Table> = list.into_iter().filter(|table| !found.contains_key(&table.shown())).collect();
    let mut tally = tables::count(client, &uncounted)?;
    tally.tables.extend(found.iter().filter(|(_, found)| !found.partitioned).map(|(name, found)| (name.clone(), found.print.rows())));
    Roots::read(client)?.fold(&mut tally, expected.tally);
    counts(stage, expected, tally, began, verdict);
    match known {
        Some(known) => compare(stage, known, &found, began.elapsed().saturating_sub(took.elapsed()), verdict),
        None => skipped(stage, &["verify.fingerprints"], "no manifest with fingerprints is beside the dump"),
    }
    Ok(())
}

pub(super) fn counts(stage: &Stage, expected: &Expected<'_>, mut found: ml_dump::Tally, began: Instant, verdict: &mut Verdict) {
    let (count, rows) = (found.tables.len(), found.rows());
    if !expected.whole {
        found.tables.retain(|name, _| expected.tally.tables.contains_key(name));
    }
    let differences = expected.tally.differences(&found);
    let summary = match differences.first() {
        None => format!("{} in {}, as backed up", counted(rows, "row"), counted(count, "table")),
        Some(first) => format!("{} of {count} tables are not as backed up: {first}", differences.len()),
    };
    let metrics = [("rows", rows.into()), ("tables", count.into()), ("large_objects", found.large_objects.into())];
    let problems = differences.len() as u64;
    let outcome = Outcome { id: "verify.counts", began, problems, unit: "tables", evidence: differences, summary, hint: HINT };
    let bad = tell(stage, verdict, outcome, &metrics);
    verdict.rows_wrong |= bad;
    (verdict.rows, verdict.tables) = (rows, count as u64);
    verdict.told.push(format!("{}, {}", counted(count, "table"), counted(rows, "row")));
}

fn compare(
    stage: &Stage,
    known: &BTreeMap<String, TableData>,
    found: &BTreeMap<String, Found>,
    took: std::time::Duration,
    verdict: &mut Verdict,
) {
    let known: Vec<_> = known.iter().filter(|(_, data)| !data.fingerprint.is_empty()).collect();
    let mut wrong = Vec::new();
    for (name, data) in &known {
        match found.get(*name) {
            None => wrong.push(format!("{name} cannot be read in the columns that were backed up")),
            Some(found) if found.print.to_string() != data.fingerprint => wrong.push(if found.print.rows() == data.rows {
                format!("{name} has other rows than were backed up, as many ({})", data.rows)
            } else {
                format!("{name} has other rows than were backed up: {} and not {}", found.print.rows(), data.rows)
            }),
            Some(_) => {}
        }
    }
    verdict.fingerprints = (known.len() - wrong.len()) as u64;
    let bytes: u64 = found.values().map(|found| found.bytes).sum();
    let summary = match wrong.first() {
        None => format!("the rows of {} tables are those that were backed up", known.len()),
        Some(first) => format!("{} of {} tables hold other rows: {first}", wrong.len(), known.len()),
    };
    if wrong.is_empty() {
        verdict.told.push(format!("{} fingerprints equal", known.len()));
    }
    let began = Instant::now().checked_sub(took).unwrap_or_else(Instant::now);
    let metrics = [("fingerprints", known.len().into()), ("copy_bytes", bytes.into())];
    let problems = wrong.len() as u64;
    let outcome = Outcome { id: "verify.fingerprints", began, problems, unit: "tables", evidence: wrong, summary, hint: HINT };
    let bad = tell(stage, verdict, outcome, &metrics);
    verdict.rows_wrong |= bad;
}
