//! The views against real servers.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod activity;
mod all;
mod schema;
mod server;
mod session;
mod statements;

use super::super::probing::{Probing, text};
use super::KIND;
use crate::kind::{Arg, Sample, Unseen};
use ml_common::Failure;
use ml_common::record::Scalar;
use ml_tests::TestDb;

/// A probe as a role that may see everything.
fn monitor(db: &TestDb) -> Probing {
    let role = db.role("monitor", "GRANT ml, pg_monitor TO {role}");
    Probing::open(&KIND, &[("url", text(db.url_as(&role.name, &role.password)))])
}

/// A probe as a role that may do no more than log in.
fn blind(db: &TestDb) -> Probing {
    let role = db.role("blind", "");
    Probing::open(&KIND, &[("url", text(db.url_as(&role.name, &role.password)))])
}

/// Looks, and the view gives a sample.
#[track_caller]
fn seen(probing: &mut Probing, view: &str, args: &[(&'static str, Arg)]) -> Sample {
    probing.take(view, args).unwrap_or_else(|unseen| panic!("{view}: {unseen:?}"))
}

#[track_caller]
fn failed(unseen: Result<Sample, Unseen>) -> Failure {
    match unseen.unwrap_err() {
        Unseen::Failed(failure) => failure,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn number(sample: &Sample, name: &str) -> f64 {
    match sample.values.get(name) {
        Some(Scalar::Int(int)) => *int as f64,
        Some(Scalar::Float(float)) => *float,
        other => panic!("{name} is {other:?} in {sample:?}"),
    }
}

/// Looks until it is so: what the server counts comes a moment later.
#[track_caller]
fn until(probing: &mut Probing, view: &str, args: &[(&'static str, Arg)], so: impl Fn(&Sample) -> bool) -> Sample {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    loop {
        let sample = seen(probing, view, args);
        if so(&sample) {
            return sample;
        }
        assert!(std::time::Instant::now() < deadline, "{sample:?}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
