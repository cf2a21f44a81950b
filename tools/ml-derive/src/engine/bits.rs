//! A set of small numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of numbers below a bound; several threads may add to it at once.
#[derive(Debug, Default)]
pub struct Bits(Vec<AtomicU64>);

impl Bits {
    /// The empty set of numbers below `bound`.
    pub fn new(bound: usize) -> Bits {
        let mut words = Vec::new();
        words.resize_with(bound.div_ceil(64), AtomicU64::default);
        Bits(words)
    }

    /// Adds a number.
    pub fn add(&self, number: usize) {
        self.0[number / 64].fetch_or(1 << (number % 64), Ordering::Relaxed);
    }

    /// Whether it has the number.
    pub fn has(&self, number: usize) -> bool {
        self.0[number / 64].load(Ordering::Relaxed) >> (number % 64) & 1 == 1
    }
}
