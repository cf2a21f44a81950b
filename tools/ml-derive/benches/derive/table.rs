//! The tables that people read.

use crate::child::{Row, Run};
use crate::paired::{Pair, Summary};
use crate::say;

fn mb(bytes: Option<u64>) -> String {
    bytes.map_or("-".to_owned(), |bytes| format!("{:.0} MB", bytes as f64 / 1e6))
}

/// A number with a mark at the thousands.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The head of the table of pairs, whose rows come one by one.
pub fn pairs_head() {
    say(
        "\nWhole runs from nothing, the plain engine and this one by turns. Of the rounds: median and least seconds, median of the seconds on",
    );
    say("processors, highest memory. Faster is by seconds on processors, speed-up by the clock; both are medians of the rounds' ratios.");
    let [plain, one, two] = ["plain, 1 thread", "this, 1 thread", "this, 2 threads"];
    say(format_args!("{:>4} {:>7}   {plain:<27} {one:<27} {:>7}   {two:<27} {:>8}", "to", "rounds", "faster", "speed-up"));
}

/// A row of the table of pairs.
pub fn pair(pair: &Pair) {
    let runs = |summary: &Summary| {
        let cpu = summary.median_cpu_seconds.map_or("    -".to_owned(), |seconds| format!("{seconds:.3}"));
        format!("{:.3} {:.3} {cpu} {:>7}", summary.median_seconds, summary.least_seconds, mb(summary.peak_bytes))
    };
    let times = |ratio: f64| format!("{ratio:.2}x");
    let (plain, one) = (runs(&pair.baseline), runs(&pair.ours));
    let two = pair.two_threads.as_ref().map_or("-".to_owned(), runs);
    let (faster, speed_up) = (times(pair.faster), pair.speed_up.map_or("-".to_owned(), times));
    say(format_args!("{:>4} {:>7}   {plain:<27} {one:<27} {faster:>7}   {two:<27} {speed_up:>8}", pair.to, pair.rounds));
}

/// What each length of a run cost.
pub fn lengths(run: &Run) {
    say("\nThis engine length by length, one thread; growth is to the length before, bytes a term are of all kept until then.");
    say(format_args!(
        "{:>6} {:>14} {:>10} {:>9} {:>13} {:>10} {:>8} {:>9} {:>9}",
        "length", "candidates", "kept", "seconds", "candidates/s", "kept/s", "bytes", "x seconds", "x kept"
    ));
    let mut before: Option<&Row> = None;
    for row in &run.rows {
        // Where there is next to nothing to do, rates say nothing.
        if row.counts.length >= 9 {
            length(row, before);
        }
        before = Some(row);
    }
    say(format_args!("to {}: {:.2} s, {} at most", run.rows.last().map_or(0, |row| row.counts.length), run.seconds, mb(run.peak_bytes)));
}

fn length(row: &Row, before: Option<&Row>) {
    let growth = |of: fn(&Row) -> f64| before.map_or("-".to_owned(), |before| format!("{:.2}", of(row) / of(before)));
    let per_second = |count: u64| thousands((count as f64 / row.seconds) as u64);
    let counts = row.counts;
    say(format_args!(
        "{:>6} {:>14} {:>10} {:>9.4} {:>13} {:>10} {:>8} {:>9} {:>9}",
        counts.length,
        thousands(counts.candidates),
        thousands(counts.kept),
        row.seconds,
        per_second(counts.candidates),
        per_second(counts.kept),
        row.bytes.map_or("-".to_owned(), |bytes| format!("{:.1}", bytes as f64 / row.terms.max(1) as f64)),
        growth(|row| row.seconds),
        growth(|row| row.counts.kept as f64),
    ));
}
