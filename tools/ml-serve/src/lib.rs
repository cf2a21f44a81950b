//! ml-serve: the last state of the stream as a page, /metrics and /health.
//!
//! It writes one `step` record, id `serve`, with the address as a label; in a dry run it is planned and no port is opened. The state is in
//! memory alone and bounded: it is what the stream said, and the stream is where it comes from again.

mod act;
mod address;
mod cli;
mod health;
mod http;
mod keep;
mod metrics;
mod page;
mod picture;
mod words;

pub use cli::Cli;
