//! ml-alert: tells people what a stream holds that they should know.
//!
//! A pure core (`engine`) turns records into notifications by rules (`rules`), which wait in its state until they are delivered (`deliver`,
//! `sinks`). Without rules of one's own those within the program hold (`builtin`): each run that is not well is told in one message to a Slack or
//! Discord webhook; silent when all is well.
//!
//! It writes `alert` records, the fate of each notification by the id of its group (without rules of one's own: `chat`), and the checks `state`
//! (what is remembered was damaged or cannot be kept), `outbox` (what was given up) and `deadman.SINK`. A replay adds the steps `rule.NAME`: how
//! many alerts of that rule fired, were resolved, told, kept back.

mod builtin;
mod cli;
mod deliver;
mod engine;
mod notification;
mod orders;
mod outbox;
mod plan;
mod replay;
mod rules;
mod sinks;
mod spool;
mod verbs;
mod work;

pub use cli::Cli;
