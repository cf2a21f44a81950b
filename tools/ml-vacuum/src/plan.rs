//! The decisions: whether to work, whether to prune, why a table is vacuumed.

use ml_common::Status;
use ml_common::fold::{StageState, Verdict};
use ml_common::stage::After;
use ml_ledger::Shape;

/// Longer ago than any proof: an interval that the server can still subtract.
const MAX_DAYS: u64 = 1_000_000;

/// What keeps it from working at all: a critical gate, unless `--after` says otherwise.
pub fn blocked_by(verdict: &Verdict, after: Option<After>) -> Option<String> {
    let gate = verdict.failed_gates().next().map(|finding| finding.check.id.clone());
    gate.filter(|_| after != Some(After::Any))
}

/// Why nothing is pruned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotPruned {
    /// The reason.
    pub reason: String,
    /// What to do about it, where something can be done.
    pub hint: Option<String>,
    /// The tool upstream because of which it is so.
    pub blocked_by: Option<String>,
}

impl NotPruned {
    fn new(reason: impl Into<String>) -> NotPruned {
        NotPruned { reason: reason.into(), ..NotPruned::default() }
    }
}

/// Age in days from which on failed proofs go, or why none does.
///
/// # Errors
/// The reason, for people.
pub fn prune(days: Option<u64>, shape: &Shape, verdict: &Verdict) -> Result<u64, NotPruned> {
    let Some(days) = days.filter(|days| *days > 0) else {
        return Err(NotPruned::new("PRUNE_FAILED_PROOFS_DAYS is not set"));
    };
    if !shape.is_ledger() {
        return Err(NotPruned::new(format!("the database is no ledger: it lacks {}", shape.missing().join(", "))));
    }
    if let Some(why) = backup_in_doubt(verdict) {
        return Err(NotPruned {
            hint: Some("mend the backup; rows are removed when there is one to get them back from".into()),
            blocked_by: Some("ml-backup".into()),
            ..NotPruned::new(why)
        });
    }
    let outcome = shape.has_column("proofs", "success") || shape.has_column("proofs", "status");
    if !outcome || !shape.has_column("proofs", "created_at") {
        return Err(NotPruned::new("table proofs does not say which proofs failed and when"));
    }
    if shape.tables.get("proofs").is_none_or(|table| table.primary_key.len() != 1) {
        return Err(NotPruned::new("table proofs has no primary key of one column"));
    }
    Ok(days.min(MAX_DAYS))
}

/// Why a backup of this night may be missing. Without one in the stream nobody asked for it.
fn backup_in_doubt(verdict: &Verdict) -> Option<String> {
    if verdict.failed_gates().any(|finding| finding.check.id == "upstream-silent") {
        return Some("the stages before were silent, so that a failed backup would not show".into());
    }
    if verdict.garbage > 0 {
        return Some("part of the input was no record, so that a failed backup might not show".into());
    }
    verdict.of("ml-backup").find_map(doubt)
}

fn doubt(stage: &StageState) -> Option<String> {
    let Some((status, end)) = &stage.ended else { return Some("ml-backup began and did not end".into()) };
    if end.error_class.is_some() {
        return Some(format!("ml-backup failed: {}", end.summary));
    }
    if stage.worst == Some(Status::Crit) || *status == Status::Crit {
        return Some("ml-backup found its backup bad".into());
    }
    match status {
        Status::Ok | Status::Warn | Status::Planned => None,
        Status::Skipped => Some("ml-backup was skipped".into()),
        Status::Crit | Status::Unknown => Some("ml-backup did not end well".into()),
    }
}

/// A table's figures, as far as the reason to vacuum it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// Rows that the statistics count as live.
    pub live: i64,
    /// Rows that the statistics count as dead.
    pub dead: i64,
    /// Changes since its last ANALYZE.
    pub changed: i64,
    /// Vacuumed at least once since the statistics began.
    pub vacuumed: bool,
    /// Analysed at least once.
    pub analysed: bool,
    /// Transactions since it was last frozen.
    pub age: i64,
    /// autovacuum_freeze_max_age.
    pub age_limit: i64,
}

/// Why the table is vacuumed, the most pressing reason.
pub fn reason(need: &Need) -> String {
    if need.age > need.age_limit / 2 {
        return format!("{} transactions since it was frozen, of {} allowed", need.age, need.age_limit);
    }
    if need.dead > 0 {
        let share = 100 * need.dead / (need.live + need.dead).max(1);
        return format!("{} dead rows, {share}%", need.dead);
    }
    match (need.vacuumed, need.analysed) {
        (false, _) => "never vacuumed".into(),
        (_, false) => "never analysed".into(),
        _ if need.changed > 0 => format!("{} changes since it was analysed", need.changed),
        _ => "routine".into(),
    }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
