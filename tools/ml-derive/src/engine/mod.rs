//! The derivation engine: condensed detachment over all that is known, without repetition.
//!
//! No IO, no database, no clock; the same input gives the same output on every machine and with any number of threads. Two drivers:
//!
//! - [`exhaustive`]: everything with a proof of at most n symbols, exactly, with all cores, in as little memory as there is;
//! - [`saturate`]: new statements from a given stock, level by level, within budgets.
//!
//! The core of the first is a graph in which equal terms are one node ([`nodes`], [`terms`]): conclusions from pairs of premises
//! ([`block`], [`conclusion`]), which of them are there already ([`known`]), all candidates of a length ([`length`]), terms in order
//! ([`spine`], [`order`]) and which are instances of another ([`general`]). The second works on a stock of small terms as bytes
//! ([`packed`], [`detach`], [`table`], [`instances`]). What is drawn may be trusted only after `ml_logic::checker` has seen it, and that
//! shares no code with this.

pub mod bits;
pub mod block;
pub mod conclusion;
pub mod detach;
pub mod exhaustive;
pub mod general;
pub mod goals;
pub mod instances;
pub mod known;
pub mod length;
pub mod nodes;
pub mod order;
pub mod packed;
pub mod pairs;
pub mod rank;
pub mod saturate;
pub mod score;
pub mod spine;
pub mod table;
pub mod terms;
pub mod trial;

use std::fmt;

/// Why a driver could not go on. What it had finished before stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It was asked to.
    Cancelled,
    /// A conclusion has more than so many symbols; leaving it out would make the result wrong.
    TooLarge(usize),
    /// More terms than the engine has numbers for.
    TooMany,
    /// More memory than is allowed, in bytes.
    Memory {
        /// That much is needed.
        needed: usize,
        /// So much may be used.
        limit: usize,
    },
    /// The system grants no threads.
    NoThreads,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stop::Cancelled => f.write_str("interrupted"),
            Stop::TooLarge(limit) => write!(f, "a conclusion has more than {limit} symbols"),
            Stop::Memory { needed, limit } => {
                write!(f, "about {} MiB of memory are needed and {} MiB may be used", needed >> 20, limit >> 20)
            }
            Stop::NoThreads => f.write_str("the system grants no threads"),
            Stop::TooMany => f.write_str("more conclusions than the engine has numbers for"),
        }
    }
}

impl std::error::Error for Stop {}
