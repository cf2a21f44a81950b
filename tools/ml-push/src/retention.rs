//! What is kept at the destination: by the same plan as ml-backup's, under the settings of ml-push. A backup is good there when its manifest is
//! beside it, and proven when the evidence is.

use crate::destination::Destination;
use crate::store::{Store, There};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Result, pg};
use ml_dump::name::Pattern;
use ml_dump::retention::{self, Backup, Decision, Rules};
use std::collections::BTreeSet;

/// The names of this system's files, as its settings say: dumps, and archives of files.
///
/// # Errors
/// Class Config when a pattern makes no sense.
pub fn patterns(stage: &Stage) -> Result<Vec<Pattern>> {
    let settings = &stage.settings;
    let backups = settings.text("BACKUP_NAME");
    // Only a pattern that asks for the database's name needs to know it; nothing is connected to.
    let database =
        if backups.contains("{database}") { stage.target().map(|target: pg::Target| target.database().to_owned())? } else { String::new() };
    Ok(vec![
        Pattern::parse(backups, &stage.system, &database)?,
        Pattern::of("ARCHIVE_NAME", settings.text("ARCHIVE_NAME"), &stage.system, "")?,
    ])
}

/// The endings of a file and of what belongs to it, in the order in which they go: the file first, so that none is left that looks whole
/// without its manifest.
const ENDINGS: [&str; 5] = ["", ".json", ".proof.json", ".globals.sql", ".globals.sql.age"];

/// Removes what is too old there, or says what it would remove. `fresh` are the names that this push has made sure of.
///
/// # Errors
/// Class Config for the settings, Storage for the place. A file that cannot be removed is a warning, as the copies stand.
pub fn act(stage: &Stage, destination: &Destination, store: &mut dyn Store, fresh: &[String], mut done: Done) -> Result<Done> {
    let rules = Rules::of(&stage.settings, "PUSH")?;
    // Nothing can be asked of a command, and without a number of days nothing goes.
    if rules.days == 0 || matches!(destination, Destination::Command(_)) {
        return Ok(done);
    }
    let shown = destination.shown();
    let mut there = store.list()?;
    if stage.dry_run {
        let missing = fresh.iter().filter(|name| !there.iter().any(|file| file.name == **name)).cloned().collect::<Vec<_>>();
        there.extend(missing.into_iter().map(|name| There { name, bytes: None }));
    }
    let mut removed = 0_u64;
    for pattern in patterns(stage)? {
        for decision in plan(&there, &pattern, fresh, Timestamp::now(), rules) {
            let step = step(&decision, &shown);
            if stage.dry_run {
                stage.step(if decision.remove { Status::Planned } else { Status::Skipped }, step);
            } else if decision.remove {
                stage.cancel.check()?;
                match remove(store, &decision.name, &there) {
                    Ok(()) => {
                        removed += 1;
                        stage.step(Status::Ok, step);
                    }
                    Err(failure) => {
                        let class = Some(failure.class.name().into());
                        stage.step(Status::Warn, Step { summary: failure.message, hint: failure.hint, error_class: class, ..step });
                        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
                    }
                }
            }
        }
    }
    if removed > 0 {
        done.summary.push_str(&format!("; {removed} old removed there"));
    }
    Ok(done.metric("removed", removed))
}

fn step(decision: &Decision, shown: &str) -> Step {
    let mut step = Step {
        id: format!("retention.{}", decision.name),
        summary: format!("{}: {}", decision.name, decision.reason),
        reason: Some(decision.reason.clone()),
        ..Step::default()
    };
    step.labels.insert("destination".into(), shown.into());
    step
}

/// Decides about the files there that are of this pattern.
fn plan(there: &[There], pattern: &Pattern, fresh: &[String], now: Timestamp, rules: Rules) -> Vec<Decision> {
    let names: BTreeSet<&str> = there.iter().map(|file| file.name.as_str()).collect();
    let backup = |file: &There| {
        let at = pattern.read(&file.name)?;
        let has = |ending: &str| names.contains(format!("{}{ending}", file.name).as_str());
        let flaw = (!has(".json")).then(|| "it has no manifest there".to_owned());
        // When it was proven stands in the evidence, which is not read here: of proven ones, the newest counts.
        let proven = has(".proof.json").then_some(at);
        Some(Backup { name: file.name.clone(), at, bytes: file.bytes.unwrap_or_default(), flaw, proven })
    };
    let backups: Vec<Backup> = there.iter().filter_map(backup).collect();
    let newest = fresh.iter().filter_map(|name| Some((pattern.read(name)?, name.as_str()))).max().map(|(_, name)| name);
    let decisions = retention::plan(&backups, newest, now, rules);
    // What was pushed a moment ago was wanted there, however old it is.
    decisions.into_iter().filter(|decision| !(decision.remove && fresh.contains(&decision.name))).collect()
}

/// Removes a file and what belongs to it.
fn remove(store: &mut dyn Store, name: &str, there: &[There]) -> Result<()> {
    for name in ENDINGS.map(|ending| format!("{name}{ending}")) {
        if there.iter().any(|file| file.name == name) {
            store.remove(&name)?;
        }
    }
    store.settle()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules { days: 30, last: 1, daily: 0, weekly: 0, monthly: 0 };

    fn files(names: &[&str]) -> Vec<There> {
        names.iter().map(|name| There { name: (*name).to_owned(), bytes: None }).collect()
    }

    fn removed(names: &[&str], fresh: &[&str]) -> Vec<String> {
        let pattern = Pattern::parse("{system}-{date}-{time}.dump", "ml", "").unwrap();
        let fresh: Vec<String> = fresh.iter().map(|name| (*name).to_owned()).collect();
        let plan = plan(&files(names), &pattern, &fresh, "2025-03-01T02:00:00Z".parse().unwrap(), RULES);
        plan.into_iter().filter(|decision| decision.remove).map(|decision| decision.name).collect()
    }

    #[test]
    fn the_newest_good_and_the_newest_proven_stay() {
        let (old, older, oldest) = ("ml-20250101-000000.dump", "ml-20241201-000000.dump", "ml-20241101-000000.dump");
        let manifests = ["ml-20250101-000000.dump.json", "ml-20241201-000000.dump.json", "ml-20241101-000000.dump.json"];
        let mut there = vec![old, older, oldest, "other-20200101-000000.dump", "notes.txt"];
        there.extend(manifests);
        assert_eq!(removed(&there, &[]), [oldest, older]);
        there.push("ml-20241101-000000.dump.proof.json");
        assert_eq!(removed(&there, &[]), [older]);
        assert_eq!(removed(&there, &[older]), Vec::<String>::new());
        // Without a good one nothing goes.
        assert_eq!(removed(&[old, older], &[]), Vec::<String>::new());
    }
}
