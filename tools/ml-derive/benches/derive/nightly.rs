//! The derivation of a night without its database: from the axioms to as many new statements as a night adds by default.

use crate::child::call;
use crate::paired::median;
use crate::{Result, say};
use ml_derive::engine::packed::pack;
use ml_derive::engine::saturate::{Bounds, Saturation};
use ml_logic::System;
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The defaults of DERIVE_MAX_TOTAL, DERIVE_MAX_BREADTH and DERIVE_DEPTH_MAX.
const TOTAL: usize = 2000;
const BREADTH: usize = 500;
const DEPTH: u32 = 4;
/// The nightly mode's bounds on a proof and on a statement, in symbols.
const BOUNDS: Bounds = Bounds { height: DEPTH, proof_length: 1 << 16, max_symbols: 1 << 16 };
const ROUNDS: usize = 5;

/// A night as it was measured.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Night {
    pub steps: usize,
    pub candidates: u64,
    pub added: usize,
    pub seconds: f64,
}

/// Derives a night's statements.
pub fn night() -> Result<Night> {
    let system = System::named("frege").map_err(|error| error.to_string())?;
    let began = Instant::now();
    let mut saturation = Saturation::new(system.necessitation, BOUNDS);
    for axiom in &system.axioms {
        saturation.give(&pack(axiom), 0, 1, false);
    }
    let mut night = Night { steps: 0, candidates: 0, added: 0, seconds: 0.0 };
    while night.added < TOTAL {
        let level = saturation.step(BREADTH.min(TOTAL - night.added), &mut || false).map_err(|stop| stop.to_string())?;
        let Some(level) = level else { break };
        night.steps += 1;
        night.candidates += level.candidates;
        night.added += level.added.len();
    }
    night.seconds = began.elapsed().as_secs_f64();
    Ok(night)
}

/// Measures some nights; the first of them with the median of their seconds.
pub fn measure() -> Result<Night> {
    let nights: Vec<Night> = (0..ROUNDS).map(|_| call("nightly", 0, 1)).collect::<Result<_>>()?;
    let seconds = median(nights.iter().map(|night| night.seconds).collect());
    let Some(night) = nights.into_iter().next().map(|night| Night { seconds, ..night }) else { return Err("no night was measured".into()) };
    say(format_args!(
        "\nNightly mode from the axioms, without the database, the proofs and their check: {} statements in {} steps from {} pairs: {:.3} s",
        night.added,
        night.steps,
        crate::table::thousands(night.candidates),
        night.seconds
    ));
    Ok(night)
}
