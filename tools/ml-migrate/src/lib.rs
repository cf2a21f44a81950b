//! ml-migrate: creates and upgrades the ledger's schema, and says what a database is.
//!
//! Only what this program created is ever changed. A ledger that MathLedger's own migrations made is recognised and left alone; anything else
//! that is not empty is refused.
//!
//! Records:
//! - step `migration.NAME`, one a migration, with `up` only: ok when it was applied now, skipped when it was there already or is not ours to
//!   make, planned in a dry run, warn when a right is missing for an optional one.
//! - check `schema`, a gate: critical when no ledger is there to work on. Labels `generation` (first, second, none) and `created_by` (ours,
//!   mathledger, unknown, empty), metrics `applied` and `pending`, evidence what differs.

mod act;
mod catalog;
mod cli;
mod migrations;
mod plan;

pub use cli::Cli;
