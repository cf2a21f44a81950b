//! The one table of exit codes, and which of two is worse.
//!
//! No tool knows whether it is the last of a pipeline, so each exits with the worst code it has seen; the order below is therefore part
//! of the contract and not the numeric order.

use serde::{Deserialize, Serialize};

/// Every code that a tool may exit with, from best to worst.
pub const ORDER: [u8; 12] = [0, 1, 75, 3, 4, 2, 5, 78, 64, 70, 130, 143];

/// What each code means, for `--help` and the manual.
pub const TABLE: [(u8, &str); 12] = [
    (0, "success; for ml-health everything ok or skipped"),
    (1, "general failure; for ml-health degraded (a warning)"),
    (2, "database error"),
    (3, "API or network failure"),
    (4, "backup storage or its authentication"),
    (5, "health check critical"),
    (64, "wrong usage"),
    (70, "a stage of the pipeline died, or an internal error"),
    (75, "another run holds the lock"),
    (78, "configuration error"),
    (130, "interrupted, after cleaning up"),
    (143, "terminated, after cleaning up"),
];

/// An exit code of the table. Codes from elsewhere (a newer tool's) are kept as they are and rank with 70.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(transparent)]
pub struct Exit(pub u8);

impl Exit {
    /// Success.
    pub const OK: Exit = Exit(0);
    /// General failure, or ml-health degraded.
    pub const GENERAL: Exit = Exit(1);
    /// A stage died, or an internal error.
    pub const DIED: Exit = Exit(70);
    /// UNKNOWN in the convention of Nagios plugins, whose codes are not those of the table.
    pub const NAGIOS_UNKNOWN: Exit = Exit(3);

    /// Position in [`ORDER`]: larger is worse.
    fn rank(self) -> usize {
        let rank_of = |code| ORDER.iter().position(|&c| c == code);
        rank_of(self.0).or_else(|| rank_of(70)).unwrap_or(ORDER.len())
    }

    /// The worse of two codes.
    #[must_use]
    pub fn worst(self, other: Exit) -> Exit {
        if other.rank() > self.rank() { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worst_follows_the_table_and_not_the_number() {
        for (i, &better) in ORDER.iter().enumerate() {
            for &worse in &ORDER[i..] {
                assert_eq!(Exit(better).worst(Exit(worse)), Exit(worse));
                assert_eq!(Exit(worse).worst(Exit(better)), Exit(worse));
            }
        }
        assert_eq!(Exit(2).worst(Exit(75)), Exit(2));
    }

    #[test]
    fn a_foreign_code_ranks_with_a_dead_stage() {
        assert_eq!(Exit(99).worst(Exit(64)), Exit(99));
        assert_eq!(Exit(99).worst(Exit(130)), Exit(130));
    }
}
