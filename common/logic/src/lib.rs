//! The logic of the ledger: formulas, notations, unification, condensed detachment, proofs, their checker, hashes.
//!
//! No IO, no database, no threads; it knows no other crate of this workspace. All input is untrusted: nothing here
//! recurses, so nesting is bounded by memory alone, and [`Limits`] turn whatever grows too large into an error.

pub mod checker;
pub mod dag;
pub mod detach;
pub mod dproof;
pub mod emit;
mod error;
pub mod formula;
pub mod hash;
pub mod library;
pub mod names;
pub mod parse;
pub mod print;
pub mod systems;
pub mod theorems;
pub mod truth;
pub mod unify;
mod varmap;

pub use detach::{detach, is_instance};
pub use dproof::DProof;
pub use error::{Error, Limits, Result};
pub use formula::{Formula, Sym};
pub use library::Library;
pub use parse::{Named, parse_any};
pub use systems::System;
