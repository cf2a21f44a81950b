//! What the engine is to reach, and whether it did here. The goals in seconds are of one machine, on which an experiment, the plain engine
//! in other words, took a known time; on another one the ratio carries over.

use crate::child::Run;
use crate::paired::Pair;
use crate::profile::Instructions;
use crate::say;
use serde::Serialize;

/// Seconds of the experiment, and seconds that are the goal on the same machine, to each length.
const SECONDS: [(usize, f64, f64); 2] = [(21, 0.41, 0.25), (25, 7.5, 4.0)];
/// How many times faster two threads are to be than one.
const SPEED_UP: f64 = 1.7;
/// Memory of the whole run to 27, in bytes.
const MEMORY: f64 = 300e6;

/// A goal and what was measured.
#[derive(Debug, Serialize)]
pub struct Goal {
    pub what: String,
    pub measured: f64,
    pub goal: f64,
    pub unit: &'static str,
    /// Nothing when other programs took the processors and the goal was missed: that says nothing of the engine.
    pub met: Option<bool>,
}

/// Compares, and says so.
pub fn judge(pairs: &[Pair], last: &Run, instructions: &[Instructions]) -> Vec<Goal> {
    let at_most = |what: String, measured: f64, goal: f64, unit| Goal { what, measured, goal, unit, met: Some(measured <= goal) };
    let mut goals = Vec::new();
    for (to, experiment, goal) in SECONDS {
        let by_time = pairs.iter().find(|pair| pair.to == to).map(|pair| ("times faster", pair.faster));
        let counted = instructions.iter().find(|counted| counted.to == to);
        let by_count = counted.map(|counted| ("times fewer instructions", counted.baseline as f64 / counted.ours as f64));
        for (by, ratio) in [by_time, by_count].into_iter().flatten() {
            goals.push(at_most(format!("to {to}, {ratio:.2} {by} than {experiment} s"), experiment / ratio, goal, "s"));
        }
    }
    let longest = pairs.iter().filter_map(|pair| Some((pair, pair.speed_up?))).next_back();
    if let Some((pair, speed_up)) = longest {
        let met = if speed_up >= SPEED_UP { Some(true) } else { (!crowded(pair)).then_some(false) };
        goals.push(Goal { what: format!("two threads over one, to {}", pair.to), measured: speed_up, goal: SPEED_UP, unit: "x", met });
    }
    if let Some(peak) = last.peak_bytes {
        let to = last.rows.last().map_or(0, |row| row.counts.length);
        goals.push(at_most(format!("memory to {to}, one thread"), peak as f64 / 1e6, MEMORY / 1e6, "MB"));
    }
    say("\nGoals");
    for goal in &goals {
        let Goal { what, measured, goal, unit, met } = goal;
        let verdict = match met {
            Some(true) => "met",
            Some(false) => "not met",
            None => "no verdict, as others had the processors too",
        };
        say(format_args!("  {what:<58} {measured:>8.2} {unit:<2} (goal {goal} {unit}): {verdict}"));
    }
    goals
}

/// Whether one thread had to wait for a processor, so that two had to all the more.
fn crowded(pair: &Pair) -> bool {
    pair.ours.median_cpu_seconds.is_some_and(|seconds| pair.ours.median_seconds > 1.1 * seconds)
}
