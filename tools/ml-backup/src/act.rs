//! The order of things: ask, reserve, dump, verify, publish, remove.

use crate::cli::Cli;
use crate::dump::{self, Dump};
use crate::folder::{self, Listing};
use crate::plan;
use crate::retention::{self, Backup, Removal};
use crate::snapshot::{Facts, Snapshot};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::files::{self, NewFile};
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step, timestamp};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, people, pg};
use ml_dump::manifest::{self, Manifest};
use ml_dump::programs::{self, Reach};
use ml_dump::{Programs, Tally, contents, name};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A file of this name may have been made within the same second; so long another is waited for.
const WAIT_FOR_A_NAME: Duration = Duration::from_secs(5);

/// Where the backup goes.
struct Place {
    path: PathBuf,
    folder: PathBuf,
    /// Only the folder of the settings is tidied.
    ours: bool,
    started: Timestamp,
}

/// Makes a backup, or says what it would do.
///
/// # Errors
/// Class Storage for the place of the backup, Database for the server, Config for settings and programs.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    name::check_system(&stage.system)?;
    let days = stage.settings.count("BACKUP_RETENTION_DAYS")?;
    let compress = stage.settings.switch("BACKUP_COMPRESSION")?;
    let target = stage.target()?;
    let options = pg::Options { statement_timeout: Some(Duration::ZERO), idle_in_transaction: Some(Duration::ZERO), ..stage.pg_options()? };
    let mut client = target.connect(&options)?;
    let _hook = stage.cancel.when_set(pg::canceller(&client, &target));
    let facts = Facts::read(&mut client)?;
    let excluded = dump::excluded(&mut client)?;
    let found = Programs::all(&cli.via.clone().unwrap_or_default(), stage.settings.path_if_set("PG_BIN").as_deref(), &stage.cancel)?;
    let programs = programs::for_dump(&found, facts.major)?;
    let place = place(cli, stage)?;
    let listing = if place.ours { folder::list(&place.folder, &stage.system)? } else { Listing::default() };
    let compression = if compress { "gzip" } else { "none" };
    let mut snapshot = Snapshot::take(client)?;
    let (database_bytes, table_bytes) = snapshot.sizes()?;
    let estimate = plan::estimate(table_bytes, compress, folder::earlier(&place.folder, &listing, compression));
    plan::check_space(estimate, files::disk_space(&place.folder)?.0, &place.folder)?;
    if stage.dry_run {
        return planned(stage, &place, listing, estimate, days, programs);
    }
    let mut file = NewFile::create(&place.path)?;
    let reach = Reach { target: &target, application: &options.application_name };
    let encoding = snapshot.encoding(&facts.properties.encoding);
    let id = snapshot.id.clone();
    let dump = Dump { programs, reach, snapshot: &id, compress, encoding, lock_timeout: options.lock_timeout.unwrap_or_default() };
    let expected = dumped(stage, &dump, &mut file, &mut snapshot)?;
    drop(snapshot);
    let (sha256, bytes) = verified(stage, programs, &file, &expected)?;
    let manifest = Manifest {
        format: manifest::FORMAT,
        tool: format!("{} {}", stage.tool, env!("CARGO_PKG_VERSION")),
        system: stage.system.clone(),
        run: stage.run.clone(),
        file: file_name(&place.path),
        sha256,
        bytes,
        compression: compression.to_owned(),
        database: facts.database,
        server: facts.server,
        pg_dump: programs.version.to_string(),
        snapshot: id,
        lsn: facts.lsn,
        started: timestamp(place.started),
        finished: timestamp(Timestamp::now()),
        database_bytes,
        table_bytes,
        rows: expected.rows(),
        tables: expected.tables,
        large_objects: expected.large_objects,
        excluded,
        properties: facts.properties,
    };
    stage.cancel.check()?;
    publish(file, &manifest, &place.path)?;
    report(stage, &manifest, &place);
    let mut done =
        Done::ok(format!("{}: {} tables, {} rows, {}, verified", manifest.file, manifest.tables.len(), manifest.rows, human_bytes(bytes)))
            .metric("rows", manifest.rows)
            .metric("bytes", bytes);
    if place.ours {
        let removals = removals(&folder::list(&place.folder, &stage.system)?, days);
        remove(stage, &place.folder, &removals, &mut done);
    }
    Ok(done)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Where to, under a name that is free.
fn place(cli: &Cli, stage: &Stage) -> Result<Place> {
    if let Some(to) = &cli.to {
        let path = std::path::absolute(to).map_err(|error| files::storage(&error, to, "cannot use"))?;
        if path.is_dir() {
            return Err(
                Failure::new(Class::Usage, format!("{} is a folder", path.display())).hint("name a file, or set BACKUP_DIR to the folder")
            );
        }
        taken(&path)?;
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        return Ok(Place { path, folder, ours: false, started: Timestamp::now() });
    }
    let folder = stage.settings.path("BACKUP_DIR");
    let until = Instant::now() + WAIT_FOR_A_NAME;
    loop {
        let started = Timestamp::now();
        let path = folder.join(name::of(&stage.system, started));
        match taken(&path) {
            Ok(()) => return Ok(Place { path, folder, ours: true, started }),
            Err(failure) if Instant::now() > until => return Err(failure),
            Err(_) => stage.cancel.sleep(Duration::from_millis(200))?,
        }
    }
}

fn taken(path: &Path) -> Result<()> {
    for path in [path.to_owned(), Manifest::beside(path)] {
        if path.symlink_metadata().is_ok() {
            return Err(Failure::new(Class::Storage, format!("{} exists and is never replaced", path.display())).hint("name another file"));
        }
    }
    Ok(())
}

fn planned(stage: &Stage, place: &Place, mut listing: Listing, estimate: u64, days: u64, programs: &Programs) -> Result<Done> {
    let name = file_name(&place.path);
    let summary = format!("{name}, about {}, with pg_dump {}", human_bytes(estimate), programs.version);
    stage.step(Status::Planned, Step { id: "dump".into(), path: Some(place.path.display().to_string()), summary, ..Step::default() });
    if place.ours {
        // What a real run would find when it comes to removing.
        listing.backups.push(Backup { name, at: place.started, bytes: estimate, flaw: None });
        for removal in removals(&listing, days) {
            stage.step(Status::Planned, removed(&place.folder, &removal));
        }
    }
    Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would write {}", place.path.display())) })
}

/// Dumps, and counts the rows meanwhile under the same snapshot.
fn dumped(stage: &Stage, dump: &Dump<'_>, file: &mut NewFile, snapshot: &mut Snapshot) -> Result<Tally> {
    let bar = people::progress("dumping", None);
    bar.enable_steady_tick(Duration::from_millis(200));
    let (dumped, counted) = std::thread::scope(|scope| {
        let counting = scope.spawn(|| snapshot.count());
        // pg_dump is started by this thread, which lives as long as the process: its children end with it.
        let dumped = dump.run(file, &stage.cancel);
        (dumped, counting.join())
    });
    bar.finish_and_clear();
    stage.cancel.check()?;
    let counted = counted.unwrap_or_else(|_| Err(Failure::new(Class::Internal, "counting the rows failed")));
    match (dumped, counted) {
        // A failed count ends the transaction, and with it the snapshot that pg_dump wants: the count knows why.
        (Err(dumped), Err(counted)) => Err(if dumped.class == Class::Storage { dumped } else { counted }),
        (dumped, counted) => dumped.and(counted),
    }
}

/// Reads the file back to its last byte and compares what is in it with what was counted.
fn verified(stage: &Stage, programs: &Programs, file: &NewFile, expected: &Tally) -> Result<(String, u64)> {
    let began = Instant::now();
    let bar = people::progress("verifying", None);
    bar.enable_steady_tick(Duration::from_millis(200));
    let hashed = files::sha256(file.temporary_path());
    let read = contents::read(programs, file.temporary_path(), &stage.cancel);
    bar.finish_and_clear();
    let ((sha256, bytes), read) = (hashed?, read?);
    let differences = expected.differences(&read.tally);
    let step = Step {
        id: "verify".into(),
        rows: Some(read.tally.rows()),
        bytes: Some(bytes),
        duration_ms: Some(millis(began)),
        ..Step::default()
    };
    if differences.is_empty() {
        let summary = format!("{} rows of {} tables read back as counted", read.tally.rows(), read.tally.tables.len());
        stage.step(Status::Ok, Step { summary, ..step });
        return Ok((sha256, bytes));
    }
    let hint = "the file was not kept; check disk and memory of this machine, and run ml-backup again";
    let summary = format!("the dump does not hold what the database held: {}", told(&differences));
    stage.step(Status::Crit, Step { summary: summary.clone(), hint: Some(hint.into()), error_class: Some("storage".into()), ..step });
    Err(Failure::new(Class::Storage, summary).hint(hint))
}

fn told(differences: &[String]) -> String {
    let more = differences.len().saturating_sub(3);
    let first = differences[..differences.len() - more].join("; ");
    if more == 0 { first } else { format!("{first}; and {more} more") }
}

/// The manifest first, the dump last: a dump under its name always has one.
fn publish(file: NewFile, manifest: &Manifest, path: &Path) -> Result<()> {
    let beside = manifest.write(path)?.publish()?;
    file.publish().map(|_| ()).inspect_err(|_| {
        if let Err(error) = std::fs::remove_file(&beside) {
            log::warn!("cannot remove {}: {error}", beside.display());
        }
    })
}

fn report(stage: &Stage, manifest: &Manifest, place: &Place) {
    let took = Timestamp::now().duration_since(place.started).as_millis();
    let mut step = Step {
        id: "dump".into(),
        rows: Some(manifest.rows),
        bytes: Some(manifest.bytes),
        path: Some(place.path.display().to_string()),
        sha256: Some(manifest.sha256.clone()),
        duration_ms: Some(u64::try_from(took).unwrap_or_default()),
        summary: format!("{}: {} rows, {}", place.path.display(), manifest.rows, human_bytes(manifest.bytes)),
        ..Step::default()
    };
    step.labels.insert("manifest".into(), Manifest::beside(&place.path).display().to_string().into());
    step.labels.insert("database".into(), manifest.database.as_str().into());
    step.metrics.insert("tables".into(), manifest.tables.len().into());
    step.metrics.insert("database_bytes".into(), manifest.database_bytes.into());
    stage.step(Status::Ok, step);
}

fn removals(listing: &Listing, days: u64) -> Vec<Removal> {
    let now = Timestamp::now();
    let mut all = retention::removals(&listing.backups, now, days);
    all.extend(retention::stale(&listing.leftovers, now));
    all
}

fn removed(folder: &Path, removal: &Removal) -> Step {
    Step {
        id: format!("retention.{}", removal.name),
        path: Some(folder.join(&removal.name).display().to_string()),
        bytes: Some(removal.bytes),
        summary: format!("{}: {}", removal.name, removal.reason),
        reason: Some(removal.reason.clone()),
        ..Step::default()
    }
}

/// A file that cannot be removed is a warning: the backup stands.
fn remove(stage: &Stage, folder: &Path, removals: &[Removal], done: &mut Done) {
    let mut count = 0;
    for removal in removals {
        let step = removed(folder, removal);
        match folder::remove(folder, removal) {
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
    done.metrics.insert("removed".into(), count.into());
    if count > 0 {
        done.summary.push_str(&format!("; {count} old removed"));
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
