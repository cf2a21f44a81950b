//! The recovery drill: restore, verify, drop.

use crate::cli::Cli;
use crate::load::Load;
use crate::plan;
use crate::server::{self, Server};
use crate::source::{Source, millis};
use crate::temporary::{Temporary, drop_database};
use crate::verify::{self, Verdict};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::people::{self, human_bytes};
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::Properties;
use ml_dump::contents::Contents;
use postgres::Client;
use std::hash::{BuildHasher, RandomState};
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
    let source = Source::open(cli)?;
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
    let (server, mut client) = Server::open(cli, stage)?;
    let programs = source.programs(cli, stage, server.major)?;
    // With a manifest the loading reads every byte that the hash has vouched for; without, the file itself has to say what to expect.
    let contents = if source.manifest.is_none() { Some(source.read(&programs, &stage.cancel)?) } else { None };
    source.report(stage, contents.as_ref(), began);
    drop_stale(stage, &server, &mut client)?;
    room(cli, &server, &mut client, &source, contents.as_ref())?;
    let temporary = create(stage, &server, &mut client, &source.properties()?)?;
    let jobs = jobs(cli);
    let load = Load { programs: &programs, server: &server, database: &temporary.name, jobs, owners: false, drill: true };
    loaded(stage, &load, &source)?;
    let verdict = {
        let mut scratch = server.connect(&temporary.name)?;
        let _hook = stage.cancel.when_set(server.canceller(&scratch));
        let verdict = verify::verify(stage, &mut scratch, &source.expected(contents.as_ref()), cli.sample);
        stage.cancel.check()?;
        verdict?
    };
    let (name, dropping) = (temporary.name.clone(), Instant::now());
    temporary.drop_now()?;
    let summary = format!("{name} is gone");
    stage.step(Status::Ok, Step { id: "drop".into(), summary, duration_ms: Some(millis(dropping)), ..Step::default() });
    Ok(done(&source, &verdict, began))
}

fn skipped(stage: &Stage, why: &str) -> Done {
    for id in ["validate", "load"] {
        stage.step(Status::Skipped, Step { id: id.into(), reason: Some(why.to_owned()), summary: why.to_owned(), ..Step::default() });
    }
    Done::skipped(why)
}

fn done(source: &Source, verdict: &Verdict, began: Instant) -> Done {
    let took = format!("{:.1} s", began.elapsed().as_secs_f64());
    let told = verdict.told.join(", ");
    let name = source.name();
    let mut done = Done::ok(format!("{name} restored into a scratch database and verified in {took}: {told}"))
        .metric("rows", verdict.rows)
        .metric("restore_ms", millis(began));
    if !verdict.is_good() {
        done.summary = format!("{name} was restored in {took} but does not check out: {told}");
        done.hint = Some("the checks above say what is wrong".into());
        (done.exit, done.status) = (Class::Storage.exit(), Some(Status::Crit));
    } else if source.manifest.is_none() {
        done.reason = Some("it has no manifest to be held against".into());
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
    }
    done
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
pub fn loaded(stage: &Stage, load: &Load<'_>, source: &Source) -> Result<()> {
    let began = Instant::now();
    let waiting = people::waiting("restoring");
    load.rows(source, &stage.cancel)?;
    drop(waiting);
    let summary = format!("{} into {} with pg_restore {}", source.name(), load.database, load.programs.version);
    stage.step(
        Status::Ok,
        Step { id: "load".into(), summary, bytes: Some(source.bytes), duration_ms: Some(millis(began)), ..Step::default() },
    );
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
