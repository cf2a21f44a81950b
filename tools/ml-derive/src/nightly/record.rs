//! What a night leaves in the ledger: one transaction, or nothing.

use super::frontier::{self, Hash};
use super::plan::Budget;
use super::render::Rendered;
use super::stock::Stock;
use super::{Derived, Ledger, report_refused};
use crate::engine::rank;
use crate::proofs::rule;
use ml_common::files::hex;
use ml_common::people::counted;
use ml_common::record::{Map, Step};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result, Status, pg};
use ml_ledger::blocks::{self, Block};
use ml_ledger::write::{NewTheorem, insert_theorems};
use ml_ledger::{proof_term, runs};
use ml_logic::{Formula, hash};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

/// Theorems between two questions whether to stop.
const PATIENCE: usize = 64;

/// Statements to be written, each checked.
pub struct Theorems {
    new: Vec<NewTheorem>,
    /// Their numbers.
    ids: Vec<u32>,
    refused: u64,
}

impl Theorems {
    /// Their numbers.
    pub fn ids(&self) -> &[u32] {
        &self.ids
    }
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Statements that are new to the ledger, axioms included.
    pub new_statements: u64,
    /// Those of them that are no axioms.
    pub theorems: u64,
    /// The highest proof among the new statements; without any, among all facts.
    pub max_depth: u32,
    /// Statements that the checker refused.
    pub refused: u64,
}

/// The axioms that are missing, and the derived statements that the checker (`refused` gives its reason) accepts.
pub fn checked(
    stock: &Stock,
    proofs: &Rendered,
    refused: impl Fn(&str, &Formula) -> Option<String>,
    axioms: &[Formula],
    stage: &Stage,
) -> Result<Theorems> {
    let facts = stock.saturation.facts();
    let mut theorems = Theorems { new: Vec::new(), ids: Vec::new(), refused: 0 };
    let mut hashes: HashMap<u32, String> = HashMap::new();
    let mut wrong = Vec::new();
    for (count, id) in stock.missing_axioms.iter().copied().chain(stock.saturation.new_facts()).enumerate() {
        if count % PATIENCE == 0 {
            stage.cancel.check()?;
        }
        let proof = proofs.text(id);
        let internal = || Failure::new(Class::Internal, format!("the engine derived no formula by {proof}")).hint("please report it");
        let formula = stock.saturation.formula(id).ok_or_else(internal)?;
        if let Some(reason) = refused(proof, &formula) {
            wrong.push((formula.to_string(), reason));
            continue;
        }
        let premises: &[u32] = match facts[id as usize].step {
            Some(rank::Step::Detach { major, minor }) => &[major, minor],
            Some(rank::Step::Necessitate(premise)) => &[premise],
            Some(rank::Step::Axiom(_)) | None => &[],
        };
        let hash_of = |id: u32| stock.hash(id).map(|hash| hex(&hash)).or_else(|| hashes.get(&id).cloned());
        let is_axiom = premises.is_empty();
        let theorem = NewTheorem {
            hash: hash::statement(&formula),
            canonical: formula.to_string(),
            rule: rule(proof).into(),
            depth: facts[id as usize].height,
            // Every premise was given, or was derived and written before.
            parents: premises.iter().filter_map(|&id| hash_of(id)).collect(),
            proof_term: (!is_axiom).then(|| proof_term::encode(proof, axioms)),
            is_axiom,
        };
        hashes.insert(id, theorem.hash.clone());
        theorems.new.push(theorem);
        theorems.ids.push(id);
    }
    if !wrong.is_empty() {
        report_refused(stage, &wrong);
        theorems.refused = wrong.len() as u64;
    }
    Ok(theorems)
}

/// Writes the theorems, seals their block, completes the run, all at once; in a dry run, says what it would do.
#[allow(clippy::too_many_arguments, reason = "the one place where everything of a night comes together")]
pub fn record(
    ledger: &mut Ledger,
    stock: &Stock,
    theorems: Theorems,
    derived: &Derived,
    budget: &Budget,
    necessitation: bool,
    run_id: Option<i64>,
    queued: bool,
    stage: &Stage,
) -> Result<Outcome> {
    let began = Instant::now();
    let Some(run_id) = run_id else {
        let outcome = outcome(stock, &theorems, |_| true);
        block_step(stage, outcome, None, began);
        return Ok(outcome);
    };
    let failed = |doing| move |error| pg::failure(&error, doing);
    let Ledger { client, shape, theory } = ledger;
    let mut tx = client.transaction().map_err(failed("beginning to write"))?;
    let written: std::collections::HashSet<String> = insert_theorems(&mut tx, shape, &theory.id, &theorems.new)?.into_iter().collect();
    let outcome = outcome(stock, &theorems, |theorem| written.contains(&theorem.hash));
    let mut block = None;
    if !written.is_empty() {
        let hashes: Vec<String> = written.iter().cloned().collect();
        block = Some(blocks::seal(&mut tx, shape, &theory.id, run_id, &hashes)?);
    }
    let fresh: HashMap<u32, Hash> = new_hashes(&theorems, &written);
    let hash_of = |id: u32| stock.hash(id).or_else(|| fresh.get(&id).copied());
    let frontier = frontier::after(&stock.saturation, budget.depth_max, necessitation, hash_of);
    let metadata = json!({
        "steps": derived.steps,
        "new_statements": outcome.new_statements,
        "max_depth": outcome.max_depth,
        "cut": derived.cut,
        "left_out": derived.left_out,
        "named": derived.named.iter().filter(|(hash, _)| written.contains(hash)).cloned().collect::<BTreeMap<_, _>>(),
        "stop": derived.stopped.name(),
        "frontiers": frontier::write(Some(frontier), &stock.frontiers),
        "queue": if queued && outcome.theorems > 0 { super::queue::owed() } else { serde_json::Value::Null },
    });
    runs::complete(&mut tx, shape, run_id, &metadata)?;
    // From here on a signal comes too late: the commit is one message, and the queue looks at it again.
    stage.cancel.check()?;
    // Without the lock another night may have begun, from the same frontier.
    stage.still_locked()?;
    tx.commit().map_err(failed("committing the theorems"))?;
    block_step(stage, outcome, block.as_ref(), began);
    Ok(outcome)
}

fn outcome(stock: &Stock, theorems: &Theorems, written: impl Fn(&NewTheorem) -> bool) -> Outcome {
    let new: Vec<&NewTheorem> = theorems.new.iter().filter(|theorem| written(theorem)).collect();
    let known = stock.saturation.facts().iter().map(|fact| fact.height).max();
    Outcome {
        new_statements: new.len() as u64,
        theorems: new.iter().filter(|theorem| !theorem.is_axiom).count() as u64,
        max_depth: new.iter().map(|theorem| theorem.depth).max().or(known).unwrap_or_default(),
        refused: theorems.refused,
    }
}

/// The hashes of the facts that are in the ledger now.
fn new_hashes(theorems: &Theorems, written: &std::collections::HashSet<String>) -> HashMap<u32, Hash> {
    let new = theorems.ids.iter().zip(&theorems.new).filter(|(_, theorem)| written.contains(&theorem.hash));
    new.filter_map(|(&id, theorem)| Some((id, super::stock::digest(&theorem.hash)?))).collect()
}

fn block_step(stage: &Stage, outcome: Outcome, block: Option<&Block>, began: Instant) {
    let mut step =
        Step { id: "block".into(), rows: Some(outcome.new_statements), duration_ms: Some(super::millis(began)), ..Step::default() };
    step.metrics = Map::from([("statements".into(), outcome.new_statements.into())]);
    match block {
        Some(block) => {
            step.summary = format!("block {} seals {}", block.number, counted(block.statements.len(), "statement"));
            step.metrics.insert("block".into(), block.number.into());
            step.labels.insert("merkle_root".into(), block.merkle_root.as_str().into());
            stage.step(Status::Ok, step);
        }
        None if outcome.new_statements > 0 => {
            step.summary = format!("a block would seal {}", counted(outcome.new_statements, "statement"));
            stage.step(Status::Planned, step);
        }
        None => {
            step.reason = Some("nothing is new".into());
            step.summary = "nothing is new, so there is no block".into();
            stage.step(Status::Skipped, step);
        }
    }
}
