//! The order of things: ask, make room, dump, verify, publish, remove.

use crate::cli::Cli;
use crate::dump;
use crate::folder::{self, Listing};
use crate::globals;
use crate::make::{By, Made, Means};
use crate::place::{self, Place, Publication};
use crate::plan;
use crate::proofread::{self, Verified};
use crate::snapshot::{Facts, Sizes};
use crate::tidy;
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::files;
use ml_common::people::counted;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step, timestamp};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, pg};
use ml_dump::manifest::{self, Manifest};
use ml_dump::programs::{self, Reach};
use ml_dump::retention::{Backup, Rules};
use ml_dump::{Compression, Programs, name, sealed};
use std::time::Duration;

/// Makes a backup, or says what it would do.
///
/// # Errors
/// Class Storage for the place of the backup, Database for the server, Config for settings and programs.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    name::check_system(&stage.system)?;
    let rules = Rules::of(&stage.settings, "BACKUP")?;
    let compression = compression(stage)?;
    let recipients = sealed::recipients(&stage.settings)?;
    let target = stage.target()?;
    let options = pg::Options { statement_timeout: Some(Duration::ZERO), idle_in_transaction: Some(Duration::ZERO), ..stage.pg_options()? };
    let mut client = target.connect(&options)?;
    let facts = Facts::read(&mut client)?;
    let mut excluded = dump::excluded(&mut client)?;
    drop(client);
    let found = Programs::all(&cli.via.clone().unwrap_or_default(), stage.settings.path_if_set("PG_BIN").as_deref(), &stage.cancel)?;
    let programs = programs::for_dump(&found, facts.major)?;
    check_zstd(compression, programs)?;
    let place = place::place(cli, stage, target.database(), recipients.is_some())?;
    let listing = if place.ours { folder::list(&place.folder, &place.pattern, &stage.system)? } else { Listing::default() };
    let earlier = folder::earlier(&place.folder, &listing, compression.name());
    let estimate = |sizes: Sizes| plan::estimate(sizes.tables, compression != Compression::None, earlier);
    let means = Means {
        stage,
        target: &target,
        options: &options,
        programs,
        place: &place,
        compression,
        jobs: jobs(cli),
        stock: cli.stock,
        major: facts.major,
        encoding: &facts.properties.encoding,
        recipients: recipients.as_ref(),
    };
    if stage.dry_run {
        return planned(&means, estimate(means.snapshot()?.sizes()?), rules);
    }
    let mut done = Done::default();
    // Before the room is measured: what a killed run left may be what fills the disk.
    if place.ours {
        tidy::leftovers(stage, &place, &mut done)?;
    }
    let made = means.dump(estimate)?;
    let Verified { sha256, bytes, tally, data, encoding } = proofread::verified(&means, &made)?;
    let Made { written, snapshot, sizes, by, .. } = made;
    let (engine, fallback) = match by {
        By::Parallel(..) => ("parallel", None),
        By::Stock(why) => ("pg_dump", why),
    };
    let reach = Reach { target: &target, application: &options.application_name };
    let globals = globals::Means { programs, reach, recipients: recipients.as_ref(), cancel: &stage.cancel };
    let globals = globals::make(stage, globals, &place.path, &mut done)?;
    excluded.extend(globals::missing(globals.as_ref()));
    let (passwords, beside) =
        (globals.as_ref().is_some_and(|globals| globals.passwords), globals.as_ref().map(|globals| globals.beside.clone()));
    let manifest = Manifest {
        format: manifest::FORMAT,
        tool: format!("{} {}", stage.tool, env!("CARGO_PKG_VERSION")),
        system: stage.system.clone(),
        run: stage.run.clone(),
        file: place.name(),
        sha256,
        bytes,
        compression: compression.name().to_owned(),
        database: facts.database,
        server: facts.server,
        pg_dump: programs.version.to_string(),
        snapshot,
        lsn: facts.lsn,
        started: timestamp(place.started),
        finished: timestamp(Timestamp::now()),
        database_bytes: sizes.database,
        table_bytes: sizes.tables,
        rows: tally.rows(),
        tables: tally.tables,
        large_objects: tally.large_objects,
        excluded,
        properties: facts.properties,
        globals: beside,
        engine: engine.to_owned(),
        fallback,
        encoding,
        data,
        encryption: recipients.is_some().then(|| sealed::AGE.to_owned()),
    };
    stage.cancel.check()?;
    let companions = globals.into_iter().map(|globals| globals.file).collect();
    let pointer = place::publish(Publication { companions, dump: written.into_file(), manifest: &manifest, place: &place })?;
    if let Some(beside) = &manifest.globals {
        globals::report(stage, &place.folder, beside, passwords);
    }
    report(stage, &manifest, &place);
    if let Some(failure) = pointer {
        unpointed(stage, failure, &mut done);
    }
    done.summary = format!(
        "{}: {}, {}, {}, verified",
        manifest.file,
        counted(manifest.tables.len(), "table"),
        counted(manifest.rows, "row"),
        human_bytes(bytes)
    );
    if let Some(why) = &manifest.fallback {
        done.summary.push_str(&format!("; by stock pg_dump, on one core: {why}"));
    }
    if place.ours {
        let removed = tidy::old(stage, &place, rules, &mut done)?;
        if removed > 0 {
            done.summary.push_str(&format!("; {removed} old removed"));
        }
        done = done.metric("removed", removed);
    }
    Ok(done.metric("rows", manifest.rows).metric("bytes", bytes))
}

fn planned(means: &Means<'_>, estimate: u64, rules: Rules) -> Result<Done> {
    let (stage, place) = (means.stage, means.place);
    plan::check_space(estimate, files::disk_space(&place.folder)?.0, &place.folder)?;
    let (path, name) = (place.path.display().to_string(), place.name());
    let summary = format!("{name}, about {}, with pg_dump {}", human_bytes(estimate), means.programs.version);
    stage.step(Status::Planned, Step { id: "dump".into(), path: Some(path.clone()), summary, ..Step::default() });
    if place.ours {
        tidy::show(stage, place, rules, Backup { name, at: place.started, bytes: estimate, flaw: None, proven: None })?;
    }
    Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would write {path}")) })
}

fn report(stage: &Stage, manifest: &Manifest, place: &Place) {
    let took = Timestamp::now().duration_since(place.started).as_millis();
    let path = place.path.display().to_string();
    let mut step = Step {
        id: "dump".into(),
        rows: Some(manifest.rows),
        bytes: Some(manifest.bytes),
        sha256: Some(manifest.sha256.clone()),
        duration_ms: Some(u64::try_from(took).unwrap_or_default()),
        summary: format!("{path}: {}, {}", counted(manifest.rows, "row"), human_bytes(manifest.bytes)),
        path: Some(path),
        ..Step::default()
    };
    step.labels.insert("manifest".into(), Manifest::beside(&place.path).display().to_string().into());
    step.labels.insert("database".into(), manifest.database.as_str().into());
    step.labels.insert("engine".into(), manifest.engine.as_str().into());
    if let Some(why) = &manifest.fallback {
        step.labels.insert("fallback".into(), why.as_str().into());
    }
    step.metrics.insert("tables".into(), manifest.tables.len().into());
    step.metrics.insert("database_bytes".into(), manifest.database_bytes.into());
    stage.step(Status::Ok, step);
}

/// The backup stands, but what asks for the newest one goes by the names of the files.
fn unpointed(stage: &Stage, failure: Failure, done: &mut Done) {
    let step = Step { id: "latest".into(), summary: failure.message, hint: failure.hint, ..Step::default() };
    stage.step(Status::Warn, Step { error_class: Some("storage".into()), ..step });
    (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
}

/// The settings' compression.
fn compression(stage: &Stage) -> Result<Compression> {
    let text = stage.settings.text("BACKUP_COMPRESSION");
    text.parse().map_err(|why| Failure::new(Class::Config, format!("BACKUP_COMPRESSION: {why}")).hint("correct it in the settings"))
}

/// Who cannot read it cannot restore it.
fn check_zstd(compression: Compression, programs: &Programs) -> Result<()> {
    if matches!(compression, Compression::Zstd(_)) && programs.version.major < 16 {
        return Err(Failure::new(Class::Config, format!("BACKUP_COMPRESSION is zstd, which pg_restore {} cannot read", programs.version))
            .hint("set it to gzip, or install the programs of PostgreSQL 16 or later and set PG_BIN to their folder"));
    }
    Ok(())
}

/// Sessions beyond this are more than one disk and one network can serve.
const MOST_JOBS: usize = 64;

fn jobs(cli: &Cli) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    cli.jobs.map_or_else(cores, usize::from).clamp(1, MOST_JOBS)
}
