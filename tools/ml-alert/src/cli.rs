//! The command line of ml-alert.

use crate::work::{Work, rule_files};
use crate::{orders, replay, verbs};
use clap::Parser;
use ml_common::record::Record;
use ml_common::stage::{Common, InputUse};
use ml_common::{Class, Done, Failure, Result, Stage, Tool};
use std::path::PathBuf;
use std::time::Duration;

/// Tell people what a run found bad: in one Slack or Discord message, or by rules
#[derive(Parser)]
#[command(name = "ml-alert")]
pub struct Cli {
    /// What to do instead.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// Tools that must have taken part; those that did not are named in the message
    #[arg(long, value_name = "TOOL,...", value_delimiter = ',')]
    pub expect: Vec<String>,
    /// Where the whole stream is kept, to be named in the message [default: $ML_LOG]
    #[arg(long, value_name = "PATH")]
    pub log: Option<String>,
    /// An input without any record is all right (after a filter that lets only bad news through)
    #[arg(long)]
    pub allow_empty: bool,
    /// Judge by the clock of this machine, not by the last record: absences are seen without any record (from cron: ml-alert --tick </dev/null)
    #[arg(long)]
    pub tick: bool,
    /// Files with rules and sinks [default: ALERT_RULES, and the profile when it has rules; else those that check-config shows]
    #[arg(long, value_name = "FILE", global = true)]
    pub rules: Vec<PathBuf>,
    /// Profile whose rules are taken [default: the setting PROFILE]
    #[arg(long, value_name = "NAME|PATH", global = true)]
    pub profile: Option<String>,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
    /// Which rules there are is known at the first record.
    #[arg(skip)]
    work: Option<Box<Work>>,
}

/// What to do instead of telling what a stream holds.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Verb {
    /// Show what would have been sent of a history (standard input, or files), and how two sets of rules differ
    Replay(Replay),
    /// Say why something was told or was not, and when it is told next
    Explain(Explain),
    /// What fires, what is silenced, what waits to be delivered
    List,
    /// Tell nothing of an id or a rule for a while
    Silence(SilenceArgs),
    /// Take what fires for over: its check is gone, or it was put right where no check looks
    Resolve(Resolve),
    /// Send a test alert through one sink
    Test(Test),
    /// Read the rules and tell every mistake
    CheckConfig,
}

/// Which history, under which rules.
#[derive(Clone, Debug, clap::Args)]
pub struct Replay {
    /// Rules to compare with
    #[arg(long, value_name = "FILE")]
    pub against: Vec<PathBuf>,
    /// Files of records [default: standard input]
    #[arg(value_name = "PATH")]
    pub history: Vec<PathBuf>,
    #[arg(skip)]
    pub(crate) rules: Vec<PathBuf>,
}

/// What to explain.
#[derive(Clone, Debug, clap::Args)]
pub struct Explain {
    /// Id of a check or step, or name of a rule
    pub id: String,
}

/// What to silence.
#[derive(Clone, Debug, clap::Args)]
pub struct SilenceArgs {
    /// Id or rule, with * for any part of it
    pub pattern: Option<String>,
    /// For how long
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration, default_value = "2h")]
    pub lasting: Duration,
    #[command(flatten)]
    pub(crate) by: By,
    /// End the silence of this number instead
    #[arg(long, value_name = "NUMBER", conflicts_with = "pattern")]
    pub expire: Option<u64>,
}

/// What to take for over.
#[derive(Clone, Debug, clap::Args)]
pub struct Resolve {
    /// Id or rule, with * for any part of it
    pub pattern: String,
    #[command(flatten)]
    pub(crate) by: By,
}

/// Who wants something, and why.
#[derive(Clone, Debug, clap::Args)]
pub struct By {
    /// Who wants it [default: $USER]
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Why
    #[arg(long, value_name = "TEXT", default_value = "no reason given")]
    pub reason: String,
}

/// Which sink to test.
#[derive(Clone, Debug, clap::Args)]
pub struct Test {
    /// Name of the sink in the rules
    #[arg(long, value_name = "NAME")]
    pub sink: String,
}

impl Tool for Cli {
    const NAME: &'static str = "ml-alert";
    const REPORTER: bool = true;

    fn common(&self) -> &Common {
        &self.common
    }

    fn input(&self) -> InputUse {
        match self.verb {
            // It reads its history by itself.
            Some(_) => InputUse::OnRequest,
            None if self.allow_empty || self.tick => InputUse::MayBeEmpty,
            None => InputUse::Needed,
        }
    }

    fn see(&mut self, record: &Record, stage: &Stage) -> Result<()> {
        // A verb reads its history by itself.
        if self.verb.is_some() {
            return Ok(());
        }
        let mut work = self.begun(stage)?;
        let seen = work.see(record, stage);
        self.work = Some(work);
        seen
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        if let Some(missing) = self.rules.iter().find(|path| !path.exists()) {
            let failure = Failure::new(Class::Config, format!("there is no file {}", missing.display()));
            return Err(failure.hint("name a file of rules with --rules, or leave it out"));
        }
        match self.verb.clone() {
            Some(Verb::Replay(args)) => replay::replay(self, &args, stage),
            Some(Verb::Explain(args)) => verbs::explain(self, &args, stage),
            Some(Verb::List) => verbs::list(self, stage),
            Some(Verb::Silence(args)) => orders::silence(&args, stage),
            Some(Verb::Resolve(args)) => orders::resolve(self, &args, stage),
            Some(Verb::Test(args)) => verbs::test(self, &args, stage),
            Some(Verb::CheckConfig) => verbs::check_config(self, stage),
            None => self.begun(stage)?.end(self, stage),
        }
    }
}

impl Cli {
    fn begun(&mut self, stage: &Stage) -> Result<Box<Work>> {
        match self.work.take() {
            Some(work) => Ok(work),
            None => Ok(Box::new(Work::begin(&rule_files(self, stage)?, stage)?)),
        }
    }
}
