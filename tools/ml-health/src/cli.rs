//! The command line of ml-health.

use crate::check::Tier;
use crate::plan::{self, Choice};
use crate::profile::{self, Profile};
use clap::Parser;
use jiff::Timestamp;
use ml_common::settings::Settings;
use ml_common::stage::{Common, InputUse, Output};
use ml_common::{Class, Done, Failure, Result, Stage, Tool, pg};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

/// Look at everything that a night needs, or at what a profile names, and say how it is
#[derive(Parser, Debug)]
#[command(name = "ml-health")]
pub struct Cli {
    /// Checks of a system: the name of a file in config/profiles, or a path [default: the setting PROFILE, else the compiled-in checks]
    #[arg(long, value_name = "NAME|PATH")]
    pub profile: Option<String>,
    /// Make only these checks, and what they need: ids or their beginnings (`postgres`, `ledger.chain`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Leave these checks out, and what needs them
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub skip: Vec<String>,
    /// Make only checks of these tiers, and what they need [default: all]
    #[arg(long, value_enum, value_name = "TIER,...", value_delimiter = ',')]
    pub tier: Vec<Tier>,
    /// Look again and again, so often unless a check says otherwise (`30s`) [default: every POLL_INTERVAL_MINUTES]
    #[arg(long, value_name = "TIME", num_args = 0..=1, value_parser = above_zero)]
    pub watch: Option<Option<Duration>>,
    /// End the watch after so long (`60m`)
    #[arg(long = "for", value_name = "TIME", requires = "watch", value_parser = above_zero)]
    pub lasting: Option<Duration>,
    /// Look at logs from there on, in place of from the last run on: a time ago (`2h`) or a moment
    #[arg(long, value_name = "TIME|MOMENT", value_parser = profile::since)]
    pub since: Option<Timestamp>,
    /// Also write the metrics of Prometheus to this file, as a whole
    #[arg(long, value_name = "PATH")]
    pub textfile: Option<PathBuf>,
    /// Only read the profile, open its probes and tell every mistake
    #[arg(long)]
    pub check_config: bool,
    /// Flags of every tool.
    #[command(flatten)]
    pub common: Common,
    /// The profile, once it was asked for.
    #[arg(skip)]
    loaded: OnceLock<Result<Option<Profile>>>,
}

fn above_zero(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if time.is_zero() { Err("must be above 0".to_owned()) } else { Ok(time) }
}

impl Cli {
    /// The profile that is asked for, if any.
    ///
    /// # Errors
    /// Class Config when there is none of that name, or it has mistakes.
    pub(crate) fn profile(&self, settings: &Settings) -> Result<Option<&Profile>> {
        let load = || match profile::path(self.profile.as_deref(), settings)? {
            Some(path) => profile::load(&path, settings, &plan::home_ids()).map(Some),
            None => Ok(None),
        };
        self.loaded.get_or_init(load).as_ref().map(Option::as_ref).map_err(Clone::clone)
    }

    /// How often a watch looks, when it is one.
    ///
    /// # Errors
    /// Class Config when the settings have to say and do not.
    pub(crate) fn beat(&self, settings: &Settings) -> Result<Option<Duration>> {
        let Some(None) = self.watch else { return Ok(self.watch.flatten()) };
        match settings.count("POLL_INTERVAL_MINUTES")? {
            0 => {
                let none = Failure::new(Class::Config, "POLL_INTERVAL_MINUTES must be above 0");
                Err(none.hint("correct POLL_INTERVAL_MINUTES in the settings, or give --watch a time"))
            }
            minutes => Ok(Some(Duration::from_secs(minutes.saturating_mul(60)))),
        }
    }

    /// The checks that are asked for.
    ///
    /// # Errors
    /// As [`Cli::profile`], and class Usage when a name is not known.
    pub(crate) fn choice(&self, settings: &Settings) -> Result<Choice> {
        let entries = plan::entries(self.profile(settings)?);
        plan::known_names(&entries, self.only.iter().chain(&self.skip))?;
        Ok(Choice::among(&entries, &self.only, &self.skip, &self.tier))
    }
}

impl Tool for Cli {
    const NAME: &'static str = "ml-health";
    const OUTPUTS: &'static [Output] = &[Output::Nagios, Output::Prometheus, Output::Junit];

    fn common(&self) -> &Common {
        &self.common
    }

    /// It begins pipelines.
    fn input(&self) -> InputUse {
        InputUse::OnRequest
    }

    fn system(&self, settings: &Settings) -> Option<String> {
        if self.check_config {
            return None;
        }
        self.profile(settings).ok().flatten().map(|profile| profile.system.clone())
    }

    fn planned_ids(&self, settings: &Settings) -> Vec<String> {
        let (false, Ok(choice), Ok(profile)) = (self.check_config, self.choice(settings), self.profile(settings)) else {
            return Vec::new();
        };
        plan::entries(profile).iter().filter(|entry| choice.has(&entry.id)).map(|entry| entry.id.to_string()).collect()
    }

    fn target(&self, stage: &Stage) -> Result<Option<pg::Target>> {
        // What is wrong with the choice is told by the work itself.
        let asked = !self.check_config && self.choice(&stage.settings).is_ok_and(|choice| choice.has("postgres.connect"));
        let is_home = self.profile(&stage.settings).is_ok_and(|profile| profile.is_none_or(|profile| profile.home));
        if asked && is_home { stage.target().map(Some) } else { Ok(None) }
    }

    fn act(&mut self, stage: &Stage) -> Result<Done> {
        if self.check_config { crate::act::check_config(self, stage) } else { crate::act::act(self, stage) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_without_a_time_looks_as_often_as_the_settings_say() {
        let beat = |args: &[&str], minutes: &str| {
            let set = [format!("POLL_INTERVAL_MINUTES={minutes}")];
            let settings = Settings::load(None, &set, &|_| None).unwrap();
            Cli::try_parse_from([&["ml-health"], args].concat()).unwrap().beat(&settings).map_err(|failure| failure.class)
        };
        assert_eq!(beat(&[], "5"), Ok(None));
        assert_eq!(beat(&["--watch", "30s"], "5"), Ok(Some(Duration::from_secs(30))));
        assert_eq!(beat(&["--watch", "--for", "60m"], "5"), Ok(Some(Duration::from_secs(300))));
        assert_eq!(beat(&["--watch"], "0"), Err(Class::Config));
        assert_eq!(Settings::default().count("POLL_INTERVAL_MINUTES").ok(), Some(5), "as in the guide");
    }
}
