//! One measured run in a process of its own, and how the parent gets its figures: one line of JSON.

use crate::baseline::Baseline;
use crate::slow::Slow;
use crate::{Result, machine, nightly};
use ml_derive::engine::exhaustive::{Exhaustive, Options};
use ml_logic::System;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};
use std::time::Instant;

/// What a length gave; the same whichever engine computed it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Symbols of each proof.
    pub length: usize,
    /// Pairs of premises.
    pub candidates: u64,
    /// Of those, pairs without a conclusion.
    pub invalid: u64,
    /// Conclusions that were known.
    pub duplicates: u64,
    /// New conclusions that are instances of others.
    pub removed: u64,
    /// New conclusions that are not.
    pub kept: u64,
}

/// A length as it was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Row {
    #[serde(flatten)]
    pub counts: Counts,
    pub seconds: f64,
    /// Kept conclusions of all lengths until then, and the memory that the engine says they take, in bytes.
    pub terms: usize,
    pub bytes: Option<usize>,
}

/// A whole run, from nothing.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Run {
    pub engine: String,
    pub threads: usize,
    pub seconds: f64,
    /// Of all threads together; unlike `seconds` without what others took of the processors.
    pub cpu_seconds: Option<f64>,
    /// The most memory that the process had, in bytes.
    pub peak_bytes: Option<u64>,
    pub rows: Vec<Row>,
}

/// What generates length by length.
pub trait Engine {
    /// Generates the next length.
    fn next(&mut self) -> Result<Counts>;
    /// Kept conclusions of all lengths.
    fn terms(&self) -> usize;
    /// Memory in use, in bytes, when the engine counts it.
    fn memory(&self) -> Option<usize>;
}

impl Engine for Exhaustive {
    fn next(&mut self) -> Result<Counts> {
        let done = self.next_length(&|| false).map_err(|stop| stop.to_string())?;
        let kept = done.kept.len() as u64;
        let (candidates, invalid, duplicates) = (done.candidates, done.invalid, done.duplicates);
        Ok(Counts { length: done.length, candidates, invalid, duplicates, removed: done.removed, kept })
    }

    fn terms(&self) -> usize {
        self.len()
    }

    fn memory(&self) -> Option<usize> {
        Some(Exhaustive::memory(self))
    }
}

/// The engine of that name; names are those in the figures.
fn engine(name: &str, system: &System, threads: usize) -> Result<Box<dyn Engine>> {
    let options = Options { threads, ..Options::of(system.necessitation) };
    Ok(match name {
        "ours" => Box::new(Exhaustive::new(&system.axioms, options).map_err(|stop| stop.to_string())?),
        "baseline" => Box::new(Baseline::new(&system.axioms)),
        "slow" => Box::new(Slow::new(&system.axioms)),
        _ => return Err(format!("there is no engine '{name}'")),
    })
}

/// Does what [`call`] asked for.
pub fn run(name: &str, to: &str, threads: &str) -> Result<()> {
    let number = |text: &str| text.parse::<usize>().map_err(|_| format!("{text} is no number"));
    let (to, threads) = (number(to)?, number(threads)?);
    let figures = match name {
        "nightly" => serde_json::to_string(&nightly::night()?),
        _ => serde_json::to_string(&exhaustive(name, to, threads)?),
    };
    crate::say(figures.map_err(|error| error.to_string())?);
    Ok(())
}

fn exhaustive(name: &str, to: usize, threads: usize) -> Result<Run> {
    let system = System::named("frege").map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut engine = engine(name, &system, threads)?;
    let mut rows: Vec<Row> = Vec::new();
    let mut before = 0.0;
    for _ in 0..to {
        let counts = engine.next()?;
        let seconds = began.elapsed().as_secs_f64();
        // Without necessitation there is nothing of even lengths; their time is that of the next one.
        if counts.candidates > 0 {
            rows.push(Row { counts, seconds: seconds - before, terms: engine.terms(), bytes: engine.memory() });
            before = seconds;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    Ok(Run { engine: name.to_owned(), threads, seconds, cpu_seconds: machine::cpu_seconds(), peak_bytes: machine::peak_bytes(), rows })
}

/// The words after the program's name that make it do one run.
pub fn words(engine: &str, to: usize, threads: usize) -> [String; 4] {
    ["--child".to_owned(), engine.to_owned(), to.to_string(), threads.to_string()]
}

/// Has a run done in a process of its own.
pub fn call<T: DeserializeOwned>(engine: &str, to: usize, threads: usize) -> Result<T> {
    let program = std::env::current_exe().map_err(|error| format!("this program does not find itself: {error}"))?;
    let mut command = Command::new(program);
    command.args(words(engine, to, threads)).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("a run could not be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("the run of {engine} to {to} ended with {}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| format!("the run of {engine} to {to} gave no figures: {error}"))
}
