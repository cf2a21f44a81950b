//! The five systems that are operated: their profiles against stand-ins and real servers, healthy, degraded, critical and absent.
//!
//! The profiles are those that operators get (config/profiles); the checks and alerts are those of the manuals.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed assumption fails the test")]

mod angles;
mod causal_gym;
mod cron;
mod crontabs;
mod logos_pxl;
mod mathledger;
mod pasted;
mod twzrd;
mod watched;
mod well;
