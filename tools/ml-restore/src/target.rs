//! The restore itself: beside the old database, verified, and then in its place.

use crate::cli::Cli;
use crate::drop_old::force;
use crate::facts::Facts;
use crate::load::Load;
use crate::part::Part;
use crate::plan::{self, Aside};
use crate::scratch::{jobs, loaded};
use crate::server::{self, Server, Session};
use crate::source::{Source, millis};
use crate::swap::Swap;
use crate::temporary::Temporary;
use crate::verify::{self, Expected, Verdict};
use jiff::Timestamp;
use ml_common::exit::Exit;
use ml_common::people;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Failure, Result};
use ml_dump::contents::Contents;
use ml_dump::{Programs, failed};
use postgres::Client;
use std::time::Instant;

/// Restores in place of `database`, or plans to.
///
/// # Errors
/// Class Storage when the dump is at fault, Database when the server is or sessions are in the way, Usage when nobody can be asked.
pub fn act(cli: &Cli, stage: &Stage, database: &str) -> Result<Done> {
    let began = Instant::now();
    let source = Source::open(cli, stage)?;
    let (server, mut client) = Server::open(cli, stage)?;
    let programs = source.programs(&source.found(cli, stage)?, server.major)?;
    let contents = source.read(&programs, jobs(cli), &stage.cancel)?;
    source.report(stage, Some(&contents), began);
    let facts = Facts::gather(cli, stage, &server, &mut client, database, &source, &contents)?;
    let at = plan::free_second(database, Timestamp::now(), &facts.leftovers);
    let (new, old) = (Aside::New.name(database, at), facts.old.is_some().then(|| Aside::Old.name(database, at)));
    facts.report(stage, cli, old.as_deref());
    facts.check_room()?;
    if stage.dry_run {
        return Ok(planned(stage, &source, database));
    }
    if !cli.force {
        if !people::ask(&facts.question(&source, old.as_deref()), &stage.cancel).map_err(force)? {
            return Ok(Done::skipped("not confirmed; nothing was changed"));
        }
        stage.cancel.check()?;
    } else if !facts.sessions.is_empty() && !cli.terminate {
        return Err(blocked(&facts.sessions, database, "nothing was changed"));
    }
    let creating = Instant::now();
    let statement = facts.properties.create(&new, true);
    let (mut temporary, _) = Temporary::create(&server, stage, &mut client, &new, &[statement])?;
    rehearse(&mut client, &facts.properties.apply(&new))?;
    stage.step(Status::Ok, Step { id: "create".into(), summary: new.clone(), duration_ms: Some(millis(creating)), ..Step::default() });
    let owners = facts.strangers.is_empty();
    let job = Job { cli, stage, server: &server, programs: &programs, source: &source, contents: &contents, owners };
    let (verdict, rights) = job.fill(&new)?;
    if verdict.rows_wrong || (verdict.ledger_wrong && !cli.accept_ledger_faults) {
        let hint = if verdict.rows_wrong { "use another backup" } else { "use another backup, or say --accept-ledger-faults" };
        temporary.drop_now()?;
        let summary = format!("{database} was not touched: {} does not check out: {}", source.name(), verdict.told.join(", "));
        return Ok(Done { exit: Class::Storage.exit(), status: Some(Status::Crit), hint: Some(hint.into()), ..Done::ok(summary) });
    }
    within(&mut client, &facts.properties.apply(&new), "COMMIT")?;
    stage.cancel.check()?;
    // From here on it is worth more than the time that it took: whatever happens, it stays.
    temporary.keep();
    let swapping = Instant::now();
    let swap = Swap { database, new: &new, old: old.as_deref(), terminate: cli.terminate };
    swap.run(stage, &server, &mut client).map_err(|failure| {
        let still = if old.is_some() { format!("{database} is as it was") } else { format!("there is no {database} yet") };
        failure.context("swapping the names").hint(format!(
            "{still}, and {new} holds the restored and verified copy: end the sessions and rename by hand ({}), or drop it (ml-restore --drop-old {database}) and \
            run again with --terminate",
            plan::swap(database, &new, old.as_deref())
        ))
    })?;
    let kept = old.as_deref().map(|old| format!("; the old one is kept as {old}")).unwrap_or_default();
    let mut step = Step {
        id: "swap".into(),
        summary: format!("{new} is {database} now{kept}"),
        duration_ms: Some(millis(swapping)),
        ..Step::default()
    };
    step.labels.extend(old.as_deref().map(|old| ("old".to_owned(), old.into())));
    stage.step(Status::Ok, step);
    let remove = old.map(|_| format!("; when it is not needed any more: ml-restore --drop-old {database}")).unwrap_or_default();
    let took = format!("{:.1} s", began.elapsed().as_secs_f64());
    let whole = rights && owners && source.manifest.is_some() && verdict.is_good();
    let (exit, status) = if whole { (Exit::OK, None) } else { (Exit::GENERAL, Some(Status::Warn)) };
    let done = Done {
        exit,
        status,
        ..Done::ok(format!("{} restored as {database} and verified in {took}: {}{kept}{remove}", source.name(), verdict.told.join(", ")))
    };
    Ok(done.metric("rows", verdict.rows).metric("restore_ms", millis(began)))
}

/// All that loading needs.
struct Job<'a> {
    cli: &'a Cli,
    stage: &'a Stage,
    server: &'a Server,
    programs: &'a Programs,
    source: &'a Source,
    contents: &'a Contents,
    /// Whether objects get the owners that they had.
    owners: bool,
}

impl Job<'_> {
    /// Loads the database `new`, brings its statistics up to date, and verifies it. Says also whether all rights were given.
    fn fill(&self, new: &str) -> Result<(Verdict, bool)> {
        let (stage, cancel) = (self.stage, &self.stage.cancel);
        let part = Part::default();
        let load = Load {
            programs: self.programs,
            server: self.server,
            database: new,
            jobs: jobs(self.cli),
            owners: self.owners,
            drill: false,
            tablespaces: true,
            single: false,
            part: &part,
        };
        loaded(stage, &load, self.source, Some(self.contents))?;
        let complete = rights(stage, &load, self.source)?;
        let mut client = self.server.connect(new)?;
        let _hook = cancel.when_set(self.server.canceller(&client));
        let began = Instant::now();
        let analyzed = client.batch_execute("ANALYZE").map_err(failed("ANALYZE"));
        cancel.check()?;
        analyzed?;
        let summary = "statistics for the planner".to_owned();
        stage.step(Status::Ok, Step { id: "analyze".into(), summary, duration_ms: Some(millis(began)), ..Step::default() });
        drop(client);
        let tally = self.source.expected(Some(self.contents));
        let expected = Expected::of(self.cli, self.source, &tally);
        Ok((verify::verify(stage, self.server, new, &expected)?, complete))
    }
}

/// Restores the rights, and says whether all of them could be.
///
/// # Errors
/// Those of [`Load::rights`].
pub fn rights(stage: &Stage, load: &Load<'_>, source: &Source) -> Result<bool> {
    let began = Instant::now();
    let refused = load.rights(source, &stage.cancel)?;
    let mut step = Step { id: "load.rights".into(), duration_ms: Some(millis(began)), ..Step::default() };
    let Some(first) = refused.first() else {
        step.summary = "all rights given".into();
        stage.step(Status::Ok, step);
        return Ok(true);
    };
    step.summary = format!("{} rights or comments could not be restored: {first}", refused.len());
    step.hint = Some("make the missing roles, or restore as a superuser; or GRANT by hand what pg_restore -l shows as ACL".into());
    step.error_class = Some("database".into());
    stage.step(Status::Warn, step);
    Ok(false)
}

/// What is going to be refused is refused before the hours of loading.
fn rehearse(client: &mut Client, statements: &[String]) -> Result<()> {
    within(client, statements, "ROLLBACK")
        .map_err(|failure| failure.hint("connect as a superuser: the old database's rights and settings have to be given again"))
}

fn within(client: &mut Client, statements: &[String], end: &str) -> Result<()> {
    let mut run = |sql: &str| client.batch_execute(sql).map_err(failed("giving the new database the old one's rights and settings"));
    run("BEGIN")?;
    let done = statements.iter().try_for_each(|statement| run(statement));
    run(if done.is_ok() { end } else { "ROLLBACK" })?;
    done
}

fn blocked(sessions: &[Session], database: &str, consequence: &str) -> Failure {
    Failure::new(Class::Database, format!("{database} is in use: {}", server::named(sessions)))
        .hint(format!("stop what is connected, or have it ended with --terminate; {consequence}"))
}

fn planned(stage: &Stage, source: &Source, database: &str) -> Done {
    let steps = [("create", "make the new database"), ("load", "load and verify it"), ("swap", "swap the names")];
    for (id, summary) in steps {
        stage.step(Status::Planned, Step { id: id.into(), summary: summary.into(), ..Step::default() });
    }
    Done { status: Some(Status::Planned), ..Done::ok(format!("would restore {} as {}", source.name(), database)) }
}
