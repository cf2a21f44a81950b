//! `fold(records) -> verdict`: the one place that decides what a stream of records means.
//!
//! Gates, exit codes, alerts and summaries all ask the verdict, so that they cannot disagree. The fold takes a record at a time and its
//! memory does not grow with the stream: only stages and what is bad are kept.

use crate::exit::Exit;
use crate::record::{Body, Check, End, Record, Status, Step};
use std::collections::HashMap;

/// So many bad checks and steps are kept; the rest are counted.
pub const MAX_FINDINGS: usize = 1000;

/// So many stages are kept; a pipeline has about ten, a year of `logs/nightly.jsonl` a few thousand.
pub const MAX_STAGES: usize = 100_000;

/// One process of the pipeline as its records tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StageState {
    /// `ml-derive`.
    pub tool: String,
    /// Unique name of the process.
    pub stage: String,
    /// The run that it belonged to.
    pub run: String,
    /// When it started, as written; empty when its start was filtered out.
    pub started: String,
    /// Whether a start was seen.
    pub has_start: bool,
    /// It planned only.
    pub dry_run: bool,
    /// Its end, with the status of that record.
    pub ended: Option<(Status, End)>,
    /// The worst status among its checks and steps.
    pub worst: Option<Status>,
}

impl StageState {
    /// It began and never ended: killed, crashed, or its output was cut off.
    pub fn died(&self) -> bool {
        self.has_start && self.ended.is_none()
    }

    /// It said itself that it failed. (Having found something bad is not a failure of the finder.)
    pub fn failed(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, end)| end.error_class.is_some())
    }

    /// Nothing at all is wrong with it: ended with code 0.
    pub fn good(&self) -> bool {
        self.ended.as_ref().is_some_and(|(_, end)| end.exit == 0)
    }
}

/// A check or step that is not well.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The tool that found it.
    pub tool: String,
    /// The process that found it.
    pub stage: String,
    /// warn, crit or unknown.
    pub status: Status,
    /// What was found; a step is told as a check without thresholds.
    pub check: Check,
    /// When, as written.
    pub ts: String,
}

/// What the stream means.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// The run of the first record.
    pub run: Option<String>,
    /// The system of the first record.
    pub system: Option<String>,
    /// Records understood.
    pub records: u64,
    /// Pieces of input that were no records.
    pub garbage: u64,
    /// Some stage upstream plans only, so everything after it must.
    pub dry_run: bool,
    /// The stages, in the order of their first records.
    pub stages: Vec<StageState>,
    /// What is bad, the latest word of each stage on each id, in the order of first appearance.
    pub findings: Vec<Finding>,
    /// Findings beyond [`MAX_FINDINGS`].
    pub more_findings: u64,
    /// The worst of all exit codes seen, 70 for a stage that died.
    pub exit: Exit,
    /// The same, but a stage that only warns counts as 0.
    pub exit_unless_warn: Exit,
}

impl Verdict {
    /// Why later work must not be built on this: a critical gate, or a tool that failed or died. The first such, by name.
    pub fn blocked_by(&self) -> Option<String> {
        let gate = self.failed_gates().next().map(|finding| finding.check.id.clone());
        gate.or_else(|| self.stages.iter().find(|stage| stage.failed() || stage.died()).map(|stage| stage.tool.clone()))
    }

    /// The gates that are critical.
    pub fn failed_gates(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.check.gate && finding.status == Status::Crit)
    }

    /// Stages that began and never ended.
    pub fn died(&self) -> impl Iterator<Item = &StageState> {
        self.stages.iter().filter(|stage| stage.died())
    }

    /// The stages as they stand in the pipeline. A stage writes its start before it forwards any other, so within a run the starts come last
    /// stage first.
    pub fn in_order(&self) -> Vec<&StageState> {
        self.stages.chunk_by(|a, b| a.run == b.run).flat_map(|run| run.iter().rev()).collect()
    }

    /// The stages of one tool.
    pub fn of<'a>(&'a self, tool: &'a str) -> impl Iterator<Item = &'a StageState> {
        self.stages.iter().filter(move |stage| stage.tool == tool)
    }

    /// Those of `expected` (names of tools) that the stream does not know.
    pub fn missing<'a>(&self, expected: &'a [String]) -> Vec<&'a str> {
        expected.iter().filter(|tool| self.of(tool).next().is_none()).map(String::as_str).collect()
    }
}

/// Folds a stream, record by record.
#[derive(Debug, Default)]
pub struct Fold {
    verdict: Verdict,
    stages: HashMap<(String, String), usize>,
    /// The stage of the record before: almost always that of the next, too.
    last: usize,
    findings: HashMap<usize, HashMap<String, usize>>,
    kept: Vec<Option<Finding>>,
}

impl Fold {
    /// Takes the next record.
    pub fn push(&mut self, record: &Record) {
        let head = &record.head;
        self.verdict.records += 1;
        self.verdict.run.get_or_insert_with(|| head.run.clone());
        self.verdict.system.get_or_insert_with(|| head.system.clone());
        // Exit and dry run are everybody's, also of stages that there is no room to keep.
        match &record.body {
            Body::Start(start) => self.verdict.dry_run |= start.dry_run,
            // A filter on status takes the starts away; what was only planned still says that this is a dry run.
            Body::Step(_) => self.verdict.dry_run |= head.status == Status::Planned,
            Body::End(end) => {
                let exit = Exit(end.exit);
                self.verdict.exit = self.verdict.exit.worst(exit);
                if !(end.exit == 1 && head.status == Status::Warn) {
                    self.verdict.exit_unless_warn = self.verdict.exit_unless_warn.worst(exit);
                }
            }
            Body::Check(_) | Body::Alert(_) | Body::Statement(_) => {}
        }
        let Some(at) = self.stage_of(record) else { return };
        match &record.body {
            Body::Start(start) => {
                let stage = &mut self.verdict.stages[at];
                stage.has_start = true;
                stage.dry_run |= start.dry_run;
                stage.started.clone_from(&head.ts);
            }
            Body::End(end) => self.verdict.stages[at].ended = Some((head.status, end.clone())),
            Body::Check(check) => self.note(at, record, &check.id, check.gate, || check.clone()),
            Body::Step(step) => self.note(at, record, &step.id, false, || as_check(step)),
            Body::Alert(_) | Body::Statement(_) => {}
        }
    }

    /// Counts a piece of input that was no record.
    pub fn garbage(&mut self) {
        self.verdict.garbage += 1;
    }

    /// What the stream so far means. Taken at the end of the input, a stage without an end has died.
    pub fn verdict(&self) -> Verdict {
        let mut verdict = self.verdict.clone();
        verdict.findings = self.kept.iter().flatten().cloned().collect();
        if verdict.died().next().is_some() {
            verdict.exit = verdict.exit.worst(Exit::DIED);
            verdict.exit_unless_warn = verdict.exit_unless_warn.worst(Exit::DIED);
        }
        verdict
    }

    /// The run of the first record.
    pub fn run(&self) -> Option<&str> {
        self.verdict.run.as_deref()
    }

    fn stage_of(&mut self, record: &Record) -> Option<usize> {
        let head = &record.head;
        if self.verdict.stages.get(self.last).is_some_and(|stage| stage.stage == head.stage && stage.run == head.run) {
            return Some(self.last);
        }
        let key = (head.run.clone(), head.stage.clone());
        if let Some(&at) = self.stages.get(&key) {
            self.last = at;
            return Some(at);
        }
        if self.verdict.stages.len() >= MAX_STAGES {
            return None;
        }
        self.verdict.stages.push(StageState {
            tool: head.tool.clone(),
            stage: head.stage.clone(),
            run: head.run.clone(),
            ..StageState::default()
        });
        self.stages.insert(key, self.verdict.stages.len() - 1);
        Some(self.verdict.stages.len() - 1)
    }

    /// Keeps the latest word on an id, as long as it is bad.
    fn note(&mut self, at: usize, record: &Record, id: &str, gate: bool, check: impl FnOnce() -> Check) {
        let status = record.head.status;
        let stage = &mut self.verdict.stages[at];
        stage.worst = Some(stage.worst.map_or(status, |worst| worst.worst(status)));
        let known = self.findings.get(&at).and_then(|of| of.get(id)).copied();
        let gate = gate && status == Status::Crit;
        let finding = || Finding {
            tool: record.head.tool.clone(),
            stage: record.head.stage.clone(),
            status,
            check: check(),
            ts: record.head.ts.clone(),
        };
        match (known, status.is_bad()) {
            (Some(slot), bad) => self.kept[slot] = bad.then(finding),
            // A failed gate is not crowded out: later stages must not work.
            (None, true) if self.kept.len() < if gate { 2 * MAX_FINDINGS } else { MAX_FINDINGS } => {
                self.kept.push(Some(finding()));
                self.findings.entry(at).or_default().insert(id.to_owned(), self.kept.len() - 1);
            }
            (None, true) => self.verdict.more_findings += 1,
            (None, false) => {}
        }
    }
}

/// Folds records that are all there.
pub fn fold<'a>(records: impl IntoIterator<Item = &'a Record>) -> Verdict {
    let mut fold = Fold::default();
    for record in records {
        fold.push(record);
    }
    fold.verdict()
}

/// A step told as a check without thresholds.
pub fn as_check(step: &Step) -> Check {
    Check {
        id: step.id.clone(),
        summary: if step.summary.is_empty() { step.reason.clone().unwrap_or_default() } else { step.summary.clone() },
        hint: step.hint.clone(),
        error_class: step.error_class.clone(),
        blocked_by: step.blocked_by.clone(),
        ..Check::default()
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;
