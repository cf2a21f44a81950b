//! The mode without a ledger: lengths, statements, files.

use crate::cli::Cli;
use crate::emit::Collection;
use crate::engine::Stop;
use crate::engine::exhaustive::{Exhaustive, Length, Options};
use crate::proofs::{Proofs, refused, rule};
use ml_common::files::{self, Hashing, NewFile};
use ml_common::people;
use ml_common::record::{MAX_PROOF_BYTES, Map, Statement, Step};
use ml_common::stage::{Done, Output, Stage};
use ml_common::{Class, Failure, Result, Status};
use ml_logic::{Limits, System, hash, theorems};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Statements between two questions whether to stop.
const PATIENCE: u32 = 256;

/// What is to be done with each length.
struct Wanted<'a> {
    statements: bool,
    raw: bool,
    dproofs: Option<&'a Path>,
}

/// Generates all lengths to the last one.
pub fn act(cli: &Cli, system: &System, max_length: usize, stage: &Stage) -> Result<Done> {
    let raw = stage.out().mode() == Output::Raw;
    let wanted = Wanted { statements: !cli.counts && !raw, raw, dproofs: cli.dproofs.as_deref() };
    // Without necessitation all proofs have odd lengths.
    let lengths = (1..=max_length).filter(|length| system.necessitation || length % 2 == 1);
    if stage.dry_run {
        for length in lengths {
            let path = wanted.dproofs.map(|folder| shown(&file_of(folder, length)));
            stage.step(Status::Planned, Step { id: format!("length-{length}"), path, ..Step::default() });
        }
        cli.wish().plan(stage);
        return Ok(Done {
            status: Some(Status::Planned),
            ..Done::ok(format!("everything from {} with proofs of up to {max_length} symbols would be generated", system.name))
        });
    }
    let emitted = (!cli.emit.is_empty()).then(|| Collection::new(system.clone()));
    let mut run = Run { stage, system, wanted, limits: Limits::default(), proofs: Proofs::default(), emitted };
    let mut engine = Exhaustive::new(&system.axioms, options(system)).map_err(|stop| Failure::new(Class::General, stop.to_string()))?;
    let (mut kept, mut removed, mut reached) = (0u64, 0u64, 0);
    // Among the statements it would only be in the way.
    let progress = (!run.wanted.statements).then(|| people::progress("conclusions", None));
    let mut stopped = None;
    for length in 1..=max_length {
        // Without a reader only files are worth going on for.
        if stage.out().error().is_some() && run.wanted.dproofs.is_none() && run.emitted.is_none() {
            break;
        }
        let began = Instant::now();
        match engine.next_length(&|| stage.cancel.is_set()) {
            Ok(done) => {
                if system.necessitation || length % 2 == 1 {
                    run.report(&engine, &done, began)?;
                }
                kept += done.kept.len() as u64;
                removed += done.removed;
                reached = length;
                if let Some(progress) = &progress {
                    progress.set_position(kept);
                }
            }
            Err(Stop::Cancelled) => stage.cancel.check()?,
            Err(stop) => {
                stopped = Some(stop);
                break;
            }
        }
    }
    if let Some(progress) = progress {
        progress.finish_and_clear();
    }
    if let Some(emitted) = &run.emitted {
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
            hint: Some("the lengths above are whole and exact; this length is beyond what the engine can hold".into()),
            ..done
        },
    })
}

fn options(system: &System) -> Options {
    Options { threads: std::thread::available_parallelism().map_or(1, usize::from), ..Options::of(system.necessitation) }
}

struct Run<'a> {
    stage: &'a Stage,
    system: &'a System,
    wanted: Wanted<'a>,
    limits: Limits,
    proofs: Proofs,
    /// What is to be written out for other checkers.
    emitted: Option<Collection>,
}

impl Run<'_> {
    /// Writes what a length gave.
    fn report(&mut self, engine: &Exhaustive, length: &Length, began: Instant) -> Result<()> {
        let mut step = Step {
            id: format!("length-{}", length.length),
            rows: Some(length.kept.len() as u64),
            duration_ms: Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
            summary: summary(length),
            metrics: metrics(length),
            ..Step::default()
        };
        if let Some(emitted) = &mut self.emitted {
            length.kept.clone().try_for_each(|id| emitted.push(engine.step(id)))?;
        }
        if self.wanted.statements || self.wanted.raw || self.wanted.dproofs.is_some() {
            self.check_and_write(engine, length)?;
        }
        if let Some(folder) = self.wanted.dproofs {
            let (path, sha256, bytes) = self.write_file(folder, length)?;
            (step.path, step.sha256, step.bytes) = (Some(shown(&path)), Some(sha256), Some(bytes));
        }
        self.stage.step(Status::Ok, step);
        Ok(())
    }

    /// Proves every kept conclusion once more, from the text of its proof alone, and writes those that are wanted.
    fn check_and_write(&mut self, engine: &Exhaustive, length: &Length) -> Result<()> {
        let axioms: Vec<String> = self.system.axioms.iter().map(ToString::to_string).collect();
        for id in length.kept.clone() {
            if id.is_multiple_of(PATIENCE) {
                self.stage.cancel.check()?;
            }
            self.proofs.push(engine.step(id));
            let proof = self.proofs.text(id);
            let formula = engine.formula(id).ok_or_else(|| broken(proof, "it is no formula"))?;
            if let Some(reason) = refused(self.system, proof, &formula, &self.limits) {
                return Err(broken(proof, &reason));
            }
            if self.wanted.raw {
                let line = format!("{proof}\n");
                self.stage
                    .out()
                    .raw(line.as_bytes())
                    .map_err(|error| Failure::new(Class::General, format!("writing to standard output: {error}")))?;
            }
            if self.wanted.statements {
                self.stage.statement(
                    Status::Ok,
                    Statement {
                        hash: hash::statement(&formula),
                        statement: formula.to_string(),
                        axioms: axioms.clone(),
                        rule: Some(rule(proof).into()),
                        depth: Some(u64::from(self.proofs.height(id))),
                        proof: (proof.len() <= MAX_PROOF_BYTES).then(|| proof.to_owned()),
                        proof_length: Some(proof.len() as u64),
                        name: theorems::name(&formula).map(str::to_owned),
                        label: Some(format!("minimal up to {}", length.length)),
                        ..Statement::default()
                    },
                );
            }
        }
        Ok(())
    }

    /// Writes the proofs of a length, a line each, into the folder; path, SHA-256 and size.
    fn write_file(&self, folder: &Path, length: &Length) -> Result<(PathBuf, String, u64)> {
        let path = file_of(folder, length.length);
        let mut file = NewFile::create(&path)?;
        let mut to = Hashing::new(std::io::BufWriter::new(&mut file));
        let mut write = |bytes: &[u8]| to.write_all(bytes).map_err(|error| files::storage(&error, &path, "cannot write"));
        for id in length.kept.clone() {
            if id > length.kept.start {
                write(b"\n")?;
            }
            write(self.proofs.text(id).as_bytes())?;
        }
        to.flush().map_err(|error| files::storage(&error, &path, "cannot write"))?;
        let (_, sha256, bytes) = to.finish();
        if path.exists() && files::sha256(&path)? == (sha256.clone(), bytes) {
            return Ok((path, sha256, bytes));
        }
        file.publish()?;
        Ok((path, sha256, bytes))
    }
}

fn file_of(folder: &Path, length: usize) -> PathBuf {
    folder.join(format!("dProofs{length}.txt"))
}

fn shown(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

fn summary(length: &Length) -> String {
    format!("{} kept, {} instances left out, of {} candidates", length.kept.len(), length.removed, length.candidates)
}

fn metrics(length: &Length) -> Map {
    Map::from([
        ("length".into(), length.length.into()),
        ("kept".into(), length.kept.len().into()),
        ("removed".into(), length.removed.into()),
        ("candidates".into(), length.candidates.into()),
        ("duplicates".into(), length.duplicates.into()),
        ("invalid".into(), length.invalid.into()),
    ])
}

fn broken(proof: &str, reason: &str) -> Failure {
    let start: String = proof.chars().take(80).collect();
    Failure::new(Class::Internal, format!("the checker refuses what was derived by {start}: {reason}"))
        .hint("please report it with the command line")
}
