//! Whether there is something to tell, and in which words. A pure function of the verdict.

use ml_common::Status;
use ml_common::fold::{Finding, StageState, Verdict};
use ml_common::people::printable;
use ml_common::record::Check;

/// What to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The worst of all that is told.
    pub severity: Status,
    /// One line: what is wrong, where.
    pub title: String,
    /// One item each: a fact, its thresholds, its remedy. The gravest first.
    pub items: Vec<String>,
    /// The run and where to read more.
    pub footer: String,
}

/// Where to read more.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The run of this process, when the stream names none.
    pub run: &'a str,
    /// The system, when the stream names none.
    pub system: &'a str,
    /// The machine.
    pub host: &'a str,
    /// The folder or file with the whole stream.
    pub log: Option<&'a str>,
}

/// What the verdict gives to tell; None when all is well. `missing` are expected tools that took no part.
pub fn message(verdict: &Verdict, missing: &[&str], context: &Context<'_>) -> Option<Message> {
    let mut told: Vec<(Status, String)> = Vec::new();
    for stage in verdict.died() {
        told.push((Status::Crit, died(stage)));
    }
    for tool in missing {
        told.push((
            Status::Crit,
            format!("missing {tool}: it took no part in the run\nhint: check that it is installed and see the log of the run"),
        ));
    }
    for stage in verdict.in_order() {
        told.extend(ended_badly(stage, verdict));
    }
    for finding in &verdict.findings {
        told.push((finding.status, found(finding)));
    }
    if verdict.more_findings > 0 {
        told.push((Status::Warn, format!("and {} more findings", verdict.more_findings)));
    }
    let severity = told.iter().map(|(status, _)| *status).reduce(Status::worst)?;
    told.sort_by_key(|(status, _)| std::cmp::Reverse(gravity(*status)));
    let count = |status| told.iter().filter(|(other, _)| *other == status).count();
    let counts: Vec<String> = [(Status::Crit, "critical"), (Status::Unknown, "unknown"), (Status::Warn, "warning")]
        .into_iter()
        .map(|(status, word)| (count(status), word))
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}{}", if n > 1 && word == "warning" { "s" } else { "" }))
        .collect();
    let system = verdict.system.as_deref().unwrap_or(context.system);
    let run = verdict.run.as_deref().unwrap_or(context.run);
    let log = context.log.map(|log| format!(", log {log}")).unwrap_or_default();
    Some(Message {
        severity,
        title: format!("{system} on {}: {}", context.host, counts.join(", ")),
        items: told.into_iter().map(|(_, text)| text).collect(),
        footer: format!("run {run}{log}"),
    })
}

fn gravity(status: Status) -> u8 {
    match status {
        Status::Crit => 3,
        Status::Unknown => 2,
        Status::Warn => 1,
        Status::Ok | Status::Skipped | Status::Planned => 0,
    }
}

fn died(stage: &StageState) -> String {
    format!(
        "died {}: it began at {} and never ended\nhint: it was killed, crashed, or its output was cut off; see the log of the run",
        stage.tool, stage.started
    )
}

/// A tool that failed, or was kept from working.
fn ended_badly(stage: &StageState, verdict: &Verdict) -> Option<(Status, String)> {
    let (status, end) = stage.ended.as_ref()?;
    if end.error_class.is_some() {
        let hint = end.hint.as_deref().map(|hint| format!("\nhint: {}", printable(hint))).unwrap_or_default();
        return Some((Status::Crit, format!("failed {} (exit {}): {}{hint}", stage.tool, end.exit, printable(&end.summary))));
    }
    if let Some(blocker) = &end.blocked_by {
        return Some((Status::Warn, format!("skipped {}: because of {blocker}", stage.tool)));
    }
    // It ended badly without a word on why: no failure, no finding. Somebody filtered the stream, or its finding was dropped.
    let found = verdict.findings.iter().any(|finding| finding.stage == stage.stage);
    (status.is_bad() && !found).then(|| {
        let reason = printable(end.reason.as_deref().unwrap_or(&end.summary));
        (*status, format!("{} {} (exit {}): {reason}", status.name(), stage.tool, end.exit))
    })
}

fn found(finding: &Finding) -> String {
    let check = &finding.check;
    let gate = if check.gate && finding.status == Status::Crit { " [gate]" } else { "" };
    let summary = printable(if check.summary.is_empty() { "see the record" } else { &check.summary });
    let mut text = format!("{} {}{gate}: {summary}{}", finding.status.name(), check.id, thresholds(check));
    for line in check.evidence.iter().take(3) {
        text.push_str(&format!("\n  {}", printable(line)));
    }
    if let Some(hint) = &check.hint {
        text.push_str(&format!("\nhint: {}", printable(hint)));
    }
    text
}

fn thresholds(check: &Check) -> String {
    let unit = check.unit.as_deref().map(|unit| format!(" {unit}")).unwrap_or_default();
    let parts: Vec<String> = [("value", &check.value), ("warn", &check.warn), ("crit", &check.crit)]
        .into_iter()
        .filter_map(|(name, value)| value.as_ref().map(|value| format!("{name} {value}{unit}")))
        .collect();
    if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
