//! Writes the entry and prints the summary.

use crate::Cli;
use crate::text;
use ml_common::files::storage;
use ml_common::people::printable;
use ml_common::record::{self, Step};
use ml_common::stage::Output;
use ml_common::{Done, Result, Stage, Status};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

/// The work of ml-report.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let verdict = &cli.latest.verdict(&stage.verdict);
    let facts = &cli.latest.facts;
    // It becomes a heading.
    let run = printable(verdict.run.as_deref().unwrap_or(&stage.run)).into_owned();
    let path = stage.settings.path("PROGRESS_PATH");
    let entry = text::entry(verdict, facts, &run, &record::timestamp(jiff::Timestamp::now()));
    let mut done = Done::ok(format!("run {run}: {}", text::outcome(verdict)));
    if cli.latest.earlier > 0 {
        done.reason = Some(format!("the input holds {} runs; this is the last one", cli.latest.earlier + 1));
    }
    let mut step = Step { id: "progress".into(), path: Some(path.display().to_string()), ..Step::default() };
    if cli.no_progress {
        done.reason.get_or_insert_with(|| "progress.md was not asked for".into());
    } else if stage.dry_run {
        step.summary = format!("would append the run to {}", path.display());
        stage.step(Status::Ok, step);
    } else {
        let appended = append(&path, &entry, &text::mark(&run))?;
        step.summary = format!("{} {}", if appended { "appended the run to" } else { "the run stands already in" }, path.display());
        // Other stages hand files on by their hash; this one grows for years and is nobody's input.
        stage.step(if appended { Status::Ok } else { Status::Skipped }, step);
    }
    let all_well = matches!(text::outcome(verdict), "ok" | "dry run");
    if stage.out().mode() != Output::Records && !(cli.common.quiet && all_well) {
        let log = stage.env("ML_LOG");
        stage.out().text(&text::summary(verdict, facts, &run, log.as_deref()));
    }
    Ok(done)
}

/// Appends `entry` unless `mark` stands in the file already; whole or not at all. Says whether it did.
fn append(path: &Path, entry: &str, mark: &str) -> Result<bool> {
    let failed = |error: std::io::Error| storage(&error, path, "cannot append to");
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    let mut file = File::options().read(true).append(true).create(true).open(path).map_err(failed)?;
    // Two reports at once would otherwise both find no mark.
    file.lock().map_err(failed)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).map_err(failed)?;
    let (before, text) = (bytes.len() as u64, String::from_utf8_lossy(&bytes));
    if text.contains(mark) {
        return Ok(false);
    }
    let heading = if text.is_empty() { "# Progress\n\n" } else { "" };
    let gap = if text.is_empty() || text.ends_with("\n\n") { "" } else { "\n" };
    let written = file.write_all(format!("{heading}{gap}{entry}").as_bytes()).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // A full disk: half an entry is worse than none.
        let _ = file.set_len(before).and_then(|()| file.seek(SeekFrom::End(0)).map(|_| ()));
        return Err(failed(error));
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_appended_once_and_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("docs/progress.md");
        assert!(append(&path, "## run a:\n\n- x\n\n", "run a:").unwrap());
        assert!(!append(&path, "## run a:\n\n- y\n\n", "run a:").unwrap());
        assert!(append(&path, "## run b:\n\n- z\n\n", "run b:").unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "# Progress\n\n## run a:\n\n- x\n\n## run b:\n\n- z\n\n");
        std::fs::write(&path, "written by hand").unwrap();
        append(&path, "## run c:\n\n", "run c:").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "written by hand\n## run c:\n\n");
    }
}
