//! `ml-backup verify`: reads a backup to its last byte and compares it with everything that is said of it. Nothing is changed, and no database
//! is asked.

mod contents;
mod file;

use crate::cli::Verify;
use crate::folder;
use file::{Finding, Looked};
use ml_common::exit::Exit;
use ml_common::people::counted;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::latest::{self, Latest};
use ml_dump::{Manifest, Programs, Via, name};
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
    name::check_system(&stage.system)?;
    let folder = stage.settings.path("BACKUP_DIR");
    let pointed = Latest::of(&folder, &stage.system);
    let paths = match verify.path.as_slice() {
        [] => vec![latest::find(&folder, &stage.system)?],
        named => without_companions(named.iter().map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())).collect()),
    };
    if stage.dry_run {
        for path in &paths {
            let shown = path.display().to_string();
            let summary = format!("would read {shown}");
            stage.step(Status::Planned, Step { id: "verify".into(), path: Some(shown), summary, ..Step::default() });
        }
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would verify {}", counted(paths.len(), "backup"))) });
    }
    let identity = verify.identity.clone().or_else(|| stage.settings.path_if_set("BACKUP_AGE_IDENTITY_FILE"));
    let means = Means { stage, identity, via };
    let mut told = Told::default();
    for path in &paths {
        let began = Instant::now();
        let looked = match file::look(&means, path) {
            // One that cannot be read does not keep the others from being looked at.
            Err(failure) if failure.class == Class::Storage => {
                Looked { findings: vec![Finding::bad(failure.message)], ..Looked::default() }
            }
            looked => looked?,
        };
        let mut step = step("verify", path, &looked.findings, looked.summary(path));
        // What could not be looked at says so by itself.
        if !looked.findings.is_empty() && !looked.extent.is_empty() {
            step.summary = format!("{}; {}", step.summary, looked.extent);
        }
        step.duration_ms = Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        (step.rows, step.bytes, step.sha256) = (looked.rows, looked.bytes, looked.sha256.clone());
        step.labels.insert("extent".into(), looked.extent.as_str().into());
        told.tell(stage, step, &looked.findings);
        for (id, path, findings, well) in others(&looked, path) {
            told.tell(stage, self::step(id, &path, &findings, well), &findings);
        }
        if let Ok(Some(latest)) = &pointed
            && *path == folder.join(&latest.file)
        {
            told.pointer(stage, &folder, latest);
        }
    }
    // Without a path it is the pointer that was asked.
    if verify.path.is_empty() {
        match &pointed {
            Err(failure) => {
                let path = latest::path(&folder, &stage.system);
                let findings = [Finding::bad(failure.message.clone())];
                told.tell(stage, step("latest", &path, &findings, String::new()), &findings);
            }
            Ok(Some(latest)) if !paths.contains(&folder.join(&latest.file)) => {
                told.pointer(stage, &folder, latest);
            }
            Ok(_) => {}
        }
    }
    told.done(paths.len())
}

/// What was told so far: the first sentence that is bad, and the first that is a doubt.
#[derive(Default)]
struct Told {
    bad: Option<String>,
    doubt: Option<String>,
}

impl Told {
    /// Writes the record with the status that the findings give it.
    fn tell(&mut self, stage: &Stage, mut step: Step, findings: &[Finding]) {
        let status = match findings.iter().map(|finding| finding.bad).max() {
            None => Status::Ok,
            Some(false) => Status::Warn,
            Some(true) => Status::Crit,
        };
        if status != Status::Ok {
            let first = if status == Status::Crit { &mut self.bad } else { &mut self.doubt };
            first.get_or_insert_with(|| step.summary.clone());
            step.hint = findings.iter().max_by_key(|finding| finding.bad).map(|finding| finding.hint.into());
            step.error_class = (status == Status::Crit).then(|| "storage".into());
        }
        stage.step(status, step);
    }

    fn pointer(&mut self, stage: &Stage, folder: &Path, latest: &Latest) {
        let path = latest::path(folder, &stage.system);
        let findings: Vec<Finding> = latest.flaw(folder).into_iter().map(Finding::bad).collect();
        self.tell(stage, step("latest", &path, &findings, format!("{} is the newest backup", latest.file)), &findings);
    }

    /// The word for the end.
    fn done(self, files: usize) -> Result<Done> {
        match (self.bad, self.doubt) {
            (Some(bad), _) => Err(Failure::new(Class::Storage, format!("a backup is not as it should be: {bad}")).hint(file::BAD)),
            (None, Some(doubt)) => Ok(Done { exit: Exit::GENERAL, status: Some(Status::Warn), ..Done::ok(doubt) }),
            (None, None) => Ok(Done::ok(format!("{} verified", counted(files, "backup")))),
        }
    }
}

/// What lies beside a dump is looked at with it: `verify backups/*` names both.
fn without_companions(paths: Vec<PathBuf>) -> Vec<PathBuf> {
    let of = |path: &PathBuf| Some(path.with_file_name(folder::dump_of(path.file_name()?.to_str()?)?));
    let belongs = |path: &PathBuf| of(path).is_some_and(|dump| paths.contains(&dump));
    paths.iter().filter(|path| !belongs(path)).cloned().collect()
}

fn step(id: &str, path: &Path, findings: &[Finding], well: String) -> Step {
    let shown = path.display().to_string();
    let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
    let summary = if told.is_empty() { well } else { format!("{shown}: {}", told.join("; ")) };
    Step { id: id.into(), path: Some(shown), summary, ..Step::default() }
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
