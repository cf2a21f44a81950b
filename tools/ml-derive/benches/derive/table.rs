//! The tables that people read.

use crate::child::{Row, Run};
use crate::paired::Pair;
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
    say("\nWhole runs from nothing, the plain engine and this one by turns; seconds are median and least of the rounds.");
    say(format_args!(
        "{:>4} {:>7} {:>26} {:>26} {:>8} {:>26} {:>9}",
        "to", "rounds", "plain, 1 thread", "this, 1 thread", "faster", "this, 2 threads", "speed-up"
    ));
}

/// A row of the table of pairs.
pub fn pair(pair: &Pair) {
    let runs = |summary: &crate::paired::Summary| {
        format!("{:.3} {:.3} s {:>7}", summary.median_seconds, summary.least_seconds, mb(summary.peak_bytes))
    };
    let two = pair.two_threads.as_ref().map_or("-".to_owned(), runs);
    let speed_up = pair.speed_up.map_or("-".to_owned(), |speed_up| format!("{speed_up:.2}x"));
    let faster = format!("{:.2}x", pair.faster);
    let (baseline, ours) = (runs(&pair.baseline), runs(&pair.ours));
    say(format_args!("{:>4} {:>7} {baseline:>26} {ours:>26} {faster:>8} {two:>26} {speed_up:>9}", pair.to, pair.rounds));
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
