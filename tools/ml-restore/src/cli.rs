//! The command line, and what the stream names.

use crate::{beside, clean, drop_old, scratch, target, verify};
use ml_common::record::{Body, Record, Status};
use ml_common::settings::Settings;
use ml_common::stage::{After, Common, Done, InputUse, Stage};
use ml_common::{Class, Failure, Result, Tool, pg};
use ml_dump::{Via, latest};
use ml_ledger::Sample;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Prove a backup by restoring it, or bring it back in place of a database.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-restore", about, subcommand_negates_reqs = true)]
#[command(group(clap::ArgGroup::new("mode").required(true).args(["scratch", "target", "to_database", "drop_old"])))]
pub struct Cli {
    /// The dump, or with --scratch also the word `latest` [default with --scratch: the one that ml-backup upstream has made]
    #[arg(value_name = "PATH", conflicts_with = "drop_old", required_unless_present_any = ["scratch", "drop_old"])]
    pub path: Option<PathBuf>,
    /// Restore into a scratch database, verify it, drop it, and write down that it was proven
    #[arg(long)]
    pub scratch: bool,
    /// Restore beside the database DB, verify, then swap the names; the old database is kept
    #[arg(long, value_name = "DB")]
    pub target: Option<String>,
    /// Restore into the database NAME, a new one or one that is there; nothing is swapped
    #[arg(long, value_name = "NAME")]
    pub to_database: Option<String>,
    /// Drop the old databases that restores of DB have kept
    #[arg(long, value_name = "DB")]
    pub drop_old: Option<String>,
    /// With --scratch: in a private server that is made for it and removed, so that no other is loaded [in: /var/tmp]
    #[arg(long, value_name = "FOLDER", num_args = 0..=1, require_equals = true, requires = "scratch", conflicts_with_all = ["target", "to_database"])]
    pub cluster: Option<Option<PathBuf>>,
    /// With --scratch: run CMD with PG* and DATABASE_URL leading to the scratch database; it has to succeed
    #[arg(long, value_name = "CMD", requires = "scratch", conflicts_with_all = ["target", "to_database"])]
    pub check_command: Option<String>,
    /// Time that the check command has
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration, default_value = "5m")]
    pub check_timeout: Duration,
    /// With --to-database: only this table, with its rows, indexes and whatever else is its own; may be repeated
    #[arg(long = "table", value_name = "SCHEMA.TABLE", requires = "to_database", conflicts_with_all = ["scratch", "target"])]
    pub tables: Vec<String>,
    /// With --to-database: everything but the rows
    #[arg(long, requires = "to_database", conflicts_with_all = ["data_only", "scratch", "target"])]
    pub schema_only: bool,
    /// With --to-database: only rows and values of sequences, into tables that are there
    #[arg(long, requires = "to_database", conflicts_with_all = ["scratch", "target"])]
    pub data_only: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "scratch")]
    pub force: bool,
    /// End the sessions that are in the way of the swap
    #[arg(long, conflicts_with = "scratch")]
    pub terminate: bool,
    /// Swap although the base theory, the block chain or a theorem does not check out; the rows have to be as backed up
    #[arg(long, requires = "target")]
    pub accept_ledger_faults: bool,
    /// Theorems that are proven again: so many, taken at random, or `all` [default: 200]
    #[arg(long, value_name = "N", value_parser = sample)]
    pub sample: Option<Sample>,
    /// Connections that load side by side [default: the processors of this machine]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// The key of an encrypted dump: a file of age identities [default: BACKUP_AGE_IDENTITY_FILE]
    #[arg(long, value_name = "FILE")]
    pub identity: Option<PathBuf>,
    /// Use pg_restore inside a running container: docker:NAME
    #[arg(long, value_name = "docker:NAME")]
    pub via: Option<Via>,
    /// Database to connect to while others are made and renamed
    #[arg(long, value_name = "DB", default_value = "postgres")]
    pub maintenance_db: String,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
    /// Something else than to restore.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What the stream named.
    #[arg(skip)]
    pub streamed: Option<Streamed>,
}

/// What is not restoring.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Remove what runs that were killed have left: databases and private servers
    Clean(Clean),
}

/// The flags of `clean`.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Clean {
    /// Also the old databases that restores have kept
    #[arg(long)]
    pub old: bool,
    /// Also look for private servers in this folder
    #[arg(long, value_name = "FOLDER")]
    pub cluster_in: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub force: bool,
}

/// A dump that ml-backup upstream has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Where it is.
    pub path: PathBuf,
    /// What its bytes were then.
    pub sha256: Option<String>,
}

fn sample(text: &str) -> Result<Sample, String> {
    match text {
        "all" => Ok(Sample::All),
        number => number.parse().map(Sample::Random).map_err(|_| "give a number, or all".to_owned()),
    }
}

impl Cli {
    /// The lock's name: drills of one system exclude each other, and so do restores of one database, on a server that may hold several.
    pub fn lock_name(&self, stage: &Stage) -> String {
        format!("ml-restore {}", self.changed().unwrap_or(&stage.system))
    }

    /// The database that is replaced, filled or rid of old ones.
    fn changed(&self) -> Option<&str> {
        self.target.as_deref().or(self.to_database.as_deref()).or(self.drop_old.as_deref())
    }

    /// Whether the dump is to come from the stream.
    pub fn from_stream(&self) -> bool {
        self.scratch && self.path.is_none()
    }

    /// The dump that is named, `latest` being the newest good one.
    ///
    /// # Errors
    /// Class Storage when there is none.
    pub fn given(&self, stage: &Stage) -> Result<Option<PathBuf>> {
        match &self.path {
            Some(path) if self.scratch && path == Path::new("latest") => {
                latest::find(&stage.settings.path("BACKUP_DIR"), &stage.system).map(Some)
            }
            path => Ok(path.clone()),
        }
    }

    /// How many theorems are proven again.
    pub fn sample(&self) -> Sample {
        self.sample.unwrap_or(Sample::Random(200))
    }

    /// The database to connect to, which must not be the one that is renamed.
    ///
    /// # Errors
    /// Class Config for settings that make no sense, Usage for a target that cannot be one.
    pub fn maintenance(&self, stage: &Stage) -> Result<pg::Target> {
        let changed = self.changed();
        if changed == Some(self.maintenance_db.as_str()) || matches!(changed, Some("template0" | "template1")) {
            let name = changed.unwrap_or_default();
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
        if self.command.is_none() && self.from_stream() { InputUse::Needed } else { InputUse::OnRequest }
    }

    fn planned_ids(&self, _settings: &Settings) -> Vec<String> {
        let around: (&[&str], &[&str]) = match (&self.target, self.scratch) {
            _ if self.command.is_some() => return Vec::new(),
            (Some(_), _) => (&["validate", "plan", "create", "load"], &["swap"]),
            (None, true) => (&["validate", "create", "load"], &["drop"]),
            (None, false) => return Vec::new(),
        };
        around.0.iter().chain(&verify::CHECKS).chain(around.1).map(|id| (*id).to_owned()).collect()
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        let none = self.command.is_none() && ((self.from_stream() && self.streamed.is_none()) || self.cluster.is_some());
        if none { Ok(None) } else { self.maintenance(stage).map(Some) }
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
        let done = if let Some(Command::Clean(clean)) = &self.command {
            clean::act(self, clean, stage)
        } else if let Some(database) = &self.target {
            target::act(self, stage, database)
        } else if let Some(database) = &self.to_database {
            beside::act(self, stage, database)
        } else if let Some(database) = &self.drop_old {
            drop_old::act(self, stage, database)
        } else {
            scratch::act(self, stage)
        };
        // A query or a child that a signal has ended fails in its own words; the signal is the reason. A swap that it ended has more to tell.
        done.map_err(|failure| stage.cancel.check().err().map_or(failure.clone(), |signal| Failure { class: signal.class, ..failure }))
    }
}
