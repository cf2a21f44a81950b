//! The command line.

use crate::{act, fetch};
use ml_common::record::{Body, Record, Status};
use ml_common::stage::{Common, Done, InputUse, Stage};
use ml_common::{Result, Tool};
use std::path::PathBuf;

/// Copy files to another place and check them there: those that the stream names, or PATHs.
#[derive(Clone, Debug, Default, clap::Parser)]
#[command(name = "ml-push", about)]
pub struct Cli {
    /// s3://bucket/prefix, git+https://host/repository.git#branch:folder, git+ssh://..., a folder, or command:... [default: PUSH_TO]
    #[arg(value_name = "DESTINATION")]
    pub destination: Option<String>,
    /// Files to copy, instead of those that the stream names; `-` as DESTINATION stands for PUSH_TO
    #[arg(value_name = "PATH", conflicts_with = "fetch")]
    pub paths: Vec<PathBuf>,
    /// Bring this file back, with what belongs to it; `latest` is the newest backup of the system
    #[arg(long, value_name = "NAME")]
    pub fetch: Option<String>,
    /// Folder for what is brought back [default: BACKUP_DIR]
    #[arg(long, value_name = "FOLDER", requires = "fetch")]
    pub into: Option<PathBuf>,
    /// What every tool has.
    #[command(flatten)]
    pub common: Common,
    /// What the stream named.
    #[arg(skip)]
    pub streamed: Vec<Streamed>,
}

/// A file that the stream named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streamed {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds.
    pub sha256: String,
    /// The machine that wrote it.
    pub host: String,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-push";

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        if self.paths.is_empty() && self.fetch.is_none() { InputUse::Needed } else { InputUse::OnRequest }
    }

    fn see(&mut self, record: &Record, _stage: &Stage) -> Result<()> {
        let Body::Step(step) = &record.body else { return Ok(()) };
        // What an ml-push before this one says of a file it has copied names the same file.
        if record.head.status == Status::Ok
            && let (Some(path), Some(sha256)) = (&step.path, &step.sha256)
        {
            let path = PathBuf::from(path);
            self.streamed.retain(|earlier| earlier.path != path);
            self.streamed.push(Streamed { path, sha256: sha256.clone(), host: record.head.host.clone() });
        }
        Ok(())
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        let done = match &self.fetch {
            Some(name) => fetch::act(self, name, stage),
            None => act::act(self, stage),
        };
        // A request or a child that a signal has ended fails in its own words; the signal is the reason.
        done.map_err(|failure| stage.cancel.check().err().unwrap_or(failure))
    }
}
