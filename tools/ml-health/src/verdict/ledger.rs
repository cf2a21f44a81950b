//! Verdicts on the ledger itself.

use super::api::below_success;
use super::{counted, not_above, rounded};
use crate::check::Finding;
use crate::limits::Limits;
use ml_common::Status;
use ml_ledger::chain::ChainReport;
use ml_ledger::theories::{BASE_NAME, Theory};
use ml_ledger::{Figures, Generation, Shape};

/// So many offending rows travel with a finding.
const EVIDENCE: usize = 10;

/// Whether the tables are a ledger's.
pub fn schema(shape: &Shape) -> Finding {
    if let Err(failure) = shape.require_ledger() {
        let evidence = if shape.tables.is_empty() { Vec::new() } else { shape.missing() };
        return Finding { hint: failure.hint, evidence, ..Finding::bad(Status::Crit, failure.message, "") };
    }
    let generation = if shape.generation == Generation::First { "first" } else { "second" };
    let finding = Finding::ok(format!("{generation} generation, in schema {}", shape.schema)).label("generation", generation);
    let missing: Vec<String> = shape.missing().into_iter().filter(|name| name.contains('.')).collect();
    if missing.is_empty() {
        return finding;
    }
    let summary = format!("{}; missing: {}", finding.summary, missing.join(", "));
    let hint = "ml-migrate status says what differs; the tools do without it where they can".to_owned();
    Finding { status: Some(Status::Warn), summary, hint: Some(hint), evidence: missing, ..finding }
}

/// The ledger's tables: those there are, and those of them that the role may not read.
pub fn tables(shape: &Shape, present: usize, unreadable: &[String]) -> Finding {
    let finding = Finding::ok(counted(present as u64, "table")).value(present, "");
    let missing: Vec<String> = shape.missing().into_iter().filter(|name| !name.contains('.')).collect();
    if !unreadable.is_empty() {
        let summary = format!("privilege: the role may not read {}", unreadable.join(", "));
        let hint = Some("GRANT SELECT ON ALL TABLES IN SCHEMA ... to the role, or connect as the owner".to_owned());
        return Finding { status: Some(Status::Unknown), summary, hint, error_class: Some("privilege".into()), ..finding };
    }
    if missing.is_empty() {
        return finding;
    }
    let summary = format!("{}; missing: {}", finding.summary, missing.join(", "));
    let hint = Some("ml-migrate status says what differs".to_owned());
    Finding { status: Some(Status::Warn), summary, hint, evidence: missing, ..finding }
}

/// What is recorded as applied: how many, and the last.
pub fn migrations(count: u64, last: Option<&str>) -> Finding {
    match last {
        Some(last) => Finding::ok(format!("{}, the last is {last}", counted(count, "migration"))).value(count, "").label("last", last),
        None => Finding::ok("no migration is recorded").value(count, ""),
    }
}

/// The theory that all rests on.
pub fn base_theory(theory: Option<&Theory>) -> Finding {
    match theory {
        Some(theory) => Finding::ok(format!("{} is there", theory.name)),
        None => {
            let hint = "the database is empty or half restored: restore it again, or run ml-migrate up";
            Finding::bad(Status::Crit, format!("the base theory {BASE_NAME} is missing"), hint)
        }
    }
}

/// How much has been proven.
pub fn statements(figures: &Figures) -> Finding {
    let depth = figures.max_depth.map(|depth| format!(", at most {depth} deep")).unwrap_or_default();
    let finding = Finding::ok(format!("{}{depth}", counted(count(figures.statements), "statement"))).value(figures.statements, "");
    match figures.max_depth {
        Some(depth) => finding.metric("max_depth", depth),
        None => finding,
    }
}

/// Per cent of the decided proofs that succeeded.
pub fn success_rate(figures: &Figures, limits: &Limits) -> Finding {
    let (Some(rate), Some(success), Some(failure)) = (figures.success_rate(), figures.proofs_success, figures.proofs_failure) else {
        return undecided(figures);
    };
    let rate = rounded(rate);
    let summary = format!("{rate}% of {} succeeded", counted(count(success + failure), "proof"));
    below_success(rate, limits, summary).metric("success", success).metric("failure", failure).metric("total", figures.proofs_total)
}

/// Per cent of the decided proofs that failed.
pub fn error_rate(figures: &Figures, limits: &Limits) -> Finding {
    let (Some(rate), Some(success), Some(failure)) = (figures.success_rate(), figures.proofs_success, figures.proofs_failure) else {
        return undecided(figures);
    };
    let rate = rounded(100.0 - rate);
    let finding = Finding::ok(format!("{rate}% of {} failed", counted(count(success + failure), "proof"))).value(rate, "%");
    let finding = finding.metric("failure", failure);
    let finding = match figures.proofs_timeout {
        Some(timeout) => finding.metric("timeout", timeout),
        None => finding,
    };
    let hint = "look at the failed proofs: SELECT * FROM proofs WHERE NOT success ORDER BY created_at DESC LIMIT 20";
    not_above(finding, rate, (limits.error_rate, None), hint)
}

/// Whether anything was proven within the last hour.
pub fn recent_proofs(figures: &Figures) -> Finding {
    if figures.proofs_total == 0 {
        return undecided(figures);
    }
    let Some(recent) = figures.proofs_last_hour else { return Finding::skipped("the ledger does not record when proofs were made") };
    let finding = Finding { warn: Some("1:".into()), ..Finding::ok("").value(recent, "") };
    if recent > 0 {
        return Finding { summary: format!("{} in the last hour", counted(count(recent), "proof")), ..finding };
    }
    let hint = Some("see that derivation and workers run; a quiet ledger stops nothing".to_owned());
    Finding { status: Some(Status::Warn), summary: "no proof in the last hour".into(), hint, ..finding }
}

/// Height of the chain.
pub fn blocks(figures: &Figures) -> Finding {
    let Some(height) = figures.block_height else { return Finding::ok("no block yet").value(0u64, "") };
    Finding::ok(format!("{}, height {height}", counted(count(figures.blocks), "block"))).value(height, "").metric("blocks", figures.blocks)
}

/// Whether the chain of blocks is whole.
pub fn chain(report: &ChainReport) -> Finding {
    let notes = report.notes.iter().fold(String::new(), |text, note| format!("{text}; {note}"));
    let finding = Finding::ok("").value(report.blocks, "").metric("problems", report.problem_count);
    let Some(first) = report.problems.first() else {
        let intact = match report.blocks {
            0 => "no block yet".to_owned(),
            1 => "1 block is intact".to_owned(),
            blocks => format!("{blocks} blocks are intact"),
        };
        return Finding { summary: intact + &notes, ..finding };
    };
    let more = report.problem_count.saturating_sub(1);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    let hint =
        "let nothing write to it; restore the last good backup beside it (ml-restore PATH --target NEW) and find out who changed what";
    Finding {
        status: Some(Status::Crit),
        summary: format!("the chain of blocks is broken: {first}{more}"),
        hint: Some(hint.into()),
        evidence: report.problems.iter().take(EVIDENCE).cloned().collect(),
        ..finding
    }
}

/// An empty ledger has no rates, and that is no alert.
fn undecided(figures: &Figures) -> Finding {
    Finding::skipped(match (figures.proofs_total, figures.proofs_success) {
        (0, _) => "the ledger has no proofs yet",
        (_, None) => "the ledger does not record how proofs come out",
        _ => "no proof is decided yet",
    })
}

fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::usual;
    use ml_ledger::shape::{Column, Table, expected};
    use std::collections::BTreeMap;

    fn figures(success: i64, failure: i64) -> Figures {
        Figures { proofs_total: success + failure, proofs_success: Some(success), proofs_failure: Some(failure), ..Figures::default() }
    }

    fn shape(tables: &[expected::Expected], without: &[&str]) -> Shape {
        let column = |name: &str| Column { name: name.into(), type_name: "text".into(), not_null: false };
        let mut map = BTreeMap::new();
        for (name, columns) in tables.iter().filter(|(name, _)| !without.contains(name)) {
            let columns = columns.iter().filter(|column| !without.contains(&format!("{name}.{column}").as_str()));
            map.insert((*name).to_owned(), Table { columns: columns.map(|name| column(name)).collect(), primary_key: Vec::new() });
        }
        Shape::of("public".into(), map)
    }

    #[test]
    fn both_generations_are_ledgers_and_other_databases_are_not() {
        for (tables, generation) in [(expected::FIRST, "first"), (expected::SECOND, "second")] {
            let finding = schema(&shape(tables, &[]));
            assert_eq!((finding.status(), &finding.labels["generation"]), (Status::Ok, &generation.into()));
        }
        for other in [shape(&[], &[]), shape(expected::SECOND, &["proofs"]), shape(expected::SECOND, &["statements.hash"])] {
            let finding = schema(&other);
            assert!(
                finding.status() == Status::Crit && finding.hint.is_some_and(|hint| hint.contains("ml-migrate")),
                "{}",
                finding.summary
            );
        }
    }

    #[test]
    fn what_is_missing_is_named_once() {
        let shape = shape(expected::SECOND, &["lemma_cache", "proofs.method"]);
        let (columns, there) = (schema(&shape), tables(&shape, 11, &[]));
        assert_eq!((columns.status(), columns.evidence), (Status::Warn, vec!["proofs.method".to_owned()]));
        assert_eq!((there.status(), there.evidence), (Status::Warn, vec!["lemma_cache".to_owned()]));
        let unreadable = tables(&shape, 11, &["blocks".into()]);
        assert_eq!((unreadable.status(), unreadable.error_class), (Status::Unknown, Some("privilege".into())));
    }

    #[test]
    fn rates_are_judged_against_their_thresholds() {
        for (success, failure, good, errors) in [
            (100, 0, Status::Ok, Status::Ok),
            (90, 10, Status::Ok, Status::Ok),
            (89, 11, Status::Ok, Status::Warn),
            (85, 15, Status::Ok, Status::Warn),
            (84, 16, Status::Warn, Status::Warn),
            (0, 1, Status::Warn, Status::Warn),
        ] {
            let figures = figures(success, failure);
            let (rate, error) = (success_rate(&figures, &usual()), error_rate(&figures, &usual()));
            assert_eq!((rate.status(), error.status()), (good, errors), "{success}/{failure}");
            assert_eq!((rate.hint.is_some(), rate.warn), (good == Status::Warn, Some("85:".into())));
        }
    }

    #[test]
    fn an_empty_ledger_is_no_alert() {
        let empty = figures(0, 0);
        for finding in [success_rate(&empty, &usual()), error_rate(&empty, &usual()), recent_proofs(&empty)] {
            assert_eq!((finding.status(), finding.summary.as_str()), (Status::Skipped, "the ledger has no proofs yet"));
        }
        assert_eq!((blocks(&empty).status(), statements(&empty).status()), (Status::Ok, Status::Ok));
        let waiting = Figures { proofs_total: 5, ..figures(0, 0) };
        assert_eq!(success_rate(&waiting, &usual()).summary, "no proof is decided yet");
    }

    #[test]
    fn a_quiet_hour_is_a_warning() {
        let hour = |recent| recent_proofs(&Figures { proofs_last_hour: recent, ..figures(3, 0) }).status();
        assert_eq!([hour(Some(0)), hour(Some(1)), hour(None)], [Status::Warn, Status::Ok, Status::Skipped]);
    }

    #[test]
    fn a_broken_chain_is_critical_with_what_is_wrong() {
        let intact = ChainReport { blocks: 2, height: Some(2), notes: vec!["a note".into()], ..ChainReport::default() };
        assert_eq!((chain(&intact).status(), chain(&intact).summary), (Status::Ok, "2 blocks are intact; a note".to_owned()));
        let problems: Vec<String> = (1..=12).map(|n| format!("block {n}: its root is wrong")).collect();
        let finding = chain(&ChainReport { problems, problem_count: 500, ..intact });
        assert_eq!((finding.status(), finding.evidence.len()), (Status::Crit, 10));
        assert_eq!(finding.summary, "the chain of blocks is broken: block 1: its root is wrong (and 499 more)");
    }

    #[test]
    fn the_base_theory_is_named_when_it_is_missing() {
        assert_eq!(base_theory(None).status(), Status::Crit);
        let theory = Theory { id: "1".into(), name: "Propositional".into(), slug: None, logic: None };
        assert_eq!(base_theory(Some(&theory)).status(), Status::Ok);
    }

    #[test]
    fn migrations_are_counted() {
        assert_eq!(migrations(4, Some("014_ensure_slug_column")).summary, "4 migrations, the last is 014_ensure_slug_column");
        assert_eq!(migrations(0, None).status(), Status::Ok);
    }
}
