//! What docker and podman tell, in one form.

use super::super::{Look, Unseen};
use serde_json::Value;

/// A container.
#[derive(Clone, Debug)]
pub struct Container {
    /// As the service knows it.
    pub id: String,
    /// Without the slash that docker puts before it.
    pub name: String,
    /// running, exited, paused, restarting...
    pub state: String,
    /// healthy, unhealthy, starting, or nothing.
    pub health: String,
    /// Restarts by the service.
    pub restarts: u64,
    /// How it ended.
    pub code: Option<i64>,
    /// When it began.
    pub started: Option<jiff::Timestamp>,
    /// NAME=value.
    pub env: Vec<String>,
}

/// What one uses.
#[derive(Clone, Debug)]
pub struct Usage {
    /// Whose.
    pub name: String,
    /// Per cent of a core.
    pub cpu: f64,
    /// Bytes.
    pub memory: f64,
    /// Bytes that it may use.
    pub limit: f64,
}

/// A way to ask.
pub trait Engine {
    /// All containers, also those that ended.
    ///
    /// # Errors
    /// When the service does not answer.
    fn list(&self, look: &Look<'_>) -> Result<Vec<Container>, Unseen>;

    /// What they use.
    ///
    /// # Errors
    /// As [`Engine::list`].
    fn usage(&self, containers: &[&Container], look: &Look<'_>) -> Result<Vec<Usage>, Unseen>;

    /// What a program prints in a container.
    ///
    /// # Errors
    /// As [`Engine::list`], and when the program fails.
    fn exec(&self, container: &str, words: &[&str], look: &Look<'_>) -> Result<String, Unseen>;
}

/// Out of what `inspect` tells; podman calls some things otherwise.
pub fn container(value: &Value) -> Container {
    let state = &value["State"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let health = [&state["Health"]["Status"], &state["Healthcheck"]["Status"]].into_iter().find_map(Value::as_str).unwrap_or_default();
    let env = value["Config"]["Env"].as_array().map(Vec::as_slice).unwrap_or_default();
    Container {
        id: text(&value["Id"]),
        name: text(&value["Name"]).trim_start_matches('/').to_owned(),
        state: text(&state["Status"]),
        health: if health == "none" { String::new() } else { health.to_owned() },
        restarts: value["RestartCount"].as_u64().unwrap_or_default(),
        code: state["ExitCode"].as_i64(),
        started: state["StartedAt"].as_str().and_then(|at| at.parse().ok()),
        env: env.iter().filter_map(|pair| pair.as_str().map(str::to_owned)).collect(),
    }
}
