//! `ml-backup verify`: reads a backup to its last byte and compares it with everything that is said of it. Nothing is changed, and no database
//! is asked.

mod contents;
mod file;

use crate::cli::Verify;
use file::{Finding, Looked};
use ml_common::exit::Exit;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::latest::{self, Latest};
use ml_dump::{Manifest, Programs, Via};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How the contents are read.
pub struct Means<'a> {
    /// The call.
    pub stage: &'a Stage,
    /// Opens encrypted files.
    pub identity: Option<PathBuf>,
    /// Where PostgreSQL's programs are, for the few archives that are not read here.
    pub via: Via,
}

impl Means<'_> {
    /// PostgreSQL's programs.
    ///
    /// # Errors
    /// As [`Programs::all`].
    pub fn programs(&self) -> Result<Vec<Programs>> {
        Programs::all(&self.via, self.stage.settings.path_if_set("PG_BIN").as_deref(), &self.stage.cancel)
    }
}

/// Verifies the files named, or the newest backup.
///
/// # Errors
/// Class Storage when one of them is not as it should be, or there is none.
pub fn act(verify: &Verify, via: Via, stage: &Stage) -> Result<Done> {
    let folder = stage.settings.path("BACKUP_DIR");
    let pointed = Latest::of(&folder, &stage.system);
    let paths = match verify.path.as_slice() {
        [] => vec![latest::find(&folder, &stage.system)?],
        named => named.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect(),
    };
    if stage.dry_run {
        for path in &paths {
            let shown = path.display().to_string();
            let summary = format!("would read {shown}");
            stage.step(Status::Planned, Step { id: "verify".into(), path: Some(shown), summary, ..Step::default() });
        }
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would verify {}", counted(paths.len()))) });
    }
    let identity = verify.identity.clone().or_else(|| stage.settings.path_if_set("BACKUP_AGE_IDENTITY_FILE"));
    let means = Means { stage, identity, via };
    let mut worst = Status::Ok;
    let mut first = None;
    for path in &paths {
        let began = Instant::now();
        let looked = file::look(&means, path)?;
        let mut step = step("verify", path, &looked.findings, looked.summary(path));
        step.duration_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        (step.rows, step.bytes, step.sha256) = (looked.rows, looked.bytes, looked.sha256.clone());
        step.labels.insert("extent".into(), looked.extent.as_str().into());
        worst = worse(worst, tell(stage, step, &looked.findings, &mut first));
        for (id, path, findings, well) in others(&looked, path) {
            worst = worse(worst, tell(stage, self::step(id, &path, &findings, well), &findings, &mut first));
        }
        if let Ok(Some(latest)) = &pointed
            && *path == folder.join(&latest.file)
        {
            worst = worse(worst, tell_pointer(stage, &folder, latest, &mut first));
        }
    }
    // Without a path it is the pointer that was asked.
    if verify.path.is_empty() {
        match &pointed {
            Err(failure) => {
                let path = latest::path(&folder, &stage.system);
                let findings = [Finding::bad(failure.message.clone())];
                worst = worse(worst, tell(stage, step("latest", &path, &findings, String::new()), &findings, &mut first));
            }
            Ok(Some(latest)) if !paths.contains(&folder.join(&latest.file)) => {
                worst = worse(worst, tell_pointer(stage, &folder, latest, &mut first));
            }
            Ok(_) => {}
        }
    }
    done(worst, first, &paths)
}

/// The word for the end.
fn done(worst: Status, first: Option<String>, paths: &[PathBuf]) -> Result<Done> {
    let first = first.unwrap_or_default();
    match worst {
        Status::Crit => Err(Failure::new(Class::Storage, format!("a backup is not as it should be: {first}"))
            .hint("make a new backup now, and restore from an older one that verifies")),
        Status::Warn => Ok(Done { exit: Exit::GENERAL, status: Some(Status::Warn), ..Done::ok(first) }),
        _ => Ok(Done::ok(format!("{} verified", counted(paths.len())))),
    }
}

fn counted(files: usize) -> String {
    if files == 1 { "1 backup".into() } else { format!("{files} backups") }
}

fn worse(a: Status, b: Status) -> Status {
    match (a, b) {
        (Status::Crit, _) | (_, Status::Crit) => Status::Crit,
        (Status::Warn, _) | (_, Status::Warn) => Status::Warn,
        _ => Status::Ok,
    }
}

fn step(id: &str, path: &Path, findings: &[Finding], well: String) -> Step {
    let shown = path.display().to_string();
    let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let summary = if told.is_empty() { well } else { format!("{shown}: {}", told.join("; ")) };
    Step { id: id.into(), path: Some(shown), summary, ..Step::default() }
}

/// Writes the record with the status that the findings give it; remembers the first that is not well.
fn tell(stage: &Stage, mut step: Step, findings: &[Finding], first: &mut Option<String>) -> Status {
    let status = findings.iter().fold(Status::Ok, |status, finding| worse(status, finding.status()));
    if status != Status::Ok {
        step.hint = findings.iter().max_by_key(|finding| finding.bad).map(|finding| finding.hint.into());
        step.error_class = (status == Status::Crit).then(|| "storage".into());
        first.get_or_insert_with(|| step.summary.clone());
    }
    stage.step(status, step);
    status
}

fn tell_pointer(stage: &Stage, folder: &Path, latest: &Latest, first: &mut Option<String>) -> Status {
    let path = latest::path(folder, &stage.system);
    let findings: Vec<Finding> = latest.flaw(folder).into_iter().map(Finding::bad).collect();
    tell(stage, step("latest", &path, &findings, format!("{} is the newest backup", latest.file)), &findings, first)
}

/// What lies beside the dump: id, path, what is wrong with it, and the word when nothing is.
type Other = (&'static str, PathBuf, Vec<Finding>, String);

fn others(looked: &Looked, dump: &Path) -> Vec<Other> {
    let Some(manifest) = &looked.manifest else { return Vec::new() };
    let mut others = Vec::new();
    if let Some(beside) = &manifest.globals {
        let path = dump.with_file_name(&beside.file);
        let findings = file::beside(&path, beside);
        others.push(("globals", path, findings, format!("{} is as it was made", beside.file)));
    }
    others.extend(proof(manifest, dump));
    others
}

fn proof(manifest: &Manifest, dump: &Path) -> Option<Other> {
    let path = ml_dump::Proof::beside(dump);
    let (findings, well) = match ml_dump::Proof::of(dump) {
        Ok(None) => return None,
        Ok(Some(proof)) if proof.is_of(manifest) => (Vec::new(), format!("proven by a restore at {}", proof.proven)),
        Ok(Some(_)) => (vec![Finding::doubt("it speaks for another file than this dump", DRILL)], String::new()),
        Err(failure) => (vec![Finding::doubt(failure.message, DRILL)], String::new()),
    };
    Some(("proof", path, findings, well))
}

const DRILL: &str = "prove the dump anew: ml-restore --scratch PATH";
