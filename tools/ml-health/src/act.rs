//! Makes the checks and tells what they found.

use crate::check::Finding;
use crate::cli::Cli;
use crate::probe::Facts;
use crate::{nagios, plan};
use ml_common::stage::Output;
use ml_common::{Class, Done, Exit, Failure, Result, Stage, Status};
use std::sync::Arc;

/// All the work of ml-health.
///
/// # Errors
/// Class Config for settings that make no sense, Usage when no check is left, and a signal. What the checks find is no error.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let choice = cli.choice();
    if choice.is_empty() {
        return Err(Failure::new(Class::Usage, "no check is left to make").hint("see --only and --skip in --help"));
    }
    let facts = Arc::new(Facts::gather(stage)?);
    let lanes: Vec<_> = plan::lanes(&facts, &choice).into_iter().map(|lane| lane.start(facts.limits.deadline)).collect();
    let mut findings: Vec<(&'static str, Finding)> = Vec::new();
    for lane in lanes {
        lane.follow(&stage.cancel, |entry, finding, took| {
            stage.check(finding.status(), finding.clone().into_body(entry.id, entry.gate, took));
            findings.push((entry.id, finding));
        })?;
    }
    let (status, done) = conclude(&findings);
    if stage.out().mode() != Output::Nagios {
        return Ok(done);
    }
    stage.out().text(&nagios::line(status, &done.summary, &findings));
    Ok(Done { exit: Exit(nagios::code(status)), ..done })
}

/// The worst of the findings, as the tool's own end.
fn conclude(findings: &[(&'static str, Finding)]) -> (Status, Done) {
    let worst = findings.iter().fold(Status::Ok, |worst, (_, finding)| worst.worst(finding.status()));
    let kinds = [Status::Ok, Status::Warn, Status::Crit, Status::Unknown, Status::Skipped];
    let counts = kinds.map(|kind| (kind, findings.iter().filter(|(_, finding)| finding.status() == kind).count()));
    let told: Vec<String> = counts.iter().filter(|(_, count)| *count > 0).map(|(kind, count)| format!("{count} {}", kind.name())).collect();
    let checks = if findings.len() == 1 { "1 check".to_owned() } else { format!("{} checks", findings.len()) };
    let mut done = Done::ok(format!("{checks}: {}", told.join(", "))).metric("checks", findings.len());
    for (kind, count) in counts {
        done = done.metric(kind.name(), count);
    }
    // Not knowing is a warning: nothing says that it is bad, and nothing that it is well.
    (done.exit, done.status) = match worst {
        Status::Crit => (Exit(5), Some(Status::Crit)),
        Status::Warn | Status::Unknown => (Exit(1), Some(Status::Warn)),
        Status::Ok | Status::Skipped | Status::Planned => (Exit::OK, None),
    };
    (worst, done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(statuses: &[Status]) -> (u8, Option<Status>, String) {
        let findings: Vec<_> = statuses.iter().map(|status| ("x", Finding { status: Some(*status), ..Finding::ok("") })).collect();
        let (_, done) = conclude(&findings);
        (done.exit.0, done.status, done.summary)
    }

    #[test]
    fn the_worst_finding_is_the_end() {
        use Status::{Crit, Ok, Skipped, Unknown, Warn};
        assert_eq!(exit(&[Ok, Skipped]), (0, None, "2 checks: 1 ok, 1 skipped".into()));
        assert_eq!(exit(&[Ok, Unknown]).0, 1);
        assert_eq!(exit(&[Warn, Unknown, Skipped]), (1, Some(Warn), "3 checks: 1 warn, 1 unknown, 1 skipped".into()));
        assert_eq!(exit(&[Warn, Crit, Unknown]).0, 5);
    }
}
