//! Tidying the folder of the backups: what the plan says is shown or done, with a record for each file.

use crate::folder;
use crate::place::Place;
use jiff::Timestamp;
use ml_common::Result;
use ml_common::exit::Exit;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_dump::latest::Latest;
use ml_dump::retention::{self, Decision, Rules};

/// Shows what a run that began now would keep and remove, once `new` is made.
///
/// # Errors
/// Class Storage when the folder cannot be read.
pub fn show(stage: &Stage, place: &Place, rules: Rules, new: retention::Backup) -> Result<()> {
    let (now, mut listing) = (Timestamp::now(), folder::list(&place.folder, &place.pattern, &stage.system)?);
    let pointed = new.name.clone();
    listing.backups.push(new);
    let mut all = retention::leftovers(&listing.leftovers, now);
    all.extend(retention::plan(&listing.backups, Some(&pointed), now, rules));
    for decision in all {
        stage.step(if decision.remove { Status::Planned } else { Status::Skipped }, step(place, &decision));
    }
    Ok(())
}

/// Removes what killed runs left. Gives the number of files.
///
/// # Errors
/// Class Storage when the folder cannot be read.
pub fn leftovers(stage: &Stage, place: &Place, done: &mut Done) -> Result<usize> {
    let listing = folder::list(&place.folder, &place.pattern, &stage.system)?;
    Ok(remove(stage, place, &retention::leftovers(&listing.leftovers, Timestamp::now()), done))
}

/// Removes the backups that nothing speaks for. Gives their number.
///
/// # Errors
/// Class Storage when the folder cannot be read.
pub fn old(stage: &Stage, place: &Place, rules: Rules, done: &mut Done) -> Result<usize> {
    let listing = folder::list(&place.folder, &place.pattern, &stage.system)?;
    // A pointer that cannot be read speaks for none; the names of the files do.
    let pointed = Latest::of(&place.folder, &stage.system).ok().flatten().map(|latest| latest.file);
    Ok(remove(stage, place, &retention::plan(&listing.backups, pointed.as_deref(), Timestamp::now(), rules), done))
}

/// Removes files; one that cannot be removed is a warning, as the backup stands. Gives the number of those that could.
fn remove(stage: &Stage, place: &Place, plan: &[Decision], done: &mut Done) -> usize {
    let mut count = 0;
    for decision in plan.iter().filter(|decision| decision.remove) {
        let step = step(place, decision);
        match folder::remove(&place.folder, &decision.name) {
            Ok(()) => {
                count += 1;
                stage.step(Status::Ok, step);
            }
            Err(failure) => {
                stage
                    .step(Status::Warn, Step { summary: failure.message, hint: failure.hint, error_class: Some("storage".into()), ..step });
                (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
            }
        }
    }
    count
}

fn step(place: &Place, decision: &Decision) -> Step {
    Step {
        id: format!("retention.{}", decision.name),
        path: Some(place.folder.join(&decision.name).display().to_string()),
        bytes: Some(decision.bytes),
        summary: decision.reason.clone(),
        reason: Some(decision.reason.clone()),
        ..Step::default()
    }
}
