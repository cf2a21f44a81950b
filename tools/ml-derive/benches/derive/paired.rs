//! Runs that take turns, and what they say of each other.

use crate::child::{Counts, Run, call};
use crate::{Result, machine, say, table};
use serde::Serialize;

/// The plain engine and ours to one length.
#[derive(Debug, Serialize)]
pub struct Pair {
    pub to: usize,
    pub rounds: usize,
    pub baseline: Summary,
    pub ours: Summary,
    /// On a machine with two processors.
    pub two_threads: Option<Summary>,
    /// How many times faster than the plain engine ours is, one thread each: the median of the rounds. By processor time where the system
    /// counts it, which waits for nobody.
    pub faster: f64,
    /// How many times faster two threads are than one, by the clock: the median of the rounds.
    pub speed_up: Option<f64>,
}

/// Runs of the same kind.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub median_seconds: f64,
    pub least_seconds: f64,
    pub median_cpu_seconds: Option<f64>,
    pub peak_bytes: Option<u64>,
}

/// The slow engine and ours to one length.
#[derive(Debug, Serialize)]
pub struct Slower {
    pub to: usize,
    pub slow_seconds: f64,
    pub ours_seconds: f64,
}

/// How far the slow engine is taken: every further length takes it ten times as long.
const SLOW_TO: usize = 15;
/// The last length, for which memory is measured.
const LAST: usize = 27;

/// Measures the engine without an index.
pub fn slow() -> Result<Slower> {
    let (slow, ours): (Run, Run) = (call("slow", SLOW_TO, 1)?, call("ours", SLOW_TO, 1)?);
    agree(&slow, &ours)?;
    let (slow_seconds, ours_seconds) = (slow.seconds, ours.seconds);
    say(format_args!(
        "\nTo {SLOW_TO}: {slow_seconds:.3} s by comparing everything with everything, {ours_seconds:.4} s by this engine: {:.0} times as fast.",
        slow_seconds / ours_seconds
    ));
    Ok(Slower { to: SLOW_TO, slow_seconds, ours_seconds })
}

/// Measures all pairs.
pub fn pairs(long: bool) -> Result<Vec<Pair>> {
    let rounds = if long { [(19, 9), (21, 9), (23, 5), (25, 5)] } else { [(19, 5), (21, 5), (23, 3), (25, 3)] };
    table::pairs_head();
    let pair = |(to, rounds)| {
        let pair = measure(to, rounds)?;
        table::pair(&pair);
        Ok(pair)
    };
    rounds.into_iter().map(pair).collect()
}

/// The whole run to the last length, one thread.
pub fn last() -> Result<Run> {
    call("ours", LAST, 1)
}

fn measure(to: usize, rounds: usize) -> Result<Pair> {
    let (mut baseline, mut ours, mut two) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        baseline.push(call::<Run>("baseline", to, 1)?);
        ours.push(call::<Run>("ours", to, 1)?);
        if machine::cores() > 1 {
            two.push(call::<Run>("ours", to, 2)?);
        }
    }
    ours.iter().chain(&two).try_for_each(|run| agree(&baseline[0], run))?;
    let ratio = |a: &[Run], b: &[Run], of: fn(&Run) -> f64| median(a.iter().zip(b).map(|(a, b)| of(a) / of(b)).collect());
    Ok(Pair {
        to,
        rounds,
        faster: ratio(&baseline, &ours, |run| run.cpu_seconds.unwrap_or(run.seconds)),
        speed_up: (!two.is_empty()).then(|| ratio(&ours, &two, |run| run.seconds)),
        two_threads: (!two.is_empty()).then(|| summary(&two)),
        baseline: summary(&baseline),
        ours: summary(&ours),
    })
}

/// Both found the same; else nothing is worth comparing.
fn agree(a: &Run, b: &Run) -> Result<()> {
    let counts = |run: &Run| run.rows.iter().map(|row| row.counts).collect::<Vec<Counts>>();
    let (counts_a, counts_b) = (counts(a), counts(b));
    match counts_a.iter().zip(&counts_b).find(|(a, b)| a != b) {
        None if counts_a.len() == counts_b.len() => Ok(()),
        None => Err(format!("{} and {} generated different lengths", a.engine, b.engine)),
        Some((of_a, of_b)) => Err(format!("the engines disagree: {} found {of_a:?}, {} found {of_b:?}", a.engine, b.engine)),
    }
}

fn summary(runs: &[Run]) -> Summary {
    let seconds: Vec<f64> = runs.iter().map(|run| run.seconds).collect();
    Summary {
        least_seconds: seconds.iter().copied().fold(f64::INFINITY, f64::min),
        median_seconds: median(seconds),
        median_cpu_seconds: runs.iter().map(|run| run.cpu_seconds).collect::<Option<_>>().map(median),
        peak_bytes: runs.iter().filter_map(|run| run.peak_bytes).max(),
    }
}

/// The middle one, or of two middle ones their mean.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { (numbers[middle - 1] + numbers[middle]) / 2.0 }
}
