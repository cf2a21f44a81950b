//! The database side of the ledger. It works on databases that it did not create: what there is, is looked up ([`Shape`]), queries are
//! made to fit, and whatever comes from a row is untrusted.
//!
//! Both generations of the schema are read; only the second is written. No tool is known here, and no connection is opened here.

pub mod blocks;
pub mod chain;
pub mod counts;
pub mod premises;
pub mod proof_term;
pub mod reprove;
pub mod runs;
pub mod shape;
pub mod statements;
pub mod theories;
pub mod write;

pub use counts::{Figures, counts, figures};
pub use shape::{Generation, Shape};
pub use statements::Sample;

use ml_common::{Failure, pg};
use std::fmt::Display;

/// `.map_err(failed("counting statements"))`: an error of the server as a failure that says what was being done.
fn failed<D: Display>(doing: D) -> impl FnOnce(postgres::Error) -> Failure {
    move |error| pg::failure(&error, doing)
}
