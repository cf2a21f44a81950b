//! Makes the checks and tells what they found.

use crate::cli::Cli;
use crate::kind::Opening;
use crate::lane::Lane;
use crate::plan;
use crate::probe::Facts;
use crate::profile::{self, Checked, Shared};
use crate::report::{Report, State};
use crate::schedule::{Schedule, Watch};
use ml_common::record::{Body, Check};
use ml_common::stage::Output;
use ml_common::{Class, Done, Failure, Result, Stage, Status};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// All the work of ml-health.
///
/// # Errors
/// Class Config for settings or a profile that make no sense, Usage when no check is left, and a signal. What the checks find is no error.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let mode = stage.out().mode();
    let profile = match cli.profile(&stage.settings) {
        // Several lines are told on stderr; a table has a line for each, and a plugin one line.
        Err(failure) if failure.message.contains('\n') && mode == Output::Table => return check_config(cli, stage),
        Err(failure) if mode == Output::Nagios => {
            return Err(Failure { message: failure.message.lines().next().unwrap_or_default().to_owned(), ..failure });
        }
        profile => profile?,
    };
    let choice = cli.choice(&stage.settings)?;
    if choice.is_empty() {
        return Err(Failure::new(Class::Usage, "no check is left to make").hint("see --only, --skip and --tier in --help"));
    }
    let beat = cli.beat(&stage.settings)?;
    if beat.is_some() && !matches!(mode, Output::Records | Output::Table) {
        return Err(Failure::new(Class::Usage, "a watch prints records or a table")
            .hint("leave --output away, or write the metrics with --textfile"));
    }
    let mut lanes = Vec::new();
    if profile.is_none_or(|profile| profile.home) {
        let variables = profile.map(|profile| profile.variables.as_slice()).unwrap_or_default();
        lanes = plan::lanes(&Arc::new(Facts::gather(stage, variables)?), &choice);
    }
    let state = profile.map(|profile| State::open(stage, profile));
    if let (Some(profile), Some(state)) = (profile, &state) {
        let application = format!("{} {}", stage.tool, stage.run);
        let opening = Opening { settings: &stage.settings, system: &stage.system, application: &application, root: stage.settings.base() };
        let shared = Shared { cancel: stage.cancel.clone(), since: cli.since, memories: Arc::new(state.memory().views.clone()) };
        lanes.extend(profile.lanes(&|id| choice.has(id), &opening, &shared)?);
    }
    let watch = beat.map(|every| Watch { every, until: cli.lasting.map(|lasting| Instant::now() + lasting) });
    let mut report = Report::new(stage, profile.zip(state), watch.is_none(), cli.textfile.as_deref());
    let made = Schedule::start(Lane::join(lanes)).run(watch, &stage.cancel, &mut report);
    let written = report.finish();
    made?;
    written?;
    Ok(report.conclude())
}

/// Tells every mistake of the profile.
///
/// # Errors
/// Class Config when there is one, or no profile.
pub fn check_config(cli: &Cli, stage: &Stage) -> Result<Done> {
    let Some(path) = profile::path(cli.profile.as_deref(), &stage.settings)? else {
        return Err(Failure::new(Class::Config, "there is no profile to look at").hint("name one with --profile, or set PROFILE"));
    };
    let Checked { system, mistakes, checks, unset } = profile::check(&path, &stage.settings, &plan::home_ids())?;
    let system = system.unwrap_or_else(|| stage.system.clone());
    for mistake in &mistakes {
        let check = Check {
            id: "config".into(),
            summary: mistake.to_string(),
            hint: mistake.hint.clone(),
            error_class: Some(Class::Config.name().into()),
            ..Check::default()
        };
        stage.emit_for(&system, Status::Crit, Body::Check(check));
    }
    let mut skipped: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    unset.iter().for_each(|(id, why)| skipped.entry(why).or_default().push(id));
    for (why, ids) in skipped {
        let summary = format!("{why}: {} skipped", ids.join(", "));
        let hint = Some("set it where a run has its settings, or leave it: those checks are skipped then, and never ok".into());
        stage.emit_for(&system, Status::Skipped, Body::Check(Check { id: "config".into(), summary, hint, ..Check::default() }));
    }
    if mistakes.is_empty() {
        let home = if checks == 1 { "1 check".to_owned() } else { format!("{checks} checks") };
        return Ok(Done::ok(format!("config is fine: {home}")).metric("checks", checks));
    }
    let count = if mistakes.len() == 1 { "1 mistake".to_owned() } else { format!("{} mistakes", mistakes.len()) };
    Err(Failure::new(Class::Config, format!("{} has {count}", path.display())).hint("each is told above with its line"))
}
