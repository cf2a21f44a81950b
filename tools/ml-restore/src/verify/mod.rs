//! Whether what was restored is what was backed up, and sound.

pub mod fingerprints;
mod ledger;
mod objects;
mod roots;
mod rows;

pub use roots::Roots;

use crate::cli::Cli;
use crate::scratch::jobs;
use crate::server::Server;
use crate::source::Source;
use ml_common::Result;
use ml_common::record::{Check, Scalar, Status};
use ml_common::stage::Stage;
use ml_dump::{Archive, Manifest, Tally};
use ml_ledger::{Sample, Shape};
use std::time::Instant;

/// Findings that a record quotes.
const TOLD: usize = 10;

/// The ids of the checks, in their order.
pub const CHECKS: [&str; 8] = [
    "verify.counts",
    "verify.fingerprints",
    "verify.sequences",
    "verify.indexes",
    "verify.constraints",
    "verify.base-theory",
    "verify.chain",
    "verify.theorems",
];

/// What the restored database is held against.
#[derive(Clone, Copy)]
pub struct Expected<'a> {
    /// Rows a table, and large objects.
    pub tally: &'a Tally,
    /// Whether tables that `tally` does not name should not be there; a plain SQL dump need not name all.
    pub whole: bool,
    /// What ml-backup wrote beside the dump.
    pub manifest: Option<&'a Manifest>,
    /// The table of contents, where there is one.
    pub archive: Option<&'a Archive>,
    /// How many theorems are proven again.
    pub sample: Sample,
    /// Connections side by side.
    pub jobs: usize,
}

impl<'a> Expected<'a> {
    /// What `source` says of itself, and the call of how much is to be proven.
    pub fn of(cli: &Cli, source: &'a Source, tally: &'a Tally) -> Expected<'a> {
        Expected {
            tally,
            whole: source.plain.is_none(),
            manifest: source.manifest.as_ref(),
            archive: source.contents_table(),
            sample: cli.sample(),
            jobs: jobs(cli),
        }
    }
}

/// What the checks came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// What was restored is not what was backed up.
    pub rows_wrong: bool,
    /// The rows may be right, but they are no sound ledger.
    pub ledger_wrong: bool,
    /// Rows found.
    pub rows: u64,
    /// Tables found.
    pub tables: u64,
    /// Tables whose fingerprints are as backed up.
    pub fingerprints: u64,
    /// Theorems proven again.
    pub theorems: u64,
    /// What was looked at and found good: `counts`, `chain`.
    pub checks: Vec<String>,
    /// For people: `12 tables, 345 rows, 2 blocks intact, 3 of 3 theorems proven again`.
    pub told: Vec<String>,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        !self.rows_wrong && !self.ledger_wrong
    }
}

/// Compares the rows and what belongs to them, and looks into the ledger when it is one.
///
/// # Errors
/// Class Database when the restored database cannot be read, Interrupted and Terminated.
pub fn verify(stage: &Stage, server: &Server, database: &str, expected: &Expected<'_>) -> Result<Verdict> {
    let mut client = server.connect(database)?;
    let _hook = stage.cancel.when_set(server.canceller(&client));
    let verified = looked(stage, server, database, &mut client, expected);
    // A query that a signal has ended fails in its own words; the signal is the reason.
    stage.cancel.check()?;
    verified
}

fn looked(stage: &Stage, server: &Server, database: &str, client: &mut postgres::Client, expected: &Expected<'_>) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    rows::verify(stage, &rows::Place { server, database }, client, expected, &mut verdict)?;
    if let Some(archive) = expected.archive {
        for check in [objects::sequences, objects::indexes, objects::constraints] {
            stage.cancel.check()?;
            check(stage, client, archive, &mut verdict)?;
        }
    } else {
        skipped(stage, &CHECKS[2..5], "plain SQL has no table of contents to compare with; psql ran every statement");
    }
    stage.cancel.check()?;
    let shape = Shape::discover(client)?;
    if !shape.is_ledger() {
        skipped(stage, &CHECKS[5..], &format!("not a ledger: it lacks {}", shape.missing().join(", ")));
        return Ok(verdict);
    }
    ledger::base_theory(stage, client, &shape, &mut verdict)?;
    ledger::chain(stage, client, &shape, &mut verdict)?;
    ledger::theorems(stage, client, &shape, expected.sample, &mut verdict)?;
    Ok(verdict)
}

/// Holds the rows of a part of a dump against their numbers.
pub fn part(stage: &Stage, wanted: &Tally, found: &Tally) -> Verdict {
    let mut verdict = Verdict::default();
    let expected = Expected { tally: wanted, whole: true, manifest: None, archive: None, sample: Sample::Random(0), jobs: 1 };
    rows::counts(stage, &expected, found.clone(), Instant::now(), &mut verdict);
    verdict
}

fn skipped(stage: &Stage, ids: &[&str], why: &str) {
    for id in ids {
        stage.check(Status::Skipped, Check { id: (*id).into(), summary: why.to_owned(), ..Check::default() });
    }
}

/// The outcome of one look: how many findings, the first of them, and the words for people.
struct Outcome<'a> {
    id: &'a str,
    began: Instant,
    problems: u64,
    unit: &'a str,
    evidence: Vec<String>,
    summary: String,
    hint: &'a str,
}

/// Tells it; gives whether it is bad.
fn tell(stage: &Stage, verdict: &mut Verdict, outcome: Outcome<'_>, metrics: &[(&str, Scalar)]) -> bool {
    let bad = outcome.problems > 0;
    if !bad {
        verdict.checks.push(outcome.id.trim_start_matches("verify.").to_owned());
    }
    let check = Check {
        id: outcome.id.into(),
        value: Some(outcome.problems.into()),
        unit: Some(outcome.unit.into()),
        crit: Some(0.into()),
        summary: outcome.summary,
        hint: bad.then(|| outcome.hint.to_owned()),
        error_class: bad.then(|| "storage".to_owned()),
        evidence: outcome.evidence.into_iter().take(TOLD).collect(),
        duration_ms: Some(crate::source::millis(outcome.began)),
        metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
        ..Check::default()
    };
    stage.check(if bad { Status::Crit } else { Status::Ok }, check);
    bad
}
