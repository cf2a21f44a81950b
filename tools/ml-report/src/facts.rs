//! The figures of a run that people ask for, picked from its records.

use ml_common::Status;
use ml_common::fold::{Fold, Verdict};
use ml_common::record::{Body, Map, Record, Scalar, Step};

/// So many files are named; a night writes about seven.
const MAX_FILES: usize = 50;

/// The last run of the stream. A log may hold many nights, and their figures must not be mixed.
#[derive(Debug, Default)]
pub struct Latest {
    run: Option<String>,
    fold: Fold,
    /// Its figures.
    pub facts: Facts,
    /// Runs before it.
    pub earlier: u64,
}

impl Latest {
    /// Takes a record; one of another run begins anew.
    pub fn take(&mut self, record: &Record) {
        if self.run.as_ref() != Some(&record.head.run) {
            let earlier = self.earlier + u64::from(self.run.is_some());
            *self = Latest { run: Some(record.head.run.clone()), earlier, ..Latest::default() };
        }
        self.fold.push(record);
        self.facts.take(record);
    }

    /// What this run means; `whole`, which knows of the input itself, when it is the only one.
    pub fn verdict(&self, whole: &Verdict) -> Verdict {
        if self.earlier == 0 { whole.clone() } else { self.fold.verdict() }
    }
}

/// What the stream told, as far as the report shows it.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// When the first stage began, RFC 3339.
    pub began: Option<String>,
    /// Totals of ml-derive's end: steps, new_statements, max_depth, enqueued.
    pub derive: Map,
    /// Why ml-derive stopped.
    pub derive_stop: Option<String>,
    /// Value of the check `ledger.success-rate`, in per cent.
    pub success_rate: Option<Scalar>,
    /// Value of the check `ledger.statements`, before the run.
    pub statements: Option<i64>,
    /// Files written: tool and path.
    pub files: Vec<(String, String)>,
    /// Steps done by ml-restore's verification, when a backup was proven in the stream.
    pub proven: bool,
}

impl Facts {
    /// Takes a record.
    pub fn take(&mut self, record: &Record) {
        let tool = record.head.tool.as_str();
        match &record.body {
            Body::Start(_) => {
                self.began.get_or_insert_with(|| record.head.ts.clone());
            }
            Body::Check(check) => match (check.id.as_str(), &check.value) {
                ("ledger.success-rate", value) => self.success_rate.clone_from(value),
                ("ledger.statements", Some(Scalar::Int(n))) => self.statements = Some(*n),
                _ => {}
            },
            Body::Step(step) => self.step(tool, record.head.status, step),
            Body::End(end) if tool == "ml-derive" => {
                self.derive.clone_from(&end.metrics);
                self.derive_stop.clone_from(&end.reason);
            }
            Body::End(end) if tool == "ml-restore" => self.proven = end.exit == 0 && record.head.status == Status::Ok,
            Body::End(_) | Body::Statement(_) | Body::Alert(_) => {}
        }
    }

    fn step(&mut self, tool: &str, status: Status, step: &Step) {
        if status == Status::Ok
            && let Some(path) = &step.path
            && self.files.len() < MAX_FILES
            && !self.files.iter().any(|(_, known)| known == path)
        {
            self.files.push((tool.to_owned(), path.clone()));
        }
    }

    /// A total of ml-derive, as text; `-` when it said none.
    pub fn derived(&self, name: &str) -> String {
        self.derive.get(name).map_or_else(|| "-".into(), Scalar::to_string)
    }

    /// Statements in the ledger after the run, when both figures are known.
    pub fn statements_after(&self) -> Option<i64> {
        let new = match self.derive.get("new_statements") {
            Some(Scalar::Int(new)) => *new,
            _ => 0,
        };
        self.statements.map(|before| before + new)
    }
}
