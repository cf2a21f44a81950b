//! A run judged as a whole: what of it rules look at where each run is told by itself. A pure function of the verdict, so that alerts, gates and
//! exit codes cannot disagree.

use jiff::Timestamp;
use ml_common::Status;
use ml_common::fold::{Finding, StageState, Verdict};
use ml_common::record::{Body, Check, End, Head, Record, VERSION, timestamp};

/// What the stream may not say.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The run of this process, when the stream names none.
    pub run: &'a str,
    /// The system, when the stream names none.
    pub system: &'a str,
    /// The machine.
    pub host: &'a str,
    /// When the run is judged.
    pub at: Timestamp,
}

/// Something that is not well.
struct Observed {
    tool: String,
    status: Status,
    check: Check,
    ts: Option<Timestamp>,
}

/// What is not well in a run, an observation for each id; none when all is well. `missing` are expected tools that took no part.
pub fn records(verdict: &Verdict, missing: &[&str], context: &Context<'_>) -> Vec<Record> {
    let mut all: Vec<Observed> = Vec::new();
    for stage in verdict.died() {
        let (summary, hint) = died(stage);
        note(&mut all, of_tool(&stage.tool, Status::Crit, summary, Some(hint.into())));
    }
    for tool in missing {
        note(&mut all, of_tool(tool, Status::Crit, MISSING.into(), Some("check that it is installed and see the log of the run".into())));
    }
    verdict.in_order().into_iter().filter_map(|stage| ended_badly(stage, verdict)).for_each(|one| note(&mut all, one));
    verdict.findings.iter().for_each(|finding| note(&mut all, found(finding)));
    if verdict.more_findings > 0 {
        let check = Check { id: "more".into(), summary: format!("{} more findings", verdict.more_findings), ..Check::default() };
        note(&mut all, Observed { tool: String::new(), status: Status::Warn, check, ts: None });
    }
    let head = |one: &Observed| Head {
        v: VERSION,
        tool: one.tool.clone(),
        stage: one.tool.clone(),
        system: verdict.system.clone().unwrap_or_else(|| context.system.to_owned()),
        run: verdict.run.clone().unwrap_or_else(|| context.run.to_owned()),
        ts: timestamp(one.ts.unwrap_or(context.at)),
        host: context.host.to_owned(),
        status: one.status,
    };
    all.into_iter().map(|one| Record { head: head(&one), body: Body::Check(one.check) }).collect()
}

/// What a tool that took no part is told with.
pub const MISSING: &str = "it took no part in the run";

/// What a tool that never ended is told with: the fact and the remedy.
pub fn died(stage: &StageState) -> (String, &'static str) {
    let since = if stage.started.is_empty() { String::new() } else { format!(" at {}", stage.started) };
    (format!("died: it began{since} and never ended"), "it was killed, crashed, or its output was cut off; see the log of the run")
}

/// How a tool that never told its end has ended.
pub fn end(head: Head, class: &str, summary: String) -> Record {
    let hint = Some("see the log of the run".into());
    let end = End { exit: 70, summary, error_class: Some(class.into()), hint, ..End::default() };
    Record { head: Head { status: Status::Crit, ..head }, body: Body::End(end) }
}

/// Takes one in. Of two of the same id the graver is told, and the other in a line of it.
fn note(all: &mut Vec<Observed>, mut one: Observed) {
    let Some(known) = all.iter_mut().find(|known| known.check.id == one.check.id) else { return all.push(one) };
    if gravity(one.status) > gravity(known.status) {
        std::mem::swap(known, &mut one);
    }
    known.check.evidence.insert(0, format!("also {} of {}: {}", one.status.name(), one.tool, one.check.summary));
}

fn gravity(status: Status) -> u8 {
    match status {
        Status::Crit => 3,
        Status::Unknown => 2,
        Status::Warn => 1,
        Status::Ok | Status::Skipped | Status::Planned => 0,
    }
}

fn of_tool(tool: &str, status: Status, summary: String, hint: Option<String>) -> Observed {
    let mut check = Check { id: format!("tool.{tool}"), summary, hint, ..Check::default() };
    check.labels.insert("tool".into(), tool.into());
    Observed { tool: tool.to_owned(), status, check, ts: None }
}

/// A tool that failed, or was kept from working.
fn ended_badly(stage: &StageState, verdict: &Verdict) -> Option<Observed> {
    let (status, end) = stage.ended.as_ref()?;
    if end.error_class.is_some() {
        let summary = format!("failed (exit {}): {}", end.exit, end.summary);
        return Some(of_tool(&stage.tool, Status::Crit, summary, end.hint.clone()));
    }
    if let Some(blocker) = &end.blocked_by {
        return Some(of_tool(&stage.tool, Status::Warn, format!("skipped because of {blocker}"), None));
    }
    // It ended badly without a word on why: no failure, no finding. Somebody filtered the stream, or its finding was dropped.
    let found = verdict.findings.iter().any(|finding| finding.stage == stage.stage);
    (status.is_bad() && !found).then(|| {
        let reason = end.reason.as_deref().unwrap_or(&end.summary);
        of_tool(&stage.tool, *status, format!("{} (exit {}): {reason}", status.name(), end.exit), end.hint.clone())
    })
}

fn found(finding: &Finding) -> Observed {
    let mut check = finding.check.clone();
    if check.summary.is_empty() {
        check.summary = "see the record".into();
    }
    if check.gate && finding.status == Status::Crit {
        check.summary.insert_str(0, "[gate] ");
    }
    check.labels.entry("tool".into()).or_insert_with(|| finding.tool.as_str().into());
    Observed { tool: finding.tool.clone(), status: finding.status, check, ts: finding.ts.parse().ok() }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
