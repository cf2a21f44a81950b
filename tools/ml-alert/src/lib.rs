//! ml-alert: tells people what a stream holds that they should know.
//!
//! With rules (`rules`) a pure core (`engine`) turns records into notifications, which wait in its state until they are delivered (`deliver`,
//! `sinks`); `alert` records tell the fate of each, by the id of its group. Without rules it turns the verdict on a run into at most one message
//! to a Slack or Discord webhook, as follows.
//!
//! Silent when all is well. A message that cannot be delivered waits in the outbox (`STATE_DIR/outbox`) and is tried again on the next call.
//! It writes `alert` records: id `run` for this run's message, `outbox.FILE` for one that had waited.

mod act;
mod cli;
mod deliver;
mod engine;
mod notification;
mod outbox;
mod payload;
mod plan;
mod replay;
mod rules;
mod sinks;
mod spool;
mod verbs;
mod work;

pub use cli::Cli;
