//! The mode without a ledger: lengths, statements, files.

pub mod answers;
pub mod args;
mod file;
mod folder;
pub mod journal;
pub mod outlook;
pub mod run;
pub mod store;
pub mod write;

use crate::cli::Cli;
use crate::emit::Collection;
use crate::engine::Stop;
use crate::engine::exhaustive::{Exhaustive, Length};
use ml_common::people::human_bytes;
use ml_common::record::{Map, Step};
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Result, Status};
use ml_logic::System;
use outlook::Outlook;
use run::{End, Made, Run};
use std::path::Path;
use store::{Identity, Store};
use write::{Wanted, Writer, file_of, shown};

/// Generates all lengths to the last one.
pub fn act(cli: &Cli, system: &System, max_length: usize, stage: &Stage) -> Result<Done> {
    let raw = stage.out().mode() == Output::Raw;
    let wanted = Wanted { statements: !cli.exhaustive.counts && !raw, raw, dproofs: cli.exhaustive.dproofs.as_deref() };
    if stage.dry_run {
        return Ok(plan(cli, system, max_length, wanted.dproofs, stage));
    }
    let options = cli.exhaustive.options(system, cli.necessitation_row());
    let store = cli.exhaustive.store.as_deref().map(|folder| Store::open(folder, &Identity::new(system, &options), true)).transpose()?;
    let engine = Exhaustive::new(&system.axioms, options).map_err(run::stopped)?;
    // Among the statements it would only be in the way.
    let mut run = Run { engine, store, stop: &|| stage.cancel.is_set(), progress: !wanted.statements, outlook: Outlook::to(max_length) };
    let mut emitted = (!cli.emit.is_empty()).then(|| Collection::new(system.clone()));
    let writer = Writer { stage, system, wanted, exact: cli.exhaustive.is_exact() && cli.necessitation_row().is_none() };
    let (mut kept, mut removed, mut reached, mut stopped) = (0u64, 0u64, 0, None);
    for length in 1..=max_length {
        // Without a reader only files are worth going on for.
        if stage.out().error().is_some() && wanted.dproofs.is_none() && run.store.is_none() && emitted.is_none() {
            break;
        }
        let forecast = run.engine.forecast();
        log::info!("length {length}: {} candidates, about {} of memory", run.engine.candidates(), human_bytes(forecast as u64));
        let made = match run.next() {
            Ok(made) => made,
            Err(End::Engine(Stop::Cancelled)) => return Err(stage.cancel.check().err().unwrap_or_else(|| run::stopped(Stop::Cancelled))),
            Err(End::Engine(stop)) => {
                stopped = Some(stop);
                break;
            }
            Err(End::Failed(failure)) => return Err(failure),
        };
        kept += made.length.kept.len() as u64;
        removed += made.length.removed;
        reached = length;
        // Without necessitation all proofs have odd lengths.
        if !system.necessitation && length % 2 == 0 {
            continue;
        }
        if let Some(emitted) = &mut emitted {
            made.length.kept.clone().try_for_each(|id| emitted.push(run.engine.step(id)))?;
        }
        let mut step = step(&made, run.engine.memory(), forecast);
        if let Some(file) = writer.write(&run.engine, &made.length)? {
            (step.path, step.sha256, step.bytes) = (Some(shown(&file.path)), Some(file.sha256), Some(file.bytes));
        }
        stage.step(Status::Ok, step);
    }
    if let Some(emitted) = &emitted {
        emitted.write(&cli.wish(), stage)?;
    }
    let summary = format!("{kept} conclusions of {} with proofs of up to {reached} symbols, {removed} instances left out", system.name);
    let done = Done::ok(summary).metric("lengths", reached).metric("kept", kept).metric("removed", removed);
    Ok(match stopped {
        None => done,
        Some(stop) => Done {
            exit: Class::General.exit(),
            status: Some(Status::Warn),
            reason: Some(format!("stopped before length {}: {stop}", reached + 1)),
            hint: Some(match stop {
                Stop::Memory { .. } => {
                    "the lengths above are whole and exact; allow more with --memory-limit, or use a larger machine".into()
                }
                _ => "the lengths above are whole and exact; this length is beyond what the engine can hold".into(),
            }),
            ..done
        },
    })
}

/// Says what would be generated.
fn plan(cli: &Cli, system: &System, max_length: usize, dproofs: Option<&Path>, stage: &Stage) -> Done {
    for length in (1..=max_length).filter(|length| system.necessitation || length % 2 == 1) {
        let path = dproofs.map(|folder| shown(&file_of(folder, length)));
        stage.step(Status::Planned, Step { id: format!("length-{length}"), path, ..Step::default() });
    }
    cli.wish().plan(stage);
    let summary = format!("everything from {} with proofs of up to {max_length} symbols would be generated", system.name);
    Done { status: Some(Status::Planned), ..Done::ok(summary) }
}

/// What is told of a length.
pub fn step(made: &Made, memory: usize, forecast: usize) -> Step {
    let Length { length, kept, candidates, invalid, bounded, duplicates, removed } = &made.length;
    let metrics = [
        ("length", *length as u64),
        ("kept", kept.len() as u64),
        ("removed", *removed),
        ("candidates", *candidates),
        ("duplicates", *duplicates),
        ("invalid", *invalid),
        ("bounded", *bounded),
        ("memory_bytes", memory as u64),
        ("memory_expected_bytes", forecast as u64),
    ];
    let stored = if made.stored { ", from the store" } else { "" };
    Step {
        id: format!("length-{length}"),
        rows: Some(kept.len() as u64),
        duration_ms: Some(made.duration_ms),
        summary: format!("{} kept, {removed} instances left out, of {candidates} candidates{stored}", kept.len()),
        metrics: metrics.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect::<Map>(),
        ..Step::default()
    }
}
