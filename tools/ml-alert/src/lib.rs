//! ml-alert: turns the verdict on a run into at most one message to a Slack or Discord webhook.
//!
//! Silent when all is well. A message that cannot be delivered waits in the outbox (`STATE_DIR/outbox`) and is tried again on the next call.
//! It writes `alert` records: id `run` for this run's message, `outbox.FILE` for one that had waited.

mod act;
mod cli;
mod notification;
mod outbox;
mod payload;
mod plan;

pub use cli::Cli;
