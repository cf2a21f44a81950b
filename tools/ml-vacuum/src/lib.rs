//! ml-vacuum: keeps the database's tables in order, and says what it did and why it could not.
//!
//! Failed proofs past their time are removed, oldest first, in short transactions that wait for nobody; then every table is vacuumed and
//! analysed, the one nearest to wraparound first. It vacuums when no gate upstream is critical, and prunes only in a recognised ledger and
//! when no backup upstream failed.
//!
//! Records:
//! - step `prune.proofs`: failed proofs removed (rows), with the metrics `batches`, `left` and `cascade_TABLE` (rows of TABLE that went with
//!   them); skipped with its reason; warn when rows stayed because others held them. Planned, `rows` is what would go.
//! - step `vacuum.TABLE`: dead rows removed (rows) and size afterwards (bytes), with figures before and after as metrics and why it was done
//!   as reason; skipped without the right to or while autovacuum is at it; warn when another session's lock was in the way.
//! - step `vacuum`: skipped, as the settings say.
//! - check `vacuum.horizon`: dead rows stayed, and this is what holds them back.

mod act;
mod cli;
mod horizon;
mod plan;
mod prune;
mod sessions;
mod tables;
mod vacuum;

pub use cli::Cli;
