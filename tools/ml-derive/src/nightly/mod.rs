//! The nightly mode: continues the ledger.

mod frontier;
pub mod plan;
mod queue;
mod record;
mod render;
mod stock;

use crate::emit::{self, Collection, Wish};
use crate::engine::Stop;
use crate::engine::saturate::Level;
use crate::proofs::refused;
use ml_common::record::{Check, Step};
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Exit, Failure, Result, Status, pg};
use ml_ledger::theories::{self, Theory};
use ml_ledger::{Shape, runs};
use ml_logic::{Limits, System, hash};
use plan::{Budget, Stopped};
use postgres::Client;
use queue::Queue;
use record::Outcome;
use serde_json::json;
use std::time::Instant;
use stock::Stock;

/// What `runs.name` says of ours.
const RUN: &str = "ml-derive";

/// The ledger at hand.
struct Ledger<'a> {
    client: &'a mut Client,
    shape: &'a Shape,
    theory: &'a Theory,
}

/// What the derivation did in memory.
struct Derived {
    steps: u32,
    cut: u64,
    /// Conclusions that are too large, or have too long a proof.
    left_out: u64,
    /// New statements that have names: hash and name.
    named: Vec<(String, &'static str)>,
    stopped: Stopped,
}

/// Derives within the budget, records the new theorems, enqueues jobs, writes out for other checkers what is wished for.
pub fn act(system: &System, budget: &Budget, wish: &Wish, stage: &Stage) -> Result<Done> {
    if stage.out().mode() == Output::Raw {
        return Err(Failure::new(Class::Usage, "into the ledger there is no raw output").hint("leave --output out, or use --no-ledger"));
    }
    let queue = Queue::of(stage)?;
    let target = stage.target()?;
    let mut client = target.connect(&pg::Options { read_only: stage.dry_run, ..stage.pg_options()? })?;
    let canceller = pg::canceller(&client, &target);
    let _hook = stage.cancel.when_set(canceller);
    // What a signal makes the server say is not the reason.
    let told = |failure| stage.cancel.check().err().unwrap_or(failure);
    let shape = Shape::discover(&mut client).map_err(told)?;
    shape.require_writable()?;
    let theory = theories::require_base(&mut client, &shape).map_err(told)?;
    let mut ledger = Ledger { client: &mut client, shape: &shape, theory: &theory };
    let run_id = if stage.dry_run { None } else { Some(begin(&mut ledger, system, budget, stage).map_err(told)?) };
    let outcome = night(&mut ledger, system, budget, wish, run_id, queue.is_some(), stage).map_err(told);
    let (derived, outcome, collection) = match outcome {
        Ok(outcome) => outcome,
        Err(failure) => {
            // The run's row says what became of it; when even that cannot be written, the next run says that its process ended.
            if let Some(id) = run_id
                && let Err(error) = runs::fail(ledger.client, &shape, id, &failure.message)
            {
                log::warn!("the run's row could not be closed: {}", error.message);
            }
            return Err(failure);
        }
    };
    let done = finish(&mut ledger, budget, &derived, &outcome, queue.as_ref(), stage)?;
    // What is recorded stays recorded, whatever becomes of the files.
    wish.fulfil(collection.as_ref(), stage)?;
    Ok(done)
}

/// Records that a run begins, once those that were killed are closed.
fn begin(ledger: &mut Ledger, system: &System, budget: &Budget, stage: &Stage) -> Result<i64> {
    let Ledger { client, shape, theory } = ledger;
    let killed = runs::close_stale(*client, shape, &theory.id, RUN)?;
    if killed > 0 {
        log::info!("{killed} earlier runs were killed; their rows say so now");
    }
    let axioms: Vec<String> = system.axioms.iter().map(ToString::to_string).collect();
    let limits = json!({ "steps": budget.steps, "depth_max": budget.depth_max, "max_breadth": budget.breadth, "max_total": budget.total });
    let metadata = json!({ "run": stage.run, "axioms": axioms, "necessitation": system.necessitation, "limits": limits });
    runs::begin(*client, shape, &theory.id, RUN, &metadata)
}

/// From the ledger to the committed block.
fn night(
    ledger: &mut Ledger,
    system: &System,
    budget: &Budget,
    wish: &Wish,
    run_id: Option<i64>,
    queued: bool,
    stage: &Stage,
) -> Result<(Derived, Outcome, Option<Collection>)> {
    let began = Instant::now();
    let last = runs::last_completed(ledger.client, ledger.shape, &ledger.theory.id, RUN)?;
    let frontiers = last.map(|run| frontier::read(&run.metadata)).unwrap_or_default();
    let mut stock = stock::load(ledger, system, budget, frontiers, &stage.cancel)?;
    stage.step(Status::Ok, stock_step(&stock, began));
    let derived = derive(&mut stock, budget, stage)?;
    let proofs = render::render(ledger, &stock, system)?;
    let theorems =
        record::checked(&stock, &proofs, |proof, formula| refused(system, proof, formula, &Limits::default()), &system.axioms, stage)?;
    let collection = collect(system, wish, &stock, &proofs, theorems.ids())?;
    let outcome = record::record(ledger, &stock, theorems, &derived, budget, system.necessitation, run_id, queued, stage)?;
    Ok((derived, outcome, collection))
}

/// The new theorems with what they rest on, if they are to be written out.
fn collect(system: &System, wish: &Wish, stock: &Stock, proofs: &render::Rendered, ids: &[u32]) -> Result<Option<Collection>> {
    if wish.formats.is_empty() || ids.is_empty() {
        return Ok(None);
    }
    let source = |id: u32| match stock.saturation.facts()[id as usize].step {
        Some(step) => emit::Source::Step(step),
        None => emit::Source::Proof(proofs.text(id)),
    };
    emit::collect(system, ids, source).map(Some)
}

fn stock_step(stock: &Stock, began: Instant) -> Step {
    let facts = stock.saturation.facts();
    let live = facts.iter().filter(|fact| !fact.inert).count();
    let open = facts.iter().filter(|fact| !fact.closed).count();
    let inert = match stock.inert {
        0 => String::new(),
        inert => format!("; {inert} theorems have no proof from these axioms that can be built on"),
    };
    let unreadable = match stock.unreadable {
        0 => String::new(),
        unreadable => format!("; {unreadable} theorems are no formulas that can be read, and may be derived once more"),
    };
    let metrics = [("facts", live as u64), ("open", open as u64), ("inert", stock.inert), ("unreadable", stock.unreadable)];
    Step {
        id: "stock".into(),
        rows: Some(live as u64),
        duration_ms: Some(millis(began)),
        summary: format!("{live} facts to build on, {open} of them not yet tried{inert}{unreadable}"),
        metrics: metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        ..Step::default()
    }
}

fn derive(stock: &mut Stock, budget: &Budget, stage: &Stage) -> Result<Derived> {
    let mut derived = Derived { steps: 0, cut: 0, left_out: 0, named: Vec::new(), stopped: Stopped::Saturated };
    let mut added = u32::try_from(stock.missing_axioms.len()).unwrap_or(u32::MAX);
    loop {
        if let Some(stopped) = plan::exhausted(budget, derived.steps, added) {
            return Ok(Derived { stopped, ..derived });
        }
        let began = Instant::now();
        let breadth = budget.breadth.min(budget.total - added) as usize;
        let level = stock.saturation.step(breadth, &mut || stage.cancel.is_set()).map_err(|stop| match (stage.cancel.check(), stop) {
            (Err(interrupted), Stop::Cancelled) => interrupted,
            _ => Failure::new(Class::General, format!("the derivation cannot go on: {stop}"))
                .hint("lower DERIVE_DEPTH_MAX, so that fewer statements are premises"),
        })?;
        let Some(level) = level else {
            let stopped = if stock.saturation.bounded_by_height() { Stopped::Depth } else { Stopped::Saturated };
            return Ok(Derived { stopped, ..derived });
        };
        derived.steps += 1;
        added += level.added.len() as u32;
        derived.cut = level.cut;
        derived.left_out += level.left_out;
        let named: Vec<(u32, &'static str)> = level.added.clone().filter_map(|id| Some((id, stock.saturation.name(id)?))).collect();
        stage.step(Status::Ok, level_step(derived.steps, &level, &named, began));
        let hash = |id| stock.saturation.formula(id).map(|formula| hash::statement(&formula));
        derived.named.extend(named.into_iter().filter_map(|(id, name)| Some((hash(id)?, name))));
    }
}

fn level_step(number: u32, level: &Level, named: &[(u32, &str)], began: Instant) -> Step {
    let kept = level.added.len();
    let metrics: [(&str, u64); 10] = [
        ("candidates", level.candidates),
        ("invalid", level.invalid),
        ("duplicates", level.duplicates),
        ("instances", level.instances),
        ("new", level.new),
        ("left_out", level.left_out),
        ("kept", kept as u64),
        ("named", named.len() as u64),
        ("cut", level.cut),
        ("depth", u64::from(level.height)),
    ];
    // The first of a formula's names is enough here.
    let names: Vec<&str> = named.iter().map(|(_, name)| name.split([',', ';']).next().unwrap_or(name)).collect();
    Step {
        id: format!("level-{number}"),
        rows: Some(kept as u64),
        duration_ms: Some(millis(began)),
        summary: format!("{kept} statements kept of {} new from {} pairs, {} wait", level.new, level.candidates, level.cut),
        labels: (!named.is_empty()).then(|| ("named".to_owned(), names.join("; ").into())).into_iter().collect(),
        metrics: metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect(),
        ..Step::default()
    }
}

fn millis(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// The jobs, after the commit, and the end.
fn finish(
    ledger: &mut Ledger,
    budget: &Budget,
    derived: &Derived,
    outcome: &Outcome,
    queue: Option<&Queue>,
    stage: &Stage,
) -> Result<Done> {
    let (pushed, status, hint) = queue::enqueue(ledger, RUN, outcome.theorems, queue, stage)?;
    let would = if stage.dry_run { "would be added" } else { "added" };
    let mut done = Done::ok(format!(
        "{} statements {would} in {} step{}",
        outcome.new_statements,
        derived.steps,
        if derived.steps == 1 { "" } else { "s" }
    ))
    .metric("steps", derived.steps)
    .metric("new_statements", outcome.new_statements)
    .metric("max_depth", outcome.max_depth)
    .metric("enqueued", pushed.enqueued)
    .metric("cut", derived.cut)
    .metric("left_out", derived.left_out)
    .metric("named", derived.named.len());
    done.labels.insert("stop".into(), derived.stopped.name().into());
    done.reason = Some(derived.stopped.reason(budget, derived.left_out));
    if stage.dry_run {
        done.status = Some(Status::Planned);
    }
    if status == Status::Warn {
        (done.exit, done.status, done.hint) = (Exit::GENERAL, Some(Status::Warn), hint);
    }
    if outcome.refused > 0 {
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
        done.hint = Some(REFUSED_HINT.into());
    }
    Ok(done)
}

const REFUSED_HINT: &str =
    "a proof in the ledger does not prove its statement: run ml-export statements -o - | ml-check, and look at who wrote it";

/// Says which derived statements are not written, as the checker refuses them.
fn report_refused(stage: &Stage, refused: &[(String, String)]) {
    let evidence =
        refused.iter().take(5).map(|(statement, reason)| format!("{}: {reason}", statement.chars().take(200).collect::<String>()));
    stage.check(
        Status::Warn,
        Check {
            id: "checker".into(),
            value: Some(refused.len().into()),
            unit: Some("statements".into()),
            warn: Some(0.into()),
            summary: format!("{} derived statements are not written, as the checker refuses them", refused.len()),
            hint: Some(REFUSED_HINT.into()),
            evidence: evidence.collect(),
            ..Check::default()
        },
    );
}
