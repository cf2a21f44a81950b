//! Reads the archives, tells what the history says.

use crate::archive::{self, Found};
use crate::cli::Cli;
use crate::plan::{self, Finding};
use ml_common::people::{counted, printable};
use ml_common::record::{Body, Check};
use ml_common::stage::Output;
use ml_common::{Done, Exit, Result, Stage, Status};
use std::path::PathBuf;

/// So many pieces of a file that are no records are told one by one.
const TOLD_GARBAGE: u64 = 10;

/// The work of ml-trend.
pub fn act(cli: &mut Cli, stage: &Stage) -> Result<Done> {
    let paths: Vec<PathBuf> = std::mem::take(&mut cli.paths);
    let mut input_is_bad = false;
    for path in archive::in_order(&paths)? {
        let mut garbage = 0;
        archive::read(path, &stage.cancel, |found| match found {
            Found::Record(record) => cli.gathered().take(record),
            Found::Garbage(line, reason) => {
                garbage += 1;
                if garbage <= TOLD_GARBAGE {
                    doubt(
                        stage,
                        &format!("line {line} of {} is not a record: {reason}", path.display()),
                        "look at that file; the rest counts",
                    );
                }
            }
        })?;
        if garbage > TOLD_GARBAGE {
            doubt(stage, &format!("{garbage} pieces of {} are no records", path.display()), "look at that file; the rest counts");
        }
        input_is_bad |= garbage > 0;
    }
    let wanted = cli.wanted();
    let history = cli.gathered();
    let said = [
        (history.ahead, "lie ahead of this machine's clock and were left out", "compare the clocks of the machines"),
        (
            history.disordered(),
            "stood behind newer ones of their check and do not count for availability",
            "each archive in the order of time, as it was written; archives that are named as files are put in order",
        ),
        (history.left_out, "of further checks were left out", "choose checks with --only"),
    ];
    for (count, what, hint) in said.into_iter().filter(|(count, ..)| *count > 0) {
        input_is_bad = true;
        doubt(stage, &format!("{} {what}", counted(count, "observation")), hint);
    }
    if history.records == 0 {
        input_is_bad = true;
        doubt(stage, "the archives hold no record", "name the streams that were kept: logs/*/stream.jsonl, also .gz and .zst");
    } else {
        let mut capacities: Vec<&String> = wanted.capacities.keys().collect();
        capacities.sort_unstable();
        for id in history.missing(capacities.into_iter()) {
            input_is_bad = true;
            let meant = history.meant(id).map_or_else(|| "a run without --only tells all".into(), |near| format!("did you mean {near}?"));
            doubt(stage, &format!("no check {id} was observed"), &meant);
        }
    }
    let findings = plan::findings(history, &wanted);
    for finding in &findings {
        stage.emit_for(&finding.system, finding.status, Body::Check(finding.check.clone()));
    }
    if stage.out().mode() == Output::Raw {
        stage.out().text(&table(&findings));
    }
    Ok(conclude(&findings, history.records, input_is_bad))
}

fn doubt(stage: &Stage, summary: &str, hint: &str) {
    let class = Some("input".into());
    stage.check(
        Status::Warn,
        Check { id: "input".into(), summary: summary.into(), hint: Some(hint.into()), error_class: class, ..Check::default() },
    );
}

fn conclude(findings: &[Finding], records: u64, input_is_bad: bool) -> Done {
    let count = |status| findings.iter().filter(|finding| finding.status == status).count();
    let (warn, crit) = (count(Status::Warn), count(Status::Crit));
    let mut done = Done::ok(format!(
        "{}, {warn} warn, {crit} crit, {} without enough history",
        counted(findings.len(), "finding"),
        count(Status::Skipped)
    ));
    (done.exit, done.status) = match (crit, warn) {
        (0, 0) if !input_is_bad => (Exit::OK, None),
        (0, _) => (Exit::GENERAL, Some(Status::Warn)),
        _ => (Exit(5), Some(Status::Crit)),
    };
    done.metric("findings", findings.len()).metric("warn", warn).metric("crit", crit).metric("read", records)
}

/// The findings as a table: what is bad first.
fn table(findings: &[Finding]) -> String {
    let mut rows: Vec<&Finding> = findings.iter().collect();
    let rank = |status| [Status::Crit, Status::Warn, Status::Ok].iter().position(|other| *other == status).unwrap_or(3);
    rows.sort_by_key(|finding| rank(finding.status));
    let width = |of: fn(&Finding) -> &str, least: usize| rows.iter().map(|row| of(row).chars().count()).max().unwrap_or(0).clamp(least, 40);
    let (systems, ids) = (width(|row| &row.system, 6), width(|row| &row.check.id, 5));
    let mut out = format!("{:<7}  {:<systems$}  {:<ids$}  what\n", "status", "system", "check");
    for Finding { system, status, check } in rows {
        let line = format!("{:<7}  {system:<systems$}  {:<ids$}  {}", status.name(), check.id, check.summary);
        out.push_str(&format!("{}\n", printable(&line)));
    }
    out.trim_end().to_owned()
}
