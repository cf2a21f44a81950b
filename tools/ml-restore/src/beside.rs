//! Restoring into a database beside the others, whole or in part: nothing is swapped.
//!
//! A new database is dropped again when anything fails. One that is there is loaded in a single transaction: it has everything or is as it was.

use crate::cli::Cli;
use crate::drop_old::force;
use crate::load::Load;
use crate::part::Part;
use crate::scratch::{jobs, loaded, room};
use crate::server::{self, Server};
use crate::source::{Source, millis};
use crate::temporary::Temporary;
use crate::verify::{self, Expected, Roots, Verdict};
use ml_common::exit::Exit;
use ml_common::people;
use ml_common::record::{Status, Step};
use ml_common::stage::{Done, Stage};
use ml_common::{Class, Result};
use ml_dump::contents::Contents;
use ml_dump::{Programs, Properties, Tally, failed, tables};
use postgres::Client;
use std::time::Instant;

/// Restores into `database`, or plans to.
///
/// # Errors
/// Class Storage when the dump is at fault, Database when the server is, Usage when nobody can be asked.
pub fn act(cli: &Cli, stage: &Stage, database: &str) -> Result<Done> {
    let began = Instant::now();
    let source = Source::open(cli, stage)?;
    let (server, mut client) = Server::open(cli, stage)?;
    let programs = source.programs(&source.found(cli, stage)?, server.major)?;
    let contents = if source.manifest.is_none() { Some(source.read(&programs, jobs(cli), &stage.cancel)?) } else { None };
    source.report(stage, contents.as_ref(), began);
    let there = Properties::read(&mut client, database)?.is_some();
    let mut part = Part::of(cli, &source)?;
    let into = if there { "the database that is there," } else { "the new database" };
    let left_out = match part.left_out() {
        [] => String::new(),
        some => format!(", without {}", some.join(", ")),
    };
    let plan = format!("{} from {} into {into} {database}{left_out}", part.told(), source.name());
    let status = if stage.dry_run { Status::Planned } else { Status::Ok };
    stage.step(status, Step { id: "plan".into(), summary: plan.clone(), ..Step::default() });
    if stage.dry_run {
        return Ok(Done { status: Some(Status::Planned), ..Done::ok(format!("would restore {plan}")) });
    }
    if there && !cli.force {
        let sessions = server::sessions(&mut client, database)?;
        let used = if sessions.is_empty() { String::new() } else { format!("\n  is in use: {}", server::named(&sessions)) };
        if !people::ask(&format!("Restore {plan}{used}\nGo on?"), &stage.cancel).map_err(force)? {
            return Ok(Done::skipped("not confirmed; nothing was changed"));
        }
        stage.cancel.check()?;
    }
    if there {
        let mut client = server.connect(database)?;
        part.leave_out_present(&mut client, &source.archive)?;
        if part.data_only {
            part.order(&mut client)?;
        }
    }
    let (known, ours) = server.roles(&mut client, &source.owners())?;
    let owners = source.owners().iter().all(|owner| ours.contains(*owner));
    let job = Job { cli, stage, server: &server, programs: &programs, source: &source, contents: contents.as_ref(), part, owners };
    let (verdict, whole) = if there {
        job.fill_old(database)?
    } else {
        room(cli, &server, &mut client, &source, contents.as_ref())?;
        let creating = Instant::now();
        let mut properties = source.properties()?.without_roles(|role| known.contains(role) && ours.contains(role));
        properties.tablespace.clear();
        let (mut temporary, _) = Temporary::create(&server, stage, &mut client, database, &[properties.create(database, true)])?;
        let summary = database.to_owned();
        stage.step(Status::Ok, Step { id: "create".into(), summary, duration_ms: Some(millis(creating)), ..Step::default() });
        let (verdict, whole) = job.fill_new(database)?;
        if verdict.rows_wrong {
            temporary.drop_now()?;
        } else {
            temporary.keep();
        }
        (verdict, whole)
    };
    let told = verdict.told.join(", ");
    let mut done = Done::ok(format!("{plan}, in {:.1} s: {told}", began.elapsed().as_secs_f64())).metric("rows", verdict.rows);
    if verdict.rows_wrong {
        done.summary = format!("{}: what was loaded is not what was backed up: {told}", source.name());
        done.hint = Some(
            if there {
                "see the checks above; what was loaded is there"
            } else {
                "see the checks above; the new database was dropped again"
            }
            .into(),
        );
        (done.exit, done.status) = (Class::Storage.exit(), Some(Status::Crit));
    } else if !whole || !owners || source.manifest.is_none() || !verdict.is_good() {
        (done.exit, done.status) = (Exit::GENERAL, Some(Status::Warn));
        done.reason = Some(match () {
            () if source.manifest.is_none() => "it has no manifest to be held against".into(),
            () if !verdict.is_good() => "the ledger in it does not check out".into(),
            () => "owners or rights could not all be restored".into(),
        });
    }
    Ok(done.metric("restore_ms", millis(began)))
}

/// All that loading needs.
struct Job<'a> {
    cli: &'a Cli,
    stage: &'a Stage,
    server: &'a Server,
    programs: &'a Programs,
    source: &'a Source,
    contents: Option<&'a Contents>,
    part: Part,
    /// Whether objects get the owners that they had.
    owners: bool,
}

impl Job<'_> {
    fn load<'b>(&'b self, database: &'b str, single: bool) -> Load<'b> {
        let Job { programs, server, owners, .. } = *self;
        Load { programs, server, database, jobs: jobs(self.cli), owners, drill: false, tablespaces: true, single, part: &self.part }
    }

    fn fill_new(&self, database: &str) -> Result<(Verdict, bool)> {
        let load = self.load(database, false);
        loaded(self.stage, &load, self.source, self.contents)?;
        let whole = crate::target::rights(self.stage, &load, self.source)?;
        let mut client = self.server.connect(database)?;
        client.batch_execute("ANALYZE").map_err(failed("ANALYZE"))?;
        drop(client);
        if self.part.is_all() {
            let tally = self.source.expected(self.contents);
            let expected = Expected::of(self.cli, self.source, &tally);
            return Ok((verify::verify(self.stage, self.server, database, &expected)?, whole));
        }
        let after = self.count(&mut self.server.connect(database)?)?;
        Ok((verify::part(self.stage, &self.wanted(), &after), whole))
    }

    fn fill_old(&self, database: &str) -> Result<(Verdict, bool)> {
        let mut client = self.server.connect(database)?;
        let before = self.count(&mut client)?;
        let load = self.load(database, true);
        loaded(self.stage, &load, self.source, self.contents)?;
        let whole = crate::target::rights(self.stage, &load, self.source)?;
        let mut wanted = self.wanted();
        for (table, rows) in &mut wanted.tables {
            *rows += before.tables.get(table).copied().unwrap_or_default();
        }
        wanted.large_objects += before.large_objects;
        Ok((verify::part(self.stage, &wanted, &self.count(&mut client)?), whole))
    }

    /// The rows that are loaded.
    fn wanted(&self) -> Tally {
        let mut wanted = self.source.expected(self.contents);
        self.part.narrow(&mut wanted);
        wanted
    }

    /// The rows of the tables that are loaded, as far as they are there.
    fn count(&self, client: &mut Client) -> Result<Tally> {
        let mut list = tables::list(client)?;
        let wanted = self.wanted();
        let roots = Roots::read(client)?;
        list.retain(|table| wanted.tables.contains_key(roots.counted_as(&table.shown(), &wanted)));
        let mut tally = tables::count(client, &list)?;
        roots.fold(&mut tally, &wanted);
        if !self.part.has_objects() {
            tally.large_objects = 0;
        }
        Ok(tally)
    }
}
