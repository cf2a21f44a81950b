//! Whether what was restored is what was backed up, and sound.

use ml_common::Result;
use ml_common::record::{Check, Scalar, Status};
use ml_common::stage::Stage;
use ml_dump::{Tally, tables};
use ml_ledger::chain::verify_chain;
use ml_ledger::reprove::reprove;
use ml_ledger::{Sample, Shape, theories};
use postgres::Client;
use std::time::Instant;

/// Findings that a record quotes.
const TOLD: usize = 10;

/// What the checks came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// Tables or rows are missing or too many.
    pub rows_wrong: bool,
    /// The rows may be right, but they are no sound ledger.
    pub ledger_wrong: bool,
    /// Rows found.
    pub rows: u64,
    /// For people: `12 tables, 345 rows, 2 blocks intact, 3 of 3 theorems proven again`.
    pub told: Vec<String>,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        !self.rows_wrong && !self.ledger_wrong
    }
}

/// What is wrong with a backup whose rows are complete.
const UNSOUND: &str =
    "the backup holds what the database held, so look at the ledger itself (ml-health, ml-check); an older backup may be sound";

/// Compares the rows, and looks into the ledger when it is one.
///
/// # Errors
/// Class Database when the restored database cannot be read, Interrupted and Terminated.
pub fn verify(stage: &Stage, client: &mut Client, expected: &Tally, sample: u64) -> Result<Verdict> {
    let mut verdict = Verdict::default();
    counts(stage, client, expected, &mut verdict)?;
    stage.cancel.check()?;
    let shape = Shape::discover(client)?;
    if !shape.is_ledger() {
        for id in ["verify.base-theory", "verify.chain", "verify.theorems"] {
            let summary = format!("not a ledger: it lacks {}", shape.missing().join(", "));
            stage.check(Status::Skipped, Check { id: id.into(), summary, ..Check::default() });
        }
        return Ok(verdict);
    }
    base_theory(stage, client, &shape, &mut verdict)?;
    chain(stage, client, &shape, &mut verdict)?;
    theorems(stage, client, &shape, sample, &mut verdict)?;
    Ok(verdict)
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

fn tell(stage: &Stage, outcome: Outcome<'_>, metrics: &[(&str, Scalar)]) -> bool {
    let bad = outcome.problems > 0;
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

fn counts(stage: &Stage, client: &mut Client, expected: &Tally, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let list = tables::list(client)?;
    let found = tables::count(client, &list)?;
    let differences = expected.differences(&found);
    let (count, rows) = (found.tables.len(), found.rows());
    let summary = match differences.first() {
        None => format!("{rows} rows in {count} tables, as backed up"),
        Some(first) => format!("{} of {count} tables are not as backed up: {first}", differences.len()),
    };
    let metrics = [("rows", rows.into()), ("tables", count.into()), ("large_objects", found.large_objects.into())];
    let (problems, hint) = (differences.len() as u64, "this backup cannot be relied on: use another, and run ml-backup again");
    let outcome = Outcome { id: "verify.counts", began, problems, unit: "tables", evidence: differences, summary, hint };
    verdict.rows_wrong = tell(stage, outcome, &metrics);
    verdict.rows = rows;
    verdict.told.push(format!("{count} tables, {rows} rows"));
    Ok(())
}

fn base_theory(stage: &Stage, client: &mut Client, shape: &Shape, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let found = theories::base(client, shape)?;
    let summary = match &found {
        Some(theory) => format!("{} is there", theory.name),
        None => format!("there is no theory {} ({})", theories::BASE_NAME, theories::BASE_SLUG),
    };
    let problems = u64::from(found.is_none());
    let outcome = Outcome { id: "verify.base-theory", began, problems, unit: "missing", evidence: Vec::new(), summary, hint: UNSOUND };
    verdict.ledger_wrong |= tell(stage, outcome, &[]);
    Ok(())
}

fn chain(stage: &Stage, client: &mut Client, shape: &Shape, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let report = verify_chain(client, shape, &stage.cancel)?;
    let summary = match report.problems.first() {
        None => format!("{} blocks intact", report.blocks),
        Some(first) => format!("{} findings in {} blocks: {first}", report.problem_count, report.blocks),
    };
    let notes: Vec<String> = report.notes.iter().map(|note| format!("note: {note}")).collect();
    verdict.told.push(format!("{} blocks {}", report.blocks, if report.is_intact() { "intact" } else { "NOT intact" }));
    let evidence = report.problems.into_iter().take(TOLD).chain(notes).collect();
    let outcome = Outcome { id: "verify.chain", began, problems: report.problem_count, unit: "findings", evidence, summary, hint: UNSOUND };
    verdict.ledger_wrong |= tell(stage, outcome, &[("blocks", report.blocks.into())]);
    Ok(())
}

fn theorems(stage: &Stage, client: &mut Client, shape: &Shape, sample: u64, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let report = reprove(client, shape, Sample::Random(sample), &stage.cancel)?;
    let told = format!("{} theorems proven again, {} axioms recognised", report.proven, report.axioms);
    let foreign = if report.foreign == 0 { String::new() } else { format!(", {} with proofs of other provers", report.foreign) };
    let undecided = if report.undecided == 0 { String::new() } else { format!(", {} too large to check", report.undecided) };
    let summary = match report.failed.first() {
        None => format!("{told}{foreign}{undecided}"),
        Some((hash, why)) => format!("{} of {} do not check out, the first {hash}: {why}", report.failures, report.checked),
    };
    let evidence = report.failed.iter().map(|(hash, why)| format!("{hash}: {why}")).collect();
    let metrics = [
        ("checked", report.checked.into()),
        ("proven", report.proven.into()),
        ("axioms", report.axioms.into()),
        ("foreign", report.foreign.into()),
        ("undecided", report.undecided.into()),
    ];
    let outcome = Outcome { id: "verify.theorems", began, problems: report.failures, unit: "theorems", evidence, summary, hint: UNSOUND };
    verdict.ledger_wrong |= tell(stage, outcome, &metrics);
    verdict.told.push(told);
    Ok(())
}
