//! What is known before a restore changes anything: the old database, who is in it, room, rights.

use crate::cli::Cli;
use crate::plan::{self, Aside};
use crate::rates;
use crate::server::{self, Server, Session};
use crate::source::Source;
use ml_common::people::human_bytes;
use ml_common::record::{Status, Step};
use ml_common::stage::Stage;
use ml_common::{Class, Failure, Result};
use ml_dump::contents::Contents;
use ml_dump::{Properties, failed};
use postgres::Client;
use std::time::Duration;

/// What is known before anything is changed.
pub struct Facts {
    /// The name to restore under.
    pub database: String,
    /// The database that has it, and its size.
    pub old: Option<Option<u64>>,
    /// What the new one is made with.
    pub properties: Properties,
    /// Who is connected to the old one.
    pub sessions: Vec<Session>,
    /// What earlier restores have left beside it.
    pub leftovers: Vec<String>,
    /// Room that the new one takes.
    needed: Option<u64>,
    /// Room that there is, when it can be seen from here.
    free: Option<u64>,
    /// The owners in the archive that are missing here or that our role may not act for; without any, objects keep their owners.
    pub strangers: Vec<String>,
    /// How long the loading takes, roughly.
    time: Duration,
    /// Whether that is by what this server did before.
    learnt: bool,
}

impl Facts {
    /// Asks the server.
    ///
    /// # Errors
    /// Class Database, also when the role may not rename the old database.
    pub fn gather(
        cli: &Cli,
        stage: &Stage,
        server: &Server,
        client: &mut Client,
        database: &str,
        source: &Source,
        contents: &Contents,
    ) -> Result<Facts> {
        let old = Properties::read(client, database)?;
        let wanted = match &old {
            Some(properties) => properties.clone(),
            None => source.properties()?,
        };
        let mut roles = source.owners();
        roles.extend(wanted.roles());
        let (known, ours) = server.roles(client, &roles)?;
        if let Some(old) = old.as_ref().filter(|old| !ours.contains(&old.owner)) {
            return Err(Failure::new(Class::Database, format!("{database} belongs to {}, and only its owner may rename it", old.owner))
                .hint(format!("connect as {} or as a superuser", old.owner)));
        }
        let strangers = source.owners().into_iter().filter(|owner| !ours.contains(*owner)).map(str::to_owned).collect();
        // What was another server's: roles and tablespaces that this one does not have.
        let mut properties = if old.is_some() { wanted } else { wanted.without_roles(|role| known.contains(role)) };
        if old.is_none() {
            let there = client.query("SELECT 1 FROM pg_catalog.pg_tablespace WHERE spcname = $1", &[&properties.tablespace]);
            if there.map_err(failed("looking up the tablespace"))?.is_empty() {
                properties.tablespace.clear();
            }
            if !ours.contains(&properties.owner) {
                properties.owner.clear();
            }
        }
        let rate = rates::of(stage, &server.place());
        let old_bytes = server::database_bytes(client, database);
        let free = server.free_bytes(client, &properties.tablespace, cli.via.is_some());
        Ok(Facts {
            sessions: server::sessions(client, database)?,
            leftovers: server::own_databases(client)?.into_iter().filter(|name| Aside::parse(database, name).is_some()).collect(),
            needed: plan::needed(source.database_bytes().or(old_bytes), Some(contents.text_bytes)),
            time: plan::load_time(contents.text_bytes, rate),
            learnt: rate.is_some(),
            old: old.map(|_| old_bytes),
            database: database.to_owned(),
            properties,
            free,
            strangers,
        })
    }

    /// The sentences of the plan, for the record and for the question.
    fn told(&self, kept_as: Option<&str>) -> Vec<String> {
        let size = |bytes: Option<u64>| bytes.map_or("an unknown size".to_owned(), human_bytes);
        let mut told = vec![match (self.old, kept_as) {
            (Some(bytes), Some(kept)) => format!(
                "in place of the database {} ({}, of {}), which is kept as {kept}",
                self.database,
                size(bytes),
                self.properties.owner
            ),
            _ => format!("as the new database {}", self.database),
        }];
        let free = self
            .free
            .map_or("; how much there is cannot be seen from here".to_owned(), |free| format!(", and {} is free", human_bytes(free)));
        told.push(format!("takes about {} of the server's disk{free}", size(self.needed)));
        let by = if self.learnt { ", by what this server did before" } else { "" };
        told.push(format!("takes about {}{by}", minutes(self.time)));
        if !self.sessions.is_empty() {
            told.push(format!("is in use, and has to be free before the swap: {}", server::named(&self.sessions)));
        }
        if !self.strangers.is_empty() {
            let roles = self.strangers.join(", ");
            told.push(format!(
                "objects of {roles} are going to belong to the role that restores, as it may not act for them or they do not exist"
            ));
        }
        if !self.leftovers.is_empty() {
            told.push(format!("earlier restores left {}", self.leftovers.join(", ")));
        }
        told
    }

    /// Tells the plan.
    pub fn report(&self, stage: &Stage, cli: &Cli, kept_as: Option<&str>) {
        let mut step = Step { id: "plan".into(), summary: self.told(kept_as).join("; "), ..Step::default() };
        let numbers = [("needed_bytes", self.needed), ("free_bytes", self.free), ("target_bytes", self.old.flatten())];
        step.metrics.extend(numbers.into_iter().filter_map(|(name, value)| value.map(|value| (name.to_owned(), value.into()))));
        step.metrics.insert("sessions".into(), self.sessions.len().into());
        step.metrics.insert("estimate_s".into(), self.time.as_secs().into());
        let hint = if !self.strangers.is_empty() {
            Some("make the roles first (CREATE ROLE), or restore as a superuser")
        } else if !self.sessions.is_empty() && !cli.terminate {
            Some("stop what is connected before the swap, or say --terminate")
        } else {
            None
        };
        step.hint = hint.map(str::to_owned);
        let status = if hint.is_some() {
            Status::Warn
        } else if stage.dry_run {
            Status::Planned
        } else {
            Status::Ok
        };
        stage.step(status, step);
    }

    /// Whether the disk has room for a second copy, if that can be seen.
    ///
    /// # Errors
    /// Class Database when it has not.
    pub fn check_room(&self) -> Result<()> {
        match (self.needed, self.free) {
            (Some(needed), Some(free)) if needed > free => {
                let (needed, free) = (human_bytes(needed), human_bytes(free));
                Err(Failure::new(Class::Database, format!("a second copy needs about {needed}, and the server's disk has {free} free"))
                    .hint("free space there first (ml-restore --drop-old, if an old copy is not needed); nothing was changed"))
            }
            _ => Ok(()),
        }
    }

    /// What a person is asked.
    pub fn question(&self, source: &Source, kept_as: Option<&str>) -> String {
        let of = source
            .manifest
            .as_ref()
            .map_or(String::new(), |manifest| format!(", {} of {}, {} rows", manifest.database, manifest.started, manifest.rows));
        let lines: Vec<String> = self.told(kept_as).iter().map(|line| format!("  {line}")).collect();
        format!("Restore {} ({}{of})\n{}\nGo on?", source.path.display(), human_bytes(source.bytes), lines.join("\n"))
    }
}

fn minutes(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
