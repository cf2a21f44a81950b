//! Where the rules and the state are, and who is told nothing.

use crate::cli::Cli;
use crate::rules::Rules;
use crate::sinks::{Kind, Sink};
use ml_common::settings::Settings;
use ml_common::{Result, Stage};
use ml_watch::conf;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Why nobody is told.
pub(super) const OFF: &str = "ALERT_ENABLED is not true";

/// Where the rules are: those of the call, else of the settings and of the profile; none for those within the program.
///
/// # Errors
/// Class Config when the profile is not there.
pub fn rule_files(cli: &Cli, stage: &Stage) -> Result<Vec<PathBuf>> {
    if !cli.rules.is_empty() {
        return Ok(cli.rules.clone());
    }
    let general = stage.settings.get("ALERT_RULES").map(|_| stage.settings.path("ALERT_RULES"));
    let profile = conf::profile_path(cli.profile.as_deref(), &stage.settings)?;
    // Only a profile that has rules changes what is told.
    let profile = profile.filter(|path| std::fs::read_to_string(path).is_ok_and(|text| text.contains("[[rule]]")));
    Ok(general.into_iter().chain(profile).collect())
}

/// Where the state of a system is.
pub fn state_path(stage: &Stage) -> PathBuf {
    let system: String = stage.system.chars().map(|c| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' }).collect();
    stage.settings.path("STATE_DIR").join(format!("alerts-{system}.json"))
}

/// Sinks that are told nothing, and why: all of them where ALERT_ENABLED says so (`off`); those that lack a variable while there
/// is another one.
pub(super) fn silent(rules: &Rules, off: bool) -> BTreeMap<String, String> {
    let unset = |sink: &Sink| matches!(sink.kind, Kind::Unset(_));
    let another = rules.sinks.values().any(|sink| sink.takes_notifications() && !unset(sink));
    let why = |sink: &Sink| match sink {
        _ if off => Some(OFF.to_owned()),
        sink if unset(sink) && another => Some(sink.shown()),
        _ => None,
    };
    rules.sinks.iter().filter_map(|(name, sink)| Some((name.clone(), why(sink)?))).collect()
}

/// Rules of one's own and sinks are enough, and who writes ALERT_ENABLED=false wants nobody to be told; without them it has to be true.
pub(super) fn is_off(rules: &Rules, settings: &Settings) -> Result<bool> {
    let enabled = settings.switch("ALERT_ENABLED")?;
    Ok(!enabled && (rules.are_builtin() || settings.is_set("ALERT_ENABLED")))
}
