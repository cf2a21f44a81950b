//! How many different things there were, in constant memory: exact up to [`KEPT`], beyond that of every second one, every fourth, and so on, which
//! is off by less than a per cent.

use super::hash::Seed;
use std::collections::HashSet;
use xxhash_rust::xxh3::xxh3_64;

/// So many are known one by one.
const KEPT: usize = 1 << 17;

/// What there was no room for.
#[derive(Debug, Default)]
pub(super) struct Crowd {
    kept: HashSet<u64, Seed>,
    /// Only those are known whose hash ends with so many zeros.
    level: u32,
}

impl Crowd {
    /// One more, perhaps known; gives their number.
    pub(super) fn count(&mut self, name: &str) -> u64 {
        let hash = xxh3_64(name.as_bytes());
        if hash.trailing_zeros() >= self.level && self.kept.insert(hash) {
            while self.kept.len() > KEPT {
                self.level += 1;
                self.kept.retain(|hash| hash.trailing_zeros() >= self.level);
            }
        }
        (self.kept.len() as u64) << self.level
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_counted_once_each() {
        let mut crowd = Crowd::default();
        for name in 0..100_000 {
            assert_eq!(crowd.count(&name.to_string()), name + 1);
        }
        assert_eq!(crowd.count("7"), 100_000);
        for name in 100_000..1_000_000 {
            crowd.count(&name.to_string());
        }
        let told = crowd.count("7");
        assert!((990_000..1_010_000).contains(&told) && crowd.kept.len() <= KEPT, "{told}");
    }
}
