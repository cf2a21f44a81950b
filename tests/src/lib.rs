//! The test kit: real private servers, stand-in endpoints, and the built tools run as their users run them.
//!
//! Everything here ends with the test process, also when it panics or is killed: see [`guard`]. Tests use it as a dev-dependency.
#![cfg(unix)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the kit is test code: what it cannot do fails the test, with the reason"
)]

pub mod alertmanager;
pub mod bench;
pub mod boot;
pub mod capture;
pub mod clock;
pub mod cluster;
pub mod cron;
pub mod database;
pub mod disk;
pub mod guard;
pub mod http;
pub mod journal;
pub mod ledger;
pub mod newer;
pub mod pipeline;
pub mod pki;
pub mod pm2;
pub mod podman;
pub mod prometheus;
pub mod redis_server;
pub mod running;
pub mod s3_server;
pub mod schema;
mod server;
pub mod skip;
pub mod smtp;
pub mod stand_ins;
pub mod strict;
pub mod tool;
pub mod torture;

pub use alertmanager::Alertmanager;
pub use bench::Bench;
pub use cluster::Cluster;
pub use cron::Cron;
pub use database::{TestDb, TestRole};
pub use disk::{FullDisk, full_disk};
pub use http::{HttpStandIn, Request, Response};
pub use journal::Journal;
pub use pipeline::{Pipeline, PipelineOutput};
pub use pki::{Issued, Pki};
pub use pm2::Pm2;
pub use podman::Podman;
pub use prometheus::Prometheus;
pub use redis_server::RedisServer;
pub use running::{Output, Running};
pub use s3_server::S3Server;
pub use smtp::MailServer;
pub use stand_ins::{Commands, Service};
pub use strict::Strict;
pub use tempfile::TempDir;
pub use tool::Tool;

/// A port on the loopback where nothing listens (now): for servers that are down.
pub fn closed_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("the loopback has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A random word of 32 hex digits, for passwords that a test can search for in what was printed.
pub fn random_word() -> String {
    use std::io::Read;
    let mut bytes = [0u8; 16];
    let mut source = std::fs::File::open("/dev/urandom").expect("/dev/urandom opens");
    source.read_exact(&mut bytes).expect("/dev/urandom gives bytes");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
