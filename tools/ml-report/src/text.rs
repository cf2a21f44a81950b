//! The entry of progress.md and the summary for the terminal. Pure functions of the verdict and the facts.

use crate::facts::Facts;
use ml_common::Status;
use ml_common::fold::{StageState, Verdict};
use ml_common::people::printable;

/// The word for the whole run.
pub fn outcome(verdict: &Verdict) -> &'static str {
    match verdict.exit.0 {
        // Silence upstream is a gate of the reporting stage itself.
        0 if verdict.failed_gates().next().is_some() => "not ok",
        0 if verdict.dry_run => "dry run",
        0 => "ok",
        1 if verdict.exit_unless_warn.0 == 0 => "ok with warnings",
        _ => "not ok",
    }
}

/// The mark by which a run's entry is found again.
pub fn mark(run: &str) -> String {
    format!("run {run}:")
}

/// The entry of progress.md.
pub fn entry(verdict: &Verdict, facts: &Facts, run: &str, now: &str) -> String {
    let when = facts.began.as_deref().unwrap_or(now);
    let when = when.get(..16).unwrap_or(when).replace('T', " ");
    let mut text = format!("## {when} UTC, {} {}\n\n", mark(run), outcome(verdict));
    let rate = facts.success_rate.as_ref().map_or_else(|| "-".into(), |rate| format!("{rate} %"));
    let rows = [
        ("Steps", facts.derived("steps")),
        ("New statements", facts.derived("new_statements")),
        ("Max depth", facts.derived("max_depth")),
        ("Enqueued jobs", facts.derived("enqueued")),
        ("Success rate", rate),
    ];
    for (name, value) in rows {
        text.push_str(&format!("- {name}: {value}\n"));
    }
    if let Some(reason) = &facts.derive_stop {
        text.push_str(&format!("- Derivation stopped: {}\n", printable(reason)));
    }
    for stage in verdict.in_order().into_iter().filter(|stage| !stage.good()) {
        text.push_str(&format!("- {}: {}\n", stage.tool, how_it_ended(stage)));
    }
    text.push('\n');
    text
}

/// The summary for a person: what each stage did, figures, files, what is bad, what to look at next.
pub fn summary(verdict: &Verdict, facts: &Facts, run: &str, log: Option<&str>) -> String {
    let system = verdict.system.as_deref().unwrap_or_default();
    let mut text = format!("{system}: run {run}, {}\n\n", outcome(verdict));
    for stage in verdict.in_order() {
        text.push_str(&format!("  {:<8} {:<11} {}\n", word(stage), stage.tool, how_it_ended(stage)));
    }
    if !facts.derive.is_empty() {
        let after = facts.statements_after().map(|n| format!(", about {n} in the ledger")).unwrap_or_default();
        text.push_str(&format!(
            "\n  theorems   {} new{after}, deepest proof {}\n",
            facts.derived("new_statements"),
            facts.derived("max_depth")
        ));
    }
    if !facts.files.is_empty() {
        text.push_str("\n  files\n");
        for (_, path) in &facts.files {
            text.push_str(&format!("    {}\n", printable(path)));
        }
    }
    if facts.proven {
        text.push_str("  proven     the backup was restored into a scratch database and verified\n");
    }
    if !verdict.findings.is_empty() {
        text.push_str("\n  what is not well\n");
        for finding in &verdict.findings {
            text.push_str(&format!(
                "    {:<7} {}: {}\n",
                finding.status.name(),
                printable(&finding.check.id),
                printable(&finding.check.summary)
            ));
            if let Some(hint) = &finding.check.hint {
                text.push_str(&format!("            hint: {}\n", printable(hint)));
            }
        }
    }
    if let Some(log) = log {
        text.push_str(&format!("\n  log        {log}\n"));
    }
    text
}

fn word(stage: &StageState) -> &'static str {
    match &stage.ended {
        Some((status, _)) => status.name(),
        None if stage.died() => "died",
        None => "-",
    }
}

fn how_it_ended(stage: &StageState) -> String {
    let Some((status, end)) = &stage.ended else {
        // Without a start either, a filter has taken both away.
        return if stage.died() { "began and never ended" } else { "neither start nor end is in the input" }.into();
    };
    let mut parts: Vec<String> =
        [end.summary.clone(), end.reason.clone().unwrap_or_default()].into_iter().filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        parts.push(if *status == Status::Ok { "done".into() } else { format!("exit {}", end.exit) });
    }
    let hint = end.hint.as_ref().filter(|_| end.error_class.is_some()).map(|hint| format!(" (hint: {hint})")).unwrap_or_default();
    printable(&format!("{}{hint}", parts.join("; "))).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ml_common::fold::fold;
    use ml_common::record::{Body, Check, End, Head, Record, Scalar, Start, Step};

    fn record(tool: &str, status: Status, body: Body) -> Record {
        let head = Head {
            v: 1,
            tool: tool.into(),
            stage: format!("{tool}.1"),
            system: "lab".into(),
            run: "r-1".into(),
            ts: "2025-01-08T02:00:00.000Z".into(),
            host: "h".into(),
            status,
        };
        Record { head, body }
    }

    fn night() -> Vec<Record> {
        let metrics = [("steps", 3), ("new_statements", 40), ("max_depth", 2), ("enqueued", 39)];
        let metrics = metrics.into_iter().map(|(name, n)| (name.to_owned(), n.into())).collect();
        let check = |id: &str, value: Scalar| Body::Check(Check { id: id.into(), value: Some(value), ..Check::default() });
        vec![
            record("ml-health", Status::Ok, Body::Start(Start::default())),
            record("ml-health", Status::Ok, check("ledger.success-rate", 92.5.into())),
            record("ml-health", Status::Ok, check("ledger.statements", 3i64.into())),
            record("ml-health", Status::Ok, Body::End(End { summary: "2 checks".into(), ..End::default() })),
            record("ml-derive", Status::Ok, Body::Start(Start::default())),
            record("ml-derive", Status::Ok, Body::End(End { metrics, reason: Some("saturated".into()), ..End::default() })),
            record("ml-backup", Status::Ok, Body::Start(Start::default())),
            record("ml-backup", Status::Ok, Body::Step(Step { id: "dump".into(), path: Some("/b/x.dump".into()), ..Step::default() })),
        ]
    }
    fn facts(records: &[Record]) -> Facts {
        let mut facts = Facts::default();
        records.iter().for_each(|record| facts.take(record));
        facts
    }

    #[test]
    fn the_entry_holds_what_the_manual_asks_for() {
        let mut night = night();
        night.truncate(6);
        let text = entry(&fold(&night), &facts(&night), "r-1", "now");
        assert_eq!(
            text,
            "## 2025-01-08 02:00 UTC, run r-1: ok\n\n- Steps: 3\n- New statements: 40\n- Max depth: 2\n- Enqueued jobs: 39\n\
             - Success rate: 92.5 %\n- Derivation stopped: saturated\n\n"
        );
    }

    #[test]
    fn silence_is_not_ok() {
        let silent = Check { id: "upstream-silent".into(), gate: true, ..Check::default() };
        assert_eq!(outcome(&fold(&[record("ml-report", Status::Crit, Body::Check(silent))])), "not ok");
    }

    #[test]
    fn of_many_nights_the_last_is_reported() {
        let mut records = night();
        records.extend(night().into_iter().take(6).map(|mut record| {
            record.head.run = "r-2".into();
            if let Body::End(end) = &mut record.body {
                end.metrics.remove("enqueued");
            }
            record
        }));
        let mut latest = crate::facts::Latest::default();
        records.iter().for_each(|record| latest.take(record));
        let verdict = latest.verdict(&fold(&records));
        assert_eq!((verdict.run.as_deref(), outcome(&verdict), latest.earlier), (Some("r-2"), "ok", 1));
        let text = summary(&verdict, &latest.facts, "r-2", None);
        assert!(!text.contains("ml-backup") && !text.contains("x.dump"), "{text}");
    }

    #[test]
    fn a_record_cannot_write_lines_of_the_report() {
        let evil = || "x\n- Steps: 9\u{1b}[2J".to_owned();
        let end = record("ml-a", Status::Crit, Body::End(End { exit: 2, summary: evil(), reason: Some(evil()), ..End::default() }));
        let check = Check { id: evil(), summary: evil(), hint: Some(evil()), ..Check::default() };
        let night = [end, record("ml-a", Status::Crit, Body::Check(check))];
        for text in [entry(&fold(&night), &facts(&night), "r-1", "now"), summary(&fold(&night), &facts(&night), "r-1", None)] {
            assert!(!text.contains("\n- Steps: 9") && !text.contains('\u{1b}'), "{text}");
        }
    }

    #[test]
    fn the_summary_names_stages_figures_files_and_the_dead() {
        let night = night();
        let text = summary(&fold(&night), &facts(&night), "r-1", Some("/var/log/n"));
        for part in [
            "lab: run r-1, not ok",
            "died     ml-backup   began and never ended",
            "40 new, about 43 in the ledger",
            "/b/x.dump",
            "/var/log/n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
