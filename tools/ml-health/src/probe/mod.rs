//! The probes: one file and one table of checks a lane.

pub mod api;
pub mod backup;
pub mod disk;
pub mod ledger;
pub mod postgres;
pub mod redis;
pub mod settings;

use crate::limits::Limits;
use ml_common::settings::Settings;
use ml_common::signal::Cancel;
use ml_common::{Result, Stage, pg};

/// The setting that names the API's health endpoint.
pub const HEALTH_URL: &str = "HEALTH_URL";
/// The setting that names the API's metrics endpoint.
pub const METRICS_URL: &str = "METRICS_URL";

/// What the probes have at hand.
pub struct Facts {
    /// The settings in force.
    pub settings: Settings,
    /// The system that is operated.
    pub system: String,
    /// Their thresholds.
    pub limits: Limits,
    /// The ledger's database.
    pub target: pg::Target,
    /// How to connect to it: read-only, no statement longer than a check has.
    pub options: pg::Options,
    /// The queue's Redis, if one is set.
    pub redis: Option<ml_common::redis::Target>,
    /// Says when to stop.
    pub cancel: Cancel,
}

impl Facts {
    /// Gathers them; `variables` are names of settings that a profile knows.
    ///
    /// # Errors
    /// Class Config when a setting makes no sense.
    pub fn gather(stage: &Stage, variables: &[String]) -> Result<Facts> {
        let limits = Limits::read(&stage.settings)?;
        let deadline = limits.deadline;
        let mut options = stage.pg_options()?;
        options.connect_deadline = deadline;
        options.statement_timeout = Some(options.statement_timeout.map_or(deadline, |limit| limit.min(deadline)));
        options.lock_timeout = options.statement_timeout;
        options.read_only = true;
        let mut redis = stage.settings.get("REDIS_URL").map(ml_common::redis::Target::parse).transpose()?;
        if let Some(redis) = &mut redis {
            (redis.connect_timeout, redis.response_timeout) = (deadline, deadline);
        }
        for key in [HEALTH_URL, METRICS_URL] {
            let checked = stage.settings.get(key).map_or(Ok(()), ml_common::http::check_url);
            checked.map_err(|failure| failure.context(key))?;
        }
        let (mut settings, cancel) = (stage.settings.clone(), stage.cancel.clone());
        settings.accept(variables.iter().map(String::as_str));
        Ok(Facts { system: stage.system.clone(), limits, target: stage.target()?, options, redis, settings, cancel })
    }
}
