//! The order of things when packing: choose, pack, read back, publish, remove.

use crate::choose::{self, Choice, Excludes};
use crate::cli::Cli;
use crate::folder::{self, Folder, Place};
use crate::manifest::{FORMAT, Manifest};
use crate::pack::{self, Packed};
use crate::read;
use crate::write::{Layers, Packing};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::files::{self, NewFile};
use ml_common::people::counted;
use ml_common::people::{self, human_bytes};
use ml_common::record::{Status, Step, timestamp};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::sealed::{self, Recipients};
use std::path::PathBuf;
use std::time::Instant;

/// What is to be packed, and where to.
struct Order {
    choice: Choice,
    excludes: Vec<String>,
    recipients: Option<Recipients>,
    folder: Option<Folder>,
    place: Place,
}

/// Packs, or says what it would pack.
///
/// # Errors
/// Class Storage for files and folders, Config and Usage for what was asked.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    let order = order(cli, stage)?;
    let name = order.place.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut done = Done::default();
    if stage.dry_run {
        return planned(stage, &order, &name, done);
    }
    let began = Instant::now();
    let file = NewFile::create(&order.place.path)?;
    let waiting = people::waiting("packing");
    let layers = Layers::new(file, order.place.packing, order.recipients.as_ref())?;
    let (packed, layers) = pack::pack(&order.choice, layers, &order.place.path, &stage.cancel)?;
    let finished = layers.finish().map_err(|error| files::storage(&error, &order.place.path, "cannot write"));
    let (mut file, sha256, bytes) = finished?;
    file.file().sync_all().map_err(|error| files::storage(&error, &order.place.path, "cannot write"))?;
    drop(waiting);
    let manifest = Manifest {
        format: FORMAT,
        tool: format!("{} {}", stage.tool, env!("CARGO_PKG_VERSION")),
        system: stage.system.clone(),
        run: stage.run.clone(),
        file: name,
        sha256,
        bytes,
        compression: order.place.packing.name().to_owned(),
        encryption: order.recipients.as_ref().map(|_| sealed::AGE.to_owned()),
        started: timestamp(order.place.started),
        finished: timestamp(Timestamp::now()),
        excluded: order.excludes.clone(),
        changed: packed.changed.clone(),
        files: packed.entries.clone(),
    };
    verify(stage, &file, &manifest)?;
    stage.cancel.check()?;
    publish(file, &manifest, &order.place)?;
    warn(stage, &order.choice, &packed, &mut done);
    report(stage, &manifest, &order.place, &packed, began);
    let count = files_in(&manifest);
    done.summary =
        format!("{}: {}, {}, {} packed, verified", manifest.file, counted(count, "file"), human_bytes(packed.bytes), human_bytes(bytes));
    if let Some(folder) = &order.folder {
        let removed = folder.tidy(stage, None, &mut done)?;
        if removed > 0 {
            done.summary.push_str(&format!("; {removed} old removed"));
        }
        done = done.metric("removed", removed);
    }
    Ok(done.metric("files", count).metric("bytes", bytes))
}

fn files_in(manifest: &Manifest) -> u64 {
    manifest.files.iter().filter(|entry| entry.kind == "file").count() as u64
}

fn order(cli: &Cli, stage: &Stage) -> Result<Order> {
    let settings = &stage.settings;
    let base = settings.base().to_owned();
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(|error| files::storage(&error, path, "cannot use"));
    let listed = |name: &str| settings.text(name).split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
    let paths: Vec<PathBuf> = if cli.paths.is_empty() {
        let listed: Vec<String> = listed("ARCHIVE_PATHS");
        listed.into_iter().map(|path| base.join(path)).collect()
    } else {
        cli.paths.iter().map(absolute).collect::<Result<_>>()?
    };
    if paths.is_empty() {
        return Err(Failure::new(Class::Usage, "no path to pack is named").hint("name files and folders, or set ARCHIVE_PATHS"));
    }
    let mut excludes: Vec<String> = listed("ARCHIVE_EXCLUDES");
    excludes.extend(cli.exclude.iter().cloned());
    let recipients = sealed::recipients(settings)?;
    let (folder, place) = match &cli.out {
        Some(out) => {
            let path = absolute(out)?;
            folder::free(&path)?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let plain = name.strip_suffix(sealed::SUFFIX);
            if plain.is_some() != recipients.is_some() {
                return Err(Failure::new(Class::Usage, format!("{name} does not say whether it is encrypted"))
                    .hint("with recipients the name ends in .age, without it does not"));
            }
            (None, Place { packing: Packing::of(plain.unwrap_or(&name))?, path, started: Timestamp::now() })
        }
        None => {
            let folder = Folder::of(stage)?;
            let place = folder.place(stage, recipients.is_some())?;
            (Some(folder), place)
        }
    };
    let own = place.path.parent().unwrap_or(&base).to_owned();
    // Where the archives lie is only left out of what it is a part of.
    let choice = choose::choose(&paths, &base, &Excludes::parse(excludes.iter().map(String::as_str))?, &own, &stage.cancel)?;
    if choice.found.is_empty() {
        return Err(Failure::new(Class::Storage, "nothing is left to pack").hint("see what ARCHIVE_EXCLUDES and --exclude leave out"));
    }
    Ok(Order { choice, excludes, recipients, folder, place })
}

fn planned(stage: &Stage, order: &Order, name: &str, mut done: Done) -> Result<Done> {
    let bytes: u64 = order.choice.found.values().filter(|found| found.meta.is_file()).map(|found| found.meta.len()).sum();
    let count = order.choice.found.values().filter(|found| found.meta.is_file()).count();
    let path = order.place.path.display().to_string();
    let summary = format!("{name}: {}, {}", counted(count, "file"), human_bytes(bytes));
    stage.step(
        Status::Planned,
        Step { id: "archive".into(), rows: Some(count as u64), path: Some(path.clone()), summary, ..Step::default() },
    );
    if let Some(folder) = &order.folder {
        folder.tidy(stage, Some(&order.place), &mut done)?;
    }
    Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would write {path}")) })
}

/// Reads the file back to its last byte and compares it with what was packed. Without the identity an encrypted one is only hashed.
fn verify(stage: &Stage, file: &NewFile, manifest: &Manifest) -> Result<()> {
    let began = Instant::now();
    let waiting = people::waiting("verifying");
    let path = file.temporary_path();
    let back = files::sha256(path)?;
    let count = files_in(manifest);
    let mut summary = format!("{} read back as packed", counted(count, "file"));
    let mut differences = Vec::new();
    if back != (manifest.sha256.clone(), manifest.bytes) {
        differences.push("its bytes are others than were written".to_owned());
    } else if manifest.encryption.is_some() {
        summary = format!("{} read back as written; what is in it can only be read with the identity", human_bytes(manifest.bytes));
    } else {
        differences = manifest.differences(&read::entries(path, None, &stage.cancel)?);
    }
    drop(waiting);
    let step = Step {
        id: "verify".into(),
        rows: Some(count),
        bytes: Some(manifest.bytes),
        duration_ms: Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
        ..Step::default()
    };
    if differences.is_empty() {
        stage.step(Status::Ok, Step { summary, ..step });
        return Ok(());
    }
    let summary = format!("the archive does not hold what was packed: {}", differences.join("; "));
    let hint = "the file was not kept; check disk and memory of this machine, and try again";
    let failure = Failure::new(Class::Storage, summary.clone()).hint(hint);
    stage.step(Status::Crit, Step { summary, hint: Some(hint.into()), error_class: Some("storage".into()), ..step });
    Err(failure)
}

/// The manifest first, the archive last: an archive under its name always has one.
fn publish(file: NewFile, manifest: &Manifest, place: &Place) -> Result<()> {
    let beside = manifest.write(&place.path)?.publish()?;
    file.publish().map(|_| ()).inspect_err(|_| {
        // Without its archive it claims nothing; a later run removes it.
        let _ = std::fs::remove_file(&beside);
    })
}

fn warn(stage: &Stage, choice: &Choice, packed: &Packed, done: &mut Done) {
    let mut tell = |id: String, summary: String, hint: &str| {
        stage.step(Status::Warn, Step { id, summary, hint: Some(hint.into()), ..Step::default() });
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
    };
    for path in &packed.changed {
        let summary = format!("{path} changed while it was read; the archive has it as of one moment or another");
        tell(format!("changed.{path}"), summary, "pack it when nobody writes to it, or leave it out");
    }
    for path in &packed.vanished {
        tell(format!("vanished.{path}"), format!("{path} went before it could be read"), "leave out what comes and goes");
    }
    for path in &choice.odd {
        // Sockets lie in many folders, and nobody misses them.
        log::info!("{} is a socket, a pipe or a device: it is not packed", path.display());
    }
}

fn report(stage: &Stage, manifest: &Manifest, place: &Place, packed: &Packed, began: Instant) {
    let path = place.path.display().to_string();
    let mut step = Step {
        id: "archive".into(),
        rows: Some(files_in(manifest)),
        bytes: Some(manifest.bytes),
        sha256: Some(manifest.sha256.clone()),
        duration_ms: Some(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
        summary: format!("{path}: {}, {}", counted(files_in(manifest), "file"), human_bytes(manifest.bytes)),
        path: Some(path),
        ..Step::default()
    };
    step.labels.insert("manifest".into(), Manifest::beside(&place.path).display().to_string().into());
    step.metrics.insert("packed_bytes".into(), packed.bytes.into());
    stage.step(Status::Ok, step);
}
