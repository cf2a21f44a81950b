//! The API's health and metrics: two lanes, so that one that hangs does not hold up the other.

use super::Facts;
use crate::check::{Check, Finding, OnError};
use crate::lane::Lends;
use crate::verdict::api as verdict;
use ml_common::http::{Client, Options, Response};
use ml_common::{Class, Failure, Result};
use std::sync::Arc;

const fn check(
    id: &'static str,
    needs: &'static [&'static str],
    on_error: OnError,
    probe: fn(&mut Endpoint) -> Result<Finding>,
) -> Check<Endpoint> {
    Check { id, gate: false, needs, on_error, probe }
}

/// The first lane.
pub const HEALTH: &[Check<Endpoint>] =
    &[check("api.health", &[], OnError::Crit, |endpoint| Ok(verdict::health(&endpoint.get()?, &endpoint.facts.limits)))];

/// The second lane.
pub const METRICS: &[Check<Endpoint>] = &[
    check("api.metrics", &[], OnError::Crit, metrics),
    check("api.success-rate", &["api.metrics"], OnError::Unknown, |endpoint| {
        Ok(verdict::success_rate(endpoint.seen()?, &endpoint.facts.limits))
    }),
    check("api.queue", &["api.metrics"], OnError::Unknown, |endpoint| Ok(verdict::queue(endpoint.seen()?, &endpoint.facts.limits))),
];

/// What a lane's checks share.
pub struct Endpoint {
    facts: Arc<Facts>,
    url: String,
    client: Client,
    seen: Option<verdict::Metrics>,
}

impl Lends for Endpoint {}

impl Endpoint {
    /// The endpoint that `key` names; without one the reason. It is asked once, for its answer's time is what matters.
    pub fn new(facts: Arc<Facts>, key: &str) -> Result<Endpoint, String> {
        let url = facts.settings.get(key).ok_or_else(|| format!("{key} is not set"))?.to_owned();
        let limit = facts.limits.deadline;
        let options = Options { connect_timeout: limit, timeout: limit, attempts: 1, ..Options::default() };
        let client = Client::new(options, &|name| std::env::var(name).ok());
        Ok(Endpoint { facts, url, client, seen: None })
    }

    fn get(&self) -> Result<Response> {
        self.client.get(&self.url, &[("Accept", "application/json")])
    }

    fn seen(&self) -> Result<&verdict::Metrics> {
        self.seen.as_ref().ok_or_else(|| Failure::new(Class::Internal, "there are no metrics"))
    }
}

fn metrics(endpoint: &mut Endpoint) -> Result<Finding> {
    let (finding, seen) = verdict::metrics(&endpoint.get()?, &endpoint.facts.limits);
    endpoint.seen = seen;
    Ok(finding)
}
