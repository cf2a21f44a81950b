//! Whether the rows that were restored are a sound ledger.

use super::{Outcome, TOLD, Verdict, tell};
use ml_common::Result;
use ml_common::stage::Stage;
use ml_ledger::chain::verify_chain;
use ml_ledger::reprove::reprove;
use ml_ledger::{Sample, Shape, theories};
use postgres::Client;
use std::time::Instant;

/// What is wrong with a backup whose rows are complete.
const UNSOUND: &str =
    "the backup holds what the database held, so look at the ledger itself (ml-health, ml-check); an older backup may be sound";

pub(super) fn base_theory(stage: &Stage, client: &mut Client, shape: &Shape, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let found = theories::base(client, shape)?;
    let summary = match &found {
        Some(theory) => format!("{} is there", theory.name),
        None => format!("there is no theory {} ({})", theories::BASE_NAME, theories::BASE_SLUG),
    };
    let problems = u64::from(found.is_none());
    let outcome = Outcome { id: "verify.base-theory", began, problems, unit: "missing", evidence: Vec::new(), summary, hint: UNSOUND };
    let bad = tell(stage, verdict, outcome, &[]);
    verdict.ledger_wrong |= bad;
    Ok(())
}

pub(super) fn chain(stage: &Stage, client: &mut Client, shape: &Shape, verdict: &mut Verdict) -> Result<()> {
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
    let bad = tell(stage, verdict, outcome, &[("blocks", report.blocks.into())]);
    verdict.ledger_wrong |= bad;
    Ok(())
}

pub(super) fn theorems(stage: &Stage, client: &mut Client, shape: &Shape, sample: Sample, verdict: &mut Verdict) -> Result<()> {
    let began = Instant::now();
    let report = reprove(client, shape, sample, &stage.cancel)?;
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
    let bad = tell(stage, verdict, outcome, &metrics);
    verdict.ledger_wrong |= bad;
    verdict.theorems = report.proven;
    verdict.told.push(told);
    Ok(())
}
