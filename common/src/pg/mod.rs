//! PostgreSQL: settings mean what they mean to psql, every wait has an end, and no password leaves.
//!
//! `postgres` itself knows three of the six sslmodes, no PG* variables, no `.pgpass` and no deadline for a silent listener; so libpq's
//! settings are resolved here ([`Target::resolve`]) and sessions are opened here ([`Target::connect`]).

mod cancel;
mod chain;
mod child;
mod connect;
mod conninfo;
mod failure;
mod keywords;
pub mod lock;
mod names;
mod passfile;
mod resolve;
mod scrub;
mod service;
mod target;
mod tls;
mod verify;
mod wire;

pub use cancel::canceller;
pub use connect::Options;
pub use failure::failure;
pub use scrub::without_password;
pub use target::Target;

/// Looks up an environment variable, or a setting that stands for it.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

#[cfg(test)]
mod tests;
