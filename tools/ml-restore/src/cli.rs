//! The command line, and what the stream names.

use crate::{drop_old, scratch, target};
use ml_common::record::{Body, Record, Status};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Stage};
use ml_common::{Class, Failure, Result, Tool, pg};
use ml_dump::Via;
use std::path::PathBuf;

/// Prove a backup by restoring it, or bring it back in place of a database.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-restore", about)]
#[command(group(clap::ArgGroup::new("mode").required(true).args(["scratch", "target", "drop_old"])))]
pub struct Cli {
    /// The dump [default with --scratch: the one that ml-backup upstream has made]
    #[arg(value_name = "PATH", conflicts_with = "drop_old", required_unless_present_any = ["scratch", "drop_old"])]
    pub path: Option<PathBuf>,
    /// Restore into a scratch database, verify it, drop it
    #[arg(long)]
    pub scratch: bool,
    /// Restore beside the database DB, verify, then swap the names; the old database is kept
    #[arg(long, value_name = "DB")]
    pub target: Option<String>,
    /// Drop the old databases that restores of DB have kept
    #[arg(long, value_name = "DB")]
    pub drop_old: Option<String>,
    /// Do not ask
    #[arg(long, conflicts_with = "scratch")]
    pub force: bool,
    /// End the sessions that are in the way of the swap
    #[arg(long, conflicts_with = "scratch")]
    pub terminate: bool,
    /// Swap although the base theory, the block chain or a theorem does not check out; the rows have to be as backed up
    #[arg(long, requires = "target")]
    pub accept_ledger_faults: bool,
    /// Theorems that are proven again, taken at random
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub sample: u64,
    /// Connections that load side by side [default: the processors of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// Use pg_restore inside a running container: docker:NAME
    #[arg(long, value_name = "docker:NAME")]
    pub via: Option<Via>,
    /// Database to connect to while others are made and renamed
    #[arg(long, value_name = "DB", default_value = "postgres")]
    pub maintenance_db: String,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
    /// What the stream named.
    #[arg(skip)]
    pub streamed: Option<Streamed>,
}

/// A dump that ml-backup upstream has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Where it is.
    pub path: PathBuf,
    /// What its bytes were then.
    pub sha256: Option<String>,
}

impl Cli {
    /// The lock's name: drills of one system exclude each other, and so do restores of one database, on a server that may hold several.
    pub fn lock_name(&self, stage: &Stage) -> String {
        let of = self.target.as_deref().or(self.drop_old.as_deref()).unwrap_or(&stage.system);
        format!("ml-restore {of}")
    }

    /// Whether the dump is to come from the stream.
    pub fn from_stream(&self) -> bool {
        self.scratch && self.path.is_none()
    }

    /// The database to connect to, which must not be the one that is renamed.
    ///
    /// # Errors
    /// Class Config for settings that make no sense, Usage for a target that cannot be one.
    pub fn maintenance(&self, stage: &Stage) -> Result<pg::Target> {
        let renamed = self.target.as_deref().or(self.drop_old.as_deref());
        if renamed == Some(self.maintenance_db.as_str()) || matches!(renamed, Some("template0" | "template1")) {
            let name = renamed.unwrap_or_default();
            return Err(Failure::new(Class::Usage, format!("{name} cannot be replaced: it is needed meanwhile"))
                .hint("name the ledger's database; with --maintenance-db, another one to connect to"));
        }
        Ok(stage.target()?.with_database(&self.maintenance_db))
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-restore";
    const AFTER: After = After::Any;

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        if self.from_stream() { InputUse::Needed } else { InputUse::OnRequest }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let verify = ["verify.counts", "verify.base-theory", "verify.chain", "verify.theorems"];
        let ids: Vec<&str> = match (&self.target, self.scratch) {
            (Some(_), _) => ["validate", "plan", "create", "load"].into_iter().chain(verify).chain(["swap"]).collect(),
            (None, true) => ["validate", "create", "load"].into_iter().chain(verify).chain(["drop"]).collect(),
            (None, false) => Vec::new(),
        };
        ids.into_iter().map(str::to_owned).collect()
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        if self.from_stream() && self.streamed.is_none() { Ok(None) } else { self.maintenance(stage).map(Some) }
    }

    fn see(&mut self, record: &Record, _stage: &Stage) -> Result<()> {
        if let Body::Step(step) = &record.body
            && record.head.tool == "ml-backup"
            && record.head.status == Status::Ok
            && step.id == "dump"
            && let Some(path) = &step.path
        {
            self.streamed = Some(Streamed { path: path.into(), sha256: step.sha256.clone() });
        }
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        let done = match (&self.target, &self.drop_old) {
            (Some(database), _) => target::act(self, stage, database),
            (_, Some(database)) => drop_old::act(self, stage, database),
            _ => scratch::act(self, stage),
        };
        // A query or a child that a signal has ended fails in its own words; the signal is the reason. A swap that it ended has more to tell.
        done.map_err(|failure| stage.cancel.check().err().map_or(failure.clone(), |signal| Failure { class: signal.class, ..failure }))
    }
}
