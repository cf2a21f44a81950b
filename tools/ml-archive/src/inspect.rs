//! Looking at archives: verifying them against their manifests, and listing what is in one.

use crate::cli::{Cli, Verify};
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::read;
use ml_common::exit::Exit;
use ml_common::files;
use ml_common::people::counted;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::sealed;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Verifies the archives that are named, or the newest.
///
/// # Errors
/// Class Storage when one is bad.
pub fn verify(cli: &Cli, verify: &Verify, stage: &Stage) -> Result<Done> {
    let paths: Vec<PathBuf> = if verify.path.is_empty() { vec![Folder::of(stage)?.newest()?] } else { verify.path.clone() };
    let identity = cli.identity(stage);
    let (mut bad, mut all): (Option<Failure>, bool) = (None, true);
    for path in &paths {
        let began = Instant::now();
        let path = std::path::absolute(path).map_err(|error| files::storage(&error, path, "cannot use"))?;
        let shown = path.display().to_string();
        let step = Step { id: "verify".into(), path: Some(shown.clone()), ..Step::default() };
        let took = |began: Instant| Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        match one(&path, identity.as_deref(), stage) {
            Ok(how) => {
                all &= how.whole;
                let status = if how.whole { Status::Ok } else { Status::Warn };
                let hint = (!how.whole).then(|| how.hint.to_owned());
                let summary = format!("{shown}: {}", how.said);
                let (bytes, rows) = (Some(how.bytes), how.files);
                stage.step(status, Step { duration_ms: took(began), bytes, rows, summary, hint, ..step });
            }
            Err(failure) => {
                stage.cancel.check()?;
                let class = Some(failure.class.name().into());
                let (summary, hint) = (failure.message.clone(), failure.hint.clone());
                stage.step(Status::Crit, Step { duration_ms: took(began), summary, hint, error_class: class, ..step });
                bad.get_or_insert(failure);
            }
        }
    }
    if let Some(failure) = bad {
        return Err(failure);
    }
    let count = counted(paths.len(), "archive");
    let mut done = Done::ok(format!("verified {count}{}", if all { "" } else { ", not all of it" }));
    if !all {
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
    }
    Ok(done)
}

/// How far an archive was verified.
struct How {
    whole: bool,
    said: String,
    hint: &'static str,
    bytes: u64,
    files: Option<u64>,
}

fn one(path: &Path, identity: Option<&Path>, stage: &Stage) -> Result<How> {
    let (sha256, bytes) = files::sha256(path)?;
    let manifest = Manifest::of(path)?;
    let bad = |how: String| {
        Err(Failure::new(Class::Storage, format!("{} {how}", path.display()))
            .hint("it is damaged or was put in another's place; use another archive"))
    };
    if let Some(manifest) = &manifest {
        if manifest.bytes != bytes {
            return bad(format!("has {bytes} bytes, and its manifest says {}", manifest.bytes));
        }
        if !manifest.sha256.eq_ignore_ascii_case(&sha256) {
            return bad("has other bytes than its manifest says (SHA-256)".into());
        }
    }
    if identity.is_none() && sealed::is_sealed(path)? {
        let said = match manifest {
            Some(_) => "every byte is as its manifest says; what is in it can only be read with the identity",
            None => "it is encrypted and has no manifest: nothing could be compared",
        };
        return Ok(How { whole: manifest.is_some(), said: said.into(), hint: "give --identity FILE", bytes, files: None });
    }
    let entries = read::entries(path, identity, &stage.cancel)?;
    let count = entries.iter().filter(|entry| entry.kind == "file").count() as u64;
    match manifest {
        Some(manifest) => match manifest.differences(&entries).as_slice() {
            [] => Ok(How {
                whole: true,
                said: format!("{} as its manifest says", counted(count, "file")),
                hint: "",
                bytes,
                files: Some(count),
            }),
            differences => bad(format!("does not hold what its manifest says: {}", differences.join("; "))),
        },
        None => {
            let said = format!("{} read to the end; there is no manifest to compare with", counted(count, "file"));
            Ok(How { whole: false, said, hint: "look for the manifest that was made with it", bytes, files: Some(count) })
        }
    }
}

/// Says what is in an archive.
///
/// # Errors
/// Class Storage when it cannot be read whole.
pub fn list(cli: &Cli, archive: &Path, stage: &Stage) -> Result<Done> {
    let (mut count, mut bytes) = (0_u64, 0_u64);
    read::each(archive, cli.identity(stage).as_deref(), &stage.cancel, |item, _| {
        let entry = item.entry;
        let target = entry.target.as_ref().map(|target| format!(" -> {target}")).unwrap_or_default();
        let mut step = Step {
            id: format!("entry.{}", entry.path),
            bytes: Some(entry.size),
            summary: format!("{} {} {}{target}", entry.mode, entry.kind, human_bytes(entry.size)),
            ..Step::default()
        };
        step.labels.insert("kind".into(), entry.kind.into());
        step.labels.insert("mode".into(), entry.mode.into());
        count += 1;
        bytes += entry.size;
        // Reading is all that is done, in a dry run, too.
        stage.emit(Status::Ok, ml_common::record::Body::Step(step));
        Ok(())
    })?;
    Ok(Done::ok(format!("{}: {count} entries, {}", archive.display(), human_bytes(bytes))).metric("entries", count).metric("bytes", bytes))
}
