//! The order of things: ask, make room, dump, verify, publish, remove.

use crate::cli::Cli;
use crate::dump::{self, Dump};
use crate::folder::{self, Listing};
use crate::globals;
use crate::place::{self, Place, Publication};
use crate::plan;
use crate::snapshot::{Facts, Sizes, Snapshot};
use crate::tidy;
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::files::{self, NewFile};
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step, timestamp};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result, people, pg};
use ml_dump::manifest::{self, Manifest};
use ml_dump::programs::{self, Reach};
use ml_dump::retention::{Backup, Rules};
use ml_dump::{Programs, Tally, contents, name};
use std::time::{Duration, Instant};

/// Somebody who waits to change a table keeps pg_dump from locking it, and is kept waiting by us: letting go and trying again serves both.
const ATTEMPTS: usize = 3;

/// What a dump is made with.
struct Means<'a> {
    stage: &'a Stage,
    target: &'a pg::Target,
    options: &'a pg::Options,
    programs: &'a Programs,
    place: &'a Place,
    compress: bool,
    /// The database's.
    encoding: &'a str,
}

/// A dump that was made but not yet read back.
struct Made {
    file: NewFile,
    snapshot: String,
    sizes: Sizes,
    expected: Tally,
}

/// Makes a backup, or says what it would do.
///
/// # Errors
/// Class Storage for the place of the backup, Database for the server, Config for settings and programs.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    name::check_system(&stage.system)?;
    let rules = Rules::of(&stage.settings, "BACKUP")?;
    let compress = stage.settings.switch("BACKUP_COMPRESSION")?;
    let target = stage.target()?;
    let options = pg::Options { statement_timeout: Some(Duration::ZERO), idle_in_transaction: Some(Duration::ZERO), ..stage.pg_options()? };
    let mut client = target.connect(&options)?;
    let facts = Facts::read(&mut client)?;
    let mut excluded = dump::excluded(&mut client)?;
    drop(client);
    let found = Programs::all(&cli.via.clone().unwrap_or_default(), stage.settings.path_if_set("PG_BIN").as_deref(), &stage.cancel)?;
    let programs = programs::for_dump(&found, facts.major)?;
    let place = place::place(cli, stage, target.database())?;
    let listing = if place.ours { folder::list(&place.folder, &place.pattern, &stage.system)? } else { Listing::default() };
    let compression = if compress { "gzip" } else { "none" };
    let earlier = folder::earlier(&place.folder, &listing, compression);
    let estimate = |sizes: Sizes| plan::estimate(sizes.tables, compress, earlier);
    let means =
        Means { stage, target: &target, options: &options, programs, place: &place, compress, encoding: &facts.properties.encoding };
    if stage.dry_run {
        return planned(&means, estimate(means.snapshot()?.sizes()?), rules);
    }
    let mut done = Done::default();
    // Before the room is measured: what a killed run left may be what fills the disk.
    if place.ours {
        tidy::leftovers(stage, &place, &mut done)?;
    }
    let Made { file, snapshot, sizes, expected } = means.dump(estimate)?;
    let (sha256, bytes) = verified(stage, programs, &file, &expected)?;
    let reach = Reach { target: &target, application: &options.application_name };
    let globals = globals::Means { programs, reach, recipients: None, cancel: &stage.cancel };
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
        compression: compression.to_owned(),
        database: facts.database,
        server: facts.server,
        pg_dump: programs.version.to_string(),
        snapshot,
        lsn: facts.lsn,
        started: timestamp(place.started),
        finished: timestamp(Timestamp::now()),
        database_bytes: sizes.database,
        table_bytes: sizes.tables,
        rows: expected.rows(),
        tables: expected.tables,
        large_objects: expected.large_objects,
        excluded,
        properties: facts.properties,
        globals: beside,
        engine: "pg_dump".into(),
        ..Manifest::default()
    };
    stage.cancel.check()?;
    let companions = globals.into_iter().map(|globals| globals.file).collect();
    let pointer = place::publish(Publication { companions, dump: file, manifest: &manifest, place: &place })?;
    if let Some(beside) = &manifest.globals {
        globals::report(stage, &place.folder, beside, passwords);
    }
    report(stage, &manifest, &place);
    if let Some(failure) = pointer {
        unpointed(stage, failure, &mut done);
    }
    done.summary = format!("{}: {} tables, {} rows, {}, verified", manifest.file, manifest.tables.len(), manifest.rows, human_bytes(bytes));
    if place.ours {
        let removed = tidy::old(stage, &place, rules, &mut done)?;
        if removed > 0 {
            done.summary.push_str(&format!("; {removed} old removed"));
        }
        done = done.metric("removed", removed);
    }
    Ok(done.metric("rows", manifest.rows).metric("bytes", bytes))
}

impl Means<'_> {
    fn snapshot(&self) -> Result<Snapshot> {
        let client = self.target.connect(self.options)?;
        let _hook = self.stage.cancel.when_set(pg::canceller(&client, self.target));
        Snapshot::take(client)
    }

    /// Dumps, once more when somebody wants to change a table in the same moment.
    fn dump(&self, estimate: impl Fn(Sizes) -> u64) -> Result<Made> {
        let mut attempt = 1;
        loop {
            let mut snapshot = self.snapshot()?;
            let sizes = snapshot.sizes()?;
            plan::check_space(estimate(sizes), files::disk_space(&self.place.folder)?.0, &self.place.folder)?;
            let mut file = NewFile::create(&self.place.path)?;
            match self.dump_once(&mut file, &mut snapshot) {
                Ok(expected) => return Ok(Made { file, snapshot: snapshot.id, sizes, expected }),
                Err(failure) if attempt < ATTEMPTS && dump::is_busy(&failure) => log::info!("{failure}; trying again"),
                Err(failure) => return Err(failure),
            }
            attempt += 1;
        }
    }

    /// Dumps, and counts the rows meanwhile under the same snapshot.
    fn dump_once(&self, file: &mut NewFile, snapshot: &mut Snapshot) -> Result<Tally> {
        let cancel = &self.stage.cancel;
        let dump = Dump {
            programs: self.programs,
            reach: Reach { target: self.target, application: &self.options.application_name },
            snapshot: &snapshot.id.clone(),
            compress: self.compress,
            encoding: snapshot.encoding(self.encoding),
            lock_timeout: self.options.lock_timeout.unwrap_or_default(),
        };
        let _hook = cancel.when_set(snapshot.canceller(self.target));
        let waiting = people::waiting("dumping");
        let (dumped, counted) = std::thread::scope(|scope| {
            let counting = scope.spawn(|| snapshot.count());
            // pg_dump is started by this thread, which lives as long as the process: its children end with it.
            let dumped = dump.run(file, cancel);
            (dumped, counting.join())
        });
        drop(waiting);
        cancel.check()?;
        let counted = counted.unwrap_or_else(|_| Err(Failure::new(Class::Internal, "counting the rows failed")));
        match (dumped, counted) {
            // A failed count ends the transaction, and with it the snapshot that pg_dump wants: the count knows why.
            (Err(dumped), Err(counted)) => Err(if dumped.class == Class::Storage { dumped } else { counted }),
            (dumped, counted) => dumped.and(counted),
        }
    }
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

/// Reads the file back to its last byte and compares what is in it with what was counted.
fn verified(stage: &Stage, programs: &Programs, file: &NewFile, expected: &Tally) -> Result<(String, u64)> {
    let began = Instant::now();
    let waiting = people::waiting("verifying");
    let (sha256, bytes) = files::sha256(file.temporary_path())?;
    let read = contents::read(programs, file.temporary_path(), &stage.cancel)?;
    drop(waiting);
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

fn report(stage: &Stage, manifest: &Manifest, place: &Place) {
    let took = Timestamp::now().duration_since(place.started).as_millis();
    let path = place.path.display().to_string();
    let mut step = Step {
        id: "dump".into(),
        rows: Some(manifest.rows),
        bytes: Some(manifest.bytes),
        sha256: Some(manifest.sha256.clone()),
        duration_ms: Some(u64::try_from(took).unwrap_or_default()),
        summary: format!("{path}: {} rows, {}", manifest.rows, human_bytes(manifest.bytes)),
        path: Some(path),
        ..Step::default()
    };
    step.labels.insert("manifest".into(), Manifest::beside(&place.path).display().to_string().into());
    step.labels.insert("database".into(), manifest.database.as_str().into());
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

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}
