//! The recovery drill: restore, verify, drop.

use crate::check_command;
use crate::cli::Cli;
use crate::cluster::{self, Cluster};
use crate::drill::Drill;
use crate::globals;
use crate::load::{How, Load};
use crate::part::Part;
use crate::plan;
use crate::rates;
use crate::server::{self, Server};
use crate::source::{Source, millis};
use crate::temporary::{Temporary, drop_database};
use crate::verify::{self, Expected};
use jiff::Timestamp;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::contents::Contents;
use ml_dump::{Programs, Properties};
use postgres::Client;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::time::Instant;

/// Runs the drill.
///
/// # Errors
/// Class Storage when the dump is at fault, Database when the server is.
pub fn act(cli: &Cli, stage: &Stage) -> Result<Done> {
    if cli.from_stream() && cli.streamed.is_none() {
        let why = if stage.dry_run { "a dry run: no backup was made" } else { "no backup was made upstream" };
        return Ok(skipped(stage, why));
    }
    let began = Instant::now();
    let source = Source::open(cli, stage)?;
    if stage.dry_run {
        source.report(stage, None, began);
        for (id, what) in [("create", "make a scratch database"), ("load", "restore into it"), ("drop", "drop it, verified")] {
            stage.step(Status::Planned, Step { id: id.into(), summary: what.into(), ..Step::default() });
        }
        return Ok(Done {
            status: Some(Status::Planned),
            ..Done::ok(format!("would restore {} into a scratch database and verify it", source.name()))
        });
    }
    let found = source.found(cli, stage)?;
    // Dropped last: the connections to it are closed by then.
    let cluster = cli.cluster.as_ref().map(|root| private(stage, &found, &source, root.as_deref())).transpose()?;
    let (server, mut client) = match &cluster {
        Some(cluster) => Server::at(cluster.target()?, stage, None)?,
        None => Server::open(cli, stage)?,
    };
    let programs = source.programs(&found, server.major)?;
    // With a manifest the loading reads every byte that the hash has vouched for; without, the file itself has to say what to expect.
    let contents = if source.manifest.is_none() { Some(source.read(&programs, jobs(cli), &stage.cancel)?) } else { None };
    source.report(stage, contents.as_ref(), began);
    match &cluster {
        Some(_) => globals::replay(stage, &mut client, &source, &plan::roles(&source.archive))?,
        None => drop_stale(stage, &server, &mut client)?,
    }
    room(cli, &server, &mut client, &source, contents.as_ref())?;
    let temporary = create(stage, &server, &mut client, &source.properties()?)?;
    let tablespaces = cluster.is_none();
    let load = Load {
        programs: &programs,
        server: &server,
        database: &temporary.name,
        jobs: jobs(cli),
        owners: false,
        drill: true,
        tablespaces,
        single: false,
        part: &Part::default(),
    };
    loaded(stage, &load, &source, contents.as_ref())?;
    let tally = source.expected(contents.as_ref());
    let expected = Expected::of(cli, &source, &tally);
    let verdict = verify::verify(stage, &server, &temporary.name, &expected)?;
    let command = match &cli.check_command {
        Some(text) if verdict.is_good() => Some(check_command::run(stage, &server, &temporary.name, text, cli.check_timeout)?),
        _ => None,
    };
    let proven = Timestamp::now();
    let (name, dropping) = (temporary.name.clone(), Instant::now());
    temporary.drop_now()?;
    let summary = format!("{name} is gone");
    stage.step(Status::Ok, Step { id: "drop".into(), summary, duration_ms: Some(millis(dropping)), ..Step::default() });
    let drill = Drill { source: &source, verdict, command, began };
    Ok(drill.done(stage, server.major, proven))
}

/// A private server for this drill, told as a step.
fn private<'a>(stage: &Stage, found: &'a [Programs], source: &Source, root: Option<&Path>) -> Result<Cluster<'a>> {
    let began = Instant::now();
    let programs = cluster::programs(found, source.major(), source.oldest_reader())?;
    let cluster = Cluster::start(programs, root.unwrap_or(&cluster::default_root()), stage)?;
    let summary = format!("a private server of PostgreSQL {}", programs.version);
    stage.step(Status::Ok, Step { id: "cluster".into(), summary, duration_ms: Some(millis(began)), ..Step::default() });
    Ok(cluster)
}

fn skipped(stage: &Stage, why: &str) -> Done {
    for id in ["validate", "load"] {
        stage.step(Status::Skipped, Step { id: id.into(), reason: Some(why.to_owned()), summary: why.to_owned(), ..Step::default() });
    }
    Done::skipped(why)
}

/// A copy that fills the disk of a working server would do more harm than a bad backup.
///
/// # Errors
/// Class Database when there is less room than the copy is going to take.
pub fn room(cli: &Cli, server: &Server, client: &mut Client, source: &Source, contents: Option<&Contents>) -> Result<()> {
    let needed = plan::needed(source.database_bytes(), contents.map(|contents| contents.text_bytes));
    let free = server.free_bytes(client, "", cli.via.is_some());
    match (needed, free) {
        (Some(needed), Some(free)) if needed > free => {
            let (needed, free) = (human_bytes(needed), human_bytes(free));
            Err(Failure::new(Class::Database, format!("the database needs about {needed}, and the server's disk has {free} free"))
                .hint("free space on the server's disk, or restore on another server; nothing was begun"))
        }
        _ => Ok(()),
    }
}

/// Connections that load side by side.
pub fn jobs(cli: &Cli) -> usize {
    cli.jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get), usize::from)
}

/// Loads, and tells it.
///
/// # Errors
/// As [`Load::rows`].
pub fn loaded(stage: &Stage, load: &Load<'_>, source: &Source, contents: Option<&Contents>) -> Result<()> {
    let began = Instant::now();
    let how = load.rows(source, &stage.cancel)?;
    let took = began.elapsed();
    let (with, reason) = match how {
        How::Pieces => (format!("{} sessions inside tables and pg_restore", load.jobs), None),
        How::Stock(why) => ("pg_restore".to_owned(), Some(why)),
        How::Psql => ("psql".to_owned(), None),
    };
    let summary = format!("{} into {} with {with} {}", source.name(), load.database, load.programs.version);
    stage.step(
        Status::Ok,
        Step {
            id: "load".into(),
            summary,
            reason,
            bytes: Some(source.bytes),
            duration_ms: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
            ..Step::default()
        },
    );
    // A private server, which has no tablespaces, is gone with its drill.
    if load.part.is_all() && load.tablespaces {
        rates::learn(stage, &load.server.place(), source.text_bytes(contents), took);
    }
    Ok(())
}

fn create<'a>(stage: &Stage, server: &'a Server, client: &mut Client, properties: &Properties) -> Result<Temporary<'a>> {
    let began = Instant::now();
    let unique = (RandomState::new().hash_one(std::process::id()) & 0xffff_ffff) as u32;
    let name = plan::scratch(&stage.system, Timestamp::now(), unique);
    // The drill may run on a machine that does not have the locale; its order of sorting is not what is being proven.
    let plain = Properties {
        encoding: properties.encoding.clone(),
        provider: "libc".into(),
        collate: "C".into(),
        ctype: "C".into(),
        ..Properties::default()
    };
    let statements = [properties.create(&name, false), plain.create(&name, false)];
    let (temporary, which) = Temporary::create(server, stage, client, &name, &statements)?;
    let locale = if which == 0 { "" } else { ", in the locale C, as this server does not have the backup's" };
    let step = Step { id: "create".into(), summary: format!("{name}{locale}"), duration_ms: Some(millis(began)), ..Step::default() };
    stage.step(Status::Ok, step);
    Ok(temporary)
}

/// Scratch databases of runs that were killed: ours by name and owner, and older than a day.
fn drop_stale(stage: &Stage, server: &Server, client: &mut Client) -> Result<()> {
    let now = Timestamp::now();
    for name in server::own_databases(client)?.into_iter().filter(|name| plan::is_stale_scratch(&stage.system, name, now)) {
        let id = format!("drop.{name}");
        match drop_database(server, &name, false) {
            Ok(()) => {
                let reason = "left behind by a run that was killed more than a day ago".to_owned();
                stage.step(Status::Ok, Step { id, summary: format!("{name}: {reason}"), reason: Some(reason), ..Step::default() });
            }
            Err(failure) => {
                let (summary, hint) = (failure.message, failure.hint);
                stage.step(Status::Warn, Step { id, summary, hint, error_class: Some("database".into()), ..Step::default() });
            }
        }
    }
    Ok(())
}
